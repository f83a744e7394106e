"""Elementwise functions of one operand."""

from __future__ import annotations

import numpy as np

from .arithmetic import _conj
from .record import export_unary, pointwise

_NO_BOOL_NEGATION = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a "
    "mask, use the `~` or `logical_not()` operator instead.")
neg = export_unary(pointwise("neg", lambda w, x: w.neg(x), {"x": lambda g: -g}, numpy=np.negative,
                             refuses={"b": (RuntimeError, _NO_BOOL_NEGATION)}),
                   aliases=("negative",))
exp = export_unary(pointwise("exp", lambda w, x: w.exp(x), {"x": lambda g, out: g * _conj(out)},
                             promotion="float", numpy=np.exp))
log = export_unary(pointwise("log", lambda w, x: w.log(x), {"x": lambda g, x: g / _conj(x)},
                             promotion="float", numpy=np.log, domain=(0, None)))
sqrt = export_unary(pointwise("sqrt", lambda w, x: w.sqrt(x),
                              {"x": lambda g, out: g / (2 * _conj(out))},
                              promotion="float", numpy=np.sqrt, domain=(0, None)))
relu = export_unary(pointwise("relu", lambda w, x: w.maximum(x, 0),
                              {"x": lambda g, out: g * (out > 0)}, kinks=(0,),
                              refuses={"b": (RuntimeError, "Boolean inputs not supported for relu"),
                                       "c": (NotImplementedError,
                                             "clamp is not supported for complex types")}),
                    "torch", "Tensor")


def _sigmoid(x):
    # 1 / (1 + exp(-x)) overflows to the right limit in both directions.
    return 1 / (1 + np.exp(-x))


sigmoid = export_unary(pointwise(
    "sigmoid", lambda w, x: w.div(1, w.add(1, w.exp(w.neg(x)))),
    {"x": lambda g, out: g * _conj(out * (1 - out))}, promotion="float", numpy=_sigmoid),
    aliases=())
tanh = export_unary(pointwise("tanh", lambda w, x: w.tanh(x),
                              {"x": lambda g, out: g * _conj(1 - out * out)},
                              promotion="float", numpy=np.tanh))
conj_op = pointwise("conj", lambda w, x: w.conj(x), {"x": lambda g: _conj(g)},
                    numpy=lambda x: np.conjugate(x) if x.dtype.kind == "c" else x)
abs_op = export_unary(pointwise("abs", lambda w, x: w.abs(x), {"x": lambda g, x: g * x.sgn()},
                                promotion="real", numpy=np.abs, kinks=(0,),
                                refuses={"b": "abs_cpu"}),
                      aliases=("absolute",))
