"""Order: sort, topk, kthvalue, median, mode, searchsorted, unique; maxima with their positions."""

from __future__ import annotations

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta, wrap_dim
from .record import export, primitive
from .reductions import reduced_shape
from .result_types import result_type

I64 = dt.int64


def _no_complex(name, x):
    if x.dtype.is_complex:
        raise RuntimeError(f"{name}(): does not support complex input")


def _pick(g, index, x_meta, dim, keepdim):
    """The gradient of a reduction that picks one element: zeros but for the picked places."""
    if not x_meta.shape:
        return g
    if not keepdim:
        g, index = g.unsqueeze(dim), index.unsqueeze(dim)
    return g.new_zeros(x_meta.shape).scatter(dim, index, g)


# ---- max and min over an axis ---------------------------------------------------------------

def _first_extremum(x, dim, largest):
    """Position of the extremum along an axis; NaN wins, the first among equals."""
    pick = np.argmax if largest else np.argmin
    return pick(x, axis=dim)


def _extremum_kernel(largest):
    def kernel(x, dim, keepdim):
        if x.ndim == 0:
            return x, np.zeros((), np.int64)
        index = np.expand_dims(_first_extremum(x, dim, largest), dim)
        values = np.take_along_axis(x, index, dim)
        return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))
    return kernel


def _extremum_rule(name):
    def rule(x, dim, keepdim):
        if x.shape and x.shape[dim] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
        shape = reduced_shape(x.shape, (dim,) if x.shape else (), keepdim)
        return meta(x.dtype, shape), meta(I64, shape)
    return rule


def _extremum(name, largest):
    op = primitive(name + "_dim", "reduction", "x", _extremum_rule(name),
                   _extremum_kernel(largest),
                   {"x": lambda g, out1, x_meta, dim, keepdim: _pick(g, out1, x_meta, dim,
                                                                     keepdim)},
                   params=("dim", "keepdim"), multi=2, upcast=False,
                   node_name=name.capitalize() + "Backward0", non_differentiable=(1,))
    kind = result_type(name, ("values", "indices"))
    whole = "a" + name

    def function(input, dim=None, keepdim=False, *, other=None):  # noqa: A002
        import rushlight
        _no_complex(name, input)
        if other is not None:
            dim = other
        if dim is None:
            if input.numel() == 0:
                raise RuntimeError(f"{name}(): Expected reduction dim to be specified for "
                                   "input.numel() == 0. Specify the reduction dim with the 'dim' "
                                   "argument.")
            return _whole_extremum[name](input)
        if hasattr(dim, "_meta"):
            return getattr(rushlight, name + "imum")(input, dim)
        return kind(op(input, dim=wrap_dim(dim, input.ndim), keepdim=bool(keepdim)))
    function.__name__ = name
    function.__doc__ = (f"The {name}imum of all elements; over an axis, (values, indices); with a "
                        "second tensor, elementwise.")
    export("torch", "Tensor", out=True)(function)
    del whole


def _share_equal(g, x, out, dim, keepdim):
    import rushlight
    if not keepdim:
        for d in dim:
            g, out = g.unsqueeze(d), out.unsqueeze(d)
    mask = (x == out) | ((x != x) & (out != out)) if x.is_floating_point() else x == out
    count = mask.sum(dim, keepdim=True) if dim else mask.sum()
    return rushlight.where(mask, g / count, 0)


def _amax_kernel(largest):
    def kernel(x, dim, keepdim):
        if dim == ():
            return x
        return (np.max if largest else np.min)(x, axis=dim, keepdims=keepdim)
    return kernel


def _amax_rule(name):
    def rule(x, dim, keepdim):
        for d in dim:
            if x.shape[d] == 0:
                raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
        return meta(x.dtype, reduced_shape(x.shape, dim, keepdim))
    return rule


