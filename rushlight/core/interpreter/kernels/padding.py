"""Padding by constants, reflection, replication and wrapping, and the adjoints.

Widths are one (before, after) pair per dimension of the array; negative widths cut.  Every mode but
the constant one reads one source position per result position, so it is a gather along each
dimension and its adjoint adds back along each dimension.
"""

import numpy as np


def pad_constant(x, widths, value=0):
    """Surround x with value; negative widths remove entries."""
    shape = tuple(size + a + b for size, (a, b) in zip(x.shape, widths, strict=True))
    result = np.full(shape, value, x.dtype)
    source = tuple(
        slice(max(-a, 0), max(size - max(-b, 0), 0))
        for size, (a, b) in zip(x.shape, widths, strict=True)
    )
    target = tuple(
        slice(max(a, 0), max(size - max(b, 0), 0))
        for size, (a, b) in zip(shape, widths, strict=True)
    )
    result[target] = x[source]
    return result


def pad_index(size, before, after, mode):
    """Return the source position of each position of a padded dimension."""
    if mode == "circular":  # what negative widths cut is not wrapped around either
        first, last = max(-before, 0), size - max(-after, 0)
        return np.arange(-max(before, 0), last - first + max(after, 0)) % (last - first) + first
    position = np.arange(-before, size + after)
    if mode == "replicate":
        return np.clip(position, 0, size - 1)
    period = 2 * (size - 1)
    if period == 0:
        return np.zeros_like(position)
    position = np.abs(position) % period  # reflect: the border value is not repeated
    return np.where(position >= size, period - position, position)


def pad_gather(x, widths, mode):
    """Pad x by mode 'reflect', 'replicate' or 'circular'."""
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = x.take(pad_index(x.shape[axis], before, after, mode), axis)
    return x


def pad_gather_backward(g, widths, mode):
    """Return the adjoint of pad_gather."""
    for axis, (before, after) in enumerate(widths):
        if before or after:
            size = g.shape[axis] - before - after
            g = add_along(g, pad_index(size, before, after, mode), size, axis)
    return g


def add_along(g, index, size, axis):
    """Return zeros of `size` along axis to which slice i of g is added at index[i].

    Slices that meet are added in a fixed order, so the result does not depend on scheduling.
    """
    shape = g.shape[:axis] + (size,) + g.shape[axis + 1 :]
    if g.size == 0:
        return np.zeros(shape, g.dtype)
    if np.any(index[1:] < index[:-1]):
        order = np.argsort(index, kind="stable")
        g, index = g.take(order, axis), index[order]
    starts = np.flatnonzero(np.r_[True, index[1:] != index[:-1]])
    sums = g if len(starts) == len(index) else np.add.reduceat(g, starts, axis)
    if len(starts) == size:
        return np.ascontiguousarray(sums)
    result = np.zeros(shape, g.dtype)
    result[(slice(None),) * axis + (index[starts],)] = sums
    return result


def pad_constant_value(x, value, widths):
    """pad_constant with the arguments in the op's order."""
    return pad_constant(x, widths, value)


def reflect_pad(x, widths):
    """pad_gather in mode 'reflect'."""
    return pad_gather(x, widths, "reflect")


def reflect_pad_backward(g, widths):
    """The adjoint of reflect_pad."""
    return pad_gather_backward(g, widths, "reflect")


def replicate_pad(x, widths):
    """pad_gather in mode 'replicate'."""
    return pad_gather(x, widths, "replicate")


def replicate_pad_backward(g, widths):
    """The adjoint of replicate_pad."""
    return pad_gather_backward(g, widths, "replicate")


def circular_pad(x, widths):
    """pad_gather in mode 'circular'."""
    return pad_gather(x, widths, "circular")


def circular_pad_backward(g, widths):
    """The adjoint of circular_pad."""
    return pad_gather_backward(g, widths, "circular")
