"""`torch.cuda` where there is no CUDA: programs ask, are told so, and go on with the CPU.

As in a CPU build of PyTorch, questions have answers (`is_available()` is False, `device_count()` 0,
memory counters 0), seeding does nothing, and what needs a device raises.
"""

from __future__ import annotations

import rushlight

__all__ = [
    "current_device",
    "device",
    "device_count",
    "empty_cache",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state_all",
    "init",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "synchronize",
]


def _raise(*args, **kwargs):
    raise RuntimeError(
        "Found no NVIDIA driver on your system: rushlight has no CUDA backend in this build. "
        "Choose the device with `'cuda' if torch.cuda.is_available() else 'cpu'`."
    )


def is_available() -> bool:
    """Return False: there is no CUDA backend in this build."""
    return False


def device_count() -> int:
    """Return 0, the number of CUDA devices this build can use."""
    return 0


def is_initialized() -> bool:
    """Return False: no CUDA context was made."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Return False, there being no device."""
    return False


def get_arch_list() -> list[str]:
    """Return the empty list of CUDA architectures this build has code for."""
    return []


def manual_seed(seed: int) -> None:
    """Seed the current device's generator; nothing to do without a device."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Seed every device's generator; nothing to do without devices."""
    int(seed)


def seed() -> None:
    """Seed the current device's generator from the system; nothing to do without a device."""


def seed_all() -> None:
    """Seed every device's generator from the system; nothing to do without devices."""


def get_rng_state_all() -> list:
    """Return the generator states of all devices: an empty list."""
    return []


def empty_cache() -> None:
    """Give cached device memory back; nothing is held."""


def memory_allocated(device=None) -> int:
    """Return the bytes of device memory in tensors: 0."""
    return 0


def max_memory_allocated(device=None) -> int:
    """Return the largest `memory_allocated` so far: 0."""
    return 0


def memory_reserved(device=None) -> int:
    """Return the bytes of device memory held by the allocator: 0."""
    return 0


def max_memory_reserved(device=None) -> int:
    """Return the largest `memory_reserved` so far: 0."""
    return 0


def memory_stats(device=None) -> dict:
    """Return the allocator's counters: none."""
    return {}


def init() -> None:
    """Start CUDA. Raises RuntimeError: this build has none."""
    _raise()


def current_device() -> int:
    """Return the current device's number. Raises RuntimeError: there is none."""
    _raise()
    return -1


def set_device(device) -> None:
    """Choose the current device. Raises RuntimeError: there is none."""
    _raise()


def synchronize(device=None) -> None:
    """Wait for a device. Raises RuntimeError: there is none."""
    _raise()


def get_device_name(device=None) -> str:
    """Return a device's name. Raises RuntimeError: there is none."""
    _raise()
    return ""


def get_device_properties(device=None):
    """Return a device's properties. Raises RuntimeError: there is none."""
    _raise()


def get_device_capability(device=None):
    """Return a device's compute capability. Raises RuntimeError: there is none."""
    _raise()


class device:  # noqa: N801
    """A context in which another device is current. Entering it raises RuntimeError."""

    def __init__(self, device):
        self.idx = device

    def __enter__(self):
        _raise()

    def __exit__(self, *exception):
        return False


def __getattr__(name: str):
    if name == "amp":
        from importlib import import_module
        return import_module(".amp", __name__)
    raise AttributeError(
        f"module 'torch.cuda' has no attribute '{name}' (rushlight has no CUDA backend yet)"
    )
