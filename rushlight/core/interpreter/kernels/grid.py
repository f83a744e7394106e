"""Sampling images at the points of a grid, in two and three dimensions, and the adjoints.

A grid point holds one coordinate per spatial dimension, the last dimension first (x before y), in
[-1, 1] over the image.  Modes: 'bilinear' (trilinear in three dimensions), 'nearest', and in two
dimensions 'bicubic'.  Padding: 'zeros', 'border', 'reflection'.

Every mode is a list of taps: an integer position per dimension, a weight, and the weight's slope in
each coordinate; forward, image gradient and grid gradient all read that list.
"""

from itertools import product
from math import prod

import numpy as np

from .interpolation import cubic_slopes, cubic_weights


def grid_sample(x, grid, mode, padding, align_corners):
    """Sample x (N, C, *S) at grid (N, *T, dims): (N, C, *T)."""
    batch, channels, spatial = x.shape[0], x.shape[1], x.shape[2:]
    result = np.zeros((batch, channels, prod(grid.shape[1:-1])), x.dtype)
    if result.size == 0 or x.size == 0:
        return result.reshape((batch, channels) + grid.shape[1:-1])
    flat = x.reshape(batch, channels, -1)
    for index, inside, weight, _ in _taps(grid, spatial, mode, padding, align_corners):
        weight = np.where(inside, weight, 0).astype(x.dtype)
        result += np.take_along_axis(flat, index[:, None], 2) * weight[:, None]
    return result.reshape((batch, channels) + grid.shape[1:-1])


def grid_sample_backward(g, x, grid, mode, padding, align_corners):
    """Return the gradients (of x, of grid) for g (N, C, *T)."""
    batch, channels, spatial = x.shape[0], x.shape[1], x.shape[2:]
    if g.size == 0 or x.size == 0:
        return np.zeros_like(x), np.zeros_like(grid)
    size = prod(spatial)
    g = g.reshape(batch, channels, -1)
    flat = x.reshape(batch, channels, -1)
    planes = (np.arange(batch * channels) * size).reshape(batch, channels, 1)
    x_grad = np.zeros(batch * channels * size, np.float64)
    grid_grad = np.zeros((batch, g.shape[2], len(spatial)), grid.dtype)
    for index, inside, weight, slopes in _taps(grid, spatial, mode, padding, align_corners):
        weight = np.where(inside, weight, 0).astype(g.dtype)
        spread = (index[:, None] + planes).ravel()
        x_grad += np.bincount(spread, (g * weight[:, None]).ravel(), len(x_grad))
        if slopes is not None:
            value = np.take_along_axis(flat, index[:, None], 2)
            product_sum = np.where(inside, (value * g).sum(1), 0)
            for axis, slope in enumerate(slopes):
                grid_grad[..., len(spatial) - 1 - axis] += product_sum * slope
    return x_grad.astype(x.dtype).reshape(x.shape), grid_grad.reshape(grid.shape)


def affine_base_grid(spatial, align_corners, dtype):
    """Return the homogeneous coordinates (prod(spatial), dims + 1) of an image's pixel centres."""
    lines = []
    for size in spatial:
        line = np.linspace(-1, 1, size, dtype=dtype) if size > 1 else np.zeros(size, dtype)
        if not align_corners:
            line = line * dtype((size - 1) / size) if size else line
        lines.append(line)
    mesh = np.meshgrid(*lines, indexing="ij")
    columns = [m.ravel() for m in reversed(mesh)] + [np.ones(prod(spatial), dtype)]
    return np.stack(columns, axis=1)


def _taps(grid, spatial, mode, padding, align_corners):
    """Yield (flat index (N, P), inside mask, weight, slopes per dimension or None)."""
    dims = len(spatial)
    points = grid.reshape(grid.shape[0], -1, dims)
    real = grid.dtype.type
    places, rates = [], []
    for axis, size in enumerate(spatial):
        g = points[..., dims - 1 - axis]
        if align_corners:
            place, rate = (g + 1) * real((size - 1) / 2), real((size - 1) / 2)
        else:
            place, rate = ((g + 1) * real(size) - 1) / 2, real(size / 2)
        if mode != "bicubic":
            place, sign = _fold_in(place, size, padding, align_corners)
            rate = rate * sign
        places.append(place)
        rates.append(rate)
    if mode == "nearest":
        yield _locate([np.rint(p) for p in places], spatial) + (real(1), None)
        return
    choices = []  # per dimension: list of (integer position, weight, slope)
    for place, rate, size in zip(places, rates, spatial, strict=True):
        low = np.floor(place)
        t = place - low
        if mode == "bicubic":
            taps = zip(cubic_weights(t), cubic_slopes(t), strict=True)
            choices.append(
                [
                    (_fold_in(low + k - 1, size, padding, align_corners)[0], w, s * rate)
                    for k, (w, s) in enumerate(taps)
                ]
            )
        else:
            choices.append([(low, 1 - t, -rate), (low + 1, t, rate)])
    for combination in product(*choices):
        index, inside = _locate([c[0] for c in combination], spatial)
        weight = prod(c[1] for c in combination)
        slopes = [
            prod((c[2] if i == axis else c[1]) for i, c in enumerate(combination))
            for axis in range(dims)
        ]
        yield index, inside, weight, slopes


def _locate(positions, spatial):
    """Flat index of integer positions (as reals), and whether they lie inside."""
    inside, index = True, 0
    for position, size in zip(positions, spatial, strict=True):
        within = (position >= 0) & (position <= size - 1)
        inside = within & inside
        index = index * size + np.where(within, position, 0).astype(np.int64)
    return index, inside


def _fold_in(place, size, padding, align_corners):
    """Bring positions inside by the padding rule; also the derivative of doing so (-1, 0 or 1)."""
    kind = place.dtype.type
    sign = np.ones_like(place)
    if padding == "zeros":
        return place, sign
    if padding == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span <= 0:
            place, sign = np.zeros_like(place), np.zeros_like(place)
        else:
            place = place - kind(low)
            sign = np.where(place < 0, kind(-1), kind(1))
            place = np.abs(place)
            flips = np.floor(place / kind(span))
            extra = place - flips * kind(span)
            odd = flips % 2 == 1
            place = np.where(odd, kind(span) - extra, extra) + kind(low)
            sign = np.where(odd, -sign, sign)
    outside = ~((place > 0) & (place < size - 1))
    sign = np.where(outside, kind(0), sign)
    return np.minimum(np.fmax(place, kind(0)), kind(size - 1)), sign


def affine_base_grid_like(theta, spatial, align_corners):
    """affine_base_grid in theta's dtype."""
    return affine_base_grid(spatial, align_corners, theta.dtype.type)
