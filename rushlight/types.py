"""``torch.types``: names for annotations."""

import builtins

from rushlight import Size, Tensor, device, dtype

Number = builtins.int | builtins.float | builtins.bool
Device = device | str | builtins.int | None
FileLike = str
__all__ = ["Device", "FileLike", "Number", "Size", "Tensor", "device", "dtype"]
