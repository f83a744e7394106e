"""Making tensors from data: `tensor`, `from_numpy`, `empty`, `zeros`, `full`, `arange`, ..."""

from __future__ import annotations

import operator

import numpy as np

from ..base import dtypes as dt
from ..base.device import check_device
from ..base.shapes import contiguous_strides, meta
from ..ops.memory import fill_op, strides_for
from ..ops.views import sizes_of
from ..trace.value import STATE, leaf
from .dispatch import TENSOR, alias, constant, wrap
from .storage import UntypedStorage, _owner


def _finish(tensor, requires_grad, device=None, pin_memory=False, layout=None):
    if device is not None:
        check_device(device)
    if requires_grad:
        tensor.requires_grad_(True)
    if STATE.inference:
        tensor._inference = True
    return tensor


def _dtype(dtype):
    if dtype is None:
        return dt.get_default_dtype()
    if not isinstance(dtype, dt.dtype):
        raise TypeError(f"dtype must be torch.dtype, not {type(dtype).__name__}")
    return dtype


def _size(size, name="empty"):
    size = sizes_of(size, f"{name}(): argument 'size'")
    for s in size:
        if s < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {s}: "
                               f"{list(size)}")
    return size


def filled(size, value, dtype):
    """A constant tensor; made at the first read."""
    m = meta(dtype, size)
    return constant(np.full(m.shape, value, m.np), m)


def empty(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False,
          pin_memory=False, memory_format="contiguous_format"):
    """An uninitialised tensor (rushlight's are zero)."""
    m = meta(_dtype(dtype), _size(size))
    strides = strides_for(m, memory_format)
    if strides is not None:
        m = meta(m.dtype, m.shape, strides)
    if out is not None:
        return _into(out, _zeros(m))
    return _finish(_zeros(m), requires_grad, device)


def _zeros(m):
    if m.contiguous:
        return constant(np.zeros(m.shape, m.np), m)
    order = sorted(range(len(m.shape)), key=lambda a: -m.strides[a])
    array = np.zeros([m.shape[a] for a in order], m.np).transpose(np.argsort(order))
    return constant(array, m)


def _into(out, made):
    from .inplace import write_out
    return write_out(out, made, "factory")


def empty_strided(size, stride, *, dtype=None, layout=None, device=None, requires_grad=False,
                  pin_memory=False):
    """An uninitialised tensor of any size and strides (in elements)."""
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {size} and {stride}")
    m = meta(_dtype(dtype), size, stride)
    if m.dense:
        return _finish(_zeros(m), requires_grad, device)
    count = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride))
    flat = constant(np.zeros(count, m.np))
    return _finish(alias(flat._storage, m), requires_grad, device)


def zeros(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False,
          pin_memory=False):
    """A tensor of zeros."""
    made = filled(_size(size, "zeros"), 0, _dtype(dtype))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def ones(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False,
         pin_memory=False):
    """A tensor of ones."""
    made = filled(_size(size, "ones"), 1, _dtype(dtype))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def full(size, fill_value, *, out=None, dtype=None, layout=None, device=None,
         requires_grad=False, pin_memory=False):
    """A tensor of one value; the dtype follows the value unless given."""
    if isinstance(fill_value, TENSOR[0]):
        dtype = fill_value.dtype if dtype is None else dtype
        fill_value = fill_value.item()
    if dtype is None:
        dtype = dt.bool_ if isinstance(fill_value, bool) else \
            dt.int64 if isinstance(fill_value, int) else \
            dt.get_default_dtype().to_complex() if isinstance(fill_value, complex) else \
            dt.get_default_dtype()
    made = fill_op(fill_value, dtype=dtype, size=_size((size,), "full"), strides=None)
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def _like(value):
    def function(input, *, dtype=None, layout=None, device=None, requires_grad=False,  # noqa: A002
                 pin_memory=False, memory_format="preserve_format"):
        m = input._meta
        m = meta(dtype or m.dtype, m.shape, strides_for(m, memory_format))
        made = _zeros(m)
        if value:
            made.fill_(value)
        return _finish(made, requires_grad, device)
    return function


empty_like, zeros_like, ones_like = _like(0), _like(0), _like(1)
empty_like.__name__, zeros_like.__name__, ones_like.__name__ = ("empty_like", "zeros_like",
                                                               "ones_like")
empty_like.__doc__ = "An uninitialised tensor of the same shape, dtype and order of axes."
zeros_like.__doc__ = "Zeros of the same shape, dtype and order of axes."
ones_like.__doc__ = "Ones of the same shape, dtype and order of axes."


def full_like(input, fill_value, *, dtype=None, layout=None, device=None,  # noqa: A002
              requires_grad=False, pin_memory=False, memory_format="preserve_format"):
    """One value in the same shape, dtype and order of axes."""
    made = empty_like(input, dtype=dtype, memory_format=memory_format)
    made.fill_(fill_value)
    return _finish(made, requires_grad, device)


