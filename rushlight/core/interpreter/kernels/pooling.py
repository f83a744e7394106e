"""Pooling over windows: maximum with indices, average, adaptive, fractional, and their adjoints.

Arrays are (planes, *spatial): batch and channels are one leading dimension.  Indices are PyTorch's:
the flat position of the chosen value inside its plane.

Note [pooling one dimension at a time]
The maximum of a window is the maximum over rows of the maxima over columns: a k x k window costs
2 k passes instead of k * k.  From the last dimension to the first, that keeps PyTorch's choice
among equal values (the first in row-major order) and among NaNs (the last).
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np


def pooled_size(size, kernel, stride, padding, dilation=1, ceil_mode=False):
    """Return the number of windows along one dimension."""
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return reach // stride + 1
    count = -(-reach // stride) + 1
    # the last window must start inside the input or its left padding
    return count - 1 if (count - 1) * stride >= size + padding else count


def max_pool(x, kernel, stride, padding, dilation, out_spatial, with_indices=True):
    """Return (maxima, indices) of the windows of x (planes, *S); indices None unless asked for."""
    spatial = x.shape[1:]
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = _pad(x, kernel, stride, padding, dilation, out_spatial, lowest)
    careful = x.dtype.kind == "f" and padded.size > 0 and bool(np.isnan(padded.max()))
    number_type = np.dtype(np.uint8 if prod(kernel) <= 256 else np.int64)
    best = padded
    chosen = kept = np.empty(0, number_type)  # each maximum's tap, numbered in row-major order
    inner = 1
    for axis in reversed(range(len(spatial))):
        taps = [
            _tap(axis, tap * dilation[axis], stride[axis], out_spatial[axis])
            for tap in range(kernel[axis])
        ]
        current = best[taps[0]].copy()
        if with_indices:
            kept = np.zeros(current.shape, number_type) if inner == 1 else chosen[taps[0]].copy()
        for number, tap in enumerate(taps[1:], 1):
            if not with_indices:
                np.maximum(current, best[tap], out=current)
                continue
            value = np.ascontiguousarray(best[tap])
            better = value > current
            if careful:
                better |= np.isnan(value)
            np.maximum(current, value, out=current)
            # A select without a branch per element; unsigned numbers wrap around and back.
            change = number * inner - kept if inner == 1 else chosen[tap] + number * inner - kept
            change *= better
            kept += change
        best = current
        if with_indices:
            chosen = kept
        inner *= kernel[axis]
    if not with_indices:
        return best, None
    if any(padding) and (best == lowest).any():
        taps = np.unravel_index(chosen, kernel)
        return best, _flat_positions(taps, spatial, stride, padding, dilation)
    nothing = (0,) * len(kernel)
    index = _plane_offsets(kernel, dilation, nothing, spatial).ravel().take(chosen)
    index += _plane_offsets(tuple(out_spatial), stride, padding, spatial)
    return best, index


def max_pool_backward(g, indices, spatial, disjoint=False):
    """Send g (planes, *T) to the chosen positions of zeros (planes, *spatial).

    `disjoint` promises that no position was chosen twice.
    """
    planes, size = g.shape[0], prod(spatial)
    flat = indices.reshape(planes, prod(g.shape[1:]))
    flat = flat + (np.arange(planes) * size)[:, None]
    if disjoint:
        result = np.zeros(planes * size, g.dtype)
        result[flat.ravel()] = g.ravel()
    else:
        result = np.bincount(flat.ravel(), g.ravel(), planes * size).astype(g.dtype, copy=False)
    return result.reshape((planes,) + tuple(spatial))


def pick_positions(x, indices):
    """Return x (planes, *S) at flat positions (planes, *T): the adjoint of max_pool_backward."""
    flat = indices.reshape(indices.shape[0], prod(indices.shape[1:]))
    picked = np.take_along_axis(x.reshape(x.shape[0], prod(x.shape[1:])), flat, axis=1)
    return picked.reshape(indices.shape)


def max_unpool(x, indices, spatial):
    """Put each value of x (planes, *T) at its flat position in zeros (planes, *spatial)."""
    result = np.zeros((x.shape[0], prod(spatial)), x.dtype)
    flat = (x.shape[0], prod(x.shape[1:]))
    np.put_along_axis(result, indices.reshape(flat), x.reshape(flat), axis=1)
    return result.reshape((x.shape[0],) + tuple(spatial))


def average_pool(
    x, kernel, stride, padding, out_spatial, count_include_pad=True, divisor_override=None
):
    """Return the mean of each window of x (planes, *S)."""
    total = _pad(x, kernel, stride, padding, (1,) * len(kernel), out_spatial, 0)
    for axis in reversed(range(len(kernel))):
        if kernel[axis] == 1 and stride[axis] == 1 and total.shape[axis + 1] == out_spatial[axis]:
            continue
        taps = [_tap(axis, tap, stride[axis], out_spatial[axis]) for tap in range(kernel[axis])]
        current = total[taps[0]].copy()
        for tap in taps[1:]:
            current += total[tap]
        total = current
    divisor = _divisor(
        x.shape[1:], kernel, stride, padding, out_spatial, count_include_pad, divisor_override
    )
    if x.dtype.kind == "f":
        return total / np.asarray(divisor, x.dtype)
    quotient = np.abs(total) // np.abs(divisor)  # C's division rounds towards zero
    return (np.sign(total) * np.sign(divisor) * quotient).astype(x.dtype)


def average_pool_backward(
    g, spatial, kernel, stride, padding, count_include_pad=True, divisor_override=None
):
    """Return the adjoint of average_pool: (planes, *T) -> (planes, *spatial)."""
    out_spatial = g.shape[1:]
    divisor = _divisor(
        spatial, kernel, stride, padding, out_spatial, count_include_pad, divisor_override
    )
    spread = g / np.asarray(divisor, g.dtype)
    for axis in range(len(kernel)):
        reach = max((out_spatial[axis] - 1) * stride[axis] + kernel[axis], 0)
        reach = max(reach, padding[axis] + spatial[axis])
        shape = spread.shape[: axis + 1] + (reach,) + spread.shape[axis + 2 :]
        wider = np.zeros(shape, g.dtype)
        for tap in range(kernel[axis]):
            wider[_tap(axis, tap, stride[axis], out_spatial[axis])] += spread
        spread = wider
    inside = tuple(slice(p, p + size) for p, size in zip(padding, spatial, strict=True))
    return np.ascontiguousarray(spread[(slice(None),) + inside])


def adaptive_average_pool(x, out_spatial):
    """Return the means over out_spatial bins of x (planes, *S); bins may overlap."""
    for axis in reversed(range(len(out_spatial))):
        bins = adaptive_bins(x.shape[axis + 1], out_spatial[axis])
        shape = x.shape[: axis + 1] + (len(bins),) + x.shape[axis + 2 :]
        y = np.empty(shape, x.dtype)
        for i, (start, stop) in enumerate(bins):
            np.mean(x[_span(axis, start, stop)], axis=axis + 1, out=y[_at(axis, i)])
        x = y
    return x


def adaptive_average_pool_backward(g, spatial):
    """Return the adjoint of adaptive_average_pool: (planes, *T) -> (planes, *spatial)."""
    for axis in range(len(spatial)):
        shape = g.shape[: axis + 1] + (spatial[axis],) + g.shape[axis + 2 :]
        wider = np.zeros(shape, g.dtype)
        for i, (start, stop) in enumerate(adaptive_bins(spatial[axis], g.shape[axis + 1])):
            wider[_span(axis, start, stop)] += g[_span(axis, i, i + 1)] / g.dtype.type(stop - start)
        g = wider
    return g


def adaptive_max_pool(x, out_spatial):
    """Return (maxima, indices) over out_spatial bins of x (planes, *S)."""
    spatial = x.shape[1:]
    careful = x.dtype.kind == "f" and x.size > 0 and bool(np.isnan(x.max()))
    best, positions = x, []
    for axis in reversed(range(len(spatial))):
        bins = adaptive_bins(spatial[axis], out_spatial[axis])
        shape = best.shape[: axis + 1] + (len(bins),) + best.shape[axis + 2 :]
        current, place = np.empty(shape, x.dtype), np.empty(shape, np.int64)
        carried = [np.empty(shape, np.int64) for _ in positions]
        for i, (start, stop) in enumerate(bins):
            window = best[_span(axis, start, stop)]
            chosen = _argmax(window, axis + 1, careful)
            at = np.expand_dims(chosen, axis + 1)
            target = _span(axis, i, i + 1)
            current[target] = np.take_along_axis(window, at, axis + 1)
            place[target] = at + start
            for kept, position in zip(carried, positions, strict=True):
                inner = position[_span(axis, start, stop)]
                kept[target] = np.take_along_axis(inner, at, axis + 1)
        best, positions = current, [place] + carried
    index = np.zeros(best.shape, np.int64)
    for axis, position in enumerate(positions):
        index += position * prod(spatial[axis + 1 :])
    return best, index


def adaptive_bins(size, count):
    """Return the (start, stop) of each of count bins that together cover size values."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def fractional_max_pool(x, samples, kernel, out_spatial):
    """Return (maxima, indices) of windows whose starts come from samples (planes, dimensions).

    PyTorch orders the samples from the last dimension to the first in two dimensions
    (width, height) and from the first to the last in three; the caller passes them in the order
    of the dimensions.
    """
    planes, spatial = x.shape[0], x.shape[1:]
    dims = len(spatial)
    positions = []
    for axis in range(dims):
        starts = fractional_starts(
            samples[:, axis], spatial[axis], out_spatial[axis], kernel[axis]
        )  # (planes, T)
        taps = starts[:, :, None] + np.arange(kernel[axis])
        shape = [planes] + [1] * (2 * dims)
        shape[1 + axis], shape[1 + dims + axis] = out_spatial[axis], kernel[axis]
        positions.append(taps.reshape(shape))
    flat: Any = 0
    for axis in range(dims):
        flat = flat + positions[axis] * prod(spatial[axis + 1 :])
    flat = flat.reshape((planes,) + tuple(out_spatial) + (prod(kernel),))
    rows = flat.reshape(planes, prod(flat.shape[1:]))
    windows = np.take_along_axis(x.reshape(planes, prod(spatial)), rows, 1)
    windows = windows.reshape(flat.shape)
    careful = x.size > 0 and bool(np.isnan(x.max()))
    at = _argmax(windows, -1, careful)[..., None]
    return (
        np.take_along_axis(windows, at, -1)[..., 0],
        np.take_along_axis(flat, at, -1)[..., 0],
    )


