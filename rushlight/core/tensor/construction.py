"""Making tensors from data: `tensor`, `from_numpy`, `empty`, `zeros`, `full`, `arange`, ..."""

from __future__ import annotations

import functools
import operator

import numpy as np

from ..autograd.node import INFERENCE
from ..base import dtypes as dt
from ..base.device import check_device
from ..base.shapes import contiguous_strides, meta
from ..ops.memory import fill_op, strides_for
from ..ops.views import sizes_of
from ..trace.value import STATE
from .dispatch import TENSOR, alias, constant, filled_leaf, wrap


def _finish(tensor, requires_grad, device=None, pin_memory=False, layout=None):
    if device is not None:
        check_device(device)
    if requires_grad:
        if tensor._meta.dtype.category < 2:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require "
                               f"gradients (this one is {tensor._meta.dtype}; write 1. instead of "
                               "1, or pass dtype=torch.float32)")
        tensor.requires_grad_(True)
    if STATE.own.inference:
        tensor._storage.version = INFERENCE
    return tensor


_PYTHON_TYPES = {float: dt.float64, int: dt.int64, bool: dt.bool_, complex: dt.complex128}


def as_dtype(dtype, function):
    """A dtype argument; Python's number types are taken for their widest dtypes."""
    if isinstance(dtype, dt.dtype):
        return dtype
    if dtype in _PYTHON_TYPES:
        return _PYTHON_TYPES[dtype]
    raise TypeError(f"{function}(): argument 'dtype' must be torch.dtype, not "
                    f"{type(dtype).__name__}")


def _dtype(dtype, function="empty"):
    return dt.get_default_dtype() if dtype is None else as_dtype(dtype, function)


def _size(size, name="empty"):
    size = sizes_of(size, f"{name}(): argument 'size'")
    for s in size:
        if s < 0:
            if name == "zeros":
                raise RuntimeError("zeros: Dimension size must be non-negative.")
            raise RuntimeError(f"Trying to create tensor with negative dimension {s}: "
                               f"{list(size)}")
    return size


def filled(size, value, dtype):
    """A constant tensor; made at the first read."""
    m = meta(dtype, size)
    return wrap(filled_leaf(m, value), m)


def takes_size(function):
    """Let a factory of ``*size`` take its shape as ``size=`` too."""
    @functools.wraps(function)
    def factory(*args, **options):
        if "size" in options:
            args = (*args, options.pop("size"))
        return function(*args, **options)
    return factory


@takes_size
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
        return wrap(filled_leaf(m, 0), m)
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


@takes_size
def zeros(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False,
          pin_memory=False):
    """A tensor of zeros."""
    made = filled(_size(size, "zeros"), 0, _dtype(dtype))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


@takes_size
def ones(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False,
         pin_memory=False):
    """A tensor of ones."""
    made = filled(_size(size, "ones"), 1, _dtype(dtype))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def full(size, fill_value, *, out=None, dtype=None, layout=None, device=None,
         requires_grad=False, pin_memory=False):
    """A tensor of one value; the dtype follows the value unless given."""
    if isinstance(size, int):
        raise TypeError("full(): argument 'size' (position 1) must be tuple of ints, not "
                        f"{type(size).__name__}")
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
        whole = [int(v) for v in (start, end, step)]
        if dtype is dt.int64 or whole == [start, end, step]:
            start, end, step = whole
            count = max(0, -(-(end - start) // step))
        else:   # narrow integers are counted before the ends are rounded
            count = int(np.ceil((end - start) / step))
            start, end, step = whole
    else:
        count = int(np.ceil((end - start) / step))
    steps = np.arange(count)
    if dtype.category == 1:
        array = (start + steps * step).astype(dtype.np)
    else:
        array = (start + steps.astype(np.float64) * step).astype(dtype.np)
    made = constant(array, meta(dtype, array.shape))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


__all__ = ["arange", "contiguous_strides", "empty", "empty_like", "empty_strided", "full",
           "full_like", "ones", "ones_like", "operator", "scalar_tensor", "wrap", "zeros",
           "zeros_like"]