def scalar_tensor(s, *, dtype=None, layout=None, device=None, requires_grad=False,
                  pin_memory=False):
    """A zero-dim tensor of a number, in the default dtype unless given."""
    return _finish(constant(np.asarray(s).astype(_dtype(dtype).np)), requires_grad, device)


def _numbers_dtype(values):
    kinds = {type(v) for v in values}
    if kinds <= {bool}:
        return dt.bool_
    if kinds <= {bool, int}:
        return dt.int64
    return dt.get_default_dtype().to_complex() if complex in kinds else dt.get_default_dtype()


def arange(start, end=None, step=1, *, out=None, dtype=None, layout=None, device=None,
           requires_grad=False, pin_memory=False):
    """``start, start + step, ...`` up to but not including `end`."""
    if end is None:
        start, end = 0, start
    start, end, step = [v.item() if isinstance(v, (TENSOR[0], np.generic)) else v
                        for v in (start, end, step)]
    if dtype is None:
        dtype = _numbers_dtype((start, end, step))
        dtype = dt.int64 if dtype is dt.bool_ else dtype
    if step == 0:
        raise RuntimeError("step must be nonzero")
    for v in (start, end):
        if isinstance(v, float) and not np.isfinite(v):
            raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype.category == 1:
        if all(isinstance(v, int) for v in (start, end, step)):
            count = -(-(end - start) // step)
        else:
            start, end, step = int(start), int(end), int(step)
            count = max(0, -(-(end - start) // step))
    else:
        count = int(np.ceil((end - start) / step))
    steps = np.arange(count)
    if dtype.category == 1:
        array = (start + steps * step).astype(dtype.np)
    else:
        array = (start + steps.astype(np.float64) * step).astype(dtype.np)
    made = constant(array, meta(dtype, array.shape))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor holding a copy of `data`: a number, nested sequences, an array.

    The dtype is inferred (Python floats get the default dtype) unless given. Raises ValueError for
    ragged sequences, TypeError and RuntimeError for elements that are no numbers.
    """
    if isinstance(data, TENSOR[0]):
        import warnings
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), "
            "rather than torch.tensor(sourceTensor).", UserWarning, stacklevel=2)
        made = data.detach().clone()
        if dtype is not None:
            made = made.to(dtype)
        return _finish(made, requires_grad, device)
    return _finish(constant(*_array_of(data, dtype)), requires_grad, device)


def _array_of(data, dtype):
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
        inferred = dt.from_numpy_dtype(array.dtype)
        array = np.array(array.astype(array.dtype.newbyteorder("=")), order="C")
    else:
        shape = []
        leaves = _flatten(data, shape, 0)
        inferred = _infer_dtype(leaves)
        target = dtype or inferred
        try:
            if target.category == 1:
                array = _integers(leaves, target).reshape(shape)
            elif target is dt.bool_:
                array = np.array([bool(v) for v in leaves], np.bool_).reshape(shape)
            elif target.half:
                array = np.array(leaves, np.float64).astype(np.float32).astype(
                    target.np).reshape(shape)
            else:
                array = np.array(leaves, target.np).reshape(shape)
        except OverflowError as error:
            raise RuntimeError(f"Overflow when unpacking long: {error}") from None
        return array, meta(target, array.shape)
    if dtype is not None and dtype is not inferred:
        array = array.astype(dtype.np)
        inferred = dtype
    return array, meta(inferred, array.shape)


def _integers(leaves, target):
    if any(isinstance(v, float) for v in leaves):
        return np.array([int(v) for v in leaves], np.int64).astype(target.np)
    if any(isinstance(v, complex) for v in leaves):
        raise RuntimeError("value cannot be converted to type int64_t without overflow")
    if target is dt.uint64:
        return np.array(leaves, np.uint64)
    return np.array(leaves, np.int64).astype(target.np)


def _infer_dtype(leaves):
    if not leaves:
        return dt.get_default_dtype()
    best = None
    for value in leaves:
        kind = type(value)
        found = dt.bool_ if kind is bool else dt.int64 if kind is int else None
        if found is None:
            if isinstance(value, np.generic):
                found = dt.from_numpy_dtype(value.dtype)
            elif isinstance(value, complex):
                found = dt.get_default_dtype().to_complex()
            else:
                found = dt.get_default_dtype()
        if found is best:
            continue
        from ..base.promotion import promote_types
        best = found if best is None else promote_types(best, found)
    return best


def _flatten(data, shape, depth):
    """The leaves of nested sequences; `shape` is filled and checked on the way."""
    if isinstance(data, TENSOR[0]):
        data = data.tolist() if data.ndim else data.item()
    if isinstance(data, np.ndarray):
        data = data.tolist() if data.ndim else data.item()
    if isinstance(data, (bool, int, float, complex, np.generic)):
        return [data]
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    try:
        items = list(data)
    except TypeError:
        index = getattr(data, "__index__", None) or getattr(data, "__float__", None)
        if index is None:
            raise RuntimeError(f"Could not infer dtype of {type(data).__name__}") from None
        return [index()]
    if depth == len(shape):
        shape.append(len(items))
    elif shape[depth] != len(items):
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} "
                         f"(got {len(items)})")
    leaves = []
    for i, item in enumerate(items):
        scalar = isinstance(item, (bool, int, float, complex, np.generic))
        if scalar and depth + 1 < len(shape):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got "
                            f"{type(item).__name__}") if i == 0 else ValueError(
                f"expected sequence of length {shape[depth + 1]} at dim {depth + 1} (got 0)")
        if not scalar and i and depth + 1 == len(shape) and not getattr(item, "shape", True) == ():
            raise TypeError(f"must be real number, not {type(item).__name__}")
        if scalar:
            leaves.append(item)
        else:
            leaves.extend(_flatten(item, shape, depth + 1))
    return leaves


def from_numpy(ndarray):
    """A tensor over an array's own memory: changes on either side show on the other.

    Raises TypeError for anything that is no array or has no matching dtype, ValueError for
    negative strides.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtype = dt.from_numpy_dtype(ndarray.dtype)
    if not ndarray.dtype.isnative:
        raise ValueError("given numpy array has byte order different from the native byte order. "
                         "Conversion between byte orders is currently not supported.")
    return share_array(ndarray, dtype)


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, without a copy where possible.

    A tensor of the right dtype is returned as it is; an array shares its memory, as `from_numpy`;
    numbers and sequences are copied, as `tensor`.
    """
    if isinstance(data, TENSOR[0]):
        if device is not None:
            check_device(device)
        return data if dtype is None or data.dtype is dtype else data.to(dtype)
    if isinstance(data, np.ndarray) and data.dtype.isnative:
        made = from_numpy(data)
        made = made if dtype is None or made.dtype is dtype else made.to(dtype)
        return _finish(made, False, device)
    return tensor(data, dtype=dtype, device=device)


def share_array(ndarray, dtype, owner=None):
    """A tensor over an array's memory, seen as `dtype`."""
    size = ndarray.dtype.itemsize
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array with array.copy().)")
    if any(s % size for s in ndarray.strides):
        raise ValueError("given numpy array strides not a multiple of the element byte size. Copy "
                         "the numpy array to reallocate the memory.")
    strides = tuple(s // size for s in ndarray.strides)
    if not ndarray.flags.writeable:
        import warnings
        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable "
            "tensors. This means writing to this tensor will result in undefined behavior. You "
            "may want to copy the array to protect its data or make it writable before converting "
            "it to a tensor. This type of warning will be suppressed for the rest of this "
            "program.", UserWarning, stacklevel=3)
    m = meta(dtype, ndarray.shape, strides)
    if ndarray.size == 0:
        return _zeros(meta(dtype, ndarray.shape))
    span = 1 + sum((n - 1) * s for n, s in zip(ndarray.shape, strides))
    flat = np.lib.stride_tricks.as_strided(ndarray, (span,), (size,), subok=False,
                                           writeable=ndarray.flags.writeable)
    storage = UntypedStorage(leaf(flat, meta(dtype, (span,))))
    storage.expose(owner if owner is not None else ndarray if not isinstance(
        ndarray.base, np.ndarray) else _owner(ndarray))
    return alias(storage, m)


def legacy_tensor(cls, data, device=None):
    """``Tensor(2, 3)``, ``Tensor([1, 2])``, ``Tensor(other)``, ``Tensor()``."""
    base = TENSOR[0]
    if len(data) == 1 and isinstance(data[0], base):
        made = data[0].detach() if cls is base else data[0]
        if made.dtype is not dt.get_default_dtype() and cls is base:
            raise TypeError(f"expected {dt.get_default_dtype()} (got {made.dtype})")
    elif len(data) == 1 and not hasattr(data[0], "__index__") and \
            not isinstance(data[0], tuple(filter(None, (_size_type(),)))):
        if not isinstance(data[0], (list, tuple, np.ndarray)):
            raise TypeError(f"new(): data must be a sequence (got {type(data[0]).__name__})")
        made = constant(*_array_of(data[0], dt.get_default_dtype()))
    else:
        made = empty(*(data or (0,)))
    return made if cls is base else made.as_subclass(cls)


def _size_type():
    from ..base.shapes import Size
    return Size


__all__ = ["arange", "as_tensor", "contiguous_strides", "empty", "empty_like", "empty_strided",
           "from_numpy", "full", "full_like", "ones", "ones_like", "operator", "scalar_tensor", "tensor",
           "wrap", "zeros", "zeros_like"]
