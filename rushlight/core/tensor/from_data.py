"""Tensors from Python data: `tensor`, `as_tensor`, `asarray`, and PyTorch's old constructors.

Nested sequences of plain numbers, by far the most common data, are read level by level with C
loops (`_quick_leaves`). Anything else takes the general path, which follows PyTorch's order: the
first elements tell the shape, all elements tell the dtype, and then every element is converted.
"""

from __future__ import annotations

import operator
import warnings
from itertools import chain
from typing import Any

import numpy as np

from ..base import dtypes as dt
from ..base.promotion import promote_types
from ..base.shapes import Size, meta
from .construction import _finish, as_dtype, empty
from .dispatch import TENSOR, alias, constant
from .exchange import (
    array_dtype,
    from_dlpack,
    from_numpy,
    frombuffer,
    warn_of_scalar,
    warn_once,
)
from .storage import UntypedStorage
from .tensor import Tensor

_NUMBERS = frozenset((bool, int, float, complex))
_SEQUENCES = frozenset((list, tuple, Size))
_SEVERAL = "only one element tensors can be converted to Python scalars"
_NO_INDEX = "only integer tensors of a single element can be converted to an index"
_QUICK_DEPTH = 8
_MOST_AXES = 64


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor holding a copy of `data`: a number, nested sequences, an array.

    The dtype is inferred (Python floats get the default dtype) unless given. Raises ValueError for
    ragged sequences and numbers that do not fit, TypeError and RuntimeError for elements that are
    no numbers.

    Example::

        >>> torch.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
    """
    if dtype is not None:
        dtype = as_dtype(dtype, "tensor")
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), "
            "rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        made = data.detach().clone()
        if dtype is not None:
            made = made.to(dtype)
    else:
        made = constant(*array_of(data, dtype))
    return _with_grad(made, requires_grad, device)


def _with_grad(made, requires_grad, device=None):
    if requires_grad and made._meta.dtype.category < 2:
        raise RuntimeError(
            "Only Tensors of floating point and complex dtype can require gradients (this one is "
            f"{made._meta.dtype}; write 1. instead of 1, or pass dtype=torch.float32)"
        )
    return _finish(made, requires_grad, device)


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, over the same memory where that is possible.

    A tensor is returned as it is, an array is shared (as by `from_numpy`); both are copied where
    `dtype` asks for another type. Anything else is copied, as by `tensor`.
    """
    if dtype is not None:
        dtype = as_dtype(dtype, "as_tensor")
    if isinstance(data, Tensor):
        made = data
    elif isinstance(data, np.ndarray):
        made = from_numpy(data)
    else:
        made = constant(*array_of(data, dtype))
    if dtype is not None or device is not None:
        made = made.to(device=device, dtype=dtype)
    return made


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=None):
    """`obj` as a tensor: a tensor, an array, DLPack, a buffer, a number or a sequence.

    `copy=None` shares the memory if it can, True always copies, False raises ValueError where it
    cannot share. The bytes of a buffer are read as `dtype` (the default dtype if not given).
    """
    if dtype is not None:
        dtype = as_dtype(dtype, "asarray")
    shared = _shared(obj, dtype)
    if shared is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return _with_grad(constant(*array_of(obj, dtype)), bool(requires_grad), device)
    if dtype is not None and dtype is not shared.dtype:
        if copy is False:
            names = _class_name(shared.dtype), _class_name(dtype)
            raise ValueError("can't alias tensor with dtype '{}' into dtype '{}'.".format(*names))
        shared = shared.to(dtype)
    elif copy:
        shared = shared.clone()
    if requires_grad is None:
        if shared.requires_grad:
            warn_once(
                "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad "
                "instead of False. Pass requires_grad=False explicitly to get the old behavior "
                "and silence this warning."
            )
        return _finish(shared, False, device)
    if not requires_grad:
        return _finish(shared.detach() if shared.requires_grad else shared, False, device)
    return shared if shared.requires_grad else _with_grad(shared, True, device)


