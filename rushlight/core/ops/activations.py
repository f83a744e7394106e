"""Activation functions: pointwise ops, each with its own node and derivative."""

from __future__ import annotations

import math

import numpy as np

from .record import export, pointwise

F = "nn.functional"


def _where(*arguments):
    import rushlight
    return rushlight.where(*arguments)


def _floating(name):
    def check(x, *_):
        if x.dtype.category < 2:
            label = {"int64": "Long", "int32": "Int", "bool": "Bool", "uint8": "Byte",
                     "int16": "Short", "int8": "Char"}.get(x.dtype.name, x.dtype.name)
            raise RuntimeError(f'"{name}_cpu" not implemented for \'{label}\'')
    return check


def _activation(name, body, derivative, numpy=None, inputs="x", **facts):
    op = pointwise(name, body, derivative, inputs=inputs, numpy=numpy, **facts)
    op.rule = _floating(name)
    return op


def _publish(function, *targets, with_inplace=True):
    """``F.name(input, ..., inplace=False)`` and ``F.name_``."""
    export(*(targets or (F,)), inplace=with_inplace)(function)
    return function


def _finish(result, input, inplace):  # noqa: A002
    return input._become(result) if inplace else result


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- smooth rectifiers ----------------------------------------------------------------------

silu_op = pointwise(
    "silu", lambda w, x: w.div(x, w.add(1, w.exp(w.neg(x)))),
    {"x": lambda g, x: _silu_backward(g, x)}, numpy=lambda x: x / (1 + np.exp(-x)))
silu_op.rule = _floating("silu")


def _silu_backward(g, x):
    s = x.sigmoid()
    slope = s * (1 + x * (1 - s))
    return g * (slope.conj() if x.is_complex() else slope)


@_publish
def silu(input, inplace=False):  # noqa: A002
    """``x * sigmoid(x)`` (also called swish)."""
    return _finish(silu_op.call(input), input, inplace)


