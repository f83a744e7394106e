"""Storages: the memory behind tensors (`torch.storage`)."""

from .core.tensor.pickling import TypedStorage
from .core.tensor.storage import UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
