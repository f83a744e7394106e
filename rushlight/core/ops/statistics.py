"""Reductions beyond sum and mean: prod, any, all, var, norms, logsumexp, counts."""

from __future__ import annotations

import math

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta, wrap_dim
from .record import export, primitive
from .reductions import reduced_shape, spread, wrap_dims

# ---- products -------------------------------------------------------------------------------


def _prod_kernel(x, dim, keepdim, dtype):
    x = x if dtype.half else x.astype(dtype.np, copy=False)
    reduce = np.logical_and if dtype is dt.bool_ else np.multiply
    return reduce.reduce(x, axis=dim, keepdims=keepdim) if dim != () else x


def _prod_backward(g, x, out, dim, keepdim):
    import rushlight as r
    if not x.ndim:
        return g
    if not keepdim:
        for d in dim:
            g, out = g.unsqueeze(d), out.unsqueeze(d)
    zero = x == 0
    # The product of the others: a running product from each side, right with any number of zeros.
    if len(dim) > 1 or len(dim) == x.ndim:
        flat = x.reshape(-1)
        others = _others(flat, 0).reshape(x.shape)
    else:
        others = _others(x, dim[0])
    del zero, out
    return g * (others.conj() if x.is_complex() else others) if r else None


def _others(x, dim):
    import rushlight as r
    n = x.shape[dim]
    one = r.ones_like(x.narrow(dim, 0, min(1, n)))
    if n == 0:
        return x
    before = r.cat([one, x.narrow(dim, 0, n - 1).cumprod(dim)], dim)
    after = r.cat([one, x.flip(dim).narrow(dim, 0, n - 1).cumprod(dim)], dim).flip(dim)
    return before * after


prod_op = primitive(
    "prod", "reduction", "x",
    lambda x, dim, keepdim, dtype: meta(dtype, reduced_shape(x.shape, dim, keepdim)),
    _prod_kernel, {"x": _prod_backward}, params=("dim", "keepdim", "dtype"))


