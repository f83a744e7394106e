"""`torch.accelerator` where there is none: programs ask, are told so, and go on with the CPU."""

from __future__ import annotations

__all__ = [
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "empty_host_cache",
    "get_device_capability",
    "get_memory_info",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]


def is_available() -> bool:
    """Return False: this build computes on the CPU alone."""
    return False


def device_count() -> int:
    """Return 0, the number of accelerators this build can use."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """Return None, PyTorch's answer where there is no accelerator."""


def _needs_one(name: str):
    def function(*args, **kwargs):
        raise RuntimeError("Cannot access accelerator device when none is available.")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Raise RuntimeError: {name} needs an accelerator, and there is none."
    return function


current_device_idx = _needs_one("current_device_idx")
current_device_index = _needs_one("current_device_index")
current_stream = _needs_one("current_stream")
device_index = _needs_one("device_index")
empty_cache = _needs_one("empty_cache")
empty_host_cache = _needs_one("empty_host_cache")
get_device_capability = _needs_one("get_device_capability")
get_memory_info = _needs_one("get_memory_info")
max_memory_allocated = _needs_one("max_memory_allocated")
max_memory_reserved = _needs_one("max_memory_reserved")
memory_allocated = _needs_one("memory_allocated")
memory_reserved = _needs_one("memory_reserved")
memory_stats = _needs_one("memory_stats")
reset_accumulated_memory_stats = _needs_one("reset_accumulated_memory_stats")
reset_peak_memory_stats = _needs_one("reset_peak_memory_stats")
set_device_idx = _needs_one("set_device_idx")
set_device_index = _needs_one("set_device_index")
set_stream = _needs_one("set_stream")
synchronize = _needs_one("synchronize")
