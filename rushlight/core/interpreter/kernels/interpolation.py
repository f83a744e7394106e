"""Resampling of images, one dimension at a time, and the adjoint.

Along a dimension every mode is a short list of taps: position t of the result is the sum over j of
weights[j, t] * x[index[j, t]].  `taps` makes the list; `resample` and `resample_backward` apply it.
Arrays are (planes, *spatial).

The source position of result position t is t * scale with align_corners and (t + 1/2) * scale - 1/2
without, computed in the precision PyTorch uses (float32 unless the image is float64), since the
floor of a rounded product decides which pixel is read.
"""

from functools import lru_cache
from math import prod

import numpy as np

from .padding import add_along


@lru_cache(maxsize=512)
def taps(
    mode, size, count, align_corners=False, factor=None, antialias=False, dtype=np.float32,
    dimensions=2,
):  # fmt: skip
    """Return (index, weights), both (taps, count), for one dimension of `size` pixels.

    mode is 'nearest', 'nearest-exact', 'linear' or 'cubic'; factor the scale factor the caller
    asked for, or None to use count / size.  Weights are None where they are all one.
    """
    real = np.dtype(np.float64 if dtype == np.float64 else np.float32).type
    if mode.startswith("nearest"):
        if mode == "nearest" and count in (size, 2 * size) and dimensions == 2:
            return np.arange(count)[None] // (count // size), None  # whatever the factor says
        if dimensions == 2:
            real = np.float32
        target = np.arange(count).astype(real) + real(0.5 if mode == "nearest-exact" else 0)
        position = (target * _scale(size, count, False, factor, real)).astype(np.float32)
        return np.minimum(np.floor(position).astype(np.int64), size - 1)[None], None
    if count == size and (mode == "linear" or antialias):
        return np.arange(count)[None], None  # whatever the factor says
    target = np.arange(count).astype(real)
    scale = _scale(size, count, align_corners, factor, real)
    if antialias:
        return _antialias_taps(mode, size, count, scale, real)
    position = target * scale if align_corners else (target + real(0.5)) * scale - real(0.5)
    if mode == "linear":
        position = np.maximum(position, real(0))
        low = np.minimum(position.astype(np.int64), size - 1)
        high = np.minimum(low + 1, size - 1)
        part = np.clip(position - low.astype(real), real(0), real(1))
        return np.stack([low, high]), np.stack([1 - part, part])
    low = np.floor(position)
    weights = cubic_weights(position - low)
    index = low.astype(np.int64) + np.arange(-1, 3)[:, None]
    return np.clip(index, 0, size - 1), np.stack(weights)


def upsample(x, mode, size, align_corners, factors, antialias):
    """Resize x (N, C, *S) to (N, C, *size)."""
    planes = x.reshape((x.shape[0] * x.shape[1],) + x.shape[2:])
    kind = np.float64 if x.dtype == np.uint8 else x.dtype.type
    per_dimension = _all_taps(x.shape[2:], mode, size, align_corners, factors, antialias, kind)
    if x.dtype == np.uint8 and not mode.startswith("nearest"):
        y = _resample_bytes(planes, per_dimension)
    else:
        y = resample(planes, per_dimension)
    return y.reshape(x.shape[:2] + tuple(size))


def upsample_backward(g, mode, size, align_corners, factors, antialias):
    """The adjoint of upsample: (N, C, *T) -> (N, C, *size)."""
    planes = g.reshape((g.shape[0] * g.shape[1],) + g.shape[2:])
    per_dimension = _all_taps(
        size, mode, g.shape[2:], align_corners, factors, antialias, g.dtype.type
    )
    return resample_backward(planes, per_dimension, size).reshape(g.shape[:2] + tuple(size))


def _resample_bytes(x, per_dimension):
    """Resample uint8 values with PyTorch's whole-number weights, bytes again after each dimension.

    A dimension's weights are rounded to as many binary places as keep the largest below 2^15.
    """
    for axis in reversed(range(len(per_dimension))):
        index, weights = per_dimension[axis]
        if weights is None:
            x = _apply(x, index, None, axis + 1)
            continue
        weights = weights.copy()
        for tap in range(1, len(weights)):  # taps that meet at the border are one tap
            same = index[tap] == index[tap - 1]
            weights[tap] += np.where(same, weights[tap - 1], 0)
            weights[tap - 1] = np.where(same, 0, weights[tap - 1])
        largest, places = float(weights.max()), 0
        while places < 22 and int(0.5 + largest * (1 << (places + 1))) < 1 << 15:
            places += 1
        whole = np.trunc(weights * (1 << places) + np.copysign(0.5, weights)).astype(np.int64)
        total = _apply(x.astype(np.int64), index, whole, axis + 1)
        total = (total + (1 << (places - 1))) >> places
        x = np.clip(total, 0, 255).astype(np.uint8)
    return x


