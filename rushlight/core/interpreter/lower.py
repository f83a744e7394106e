"""From a trace record to a function of NumPy arrays, specialised once per plan."""

from __future__ import annotations

import functools
from importlib import import_module

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import OPAQUE, Meta
from ..ops.core_views import _layout
from ..ops.types import compute_types
from .words import WORDS

ndarray = np.ndarray
asarray = np.asarray


def _finish(result, meta):
    """`result` as an array of exactly `meta`'s dtype and memory order."""
    if result.__class__ is not ndarray:
        result = asarray(result)
    if result.dtype != meta.np:
        result = result.astype(meta.np)
    if meta.contiguous:
        if not result.flags.c_contiguous:
            result = np.ascontiguousarray(result)
        return result if result.shape == meta.shape else _shaped(result, meta)
    if not meta.dense:      # a view's own result
        return result
    if result.shape != meta.shape:
        result = _shaped(result, meta)
    return result if result.strides == meta.byte_strides else _layout(result, meta)


def _shaped(result, meta):
    if result.size != meta.numel:
        result = np.broadcast_to(result, meta.shape)
        return np.ascontiguousarray(result) if meta.contiguous else result
    return result.reshape(meta.shape)


def _wrap_integer(kind):
    def convert(number):
        return np.asarray(int(number) if not isinstance(number, bool) else number).astype(kind)
    return convert


def lower(op, operands, params, meta):
    """A callable of arrays (and Python numbers, and None) for one record."""
    if op.family == "pointwise":
        return _lower_pointwise(op, operands, meta)
    kernel = op.numpy if op.numpy.__class__ is not str else load_kernel(op.numpy)
    if params:
        if op.donates is not None:
            return lambda *arrays, owned=(): kernel(*arrays, *params, owned=owned)
        run = _with_params(kernel, params, len(operands))
    else:
        run = kernel
    if op.family == "layout":
        return run
    if op.upcast and any(type(o) is Meta and o.dtype.half for o in operands):
        run = _upcast(run)
    if type(meta) is tuple:
        return lambda *arrays: tuple([r if m is None or m is OPAQUE else _finish(r, m)
                                      for r, m in zip(run(*arrays), meta)])
    return lambda *arrays: _finish(run(*arrays), meta)


@functools.cache
def load_kernel(path):
    """The function of `rushlight.core.interpreter.kernels` that "module.function" names.

    Ops name their heavy kernels instead of importing them: they know no backend, and a program
    loads only the kernels it uses.
    """
    module, name = path.split(".")
    return getattr(import_module(".kernels." + module, __package__), name)


def _with_params(kernel, params, count):
    if count == 1:
        return lambda x: kernel(x, *params)
    if count == 2:
        return lambda x, y: kernel(x, y, *params)
    return lambda *arrays: kernel(*arrays, *params)


def _upcast(run):
    def upcast_run(*arrays):
        return run(*[a.astype(np.float32) if isinstance(a, ndarray) and a.dtype.itemsize == 2
                     and a.dtype.kind not in "iu" else a for a in arrays])
    return upcast_run


def _lower_pointwise(op, operands, meta):
    compute, result = compute_types(op, operands)
    function = op.numpy or functools.partial(op.body, WORDS)
    kind = np.dtype(np.float32) if compute.half else compute.np
    casts = []
    for operand in operands:
        if type(operand) is Meta:
            keep = operand.dtype.np == kind or op.promotion == "bool"
            casts.append(None if keep else _cast_array(kind))
        elif operand is None or compute.category > 1:
            casts.append(None)
        else:
            casts.append(_wrap_integer(kind))
    simple = not any(casts) and not compute.half and meta.shape and meta.contiguous and \
        all(type(o) is not Meta or o.plain for o in operands) and op.numpy is not None and \
        isinstance(op.numpy, np.ufunc) and (result is compute or result is dt.bool_)
    if simple:
        return function

    def run(*arrays):
        arrays = [a if cast is None else cast(a) for a, cast in zip(arrays, casts)]
        return _finish(function(*arrays), meta)
    return run


def _cast_array(kind):
    if kind.kind in "iu":
        return lambda a: cast_to(a, kind)
    return lambda a: a.astype(kind)


def cast_to(a, kind):
    """C's conversion of numbers to an integer type (through int64 for the narrow ones)."""
    if a.dtype.kind in "iub":
        return a.astype(kind)
    if kind.itemsize < 8 and a.dtype.kind not in "c":
        return a.astype(np.int64).astype(kind)
    return a.astype(kind)
