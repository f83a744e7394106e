"""Elementwise functions of one operand: exponentials, trigonometry, rounding, special functions.

Derivatives are written over public ops; ``_conj`` is the identity on real operands, so a formula
holds for complex ones too (PyTorch's gradient is the conjugate of the complex derivative).
"""

from __future__ import annotations

import math

import numpy as np

from ..base import dtypes as dt
from .arithmetic import _conj
from .record import export, export_unary, pointwise


def _floats(name, body, derivative, numpy=None, aliases=(), **facts):
    """An op whose integer inputs become the default float."""
    return export_unary(pointwise(name, body, derivative, promotion="float", numpy=numpy, **facts),
                        aliases=aliases)


exp2 = _floats("exp2", lambda w, x: w.exp2(x),
               {"x": lambda g, out: g * _conj(out * math.log(2))},
               lambda x: np.exp2(x) if x.dtype.kind != "c" else np.power(2, x))
expm1 = _floats("expm1", lambda w, x: w.expm1(x), {"x": lambda g, out: g * _conj(out + 1)},
                np.expm1)
log2 = _floats("log2", lambda w, x: w.log2(x),
               {"x": lambda g, x: g / _conj(x * math.log(2))}, np.log2, domain=(0, None))
log10 = _floats("log10", lambda w, x: w.log10(x),
                {"x": lambda g, x: g / _conj(x * math.log(10))}, np.log10, domain=(0, None))
log1p = _floats("log1p", lambda w, x: w.log1p(x), {"x": lambda g, x: g / _conj(x + 1)}, np.log1p,
                domain=(-1, None))
rsqrt = _floats("rsqrt", lambda w, x: w.rsqrt(x),
                {"x": lambda g, out: g * _conj(-0.5 * out * out * out)},
                lambda x: 1 / np.sqrt(x), domain=(0, None))
sin = _floats("sin", lambda w, x: w.sin(x), {"x": lambda g, x: g * _conj(x.cos())}, np.sin)
cos = _floats("cos", lambda w, x: w.cos(x), {"x": lambda g, x: g * _conj(-x.sin())}, np.cos)
tan = _floats("tan", lambda w, x: w.tan(x), {"x": lambda g, out: g * _conj(1 + out * out)}, np.tan)
asin = _floats("asin", lambda w, x: w.asin(x),
               {"x": lambda g, x: g * _conj((1 - x * x).rsqrt())}, np.arcsin, ("arcsin",),
               domain=(-1, 1))
acos = _floats("acos", lambda w, x: w.acos(x),
               {"x": lambda g, x: g * _conj(-(1 - x * x).rsqrt())}, np.arccos, ("arccos",),
               domain=(-1, 1))
atan = _floats("atan", lambda w, x: w.atan(x), {"x": lambda g, x: g / _conj(x * x + 1)}, np.arctan,
               ("arctan",))
sinh = _floats("sinh", lambda w, x: w.sinh(x), {"x": lambda g, x: g * _conj(x.cosh())}, np.sinh)
cosh = _floats("cosh", lambda w, x: w.cosh(x), {"x": lambda g, x: g * _conj(x.sinh())}, np.cosh)
asinh = _floats("asinh", lambda w, x: w.asinh(x),
                {"x": lambda g, x: g * _conj((x * x + 1).rsqrt())}, np.arcsinh, ("arcsinh",))
acosh = _floats("acosh", lambda w, x: w.acosh(x),
                {"x": lambda g, x: g * _conj((x - 1).rsqrt() * (x + 1).rsqrt())}, np.arccosh,
                ("arccosh",), domain=(1, None))
atanh = _floats("atanh", lambda w, x: w.atanh(x), {"x": lambda g, x: g / _conj(1 - x * x)},
                np.arctanh, ("arctanh",), domain=(-1, 1))
