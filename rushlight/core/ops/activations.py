"""Activation functions: one pointwise op each, with its derivative on the line below its body.

Their settings (slopes, limits) are operands that are Python numbers, so changing one is the same
plan. An in-place form works on a copy (values are immutable: it costs nothing) and writes the
result back, so that the derivative may use the input.
"""

from __future__ import annotations

import math

import numpy as np

from .arguments import need_tensor, not_implemented_for, scalar_name
from .arithmetic import _conj
from .record import composite, export, pointwise
from .unary import relu as relu_op
from .unary import sigmoid as sigmoid_op
from .unary import tanh as tanh_op


def _where(condition, x, y):
    import rushlight
    return rushlight.where(condition, x, y)


def _activation(name, body, derivative, kernel, *, inputs="x", integers=False, complexes=False,
                **facts):
    """A pointwise op that has no code for some dtypes: `kernel` is its name in the error."""
    def rule(x, *settings):
        category = x.dtype.category
        if category == 2 or (category == 1 and integers) or (category == 3 and complexes):
            return
        raise not_implemented_for(kernel, x.dtype)
    op = pointwise(name, body, derivative, inputs=inputs, **facts)
    op.rule = rule
    return op


def _apply(op, input, inplace, *settings):  # noqa: A002
    """Call `op`, and write the result into `input` if asked to."""
    if not inplace:
        return op(input, *settings)
    input._check_writable_by_autograd()
    return input._become(op(input.clone(), *settings))


# ---- rectifiers -------------------------------------------------------------------------------

leaky_relu_op = _activation(
    "leaky_relu", lambda w, x, slope: w.select(w.gt(x, 0), x, w.mul(x, slope)),
    {"x": lambda g, x, slope: _where(x > 0, g, g * slope)}, "leaky_relu_cpu", inputs="x slope",
    kinks=(0,))
rrelu_op = _activation(
    "rrelu_with_noise", lambda w, x, noise: w.mul(x, noise),
    {"x": lambda g, noise: g * noise}, "leaky_relu_cpu", inputs="x noise")
prelu_op = pointwise(
    "prelu_kernel", lambda w, x, weight: w.select(w.gt(x, 0), x, w.mul(x, weight)),
    {"x": lambda g, x, weight: _where(x > 0, g, g * weight),
     "weight": lambda g, x: _where(x > 0, 0, g * x)},
    inputs="x weight", kinks=(0,))
threshold_op = _activation(
    "threshold", lambda w, x, limit, value: w.select(w.le(x, limit), value, x),
    {"x": lambda g, x, limit: _where(x <= limit, 0, g)}, "threshold_cpu",
    inputs="x limit value", integers=True, promotion=lambda x, *_: (x.dtype, x.dtype))


def _hardtanh_rule(x, *settings):
    if x.dtype.category == 0:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if x.dtype.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")


hardtanh_op = pointwise(
    "hardtanh", lambda w, x, low, high: w.minimum(w.maximum(x, low), high),
    {"x": lambda g, x, low, high: _where((x > low).logical_and(x < high), g, 0)},
    inputs="x low high", numpy=lambda x, low, high: np.clip(x, low, high),
    promotion=lambda x, *_: (x.dtype, x.dtype))
hardtanh_op.rule = _hardtanh_rule


# ---- exponential units ------------------------------------------------------------------------

def _elu_body(w, x, negative, scale, inner):
    return w.select(w.gt(x, 0), w.mul(x, scale),
                    w.mul(w.expm1(w.mul(w.minimum(x, 0), inner)), negative))


def _elu_backward(g, x, negative, scale, inner):
    return _where(x > 0, g * scale, g * ((x * inner).exp() * (negative * inner)))


# scale x for x > 0, else negative (exp(inner x) - 1)
elu_op = _activation("elu", _elu_body, {"x": _elu_backward}, "elu_cpu",
                     inputs="x negative scale inner", kinks=(0,))
celu_op = _activation("celu", _elu_body, {"x": _elu_backward}, "elu_cpu",
                      inputs="x negative scale inner", kinks=(0,))
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


# ---- sigmoid and its relatives -----------------------------------------------------------------

silu_op = _activation(
    "silu", lambda w, x: w.div(x, w.add(1, w.exp(w.neg(x)))),
    {"x": lambda g, x: _silu_backward(g, x)}, "silu_cpu", complexes=True,
    numpy=lambda x: x / (1 + np.exp(-x)))