@export("torch", "Tensor", out=True)
def prod(input, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
    """The product of all elements or over one axis; integers as int64."""
    if dtype is None:
        dtype = dt.int64 if input.dtype.category < 2 else input.dtype
    if input.dtype is not dtype:
        input = input.to(dtype)  # noqa: A001
    dims = tuple(range(input.ndim)) if dim is None else wrap_dims(wrap_dim(dim, input.ndim),
                                                                  input.ndim)
    return prod_op(input, dim=dims, keepdim=bool(keepdim), dtype=dtype)


# ---- any, all, counts -----------------------------------------------------------------------

def _bool_reduction(name, numpy):
    def out_dtype(x):
        return dt.uint8 if x.dtype is dt.uint8 else dt.bool_

    def kernel(x, dim, keepdim):
        return numpy(x != 0, axis=dim, keepdims=keepdim) if dim != () else x != 0
    op = primitive(name, "reduction", "x",
                   lambda x, dim, keepdim: meta(out_dtype(x), reduced_shape(x.shape, dim,
                                                                            keepdim)),
                   kernel, params=("dim", "keepdim"), upcast=False)

    def function(input, dim=None, keepdim=False):  # noqa: A002
        return op(input, dim=wrap_dims(dim, input.ndim), keepdim=bool(keepdim))
    function.__name__ = name
    function.__doc__ = f"Whether {name} of the elements (over all or over axes) are not zero."
    export("torch", "Tensor", out=True)(function)


_bool_reduction("any", np.any)
_bool_reduction("all", np.all)

count_op = primitive("count_nonzero", "reduction", "x",
                     lambda x, dim: meta(dt.int64, reduced_shape(x.shape, dim, False)),
                     lambda x, dim: np.count_nonzero(x, axis=dim) if dim else (x != 0),
                     params=("dim",), upcast=False)


@export("torch", "Tensor")
def count_nonzero(input, dim=None):  # noqa: A002
    """The number of elements that are not zero."""
    return count_op(input, dim=wrap_dims(dim, input.ndim))


# ---- sums with a twist ----------------------------------------------------------------------

@export("torch", "Tensor", out=True)
def nansum(input, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
    """The sum with NaN counted as zero."""
    if input.is_complex():
        raise RuntimeError("nansum does not support complex inputs")
    if input.dtype.category < 2:
        return input.sum(dim, keepdim, dtype=dtype)
    return input.masked_fill(input.isnan(), 0).sum(dim, keepdim, dtype=dtype)


@export("torch", "Tensor", out=True)
def nanmean(input, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
    """The mean of the elements that are not NaN."""
    if input.dtype.category < 2:
        raise RuntimeError(f"nanmean(): expected input to have floating point or complex dtype but "
                           f"got {input.dtype.name}")
    count = input.isnan().logical_not().sum(dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count \
        if not input.is_complex() else input.masked_fill(input.isnan(), 0).sum(
            dim, keepdim, dtype=dtype) / count


def _logsumexp_kernel(x, dim, keepdim):
    if dim == () and x.dtype.kind != "c":   # a complex logarithm still wraps the angle
        return x
    if x.dtype.kind == "c":
        top = np.max(x.real, axis=dim, keepdims=True)
    else:
        top = np.max(x, axis=dim, keepdims=True) if x.size else np.zeros(
            reduced_shape(x.shape, dim, True), x.dtype)
    top = np.where(np.isfinite(top), top, 0).astype(top.dtype)
    total = np.log(np.sum(np.exp(x - top), axis=dim, keepdims=True)) + top
    return total if keepdim else total.reshape(reduced_shape(x.shape, dim, False))


def _logsumexp_backward(g, x, out, dim, keepdim):
    if not keepdim:
        for d in dim:
            g, out = g.unsqueeze(d), out.unsqueeze(d)
    weights = (x - out.masked_fill(out.isinf(), 0)).exp()
    return g * (weights.conj() if x.is_complex() else weights)


logsumexp_op = primitive(
    "logsumexp", "reduction", "x",
    lambda x, dim, keepdim: meta(x.dtype, reduced_shape(x.shape, dim, keepdim)),
    _logsumexp_kernel, {"x": _logsumexp_backward}, params=("dim", "keepdim"))


@export("torch", "Tensor", "special", out=True)
def logsumexp(input, dim, keepdim=False):  # noqa: A002
    """``log(sum(exp(x)))`` over axes, without overflow."""
    if input.dtype.category < 2:
        input = input.to(dt.get_default_dtype())  # noqa: A001
    return logsumexp_op(input, dim=wrap_dims(dim, input.ndim), keepdim=bool(keepdim))


# ---- variance -------------------------------------------------------------------------------

def _var_kernel(x, dim, keepdim, correction):
    dims = dim if dim != () else None
    if x.ndim == 0:
        x = x.reshape(1)
        dims = (0,)
    count = x.size if dims is None else math.prod(x.shape[d] for d in dims)
    wide = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) \
        if x.dtype.itemsize <= 8 and x.size < 1 << 16 else x
    centre = wide - wide.mean(axis=dims, keepdims=True)
    power = (centre * centre.conj()).real if x.dtype.kind == "c" else centre * centre
    total = np.sum(power, axis=dims, keepdims=keepdim and x.ndim > 0)
    free = max(count - correction, 0)
    found = total / free if free else np.where(total == 0, np.nan, np.nan) + total * np.nan
    return found


def _var_backward(g, x, dim, keepdim, correction):
    dims = dim if x.ndim else ()
    count = math.prod(x.shape[d] for d in dims) if dims else 1
    if not keepdim:
        for d in dims:
            g = g.unsqueeze(d)
    centre = x - x.mean(dims, True) if dims else x - x
    free = max(count - correction, 0)
    return g * centre * (2 / free if free else math.nan)


var_op = primitive(
    "var", "reduction", "x",
    lambda x, dim, keepdim, correction: meta(x.dtype.to_real(), reduced_shape(x.shape, dim,
                                                                              keepdim)),
    _var_kernel, {"x": _var_backward}, params=("dim", "keepdim", "correction"))


def _std_backward(g, x, out, dim, keepdim, correction):
    import rushlight
    slope = rushlight.where(out == 0, 0, g / (out * 2)) if out.numel() else g
    return _var_backward(slope, x, dim, keepdim, correction)


std_op = primitive(
    "std", "reduction", "x",
    lambda x, dim, keepdim, correction: meta(x.dtype.to_real(), reduced_shape(x.shape, dim,
                                                                              keepdim)),
    lambda x, *params: np.sqrt(_var_kernel(x, *params)), {"x": _std_backward},
    params=("dim", "keepdim", "correction"))


def _spread_arguments(name, input, dim, unbiased, correction, keepdim):  # noqa: A002
    if input.dtype.category < 2:
        what = name if name.endswith("_mean") else "std and var"
        raise RuntimeError(f"{what} only support floating point and complex dtypes")
    if isinstance(dim, bool):        # var(x, unbiased)
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if unbiased else 0
    return wrap_dims(dim, input.ndim), 1 if correction is None else correction, bool(keepdim)


def _spread_function(name, op):
    def function(input, dim=None, unbiased=None, keepdim=False, *, correction=None):  # noqa: A002
        dims, correction, keepdim = _spread_arguments(name, input, dim, unbiased, correction,
                                                      keepdim)
        return op(input, dim=dims, keepdim=keepdim, correction=correction)
    function.__name__ = name
    function.__doc__ = (f"The {name} over all elements or axes; `correction` is subtracted from "
                        "the count (1: unbiased).")
    export("torch", "Tensor", out=True)(function)

    def with_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):  # noqa: A002
        dims, correction, keepdim = _spread_arguments(name, input, dim, unbiased, correction,
                                                      keepdim)
        return (op(input, dim=dims, keepdim=keepdim, correction=correction),
                input.mean(dims or None, keepdim))
    with_mean.__name__ = name + "_mean"
    with_mean.__doc__ = f"The {name} and the mean."
    export("torch")(with_mean)


_spread_function("var", var_op)
_spread_function("std", std_op)


# ---- norms ----------------------------------------------------------------------------------

def _norm_kernel(x, dim, keepdim, order, dtype):
    if not dtype.half:
        x = x.astype(dtype.to_complex().np if x.dtype.kind == "c" else dtype.np, copy=False)
    size = np.abs(x)
    if dim == ():
        return (size != 0).astype(size.dtype) if order == 0 else size
    if order == math.inf:
        return np.max(size, axis=dim, keepdims=keepdim)
    if order == -math.inf:
        return np.min(size, axis=dim, keepdims=keepdim)
    if order == 0:
        return np.sum(size != 0, axis=dim, keepdims=keepdim, dtype=size.dtype)
    if order == 1:
        return np.sum(size, axis=dim, keepdims=keepdim)
    if order == 2:
        return np.sqrt(np.sum(size * size, axis=dim, keepdims=keepdim))
    return np.power(np.sum(np.power(size, order), axis=dim, keepdims=keepdim), 1 / order)


def _norm_backward(g, x, out, dim, keepdim, order):
    import rushlight as r
    if not keepdim:
        for d in dim:
            g, out = g.unsqueeze(d), out.unsqueeze(d)
    if order == 0:
        return None
    if not x.dtype.is_complex and x.dtype is not out.dtype:
        x = x.to(out.dtype)
    if order == 1:
        return g * x.sgn()
    if order == 2:
        return (g / out).masked_fill(out == 0, 0) * x
    size = x.abs()
    if order in (math.inf, -math.inf):
        mask = (size == out) | (size != size)
        share = mask.sum(dim, keepdim=True) if dim else mask
        return x.sgn() * r.where(mask, g / share, 0)
    if order < 1:
        powered = r.where(x == 0, 0, size.pow(order - 1))
        return x.sgn() * powered * (g * out.pow(1 - order)).masked_fill(out == 0, 0)
    if order < 2:
        powered = x.sgn() * size.pow(order - 1)
        return powered * (g / out.pow(order - 1)).masked_fill(out == 0, 0)
    return x * size.pow(order - 2) * (g / out.pow(order - 1)).masked_fill(out == 0, 0)


norm_op = primitive(
    "linalg_vector_norm", "reduction", "x",
    lambda x, dim, keepdim, order, dtype: meta(dtype.to_real(), reduced_shape(x.shape, dim,
                                                                              keepdim)),
    _norm_kernel, {"x": _norm_backward}, params=("dim", "keepdim", "order", "dtype"),
    node_name="LinalgVectorNormBackward0")


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
    """The `ord`-norm of the elements, over everything or over axes.

    RuntimeError for integer tensors.
    """
    if x.dtype.category < 2:
        raise RuntimeError("linalg.vector_norm: Expected a floating point or complex tensor as "
                           f"input. Got {x.dtype.name}")
    if hasattr(ord, "item"):
        ord = ord.item()  # noqa: A001
    ord = float(ord)  # noqa: A001
    dims = wrap_dims(dim, x.ndim)
    if x.numel() == 0 and (ord < 0 or ord == math.inf):
        empty = dim is None or any(x.shape[d] == 0 for d in dims)
        if empty:
            raise RuntimeError(f"linalg.vector_norm cannot compute the {ord} norm on an empty "
                               "tensor because the operation does not have an identity")
    return norm_op(x, dim=dims, keepdim=bool(keepdim), order=ord, dtype=(dtype or x.dtype))


export("linalg", out=True)(vector_norm)


@export("torch", "Tensor")
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):  # noqa: A002
    """The vector norm of order p over all elements or axes ("fro": 2; "nuc": nuclear)."""
    import rushlight
    if p == "nuc":
        found = rushlight.linalg.matrix_norm(input, "nuc", dim if dim is not None else (-2, -1),
                                             keepdim, dtype=dtype)
    else:
        order = 2.0 if p == "fro" or p is None else p
        if dim is not None and not isinstance(dim, int):
            dim = tuple(dim)
        found = vector_norm(input, order, dim, keepdim, dtype=dtype)
    if out is not None:
        out.copy_(found)
        return out
    return found


@export("torch", "Tensor")
def dist(input, other, p=2):  # noqa: A002
    """The p-norm of ``input - other``."""
    return vector_norm(input - other, p)


@export("torch", "Tensor", inplace=True, out=True)
def renorm(input, p, dim, maxnorm):  # noqa: A002
    """Slices along `dim` scaled down to p-norm `maxnorm` where theirs is larger."""
    import rushlight
    dim = wrap_dim(dim, input.ndim)
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} "
                           "dimensions")
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    dims = tuple(d for d in range(input.ndim) if d != dim)
    size = vector_norm(input, p, dims, True)
    factor = rushlight.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)
    return input * factor.to(input.dtype)