def _amax(name, largest):
    from .reductions import wrap_dims
    op = primitive(name, "reduction", "x", _amax_rule(name), _amax_kernel(largest),
                   {"x": _share_equal}, params=("dim", "keepdim"), upcast=False)

    def function(input, dim=(), keepdim=False):  # noqa: A002
        _no_complex(name, input)
        if input.numel() == 0 and dim in ((), None):
            raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel()"
                               " == 0. Specify the reduction dim with the 'dim' argument.")
        return op(input, dim=wrap_dims(dim, input.ndim), keepdim=bool(keepdim))
    function.__name__ = name
    function.__doc__ = f"The {name[1:]}imum over axes; equal elements share the gradient."
    export("torch", "Tensor", out=True)(function)

    whole = primitive(name[1:] + "_all", "reduction", "x",
                      lambda x: meta(x.dtype, ()),
                      lambda x: (np.max if largest else np.min)(x),
                      {"x": lambda g, x, out: _share_equal(g, x, out, tuple(range(x.ndim)), True)
                       if x.ndim else g},
                      node_name=name[1:].capitalize() + "Backward1", upcast=False)
    _whole_extremum[name[1:]] = whole


_whole_extremum: dict = {}
_amax("amax", True)
_amax("amin", False)
_extremum("max", True)
_extremum("min", False)


@export("torch", "Tensor", out=True)
def aminmax(input, *, dim=None, keepdim=False):  # noqa: A002
    """(min, max) over everything or over one axis."""
    import rushlight
    kind = result_type("aminmax", ("min", "max"))
    if dim is None:
        if not input.numel():
            raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the "
                               "operation has no identity.")
        low, high = rushlight.amin(input), rushlight.amax(input)
        if keepdim:
            low, high = low.reshape((1,) * input.ndim), high.reshape((1,) * input.ndim)
        return kind((low, high))
    dim = wrap_dim(dim, input.ndim)
    if input.ndim and input.shape[dim] == 0:
        raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the "
                           "operation has no identity.")
    dims = (dim,) if input.ndim else ()
    return kind((rushlight.amin(input, dims, keepdim), rushlight.amax(input, dims, keepdim)))


def _arg_extremum(name, largest):
    def kernel(x, dim, keepdim):
        if dim is None or x.ndim == 0:
            found = _first_extremum(x.reshape(-1), 0, largest)
            return np.reshape(found, (1,) * x.ndim) if keepdim else found
        found = _first_extremum(x, dim, largest)
        return np.expand_dims(found, dim) if keepdim else found

    def rule(x, dim, keepdim):
        if dim is None:
            return meta(I64, (1,) * len(x.shape) if keepdim else ())
        if x.shape and x.shape[dim] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
        return meta(I64, reduced_shape(x.shape, (dim,) if x.shape else (), keepdim))
    op = primitive(name, "reduction", "x", rule, kernel, params=("dim", "keepdim"), upcast=False)

    def function(input, dim=None, keepdim=False):  # noqa: A002
        _no_complex(name, input)
        if input.dtype is dt.bool_:
            raise RuntimeError(f"{name}(): does not support bool input")
        if dim is None and input.numel() == 0:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() "
                             "== 0. Specify the reduction dim with the 'dim' argument.")
        return op(input, dim=None if dim is None else wrap_dim(dim, input.ndim),
                  keepdim=bool(keepdim))
    function.__name__ = name
    function.__doc__ = f"The position of the {name[3:]}imum, flat or along an axis."
    export("torch", "Tensor", out=True)(function)


_arg_extremum("argmax", True)
_arg_extremum("argmin", False)


# ---- sort and topk --------------------------------------------------------------------------

sort_op = primitive(
    "sort", "host", "x",
    lambda x, dim, descending, stable: (meta(x.dtype, x.shape), meta(I64, x.shape)),
    "selection.sort",
    {"x": lambda g, out1, x_meta, dim: _unsort(g, out1, x_meta, dim)},
    params=("dim", "descending", "stable"), multi=2, upcast=False, non_differentiable=(1,))


def _unsort(g, index, x_meta, dim):
    if not x_meta.shape:
        return g
    return g.new_zeros(x_meta.shape).scatter(dim, index, g)


