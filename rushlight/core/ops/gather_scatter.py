"""Reading and writing along one axis at an index tensor: gather, scatter, index_select, take."""

from __future__ import annotations

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta, wrap_dim
from .record import export, primitive


def _need_integers(name, index):
    if index.dtype not in (dt.int64, dt.int32) and index.numel():
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")


def _need_int64(name, index):
    if index.dtype not in (dt.int64, dt.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, but got "
                           f"{index.dtype}")


def _range_check(index, size, dim, what="index"):
    bad = (index < 0) | (index >= size)
    if bad.any():
        raise RuntimeError(f"index {index[bad].reshape(-1)[0]} is out of bounds for dimension "
                           f"{dim} with size {size}")


def _checked(out, input, dim, index):  # noqa: A002
    """`out`, after a look at the index: a bad one in memory already is an error of this line."""
    value = index._storage.value
    if value.array is not None and value.meta is index._meta and value.array.size:
        _range_check(value.array, input.shape[dim] if input.ndim else max(input.numel(), 1), dim)
    return out


def _grid(shape, dim, index):
    """Full index arrays that pick ``index`` along `dim` and the same place elsewhere."""
    full = list(np.ogrid[tuple(slice(n) for n in shape)]) if shape else []
    if full:
        full[dim] = index
    return tuple(full)


