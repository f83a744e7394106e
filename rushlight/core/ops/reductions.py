"""Reductions over axes: sum, mean and what is built on them."""

from __future__ import annotations

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta, wrap_dim
from .record import export, primitive


def wrap_dims(dim, ndim):
    """Axes as a sorted tuple; None or an empty sequence means all of them."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        dims = tuple(wrap_dim(d, ndim) for d in dim)
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"dim {next(d for d in dims if dims.count(d) > 1)} appears multiple "
                               "times in the list of dims")
        if not dims:
            return tuple(range(ndim))
        return tuple(sorted(dims)) if ndim else ()
    return (wrap_dim(dim, ndim),) if ndim else (wrap_dim(dim, ndim),)[:0]


def reduced_shape(shape, dims, keepdim):
    """The shape after reducing over `dims`."""
    return tuple(1 if i in dims else n for i, n in enumerate(shape) if keepdim or i not in dims)


def spread(g, x_meta, dim, keepdim):
    """A reduced gradient seen at the shape it was reduced from (a view)."""
    if not keepdim and dim:
        for d in dim:
            g = g.unsqueeze(d)
    return g.expand(x_meta.shape)


def _sum_kernel(x, dim, keepdim, dtype):
    if x.dtype.kind == "b" or x.dtype != dtype.np:
        if not (dtype.half and x.dtype == np.float32):
            x = x.astype(dtype.np)
    if dim == ():
        return x
    return np.add.reduce(x, axis=dim, keepdims=keepdim)


def _sum_record(name, node_name):
    return primitive(
        name, "reduction", "x",
        lambda x, dim, keepdim, dtype: meta(dtype, reduced_shape(x.shape, dim, keepdim)),
        _sum_kernel, {"x": lambda g, x_meta, dim, keepdim: spread(g, x_meta, dim, keepdim)},
        params=("dim", "keepdim", "dtype"), node_name=node_name)


# With axes PyTorch's node has another name, which a printed tensor shows.
sum_op = _sum_record("sum", "SumBackward0")
_sum_over = _sum_record("sum_over", "SumBackward1")


@export("torch", "Tensor", out=True)
def sum(input, dim=None, keepdim=False, *, dtype=None):  # noqa: A001, A002
    """The sum over all elements, or over the axes `dim`.

    Integers and bool are summed as int64; `dtype` casts first.
    """
    m = input._meta
    if dtype is None:
        dtype = dt.int64 if m.dtype.category < 2 else m.dtype
    elif dtype is not m.dtype and (dtype.category >= 2 or m.dtype.category < 2):
        input = input.to(dtype)  # noqa: A001
    record = sum_op if dim is None else _sum_over
    return record(input, dim=wrap_dims(dim, len(m.shape)), keepdim=bool(keepdim), dtype=dtype)


def _mean_kernel(x, dim, keepdim, count):
    if dim == ():
        return x / 1 if x.dtype.kind != "c" else x
    return np.add.reduce(x, axis=dim, keepdims=keepdim) / x.dtype.type(count)


def _mean_record(name, node_name):
    return primitive(
        name, "reduction", "x",
        lambda x, dim, keepdim, count: meta(x.dtype, reduced_shape(x.shape, dim, keepdim)),
        _mean_kernel, {"x": lambda g, x_meta, dim, keepdim, count: spread(
            g, x_meta, dim, keepdim) / count},
        params=("dim", "keepdim", "count"), node_name=node_name)


mean_op = _mean_record("mean", "MeanBackward0")
_mean_over = _mean_record("mean_over", "MeanBackward1")


@export("torch", "Tensor", out=True)
def mean(input, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
    """The mean over all elements, or over the axes `dim`. RuntimeError for integer tensors."""
    if dtype is not None:
        input = input.to(dtype)  # noqa: A001
    m = input._meta
    if m.dtype.category < 2:
        name = {"int64": "Long", "int32": "Int", "bool": "Bool", "uint8": "Byte", "int16": "Short",
                "int8": "Char"}.get(m.dtype.name, m.dtype.name)
        what = "" if dtype is None else "Optional "
        raise RuntimeError(f"mean(): could not infer output dtype. {what}Input dtype must be "
                           f"either a floating point or complex dtype. Got: {name}")
    dims = wrap_dims(dim, len(m.shape))
    count = 1
    for d in dims:
        count *= m.shape[d]
    record = mean_op if dim is None else _mean_over
    return record(input, dim=dims, keepdim=bool(keepdim), count=count)


@export("Tensor")
def sum_to_size(self, *size):
    """The sum over every axis that broadcasting `size` to this shape would have repeated."""
    from .views import sizes_of
    size = sizes_of(size)
    shape = self.shape
    extra = len(shape) - len(size)
    if extra < 0 or any(s not in (1, n) for s, n in zip(size, shape[extra:])):
        raise RuntimeError(f"size {{{list(size)}}} is not expandable to size {{{list(shape)}}}.")
    dims = tuple(range(extra)) + tuple(
        [i + extra for i, s in enumerate(size) if s == 1 and shape[i + extra] != 1])
    if not dims and size:
        return self
    dtype = dt.int64 if self.dtype.category < 2 else self.dtype
    if len(dims) == extra:
        return sum_op(self, dim=dims, keepdim=False, dtype=dtype)
    found = sum_op(self, dim=dims, keepdim=True, dtype=dtype)
    return found.reshape(size) if extra else found
