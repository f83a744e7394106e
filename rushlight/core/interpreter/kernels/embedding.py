"""Table lookup and its adjoint, bags of rows, and adding values at repeated positions.

Everything that adds does so in the order of the indices, so results are reproducible.
"""

import numpy as np

from .padding import add_along


def add_rows(g, index, rows, padding_index=-1, scale_by_frequency=False):
    """Return zeros (rows, width) with g[i] added to row index[i]; the adjoint of a lookup.

    Rows of padding_index stay zero; scale_by_frequency divides by how often a row was looked up.
    """
    index = index.reshape(-1)
    g = g.reshape(len(index), g.shape[-1])
    if scale_by_frequency and len(index):
        count = np.bincount(index, minlength=rows)
        g = g / count[index].astype(g.real.dtype)[:, None]
    if 0 <= padding_index:
        keep = index != padding_index
        if not keep.all():
            g, index = g[keep], index[keep]
    return add_along(g, index, rows, 0)


def scatter_add(base, index, source, axis):
    """Return base with source[...] added at index[...] along axis; shapes as torch.scatter_add."""
    result = base.copy()
    if index.size == 0:
        return result
    if base.ndim == 0:
        return base + source.reshape(-1)[: index.size].sum(dtype=base.dtype)
    source = source[tuple(slice(0, n) for n in index.shape)]
    places = [
        np.arange(n).reshape((-1,) + (1,) * (base.ndim - d - 1)) for d, n in enumerate(index.shape)
    ]
    places[axis] = index
    flat = np.ravel_multi_index(np.broadcast_arrays(*places), base.shape).ravel()
    np.add.at(result.reshape(-1), flat, source.astype(base.dtype, copy=False).ravel())
    return result


def bag_of_each(offsets, count):
    """Return the bag number of each of count positions, given where bags start."""
    marks = np.zeros(count + 1, np.int64)
    np.add.at(marks, np.minimum(offsets, count), 1)
    return np.cumsum(marks[:count]) - 1


def embedding_bag(table, index, offsets, mode, per_sample=None, padding_index=-1):
    """Return (bags, chosen row, bag of each position, bag sizes) for mode sum, mean or max.

    The chosen row (bags, width) holds, for mode max, the row each maximum came from, and -1
    for empty bags; it is None for the other modes.
    """
    bags = len(offsets)
    bag = bag_of_each(offsets, len(index))
    keep = index != padding_index if padding_index >= 0 else np.ones(len(index), bool)
    keep &= bag >= 0
    sizes = np.bincount(bag[keep], minlength=bags)
    rows = table[index[keep]]
    if per_sample is not None:
        rows = rows * per_sample[keep][:, None]
    if mode == "max":
        best, chosen = _largest(rows, bag[keep], index[keep], bags)
        return best, chosen, bag, sizes
    total = add_along(rows, bag[keep], bags, 0)
    if mode == "mean":
        total = total / np.maximum(sizes, 1).astype(total.dtype)[:, None]
    return total, None, bag, sizes


def _largest(rows, bag, index, bags):
    """Maximum of each bag and the table row it came from (the first among equals)."""
    best = np.zeros((bags, rows.shape[1]), rows.dtype)
    chosen = np.full((bags, rows.shape[1]), -1, np.int64)
    starts = np.searchsorted(bag, np.arange(bags))
    stops = np.searchsorted(bag, np.arange(bags), "right")
    for b, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        if start < stop:
            at = rows[start:stop].argmax(0)
            best[b] = rows[start:stop][at, np.arange(rows.shape[1])]
            chosen[b] = index[start:stop][at]
    return best, chosen


def look_up(table, index, padding_index, scale_by_frequency):
    """Return table[index]; the last two say how the adjoint counts."""
    _check_range(table, index)
    return table.take(index, 0)


def look_up_backward(g, index, rows, padding_index, scale_by_frequency):
    """Return the adjoint of look_up for g (*index.shape, width)."""
    g = g.reshape((index.size,) + g.shape[index.ndim :])
    return add_rows(g, index, rows, padding_index, scale_by_frequency)


def look_up_counted(table, index, padding_index, scale_by_frequency):
    """Return the adjoint of look_up_backward: padding rows read as zero, frequent ones scaled."""
    rows = table.take(index, 0)
    if scale_by_frequency and index.size:
        count = np.bincount(index.ravel())
        rows = rows / count[index].astype(table.dtype)[..., None]
    if padding_index >= 0:
        rows[index == padding_index] = 0
    return rows


def renormalize_rows(table, index, max_norm, p):
    """Return the table with the rows in index scaled to a p-norm of at most max_norm."""
    _check_range(table, index)
    result = table.copy()
    rows = np.unique(index)
    values = table[rows]
    size = np.abs(values)
    norm = size.max(1) if np.isinf(p) else (size**p).sum(1) ** (1 / p)
    large = norm > max_norm
    scale = (max_norm / (norm[large] + 1e-7)).astype(table.dtype)
    result[rows[large]] = values[large] * scale[:, None]
    return result


def _check_range(table, index):
    if index.size and (index.min() < 0 or index.max() >= table.shape[0]):
        raise IndexError("index out of range in self")