def _gather_rule(x, index, dim):
    if index.numel and len(x.shape) != len(index.shape) and not (
            x.numel == 1 and len(index.shape) <= 1 and len(x.shape) <= 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for axis, (n, size) in enumerate(zip(index.shape, x.shape)):
        if axis != dim and n > size:
            raise RuntimeError(
                f"Size does not match at dimension {axis} expected index {list(index.shape)} to be "
                f"no larger than self {list(x.shape)} apart from dimension {dim}")
    return meta(x.dtype, index.shape)


def _gather_kernel(x, index, dim):
    if index.size == 0:
        return np.empty(index.shape, x.dtype)
    if x.ndim == 0 or index.ndim == 0:
        _range_check(index, max(x.size, 1), dim)
        return np.broadcast_to(x.reshape(-1)[0], index.shape) if x.size == 1 else x[index]
    _range_check(index, x.shape[dim], dim)
    return x[_grid(index.shape, dim, index)]


gather_op = primitive(
    "gather", "gather", "x index", _gather_rule, _gather_kernel,
    {"x": lambda g, index, x_meta, dim: g.new_zeros(x_meta.shape).scatter_add(dim, index, g)},
    params=("dim",), checks=True, upcast=False)


@export("torch", "Tensor", out=True)
def gather(input, dim, index, *, sparse_grad=False):  # noqa: A002
    """``out[i][j] = input[index[i][j]][j]`` for dim 0, and so on; shaped like `index`."""
    _need_integers("gather", index)
    dim = wrap_dim(dim, input.ndim)
    return _checked(gather_op(input, index, dim=dim), input, dim, index)


@export("torch", "Tensor", out=True)
def take_along_dim(input, indices, dim=None):  # noqa: A002
    """`gather` with broadcasting of the other axes; without `dim`, over the flattened input."""
    if indices.dtype is not dt.int64:
        raise RuntimeError("torch.take_along_dim(): dtype of indices should be Long but got "
                           f"{indices.dtype.name}")
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    if input.ndim != indices.ndim:
        raise RuntimeError("torch.take_along_dim(): input and indices should have the same number "
                           f"of dimensions, but got {input.ndim} dimensions for input, and "
                           f"{indices.ndim} dimensions for indices")
    from ..base.shapes import broadcast_shapes
    dim = wrap_dim(dim, input.ndim)
    rest = [list(input.shape), list(indices.shape)]
    for shape in rest:
        shape[dim] = 1
    together = list(broadcast_shapes(*rest))
    wide, narrow = list(together), list(together)
    wide[dim], narrow[dim] = input.shape[dim], indices.shape[dim]
    indices = indices.where(indices >= 0, indices + input.shape[dim])
    return gather(input.expand(wide), dim, indices.expand(narrow))


def _scatter_rule(x, index, source, dim):
    if type(source) is not type and source is not None and hasattr(source, "dtype"):
        if source.dtype is not x.dtype:
            raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
        if len(source.shape) != len(index.shape) and index.numel and not (
                source.numel == 1 and len(index.shape) <= 1):
            raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    if index.numel and len(x.shape) != len(index.shape) and not (
            len(x.shape) <= 1 and len(index.shape) <= 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    for axis, (n, size) in enumerate(zip(index.shape, x.shape)):
        too_big = axis != dim and n > size
        if hasattr(source, "shape") and axis < len(source.shape):
            too_big = too_big or n > source.shape[axis]
        if too_big and index.numel:
            tail = f" and to be no larger than src {list(source.shape)}" \
                if hasattr(source, "shape") else ""
            raise RuntimeError(f"Expected index {list(index.shape)} to be no larger than self "
                               f"{list(x.shape)} apart from dimension {dim}{tail}")
    return meta(x.dtype, x.shape)


def _window(source, shape):
    if not isinstance(source, np.ndarray):
        return source
    if source.ndim == 0:
        return source
    return source[tuple(slice(n) for n in shape)]


def _start(x, owned):
    return x if owned and owned[0] and x.flags.writeable and x.flags.c_contiguous else \
        np.array(x, order="C")


def _scatter_kernel(x, index, source, dim, owned=()):
    x = _start(x, owned)
    if index.size == 0:
        return x
    flat = x.reshape(1) if x.ndim == 0 else x
    index = index.reshape(-1) if index.ndim == 0 else index
    _range_check(index, flat.shape[dim], dim)
    source = _window(source, index.shape)
    if isinstance(source, np.ndarray):
        source = np.broadcast_to(source, index.shape).astype(x.dtype)
    else:
        source = np.asarray(source).astype(x.dtype)
    flat[_grid(index.shape, dim, index)] = source
    return x


scatter_op = primitive(
    "scatter", "scatter", "x index source", _scatter_rule, _scatter_kernel,
    {"x": lambda g, index, dim: g.scatter(dim, index, 0),
     "source": lambda g, index, source_meta, dim: _pad_back(g.gather(dim, index), source_meta)},
    params=("dim",), checks=True, upcast=False, donates=(0,))


def _pad_back(g, source_meta):
    """A gradient for `index`'s window of the source, zero outside the window."""
    if not hasattr(source_meta, "shape") or g.shape == source_meta.shape:
        return g
    made = g.new_zeros(source_meta.shape)
    made[tuple(slice(n) for n in g.shape)] = g
    return made


def _add_at(x, where, source):
    if x.dtype.kind == "b":
        np.logical_or.at(x, where, source)
    elif x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
        wide = x.astype(np.float32)
        np.add.at(wide, where, np.asarray(source, np.float32))
        x[...] = wide
    else:
        np.add.at(x, where, source)


def _scatter_add_kernel(x, index, source, dim, owned=()):
    x = _start(x, owned)
    if index.size == 0:
        return x
    flat = x.reshape(1) if x.ndim == 0 else x
    index = index.reshape(-1) if index.ndim == 0 else index
    _range_check(index, flat.shape[dim], dim)
    source = np.broadcast_to(_window(source, index.shape), index.shape)
    _add_at(flat, _grid(index.shape, dim, index), source)
    return x


scatter_add_op = primitive(
    "scatter_add", "scatter", "x index source", _scatter_rule, _scatter_add_kernel,
    {"x": lambda g: g,
     "source": lambda g, index, source_meta, dim: _pad_back(g.gather(dim, index), source_meta)},
    params=("dim",), checks=True, upcast=False, donates=(0,))

_OLD_REDUCE = {"add": "sum", "multiply": "prod"}


@export("torch", "Tensor", inplace=True, out=True)
def scatter(input, dim, index, src=None, *, value=None, reduce=None):  # noqa: A002
    """`src` (a tensor or a number) written at ``input[index[i][j]][j]`` (dim 0), and so on.

    RuntimeError for an index out of range or of the wrong shape.
    """
    source = value if src is None else src
    if source is None:
        raise TypeError("scatter() missing 1 required positional argument: 'src' or 'value'")
    _need_integers("scatter", index)
    dim = wrap_dim(dim, input.ndim)
    if reduce is not None:
        if reduce not in _OLD_REDUCE:
            raise RuntimeError("reduce argument must be either add or multiply.")
        import rushlight
        if not hasattr(source, "_meta"):
            source = rushlight.full(index.shape, source, dtype=input.dtype)
        return scatter_reduce(input, dim, index, source, _OLD_REDUCE[reduce])
    return _checked(scatter_op(input, index, source, dim=dim), input, dim, index)


@export("torch", "Tensor", inplace=True, out=True)
def scatter_add(input, dim, index, src):  # noqa: A002
    """`src` added at ``input[index[i][j]][j]`` (dim 0), and so on, in a fixed order."""
    _need_integers("scatter_add", index)
    dim = wrap_dim(dim, input.ndim)
    return _checked(scatter_add_op(input, index, src, dim=dim), input, dim, index)


_REDUCERS = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}
_IDENTITY = {"sum": 0, "mean": 0, "prod": 1}


def _identity(reduce, kind):
    if reduce in _IDENTITY:
        return _IDENTITY[reduce]
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return info.min if reduce == "amax" else info.max
    if kind.kind == "b":
        return reduce == "amin"
    return -np.inf if reduce == "amax" else np.inf


def _scatter_reduce_kernel(x, index, source, dim, reduce, include_self):
    x = np.array(x, order="C")
    if index.size == 0:
        return x
    flat = x.reshape(1) if x.ndim == 0 else x
    index = index.reshape(-1) if index.ndim == 0 else index
    _range_check(index, flat.shape[dim], dim)
    where = _grid(index.shape, dim, index)
    source = np.broadcast_to(_window(source, index.shape), index.shape).astype(x.dtype)
    if not include_self:
        flat[where] = _identity(reduce, x.dtype)
    if reduce in ("sum", "mean"):
        _add_at(flat, where, source)
    else:
        _REDUCERS[reduce].at(flat, where, source)
    if reduce == "mean":
        count = np.full(flat.shape, 1 if include_self else 0, np.int64)
        np.add.at(count, where, 1)
        count = np.maximum(count, 1)
        flat[...] = np.floor_divide(flat, count.astype(x.dtype)) if x.dtype.kind in "iu" else \
            flat / count
    return x


def _reduce_counts(x, index, dim, include_self):
    ones = x.new_ones(index.shape)
    base = x.new_ones(x.shape) if include_self else x.new_zeros(x.shape)
    count = base.scatter_add(dim, index, ones)
    return count.clamp(min=1)


def _scatter_reduce_gradients(g, x, index, source, out, dim, reduce, include_self):
    import rushlight as r
    if reduce == "sum":
        for_x, for_source = g, g.gather(dim, index)
    elif reduce == "mean":
        g = g / _reduce_counts(x, index, dim, include_self)
        for_x, for_source = g, g.gather(dim, index)
    elif reduce == "prod":
        return _prod_gradients(g, x, index, source, out, dim, include_self)
    else:
        window = source[tuple(slice(n) for n in index.shape)] if source.ndim else source
        value = out.gather(dim, index)
        mine = (x == out)
        theirs = (window == value)
        if not include_self:
            mine = mine & (r.ones_like(x).scatter(dim, index, 0) == 1)
        shares = mine.to(x.dtype) if include_self else mine.to(x.dtype)
        total = shares.scatter_add(dim, index, theirs.to(x.dtype))
        spread = g / total.clamp(min=1)
        for_x = r.where(mine, spread, 0)
        for_source = r.where(theirs, spread.gather(dim, index), 0)
    if not include_self:
        for_x = for_x.scatter(dim, index, 0)
    return for_x, _pad_back(for_source, source._meta)


def _prod_gradients(g, x, index, source, out, dim, include_self):
    import rushlight as r
    masked = r.where(x == 0, 1, x)
    window = source[tuple(slice(n) for n in index.shape)] if source.ndim else source
    safe = r.where(window == 0, 1, window)
    zero = (window == 0)
    count = r.zeros_like(x).scatter_add(dim, index, zero.to(x.dtype))
    single = zero & (count.gather(dim, index) == 1)
    if include_self:
        start = r.where(x == 0, 0, x)
    else:
        start = r.ones_like(x)
    without = start.scatter_reduce(dim, index, r.where(single, 1, window), "prod")
    for_source = r.where(single, g.gather(dim, index) * without.gather(dim, index),
                         g.gather(dim, index) * out.gather(dim, index) / safe)
    rest = r.ones_like(x).scatter_reduce(dim, index, window, "prod")
    for_x = g * rest
    del masked
    if not include_self:
        for_x = for_x.scatter(dim, index, 0)
    return for_x, _pad_back(for_source, source._meta)


scatter_reduce_op = primitive(
    "scatter_reduce", "scatter", "x index source",
    lambda x, index, source, dim, reduce, include_self: _scatter_rule(x, index, source, dim),
    _scatter_reduce_kernel, {("x", "source"): _scatter_reduce_gradients},
    params=("dim", "reduce", "include_self"), checks=True)


@export("torch", "Tensor", inplace=True, out=True)
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):  # noqa: A002
    """`src` reduced ("sum", "prod", "mean", "amax", "amin") into ``input[index[i][j]][j]``."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError("reduce argument must be either sum, prod, mean, amax or amin, got "
                           f"{reduce}")
    _need_integers("scatter", index)
    return scatter_reduce_op(input, index, src, dim=wrap_dim(dim, input.ndim), reduce=reduce,
                             include_self=bool(include_self))


# ---- one index vector along an axis ---------------------------------------------------------

def _index_select_rule(x, index, dim):
    if len(index.shape) > 1:
        raise IndexError("index_select(): Index is supposed to be a vector, but got dim: "
                         f"{len(index.shape)}")
    if not x.shape:
        return meta(x.dtype, ())
    return meta(x.dtype, (*x.shape[:dim], index.numel, *x.shape[dim + 1:]))


def _index_select_kernel(x, index, dim):
    bad = (index < 0) | (index >= (x.shape[dim] if x.ndim else 1))
    if bad.any():
        raise IndexError("index out of range in self")
    return np.take(x, index.reshape(-1), axis=dim) if x.ndim else x.copy()


index_select_op = primitive(
    "index_select", "gather", "x index", _index_select_rule, _index_select_kernel,
    {"x": lambda g, index, x_meta, dim: g.new_zeros(x_meta.shape).index_add(dim, index, g)},
    params=("dim",), checks=True, upcast=False)


@export("torch", "Tensor", out=True)
def index_select(input, dim, index):  # noqa: A002
    """The slices of `input` at a vector of indices along `dim`."""
    _need_int64("index_select", index)
    return index_select_op(input, index, dim=wrap_dim(dim, input.ndim))


def _vector_write_rule(name):
    def rule(x, index, source, *rest):
        dim = rest[-1]
        if len(index.shape) > 1:
            raise IndexError(f"{name}(): Index is supposed to be a vector, but got dim: "
                             f"{len(index.shape)} with type: Long and size: {list(index.shape)}")
        if hasattr(source, "dtype"):
            if source.dtype is not x.dtype:
                raise RuntimeError(f"{name}(): self ({x.dtype.name}) and source "
                                   f"({source.dtype.name}) must have the same scalar type")
            count = source.shape[dim] if source.shape else 1
            if count != index.numel:
                raise (IndexError if name == "index_copy_" else RuntimeError)(
                    f"{name}(): Number of indices ({index.numel}) should be equal to "
                    f"source.size(dim): ({count}), for dim: {dim}")
            if x.shape and source.shape and (
                    source.shape[:dim] + source.shape[dim + 1:]
                    != x.shape[:dim] + x.shape[dim + 1:]):
                raise RuntimeError(f"source tensor shape must match self tensor shape, excluding "
                                   f"the specified dimension. Got self.shape = {list(x.shape)} "
                                   f"source.shape = {list(source.shape)}")
        return meta(x.dtype, x.shape)
    return rule


def _along(x, dim, index):
    index = index.reshape(-1)
    size = x.shape[dim] if x.ndim else 1
    bad = (index < -size) | (index >= size)
    if bad.any():
        raise IndexError(f"index {index[bad][0]} is out of bounds for dimension {dim} with size "
                         f"{size}")
    return (slice(None),) * dim + (index,) if x.ndim else ()


def _index_add_kernel(x, index, source, alpha, dim, owned=()):
    x = _start(x, owned)
    where = _along(x, dim, index)
    if type(alpha) is not int or alpha != 1:
        source = source * np.asarray(alpha).astype(x.dtype)
    if x.ndim:
        _add_at(x, where, source)
    else:
        x += np.asarray(source).sum().astype(x.dtype)
    return x


index_add_op = primitive(
    "index_add", "scatter", "x index source alpha", _vector_write_rule("index_add_"),
    _index_add_kernel,
    {"x": lambda g: g, "source": lambda g, index, source_meta, alpha, dim: _like_source(
        g.index_select(dim, index), source_meta) * alpha},
    params=("dim",), checks=True, upcast=False, donates=(0,))


def _like_source(g, source_meta):
    return g.reshape(source_meta.shape) if g.shape != source_meta.shape else g


@export("torch", "Tensor", inplace=True, out=True)
def index_add(input, dim, index, source, *, alpha=1):  # noqa: A002
    """``alpha * source`` added to the slices of `input` at a vector of indices along `dim`."""
    _need_int64("index_add", index)
    return index_add_op(input, index, source, alpha, dim=wrap_dim(dim, input.ndim))


def _index_copy_kernel(x, index, source, dim, owned=()):
    x = _start(x, owned)
    where = _along(x, dim, index)
    if x.ndim:
        x[where] = source if source.ndim else source.reshape(1)
    else:
        x[...] = source.reshape(-1)[-1]
    return x


index_copy_op = primitive(
    "index_copy", "scatter", "x index source", _vector_write_rule("index_copy_"),
    _index_copy_kernel,
    {"x": lambda g, index, dim: g.index_fill(dim, index, 0),
     "source": lambda g, index, source_meta, dim: _like_source(g.index_select(dim, index),
                                                               source_meta)},
    params=("dim",), checks=True, upcast=False, donates=(0,))


@export("torch", "Tensor", inplace=True, out=True)
def index_copy(input, dim, index, source):  # noqa: A002
    """The slices of `source` written at a vector of indices along `dim`."""
    _need_int64("index_copy", index)
    return index_copy_op(input, index, source, dim=wrap_dim(dim, input.ndim))


def _index_fill_kernel(x, index, value, dim, owned=()):
    x = _start(x, owned)
    where = _along(x, dim, index)
    if index.size:
        x[where or ...] = np.asarray(value).astype(x.dtype)
    return x


index_fill_op = primitive(
    "index_fill", "scatter", "x index value",
    lambda x, index, value, dim: meta(x.dtype, x.shape), _index_fill_kernel,
    {"x": lambda g, index, dim: g.index_fill(dim, index, 0),
     "value": lambda g, index, dim: g.index_select(dim, index.unique()).sum()},
    params=("dim",), checks=True, upcast=False, donates=(0,))


@export("torch", "Tensor", inplace=True)
def index_fill(input, dim, index, value):  # noqa: A002
    """`value` written to the slices at a vector of indices along `dim`."""
    if index.dtype is not dt.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if isinstance(value, complex) and not input.is_complex():
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not "
                           "supported")
    if hasattr(value, "ndim") and value.ndim:
        raise RuntimeError("index_fill_ only supports a 0-dimensional value tensor, but got tensor "
                           f"with {value.ndim} dimension(s).")
    return index_fill_op(input, index, value, dim=wrap_dim(dim, input.ndim))


@export("torch", "Tensor", inplace=True, out=True)
def index_reduce(input, dim, index, source, reduce, *, include_self=True):  # noqa: A002
    """The slices of `source` reduced ("prod", "mean", "amax", "amin") into `input`."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError("index_reduce(): Expected reduce to be one of prod, mean, amax or amin "
                           f"but got {reduce}.")
    dim = wrap_dim(dim, input.ndim)
    view = [1] * max(source.ndim, 1)
    view[dim] = -1
    wide = index.reshape(view).expand(source.shape if source.ndim else (1,))
    if not source.ndim:
        wide = wide.reshape(())
    return scatter_reduce(input, dim, wide, source, reduce, include_self=include_self)