def fractional_starts(sample, size, count, kernel):
    """Return the pseudo-random window starts (planes, count) for samples in [0, 1)."""
    sample = np.asarray(sample)
    starts = np.full((sample.shape[0], count), size - kernel, np.int64)
    if count > 1:
        alpha = sample.dtype.type(size - kernel) / sample.dtype.type(count - 1)
        steps = np.arange(count - 1, dtype=sample.dtype)
        moved = ((steps + sample[:, None]) * alpha).astype(np.int64)
        starts[:, :-1] = moved - (sample * alpha).astype(np.int64)[:, None]
    return starts


def _argmax(window, axis, careful):
    """Index of the first maximum, or of the last NaN where there is one."""
    chosen = window.argmax(axis)
    if careful:
        missing = np.isnan(window)
        last = window.shape[axis] - 1 - np.flip(missing, axis).argmax(axis)
        chosen = np.where(missing.any(axis), last, chosen)
    return chosen


def _pad(x, kernel, stride, padding, dilation, out_spatial, value):
    """Surround x so that every window lies inside, cutting what no window looks at."""
    extents = [
        (count - 1) * s + d * (k - 1) + 1
        for count, s, d, k in zip(out_spatial, stride, dilation, kernel, strict=True)
    ]
    if not any(padding) and all(e <= size for e, size in zip(extents, x.shape[1:], strict=True)):
        return x
    shape = (x.shape[0],) + tuple(max(e, 0) for e in extents)
    padded = np.full(shape, value, x.dtype)
    target, source = [slice(None)], [slice(None)]
    for p, extent, size in zip(padding, extents, x.shape[1:], strict=True):
        length = max(min(size, extent - p), 0)
        target.append(slice(p, p + length))
        source.append(slice(0, length))
    padded[tuple(target)] = x[tuple(source)]
    return padded


