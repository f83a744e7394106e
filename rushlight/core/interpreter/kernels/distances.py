"""Distances between rows, and the adjoint."""

import numpy as np


def cdist(a, b, p):
    """Return the p-norm of a[..., i, :] - b[..., j, :] for all i, j: (..., P, R)."""
    result = np.empty(a.shape[:-1] + b.shape[-2:-1], a.dtype)
    for rows in _bands(a, b):
        difference = a[..., rows, None, :] - b[..., None, :, :]
        result[..., rows, :] = _norm(difference, p)
    return result


def euclidean_by_product(a, b):
    """Return cdist(a, b, 2) from |a|^2 + |b|^2 - 2 a b: one matrix product.

    In float64, since close rows cancel.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    square = np.matmul(a, b.swapaxes(-1, -2))
    square *= -2
    square += np.einsum("...i,...i->...", a, a)[..., :, None]
    square += np.einsum("...i,...i->...", b, b)[..., None, :]
    return np.sqrt(np.maximum(square, 0, out=square), out=square)


def euclidean_backward_by_product(g, a, b, distance):
    """Return cdist_backward(g, a, b, 2, distance) by two matrix products."""
    slope = np.where(distance == 0, 0, g / np.where(distance == 0, 1, distance))
    slope = slope.astype(np.float64)
    a_grad = a * slope.sum(-1)[..., None] - np.matmul(slope, b)
    b_grad = b * slope.sum(-2)[..., None] - np.matmul(slope.swapaxes(-1, -2), a)
    return a_grad, b_grad


def cdist_backward(g, a, b, p, distance):
    """Return the gradients of sum(g * cdist(a, b, p)) with respect to a and b."""
    a_grad, b_grad = np.empty_like(a), np.zeros_like(b)
    for rows in _bands(a, b):
        difference = a[..., rows, None, :] - b[..., None, :, :]
        slope = _slope(difference, distance[..., rows, :], p)
        slope *= g[..., rows, :, None]
        a_grad[..., rows, :] = slope.sum(-2)
        b_grad -= slope.sum(-3)
    return a_grad, b_grad


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


def _bands(a, b):
    """Slices of a's rows whose differences to b's rows take a few megabytes at most."""
    per_row = max(b.size, 1)
    step = max(1, (1 << 20) // per_row)
    return [slice(i, i + step) for i in range(0, a.shape[-2], step)]


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


def cdist_of(a, b, p, by_product):
    """cdist, where asked for by the way that is fast for many rows."""
    return euclidean_by_product(a, b) if by_product else cdist(a, b, p)


def cdist_backward_of(g, a, b, distance, p, by_product):
    """cdist_backward with the arguments in the op's order."""
    if by_product:
        return euclidean_backward_by_product(g, a, b, distance)
    return cdist_backward(g, a, b, p, distance)


def pdist_backward_of(g, a, distance, p):
    """pdist_backward with the arguments in the op's order."""
    return pdist_backward(g, a, p, distance)
