"""``x[...]`` and ``x[...] = value``: basic indices are views, tensors go to `index`."""

from __future__ import annotations

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta
from ..ops.indexing import index_op, index_put_op
from ..ops.record import export
from ..ops.views import slice_
from .dispatch import TENSOR, constant
from .elements import view_at, write_at
from .tensor import Tensor

_TOO_MANY = "too many indices for tensor of dimension {}"


def _as_index_tensor(item):
    """A list or array of indices as a tensor."""
    from .from_data import tensor
    if isinstance(item, np.ndarray):
        return tensor(item)
    return tensor(item, dtype=dt.int64) if not len(item) else tensor(item)


def _is_tuple_like(index):
    """PyTorch treats a list that holds slices, None, ... or sequences as a tuple."""
    if not isinstance(index, list) or len(index) >= 32:
        return False
    return any(isinstance(i, (slice, TENSOR[0], list, tuple, np.ndarray)) or i is None
               or i is Ellipsis for i in index)


def _consumed(index):
    """How many axes an index takes."""
    count = 0
    for item in index:
        if item is None or item is Ellipsis or isinstance(item, bool):
            continue
        if isinstance(item, Tensor) and item.dtype in (dt.bool_, dt.uint8):
            count += item.ndim
        else:
            count += 1
    return count


def split_index(self, index):
    """Apply the basic part of an index.

    Returns (view, [(axis of the view, index tensor), ...]).
    """
    lone = isinstance(index, slice)
    if not isinstance(index, tuple):
        index = tuple(index) if _is_tuple_like(index) else (index,)
    index = tuple([_as_index_tensor(i) if isinstance(i, (list, tuple, np.ndarray, range)) else i
                   for i in index])
    consumed = _consumed(index)
    if consumed > self.ndim:
        if not self.ndim and isinstance(index[0], slice):
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        raise IndexError(_TOO_MANY.format(self.ndim))
    view, axis, tensors = self, 0, []
    seen_ellipsis = False
    for item in index:
        if item is Ellipsis:
            if not seen_ellipsis:
                axis += self.ndim - consumed
            seen_ellipsis = True
        elif item is None:
            view = view.unsqueeze(axis)
            axis += 1
        elif isinstance(item, (bool, np.bool_)):
            view = view.unsqueeze(axis)
            tensors.append((axis, constant(np.zeros(1 if item else 0, np.int64))))
            axis += 1
        elif isinstance(item, slice):
            view = _apply_slice(view, axis, item, lone)
            axis += 1
        elif isinstance(item, Tensor):
            if item.ndim == 0 and item.dtype not in (dt.bool_, dt.uint8):
                if item.dtype.category > 1:
                    raise IndexError("tensors used as indices must be long, int, byte or bool "
                                     "tensors")
                view = _select(view, axis, int(item.item()))
                continue
            if item.dtype in (dt.bool_, dt.uint8):
                axis, view = _apply_mask(view, axis, item, tensors)
            else:
                if item.dtype not in (dt.int64, dt.int32):
                    raise IndexError("tensors used as indices must be long, int, byte or bool "
                                     "tensors")
                tensors.append((axis, item if item.dtype is dt.int64 else item.long()))
                axis += 1
        elif hasattr(item, "__index__"):
            view = _select(view, axis, item.__index__())
        else:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables "
                f"are valid indices (got {type(item).__name__})")
    return view, tensors


def _select(view, axis, position):
    size = view.shape[axis]
    if not -size <= position < size:
        raise IndexError(f"index {position} is out of bounds for dimension {axis} with size "
                         f"{size}")
    return view.select(axis, position)


def _apply_slice(view, axis, item, lone):
    def number(x):
        return x if x is None else x.__index__()
    start, stop, step = number(item.start), number(item.stop), number(item.step)
    step = 1 if step is None else step
    if step <= 0:
        raise ValueError("step must be greater than zero (use tensor.flip(dim) to reverse)")
    size = view.shape[axis]
    if not lone and not start and (stop is None or stop >= size) and step == 1:
        return view     # what PyTorch omits too, beside other indices
    begin, end, _ = slice(start, stop, step).indices(size)
    return slice_(view, axis, begin, end, step)


def _apply_mask(view, axis, mask, tensors):
    if mask.ndim == 0:
        view = view.unsqueeze(axis)
        tensors.append((axis, constant(np.zeros(1 if mask.item() else 0, np.int64))))
        return axis + 1, view
    for k in range(mask.ndim):
        if mask.shape[k] != view.shape[axis + k]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {k} does not match the shape "
                f"of the indexed tensor {list(view.shape)} at index {axis + k}")
    for k, positions in enumerate(np.nonzero(mask._array("a boolean mask"))):
        tensors.append((axis + k, constant(positions.astype(np.int64))))
    return axis + mask.ndim, view


def _checked_early(view, tensors):
    """An index already in memory is checked on the user's line."""
    for axis, tensor in tensors:
        array = tensor._storage.value.array
        if array is not None and array.size and tensor._meta is tensor._storage.value.meta:
            size = view.shape[axis]
            low, high = array.min(), array.max()
            if low < -size or high >= size:
                raise IndexError(f"index {low if low < -size else high} is out of bounds for "
                                 f"dimension {axis} with size {size}")