_SORT = result_type("sort", ("values", "indices"))


@export("torch", "Tensor", out=True)
def sort(input, dim=-1, descending=False, stable=False):  # noqa: A002
    """(values, indices) in order along an axis; equal elements keep their order."""
    if input.is_complex():
        raise RuntimeError("Sort does not support complex dtypes on CPU")
    return _SORT(sort_op(input, dim=wrap_dim(dim, input.ndim), descending=bool(descending),
                         stable=bool(stable)))


@export("torch", "Tensor", out=True)
def argsort(input, dim=-1, descending=False, stable=False):  # noqa: A002
    """The positions that sort an axis."""
    return sort(input, dim, descending, stable=stable)[1]


@export("torch", "Tensor", out=True)
def msort(input):  # noqa: A002
    """Sorted along the first axis."""
    return sort(input, 0)[0]


def _topk_rule(x, k, dim, largest, sorted):  # noqa: A002
    shape = list(x.shape)
    if shape:
        shape[dim] = k
    return meta(x.dtype, shape), meta(I64, shape)


topk_op = primitive("topk", "host", "x", _topk_rule, "selection.topk",
                    {"x": lambda g, out1, x_meta, dim: _unsort(g, out1, x_meta, dim)},
                    params=("k", "dim", "largest", "sorted"), multi=2, upcast=False,
                    non_differentiable=(1,))
_TOPK = result_type("topk", ("values", "indices"))


