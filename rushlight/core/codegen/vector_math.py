"""Transcendental functions as vector instructions: polynomials and bits, no calls, no tables.

Each function takes (builder, target, element type, operands...) and returns an IR value of the
operand's type. `FUNCTIONS` names what exists.
"""

from __future__ import annotations

from .llvm_types import lanes_of, vector


def polynomial(b, x, coefficients):
    """Horner's scheme, the highest power first."""
    found = b.constant(x.type, coefficients[0])
    for c in coefficients[1:]:
        found = b.fma(found, x, c)
    return found


def exp(b, target, kind, x):
    """e**x for float: 2**n * e**r with |r| <= log(2)/2, Taylor's polynomial of degree 7.

    Within 1 unit in the last place; results below the normal numbers are rounded twice.
    """
    if kind != "float":
        return exp_double(b, target, kind, x)
    lanes = lanes_of(x.type)
    clamped = b.select(x > 89.0, b.constant(x.type, 89.0), x)
    clamped = b.select(x < -104.0, b.constant(x.type, -104.0), clamped)
    n = b.intrinsic("roundeven", x.type, clamped * 1.4426950408889634)
    r = b.fma(n, -0.693145751953125, clamped)
    r = b.fma(n, -1.428606765330187045e-06, r)
    p = polynomial(b, r, (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0))
    return scale(b, p, n, lanes, x)


def scale(b, p, n, lanes, x):
    """p * 2**n in two steps, so that neither factor leaves the normal numbers."""
    integer = b.cast(n, vector("i32", lanes))
    half = integer >> 1
    rest = integer - half
    first = b.bitcast((half + 127) << 23, p.type)
    second = b.bitcast((rest + 127) << 23, p.type)
    found = p * first * second
    return b.select(b.unordered(x, x), x, found)


def exp_double(b, target, kind, x):
    """e**x for double, the same with a polynomial of degree 13."""
    lanes = lanes_of(x.type)
    clamped = b.select(x > 710.0, b.constant(x.type, 710.0), x)
    clamped = b.select(x < -746.0, b.constant(x.type, -746.0), clamped)
    n = b.intrinsic("roundeven", x.type, clamped * 1.4426950408889634)
    r = b.fma(n, -0.6931471803691238, clamped)
    r = b.fma(n, -1.9082149292705877e-10, r)
    coefficients = [1.0]
    for i in range(1, 14):
        coefficients.append(coefficients[-1] / i)
    p = polynomial(b, r, coefficients[::-1])
    integer = b.cast(n, vector("i64", lanes))
    half = integer >> 1
    rest = integer - half
    found = p * b.bitcast((half + 1023) << 52, p.type) * b.bitcast((rest + 1023) << 52, p.type)
    return b.select(b.unordered(x, x), x, found)


FUNCTIONS = {"exp": exp}
