"""Functions whose result's shape depends on the values: they compute at once."""

from __future__ import annotations

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta
from ..ops.record import export
from ..ops.result_types import result_type
from .dispatch import constant
from .tensor import Tensor


def _order(array):
    return np.argsort(array, kind="stable")


@export("torch", "Tensor")
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):  # noqa: A002
    """The different elements (or slices along `dim`), in order."""
    array = input._array()
    wide = array.astype(np.float32) if input.dtype.half else array
    if dim is None:
        values, inverse, counts = np.unique(wide, return_inverse=True, return_counts=True,
                                            equal_nan=False)
        inverse = inverse.reshape(array.shape)
    else:
        axis = dim + input.ndim if dim < 0 else dim
        if array.shape[axis] == 0:
            values, inverse, counts = wide, np.zeros(0, np.int64), np.zeros(0, np.int64)
        else:
            values, inverse, counts = np.unique(wide, return_inverse=True, return_counts=True,
                                                axis=axis)
            inverse = inverse.reshape(-1)
    made = constant(np.ascontiguousarray(values).astype(input.dtype.np),
                    meta(input.dtype, values.shape))
    return _several(made, inverse, counts, return_inverse, return_counts)


def _several(values, inverse, counts, return_inverse, return_counts):
    found = [values]
    if return_inverse:
        found.append(constant(np.asarray(inverse).astype(np.int64)))
    if return_counts:
        found.append(constant(np.asarray(counts).astype(np.int64)))
    return found[0] if len(found) == 1 else tuple(found)


@export("torch", "Tensor")
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):  # noqa: A002
    """Runs of equal elements (or slices along `dim`) reduced to one each."""
    array = input._array()
    if dim is None:
        flat, axis = array.reshape(-1), 0
    else:
        axis = dim + input.ndim if dim < 0 else dim
        flat = array
    rows = np.moveaxis(flat, axis, 0)
    if rows.shape[0]:
        change = (rows[1:] != rows[:-1]).any(tuple(range(1, rows.ndim)))
        starts = np.concatenate([[True], change])
    else:
        starts = np.zeros(0, bool)
    values = np.moveaxis(rows[starts], 0, axis)
    inverse = np.cumsum(starts) - 1
    counts = np.diff(np.append(np.flatnonzero(starts), rows.shape[0]))
    if dim is None:
        inverse = inverse.reshape(array.shape)
    made = constant(np.ascontiguousarray(values), meta(input.dtype, values.shape))
    return _several(made, inverse, counts, return_inverse, return_counts)


@export("torch", "Tensor")
def bincount(input, weights=None, minlength=0):  # noqa: A002
    """How often each non-negative integer occurs, or the sum of its weights."""
    if input.dtype.category != 1 or input.ndim != 1:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    array = input._array()
    if array.size and array.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return constant(np.bincount(array, minlength=minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    found = np.bincount(array, weights._array(), minlength)
    kind = np.float32 if weights.dtype is dt.float32 else np.float64
    return constant(found.astype(kind))


@export("torch", "Tensor", out=True)
def histc(input, bins=100, min=0, max=0):  # noqa: A002
    """Counts of the elements in `bins` equal bins between min and max (or the data's own)."""
    if bins <= 0:
        raise RuntimeError("torch.histc(): bins must be > 0")
    array = input._array().astype(np.float64).reshape(-1)
    low, high = float(min), float(max)
    if low == high:
        if array.size:
            low, high = array.min(), array.max()
        if low == high:
            low, high = low - 1, high + 1
    if not np.isfinite(low) or not np.isfinite(high):
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    inside = array[(array >= low) & (array <= high)]
    position = np.minimum(((inside - low) * (bins / (high - low))).astype(np.int64), bins - 1)
    return constant(np.bincount(position, minlength=bins).astype(input.dtype.np),
                    meta(input.dtype, (bins,)))


_HISTOGRAM = result_type("histogram", ("hist", "bin_edges"))


@export("torch", "Tensor")
def histogram(input, bins, *, range=None, weight=None, density=False):  # noqa: A002
    """(hist, bin_edges) of the elements; `bins` is a count or a tensor of edges."""
    array = input._array().reshape(-1)
    if isinstance(bins, Tensor):
        edges = bins._array()
    else:
        if bins <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension "
                               "0")
        low, high = (range if range is not None else
                     ((array.min(), array.max()) if array.size else (0, 1)))
        if low > high:
            raise RuntimeError("torch.histogramdd: min should not exceed max")
        if low == high:
            low, high = low - 0.5, high + 0.5
        from .sequences import _line
        edges = _line(low, high, bins + 1, input.dtype)
    weights = weight._array().reshape(-1) if weight is not None else None
    counts = _count_between(array, edges, weights, isinstance(bins, Tensor))
    if density:
        widths = np.diff(edges)
        counts = counts / (counts.sum() * widths)
    return _HISTOGRAM((constant(counts.astype(input.dtype.np), meta(input.dtype, counts.shape)),
                       constant(np.array(edges))))


def _count_between(array, edges, weights, searched):
    keep = (array >= edges[0]) & (array <= edges[-1])
    values = array[keep]
    bins = len(edges) - 1
    if searched:
        position = np.searchsorted(edges, values, "right") - 1
    else:
        position = ((values - edges[0]) * (bins / (edges[-1] - edges[0]))).astype(np.int64)
        # Rounding may put an element beside its bin: compare with the edges themselves.
        position = np.clip(position, 0, bins - 1)
        position = np.where(values < edges[position], position - 1, position)
        position = np.where(values >= edges[np.minimum(position + 1, bins)], position + 1, position)
    position = np.clip(position, 0, bins - 1)
    return np.bincount(position, None if weights is None else weights[keep], bins)


@export("torch", "Tensor")
def nonzero_static(input, *, size, fill_value=-1):  # noqa: A002
    """`nonzero` cut or padded to `size` rows."""
    found = input.nonzero()._array()[:size]
    made = np.full((size, input.ndim), fill_value, np.int64)
    made[:len(found)] = found
    return constant(made)


@export("torch")
def unravel_index(indices, shape):
    """Flat positions as one tensor of positions per axis."""
    import rushlight
    shape = (shape,) if isinstance(shape, int) else tuple(int(s) for s in shape)
    if indices.dtype.category != 1:
        raise ValueError(f"expected 'indices' to be an integer dtype, but got {indices.dtype}")
    if any(s < 0 for s in shape):
        raise ValueError("'shape' cannot have negative values, but got " + str(shape))
    found, rest = [], indices.to(rushlight.int64)
    for size in reversed(shape):
        found.append(rest % size)
        rest = rushlight.div(rest, size, rounding_mode="floor")
    return tuple(reversed(found))


@export("torch")
def frexp(input):  # noqa: A002
    """(mantissa, exponent) with ``input = mantissa * 2 ** exponent``."""
    kind = result_type("frexp", ("mantissa", "exponent"))
    exponent = constant(np.frexp(input._array().astype(np.float64))[1].astype(np.int32))
    import rushlight
    return kind((input * rushlight.pow(2.0, -exponent.to(rushlight.float64)).to(input.dtype),
                 exponent))


Tensor.frexp = frexp