# ---- running sums ---------------------------------------------------------------------------

def _running(name, kernel, backward):
    op = primitive(name, "reduction", "x", lambda x, dim, dtype: meta(dtype, x.shape), kernel,
                   {"x": backward}, params=("dim", "dtype"))

    def function(input, dim, *, dtype=None):  # noqa: A002
        if dtype is None:
            dtype = dt.int64 if input.dtype.category < 2 else input.dtype
        if input.dtype is not dtype:
            input = input.to(dtype)  # noqa: A001
        return op(input, dim=wrap_dim(dim, input.ndim), dtype=dtype)
    function.__name__ = name
    function.__doc__ = f"{name} along an axis."
    export("torch", "Tensor", inplace=True, out=True)(function)


def _reverse_cumsum(g, dim):
    return g.flip(dim).cumsum(dim).flip(dim) if g.ndim else g


def _cumprod_backward(g, x, out, dim):
    import rushlight as r
    if not x.ndim:
        return g
    if not (x == 0).any().item() and not r.is_grad_enabled():
        ratio = _reverse_cumsum(g * (out.conj() if x.is_complex() else out), dim)
        return ratio / (x.conj() if x.is_complex() else x)
    # With zeros: d out[j] / d x[i] is the product of the others up to j, built row by row.
    n = x.shape[dim]
    parts = []
    for i in range(n):
        one = r.ones_like(x.narrow(dim, 0, 1))
        before = r.prod(x.narrow(dim, 0, i), dim, True) if i else one
        after = r.cat([one, x.narrow(dim, i + 1, n - i - 1)], dim).cumprod(dim)
        products = before * after
        products = products.conj() if x.is_complex() else products
        parts.append((g.narrow(dim, i, n - i) * products).sum(dim, keepdim=True))
    return r.cat(parts, dim) if parts else g


