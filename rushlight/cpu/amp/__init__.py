"""The old name of `rushlight.amp` for the CPU."""

import warnings

from rushlight.amp import autocast as _autocast

__all__ = ["autocast"]


class autocast(_autocast):  # noqa: N801 - PyTorch's name
    """``torch.amp.autocast("cpu", ...)``."""

    def __init__(self, enabled=True, dtype=None, cache_enabled=True):
        warnings.warn("`torch.cpu.amp.autocast(args...)` is deprecated. Please use "
                      "`torch.amp.autocast('cpu', args...)` instead.", FutureWarning, stacklevel=2)
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)
