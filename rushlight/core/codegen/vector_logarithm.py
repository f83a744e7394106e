"""Logarithms and what is made of them: log, log2, log10, log1p, asinh, acosh, atanh, pow, hypot.

x = 2**k * (1 + f) with 1 + f between sqrt(1/2) and sqrt(2). With s = f / (2 + f), log(1 + f) is
log((1 + s) / (1 - s)) = 2s + 2/3 s**3 + ..., and f - 2s = s f.
"""

from __future__ import annotations

import math
from fractions import Fraction

from .llvm_types import lanes_of, vector
from .vector_exponential import exp_of_small, reduced
from .vector_parts import (
    FORMATS,
    any_lane,
    clamp,
    either,
    integers,
    magnitude,
    named,
    root,
    scale,
    through_double,
    with_sign,
)

ROOT_HALF = {"float": 0x3F3504F3, "double": 0x3FE6A09E667F3BCD}
# 1/log(2) and 1/log(10) and log10(2) in two parts (mpmath; 1/log(10) = log10(e)).
LOG2_E = (1.4426950408889634, 2.0355273740931033e-17)
LOG10_E = (0.4342944819032518, 1.098319650216765e-17)
LOG10_2 = (0.30102999566361177, 3.694239077158931e-13)     # the first part has 40 bits


def split(b, kind, x):
    """(k, f): x = 2**k * (1 + f) for 0 < x < inf, subnormal numbers too; k is a float."""
    form = FORMATS[kind]
    small = x < form.smallest
    lift = form.mantissa + 1
    x = b.select(small, x * 2.0 ** lift, x)
    bits = b.bitcast(x, integers(kind, x))
    k = (bits - ROOT_HALF[kind]) >> form.mantissa
    f = b.bitcast(bits - (k << form.mantissa), x.type) - 1.0
    k = b.cast(k, x.type)
    return b.select(small, k - float(lift), k), f


def parts_of_log(b, kind, f):
    """(h, rest): log(1 + f) = f - (h - rest), with h = f*f/2."""
    h = f * f * 0.5
    if kind == "float":
        return h, named(b, "LOG_SMALL", kind, f) * (f * f) * f
    s = f / (f + 2.0)
    z = s * s
    return h, s * b.fma(named(b, "LOG", kind, z), z, h)


def edges(b, x, found):
    """A logarithm's values at and below zero, at inf and NaN."""
    kind = x.type
    bad = b.select(x.equals(0.0), b.constant(kind, -math.inf), b.constant(kind, math.nan))
    found = b.select(x > 0.0, found, bad)
    return b.select(x.equals(math.inf), x, found)


def log_of_split(b, kind, k, f, low=None):
    """k log(2) + log(1 + f) + low."""
    form = FORMATS[kind]
    h, rest = parts_of_log(b, kind, f)
    if low is not None:
        rest = rest + low
    rest = b.fma(k, form.log2_low, rest)
    return b.fma(k, form.log2_high, f - (h - rest))


def log(b, target, kind, x):
    """The natural logarithm."""
    return edges(b, x, log_of_split(b, kind, *split(b, kind, x)))


def log1p(b, target, kind, x):
    """log(1 + x): the part of x that is lost in u = 1 + x comes back as that / u."""
    u = x + 1.0
    back = u - 1.0
    lost = (1.0 - (u - back)) + (x - back)
    k, f = split(b, kind, u)
    found = log_of_split(b, kind, k, f, lost / u)
    found = with_sign(b, edges(b, u, found), x)
    return b.select(b.unordered(x, x), x, found)


def _two_products(b, k, f, base, power):
    """k * power + log(1 + f) * base, base and power in two parts, to more than double's bits."""
    h, rest = parts_of_log(b, "double", f)
    high = f - h
    low = ((f - high) - h) + rest
    product = high * base[0]
    error = b.fma(high, base[0], -product)
    error = b.fma(high, base[1], b.fma(low, base[0], error))
    first = k * power[0]
    error = b.fma(k, power[1], error) if power[1] else error
    total = first + product
    back = total - first
    error = error + ((first - (total - back)) + (product - back))
    return total + error


@through_double
def log2(b, target, kind, x):
    """The logarithm to base 2."""
    k, f = split(b, kind, x)
    return edges(b, x, _two_products(b, k, f, LOG2_E, (1.0, 0.0)))


@through_double
def log10(b, target, kind, x):
    """The logarithm to base 10."""
    k, f = split(b, kind, x)
    return edges(b, x, _two_products(b, k, f, LOG10_E, LOG10_2))


@through_double
def asinh(b, target, kind, x):
    """log(x + sqrt(x*x + 1)), for large x log(2x)."""
    size = magnitude(b, x)
    large = size > 1e9
    near = b.select(large, b.constant(x.type, 1.0), size)
    square = near * near
    inner = near + square / (root(b, square + 1.0) + 1.0)
    found = b.select(large, log(b, target, kind, size) + math.log(2),
                     log1p(b, target, kind, inner))
    return with_sign(b, found, x)


@through_double
def acosh(b, target, kind, x):
    """log(x + sqrt(x*x - 1)), for large x log(2x); NaN below one."""
    large = x > 1e9
    t = b.select(large, b.constant(x.type, 1.0), x - 1.0)
    near = log1p(b, target, kind, t + root(b, t * (t + 2.0)))
    found = b.select(large, log(b, target, kind, x) + math.log(2), near)
    return b.select(x < 1.0, b.constant(x.type, math.nan), found)