def _tap(axis, start, stride, count):
    stop = start + (count - 1) * stride + 1
    return (slice(None),) * (axis + 1) + (slice(start, max(stop, start), stride),)


def _span(axis, start, stop):
    return (slice(None),) * (axis + 1) + (slice(start, stop),)


def _at(axis, i):
    return (slice(None),) * (axis + 1) + (i,)


@lru_cache(16)
def _plane_offsets(counts, steps, before, spatial):
    """Return the flat positions in the plane of a grid: coordinates i * step - before."""
    total = np.zeros((), np.int64)
    for axis, (count, step, low) in enumerate(zip(counts, steps, before, strict=True)):
        along = np.arange(count) * step - low
        total = total[..., None] + along * prod(spatial[axis + 1 :])
    total.flags.writeable = False
    return total


def _flat_positions(choices, spatial, stride, padding, dilation):
    """Turn the chosen tap of each dimension into the flat position inside the plane.

    For windows that may have chosen padding; `_plane_offsets` is the short way for others.
    """
    index = None
    for axis, choice in enumerate(choices):
        count = choice.shape[axis + 1]
        starts = np.arange(count) * stride[axis] - padding[axis]
        shape = [1] * choice.ndim
        shape[axis + 1] = count
        position = choice.astype(np.int64)
        if dilation[axis] != 1:
            position *= dilation[axis]
        position += starts.reshape(shape)
        if padding[axis]:
            # only a window of nothing but the lowest value chooses padding: take its first value
            outside = position < 0
            if outside.any():
                steps = -(position // dilation[axis]) * dilation[axis]
                position = np.where(outside, position + steps, position)
        size = prod(spatial[axis + 1 :])
        if size != 1:
            position *= size
        index = position if index is None else np.add(index, position, out=index)
    return index


def _divisor(spatial, kernel, stride, padding, out_spatial, count_include_pad, override):
    """Number of values each window's sum is divided by: a number or an array (*T)."""
    if override is not None:
        return override
    divisor = 1
    for axis, (size, k, s, p, count) in enumerate(
        zip(spatial, kernel, stride, padding, out_spatial, strict=True)
    ):
        start = np.arange(count) * s - p
        stop = np.minimum(start + k, size + p)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, size)
        length = (stop - start).reshape((-1,) + (1,) * (len(spatial) - axis - 1))
        divisor = divisor * length
    return divisor