def _shared(obj, dtype):
    """A tensor over the memory of `obj`; None where it has none to share."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, np.ndarray):
        return from_numpy(obj)
    if isinstance(obj, np.generic):
        return None
    if isinstance(obj, UntypedStorage):
        target = dtype or dt.get_default_dtype()
        return alias(obj, meta(target, (obj.nbytes() // target.itemsize,)))
    if hasattr(obj, "__dlpack__"):
        return from_dlpack(obj)
    try:
        memoryview(obj)
    except TypeError:
        return None
    return frombuffer(obj, dtype=dtype or dt.get_default_dtype())


def _class_name(dtype):
    from .tensor import _type_name

    return _type_name(dtype)


def array_of(data, dtype=None):
    """A fresh array of `data` in `dtype`, or in the inferred one, and its Meta."""
    if isinstance(data, np.ndarray):
        return _copied(data, dtype)
    if isinstance(data, np.generic):
        return _copied(np.asarray(data), dtype)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    quick = _quick_leaves(data)
    if quick is not None:
        leaves, shape, kinds = quick
        target = dtype or _dtype_of_kinds(kinds)
    else:
        shape = _shape_of(data)
        _warn_of_arrays(data)
        target = dtype or _infer(data)
        leaves = []
        if 0 not in shape:
            _collect(data, shape, 0, leaves, target)
        kinds = set(map(type, leaves))
    array = _numbers(leaves, kinds, target).reshape(shape)
    return array, meta(target, array.shape)


def _copied(array, dtype):
    """A copy of an array in the order of its axes, with the checks of `from_numpy`."""
    found = array_dtype(array)
    target = dtype or found
    with np.errstate(all="ignore"):
        made = np.array(array, dtype=target.np, order="K", copy=True)
    if made.flags.c_contiguous:
        return made, meta(target, made.shape)
    return made, meta(target, made.shape, tuple(s // target.itemsize for s in made.strides))


def _quick_leaves(data):
    """(leaves, shape, their types) of nested lists and tuples of plain numbers, else None."""
    level, shape = [data], []
    while True:
        kinds = set(map(type, level))
        if kinds <= _NUMBERS:
            return level, shape, kinds
        # Lists that hold themselves have no end; the general path says so.
        if not kinds <= _SEQUENCES or len(shape) > _QUICK_DEPTH:
            return None
        lengths = set(map(len, level))
        if len(lengths) != 1:
            return None
        shape.append(lengths.pop())
        level = list(chain.from_iterable(level))
        if not level:
            return level, shape, set()


def _dtype_of_kinds(kinds):
    if complex in kinds:
        return dt.get_default_dtype().to_complex()
    if float in kinds or not kinds:
        return dt.get_default_dtype()
    return dt.int64 if int in kinds else dt.bool_


def _is_sequence(item):
    kind = type(item)
    return (
        hasattr(kind, "__getitem__")
        and hasattr(kind, "__len__")
        and not isinstance(item, (dict, Tensor))
    )


def _shape_of(data):
    """The shape that the first elements tell; whether the others agree is checked later."""
    shape = []
    while _is_sequence(data):
        length = len(data)
        shape.append(length)
        if len(shape) > _MOST_AXES:
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
        if length == 0:
            break
        try:
            data = data[0]
        except Exception:
            name = type(data).__name__
            raise ValueError(f"could not determine the shape of object type '{name}'") from None
    return shape


def _warn_of_arrays(data):
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], np.ndarray):
        warn_once(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider "
            "converting the list to a single numpy.ndarray with numpy.array() before converting "
            "to a tensor."
        )


def _infer(data):
    """The dtype that holds every element, by the rules of promotion."""
    kind = type(data)
    if isinstance(data, (np.ndarray, np.generic)):
        return dt.from_numpy_dtype(data.dtype)
    if isinstance(data, Tensor):
        return data._meta.dtype
    for number in (bool, int, float, complex):
        if isinstance(data, number):
            return _dtype_of_kinds({number})
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{kind.__name__}'")
    if not _is_sequence(data):
        raise RuntimeError(f"Could not infer dtype of {kind.__name__}")
    best = None
    for item in data:
        if item is data:
            raise TypeError("new(): self-referential lists are incompatible")
        found = _infer(item)
        best = found if best is None or best is found else promote_types(best, found)
    return best or dt.get_default_dtype()


def _collect(data, shape, axis, leaves, target):
    """Append the elements of `data` as Python numbers, checking its shape on the way."""
    if axis == len(shape):
        leaves.append(_number(data, target))
        return
    if isinstance(data, np.ndarray) and data.shape == tuple(shape[axis:]):
        leaves.extend(data.ravel().tolist())
        return
    try:
        items = list(data)
    except TypeError:
        raise TypeError("not a sequence") from None
    if len(items) != shape[axis]:
        raise ValueError(
            f"expected sequence of length {shape[axis]} at dim {axis} (got {len(items)})"
        )
    for item in items:
        _collect(item, shape, axis + 1, leaves, target)


def _number(item, target):
    """One element as a Python number of the kind that `target` needs."""
    if type(item) in _NUMBERS:
        return item
    whole = target.category < 2
    if isinstance(item, np.generic):
        return _numpy_number(item, target)
    if isinstance(item, Tensor):
        if item._meta.numel != 1:
            raise TypeError(_NO_INDEX) if whole else ValueError(_SEVERAL)
        if whole and item._meta.dtype.category > 1:
            raise TypeError(_NO_INDEX)
        if item.requires_grad:
            warn_of_scalar()
        return item.item()
    name = type(item).__name__
    if whole:
        if not hasattr(item, "__index__"):
            raise TypeError(f"'{name}' object cannot be interpreted as an integer")
        return operator.index(item)
    if isinstance(item, complex):
        return complex(item)
    if not hasattr(item, "__float__") and not hasattr(item, "__index__"):
        raise TypeError(f"must be real number, not {name}")
    return float(item)


def _numpy_number(item: Any, target) -> Any:
    """A NumPy number; of those, only whole ones (and float64, a Python float) are whole numbers."""
    if target.category > 1:
        real = isinstance(item, np.complexfloating) and not target.is_complex
        return float(item.real) if real else item.item()
    matches = isinstance(item, np.bool_) and target.category == 0
    if not matches and not isinstance(item, (np.integer, float)):
        raise TypeError(f"'numpy.{type(item).__name__}' object cannot be interpreted as an integer")
    return np.asarray(item).item()


def _numbers(leaves, kinds, target):
    """Python numbers as a flat array of `target`, with PyTorch's errors for what does not fit."""
    if target.category == 0:
        return np.array(leaves if kinds <= {bool} else list(map(bool, leaves)), np.bool_)
    if target.category == 1:
        return _integers(leaves, kinds, target)
    with np.errstate(all="ignore"):
        if target.is_complex:
            return np.array(leaves, np.complex128).astype(target.np)
        if complex in kinds:
            raise TypeError("must be real number, not complex")
        array = np.array(leaves, np.float64)
        # PyTorch rounds to float32 on the way to the half types.
        return (array.astype(np.float32) if target.half else array).astype(target.np)


