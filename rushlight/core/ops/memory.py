"""Copies, casts and fills: ops that move elements without arithmetic."""

from __future__ import annotations

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import dense_strides_like, is_contiguous, meta
from .record import export, primitive


def _cast_kernel(x, dtype):
    if x.dtype == dtype.np:
        return x
    if x.dtype.kind == "c" and not dtype.is_complex:
        if dtype is dt.bool_:
            return x != 0
        x = x.real
    if dtype.category == 1 and x.dtype.kind not in "iub":
        # C's conversion: through int64 for the narrow types, as compilers do it on x86-64.
        return x.astype(np.int64).astype(dtype.np) if dtype.itemsize < 8 else x.astype(dtype.np)
    return x.astype(dtype.np)


cast = primitive(
    "to_copy", "copy", "x",
    lambda x, dtype, strides: meta(dtype, x.shape, strides),
    lambda x, dtype, strides: _cast_kernel(x, dtype),
    {"x": lambda g, x_meta: g.to(x_meta.dtype)}, params=("dtype", "strides"), upcast=False)

clone_op = primitive(
    "clone", "copy", "x", lambda x, strides: meta(x.dtype, x.shape, strides),
    lambda x, strides: x.copy(), {"x": lambda g: g}, params=("strides",), upcast=False)

copy_op = primitive(
    "copy", "copy", "x", lambda x, dtype, size, strides: meta(dtype, size, strides),
    lambda x, dtype, size, strides: np.broadcast_to(_cast_kernel(x, dtype), size).copy(),
    {"x": lambda g: g}, params=("dtype", "size", "strides"), node_name="CopyBackwards",
    upcast=False)

fill_op = primitive(
    "fill", "copy", "value", lambda value, dtype, size, strides: meta(dtype, size, strides),
    lambda value, dtype, size, strides: _full(size, value, dtype),
    {"value": lambda g: g.sum()}, params=("dtype", "size", "strides"), upcast=False)


def _full(size, value, dtype):
    if isinstance(value, np.ndarray):
        return np.broadcast_to(_cast_kernel(value, dtype), size).copy()
    if isinstance(value, int) and dtype.category == 1:
        value = np.asarray(value).astype(dtype.np)
    elif dtype.category == 1 and isinstance(value, float):
        value = int(value) if np.isfinite(value) else np.asarray(value).astype(dtype.np)
    elif isinstance(value, complex) and not dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")
    return np.full(size, value, dtype.np)


def strides_for(m, memory_format):
    """The strides of a copy of `m` in a memory format; None for row-major."""
    name = getattr(memory_format, "name", memory_format)
    if name in ("preserve_format", None):
        strides = dense_strides_like(m.shape, m.strides)
    elif name == "contiguous_format":
        return None
    elif name in ("channels_last", "channels_last_3d"):
        need = 4 if name == "channels_last" else 5
        if len(m.shape) != need:
            raise RuntimeError(f"required rank {need} tensor to use {name} format")
        order = (0, *range(2, need), 1)
        strides, step = [0] * need, 1
        for axis in reversed(order):
            strides[axis] = step
            step *= max(m.shape[axis], 1)
        strides = tuple(strides)
    else:
        raise RuntimeError(f"Unsupported memory format {memory_format}")
    return None if is_contiguous(m.shape, strides) else strides


@export("torch", "Tensor")
def clone(input, *, memory_format="preserve_format"):  # noqa: A002
    """A copy that is part of the graph (values are immutable, so memory is shared until written).
    """
    if memory_format is None:
        return clone_op(input, strides=None)
    return clone_op(input, strides=strides_for(input._meta, memory_format))


@export("Tensor")
def contiguous(self, memory_format="contiguous_format"):
    """The tensor itself where its memory is in that order already, else a copy."""
    if is_contiguous_in(self._meta, memory_format):
        return self
    return clone_op(self, strides=strides_for(self._meta, memory_format))


def is_contiguous_in(m, memory_format):
    """Whether a layout is already in a memory format."""
    name = getattr(memory_format, "name", memory_format)
    if name == "preserve_format":
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    if name == "contiguous_format":
        return m.contiguous
    if len(m.shape) != (4 if name == "channels_last" else 5):
        return False
    wanted = strides_for(m, memory_format)
    order = (0, *range(2, len(m.shape)), 1)
    if wanted is None:
        return True
    return is_contiguous([m.shape[a] for a in order], [m.strides[a] for a in order])


@export("Tensor", name="is_contiguous")
def is_contiguous_(self, memory_format="contiguous_format"):
    """Whether the memory is in row-major (or the given) order without gaps."""
    return is_contiguous_in(self._meta, memory_format)


def cast_to(tensor, dtype, memory_format="preserve_format"):
    """A copy in another dtype."""
    return cast(tensor, dtype=dtype, strides=strides_for(tensor._meta, memory_format))


def _conversion(name, dtype):
    def convert(self, memory_format="preserve_format"):
        return self if self._meta.dtype is dtype else cast_to(self, dtype, memory_format)
    convert.__name__ = name
    convert.__doc__ = f"This tensor as {dtype!r} (itself where it is already)."
    export("Tensor")(convert)


for _name, _dtype in (("float", dt.float32), ("double", dt.float64), ("half", dt.float16),
                      ("bfloat16", dt.bfloat16), ("int", dt.int32), ("long", dt.int64),
                      ("short", dt.int16), ("char", dt.int8), ("byte", dt.uint8),
                      ("bool", dt.bool_), ("cfloat", dt.complex64), ("cdouble", dt.complex128)):
    _conversion(_name, _dtype)
