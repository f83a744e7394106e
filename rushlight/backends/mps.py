"""`torch.backends.mps`: Apple's GPUs, for which there is no backend."""

from __future__ import annotations


def is_available() -> bool:
    """Return False: there is no backend for Apple's GPUs."""
    return False


def is_built() -> bool:
    """Return False: there is no backend for Apple's GPUs."""
    return False
