"""Distances between rows, and the adjoint."""

import numpy as np


def cdist(a, b, p):
    """Return the p-norm of a[..., i, :] - b[..., j, :] for all i, j: (..., P, R)."""
    return _norm(a[..., :, None, :] - b[..., None, :, :], p)


def cdist_backward(g, a, b, p, distance):
    """Return the gradients of sum(g * cdist(a, b, p)) with respect to a and b."""
    slope = _slope(a[..., :, None, :] - b[..., None, :, :], distance, p)
    slope *= g[..., None]
    return slope.sum(-2), -slope.sum(-3)


def pdist(a, p):
    """Return the p-norms of a[i] - a[j] for i < j: (M (M - 1) / 2,)."""
    first, second = np.triu_indices(a.shape[0], 1)
    return _norm(a[first] - a[second], p)


def pdist_backward(g, a, p, distance):
    """Return the gradient of sum(g * pdist(a, p)) with respect to a."""
    first, second = np.triu_indices(a.shape[0], 1)
    slope = _slope(a[first] - a[second], distance, p) * g[:, None]
    result = np.zeros_like(a)
    np.add.at(result, first, slope)
    np.subtract.at(result, second, slope)
    return result


def _norm(difference, p):
    if p == 0:
        return (difference != 0).sum(-1).astype(difference.dtype)
    size = np.abs(difference)
    if p == 1:
        return size.sum(-1)
    if p == 2:
        return np.sqrt(np.einsum("...i,...i->...", difference, difference))
    if np.isinf(p):
        return size.max(-1, initial=0)
    return (size**p).sum(-1) ** difference.dtype.type(1 / p)


def _slope(difference, distance, p):
    """Derivative of the distance with respect to the difference; zero where the distance is."""
    far = distance[..., None]
    if p == 0:
        return np.zeros_like(difference)
    if p == 1:
        return np.sign(difference)
    safe = np.where(far == 0, 1, far)
    if p == 2:
        return np.where(far == 0, 0, difference / safe)
    if np.isinf(p):
        return np.sign(difference) * (np.abs(difference) == far)
    size = np.abs(difference)
    if p < 1:  # no slope is defined where the difference is zero
        with np.errstate(divide="ignore"):
            power = np.where(size == 0, 0, size ** (p - 1))
    else:
        power = size ** (p - 1)
    return np.where(far == 0, 0, np.sign(difference) * power / safe ** (p - 1))
