"""Losses that are one node in PyTorch: elementwise values and their reduction together.

A record's `reduction` is "none", "mean" or "sum". The arguments, the broadcasting and the older
names of the reductions are dealt with in `rushlight.nn.functional`, which takes these from the
namespace "losses". `_share` is what one element's gradient is multiplied by.
"""

from __future__ import annotations

import numpy as np

from .activations import log_sigmoid_op
from .arguments import scalar_name
from .record import composite, export, pointwise


def _where(condition, x, y):
    import rushlight
    return rushlight.where(condition, x, y)


def _reduce(values, reduction):
    if reduction == "mean":
        return values.mean()
    return values.sum() if reduction == "sum" else values


def _share(g, meta, reduction):
    return g / meta.numel if reduction == "mean" and meta.numel else g


def _loss(name, values, slope, *, inputs="x y", params=(), target_slope=None, node_name=None):
    """A loss of `values`; `slope` is its derivative by x, and by y its negative if not given."""
    def forward(*arguments):
        return _reduce(values(*arguments[:-1]), arguments[-1])

    derivative = {"x": slope}
    if target_slope is not None:
        derivative["y"] = target_slope
    return composite(name, inputs, forward, derivative, params=(*params, "reduction"),
                     node_name=node_name)


# ---- squared and absolute errors ---------------------------------------------------------------

def _mse_slope(g, x, y, x_meta, reduction):
    return _share(g, x_meta, reduction) * ((x - y) * 2)


mse_op = _loss("mse_loss", lambda x, y: (x - y).square(), _mse_slope,
               target_slope=lambda g, x, y, x_meta, reduction:
               -_mse_slope(g, x, y, x_meta, reduction))


def _smooth_l1(x, y, beta):
    distance = (x - y).abs()
    if beta == 0:
        return distance
    return _where(distance < beta, distance.square() * (0.5 / beta), distance - 0.5 * beta)


def _smooth_l1_slope(g, x, y, x_meta, beta, reduction):
    error = x - y
    slope = error.sign()
    if beta:
        slope = _where(error.abs() < beta, error / beta, slope)
    return _share(g, x_meta, reduction) * slope


smooth_l1_op = _loss("smooth_l1_loss", _smooth_l1, _smooth_l1_slope, params=("beta",),
                     target_slope=lambda g, x, y, x_meta, beta, reduction:
                     -_smooth_l1_slope(g, x, y, x_meta, beta, reduction),
                     node_name="SmoothL1LossBackward0")


def _huber(x, y, delta):
    distance = (x - y).abs()
    return _where(distance <= delta, distance.square() * 0.5, (distance - 0.5 * delta) * delta)


def _huber_slope(g, x, y, x_meta, delta, reduction):
    error = x - y
    slope = _where(error.abs() <= delta, error, error.sign() * delta)
    return _share(g, x_meta, reduction) * slope


huber_op = _loss("huber_loss", _huber, _huber_slope, params=("delta",),
                 target_slope=lambda g, x, y, x_meta, delta, reduction:
                 -_huber_slope(g, x, y, x_meta, delta, reduction))


# ---- binary cross entropy ----------------------------------------------------------------------

FLOOR = -100  # the least value of a logarithm, so that log 0 gives a finite loss


def _bce_body(w, x, y):
    return w.neg(w.add(w.mul(y, w.maximum(w.log(x), FLOOR)),
                       w.mul(w.sub(1, y), w.maximum(w.log1p(w.neg(x)), FLOOR))))


def _bce_kernel(x, y):
    if not np.all((x >= 0) & (x <= 1)):
        raise RuntimeError("all elements of input should be between 0 and 1")
    return -(y * np.maximum(np.log(x), FLOOR) + (1 - y) * np.maximum(np.log1p(-x), FLOOR))


bce_values_op = pointwise("binary_cross_entropy_values", _bce_body, None, inputs="x y",
                          numpy=_bce_kernel, domain=(0, 1), checks=True,
                          refuses=dict.fromkeys("bic", "binary_cross_entropy"))


def _times(values, weight):
    return values if weight is None else values * weight