def _softplus_kernel(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _mish_backward(g, x):
    soft = _softplus_unit(x)
    t = soft.tanh()
    return g * (t + x * x.sigmoid() * (1 - t * t))


_softplus_unit = pointwise("softplus_unit", lambda w, x: w.add(
    w.maximum(x, 0), w.log1p(w.exp(w.neg(w.abs(x))))), {"x": lambda g, x: g * x.sigmoid()},
    numpy=_softplus_kernel, node_name="SoftplusBackward0")
mish_op = _activation(
    "mish", lambda w, x: w.mul(x, w.tanh(w.add(w.maximum(x, 0), w.log1p(w.exp(w.neg(w.abs(x))))))),
    {"x": _mish_backward}, lambda x: x * np.tanh(_softplus_kernel(x)))


@_publish
def mish(input, inplace=False):  # noqa: A002
    """``x * tanh(softplus(x))``."""
    return _finish(mish_op.call(input), input, inplace)


_SQRT_HALF = math.sqrt(0.5)
_GELU_C, _GELU_K = math.sqrt(2 / math.pi), 0.044715


def _gelu_body(w, x):
    return w.mul(w.mul(0.5, x), w.add(1, w.erf(w.mul(x, _SQRT_HALF))))


def _gelu_backward(g, x):
    cdf = 0.5 * (1 + (x * _SQRT_HALF).erf())
    pdf = (-0.5 * x * x).exp() * (1 / math.sqrt(2 * math.pi))
    return g * (cdf + x * pdf)


def _gelu_tanh_body(w, x):
    inner = w.mul(_GELU_C, w.add(x, w.mul(_GELU_K, w.mul(x, w.mul(x, x)))))
    return w.mul(w.mul(0.5, x), w.add(1, w.tanh(inner)))


def _gelu_tanh_backward(g, x):
    inner = _GELU_C * (x + _GELU_K * x * x * x)
    t = inner.tanh()
    slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (_GELU_C * (1 + 3 * _GELU_K * x * x))
    return g * slope


gelu_op = _activation("gelu", _gelu_body, {"x": _gelu_backward})
gelu_tanh_op = _activation("gelu_tanh", _gelu_tanh_body, {"x": _gelu_tanh_backward},
                           node_name="GeluBackward0")


@export(F)
def gelu(input, approximate="none"):  # noqa: A002
    """``x * Phi(x)`` with the normal distribution's Phi, or its tanh approximation."""
    if approximate == "none":
        return gelu_op.call(input)
    if approximate == "tanh":
        return gelu_tanh_op.call(input)
    raise RuntimeError("approximate argument must be either none or tanh.")


# ---- piecewise linear -----------------------------------------------------------------------

leaky_relu_op = _activation(
    "leaky_relu", lambda w, x, slope: w.select(w.gt(x, 0), x, w.mul(x, slope)),
    {"x": lambda g, x, slope: _where(x > 0, g, g * slope)},
    lambda x, slope: np.where(x > 0, x, x * slope), inputs="x slope", kinks=(0,))


@_publish
def leaky_relu(input, negative_slope=0.01, inplace=False):  # noqa: A002
    """x where positive, ``negative_slope * x`` elsewhere."""
    return _finish(leaky_relu_op.call(input, negative_slope), input, inplace)


hardtanh_op = pointwise(
    "hardtanh", lambda w, x, low, high: w.minimum(w.maximum(x, low), high),
    {"x": lambda g, x, low, high: _where((x > low) & (x < high), g, 0)},
    inputs="x low high", kinks=(-1, 1), numpy=lambda x, low, high: np.clip(x, low, high))


@_publish
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):  # noqa: A002
    """x limited to [min_val, max_val]."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype.name == "bool":
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if input.dtype.category == 1:
        min_val, max_val = int(min_val), int(max_val)
    return _finish(hardtanh_op(input, min_val, max_val), input, inplace)


relu6_op = pointwise("relu6", lambda w, x: w.minimum(w.maximum(x, 0), 6),
                     {"x": lambda g, x: _where((x > 0) & (x < 6), g, 0)}, kinks=(0, 6),
                     numpy=lambda x: np.clip(x, 0, 6), node_name="HardtanhBackward0")


@_publish
def relu6(input, inplace=False):  # noqa: A002
    """``min(max(x, 0), 6)``."""
    return _finish(relu6_op.call(input), input, inplace)


hardsigmoid_op = _activation(
    "hardsigmoid", lambda w, x: w.div(w.minimum(w.maximum(w.add(x, 3), 0), 6), 6),
    {"x": lambda g, x: _where((x > -3) & (x < 3), g * (1 / 6), 0)},
    lambda x: np.clip(x + 3, 0, 6) / 6, kinks=(-3, 3))


@_publish
def hardsigmoid(input, inplace=False):  # noqa: A002
    """``relu6(x + 3) / 6``."""
    return _finish(hardsigmoid_op.call(input), input, inplace)


hardswish_op = _activation(
    "hardswish", lambda w, x: w.div(w.mul(x, w.minimum(w.maximum(w.add(x, 3), 0), 6)), 6),
    {"x": lambda g, x: _where(x <= -3, 0, _where(x < 3, g * (x / 3 + 0.5), g))},
    lambda x: x * np.clip(x + 3, 0, 6) / 6, kinks=(-3, 3))


@_publish
def hardswish(input, inplace=False):  # noqa: A002
    """``x * relu6(x + 3) / 6``."""
    return _finish(hardswish_op.call(input), input, inplace)


threshold_op = pointwise(
    "threshold", lambda w, x, limit, value: w.select(w.le(x, limit), value, x),
    {"x": lambda g, x, limit: _where(x <= limit, 0, g)}, inputs="x limit value",
    numpy=lambda x, limit, value: np.where(x <= limit, np.asarray(value).astype(x.dtype), x))


@_publish
def threshold(input, threshold, value, inplace=False):  # noqa: A002
    """x where above `threshold`, `value` elsewhere."""
    return _finish(threshold_op(input, threshold, value), input, inplace)


export("torch")(threshold)

hardshrink_op = _activation(
    "hardshrink", lambda w, x, lambd: w.select(w.le(w.abs(x), lambd), 0, x),
    {"x": lambda g, x, lambd: _where((x >= -lambd) & (x <= lambd), 0, g)},
    lambda x, lambd: np.where((x >= -lambd) & (x <= lambd), 0, x), inputs="x lambd")


@export(F, "torch", "Tensor")
def hardshrink(input, lambd=0.5):  # noqa: A002
    """x outside [-lambd, lambd], zero inside."""
    return hardshrink_op.call(input, float(lambd))


softshrink_op = _activation(
    "softshrink", lambda w, x, lambd: w.select(w.gt(x, lambd), w.sub(x, lambd), w.select(
        w.lt(x, w.neg(lambd)), w.add(x, lambd), w.mul(x, 0))),
    {"x": lambda g, x, lambd: _where((x >= -lambd) & (x <= lambd), 0, g)},
    lambda x, lambd: np.where(x > lambd, x - lambd, np.where(x < -lambd, x + lambd, x * 0)),
    inputs="x lambd")


@export(F)
def softshrink(input, lambd=0.5):  # noqa: A002
    """x moved towards zero by `lambd`, and zero in between."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return softshrink_op.call(input, float(lambd))


# ---- exponential linear ---------------------------------------------------------------------

def _elu_kernel(x, alpha, scale, input_scale):
    return np.where(x > 0, x * scale, alpha * scale * np.expm1(np.minimum(x, 0) * input_scale))


