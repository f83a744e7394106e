"""Single elements and rows, read and written in a Python loop: ``x[i, j]`` and ``x[i] = 2``.

Nothing is to be gained from tracing these one by one, so they take short cuts wherever autograd
has no say: an index of ints is one view, and a number is written straight into memory that is
computed already and that nobody else reads. Everything else goes the general way of `indexing`.
"""

from __future__ import annotations

from ..base import dtypes as dt
from ..base.errors import user_line
from ..base.shapes import meta
from ..trace.value import STATE, leaf
from .dispatch import PLAIN, alias

_LARGEST = {dt.float32: 3.4e38, dt.float64: 1.7e308, dt.int64: (1 << 63) - 1}
_NUMBERS = {dt.float32: (float, int, bool), dt.float64: (float, int, bool), dt.int64: (int, bool)}


def _meta_at(m, index):
    """The meta of ``x[index]`` for a tuple of ints; None where it is none, or out of range."""
    shape, offset = m.shape, m.offset
    rest = len(index)
    if rest > len(shape):
        return None
    for position, size, stride in zip(index, shape, m.strides):
        if type(position) is not int:
            return None
        if position < 0:
            position += size
        if not 0 <= position < size:
            return None
        offset += position * stride
    return meta(m.dtype, tuple.__getitem__(shape, slice(rest, None)), m.strides[rest:], offset)


def view_at(tensor, index):
    """``tensor[index]`` for a tuple of ints, or None where the general way has to be taken."""
    base = tensor._base
    if type(tensor) not in PLAIN or tensor._requires_grad or \
            (base is not None and base._requires_grad):
        return None
    m = _meta_at(tensor._meta, index)
    if m is None:
        return None
    storage = tensor._storage
    out = alias(storage, m)
    out._base = tensor if base is None or tensor._detached_view else base
    if tensor._vc is not None:
        out._vc = tensor._vc
    out._view = (storage.version, False, not STATE.own.grad)
    return out


def write_at(tensor, index, number) -> bool:
    """``tensor[index] = number`` for a tuple of ints; False where the general way has to be taken.

    number: a Python number, or a tensor of no dimensions.
    """
    storage, m = tensor._storage, tensor._meta
    if type(tensor) not in PLAIN or tensor._requires_grad or tensor._base is not None or \
            tensor._vc is not None or storage.version != storage.version:
        return False
    place = _meta_at(m, index)
    if place is None:
        return False
    if type(number) in PLAIN:
        if number._requires_grad or number._meta.dtype is not m.dtype:
            return False
        if number._storage is storage and number._meta is place:
            _written(storage)            # x[i] += 1 writes the view that it has changed already
            return True
        if number._meta.shape or number._storage.value.array is None:
            return False
        number = number.item()
    largest = _LARGEST.get(m.dtype)
    if largest is None or type(number) not in _NUMBERS[m.dtype] or \
            not -largest <= number <= largest:
        return False
    if storage.value.meta is not m or storage.value.array is None:
        return False
    array = storage.own_array()
    if array.base is not None:           # its memory may be another value's too
        array = array.copy(order="K")
        storage.value = leaf(array, m)
    array[index] = number
    _written(storage)
    return True


def _written(storage):
    storage.version += 1
    storage.writer = user_line(3)