# ---- flat positions -------------------------------------------------------------------------

def _take_kernel(x, index):
    size = x.size
    bad = (index < -size) | (index >= size)
    if bad.any():
        raise IndexError(f"out of range: tried to access index {index[bad].reshape(-1)[0]} on a "
                         f"tensor of {size} elements.")
    return x.reshape(-1)[index]


take_op = primitive(
    "take", "gather", "x index", lambda x, index: meta(x.dtype, index.shape), _take_kernel,
    {"x": lambda g, index, x_meta: g.new_zeros(x_meta.shape).put(index, g, True)}, checks=True,
    upcast=False)


@export("torch", "Tensor", out=True)
def take(input, index):  # noqa: A002
    """The elements at flat positions; shaped like `index`."""
    if index.dtype is not dt.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got "
                           f"{index.dtype.name}")
    return take_op(input, index)


def _put_kernel(x, index, source, accumulate, owned=()):
    x = _start(x, owned)
    flat = x.reshape(-1)
    size = flat.size
    index = index.reshape(-1)
    bad = (index < -size) | (index >= size)
    if bad.any():
        raise IndexError(f"out of range: tried to access index {index[bad][0]} on a tensor of "
                         f"{size} elements.")
    if accumulate:
        _add_at(flat, index, source.reshape(-1))
    else:
        flat[index] = source.reshape(-1)
    return flat.reshape(x.shape)


