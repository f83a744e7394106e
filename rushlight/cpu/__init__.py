"""The CPU as a device: one of them, always there."""

from contextlib import nullcontext

from rushlight.core.runtime.realize import flush

__all__ = ["current_device", "current_stream", "device_count", "is_available", "is_initialized",
           "set_device", "stream", "synchronize"]


def is_available():
    """True."""
    return True


def is_initialized():
    """True."""
    return True


def device_count():
    """1."""
    return 1


def current_device():
    """``"cpu"``."""
    return "cpu"


def set_device(device):
    """There is nothing to choose from."""


def synchronize(device=None):
    """Compute what is pending."""
    flush("synchronize()")


def current_stream(device=None):
    """None: the CPU has no streams."""
    return None


def stream(stream):
    """A context that does nothing."""
    return nullcontext()


def __getattr__(name):
    if name == "amp":
        from importlib import import_module
        return import_module(".amp", __name__)
    raise AttributeError(f"module 'torch.cpu' has no attribute {name!r}")
