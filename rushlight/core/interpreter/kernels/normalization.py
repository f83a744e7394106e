"""Normalisation by mean and standard deviation, and the adjoint.

Layer, group and instance normalisation view their input as (rows, values) with one mean per row;
batch normalisation as (batch, channels, values) with one mean per channel.  Affine parameters are
applied by the caller's formula or by the functions here where fusing them saves a pass.
"""

import numpy as np

_BLOCK_BYTES = 1 << 18


def normalize_rows(x, eps, weight=None, bias=None):
    """Return ((x - mean) * rstd * weight + bias, mean, rstd) of each row of x (rows, values)."""
    rows, count = x.shape
    y = np.empty(x.shape, x.dtype)
    mean, rstd = np.empty((rows, 1), x.dtype), np.empty((rows, 1), x.dtype)
    eps, step = x.dtype.type(eps), max(1, _BLOCK_BYTES // max(count * x.itemsize, 1))
    for start in range(0, rows, step):
        piece = slice(start, start + step)
        np.mean(x[piece], 1, out=mean[piece], keepdims=True)
        centred = np.subtract(x[piece], mean[piece], out=y[piece])
        variance = np.einsum("ij,ij->i", centred, centred)[:, None] / x.dtype.type(count)
        rstd[piece] = 1 / np.sqrt(variance + eps)
        centred *= rstd[piece]
        if weight is not None:
            centred *= weight
        if bias is not None:
            centred += bias
    return y, mean, rstd


def normalize_rows_backward(g, x, mean, rstd, weight=None):
    """Return the gradients of normalize_rows in (x, weight, bias), given g (rows, values)."""
    rows, count = x.shape
    kind = np.result_type(g, x)
    result = np.empty(x.shape, kind)
    weight_grad, bias_grad = np.zeros(count, kind), np.zeros(count, kind)
    step = max(1, _BLOCK_BYTES // max(count * x.itemsize, 1))
    scale = x.dtype.type(1 / max(count, 1))
    for start in range(0, rows, step):
        piece = slice(start, start + step)
        grad = g[piece]
        bias_grad += grad.sum(0)
        normal = x[piece] - mean[piece]
        normal *= rstd[piece]
        out = np.multiply(grad, normal, out=result[piece])
        weight_grad += out.sum(0)
        if weight is not None:
            grad = grad * weight
        along = np.einsum("ij,ij->i", grad, normal)[:, None] * scale
        normal *= along
        np.subtract(grad, normal, out=out)
        out -= grad.mean(1, keepdims=True)
        out *= rstd[piece]
    return result, weight_grad, bias_grad


def channel_statistics(x):
    """Return (mean, biased variance) of each channel of x (N, C, values)."""
    count = x.shape[0] * x.shape[2]
    mean = x.sum(2).sum(0) / x.dtype.type(count)
    variance = np.zeros(x.shape[1], x.dtype)
    for image in _blocks(x):
        centred = x[image] - mean[:, None]
        variance += np.einsum("ncl,ncl->c", centred, centred)
    return mean, variance / x.dtype.type(count)


def channel_scale_shift(x, scale, shift):
    """Return x * scale + shift with one scale and shift per channel of x (N, C, values)."""
    y = np.empty(x.shape, np.result_type(x, scale))
    for image in _blocks(x):
        np.multiply(x[image], scale[:, None], out=y[image])
        y[image] += shift[:, None]
    return y


def channel_sums(g, x, mean, rstd):
    """Return (sum of g, sum of g * (x - mean) * rstd) per channel of (N, C, values)."""
    total, along = np.zeros_like(mean, g.dtype), np.zeros_like(mean, g.dtype)
    for image in _blocks(x):
        total += g[image].sum(2).sum(0)
        along += np.einsum("ncl,ncl->c", g[image], x[image] - mean[:, None])
    return total, along * rstd


def batch_norm_backward(g, x, mean, rstd, weight, training):
    """Return gradients (of x, of weight, of bias) of batch normalisation, all as in the forward."""
    total, along = channel_sums(g, x, mean, rstd)
    scale = rstd if weight is None else rstd * weight
    if not training:
        return channel_scale_shift(g, scale, np.zeros_like(scale)), along, total
    count = x.dtype.type(x.shape[0] * x.shape[2])
    slope = along / count * rstd
    shift = total / count - slope * mean
    result = np.empty(x.shape, np.result_type(g, x))
    for image in _blocks(x):  # (g - total / count - xhat * along / count) * scale
        out = np.multiply(x[image], slope[:, None], out=result[image])
        out += shift[:, None]
        np.subtract(g[image], out, out=out)
        out *= scale[:, None]
    return result, along, total


def _blocks(x):
    """Yield slices of the batch small enough for the cache."""
    step = max(1, _BLOCK_BYTES // max(x.nbytes // max(x.shape[0], 1), 1))
    for start in range(0, x.shape[0], step):
        yield slice(start, start + step)