erf = _floats("erf", lambda w, x: w.erf(x),
              {"x": lambda g, x: g * ((-x * x).exp() * (2 / math.sqrt(math.pi)))},
              refuses={"c": "erf_vml_cpu"})
erfc = _floats("erfc", lambda w, x: w.erfc(x),
               {"x": lambda g, x: g * ((-x * x).exp() * (-2 / math.sqrt(math.pi)))},
               refuses={"c": "erfc_vml_cpu"})
erfinv = _floats("erfinv", lambda w, x: w.erfinv(x),
                 {"x": lambda g, out: g * ((out * out).exp() * (math.sqrt(math.pi) / 2))},
                 domain=(-1, 1), refuses={"c": "erfinv_vml_cpu"})
lgamma = _floats("lgamma", lambda w, x: w.lgamma(x), {"x": lambda g, x: g * x.digamma()},
                 refuses={"c": "lgamma_vml_cpu"})


def _trigamma(x):
    import rushlight
    return rushlight.polygamma(1, x)


digamma = _floats("digamma", lambda w, x: w.digamma(x), {"x": lambda g, x: g * _trigamma(x)},
                  refuses={"c": "digamma"})


def _reciprocal_kernel(x):
    return 1 / x


reciprocal = _floats("reciprocal", lambda w, x: w.reciprocal(x),
                     {"x": lambda g, out: -g * _conj(out * out)}, _reciprocal_kernel)


def _square_types(x):
    kind = dt.int64 if x.dtype is dt.bool_ else x.dtype
    return kind, kind


square = export_unary(pointwise("square", lambda w, x: w.mul(x, x),
                                {"x": lambda g, x: g * _conj(2 * x)}, node_name="PowBackward0",
                                promotion=_square_types))


def _zero(g):
    import rushlight
    return rushlight.zeros_like(g)


def _not_complex(name):
    def check(x):
        if x.dtype.is_complex:
            raise RuntimeError(f"{name} is not supported for complex tensors.")
    return check


def _rounding(name, body, numpy, derivative=None):
    return export_unary(pointwise(
        name, body, {"x": derivative or _zero},
        numpy=lambda x: numpy(x) if x.dtype.kind == "f" else x,
        refuses={"b": name + "_vml_cpu",
                 "c": (NotImplementedError, f"{name} is not supported for complex inputs")}))


floor = _rounding("floor", lambda w, x: w.floor(x), np.floor)
ceil = _rounding("ceil", lambda w, x: w.ceil(x), np.ceil)
trunc = _rounding("trunc", lambda w, x: w.trunc(x), np.trunc)


@export("torch", "Tensor", inplace=True, out=True)
def fix(input):  # noqa: A002
    """The integer part, as `trunc`."""
    return trunc.call(input)


round_op = pointwise("round", lambda w, x: w.round(x), {"x": _zero},
                     numpy=lambda x: np.rint(x) if x.dtype.kind == "f" else x,
                     refuses={"b": "round_vml_cpu", "c": "round_vml_cpu"})
frac = export_unary(pointwise("frac", lambda w, x: w.sub(x, w.trunc(x)), {"x": lambda g: g},
                              numpy=lambda x: x - np.trunc(x),
                              refuses=dict.fromkeys("bic", "frac_cpu")))


@export("torch", "Tensor", inplace=True, out=True)
def round(input, *, decimals=0):  # noqa: A001, A002
    """The nearest integer, halves to even; with `decimals`, the nearest such decimal."""
    if not decimals:
        return round_op.call(input)
    if input.dtype.category < 2:
        raise RuntimeError(f'"round_cpu" not implemented for \'{input.dtype.name}\'')
    scale = 10.0 ** abs(decimals)
    return round_op.call(input * scale) / scale if decimals > 0 else \
        round_op.call(input / scale) * scale


def _sign_kernel(x):
    if x.dtype.kind == "b":
        return x
    return np.where(np.isnan(x), x.dtype.type(0), np.sign(x)) if x.dtype.kind == "f" else np.sign(x)