def _does_not_fit(target):
    return RuntimeError(f"value cannot be converted to type {target.name} without overflow")


def _integers(leaves, kinds, target):
    if complex in kinds:
        raise TypeError("'complex' object cannot be interpreted as an integer")
    if target is dt.uint64:
        return _uint64(leaves, kinds)
    if float in kinds:
        if not all(map(np.isfinite, leaves)):
            raise _does_not_fit(target)
        leaves = list(map(int, leaves))
        if leaves and (max(leaves) >= 2**63 or min(leaves) < -(2**63)):
            raise _does_not_fit(target)
    try:
        array = np.array(leaves, np.int64)
    except OverflowError:
        raise ValueError("Overflow when unpacking long long") from None
    if target is dt.int64 or not array.size:
        return array.astype(target.np, copy=False)
    limits = np.iinfo(target.np)
    # Negative numbers wrap around in an unsigned type, as in PyTorch.
    least = limits.min if target.is_signed else -limits.max
    if array.max() > limits.max or array.min() < least:
        raise _does_not_fit(target)
    return array.astype(target.np)


def _uint64(leaves, kinds):
    if float in kinds:
        raise TypeError("an integer is required")
    if leaves and min(leaves) < 0:
        raise OverflowError("can't convert negative int to unsigned")
    if leaves and max(leaves) >= 2**64:
        raise OverflowError("int too big to convert")
    return np.array(leaves, np.uint64)


def legacy_tensor(cls, data, device=None, dtype=None):
    """``Tensor(2, 3)``, ``Tensor([1, 2])``, ``Tensor(other)``, ``Tensor()``; also of one dtype."""
    base = TENSOR[0]
    target = dtype or dt.get_default_dtype()
    first = data[0] if len(data) == 1 else None
    if isinstance(first, base):
        if dtype is not None and first.dtype is not dtype:
            raise TypeError(f"expected {dtype} (got {first.dtype})")
        made = first.detach()
    elif isinstance(first, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(first).__name__}'")
    elif isinstance(first, np.ndarray) or (_is_sequence(first) and not isinstance(first, Size)):
        made = constant(*array_of(first, target))
    elif first is not None and not hasattr(first, "__index__") and not isinstance(first, Size):
        raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
    elif all(hasattr(size, "__index__") for size in data) or isinstance(first, Size):
        made = empty(*(data or (0,)), dtype=target)
    else:
        kinds = ", ".join(type(item).__name__ for item in data)
        raise TypeError(
            f"new() received an invalid combination of arguments - got ({kinds}), but expected "
            "sizes, one sequence of numbers, or one tensor"
        )
    return made if cls is base else made.as_subclass(cls)