def _silu_backward(g, x):
    s = x.sigmoid()
    return g * _conj(s * (1 + x * (1 - s)))


log_sigmoid_op = _activation(
    "log_sigmoid", lambda w, x: w.sub(w.minimum(x, 0), w.log1p(w.exp(w.neg(w.abs(x))))),
    {"x": lambda g, x: g * (-x).sigmoid()}, "log_sigmoid_cpu")
softplus_op = _activation(
    "softplus", lambda w, x, beta, limit: w.select(
        w.gt(w.mul(x, beta), limit), x, w.div(w.log1p(w.exp(w.mul(x, beta))), beta)),
    {"x": lambda g, x, beta, limit: _where(x * beta > limit, g, g * (x * beta).sigmoid())},
    "softplus_cpu", inputs="x beta limit")


def _mish_body(w, x):
    return w.mul(x, w.tanh(w.log1p(w.exp(x))))


def _mish_kernel(x):
    # log(1 + exp(x)) without overflow
    return x * np.tanh(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _mish_backward(g, x):
    t = (-log_sigmoid_op(-x)).tanh()
    return g * (t + x * x.sigmoid() * (1 - t * t))


mish_op = _activation("mish", _mish_body, {"x": _mish_backward}, "mish_cpu", numpy=_mish_kernel,
                      bound=4)   # three functions deep
hardsigmoid_op = _activation(
    "hardsigmoid", lambda w, x: w.div(w.minimum(w.maximum(w.add(x, 3), 0), 6), 6),
    {"x": lambda g, x: _where((x > -3).logical_and(x < 3), g * (1 / 6), 0)}, "hardsigmoid_cpu",
    numpy=lambda x: np.clip(x + 3, 0, 6) / 6, kinks=(-3, 3))
hardswish_op = _activation(
    "hardswish", lambda w, x: w.div(w.mul(x, w.minimum(w.maximum(w.add(x, 3), 0), 6)), 6),
    {"x": lambda g, x: _where(x <= -3, 0, _where(x < 3, g * (x * (1 / 3) + 0.5), g))},
    "hardswish_cpu", numpy=lambda x: x * np.clip(x + 3, 0, 6) / 6, kinks=(-3, 3))


# ---- gelu --------------------------------------------------------------------------------------

ROOT_HALF = math.sqrt(0.5)
gelu_op = _activation(
    "gelu", lambda w, x: w.mul(w.mul(x, 0.5), w.add(1, w.erf(w.mul(x, ROOT_HALF)))),
    {"x": lambda g, x: g * (0.5 * (1 + (x * ROOT_HALF).erf())
                            + x * (x * x * -0.5).exp() * (1 / math.sqrt(2 * math.pi)))},
    "GeluKernelImpl")
GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBE = 0.044715


def _gelu_tanh_body(w, x):
    inner = w.mul(GELU_SCALE, w.add(x, w.mul(GELU_CUBE, w.mul(x, w.mul(x, x)))))
    return w.mul(w.mul(x, 0.5), w.add(1, w.tanh(inner)))


def _gelu_tanh_backward(g, x):
    square = x * x
    t = (GELU_SCALE * (x + GELU_CUBE * x * square)).tanh()
    slope = GELU_SCALE * (1 + 3 * GELU_CUBE * square)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)


gelu_tanh_op = _activation("gelu_tanh", _gelu_tanh_body, {"x": _gelu_tanh_backward},
                           "GeluKernelImpl", node_name="GeluBackward0")


# ---- shrinking ---------------------------------------------------------------------------------

hardshrink_op = _activation(
    "hardshrink", lambda w, x, limit: w.select(w.le(w.abs(x), limit), 0, x),
    {"x": lambda g, x, limit: _where(x.abs() <= limit, 0, g)}, "hardshrink_cpu", inputs="x limit")
softshrink_op = _activation(
    "softshrink", lambda w, x, limit: w.select(
        w.gt(x, limit), w.sub(x, limit),
        w.select(w.lt(x, w.neg(limit)), w.add(x, limit), w.mul(x, 0))),
    {"x": lambda g, x, limit: _where(x.abs() <= limit, 0, g)}, "softshrink_check",
    inputs="x limit")


# ---- gated linear unit -------------------------------------------------------------------------

def _glu_forward(x, dim):
    half = x.shape[dim] // 2
    return x.narrow(dim, 0, half) * x.narrow(dim, half, half).sigmoid()


