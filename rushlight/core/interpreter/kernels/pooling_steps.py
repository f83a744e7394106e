"""The pooling kernels over tensors with any leading dimensions, arguments in the ops' order."""

from math import prod

import numpy as np

from . import pooling


def _planes(x, dims):
    lead = x.shape[: x.ndim - dims]
    return x.reshape((prod(lead),) + x.shape[x.ndim - dims :]), lead


def max_pool(x, kernel, stride, padding, dilation, size):
    """Return (maxima, flat indices)."""
    planes, lead = _planes(x, len(kernel))
    best, index = pooling.max_pool(planes, kernel, stride, padding, dilation, size)
    return best.reshape(lead + size), index.reshape(lead + size)


def max_pool_values(x, kernel, stride, padding, dilation, size):
    """Return the maxima alone, which is several times faster."""
    planes, lead = _planes(x, len(kernel))
    best, _ = pooling.max_pool(planes, kernel, stride, padding, dilation, size, False)
    return best.reshape(lead + size)


def max_pool_backward(g, index, spatial, disjoint):
    """Add g at the chosen positions of zeros."""
    planes, lead = _planes(g, len(spatial))
    index = index.reshape(planes.shape)
    return pooling.max_pool_backward(planes, index, spatial, disjoint).reshape(lead + spatial)


def pick_positions(x, index, dims):
    """Read x at the chosen positions."""
    planes, lead = _planes(x, dims)
    chosen, _ = _planes(index, dims)
    return pooling.pick_positions(planes, chosen).reshape(lead + index.shape[index.ndim - dims :])


def max_unpool(x, index, spatial):
    """Put values at their positions in zeros."""
    size = prod(spatial)
    if index.size and not (0 <= index.min() and index.max() < size):
        bad = index[(index < 0) | (index >= size)][0]
        if len(spatial) == 3:
            text = f"found an invalid max index {bad} (output volumes are of size "
            raise RuntimeError(text + "x".join(map(str, spatial)))
        text = f"Found an invalid max index: {bad} (output volumes are of size "
        raise RuntimeError(text + "x".join(map(str, spatial)))
    planes, lead = _planes(x, len(spatial))
    return pooling.max_unpool(planes, index.reshape(planes.shape), spatial).reshape(lead + spatial)


def average_pool(x, kernel, stride, padding, size, count_include_pad, divisor):
    """Return the means of the windows."""
    planes, lead = _planes(x, len(kernel))
    y = pooling.average_pool(planes, kernel, stride, padding, size, count_include_pad, divisor)
    return y.reshape(lead + size)


def average_pool_backward(g, spatial, kernel, stride, padding, count_include_pad, divisor):
    """The adjoint of average_pool."""
    planes, lead = _planes(g, len(kernel))
    x = pooling.average_pool_backward(
        planes, spatial, kernel, stride, padding, count_include_pad, divisor
    )
    return x.reshape(lead + spatial)


def adaptive_average_pool(x, size):
    """Return the means of the bins."""
    planes, lead = _planes(x, len(size))
    return pooling.adaptive_average_pool(planes, size).reshape(lead + size)


def adaptive_average_pool_backward(g, spatial):
    """The adjoint of adaptive_average_pool."""
    planes, lead = _planes(g, len(spatial))
    return pooling.adaptive_average_pool_backward(planes, spatial).reshape(lead + spatial)


def adaptive_max_pool(x, size):
    """Return (maxima, flat indices) of the bins."""
    planes, lead = _planes(x, len(size))
    best, index = pooling.adaptive_max_pool(planes, size)
    return best.reshape(lead + size), index.reshape(lead + size)


def fractional_max_pool(x, samples, kernel, size):
    """Return (maxima, flat indices) of pseudo-random windows."""
    planes, lead = _planes(x, len(kernel))
    samples = samples.reshape(len(planes), len(kernel))
    if len(kernel) == 2:  # PyTorch's samples come as (width, height)
        samples = np.ascontiguousarray(samples[:, ::-1])
    best, index = pooling.fractional_max_pool(planes, samples, kernel, size)
    return best.reshape(lead + size), index.reshape(lead + size)
