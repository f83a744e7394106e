"""Addition, subtraction, multiplication, division: two operands, PyTorch's promotion."""

from __future__ import annotations

import numpy as np

from ..base import dtypes as dt
from .record import export, pointwise

TWO = "x y"

add_op = pointwise("add", lambda w, x, y: w.add(x, y), {"x": lambda g: g, "y": lambda g: g},
                   inputs=TWO, numpy=np.add)
add_scaled = pointwise(
    "add_scaled", lambda w, x, y, alpha: w.fma(alpha, y, x),
    {"x": lambda g: g, "y": lambda g, alpha: g * _conj(alpha)},
    inputs="x y alpha", node_name="AddBackward0")


def _no_bool_subtraction(x, y):
    if all(o is bool or getattr(o, "dtype", None) is dt.bool_ for o in (x, y)):
        raise RuntimeError("Subtraction, the `-` operator, with two bool tensors is not "
                           "supported. Use the `^` or `logical_xor()` operator instead.")
    if any(o is bool or getattr(o, "dtype", None) is dt.bool_ for o in (x, y)):
        raise RuntimeError("Subtraction, the `-` operator, with a bool tensor is not supported. "
                           "If you are trying to invert a mask, use the `~` or `logical_not()` "
                           "operator instead.")


sub_op = pointwise("sub", lambda w, x, y: w.sub(x, y), {"x": lambda g: g, "y": lambda g: -g},
                   inputs=TWO, numpy=np.subtract)
sub_op.rule = _no_bool_subtraction
sub_scaled = pointwise(
    "sub_scaled", lambda w, x, y, alpha: w.sub(x, w.mul(alpha, y)),
    {"x": lambda g: g, "y": lambda g, alpha: -(g * _conj(alpha))},
    inputs="x y alpha", node_name="SubBackward0")
rsub_op = pointwise("rsub", lambda w, x, y: w.sub(y, x), {"x": lambda g: -g, "y": lambda g: g},
                    inputs=TWO, node_name="RsubBackward1")
rsub_op.rule = _no_bool_subtraction
mul_op = pointwise(
    "mul", lambda w, x, y: w.mul(x, y),
    {"x": lambda g, y: g * _conj(y), "y": lambda g, x: g * _conj(x)},
    inputs=TWO, numpy=np.multiply)
div_op = pointwise(
    "div", lambda w, x, y: w.div(x, y),
    {"x": lambda g, y: g / _conj(y), "y": lambda g, y, out: -g * _conj(out / y)},
    inputs=TWO, numpy=np.true_divide, promotion="float")


def _conj(x):
    """The conjugate of a complex operand; a real one as it is."""
    if isinstance(x, (bool, int, float)):
        return x
    if isinstance(x, complex):
        return x.conjugate()
    return x.conj() if x.is_complex() else x


def _check_alpha(input, other, alpha):  # noqa: A002
    if isinstance(alpha, float) and not any(
            isinstance(t, (float, complex)) or (hasattr(t, "dtype") and t.dtype.category >= 2)
            for t in (input, other)):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating "
                           "point number.")
    if isinstance(alpha, bool) and not (hasattr(input, "dtype") and input.dtype is dt.bool_):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")


@export("torch", "Tensor", inplace=True, out=True)
def add(input, other, *, alpha=1):  # noqa: A002
    """``input + alpha * other``, elementwise with broadcasting."""
    if type(alpha) is int and alpha == 1:
        return add_op.call(input, other)
    _check_alpha(input, other, alpha)
    return add_scaled(input, other, alpha)


@export("torch", "Tensor", inplace=True, out=True, aliases=("subtract",))
def sub(input, other, *, alpha=1):  # noqa: A002
    """``input - alpha * other``, elementwise with broadcasting."""
    if type(alpha) is int and alpha == 1:
        return sub_op.call(input, other)
    _no_bool_subtraction(*[o if hasattr(o, "dtype") else type(o) for o in (input, other)])
    _check_alpha(input, other, alpha)
    return sub_scaled(input, other, alpha)


@export("torch")
def rsub(input, other, *, alpha=1):  # noqa: A002
    """``other - alpha * input``."""
    if type(alpha) is int and alpha == 1:
        return rsub_op.call(input, other)
    return rsub_op.call(input * alpha, other)


@export("torch", "Tensor", inplace=True, out=True, aliases=("multiply",))
def mul(input, other):  # noqa: A002
    """``input * other``, elementwise with broadcasting."""
    return mul_op.call(input, other)


floor_divide_op = pointwise("div_floor", lambda w, x, y: w.floordiv(x, y),
                            {"x": lambda g: g * 0, "y": lambda g: g * 0}, inputs=TWO,
                            node_name="DivBackward1",
                            refuses={"b": "div_floor_cpu", "c": "div_floor_cpu"})


def _trunc_div(w, x, y):
    return w.trunc(w.div(x, y))


def _numpy_trunc_div(x, y):
    if np.result_type(x, y).kind in "iub":
        if np.any(np.asarray(y) == 0):
            raise RuntimeError("ZeroDivisionError")
        quotient = np.floor_divide(x, y)
        return quotient + ((np.remainder(x, y) != 0) & ((x < 0) != (y < 0)))
    return np.trunc(np.true_divide(x, y))


trunc_divide_op = pointwise("div_trunc", _trunc_div,
                            {"x": lambda g: g * 0, "y": lambda g: g * 0}, inputs=TWO,
                            numpy=_numpy_trunc_div, node_name="DivBackward1",
                            refuses={"b": "div_trunc_cpu", "c": "div_trunc_cpu"})


@export("torch", "Tensor", inplace=True, out=True, aliases=("divide",))
def div(input, other, *, rounding_mode=None):  # noqa: A002
    """``input / other``; rounding_mode "trunc" rounds towards zero, "floor" downwards."""
    if rounding_mode is None:
        return div_op.call(input, other)
    if rounding_mode == "floor":
        return floor_divide_op.call(input, other)
    if rounding_mode == "trunc":
        return trunc_divide_op.call(input, other)
    raise RuntimeError("div expected rounding_mode to be one of None, 'trunc', or 'floor' but "
                       f"found '{rounding_mode}'")


@export("torch", "Tensor", inplace=True, out=True)
def true_divide(input, other):  # noqa: A002
    """``input / other``."""
    return div_op.call(input, other)


@export("torch", "Tensor", inplace=True, out=True)
def floor_divide(input, other):  # noqa: A002
    """``input / other`` rounded downwards."""
    return floor_divide_op.call(input, other)
