"""The negative log-likelihood of classes, and its adjoint.

x is (N, C, positions); targets (N, positions); one weight per class or None.
"""

import numpy as np


def nll_loss(x, target, weight, reduction, ignored, shape):
    """Return (loss, total weight) of log-probabilities x.

    reduction: 'none' (loss of each target, of `shape`), 'mean' (divided by the total weight) or
    'sum'.  Targets equal to `ignored` count nothing.
    """
    x, target, kept = _arranged(x, target, ignored)
    safe = np.where(kept, target, 0)
    picked = x[_places(safe)] if x.size else np.zeros_like(safe, x.dtype)
    if weight is None:
        loss = np.where(kept, -picked, 0).astype(x.dtype, copy=False)
        total = x.dtype.type(np.count_nonzero(kept))
    else:
        each = weight[safe] if weight.size else np.zeros(safe.shape, x.dtype)
        loss = np.where(kept, -picked * each, 0).astype(x.dtype, copy=False)
        total = each[kept].sum(dtype=x.dtype)
    if reduction == "none":
        return loss.reshape(shape), total
    loss = loss.sum()
    return (loss / total if reduction == "mean" else loss), total


def nll_loss_backward(g, target, weight, total, reduction, ignored, x_shape):
    """Return the gradient of sum(g * loss) in x, of shape x_shape."""
    classes = x_shape[1] if len(x_shape) > 1 else x_shape[0]
    batch = x_shape[0] if len(x_shape) > 1 else 1
    result = np.zeros((batch, classes, int(np.prod(x_shape[2:]))), g.dtype)
    target = target.reshape(batch, result.shape[2])
    kept = target != ignored
    safe = np.where(kept, target, 0)
    if not result.size:
        return result.reshape(x_shape)
    if reduction == "none":
        each = -g.reshape(target.shape)
    else:
        scale = -g / total if reduction == "mean" else -g
        each = np.full(target.shape, scale, g.dtype)
    if weight is not None:
        each = each * weight[safe]
    result[_places(safe)] = np.where(kept, each, 0)
    return result.reshape(x_shape)


def _places(classes):
    """The index, into (N, C, P), of one class for each of (N, P)."""
    batch, positions = classes.shape
    return np.arange(batch)[:, None], classes, np.arange(positions)


def _arranged(x, target, ignored):
    """x as (N, C, P), target as (N, P), and which targets count; IndexError for a bad class."""
    if x.ndim == 1:
        x, target = x[None], target.reshape(1, 1)
    x = x.reshape(x.shape[0], x.shape[1], int(np.prod(x.shape[2:])))
    target = target.reshape(x.shape[0], x.shape[2])
    kept = target != ignored
    bad = kept & ((target < 0) | (target >= x.shape[1]))
    if bad.any():
        raise IndexError(f"Target {target[bad][0]} is out of bounds.")
    return x, target, kept
