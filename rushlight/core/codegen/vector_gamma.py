"""The logarithm of the gamma function and its derivative, in double.

Right of 8 (10 for digamma) Stirling's series; left of it the recurrence gamma(x + 1) = x gamma(x)
leads there, for lgamma down to [1, 2] and a polynomial; the negative side is reflected:
gamma(x) gamma(1 - x) = pi / sin(pi x). Series: Abramowitz and Stegun, 6.1.41 and 6.3.18.
"""

from __future__ import annotations

import math

from .vector_logarithm import log
from .vector_parts import magnitude, named, polynomial, through_double, with_sign
from .vector_trigonometry import cosine_of_small, sine_of_small

# B(2k) / (2k (2k - 1)) and B(2k) / 2k, of the Bernoulli numbers, the last first.
STIRLING = (-1 / 156, 691 / 360360, -1 / 1188, 1 / 1680, -1 / 1260, 1 / 360, -1 / 12)
HARMONIC = (-1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12)
LARGE = 8
FAR = 10


def half_turns(b, x):
    """(|sin pi x|, |cos pi x|, r): r = x - nearest integer."""
    r = x - b.intrinsic("roundeven", x.type, x)
    size = magnitude(b, r)
    swapped = size > 0.25
    angle = b.select(swapped, 0.5 - size, size) * math.pi
    sine = sine_of_small(b, "double", angle, None)
    cosine = cosine_of_small(b, "double", angle, None)
    return b.select(swapped, cosine, sine), b.select(swapped, sine, cosine), r


@through_double
def lgamma(b, target, kind, x):
    """log(|gamma(x)|); inf at the poles."""
    one = b.constant(x.type, 1.0)
    negative = x < 0.0
    y = b.select(negative, 1.0 - x, x)
    small, large = y < 1.0, y > float(LARGE)
    near, product = y, one
    for _ in range(LARGE - 2):
        above = near > 2.0
        lower = near - 1.0
        product = b.select(above, product * lower, product)
        near = b.select(above, lower, near)
    near = b.select(large, one, near)
    logarithm = log(b, target, kind, b.select(large | small, y, product))
    # Left of 1 of y + 1, which would not be exact.
    shift = b.select(small, one, b.constant(x.type, 0.0))
    first, second = near - (1.0 - shift), near - (2.0 - shift)
    found = named(b, "LGAMMA", kind, near - (1.5 - shift)) * (first * second)
    found = found + b.select(small, -logarithm, logarithm)
    inverse = 1.0 / y
    series = polynomial(b, inverse * inverse, STIRLING) * -inverse
    stirling = b.fma(y - 0.5, logarithm - 1.0, 0.5 * math.log(2 * math.pi) - 0.5) + series
    found = b.select(large, stirling, found)
    found = b.select(y.equals(math.inf), y, found)
    sine, _, _ = half_turns(b, x)
    reflected = math.log(math.pi) - log(b, target, kind, sine) - found
    found = b.select(negative, reflected, found)
    pole = (x <= 0.0) & b.intrinsic("floor", x.type, x).equals(x)
    infinite = magnitude(b, x).equals(math.inf)
    found = b.select(pole | infinite, b.constant(x.type, math.inf), found)
    return b.select(b.unordered(x, x), x, found)


@through_double
def digamma(b, target, kind, x):
    """The derivative of lgamma; -inf at 0 (inf at -0.0), NaN at the negative integers."""
    negative = x < 0.0
    y = b.select(negative, 1.0 - x, x)
    # 1/y + 1/(y + 1) + ..., the smallest added first.
    terms = []
    nothing = b.constant(x.type, 0.0)
    for _ in range(FAR):
        low = y < float(FAR)
        terms.append(b.select(low, 1.0 / y, nothing))
        y = b.select(low, y + 1.0, y)
    steps = nothing
    for term in reversed(terms):
        steps = steps + term
    inverse = 1.0 / y
    square = inverse * inverse
    series = polynomial(b, square, HARMONIC) * square
    found = log(b, target, kind, y) + b.fma(inverse, -0.5, series) - steps
    sine, cosine, r = half_turns(b, x)
    reflected = found - with_sign(b, cosine / sine * math.pi, r)
    found = b.select(negative, reflected, found)
    pole = negative & r.equals(0.0)
    found = b.select(pole, b.constant(x.type, math.nan), found)
    zero = with_sign(b, b.constant(x.type, math.inf), -x)
    return b.select(x.equals(0.0), zero, found)


FUNCTIONS = {"lgamma": lgamma, "digamma": digamma}
