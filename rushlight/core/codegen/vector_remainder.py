"""Division with a remainder, neighbours of floats, shifts and integer powers.

Each takes (builder, IR values...) of one type and returns an IR value of it.
"""

from __future__ import annotations

import math

from .llvm_types import element_type, lanes_of, suffix, vector
from .vector_parts import FORMATS, any_lane, magnitude, with_sign


def fmod(b, x, y):
    """x - trunc(x / y) * y exactly, with the sign of x; NaN for y = 0 or an infinite x.

    Where the quotient is small enough to be a whole number, the rest is one exact fma, after a
    correction for a quotient that was rounded up. Lanes with larger ones take C's fmod.
    """
    kind = element_type(x.type)
    lanes = lanes_of(x.type)
    sides = magnitude(b, x), magnitude(b, y)
    quotient = b.intrinsic("trunc", x.type, sides[0] / sides[1])
    rest = b.fma(-quotient, sides[1], sides[0])
    rest = b.select(rest < 0.0, b.fma(-(quotient - 1.0), sides[1], sides[0]), rest)
    rest = b.select(sides[1].equals(math.inf) & (sides[0] < math.inf), sides[0], rest)
    slot = b.variable(with_sign(b, rest, x))
    wrong = (quotient < 2.0 ** (FORMATS[kind].mantissa - 1)) ^ b.constant(
        vector("i1", lanes), True)
    with b.when(any_lane(b, wrong)):
        memory = [b.stack(kind, lanes) for _ in range(2)]
        b.store(x, memory[0])
        b.store(y, memory[1])
        with b.loop(0, lanes, unroll=False) as lane:
            place = [b.element(m, lane, kind) for m in memory]
            one, other = b.load(kind, place[0]), b.load(kind, place[1])
            b.store(b.emit(kind, f"frem {kind} {one.ref}, {other.ref}"), place[0])
        slot.set(b.load(x.type, memory[0]))
    return slot.get()


def mod(b, x, y):
    """The remainder with the sign of y, as PyTorch's `remainder`."""
    found = fmod(b, x, y)
    other = found.differs(0.0) & ((y < 0.0) ^ (found < 0.0))
    return b.select(other, found + y, found)


def floordiv(b, x, y):
    """floor(x / y) as PyTorch rounds it: from the exact remainder; x / y for y = 0."""
    rest = fmod(b, x, y)
    quotient = (x - rest) / y
    quotient = b.select(rest.differs(0.0) & ((y < 0.0) ^ (rest < 0.0)), quotient - 1.0, quotient)
    floor = b.intrinsic("floor", x.type, quotient)
    floor = b.select(quotient - floor > 0.5, floor + 1.0, floor)
    divided = x / y
    zero = with_sign(b, b.constant(x.type, 0.0), divided)
    found = b.select(quotient.equals(0.0), zero, floor)
    return b.select(y.equals(0.0), divided, found)


def nextafter(b, x, y):
    """The number next to x on the way to y."""
    form = FORMATS[element_type(x.type)]
    whole = vector(form.integer, lanes_of(x.type))
    bits = b.bitcast(x, whole)
    one = b.constant(whole, 1)
    outward = (x < y) ^ (x < 0.0)
    moved = b.bitcast(b.select(outward, bits + one, bits - one), x.type)
    smallest = with_sign(b, b.bitcast(one, x.type), y)
    found = b.select(x.equals(0.0), smallest, moved)
    found = b.select(x.equals(y), y, found)
    return b.select(b.unordered(x, y), x + y, found)


def shift_left(b, x, y):
    """x * 2**y in the bits of x; 0 where y is not a number of a bit."""
    outside = b.compare("ge", y, bits_of(x), unsigned=True)
    zero = b.constant(x.type, 0)
    return b.select(outside, zero, x << b.select(outside, zero, y))


def shift_right(b, x, y, unsigned):
    """x >> y, sign bits coming in for signed x; beyond the bits all are shifted out."""
    outside = b.compare("ge", y, bits_of(x), unsigned=True)
    if unsigned:
        zero = b.constant(x.type, 0)
        return b.select(outside, zero, b.logical_shift_right(x, b.select(outside, zero, y)))
    return x >> b.select(outside, b.constant(x.type, bits_of(x) - 1), y)


def bits_of(x):
    """The number of bits of an integer."""
    return int(element_type(x.type)[1:])


def integer_power(b, x, y, unsigned):
    """x**y by repeated squaring, wrapping around; a negative y gives 1/x**-y rounded to zero."""
    one, zero = b.constant(x.type, 1), b.constant(x.type, 0)
    negative = None if unsigned else y < 0
    exponent = y if negative is None else b.select(negative, zero, y)
    union = exponent if lanes_of(x.type) == 1 else b.call(
        f"llvm.vector.reduce.or.{suffix(x.type)}", element_type(x.type), exponent)
    wide = b.cast(union, "i64", unsigned=True)
    leading = b.call("llvm.ctlz.i64", "i64", wide, b.constant("i1", 0))
    result, base, left = b.variable(one), b.variable(x), b.variable(exponent)
    with b.loop(0, 64 - leading, unroll=False):
        bit = (left.get() & 1).differs(0)
        result.set(b.select(bit, result.get() * base.get(), result.get()))
        base.set(base.get() * base.get())
        left.set(b.logical_shift_right(left.get(), 1))
    if negative is None:
        return result.get()
    sign = b.select((y & 1).differs(0), b.constant(x.type, -1), one)
    tiny = b.select(x.equals(1), one, b.select(x.equals(-1), sign, zero))
    return b.select(negative, tiny, result.get())