_running("cumsum", lambda x, dim, dtype: np.cumsum(x, axis=dim) if x.ndim else x,
         lambda g, dim: _reverse_cumsum(g, dim))
_running("cumprod", lambda x, dim, dtype: np.cumprod(x, axis=dim) if x.ndim else x,
         _cumprod_backward)


def _logcumsumexp_kernel(x, dim):
    if not x.ndim or not x.size:
        return x
    if x.dtype.kind == "c":
        out = np.array(x)
        moved = np.moveaxis(out, dim, 0)
        for i in range(1, moved.shape[0]):
            a, b = moved[i - 1], moved[i]
            top = np.where(a.real >= b.real, a, b)
            low = np.where(a.real >= b.real, b, a)
            moved[i] = top + np.log1p(np.exp(low - top))
        return out
    return np.logaddexp.accumulate(x, axis=dim)


def _logcumsumexp_backward(g, x, out, dim):
    import rushlight as r
    if not x.ndim:
        return g
    if x.is_complex():
        return (_reverse_logcumsumexp(g.conj().log() - out, dim) + x).exp().conj()
    low = x.new_full((), -math.inf)
    positive = r.where(g > 0, g, 0).log()
    negative = r.where(g < 0, -g, 0).log()
    up = _reverse_logcumsumexp(r.where(g > 0, positive - out, low), dim) + x
    down = _reverse_logcumsumexp(r.where(g < 0, negative - out, low), dim) + x
    return up.exp() - down.exp()