@export("torch", "Tensor", out=True)
def topk(input, k, dim=-1, largest=True, sorted=True):  # noqa: A002
    """The k largest (or smallest) elements along an axis, (values, indices)."""
    dim = wrap_dim(dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    return _TOPK(topk_op(input, k=int(k), dim=dim, largest=bool(largest), sorted=bool(sorted)))


def _pair_rule(x, *params):
    dim, keepdim = params[-2:]
    shape = reduced_shape(x.shape, (dim,) if x.shape else (), keepdim)
    return meta(x.dtype, shape), meta(I64, shape)


kthvalue_op = primitive("kthvalue", "host", "x", _pair_rule, "selection.kthvalue",
                        {"x": lambda g, out1, x_meta, dim, keepdim: _pick(g, out1, x_meta, dim,
                                                                          keepdim)},
                        params=("k", "dim", "keepdim"), multi=2, upcast=False,
                        non_differentiable=(1,))
_KTH = result_type("kthvalue", ("values", "indices"))


@export("torch", "Tensor", out=True)
def kthvalue(input, k, dim=-1, keepdim=False):  # noqa: A002
    """The k-th smallest element along an axis, (values, indices)."""
    dim = wrap_dim(dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if input.ndim and size == 0:
        raise IndexError(f"kthvalue(): Expected reduction dim {dim} to have non-zero size.")
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    return _KTH(kthvalue_op(input, k=int(k), dim=dim, keepdim=bool(keepdim)))


# ---- median and mode ------------------------------------------------------------------------

def _median(name):
    pair = primitive(name + "_dim", "host", "x", _pair_rule, "selection." + name,
                     {"x": lambda g, out1, x_meta, dim, keepdim: _pick(g, out1, x_meta, dim,
                                                                       keepdim)},
                     params=("dim", "keepdim"), multi=2, upcast=False,
                     node_name=name.capitalize() + "Backward1", non_differentiable=(1,))
    kind = result_type(name, ("values", "indices"))

    def function(input, dim=None, keepdim=False):  # noqa: A002
        _no_complex(name, input)
        if dim is None:
            if not input.numel():
                return input.new_full((), float("nan")) if input.is_floating_point() else \
                    input.new_full((), np.iinfo(input.dtype.np).min)
            return pair(input.reshape(-1), dim=0, keepdim=False)[0]
        dim = wrap_dim(dim, input.ndim)
        if input.ndim and input.shape[dim] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
        return kind(pair(input, dim=dim, keepdim=bool(keepdim)))
    function.__name__ = name
    function.__doc__ = f"The {name} (the lower of two middle elements), over all or an axis."
    export("torch", "Tensor", out=True)(function)


_median("median")
_median("nanmedian")


mode_op = primitive("mode", "host", "x", _pair_rule, "selection.mode",
                    {"x": lambda g, out1, x_meta, dim, keepdim: _pick(g, out1, x_meta, dim,
                                                                      keepdim)},
                    params=("dim", "keepdim"), multi=2, upcast=False, non_differentiable=(1,))
_MODE = result_type("mode", ("values", "indices"))


@export("torch", "Tensor", out=True)
def mode(input, dim=-1, keepdim=False):  # noqa: A002
    """The most frequent element along an axis (the smallest of several), (values, indices)."""
    dim = wrap_dim(dim, input.ndim)
    if input.ndim and input.shape[dim] == 0:
        raise IndexError(f"mode(): Expected reduction dim {dim} to have non-zero size.")
    return _MODE(mode_op(input, dim=dim, keepdim=bool(keepdim)))


# ---- searchsorted ---------------------------------------------------------------------------

def _search_kernel(sequence, values, right, dtype):
    side = "right" if right else "left"
    kind = np.result_type(sequence, values)
    if sequence.ndim == 1:
        return np.searchsorted(sequence.astype(kind), values.astype(kind), side)
    found = np.empty(values.shape, np.int64)
    for at in np.ndindex(sequence.shape[:-1]):
        found[at] = np.searchsorted(sequence[at].astype(kind), values[at].astype(kind), side)
    return found


search_op = primitive("searchsorted", "host", "sequence values",
                      lambda sequence, values, right, dtype: meta(dtype, values.shape),
                      _search_kernel, params=("right", "dtype"))


@export("torch", out=True)
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None,  # noqa: A002
                 sorter=None):
    """Where each value would be inserted to keep a sorted last axis in order."""
    import rushlight
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got "
                           f"{side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got "
                           "side of left while right was True")
    if sorter is not None:
        if sorter.dtype is not I64:
            raise RuntimeError("torch.searchsorted(): sorter must be a tensor of long dtype but "
                               f"got dtype {sorter.dtype.name}")
        if sorter.shape != sorted_sequence.shape:
            raise RuntimeError("torch.searchsorted(): boundary and sorter must have the same size, "
                               f"but got boundary tensor {list(sorted_sequence.shape)}and got "
                               f"sorter tensor {list(sorter.shape)}")
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    if not hasattr(input, "_meta"):
        input = rushlight.tensor(input)  # noqa: A001
    if sorted_sequence.ndim == 0:
        raise RuntimeError("torch.searchsorted(): input value can be a scalar only when boundary "
                           "tensor dimension is 1, but we got boundary tensor dim(0) and input "
                           "value's dim(0) numel(1)")
    if sorted_sequence.ndim != 1 and sorted_sequence.shape[:-1] != input.shape[:-1]:
        raise RuntimeError("torch.searchsorted(): boundary tensor should be 1 dimension or the "
                           "first N-1 dimensions of boundaries tensor and input value tensor must "
                           f"match, but we got boundary tensor {list(sorted_sequence.shape)} and "
                           f"input value tensor {list(input.shape)}")
    return search_op(sorted_sequence, input, right=bool(right or side == "right"),
                     dtype=dt.int32 if out_int32 else I64)


@export("torch", out=True)
def bucketize(input, boundaries, *, out_int32=False, right=False):  # noqa: A002
    """The number of the bucket between sorted `boundaries` that each value falls in."""
    if boundaries.ndim != 1:
        raise RuntimeError("boundaries tensor must be 1 dimension, but got dim("
                           f"{boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@export("torch")
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element is among `test_elements`."""
    import rushlight
    if not hasattr(elements, "_meta"):
        elements = rushlight.tensor(elements)
    if not hasattr(test_elements, "_meta"):
        test_elements = rushlight.tensor(test_elements)
    found = (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1) \
        if test_elements.numel() else rushlight.zeros(elements.shape, dtype=rushlight.bool)
    return found.logical_not() if invert else found