put_op = primitive(
    "put", "scatter", "x index source",
    lambda x, index, source, accumulate: meta(x.dtype, x.shape), _put_kernel,
    {"x": lambda g, index, source_meta, accumulate: g if accumulate else g.put(
        index, g.new_zeros(source_meta.shape), False),
     "source": lambda g, index, source_meta: g.take(index).reshape(source_meta.shape)},
    params=("accumulate",), checks=True, upcast=False, donates=(0,))


@export("torch", "Tensor", inplace=True)
def put(input, index, source, accumulate=False):  # noqa: A002
    """`source` written (or added) at flat positions."""
    if index.dtype is not dt.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype.name}")
    if source.dtype is not input.dtype:
        raise RuntimeError("put_(): self and source expected to have the same dtype, but got "
                           f"self.dtype = {input.dtype.name} and source.dtype = "
                           f"{source.dtype.name}")
    if index.numel() != source.numel():
        raise RuntimeError(f"put_(): Expected source and index to have the same number of "
                           f"elements, but got source.numel() = {source.numel()}, index.numel() = "
                           f"{index.numel()}")
    return put_op(input, index, source, accumulate=bool(accumulate))


def _masked_scatter_kernel(x, mask, source):
    x = np.array(x, order="C")
    count = int(mask.sum())
    if count > source.size:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    x[mask] = source.reshape(-1)[:count]
    return x


def _masked_scatter_backward(g, mask, source_meta):
    picked = g.masked_select(mask)
    made = g.new_zeros(source_meta.numel)
    made[:picked.numel()] = picked
    return made.reshape(source_meta.shape)


masked_scatter_op = primitive(
    "masked_scatter", "scatter", "x mask source", lambda x, mask, source: meta(x.dtype, x.shape),
    _masked_scatter_kernel,
    {"x": lambda g, mask: g.masked_fill(mask, 0), "source": _masked_scatter_backward},
    checks=True, upcast=False)


@export("torch", "Tensor", inplace=True)
def masked_scatter(input, mask, source):  # noqa: A002
    """The elements of `source`, in order, where `mask` holds."""
    if mask.dtype is not dt.bool_:
        raise RuntimeError("masked_scatter_ only supports boolean masks, but got mask with dtype "
                           f"{mask.dtype.name}")
    if source.dtype is not input.dtype:
        raise RuntimeError("masked_scatter: expected self and source to have same dtypes but got "
                           f"{input.dtype.name} and {source.dtype.name}")
    from ..base.shapes import broadcast_shapes
    shape = broadcast_shapes(input.shape, mask.shape)
    return masked_scatter_op(input.expand(shape), mask.expand(shape), source)