elu_op = _activation(
    "elu", lambda w, x, alpha, scale, input_scale: w.select(
        w.gt(x, 0), w.mul(x, scale), w.mul(w.mul(alpha, scale), w.expm1(w.mul(x, input_scale)))),
    {"x": lambda g, x, alpha, scale, input_scale: _where(
        x > 0, g * scale, g * (alpha * scale * input_scale) * (
            x.clamp(max=0) * input_scale).exp())},
    _elu_kernel, inputs="x alpha scale input_scale", kinks=(0,))


@_publish
def elu(input, alpha=1.0, inplace=False):  # noqa: A002
    """x where positive, ``alpha * (exp(x) - 1)`` elsewhere."""
    return _finish(elu_op(input, float(alpha), 1.0, 1.0), input, inplace)


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@export("torch", F, inplace=True)
def selu(input, inplace=False):  # noqa: A002
    """The self-normalising exponential linear unit (Klambauer et al., 2017)."""
    return _finish(elu_op(input, _SELU_ALPHA, _SELU_SCALE, 1.0), input, inplace)


@export("torch", F, inplace=True)
def celu(input, alpha=1.0, inplace=False):  # noqa: A002
    """``max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)``."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _finish(elu_op(input, float(alpha), 1.0, 1.0 / alpha), input, inplace)


# ---- softplus, log-sigmoid and relatives ----------------------------------------------------

softplus_op = _activation(
    "softplus", lambda w, x, beta, threshold: w.select(
        w.gt(w.mul(x, beta), threshold), x, w.div(w.log1p(w.exp(w.mul(x, beta))), beta)),
    {"x": lambda g, x, beta, threshold: _where(
        x * beta > threshold, g, g * (x * beta).sigmoid())},
    lambda x, beta, threshold: np.where(
        x * beta > threshold, x, np.log1p(np.exp(np.minimum(x * beta, threshold))) / beta),
    inputs="x beta threshold")


@export(F)
def softplus(input, beta=1, threshold=20):  # noqa: A002
    """``log(1 + exp(beta * x)) / beta``, and x itself beyond `threshold`."""
    return softplus_op(input, beta, threshold)


logsigmoid_op = _activation(
    "log_sigmoid", lambda w, x: w.sub(w.minimum(x, 0), w.log1p(w.exp(w.neg(w.abs(x))))),
    {"x": lambda g, x: g * (-x).sigmoid()},
    lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), node_name="LogSigmoidBackward0")


@export(F)
def logsigmoid(input):  # noqa: A002
    """``log(sigmoid(x))``."""
    return logsigmoid_op.call(input)


@export(F)
def softsign(input):  # noqa: A002
    """``x / (1 + |x|)``."""
    return input / (input.abs() + 1)


@export(F)
def tanhshrink(input):  # noqa: A002
    """``x - tanh(x)``."""
    return input - input.tanh()


export(F, name="tanh")(lambda input: input.tanh())
export(F, name="sigmoid")(lambda input: input.sigmoid())

prelu_op = pointwise(
    "prelu_kernel", lambda w, x, weight: w.select(w.gt(x, 0), x, w.mul(weight, x)),
    {"x": lambda g, x, weight: _where(x > 0, g, g * weight),
     "weight": lambda g, x: _where(x > 0, 0, g * x)}, inputs="x weight",
    numpy=lambda x, weight: np.where(x > 0, x, weight * x))


@export("torch", "Tensor", F)
def prelu(input, weight):  # noqa: A002
    """x where positive, ``weight * x`` elsewhere; one weight, or one per channel (axis 1)."""
    if weight.dtype is not input.dtype:
        raise RuntimeError("prelu: Type promoting not supported. Got "
                           f"{input.dtype.name} and {weight.dtype.name}")
    if weight.numel() != 1:
        if not input.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(f"Mismatch of parameter numbers and input channel size. Found "
                               f"parameter numbers = {weight.numel()} and channel size = "
                               f"{channels}.")
    if weight.ndim > 1:
        raise RuntimeError("prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = "
                           f"{weight.ndim}")
    if input.ndim > 1:
        shape = [1] * input.ndim
        shape[1] = weight.numel()
        weight = weight.reshape(shape)
    elif input.ndim == 0:
        weight = weight.reshape(())
    return prelu_op.call(input, weight)


@export(F, name="glu")
def glu(input, dim=-1):  # noqa: A002
    """The first half of an axis times the sigmoid of the second half."""
    from ..base.shapes import wrap_dim
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    dim = wrap_dim(dim, input.ndim)
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    return input.narrow(dim, 0, size // 2) * input.narrow(dim, size // 2, size // 2).sigmoid()


__all__ = ["_sigmoid"]
