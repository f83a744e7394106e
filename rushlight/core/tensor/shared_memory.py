"""Tensors whose memory several processes map: `Tensor.share_memory_`.

The memory is an anonymous block (see `base/shared_block.py`). It counts as exposed for ever, so a
write here happens before the call returns, and a read sees what others have written by then.
"""

from __future__ import annotations

import os

import numpy as np

from ..base import shared_block
from ..base.shapes import meta
from ..ops.core_views import as_strided_array
from ..trace.value import leaf
from .dispatch import alias
from .storage import UntypedStorage, flat_memory
from .tensor import Parameter, Tensor


class Block:
    """A shared block that this process has mapped: its descriptor, and its size in bytes."""

    __slots__ = ("descriptor", "size")

    def __init__(self, descriptor, size):
        self.descriptor, self.size = descriptor, size

    def __del__(self):
        os.close(self.descriptor)


def _map(descriptor, size, dtype, count):
    view = shared_block.open_block(os.dup(descriptor), size)
    return np.frombuffer(view, dtype, count)


def share_storage(storage):
    """Move a storage's contents into shared memory. Nothing happens to one that is there."""
    if storage.is_shared():
        return storage
    flat = flat_memory(storage.own_array())
    descriptor, size, _ = shared_block.write_block([flat.view(np.uint8).data])
    block = Block(descriptor, size)
    shared = _map(descriptor, size, flat.dtype, flat.size)
    layout = storage.value.meta
    storage.exposed = None
    storage.value = leaf(as_strided_array(shared, layout), layout)
    storage.expose(None)
    storage.exposed = (None, block)
    return storage


def share_memory_(self):
    """Move the tensor's storage into memory that other processes can map; returns self.

    A process started afterwards by fork, or one that receives the tensor through a queue, works
    on the same memory: changes made in one are seen in the other. Nothing synchronises them.
    """
    share_storage(self._storage)
    return self


def pack_shared(tensor):
    """What another process needs to map a shared tensor: a descriptor, and plain values."""
    storage = tensor._storage
    whole, m = storage.value.meta, tensor._meta
    block = storage.exposed[1]
    layout = (whole.dtype, whole.numel, m.dtype, tuple(m.shape), m.strides, m.offset)
    return block.descriptor, (block.size, layout, tensor.requires_grad, type(tensor) is Parameter)


def unpack_shared(descriptor, size, layout, requires_grad, is_parameter):
    """The tensor that `pack_shared` was given, over the same memory. Takes the descriptor over."""
    storage_dtype, count, dtype, shape, strides, offset = layout
    block = Block(descriptor, size)
    storage = UntypedStorage(
        leaf(_map(descriptor, size, storage_dtype.np, count), meta(storage_dtype, (count,)))
    )
    storage.expose(None)
    storage.exposed = (None, block)
    tensor = alias(storage, meta(dtype, shape, strides, offset))
    if is_parameter:
        return Parameter(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


Tensor.share_memory_ = share_memory_
UntypedStorage.share_memory_ = share_storage
