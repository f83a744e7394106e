"""`rushlight doctor`: what this machine offers, one fact a line. Needs nothing but the core."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from rushlight.cli import machine

PACKAGES = ("numpy", "ml_dtypes", "llvmlite")
OPTIONAL = ("typer", "rich", "pillow", "matplotlib", "safetensors")


def main(arguments: list[str]) -> int:
    """Print the report; exit code 0, or 1 when a package the core needs is missing.

    Example:
        >>> main([])
        0
    """
    if arguments and arguments[0] in ("-h", "--help"):
        print("usage: rushlight doctor\n\nDescribe this machine and what rushlight found on it.")
        return 0
    if arguments:
        print(f"rushlight doctor: unexpected argument {arguments[0]!r}", file=sys.stderr)
        return 2
    for name, value in report():
        print(f"{name:<12} {value}")
    missing = [name for name in PACKAGES if _version(name) is None]
    if missing:
        print(f"rushlight doctor: missing: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def report() -> Iterator[tuple[str, str]]:
    """Yield (name, value) pairs."""
    import rushlight

    yield "rushlight", str(rushlight.__version__)
    build = f"{platform.python_implementation()} {platform.python_version()}"
    yield "Python", f"{build} ({sys.executable})"
    yield "System", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "Packages", ", ".join(f"{name} {_version(name) or 'MISSING'}" for name in PACKAGES)
    extras = ", ".join(f"{name} {_version(name) or 'not installed'}" for name in OPTIONAL)
    yield "Optional", extras
    yield "CPU", machine.cpu_model()
    yield "Features", ", ".join(machine.cpu_features()) or "none recognised"
    yield "Cores", _cores()
    yield "Threads", f"rushlight computes with {rushlight.get_num_threads()}"
    yield "Caches", ", ".join(machine.caches()) or "unknown"
    yield "Memory", _memory()
    yield "BLAS", f"{machine.blas()} (NumPy's)"
    version, devices = machine.cuda_devices()
    listed = ["cpu"] + [f"cuda:{i} ({name})" for i, name in enumerate(devices)]
    yield "Devices", ", ".join(listed)
    yield "CUDA", _cuda(version, devices)
    yield "cuDNN", _cudnn()


def _cores() -> str:
    physical, logical, usable = machine.cores()
    text = f"{logical} logical, {usable} usable by this process"
    return text if physical is None else f"{physical} physical, {text}"


def _memory() -> str:
    total, available = machine.memory()
    if total is None:
        return "unknown"
    text = f"{total / 2**30:.1f} GiB"
    return text if available is None else f"{text}, {available / 2**30:.1f} GiB available"


def _cuda(version: str | None, devices: list[str]) -> str:
    what = "NVIDIA's platform and programming model for general computing on its GPUs"
    if version is None:
        return f"{what}: not found on this machine"
    return f"{what}: found, driver for CUDA {version}, {len(devices)} device(s)"


def _cudnn() -> str:
    what = "NVIDIA's library of neural network primitives (convolution, ...) on top of CUDA"
    version = machine.cudnn_version()
    return f"{what}: not found on this machine" if version is None else f"{what}: found, {version}"


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