@through_double
def atanh(b, target, kind, x):
    """log((1 + x) / (1 - x)) / 2."""
    size = magnitude(b, x)
    twice = size + size
    return with_sign(b, log1p(b, target, kind, twice / (1.0 - size)) * 0.5, x)


@through_double
def hypot(b, target, kind, x, y):
    """sqrt(x*x + y*y) without overflow; inf beside NaN is inf."""
    x, y = magnitude(b, x), magnitude(b, y)
    large = b.select(x > y, x, y)
    # A power of two near the larger one: the squares then neither overflow nor vanish.
    exponent = b.bitcast(large, integers(kind, x)) & (0x7FF << 52)
    exponent = b.bitcast(b.maximum(exponent, 1 << 52), x.type)
    exponent = b.select(exponent > 2.0 ** 1000, b.constant(x.type, 2.0 ** 1000), exponent)
    inverse = 1.0 / exponent
    x_scaled, y_scaled = x * inverse, y * inverse
    square = x_scaled * x_scaled
    lost = b.fma(x_scaled, x_scaled, -square)
    total = b.fma(y_scaled, y_scaled, square) + lost
    found = root(b, total) * exponent
    found = b.select(b.unordered(x, y), x + y, found)
    infinite = either(b, x.equals(math.inf), y.equals(math.inf))
    return b.select(infinite, b.constant(x.type, math.inf), found)


THIRDS = (2 / 3, float(Fraction(2, 3) - Fraction(2 / 3)))


def _log_in_two_parts(b, k, f):
    """log(2**k * (1 + f)) as a sum of two doubles, to about 2**-65 of its size."""
    form = FORMATS["double"]
    d = f + 2.0
    s = f / d
    lost = f - (d - 2.0)
    s_low = (b.fma(-s, d, f) - s * lost) / d
    z = s * s
    z_low = b.fma(s, s, -z) + (s + s) * s_low
    cube = z * s
    cube_low = b.fma(z, s, -cube) + z_low * s + z * s_low
    v = cube * THIRDS[0]
    v_low = b.fma(cube, THIRDS[0], -v) + cube_low * THIRDS[0] + cube * THIRDS[1]
    tail = named(b, "LOG_MORE", "double", z) * z * cube
    twice = s + s
    high = twice + v
    low = ((twice - high) + v) + (s_low + s_low) + v_low + tail
    first = k * form.log2_high
    total = first + high
    back = total - first
    low = low + ((first - (total - back)) + (high - back))
    return total, b.fma(k, form.log2_low, low)


def pow(b, target, kind, x, y):  # noqa: A001
    """x**y as C defines it, the special cases included; squares and cubes by multiplication."""
    square = x * x
    slot = b.variable(b.select(y.equals(3.0), square * x, square))
    other = y.differs(2.0) & y.differs(3.0)
    with b.when(any_lane(b, other)):
        general = _general_pow(b, target, kind, x, y)
        slot.set(b.select(other, general, slot.get()))
    return slot.get()


def _general_pow(b, target, kind, x, y):
    if kind == "float":
        # The logarithm's 53 bits are enough for float's result.
        wide = vector("double", lanes_of(x.type))
        found = _pow(b, target, b.cast(x, wide), b.cast(y, wide), False)
        return b.cast(found, x.type)
    return _pow(b, target, x, y, True)


def _pow(b, target, x, y, precise):
    kind = "double"
    size = magnitude(b, x)
    k, f = split(b, kind, size)
    t_low = None
    if precise:
        high, low = _log_in_two_parts(b, k, f)
        t = y * high
        t_low = b.fma(y, low, b.fma(y, high, -t))
    else:
        t = y * log_of_split(b, kind, k, f)
    limited = clamp(b, t, -746.0, 710.0)
    r, n, bits = reduced(b, kind, limited)
    if t_low is not None:
        r = b.select(limited.equals(t), r + t_low, r)
    found = scale(b, target, kind, exp_of_small(b, kind, r), n, bits)
    zero, infinite = size.equals(0.0), size.equals(math.inf)
    nothing, endless = b.constant(x.type, 0.0), b.constant(x.type, math.inf)
    positive = y > 0.0
    found = b.select(zero, b.select(positive, nothing, endless), found)
    found = b.select(infinite, b.select(positive, endless, nothing), found)
    whole = b.intrinsic("trunc", x.type, y).equals(y)
    half = y * 0.5
    odd = whole & b.intrinsic("trunc", x.type, half).differs(half) & (magnitude(b, y) < 2.0 ** 53)
    found = b.select(odd, with_sign(b, found, x), found)
    finite = x > -math.inf
    wrong = (x < 0.0) & finite & (whole ^ b.constant(whole.type, True))
    found = b.select(wrong, b.constant(x.type, math.nan), found)
    found = b.select(b.unordered(x, y), x + y, found)
    # One to any power, and -1 to an infinite one.
    flat = either(b, y.equals(0.0), x.equals(1.0),
                  size.equals(1.0) & magnitude(b, y).equals(math.inf))
    return b.select(flat, b.constant(x.type, 1.0), found)


FUNCTIONS = {"log": log, "log2": log2, "log10": log10, "log1p": log1p, "asinh": asinh,
             "acosh": acosh, "atanh": atanh, "hypot": hypot, "pow": pow}
