"""Exponentials: exp, exp2, expm1, and the hyperbolic functions that are made of them.

e**x = 2**n * e**r with n the integer nearest to x / log(2), so |r| <= log(2)/2.
"""

from __future__ import annotations

import math

from .vector_parts import (
    FORMATS,
    clamp,
    magnitude,
    named,
    nearest,
    power_of_two,
    scale,
    with_sign,
)

LARGEST = {"float": 89.5, "double": 710.5}         # above, e**x / 2 is inf
SMALLEST = {"float": -104.0, "double": -746.0}     # below, e**x is 0
FLAT = {"float": -18.0, "double": -40.0}           # below, e**x - 1 is -1


def reduced(b, kind, x):
    """(r, n, bits): x = n log(2) + r; see `nearest`."""
    form = FORMATS[kind]
    n, bits = nearest(b, kind, x, 1 / math.log(2))
    r = b.fma(n, -form.log2_high, x)
    return b.fma(n, -form.log2_low, r), n, bits


def exp_of_small(b, kind, r):
    """e**r for |r| <= log(2)/2."""
    return b.fma(b.fma(named(b, "EXP", kind, r), r, 1.0), r, 1.0)


def expm1_of_small(b, kind, r):
    """e**r - 1 for |r| <= log(2)/2."""
    return b.fma(named(b, "EXP", kind, r) * r, r, r)


def exp(b, target, kind, x):
    """e**x. What is 0 is chosen: computing it from -inf takes some CPUs hundreds of cycles."""
    zero = x < SMALLEST[kind]
    x = b.select(x > LARGEST[kind], b.constant(x.type, LARGEST[kind]), x)
    r, n, bits = reduced(b, kind, b.select(zero, b.constant(x.type, 0.0), x))
    found = scale(b, target, kind, exp_of_small(b, kind, r), n, bits)
    return b.select(zero, b.constant(x.type, 0.0), found)


def exp2(b, target, kind, x):
    """2**x."""
    limit = {"float": (-151.0, 129.0), "double": (-1076.0, 1025.0)}[kind]
    x = clamp(b, x, *limit)
    n, bits = nearest(b, kind, x)
    r = x - n
    return scale(b, target, kind, b.fma(named(b, "EXP2", kind, r), r, 1.0), n, bits)


def quarter_expm1(b, kind, x):
    """((e**x - 1) / 4, e**r - 1, n): a quarter, so that it does not overflow before e**x / 2."""
    r, n, bits = reduced(b, kind, clamp(b, x, FLAT[kind], LARGEST[kind]))
    small = expm1_of_small(b, kind, r)
    quarter = power_of_two(b, kind, bits, -2)
    return b.fma(quarter, small, quarter - 0.25), small, n


def expm1(b, target, kind, x):
    """e**x - 1, exact near zero."""
    quarter, small, n = quarter_expm1(b, kind, x)
    # Where n = 0 dividing would lose the last bits of a subnormal number.
    return with_sign(b, b.select(n.equals(0.0), small, quarter * 4.0), x)


def sinh(b, target, kind, x):
    """(e**x - e**-x) / 2 = E + E / (2E + 1) with E = (e**|x| - 1) / 2."""
    size = magnitude(b, x)
    quarter, small, n = quarter_expm1(b, kind, size)
    half = quarter + quarter
    twice = half + half
    part = half / (twice + 1.0)
    # Near zero 2E - 2E E / (2E + 1), in which the division's rounding counts for little.
    found = b.select(half < 0.5, b.fma(-twice, part, twice), half + part)
    found = b.select(half > 1e19, half, found)
    tiny = {"float": 2e-4, "double": 1e-8}[kind]
    return with_sign(b, b.select(size < tiny, size, found), x)


def cosh(b, target, kind, x):
    """(e**x + e**-x) / 2."""
    r, n, bits = reduced(b, kind, clamp(b, magnitude(b, x), 0.0, LARGEST[kind]))
    half = scale(b, target, kind, exp_of_small(b, kind, r), n, bits, -1)
    return half + 0.25 / half


def tanh(b, target, kind, x):
    """(e**2x - 1) / (e**2x + 1) = E / (E + 1) with E = (e**2|x| - 1) / 2."""
    size = magnitude(b, x)
    limit = {"float": 10.0, "double": 20.0}[kind]
    limited = b.select(size > limit, b.constant(x.type, limit), size)
    quarter, small, n = quarter_expm1(b, kind, limited + limited)
    half = b.select(n.equals(0.0), small * 0.5, quarter + quarter)
    found = half / (half + 1.0)
    # The same near zero, where the division's rounding then counts for little.
    found = b.select(half < 0.7, b.fma(-half, found, half), found)
    return with_sign(b, found, x)


FUNCTIONS = {"exp": exp, "exp2": exp2, "expm1": expm1, "sinh": sinh, "cosh": cosh, "tanh": tanh}
