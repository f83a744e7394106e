"""Tensors made by a formula: linspace, logspace, eye, range, windows, and the legacy constructors.
"""

from __future__ import annotations

import math

import numpy as np

from ..base import dtypes as dt
from ..base.fused_multiply_add import fused_multiply_add64
from ..base.shapes import meta
from .construction import _dtype, _finish, _into
from .dispatch import constant
from .tensor import Tensor
from .typed_classes import TENSOR_TYPES


def _number(x):
    return x.item() if isinstance(x, (Tensor, np.generic)) else x


def _line(start, end, steps, dtype):
    """PyTorch's linspace: from both ends towards the middle, in the dtype itself."""
    if steps == 0:
        return np.empty(0, dtype.np)
    if steps == 1:
        return np.array([start]).astype(dtype.np)
    wide = np.complex128 if dtype.is_complex else np.float64
    if dtype is dt.float32 or dtype.half:
        wide = np.float32
    elif dtype is dt.complex64:
        wide = np.complex64
    if dtype.category < 2:
        start, end = int(start), int(end)
        step = (end - start) / (steps - 1)
        index = np.arange(steps)
        low = np.trunc(fused_multiply_add64(step, index, start))
        high = np.trunc(fused_multiply_add64(-step, steps - 1 - index, end))
        return np.where(index < steps // 2, low, high).astype(dtype.np)
    start, end = wide(start), wide(end)
    step = (end - start) / wide(steps - 1)
    index = np.arange(steps)
    real = np.float32 if wide in (np.float32, np.complex64) else np.float64
    low = start + step * index.astype(real)
    high = end - step * (steps - 1 - index).astype(real)
    return np.where(index < steps // 2, low, high).astype(dtype.np)


def _ends(name, start, end, steps, dtype):
    for which, value in (("start", start), ("end", end)):
        if isinstance(value, Tensor) and value.ndim:
            raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got "
                               f"{which} with {value.ndim} dimension(s).")
    start, end = _number(start), _number(end)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if dtype is None:
        complex_ = isinstance(start, complex) or isinstance(end, complex)
        dtype = dt.get_default_dtype().to_complex() if complex_ else dt.get_default_dtype()
    return start, end, dtype


def linspace(start, end, steps, *, out=None, dtype=None, layout=None, device=None,
             requires_grad=False, pin_memory=False):
    """`steps` numbers from `start` to `end`, both included, at equal distances."""
    start, end, dtype = _ends("linspace", start, end, steps, dtype if out is None or dtype else
                              out.dtype)
    array = _line(start, end, steps, dtype)
    made = constant(array, meta(dtype, array.shape))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def logspace(start, end, steps, base=10.0, *, out=None, dtype=None, layout=None, device=None,
             requires_grad=False, pin_memory=False):
    """``base ** x`` for x from `start` to `end` at equal distances."""
    start, end, dtype = _ends("logspace", start, end, steps, dtype if out is None or dtype else
                              out.dtype)
    wide = dt.complex128 if dtype.is_complex else dt.float64
    if dtype.category < 2:
        line = np.linspace(int(start), int(end), steps) if steps != 1 else np.array(
            [float(int(start))])
    else:
        line = _line(start, end, steps, wide)
    with np.errstate(all="ignore"):
        array = np.power(wide.np.type(base), line)
        array = array.astype(dtype.np)
    made = constant(array, meta(dtype, array.shape))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def range_(start, end=None, step=1, *, out=None, dtype=None, layout=None, device=None,
           requires_grad=False):
    """Deprecated: like `arange`, but with the end included."""
    import warnings
    warnings.warn("torch.range is deprecated and will be removed in a future release because its "
                  "behavior is inconsistent with Python's range builtin. Instead, use "
                  "torch.arange, which produces values in [start, end).", UserWarning,
                  stacklevel=2)
    if end is None:
        start, end = 0, start
    dtype = _dtype(dtype)
    count = int(math.floor((end - start) / step)) + 1
    made = constant((start + np.arange(count) * step).astype(dtype.np))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False,
        pin_memory=False):
    """Ones on the diagonal of an n x m matrix, zeros elsewhere."""
    m = n if m is None else m
    if n < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}")
    if m < 0:
        raise RuntimeError(f"m must be greater or equal to 0, got {m}")
    dtype = _dtype(dtype)
    made = constant(np.eye(n, m).astype(dtype.np), meta(dtype, (n, m)))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def empty_permuted(size, physical_layout, *, dtype=None, layout=None, device=None,
                   requires_grad=False, pin_memory=False):
    """An uninitialised dense tensor whose axes lie in memory in the given order."""
    from .construction import empty_strided
    size, order = tuple(size), tuple(physical_layout)
    if len(size) != len(order):
        raise RuntimeError(f"Number of dimensions in size does not match the length of the "
                           f"physical_layout; i.e. len(size) = {len(size)} is not equal to "
                           f"len(physical_layout) = {len(order)}")
    if any(not 0 <= a < len(size) for a in order):
        bad = next(i for i, a in enumerate(order) if not 0 <= a < len(size))
        raise RuntimeError(f"Dimension out of range (expected to be between 0 and {len(size) - 1}, "
                           f"but got {order[bad]} at index {bad}).  NB: negative dims not "
                           "currently supported; file an issue if you want it.")
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    strides, step = [0] * len(size), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= max(size[axis], 1)
    return empty_strided(size, strides, dtype=dtype, requires_grad=requires_grad)


# ---- windows --------------------------------------------------------------------------------

def _window(name, formula):
    def window(window_length, periodic=True, *arguments, dtype=None, layout=None, device=None,
               requires_grad=False, pin_memory=False, **named):
        dtype = _dtype(dtype)
        if not dtype.is_floating_point:
            raise RuntimeError(f"{name}_window expects floating point dtypes, got: "
                               f"TensorOptions(dtype={dtype.name})")
        if window_length < 0:
            raise RuntimeError(f"{name}_window requires non-negative window_length, got "
                               f"window_length={window_length}")
        if window_length <= 1:
            array = np.ones(window_length)
        else:
            count = window_length + 1 if periodic else window_length
            array = formula(np.arange(count, dtype=np.float64), count - 1, *arguments, **named)
            array = array[:window_length]
        return _finish(constant(array.astype(dtype.np), meta(dtype, array.shape)), requires_grad,
                       device)
    window.__name__ = name + "_window"
    window.__doc__ = f"The {name} window of a length; periodic for spectral analysis."
    return window


def _hamming(n, last, alpha=0.54, beta=0.46):
    return alpha - beta * np.cos(2 * np.pi * n / last)


def _kaiser(n, last, beta=12.0):
    return np.i0(beta * np.sqrt(np.maximum(1 - (2 * n / last - 1) ** 2, 0))) / np.i0(beta)


hann_window = _window("hann", lambda n, last: 0.5 - 0.5 * np.cos(2 * np.pi * n / last))
hamming_window = _window("hamming", _hamming)
bartlett_window = _window("bartlett", lambda n, last: 1 - np.abs(2 * n / last - 1))
blackman_window = _window("blackman", lambda n, last: 0.42 - 0.5 * np.cos(2 * np.pi * n / last)
                          + 0.08 * np.cos(4 * np.pi * n / last))
kaiser_window = _window("kaiser", _kaiser)


EXPORTS = {"linspace": linspace, "logspace": logspace, "range": range_, "eye": eye,
           "empty_permuted": empty_permuted, "hann_window": hann_window,
           "hamming_window": hamming_window, "bartlett_window": bartlett_window,
           "blackman_window": blackman_window, "kaiser_window": kaiser_window, **TENSOR_TYPES}