def _glu_backward(g, x, dim):
    import rushlight
    half = x.shape[dim] // 2
    gate = x.narrow(dim, half, half).sigmoid()
    first = g * gate
    return rushlight.cat([first, first * x.narrow(dim, 0, half) * (1 - gate)], dim)


glu_op = composite("glu", "x", _glu_forward, {"x": _glu_backward}, params=("dim",))


# ---- public ------------------------------------------------------------------------------------

@export("nn.functional", name="relu")
def functional_relu(input, inplace=False):  # noqa: A002
    """max(x, 0)."""
    return input.relu_() if inplace else relu_op.call(input)


@export("nn.functional", name="relu_")
def functional_relu_(input):  # noqa: A002
    """In-place `relu`."""
    return input.relu_()


@export("nn.functional", name="sigmoid")
def functional_sigmoid(input):  # noqa: A002
    """1 / (1 + exp(-x))."""
    return sigmoid_op.call(input)


@export("nn.functional", name="tanh")
def functional_tanh(input):  # noqa: A002
    """tanh(x)."""
    return tanh_op.call(input)


@export("nn.functional")
def leaky_relu(input, negative_slope=0.01, inplace=False):  # noqa: A002
    """x if x > 0, else negative_slope x."""
    return _apply(leaky_relu_op, input, inplace, negative_slope)


@export("nn.functional")
def leaky_relu_(input, negative_slope=0.01):  # noqa: A002
    """In-place `leaky_relu`."""
    return _apply(leaky_relu_op, input, True, negative_slope)