def _bce_slope(g, x, y, weight, x_meta, reduction):
    slope = (x - y) / (x * (1 - x)).clamp_min(1e-12)
    return _times(_share(g, x_meta, reduction) * slope, weight)


def _bce_target_slope(g, x, weight, x_meta, reduction):
    slope = (-x).log1p().clamp_min(FLOOR) - x.log().clamp_min(FLOOR)
    return _times(_share(g, x_meta, reduction) * slope, weight)


bce_op = _loss("binary_cross_entropy", lambda x, y, weight: _times(bce_values_op(x, y), weight),
               _bce_slope, inputs="x y weight?", target_slope=_bce_target_slope)


def _bce_logits(x, y, weight, pos_weight):
    log_odds = log_sigmoid_op(x)
    if pos_weight is not None:
        log_odds = log_odds * ((pos_weight - 1) * y + 1)
    return _times((1 - y) * x - log_odds, weight)


def _bce_logits_slope(g, x, y, weight, pos_weight, x_meta, reduction):
    if pos_weight is None:
        slope = x.sigmoid() - y
    else:
        wanted = pos_weight * y
        slope = (wanted + 1 - y) * x.sigmoid() - wanted
    return _times(_share(g, x_meta, reduction) * slope, weight)


def _bce_logits_target_slope(g, x, weight, pos_weight, x_meta, reduction):
    slope = -x
    if pos_weight is not None:
        slope = log_sigmoid_op(-x) - pos_weight * log_sigmoid_op(x)
    return _times(_share(g, x_meta, reduction) * slope, weight)


bce_logits_op = _loss("binary_cross_entropy_with_logits", _bce_logits, _bce_logits_slope,
                      inputs="x y weight? pos_weight?", target_slope=_bce_logits_target_slope)


# ---- margins -----------------------------------------------------------------------------------

soft_margin_op = _loss(
    "soft_margin_loss", lambda x, y: -log_sigmoid_op(x * y),
    lambda g, x, y, x_meta, reduction: _share(g, x_meta, reduction) * (-y * (-x * y).sigmoid()))


# ---- public, to nn.functional ------------------------------------------------------------------

@export("losses")
def mse_loss(input, target, reduction):  # noqa: A002
    """(x - y)^2, reduced."""
    return mse_op(input, target, reduction=reduction)


@export("losses")
def smooth_l1_loss(input, target, reduction, beta):  # noqa: A002
    """d^2 / (2 beta) where d = |x - y| < beta, else d - beta / 2, reduced."""
    return smooth_l1_op(input, target, beta=beta, reduction=reduction)


@export("losses")
def huber_loss(input, target, reduction, delta):  # noqa: A002
    """d^2 / 2 where d = |x - y| <= delta, else delta (d - delta / 2), reduced."""
    return huber_op(input, target, delta=delta, reduction=reduction)


@export("losses")
def binary_cross_entropy(input, target, weight, reduction):  # noqa: A002
    """-(y log x + (1 - y) log(1 - x)) weight, reduced."""
    if target.dtype is not input.dtype:
        raise RuntimeError(f"Found dtype {scalar_name(target.dtype)} but expected "
                           f"{scalar_name(input.dtype)}")
    return bce_op(input, target, weight, reduction=reduction)


@export("losses")
def binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction):  # noqa: A002
    """`binary_cross_entropy` of sigmoid(x), reduced."""
    if target.dtype.category < input.dtype.category:
        raise RuntimeError(f"result type {scalar_name(input.dtype)} can't be cast to the desired "
                           f"output type {scalar_name(target.dtype)}")
    return bce_logits_op(input, target, weight, pos_weight, reduction=reduction)


@export("losses")
def soft_margin_loss(input, target, reduction):  # noqa: A002
    """log(1 + exp(-y x)), reduced."""
    if target.requires_grad:
        raise RuntimeError("The function 'soft_margin_loss' is not differentiable with respect to "
                           "argument 'target'. This input cannot have requires_grad True.")
    return soft_margin_op(input, target, reduction=reduction)
