"""Facts about this machine, read from the operating system without further packages."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

# What /proc/cpuinfo calls a feature, and what people call it.
FEATURES = {
    "sse4_2": "SSE4.2", "avx": "AVX", "f16c": "F16C", "fma": "FMA", "avx2": "AVX2",
    "avx512f": "AVX-512F", "avx512dq": "AVX-512DQ", "avx512bw": "AVX-512BW",
    "avx512vl": "AVX-512VL", "avx512_vnni": "AVX-512-VNNI", "avx_vnni": "AVX-VNNI",
    "avx512_bf16": "AVX-512-BF16", "avx512_fp16": "AVX-512-FP16", "amx_tile": "AMX",
    "amx_bf16": "AMX-BF16", "amx_int8": "AMX-INT8", "asimd": "NEON", "fphp": "FP16",
    "asimddp": "DOTPROD", "bf16": "BF16", "i8mm": "I8MM", "sve": "SVE", "sve2": "SVE2",
}  # fmt: skip


def cpu_model() -> str:
    """Return the processor's name."""
    info = _cpuinfo()
    for key in ("model name", "Model", "Hardware"):
        if info.get(key):
            return info[key]
    return _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()


def cpu_features() -> list[str]:
    """Return the vector instruction sets that matter for arithmetic.

    Example:
        >>> cpu_features()
        ['SSE4.2', 'AVX', 'F16C', 'FMA', 'AVX2']
    """
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    if not flags and sys.platform == "darwin":
        text = f"{_sysctl('machdep.cpu.features')} {_sysctl('machdep.cpu.leaf7_features')}".lower()
        flags = set(text.replace(".", "_").split())
        if platform.machine() == "arm64":
            flags |= {"asimd", "fphp", "asimddp"}
    return [name for flag, name in FEATURES.items() if flag in flags]


def cores() -> tuple[int | None, int, int]:
    """Return (physical cores, logical processors, processors this process may use)."""
    logical = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    quota = _control_group_quota()
    if quota is not None:
        usable = max(1, min(usable, int(quota)))
    return _physical_cores(), logical, usable


def caches() -> list[str]:
    """Return the first processor's caches, as "L1d 32 KiB"."""
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index[0-9]*")):
        level, kind, size = (_read(index / name) for name in ("level", "type", "size"))
        if level and size:
            suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
            found.append(f"L{level}{suffix} {_size(size)}")
    if not found and sys.platform == "darwin":
        for name, key in (("L1d", "hw.l1dcachesize"), ("L1i", "hw.l1icachesize"),
                          ("L2", "hw.l2cachesize"), ("L3", "hw.l3cachesize")):  # fmt: skip
            value = _sysctl(key)
            if value.isdigit() and int(value):
                found.append(f"{name} {int(value) // 1024} KiB")
    return found


def memory() -> tuple[int | None, int | None]:
    """Return (total, available) bytes of memory; the limit of a container counts as total."""
    total = available = None
    for line in _read(Path("/proc/meminfo")).splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            total = int(rest.split()[0]) * 1024
        elif name == "MemAvailable":
            available = int(rest.split()[0]) * 1024
    if total is None and hasattr(os, "sysconf"):
        try:
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (ValueError, OSError):
            pass
    for limit_file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = _read(Path(limit_file))
        if limit.isdigit() and total is not None and int(limit) < total:
            total = int(limit)
            available = None if available is None else min(available, total)
    return total, available


def blas() -> str:
    """Return the name and version of the BLAS that NumPy was built with."""
    import numpy as np

    try:
        description = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{description.get('name', 'unknown')} {description.get('version', '')}".strip()
    except (KeyError, TypeError):
        return "unknown"


def cuda_devices() -> tuple[str | None, list[str]]:
    """Return (driver's CUDA version, device names), or (None, []) where no driver answers."""
    driver = _load(("libcuda.so.1", "libcuda.so", "nvcuda.dll"))
    if driver is None or driver.cuInit(0) != 0:
        return None, []
    version, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    driver.cuDeviceGetCount(ctypes.byref(count))
    names = []
    for index in range(count.value):
        device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
        driver.cuDeviceGet(ctypes.byref(device), index)
        driver.cuDeviceGetName(name, 256, device)
        names.append(name.value.decode(errors="replace"))
    return f"{version.value // 1000}.{version.value % 1000 // 10}", names


def cudnn_version() -> str | None:
    """Return cuDNN's version, or None where the library is not found."""
    library = _load(("libcudnn.so.9", "libcudnn.so.8", "libcudnn.so", "cudnn64_9.dll"))
    if library is None:
        return None
    library.cudnnGetVersion.restype = ctypes.c_size_t
    number = library.cudnnGetVersion()
    base = 10000 if number >= 90000 else 1000
    return f"{number // base}.{number % base // 100}.{number % 100}"


def _load(names: tuple[str, ...]) -> ctypes.CDLL | None:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _cpuinfo() -> dict[str, str]:
    info: dict[str, str] = {}
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            info.setdefault(name.strip(), value.strip())
    return info


def _physical_cores() -> int | None:
    pairs = set()
    physical = core = ""
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("physical id"):
            physical = line
        elif line.startswith("core id"):
            core = line
        elif not line.strip() and core:
            pairs.add((physical, core))
    if pairs:
        return len(pairs)
    value = _sysctl("hw.physicalcpu")
    return int(value) if value.isdigit() else None


def _control_group_quota() -> float | None:
    quota, _, period = _read(Path("/sys/fs/cgroup/cpu.max")).partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        return int(quota) / int(period)
    return None


def _size(text: str) -> str:
    match = re.fullmatch(r"(\d+)([KM]?)", text)
    if not match:
        return text
    kibibytes = int(match[1]) * {"K": 1, "M": 1024, "": 1 / 1024}[match[2]]
    return f"{kibibytes / 1024:g} MiB" if kibibytes >= 1024 else f"{kibibytes:g} KiB"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _sysctl(name: str) -> str:
    if sys.platform != "darwin":
        return ""
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=5)
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