sign_op = pointwise("sign", lambda w, x: w.sign(x), {"x": _zero}, numpy=_sign_kernel, refuses={
    "c": (NotImplementedError, "Unlike NumPy, torch.sign is not intended to support complex "
                               "numbers. Please use torch.sgn instead.")})
sign = export_unary(sign_op)


def _sgn_kernel(x):
    if x.dtype.kind != "c":
        return _sign_kernel(x)
    size = np.abs(x)
    return np.where(size == 0, 0, x / np.where(size == 0, 1, size))


def _sgn_backward(g, x, out):
    if not x.is_complex():
        return _zero(g)
    size = x.abs()
    safe = (size == 0).logical_not()
    inner = (g / size - out * (out * g.conj() / size).real)
    import rushlight
    return rushlight.where(safe, inner, 0)


def _sgn_gradient(g, x, out):
    if not x.is_complex():
        return _zero(g)
    import rushlight
    size = x.abs()
    projected = (g - (out * (g.conj() * out).real)) / size
    return rushlight.where(size == 0, 0, projected)


sgn = export_unary(pointwise("sgn", lambda w, x: w.sign(x), {"x": _sgn_gradient},
                             numpy=_sgn_kernel, bound=4))  # z / |z|: two roundings each part


def _classify(name, body, numpy, aliases=(), **facts):
    op = pointwise(name, body, promotion="same", out_dtype=dt.bool_, numpy=numpy, **facts)
    return export_unary(op, inplace=False, aliases=aliases)


isnan = _classify("isnan", lambda w, x: w.isnan(x), lambda x: x != x)
isfinite = _classify("isfinite", lambda w, x: w.isfinite(x), np.isfinite)
isinf = _classify("isinf", lambda w, x: w.isinf(x), np.isinf)
isposinf = _classify("isposinf", lambda w, x: w.eq(x, math.inf), lambda x: x == np.inf,
                     refuses={"c": (RuntimeError, "isposinf does not support complex inputs.")})
isneginf = _classify("isneginf", lambda w, x: w.eq(x, -math.inf), lambda x: x == -np.inf,
                     refuses={"c": (RuntimeError, "isneginf does not support complex inputs.")})
signbit = _classify("signbit", lambda w, x: w.signbit(x),
                    lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0,
                    refuses={"c": (NotImplementedError,
                                   "signbit is not implemented for complex tensors.")})
isreal = _classify("isreal", lambda w, x: w.eq(w.imag(x), 0), lambda x: np.isreal(x))
logical_not_op = pointwise("logical_not", lambda w, x: w.logical_not(x), out_dtype=dt.bool_,
                           numpy=lambda x: x == 0)
logical_not = export_unary(logical_not_op)


bitwise_not_op = pointwise("bitwise_not", lambda w, x: w.bit_not(x), numpy=np.invert,
                           refuses=dict.fromkeys("fc", "bitwise_not_cpu"))
bitwise_not = export_unary(bitwise_not_op)


@export("torch", "Tensor")
def positive(input):  # noqa: A002
    """The tensor itself. RuntimeError for bool."""
    if input.dtype is dt.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@export("torch", "Tensor", name="conj")
def conj(input):  # noqa: A002
    """The complex conjugate (a real tensor as it is)."""
    from .unary import conj_op
    return conj_op.call(input) if input.is_complex() else input


@export("torch", "Tensor", inplace=True, out=True)
def conj_physical(input):  # noqa: A002
    """The complex conjugate, computed."""
    from .unary import conj_op
    return conj_op.call(input) if input.is_complex() else input


@export("torch", "Tensor")
def resolve_conj(input):  # noqa: A002
    """The tensor itself: conjugation is never a flag here."""
    return input


@export("torch", "Tensor")
def resolve_neg(input):  # noqa: A002
    """The tensor itself: negation is never a flag here."""
    return input


