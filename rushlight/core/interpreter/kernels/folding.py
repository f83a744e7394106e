"""Sliding windows laid out as columns (unfold), and their sum back into an image (fold)."""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .padding import pad_constant


def window_counts(spatial, kernel, stride, padding, dilation):
    """Return how many windows fit along each dimension."""
    return tuple(
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True)
    )


def unfold(x, kernel, stride, padding, dilation):
    """Return the windows of x (N, C, *S) as columns (N, C * prod(kernel), windows)."""
    counts = window_counts(x.shape[2:], kernel, stride, padding, dilation)
    if any(padding):
        x = pad_constant(x, ((0, 0), (0, 0)) + tuple((p, p) for p in padding))
    taps = tuple(a * d for a, d in zip(x.strides[2:], dilation, strict=True))
    steps = tuple(a * s for a, s in zip(x.strides[2:], stride, strict=True))
    view = as_strided(x, x.shape[:2] + tuple(kernel) + counts, x.strides[:2] + taps + steps)
    rows = int(np.prod(view.shape[1 : 2 + len(kernel)]))
    return view.reshape(x.shape[0], rows, int(np.prod(counts)))


def fold(columns, spatial, kernel, stride, padding, dilation):
    """Add columns (N, C * prod(kernel), windows) back into (N, C, *spatial): adjoint of unfold."""
    counts = window_counts(spatial, kernel, stride, padding, dilation)
    batch = columns.shape[0]
    channels = columns.shape[1] // int(np.prod(kernel))
    columns = columns.reshape((batch, channels) + tuple(kernel) + counts)
    padded = tuple(size + 2 * p for size, p in zip(spatial, padding, strict=True))
    result = np.zeros((batch, channels) + padded, columns.dtype)
    for tap in np.ndindex(*kernel):
        window = tuple(
            slice(k * d, k * d + (count - 1) * s + 1, s)
            for k, d, count, s in zip(tap, dilation, counts, stride, strict=True)
        )
        result[(slice(None),) * 2 + window] += columns[(slice(None),) * 2 + tap]
    inside = tuple(slice(p, p + size) for p, size in zip(padding, spatial, strict=True))
    return np.ascontiguousarray(result[(slice(None),) * 2 + inside])
