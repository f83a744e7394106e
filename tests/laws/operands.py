"""Operands for every pointwise op, inside its domain and away from its kinks.

`operands(op, dtype, shape, rng)` gives NumPy arrays and Python numbers in the order of the op's
inputs. What an op needs beyond its record's facts is listed here by name.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.laws.tolerances import MARGIN

# Inputs that are Python numbers, by (op, input) or by input.
NUMBERS = {
    "alpha": 2, "slope": 0.25, "limit": 0.5, "low": -1, "high": 1, "negative": 1.5, "scale": 1.25,
    "inner": 0.75, "beta": 1.5, "momentum": 0.25, "value": 2,
    ("softplus", "limit"): 1.75,
}
# (low, high) of inputs whose domain is not the record's, by (op, input).
DOMAINS = {
    ("pow", "y"): (-2, 2), ("div", "y"): (0.5, 2), ("addcdiv", "z"): (0.5, 2),
    ("div_floor", "y"): (0.5, 2), ("div_trunc", "y"): (0.5, 2), ("remainder", "y"): (0.5, 2),
    ("fmod", "y"): (0.5, 2), ("xlogy", "y"): (0.25, 2), ("polar", "x"): (0.25, 2),
    ("lgamma", "x"): (0.25, 3), ("digamma", "x"): (0.25, 3), ("reciprocal", "x"): (0.25, 2),
    ("tan", "x"): (-1.25, 1.25), ("hypot", "x"): (0.25, 2), ("atan2", "x"): (0.25, 2),
    ("angle", "x"): (0.25, 2), ("sinc", "x"): (0.25, 2), ("copysign", "x"): (0.25, 2),
    ("bitwise_left_shift", "y"): (0, 5), ("bitwise_right_shift", "y"): (0, 5),
}
# The same where the operands are integers.
INTEGER_DOMAINS = {("pow", "y"): (0, 5)}
# Further points where an op is not smooth, or its pieces meet.
KINKS = {
    "threshold": (0.5,), "hardtanh": (-1, 1), "hardshrink": (-0.5, 0.5),
    "softshrink": (-0.5, 0.5), "clamp": (-1, 1), "frac": (-1, 0, 1), "softplus": (7 / 6,),
    "floor": (-1, 0, 1), "ceil": (-1, 0, 1), "trunc": (-1, 0, 1), "round": (-1.5, -.5, .5, 1.5),
    "sign": (0,), "sgn": (0,), "copysign": (0,), "rrelu_with_noise": (0,),
}
# Inputs of a dtype of their own.
KINDS = {("masked_fill", "mask"): "bool", ("where", "condition"): "bool"}


def _floating(low, high, kinks, shape, rng):
    low = -2 if low is None else low
    high = max(2, low + 2) if high is None else high
    x = rng.uniform(low + MARGIN, high - MARGIN, shape)
    for kink in kinks:
        near = np.abs(x - kink) < MARGIN
        x = np.where(near, kink + np.where(x < kink, -MARGIN, MARGIN) * 2, x)
    return x


def one_operand(op, name, dtype, shape, rng):
    """An array of `dtype` (a NumPy name) for the input `name`, or a Python number."""
    number = NUMBERS.get((op.name, name), NUMBERS.get(name))
    if number is not None:
        return number
    dtype = KINDS.get((op.name, name), dtype)
    low, high = DOMAINS.get((op.name, name), op.facts.get("domain", (None, None)))
    if dtype == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.startswith(("int", "uint")):
        low, high = INTEGER_DOMAINS.get((op.name, name), (low, high))
        least = {None: -9}.get(low, int(np.ceil(low or 0)))
        if low is not None and low > 0:
            least = max(least, 1)
        most = 9 if high is None else max(int(high), least)
        values = rng.integers(max(least, 0) if dtype[0] == "u" else least, most + 1, shape)
        return np.asarray(values).astype(dtype)
    kinks = (*op.facts.get("kinks", ()), *KINKS.get(op.name, ()))
    x = np.asarray(_floating(low, high, kinks, shape, rng))
    if dtype.startswith("complex"):
        x = x + 1j * _floating(low, high, (), shape, rng)
    return np.asarray(x).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def operands(op, dtype, shape, rng):
    """Operands for every input of a pointwise op."""
    return [one_operand(op, name, dtype, shape, rng) for name in op.inputs]