def _reverse_logcumsumexp(x, dim):
    return x.flip(dim).logcumsumexp(dim).flip(dim)


logcumsumexp_op = primitive("logcumsumexp", "reduction", "x",
                            lambda x, dim: meta(x.dtype, x.shape), _logcumsumexp_kernel,
                            {"x": _logcumsumexp_backward}, params=("dim",))


@export("torch", "Tensor", out=True)
def logcumsumexp(input, dim):  # noqa: A002
    """``log(cumsum(exp(x)))`` along an axis, without overflow."""
    return logcumsumexp_op(input, dim=wrap_dim(dim, input.ndim))


def _cum_extremum(name, largest):
    from .result_types import result_type

    def kernel(x, dim):
        if not x.ndim:
            return x, np.zeros((), np.int64)
        moved = np.moveaxis(x, dim, 0)
        values, index = np.array(moved), np.zeros(moved.shape, np.int64)
        for i in range(1, moved.shape[0]):
            better = moved[i] >= values[i - 1] if largest else moved[i] <= values[i - 1]
            if x.dtype.kind == "f":
                better = (better | np.isnan(moved[i])) & ~(np.isnan(values[i - 1])
                                                          & ~np.isnan(moved[i]))
            values[i] = np.where(better, moved[i], values[i - 1])
            index[i] = np.where(better, i, index[i - 1])
        return np.moveaxis(values, 0, dim), np.moveaxis(index, 0, dim)

    op = primitive(name, "reduction", "x",
                   lambda x, dim: (meta(x.dtype, x.shape), meta(dt.int64, x.shape)), kernel,
                   {"x": lambda g, out1, x_meta, dim: g if not x_meta.shape else g.new_zeros(
                       x_meta.shape).scatter_add(dim, out1, g)},
                   params=("dim",), multi=2, upcast=False, non_differentiable=(1,))
    kind = result_type(name, ("values", "indices"))

    def function(input, dim):  # noqa: A002
        return kind(op(input, dim=wrap_dim(dim, input.ndim)))
    function.__name__ = name
    function.__doc__ = f"The running {name[3:]}imum and its positions along an axis."
    export("torch", "Tensor", out=True)(function)


_cum_extremum("cummax", True)
_cum_extremum("cummin", False)


@export("torch", "Tensor")
def diff(input, n=1, dim=-1, prepend=None, append=None):  # noqa: A002
    """The n-th difference of neighbours along an axis."""
    import rushlight as r
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    dim = wrap_dim(dim, input.ndim)
    kept = input
    if prepend is not None or append is not None:
        input = r.cat([t for t in (prepend, input, append) if t is not None], dim)  # noqa: A001
    if n == 0:
        return input.clone() if prepend is None and append is None else kept.clone()
    n = min(n, input.shape[dim])
    for _ in range(n):
        length = input.shape[dim]
        first, second = input.narrow(dim, 1, length - 1), input.narrow(dim, 0, length - 1)
        input = r.logical_xor(first, second) if input.dtype is dt.bool_ else first - second  # noqa: A001
    return input


@export("torch")
def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The integral of `y` along an axis by the trapezoid rule."""
    dim = wrap_dim(dim, y.ndim)
    n = y.shape[dim] if y.ndim else 0
    if n == 0:
        return y.sum(dim) * 0.0 if y.ndim else y
    middle = (y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1))
    if x is None:
        return (middle * (1.0 if dx is None else dx)).sum(dim) / 2.0
    return (middle * _steps(x, y, dim)).sum(dim) / 2.0


def _steps(x, y, dim):
    if x.ndim == 1 and y.ndim > 1:
        shape = [1] * y.ndim
        shape[dim] = x.shape[0]
        x = x.reshape(shape)
    elif x.ndim < y.ndim:
        x = x.reshape((1,) * (y.ndim - x.ndim) + tuple(x.shape))
    n = x.shape[dim]
    return x.narrow(dim, 1, n - 1) - x.narrow(dim, 0, n - 1)


@export("torch")
def trapz(y, x=None, *, dx=None, dim=-1):
    """The older name of `trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


@export("torch")
def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The running integral of `y` along an axis."""
    dim = wrap_dim(dim, y.ndim)
    n = y.shape[dim]
    middle = y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)
    step = (1.0 if dx is None else dx) if x is None else _steps(x, y, dim)
    return (middle * step).cumsum(dim) / 2.0


__all__ = ["spread"]
