"""What the vector functions are made of: formats, polynomials, powers of two, rounding, selection.

A function of `vector_math` takes (builder, target, element type, operands...) and returns an IR
value of the operand's type. It is written once for float and double: `Format` says what differs.
NaN operands give NaN; no function calls a library, none uses a table but for huge angles.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from . import vector_coefficients
from .emit import Value
from .llvm_types import lanes_of, suffix, vector


class Format(NamedTuple):
    """A floating-point type: bits of its mantissa, its exponent's bias, its integers."""

    mantissa: int
    bias: int
    integer: str
    bits: int
    smallest: float       # normal number
    log2_high: float      # log(2), with so few bits that multiples by an exponent are exact
    log2_low: float

    @property
    def magic(self) -> float:
        """Added to a number of moderate size, it leaves the nearest integer in the low bits."""
        return 1.5 * 2.0 ** self.mantissa

    @property
    def magic_bits(self) -> int:
        """The bits of `magic`."""
        return (self.bias + self.mantissa << self.mantissa) + (1 << self.mantissa - 1)


FORMATS = {
    "float": Format(23, 127, "i32", 32, 2.0 ** -126, 0.693145751953125, 1.4286068203094173e-06),
    "double": Format(52, 1023, "i64", 64, 2.0 ** -1022, 0.6931471803691238,
                     1.9082149292705877e-10),
}


def polynomial(b, x, coefficients):
    """Horner's scheme, the highest power first."""
    found = b.constant(x.type, coefficients[0])
    for c in coefficients[1:]:
        found = b.fma(found, x, c)
    return found


def named(b, name, kind, x):
    """One of the polynomials of `vector_coefficients` at x."""
    return polynomial(b, x, getattr(vector_coefficients, name)[kind])


def integers(kind, x) -> str:
    """The vector type of integers as wide as x."""
    return vector(FORMATS[kind].integer, lanes_of(x.type))


def nearest(b, kind, x, factor=1.0):
    """(n, bits): the integer nearest to ``x * factor`` as a float, and bits that end with it.

    ``bits - magic_bits`` is n as an integer. |x * factor| must be below 2**(mantissa - 2).
    """
    form = FORMATS[kind]
    moved = x + form.magic if factor == 1.0 else b.fma(x, factor, form.magic)
    return moved - form.magic, b.bitcast(moved, integers(kind, x))


def power_of_two(b, kind, bits, change=0):
    """2**(n + change) from `nearest`'s bits, within the normal numbers."""
    form = FORMATS[kind]
    found = (bits + (form.bias + change)) << form.mantissa
    return b.bitcast(found, vector(kind, lanes_of(bits.type)))


def scale(b, target, kind, p, n, bits, change=0):
    """p * 2**(n + change), rounded once: overflow gives inf, small results are subnormal.

    n and bits are `nearest`'s; p is about one in size, or NaN.
    """
    lanes = lanes_of(p.type)
    form = FORMATS[kind]
    if target.has("avx512f") and lanes * form.bits == 512:
        shift = n + float(change) if change else n
        name = f"llvm.x86.avx512.mask.scalef.{'ps' if kind == 'float' else 'pd'}.512"
        mask = b.constant(f"i{lanes}", -1)
        found = b.call(name, p.type, p, shift, p, mask, b.constant("i32", 4))
        assert found is not None
        return found
    n = bits - (form.magic_bits - change)
    half = n >> 1
    rest = n - half
    first = b.bitcast((half + form.bias) << form.mantissa, p.type)
    second = b.bitcast((rest + form.bias) << form.mantissa, p.type)
    return p * first * second


def clamp(b, x, low, high):
    """x within [low, high]; NaN stays."""
    x = b.select(x > high, b.constant(x.type, high), x)
    return b.select(x < low, b.constant(x.type, low), x)


def magnitude(b, x):
    """|x|."""
    return b.intrinsic("fabs", x.type, x)


def with_sign(b, x, sign):
    """x with the sign bit of `sign`."""
    return b.intrinsic("copysign", x.type, x, sign)


def root(b, x):
    """The square root."""
    return b.intrinsic("sqrt", x.type, x)


def either(b, *conditions) -> Value:
    """Whether any of the conditions holds."""
    found = conditions[0]
    for other in conditions[1:]:
        found = found | other
    return found


def any_lane(b, condition):
    """Whether a condition holds in any lane (i1)."""
    lanes = lanes_of(condition.type)
    if lanes == 1:
        return condition
    return b.call(f"llvm.vector.reduce.or.{suffix(condition.type)}", "i1", condition)


def not_finite(b, x, found):
    """`found`, but x itself where x is NaN, inf or -inf."""
    return b.select(magnitude(b, x) < math.inf, found, x)


def through_double(function):
    """A function whose float form is its double form, rounded."""
    def widened(b, target, kind, *operands):
        if kind == "double":
            return function(b, target, kind, *operands)
        wide = [b.cast(x, vector("double", lanes_of(x.type))) for x in operands]
        return b.cast(function(b, target, "double", *wide), operands[0].type)
    widened.__name__ = function.__name__
    widened.__doc__ = function.__doc__
    return widened
