"""Signal processing: `torch.signal` has windows only."""

from . import windows

__all__ = ["windows"]