def _all_taps(spatial, mode, size, align_corners, factors, antialias, kind):
    return [
        taps(mode, n, count, align_corners, factor, antialias, kind, len(size))
        for n, count, factor in zip(spatial, size, factors, strict=True)
    ]


def resample(x, per_dimension):
    """Apply taps (index, weights) of every spatial dimension of x (planes, *S)."""
    order = sorted(
        range(len(per_dimension)),
        key=lambda axis: per_dimension[axis][0].shape[1] / x.shape[axis + 1],
    )  # shrink first
    for axis in order:
        index, weights = per_dimension[axis]
        x = _apply(x, index, weights, axis + 1)
    return x


def resample_backward(g, per_dimension, spatial):
    """Return the adjoint of resample: (planes, *T) -> (planes, *spatial)."""
    for axis, (index, weights) in enumerate(per_dimension):
        size = spatial[axis]
        if weights is None:
            g = add_along(g, index[0], size, axis + 1)
            continue
        shape = (-1,) + (1,) * (len(spatial) - axis - 1)
        spread = np.concatenate(
            [g * w.astype(g.dtype).reshape(shape) for w in weights], axis=axis + 1
        )
        g = add_along(spread, index.ravel(), size, axis + 1)
    return g


def cubic_weights(t, a=-0.75):
    """Return the four weights of cubic convolution at fraction t, as Keys' kernel with slope a."""
    kind = np.asarray(t).dtype.type
    a = kind(a)

    def near(d):  # |d| <= 1
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d):  # 1 < |d| < 2
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def cubic_slopes(t, a=-0.75):
    """Return the derivatives of cubic_weights with respect to t."""
    kind = np.asarray(t).dtype.type
    a = kind(a)

    def near(d):
        return (3 * (a + 2) * d - 2 * (a + 3)) * d

    def far(d):
        return (3 * a * d - 10 * a) * d + 8 * a

    return far(t + 1), near(t), -near(1 - t), -far(2 - t)


def _scale(size, count, align_corners, factor, real):
    if align_corners:
        return real(size - 1) / real(count - 1) if count > 1 else real(0)
    if factor is not None and factor > 0:
        return real(1.0 / factor)
    return real(size) / real(count)


def _antialias_taps(mode, size, count, scale, real):
    """Widen the kernel by the scale where the image shrinks, and normalise the weights."""
    half = real(1.0 if mode == "linear" else 2.0)
    stretch = max(scale, real(1))
    support = half * stretch
    center = scale * (np.arange(count).astype(real) + real(0.5))
    first = np.maximum((center - support + real(0.5)).astype(np.int64), 0)
    last = np.minimum((center + support + real(0.5)).astype(np.int64), size)
    width = max(int((last - first).max()), 1) if count else 1
    offsets = np.arange(width)[:, None]
    index = first + offsets
    inverse = real(1) / stretch
    distance = np.abs((index.astype(real) - center + real(0.5)) * inverse)
    if mode == "linear":
        weights = np.maximum(1 - distance, 0)
    else:
        a = real(-0.5)
        near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    weights = np.where(index < last, weights, 0).astype(real)
    total = weights.sum(0)
    weights = weights / np.where(total == 0, 1, total)
    return np.minimum(index, size - 1), weights


def _apply(x, index, weights, axis):
    if weights is None:
        positions = index[0]
        if len(positions) == x.shape[axis] and np.array_equal(positions, np.arange(len(positions))):
            return x
        return x.take(positions, axis)
    shape = (-1,) + (1,) * (x.ndim - axis - 1)
    if prod(x.shape) == 0:
        return np.zeros(x.shape[:axis] + (index.shape[1],) + x.shape[axis + 1 :], x.dtype)
    result = None
    for positions, weight in zip(index, weights, strict=True):
        term = x.take(positions, axis) * weight.astype(x.dtype).reshape(shape)
        result = term if result is None else np.add(result, term, out=result)
    return result
