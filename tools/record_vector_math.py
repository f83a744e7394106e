"""Record exact values of the transcendental functions for `tests/codegen/test_vector_math.py`.

Each value is a pair of doubles (the nearest, and what it lacks). Needs mpmath.

    python tools/record_vector_math.py > tests/codegen/vector_math_samples.json
"""

from __future__ import annotations

import json
import random
import sys

from mpmath import mp, mpf

mp.prec = 400
FUNCTIONS = {
    "exp": mp.exp, "exp2": lambda x: mpf(2) ** x, "expm1": mp.expm1, "sinh": mp.sinh,
    "cosh": mp.cosh, "tanh": mp.tanh, "log": mp.log, "log2": lambda x: mp.log(x) / mp.log(2),
    "log10": mp.log10, "log1p": mp.log1p, "asinh": mp.asinh, "acosh": mp.acosh,
    "atanh": mp.atanh, "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "asin": mp.asin,
    "acos": mp.acos, "atan": mp.atan, "erf": mp.erf, "erfc": mp.erfc, "erfinv": mp.erfinv,
    "lgamma": lambda x: mp.log(abs(mp.gamma(x))), "digamma": mp.digamma,
    "pow": lambda x, y: x ** y, "hypot": mp.hypot, "atan2": mp.atan2,
}
POSITIVE = {"log", "log2", "log10", "lgamma", "digamma"}
UNIT = {"asin", "acos", "atanh", "erfinv"}
NARROW = {"exp": 700, "exp2": 1000, "expm1": 700, "sinh": 700, "cosh": 700, "tanh": 18, "erf": 5,
          "erfc": 26}
EVERYWHERE = {"sin", "cos", "tan", "atan", "asinh"}


def arguments(name, draw):
    """Where one function is tried."""
    found = []
    for _ in range(30):
        size = 2.0 ** draw.uniform(-6, 3)
        near_one = 1 + draw.gauss(0, 0.02)
        sign = draw.choice((-1, 1))
        if name in UNIT:
            found += [draw.uniform(-1, 1), sign * (1 - 2.0 ** draw.uniform(-50, -3)),
                      sign * 2.0 ** draw.uniform(-30, -1)]
        elif name in POSITIVE:
            top = 100 if name in ("lgamma", "digamma") else 1020
            found += [size, near_one, 2.0 ** draw.uniform(-min(top, 900), top)]
        elif name == "acosh":
            found += [1 + size, 1 + abs(near_one - 1), 2.0 ** draw.uniform(0, 1000)]
        elif name == "log1p":
            found += [size, -2.0 ** draw.uniform(-40, -0.01), sign * 2.0 ** draw.uniform(-30, -1)]
        else:
            wide = draw.uniform(-1, 1) * NARROW.get(name, 100)
            found += [sign * size, sign * 2.0 ** draw.uniform(-30, 0), wide]
            if name in EVERYWHERE:
                found.append(sign * 2.0 ** draw.uniform(20, 1000))
    return [(x,) for x in found]


def pairs(name, draw):
    """Where one function of two operands is tried."""
    found = []
    for _ in range(40):
        if name == "pow":
            found += [(2.0 ** draw.uniform(-8, 8), draw.uniform(-100, 100)),
                      (1 + draw.gauss(0, 1e-3), draw.uniform(-1e5, 1e5)),
                      (-draw.uniform(0.1, 9), float(draw.randint(-30, 30)))]
        else:
            found += [(draw.gauss(0, 1), draw.gauss(0, 1)),
                      (draw.gauss(0, 1) * 2.0 ** draw.uniform(-900, 900),
                       draw.gauss(0, 1) * 2.0 ** draw.uniform(-900, 900))]
    return found


def main():
    """Print the samples as JSON: name -> [operands..., value, rest]."""
    draw = random.Random(7)
    lines = []
    for name, function in FUNCTIONS.items():
        rows = []
        for operands in (pairs if name in ("pow", "hypot", "atan2") else arguments)(name, draw):
            value = function(*map(mpf, operands))
            value = getattr(value, "real", value)
            nearest = float(value)
            if nearest in (float("inf"), float("-inf")) or abs(nearest) < 1e-290:
                continue
            rows.append([x.hex() for x in (*operands, nearest, float(value - mpf(nearest)))])
        lines.append(f'"{name}": {json.dumps(rows, separators=(",", ":"))}')
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