def _arguments(tensors):
    if len(tensors) > 8:
        raise NotImplementedError("indexing with more than eight index tensors")
    padded = [t for _, t in tensors] + [None] * (8 - len(tensors))
    return padded, tuple(axis for axis, _ in tensors)


def getitem(self, index):
    """``self[index]``, with PyTorch's basic, advanced, boolean, None and ... indices."""
    kind = type(index)
    if kind is int or kind is tuple:
        view = view_at(self, index if kind is tuple else (index,))
        if view is not None:
            return view
    if kind is int:
        if not self._meta.shape:
            raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                             "`tensor.item<T>()` in C++ to convert a 0-dim tensor to a number")
        return _select(self, 0, index)
    view, tensors = split_index(self, index)
    if not tensors:
        return view.alias() if view is self else view
    _checked_early(view, tensors)
    padded, dims = _arguments(tensors)
    return index_op(view, *padded, dims=dims)


def setitem(self, index, value):
    """``self[index] = value``: the value is broadcast and cast."""
    kind = type(index)
    if (kind is int or kind is tuple) and \
            write_at(self, index if kind is tuple else (index,), value):
        return
    view, tensors = split_index(self, index)
    if view is self:
        self._check_writable_by_autograd()
    if not isinstance(value, Tensor):
        if isinstance(value, (list, tuple, np.ndarray)):
            name = "numpy.ndarray" if isinstance(value, np.ndarray) else type(value).__name__
            raise TypeError(f"can't assign a {name} to a {self.type()}")
        if not tensors:
            view.fill_(value)
            return
        value = constant(np.asarray(value).astype(self.dtype.np), meta(self.dtype, ())) \
            if not (isinstance(value, complex) and not self.is_complex()) else _refuse_complex(self)
    if not tensors:
        view.copy_(_strip_ones(value, view.ndim))
        return
    _checked_early(view, tensors)
    if value.dtype is not self.dtype:
        if value.numel() == 1 and _has_one_mask(index):
            value = value.reshape(())
        if value.ndim:
            raise RuntimeError("Index put requires the source and destination dtypes match, got "
                               f"{_scalar_name(self)} for the destination and "
                               f"{_scalar_name(value)} for the source.")
        value = value.to(self.dtype)
    padded, dims = _arguments(tensors)
    from ..ops.indexing import indexed_shape
    wanted = indexed_shape(view.shape, dims, [t.shape for _, t in tensors])[0]
    value = _strip_ones(value, len(wanted))
    view._become(index_put_op(view, value, *padded, dims=dims, accumulate=False), "index_put")


def _has_one_mask(index):
    """Whether a bool mask is the only tensor of an index: one element then fills, of any dtype."""
    if not isinstance(index, tuple):
        index = tuple(index) if _is_tuple_like(index) else (index,)
    found = [i for i in index if isinstance(i, (list, tuple, np.ndarray, Tensor))]
    if len(found) != 1:
        return False
    if isinstance(found[0], (list, tuple)):
        return bool(found[0]) and all(isinstance(i, bool) for i in found[0])
    return found[0].dtype in (dt.bool_, np.bool_)


def _refuse_complex(self):
    raise RuntimeError(f"value cannot be converted to type {self.dtype.name} without overflow")


def _scalar_name(tensor):
    from .tensor import _type_name
    return _type_name(tensor.dtype)


def _strip_ones(value, ndim):
    while value.ndim > ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    return value


@export("torch", "Tensor", inplace=True)
def index_put(input, indices, values, accumulate=False):  # noqa: A002
    """A copy of `input` with `values` written (or added) at a tuple of index tensors."""
    view, tensors = split_index(input, tuple(slice(None) if i is None else i for i in indices))
    if not tensors:
        raise NotImplementedError("index_put without index tensors")
    padded, dims = _arguments(tensors)
    return index_put_op(view, values, *padded, dims=dims, accumulate=bool(accumulate))


@export("torch", "Tensor")
def nonzero(input, *, out=None, as_tuple=False):  # noqa: A002
    """The indices of the elements that are not zero, (n, ndim), or one tensor per axis."""
    array = input._array("nonzero()")
    found = np.nonzero(array if input.ndim else array.reshape(1))
    if as_tuple:
        return tuple(constant(f.astype(np.int64)) for f in found)
    if not input.ndim:
        array = np.zeros((len(found[0]), 0), np.int64)
    else:
        array = np.stack(found, 1).astype(np.int64)
    made = constant(array)
    if out is not None:
        from .inplace import write_out
        return write_out(out, made, "nonzero")
    return made


@export("torch", "Tensor", out=True)
def argwhere(input):  # noqa: A002
    """`nonzero` as one (n, ndim) tensor."""
    return nonzero(input)


@export("torch", "Tensor", out=True)
def masked_select(input, mask):  # noqa: A002
    """The elements where the bool `mask` (broadcast) holds, in one dimension."""
    if mask.dtype is not dt.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    from ..base.shapes import broadcast_shapes
    shape = broadcast_shapes(input.shape, mask.shape)
    if not shape:
        return getitem(input.reshape(1), mask.reshape(1))
    return getitem(input.expand(shape), mask.expand(shape))


Tensor.__getitem__ = getitem
Tensor.__setitem__ = setitem
