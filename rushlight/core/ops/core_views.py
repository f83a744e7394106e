"""The records that the tensor room itself appends: reading and writing through a layout."""

from __future__ import annotations

import numpy as np

from .record import Op

# Note [reads and writes through layouts]
# A storage owns one flat value. Reading it through a tensor whose layout is not the value's own
# appends VIEW (strides over the same memory, no copy). Writing through such a tensor appends
# UPDATE: a new value of the whole storage, which the interpreter makes in place where nobody
# reads the old one. LAYOUT copies a value into another order of axes. ITEM picks one output of an
# op that has several.


def as_strided_array(array, meta):
    """`array`'s memory (dense, any order of axes) seen through `meta`; no copy."""
    array = in_memory_order(array)
    if meta.numel == 0:
        return np.empty(meta.shape, meta.np)
    if array.dtype.isbuiltin != 1 or array.dtype.hasobject:
        array = array.reshape(-1).view(np.uint8)
    return np.ndarray(meta.shape, meta.np, array.data,
                      meta.offset * meta.dtype.itemsize, meta.byte_strides)


def in_memory_order(array):
    """A C-contiguous view of a dense array: its axes in the order they have in memory."""
    if array.flags.c_contiguous:
        return array
    return array.transpose(sorted(range(array.ndim), key=lambda a: -array.strides[a]))


def _update(base, new, meta, owned=()):
    if not (owned and owned[0] and base.flags.writeable):
        base = base.copy(order="K")
    as_strided_array(base, meta)[...] = new
    return base


def _layout(x, meta):
    if meta.contiguous:
        return np.ascontiguousarray(x).reshape(meta.shape)
    order = sorted(range(len(meta.shape)), key=lambda a: -meta.strides[a])
    made = np.empty([meta.shape[a] for a in order], meta.np)
    made = made.transpose(np.argsort(order))
    made[...] = x
    return made


VIEW = Op("read_view", "layout", "x", numpy=as_strided_array, upcast=False, params=("layout",))
UPDATE = Op("write_view", "layout", "base new", numpy=_update, upcast=False, params=("layout",),
            donates=(0,))
LAYOUT = Op("copy_layout", "layout", "x", numpy=_layout, upcast=False, params=("layout",))
ITEM = Op("item_of", "layout", "outputs", numpy=lambda outputs, index: outputs[index],
          upcast=False, params=("index",))