def _angle_backward(g, x):
    import rushlight
    if not x.is_complex():
        return _zero(g)
    size = x.real * x.real + x.imag * x.imag
    safe = rushlight.where(size == 0, 1, size)
    inner = rushlight.complex(-x.imag / safe, x.real / safe)
    return rushlight.where(size == 0, 0, g * inner)


def _angle_types(x):
    if x.dtype.category < 2:
        return dt.get_default_dtype(), dt.get_default_dtype()
    return x.dtype, x.dtype.to_real()


angle = export_unary(pointwise(
    "angle", lambda w, x: w.atan2(w.imag(x), w.real(x)), {"x": _angle_backward},
    promotion=_angle_types,
    numpy=lambda x: np.where(np.isnan(x), x, np.where(x < 0, np.pi, 0)) if x.dtype.kind == "f"
    else np.angle(x)), inplace=False)


def _scaled(name, factor):
    op = pointwise(name, lambda w, x: w.mul(x, factor), {"x": lambda g: g * factor},
                   promotion="float")
    op.rule = _not_complex(name)
    return export_unary(op)


deg2rad = _scaled("deg2rad", math.pi / 180)
rad2deg = _scaled("rad2deg", 180 / math.pi)


def _sinc_kernel(x):
    return np.sinc(x) if x.dtype.kind != "c" else np.where(
        x == 0, 1, np.sin(np.pi * x) / np.where(x == 0, 1, np.pi * x))


def _sinc_backward(g, x):
    import rushlight
    at_zero = x == 0
    px = x * math.pi
    slope = (px * px.cos() - px.sin()) / rushlight.where(at_zero, 1, px * x)
    return g * _conj(rushlight.where(at_zero, 0, slope))


sinc = _floats("sinc", lambda w, x: w.select(w.eq(x, 0), 1, w.div(w.sin(w.mul(math.pi, x)),
                                                                 w.mul(math.pi, x))),
               {"x": _sinc_backward}, _sinc_kernel)


def _logit_kernel(x):
    return np.log(x / (1 - x))


logit_op = pointwise("logit", lambda w, x: w.log(w.div(x, w.sub(1, x))),
                     {"x": lambda g, x: g / (x * (1 - x))}, promotion="float",
                     numpy=_logit_kernel, domain=(0, 1), refuses={"c": "logit_cpu"})


@export("torch", "Tensor", "special", inplace=True, out=True)
def logit(input, eps=None):  # noqa: A002
    """``log(x / (1 - x))``; with `eps`, x is clamped to [eps, 1 - eps] first."""
    if eps is None:
        return logit_op.call(input)
    if input.dtype.category < 2:
        input = input.to(dt.get_default_dtype())  # noqa: A001
    return logit_op.call(input.clamp(eps, 1 - eps))


def _nan_to_num_kernel(x, nan, posinf, neginf):
    if x.dtype.kind not in "fc":
        return x
    limits = np.finfo(x.dtype)
    return np.nan_to_num(x, nan=nan, posinf=limits.max if posinf is None else posinf,
                         neginf=limits.min if neginf is None else neginf)


@export("torch", "Tensor", inplace=True, out=True)
def nan_to_num(input, nan=None, posinf=None, neginf=None):  # noqa: A002
    """NaN, +inf and -inf replaced (by 0 and the dtype's largest and smallest numbers)."""
    import rushlight
    if input.dtype.category < 2:
        return input.clone()
    if input.is_complex():
        return rushlight.complex(nan_to_num(input.real, nan, posinf, neginf),
                                 nan_to_num(input.imag, nan, posinf, neginf))
    limits = dt.finfo(input.dtype)
    found = rushlight.where(input != input, 0.0 if nan is None else nan, input)
    found = rushlight.where(input == math.inf, limits.max if posinf is None else posinf, found)
    return rushlight.where(input == -math.inf, limits.min if neginf is None else neginf, found)
