"""The error function, its complement and its inverse.

erfc(x) = exp(-x*x) / (1 + 2x) * P((x - 2) / (x + 2)) for x >= 0, one polynomial for all x
(M. Shepherd and J. Laframboise, 1981). erfinv(x) = x * P(w) with w = -log(1 - x*x) (M. Giles,
2010). The coefficients are our own.
"""

from __future__ import annotations

import math

from .vector_exponential import exp_of_small, reduced
from .vector_logarithm import log
from .vector_parts import clamp, magnitude, named, root, scale, through_double, with_sign


def _small_erf(b, kind, x):
    """erf(x) for |x| <= 1."""
    return b.fma(named(b, "ERF", kind, x * x), x, x)


def erf(b, target, kind, x):
    """2/sqrt(pi) times the integral of exp(-t*t) from 0 to x."""
    size = magnitude(b, x)
    if kind == "float":
        t = b.select(size > 4.0, b.constant(x.type, 4.0), size)
        r, n, bits = reduced(b, kind, -named(b, "ERF_TAIL", kind, t))
        rest = scale(b, target, kind, exp_of_small(b, kind, r), n, bits)
    else:
        rest = _complement(b, target, b.select(size > 6.0, b.constant(x.type, 6.0), size))
    return b.select(size < 1.0, _small_erf(b, kind, x), with_sign(b, 1.0 - rest, x))


def _complement(b, target, x):
    """erfc(x) for 0.5 <= x <= 28, in double."""
    kind = "double"
    square = x * x
    lost = b.fma(x, x, -square)
    r, n, bits = reduced(b, kind, -square)
    p = exp_of_small(b, kind, r - lost)
    t = (x - 2.0) / (x + 2.0)
    # p * q / (1 + 2x), with what the three operations round away put back.
    q = named(b, "ERFC", kind, t)
    twice = x + x
    divisor = twice + 1.0
    inverse = 1.0 / divisor
    product = p * q
    ratio = product * inverse
    left = b.fma(p, q, -product) + b.fma(-ratio, divisor, product)
    left = b.fma(-ratio, 1.0 - (divisor - twice), left)
    ratio = b.fma(left, inverse, ratio)
    return scale(b, target, kind, ratio, n, bits)


@through_double
def erfc(b, target, kind, x):
    """1 - erf(x), exact where that is small."""
    size = magnitude(b, x)
    found = _complement(b, target, b.select(size > 28.0, b.constant(x.type, 28.0), size))
    found = b.select(x < 0.0, 2.0 - found, found)
    return b.select(size < 0.5, 1.0 - _small_erf(b, kind, x), found)


@through_double
def erfinv(b, target, kind, x):
    """The number whose error function is x; NaN beyond one."""
    w = -log(b, target, kind, (1.0 - x) * (1.0 + x))
    w = b.select(w.equals(0.0), b.constant(x.type, 0.0), w)
    s = root(b, w)
    middle = named(b, "ERFINV", kind, clamp(b, w, 0.0, 6.25) - 3.125)
    tail = named(b, "ERFINV_TAIL", kind, clamp(b, s, 2.4, 4.01) - 3.25)
    far = named(b, "ERFINV_FAR", kind, clamp(b, s, 3.99, 6.2) - 5.0)
    found = b.select(w < 6.25, middle, b.select(s < 4.0, tail, far)) * x
    edge = with_sign(b, b.constant(x.type, math.inf), x)
    return b.select(magnitude(b, x).equals(1.0), edge, found)


FUNCTIONS = {"erf": erf, "erfc": erfc, "erfinv": erfinv}