@export("nn.functional")
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):  # noqa: A002
    """x clipped to [min_val, max_val]."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _apply(hardtanh_op, input, inplace, min_val, max_val)


@export("nn.functional")
def hardtanh_(input, min_val=-1.0, max_val=1.0):  # noqa: A002
    """In-place `hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


@export("nn.functional")
def relu6(input, inplace=False):  # noqa: A002
    """min(max(x, 0), 6)."""
    return _apply(hardtanh_op, input, inplace, 0, 6)


@export("nn.functional")
def elu(input, alpha=1.0, inplace=False):  # noqa: A002
    """x if x > 0, else alpha (exp(x) - 1)."""
    return _apply(elu_op, input, inplace, alpha, 1, 1)


@export("nn.functional")
def elu_(input, alpha=1.0):  # noqa: A002
    """In-place `elu`."""
    return elu(input, alpha, True)


@export("nn.functional", name="selu")
def functional_selu(input, inplace=False):  # noqa: A002
    """scale (x if x > 0, else alpha (exp(x) - 1)), the self-normalizing constants."""
    return _apply(elu_op, input, inplace, SELU_ALPHA * SELU_SCALE, SELU_SCALE, 1)


@export("torch")
def selu(input):  # noqa: A002
    """See `nn.functional.selu`."""
    return functional_selu(input)


@export("torch", "nn.functional")
def selu_(input):  # noqa: A002
    """In-place `selu`."""
    return functional_selu(input, True)


@export("nn.functional", name="celu")
def functional_celu(input, alpha=1.0, inplace=False):  # noqa: A002
    """max(x, 0) + min(0, alpha (exp(x / alpha) - 1))."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _apply(celu_op, input, inplace, alpha, 1, 1 / alpha)


@export("torch")
def celu(input, alpha=1.0):  # noqa: A002
    """See `nn.functional.celu`."""
    return functional_celu(input, alpha)


@export("torch", "nn.functional")
def celu_(input, alpha=1.0):  # noqa: A002
    """In-place `celu`."""
    return functional_celu(input, alpha, True)


@export("nn.functional")
def silu(input, inplace=False):  # noqa: A002
    """x sigmoid(x)."""
    return _apply(silu_op, input, inplace)


@export("nn.functional")
def mish(input, inplace=False):  # noqa: A002
    """x tanh(log(1 + exp(x)))."""
    return _apply(mish_op, input, inplace)


@export("nn.functional")
def hardsigmoid(input, inplace=False):  # noqa: A002
    """x / 6 + 1/2 clipped to [0, 1]."""
    return _apply(hardsigmoid_op, input, inplace)


@export("nn.functional")
def hardswish(input, inplace=False):  # noqa: A002
    """x hardsigmoid(x)."""
    return _apply(hardswish_op, input, inplace)


@export("nn.functional")
def logsigmoid(input):  # noqa: A002
    """log(1 / (1 + exp(-x))), without overflow."""
    return log_sigmoid_op(input)


@export("nn.functional")
def softplus(input, beta=1, threshold=20):  # noqa: A002
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    return softplus_op(input, beta, threshold)


@export("nn.functional")
def softsign(input):  # noqa: A002
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


@export("nn.functional")
def tanhshrink(input):  # noqa: A002
    """x - tanh(x)."""
    return input - input.tanh()


@export("nn.functional")
def gelu(input, approximate="none"):  # noqa: A002
    """x Phi(x), Phi the normal distribution; approximate="tanh": the tanh formula."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return (gelu_op if approximate == "none" else gelu_tanh_op)(input)


@export("torch", "Tensor", "nn.functional", out=True)
def hardshrink(input, lambd=0.5):  # noqa: A002
    """x if |x| > lambd, else 0."""
    return hardshrink_op(input, lambd)


@export("nn.functional")
def softshrink(input, lambd=0.5):  # noqa: A002
    """x - lambd if x > lambd, x + lambd if x < -lambd, else 0."""
    if not 0 <= lambd:
        raise RuntimeError(
            "lambda must be in range [0, 3.40282e+38] for input dtype "
            f"{scalar_name(input.dtype)}, but found {lambd:g}")
    return softshrink_op(input, lambd)


@export("nn.functional", name="threshold")
def functional_threshold(input, threshold, value, inplace=False):  # noqa: A002
    """x if x > threshold, else value."""
    return _apply(threshold_op, input, inplace, threshold, value)


@export("torch", out=True)
def threshold(input, threshold, value):  # noqa: A002
    """See `nn.functional.threshold`."""
    return threshold_op(input, threshold, value)


@export("torch", "nn.functional")
def threshold_(input, threshold, value):  # noqa: A002
    """In-place `threshold`."""
    return _apply(threshold_op, input, True, threshold, value)


@export("torch", "Tensor", "nn.functional")
def prelu(input, weight):  # noqa: A002
    """x if x > 0, else weight x, with one weight or one per channel (axis 1)."""
    need_tensor(input, "prelu", "input", 1)
    need_tensor(weight, "prelu", "weight", 2)
    if input.dtype is not weight.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {scalar_name(input.dtype)} "
                           f"and {scalar_name(weight.dtype)}")
    count, ndim = weight.numel(), len(input.shape)
    if count != 1:
        if not ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if ndim > 1 else 1
        if channels != count:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{count} and channel size = {channels}.")
    if len(weight.shape) > 1:
        raise RuntimeError("prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = "
                           f"{len(weight.shape)}")
    if ndim > 1:
        weight = weight.reshape(1, count, *(1,) * (ndim - 2))
    else:
        weight = weight.reshape(()) if ndim == 0 else weight.reshape(-1)
    return prelu_op(input, weight)


@export("nn.functional")
def glu(input, dim=-1):  # noqa: A002
    """a sigmoid(b), where a and b are the halves of the input along `dim`."""
    ndim = len(input.shape)
    if ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.dtype.category != 2:
        raise not_implemented_for("glu_cpu", input.dtype)
    if not -ndim <= dim < ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, "
                         f"{ndim - 1}], but got {dim})")
    dim %= ndim
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size "
                           f"{input.shape[dim]}")
    return glu_op(input, dim=dim)


def _rrelu(input, lower, upper, training, inplace, generator=None):  # noqa: A002
    import rushlight
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return _apply(leaky_relu_op, input, inplace, (lower + upper) / 2)
    # One number is drawn for each element that is not positive, in order.
    closed = (input <= 0).reshape(-1).nonzero().squeeze(1)
    drawn = rushlight.empty(closed.numel(), dtype=rushlight.float64)
    drawn = drawn.uniform_(lower, upper, generator=generator).to(input.dtype)
    noise = rushlight.ones(input.numel(), dtype=input.dtype).index_put((closed,), drawn)
    return _apply(rrelu_op, input, inplace, noise.reshape(input.shape))


@export("nn.functional", name="rrelu")
def functional_rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False,  # noqa: A002
                     inplace=False):
    """x if x > 0, else a x, a uniform in [lower, upper] in training, its mean otherwise."""
    return _rrelu(input, lower, upper, training, inplace)


@export("torch")
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, generator=None):  # noqa: A002
    """See `nn.functional.rrelu`."""
    return _rrelu(input, lower, upper, training, False, generator)


@export("torch", "nn.functional")
def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False, generator=None):  # noqa: A002
    """In-place `rrelu`."""
    return _rrelu(input, lower, upper, training, True, generator)
