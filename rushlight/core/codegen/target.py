"""The CPU that code is generated for: its vectors, its registers, and LLVM's target machine."""

from __future__ import annotations

import ctypes
import functools
import platform
from typing import NamedTuple

SYSTEM_CALL, REQUEST, TILE_DATA = 158, 0x1023, 18      # arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA


class Target(NamedTuple):
    """What generators need to know of a CPU. `features` are LLVM's names."""

    triple: str
    cpu: str
    features: frozenset
    vector_bits: int      # the widest vector used
    registers: int        # vector registers

    def lanes(self, itemsize: int) -> int:
        """How many elements of `itemsize` bytes one vector register holds."""
        return self.vector_bits // 8 // itemsize

    def has(self, feature: str) -> bool:
        """Whether the CPU has a feature, by LLVM's name."""
        return feature in self.features

    @property
    def text(self) -> str:
        """What distinguishes machine code for this target, for the disk cache."""
        return f"{self.triple} {self.cpu} {self.vector_bits} {' '.join(sorted(self.features))}"


def _bits(triple, features):
    if triple.startswith(("aarch64", "arm64")):
        return 128, 32
    if "avx512f" in features and "avx512vl" in features and "avx512bw" in features and \
            "avx512dq" in features:
        return 512, 32
    if "avx2" in features and "fma" in features:
        return 256, 16
    return 128, 16


@functools.cache
def host() -> Target:
    """This machine."""
    from llvmlite import binding
    initialize()
    triple = binding.get_default_triple()
    found = binding.get_host_cpu_features()
    features = frozenset(name for name, present in found.items() if present)
    return Target(triple, binding.get_host_cpu_name(), features, *_bits(triple, features))


def limited(level: str) -> Target:
    """This machine as if it had only "avx2", or "avx512": all but the matrix instructions."""
    this = host()
    if this.vector_bits <= 256:
        return this
    beyond = ("amx",) if level == "avx512" else ("avx512", "avx10", "amx")
    features = frozenset(f for f in this.features if not f.startswith(beyond))
    if level == "avx512":
        return this._replace(features=features)
    return Target(this.triple, "haswell", features, *_bits(this.triple, features))


def aarch64() -> Target:
    """A generic 64-bit ARM, for checking that the same generators reach it."""
    return Target("aarch64-unknown-linux-gnu", "generic", frozenset(("neon", "fp-armv8")), 128, 32)


@functools.cache
def tiles_permitted() -> bool:
    """Ask Linux once for the tile registers: without its grant their instructions are illegal.

    It is the process's own: both the one that compiles and the one that runs must ask.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    try:
        call = ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError):
        return False
    call.restype = ctypes.c_long
    numbers = (ctypes.c_long(n) for n in (SYSTEM_CALL, REQUEST, TILE_DATA))
    return call(*numbers) == 0


@functools.cache
def initialize() -> None:
    """Make LLVM's targets known, once."""
    from llvmlite import binding
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()


@functools.lru_cache(maxsize=8)
def target_machine(target: Target):
    """LLVM's target machine (not thread-safe: used under the compile lock)."""
    from llvmlite import binding
    initialize()
    features = ",".join("+" + f for f in sorted(target.features))
    if target.vector_bits < 512 and target.triple.startswith("x86"):
        features += ",-avx512f"
    return binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=features, opt=3, reloc="pic", codemodel="small", jit=True)
