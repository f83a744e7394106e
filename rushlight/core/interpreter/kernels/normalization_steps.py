"""Layer, group and batch normalisation as steps of a plan, arguments in the ops' order."""

from math import prod

import numpy as np

from .normalization import (
    batch_norm_backward as _batch_backward,
)
from .normalization import (
    channel_scale_shift,
    channel_statistics,
    normalize_rows,
    normalize_rows_backward,
)


def _flat(parameter):
    return None if parameter is None else parameter.reshape(-1)


def layer_norm(x, weight, bias, dims, eps):
    """Return (result, mean, 1 / standard deviation) over the last dims dimensions."""
    lead = x.shape[: x.ndim - dims]
    rows = x.reshape(prod(lead), prod(x.shape[x.ndim - dims :]))
    y, mean, rstd = normalize_rows(rows, eps, _flat(weight), _flat(bias))
    kept = lead + (1,) * dims
    return y.reshape(x.shape), mean.reshape(kept), rstd.reshape(kept)


def layer_norm_backward(g, x, mean, rstd, weight, dims):
    """Return the gradients of (x, weight, bias)."""
    size = x.shape[x.ndim - dims :]
    rows = (prod(x.shape[: x.ndim - dims]), prod(size))
    made = normalize_rows_backward(
        g.reshape(rows), x.reshape(rows), mean.reshape(-1, 1), rstd.reshape(-1, 1), _flat(weight)
    )
    return made[0].reshape(x.shape), made[1].reshape(size), made[2].reshape(size)


def _group_rows(x, groups):
    return x.reshape(x.shape[0] * groups, prod(x.shape[1:]) // groups)


def group_norm(x, weight, bias, groups, eps):
    """Return (result, mean, 1 / standard deviation) over groups of channels of (N, C, ...)."""
    y, mean, rstd = normalize_rows(_group_rows(x, groups), eps)
    y = y.reshape(x.shape)
    one_each = (-1,) + (1,) * (x.ndim - 2)
    if weight is not None:
        y *= weight.reshape(one_each)
    if bias is not None:
        y += bias.reshape(one_each)
    return y, mean.reshape(x.shape[0], groups), rstd.reshape(x.shape[0], groups)


def group_norm_backward(g, mean_g, rstd_g, x, mean, rstd, weight, groups):
    """Return the gradients of (x, weight, bias)."""
    one_each = (-1,) + (1,) * (x.ndim - 2)
    mean, rstd = mean.reshape(-1, 1), rstd.reshape(-1, 1)
    rows = _group_rows(x, groups)
    scaled = g if weight is None else g * weight.reshape(one_each)
    x_grad = normalize_rows_backward(_group_rows(scaled, groups), rows, mean, rstd)[0]
    normal = (rows - mean) * rstd
    if mean_g.any() or rstd_g.any():
        through = mean_g.reshape(-1, 1) - rstd_g.reshape(-1, 1) * rstd * rstd * normal
        x_grad += through / x.dtype.type(rows.shape[1])
    normal = normal.reshape(x.shape)
    others = (0,) + tuple(range(2, x.ndim))
    return x_grad.reshape(x.shape), (g * normal).sum(others), g.sum(others)


def _channels(x):
    return x.reshape(x.shape[0], x.shape[1], prod(x.shape[2:]))


def batch_norm(x, weight, bias, running_mean, running_var, training, eps):
    """Return (result, mean, 1 / standard deviation, unbiased variance) per channel."""
    flat = _channels(x)
    if training:
        mean, variance = channel_statistics(flat)
        count = flat.shape[0] * flat.shape[2]
        unbiased = variance * variance.dtype.type(count / max(count - 1, 1))
    else:
        mean, variance = running_mean, running_var
        unbiased = variance
    rstd = 1 / np.sqrt(variance + variance.dtype.type(eps))
    scale = rstd if weight is None else rstd * weight
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias
    scale, shift = scale.astype(x.dtype, copy=False), shift.astype(x.dtype, copy=False)
    return channel_scale_shift(flat, scale, shift).reshape(x.shape), mean, rstd, unbiased


def batch_norm_backward(g, x, mean, rstd, weight, training):
    """Return the gradients of (x, weight, bias)."""
    made = _batch_backward(_channels(g), _channels(x), mean, rstd, weight, training)
    return made[0].reshape(x.shape), made[1], made[2]
