"""Sines and their inverses: sin, cos, tan, asin, acos, atan, atan2.

An angle is n quarter turns and a rest r, |r| <= pi/4. Up to `FAR` the multiple of pi/2 is taken
off in parts (W. Cody and W. Waite, 1980), exactly enough for an r of any smallness. Larger angles
take the digits of 2/pi that matter for their exponent (M. Payne and R. Hanek, 1983), one lane at a
time. float is reduced in double.
"""

from __future__ import annotations

import math

from .llvm_types import lanes_of, vector
from .vector_parts import (
    any_lane,
    either,
    magnitude,
    named,
    nearest,
    root,
    through_double,
    with_sign,
)

HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
FAR = 2.0 ** 30
# 64 zero bits, then 2/pi (mpmath).
TWO_OVER_PI = (
    0x0, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484,
    0xE99C7026B45F7E41, 0x3991D639835339F4, 0x9C845F8BBDF9283B, 0x1FF897FFDE05980F,
    0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D, 0x7527BAC7EBE5F17B,
    0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB, 0xF0CFBC209AF4361D)


def far_reduction(module):
    """Define ``reduce_far(x, out)``: out = (r, rest of r, n) for one finite |x| >= `FAR`.

    x = m * 2**q with a whole m: of 2/pi only the 192 bits from weight 2**(1 - q) down count, as
    those above give whole turns. Their product with m is a fixed-point number of quarter turns.
    """
    if any(f.name == "reduce_far" for f in module.functions):
        return
    b = module.function("reduce_far", "void", [("double", "x"), ("ptr", "out")], internal=True)
    x, out = b.args
    bits = b.bitcast(magnitude(b, x), "i64")
    m = (bits & ((1 << 52) - 1)) | (1 << 52)
    position = (bits >> 52) - (1075 + 2 - 64)      # of the first bit, in the table
    word, shift = position >> 6, position & 63
    table = b.global_address(module.table("i64", [_signed(w) for w in TWO_OVER_PI]))
    words = [b.load("i64", b.element(table, word + i, "i64")) for i in range(4)]

    def wide(value):
        return b.cast(value, "i128", unsigned=True)

    high, middle, low = [
        b.call("llvm.fshl.i64", "i64", words[i], words[i + 1], shift) for i in range(3)]
    turns = (wide(high * m) << 64) + wide(m) * wide(middle)
    turns = turns + b.logical_shift_right(wide(m) * wide(low), 64)     # 126 bits after the point
    n = b.logical_shift_right(turns + b.constant("i128", 1 << 125), 126)
    rest = turns - (n << 126)
    negative = rest < 0
    size = b.select(negative, -rest, rest)
    zeros = b.call("llvm.ctlz.i128", "i128", size, b.constant("i1", 0))
    size = size << zeros
    top = b.cast(b.logical_shift_right(size, 75), "i64")               # 53 bits
    below = b.cast(b.logical_shift_right(size, 22), "i64") & ((1 << 53) - 1)
    # size = (top + below * 2**-53) * 2**(75 - zeros), in quarter turns 2**-126 of that.
    exponent = (b.cast(zeros, "i64") * -1 + (75 - 126 + 1023)) << 52
    unit = b.bitcast(exponent, "double")
    first = b.cast(top, "double") * unit
    second = b.cast(below, "double") * 2.0 ** -53 * unit
    r = first * HALF_PI[0]
    r_low = b.fma(first, HALF_PI[0], -r) + b.fma(first, HALF_PI[1], second * HALF_PI[0])
    # The rest of a negative turn, and of a negative angle, is negative.
    turn = (bits ^ b.bitcast(x, "i64")) < 0
    flip = negative ^ turn
    number = b.cast(n, "i64") & 3
    b.store(b.select(flip, -r, r), out)
    b.store(b.select(flip, -r_low, r_low), b.element(out, 1, "double"))
    b.store(b.select(turn, -number, number), b.element(out, 2, "i64"))
    b.ret()


def _signed(word):
    return word - (1 << 64) if word >> 63 else word


def quarter_turns(b, x, precise):
    """(r, rest of r, n): x = n pi/2 + r + rest, for double; n as integers."""
    lanes = lanes_of(x.type)
    whole = vector("i64", lanes)
    n, bits = nearest(b, "double", x, 2 / math.pi)
    minus = -n
    if precise:
        product = n * HALF_PI[0]
        lost = b.fma(n, HALF_PI[0], -product)
        t = x - product                       # exact: the two are close
        s = t - lost
        s_low = (t - s) - lost
        product = n * HALF_PI[1]
        lost = b.fma(n, HALF_PI[1], -product)
        r = s - product
        back = r - s
        r_low = ((s - (r - back)) - (product + back)) + s_low - lost
        r_low = b.fma(minus, HALF_PI[2], r_low)
    else:
        r = b.fma(minus, HALF_PI[1], b.fma(minus, HALF_PI[0], x))
        r_low = b.constant(x.type, 0.0)
    slots = [b.variable(r), b.variable(r_low), b.variable(bits)]
    far = magnitude(b, x) >= FAR
    with b.when(any_lane(b, far)):
        far_reduction(b.module)
        size = 8 * lanes
        angles = b.stack("double", lanes)
        b.store(x, angles)
        results = [b.stack("double", lanes) for _ in range(3)]
        found = b.stack("double", 3)
        for slot, memory in zip(slots, results):
            b.store(slot.get(), memory)
        with b.loop(0, lanes, unroll=False) as lane:
            angle = b.load("double", b.element(angles, lane, "double"))
            size = magnitude(b, angle)
            with b.when((size >= FAR) & (size < math.inf)):
                b.call("reduce_far", "void", angle, found)
                for i, memory in enumerate(results):
                    b.store(b.load("i64", b.element(found, i, "i64")),
                            b.element(memory, lane, "i64"))
        for slot, memory in zip(slots, results):
            slot.set(b.load(slot.type, memory))
    r, r_low, bits = [slot.get() for slot in slots]
    r = b.select(magnitude(b, x) < math.inf, r, b.constant(x.type, math.nan))
    assert bits.type == whole
    return r, r_low, bits


def sine_of_small(b, kind, r, r_low):
    """sin(r + r_low) for |r| <= pi/4; `kind` says how exactly."""
    z = r * r
    cubic = z * r
    found = named(b, "SIN", kind, z)
    if r_low is None:
        return b.fma(cubic, found, r)
    return r + b.fma(cubic, found, b.fma(z * -0.5, r_low, r_low))


def cosine_of_small(b, kind, r, r_low):
    """cos(r + r_low) for |r| <= pi/4."""
    z = r * r
    half = z * 0.5
    first = 1.0 - half
    more = named(b, "COS", kind, z)
    if r_low is None:
        return b.fma(z * z, more, first)
    return first + (((1.0 - first) - half) + b.fma(z * z, more, -(r * r_low)))


def _sine_and_cosine(b, kind, x):
    """(sin r, cos r, n, x) in double."""
    wide = b.cast(x, vector("double", lanes_of(x.type)))
    r, r_low, n = quarter_turns(b, wide, kind == "double")
    low = r_low if kind == "double" else None
    return sine_of_small(b, kind, r, low), cosine_of_small(b, kind, r, low), n, wide


def _turned(b, sine, cosine, n):
    """sin(r + n pi/2)."""
    odd = (n & 1).differs(0)
    sign = (n & 2) << 62
    found = b.select(odd, cosine, sine)
    return b.bitcast(b.bitcast(found, sign.type) ^ sign, found.type)


def sin(b, target, kind, x):
    """The sine of an angle in radians."""
    sine, cosine, n, wide = _sine_and_cosine(b, kind, x)
    found = _turned(b, sine, cosine, n)
    return b.select(x.equals(0.0), x, b.cast(found, x.type))


def cos(b, target, kind, x):
    """The cosine."""
    sine, cosine, n, _ = _sine_and_cosine(b, kind, x)
    return b.cast(_turned(b, sine, cosine, n + 1), x.type)


def tan(b, target, kind, x):
    """The tangent: sine over cosine, or minus cosine over sine after an odd quarter turn."""
    sine, cosine, n, _ = _sine_and_cosine(b, kind, x)
    odd = (n & 1).differs(0)
    found = b.select(odd, -cosine, sine) / b.select(odd, sine, cosine)
    return b.select(x.equals(0.0), x, b.cast(found, x.type))


# Halves and wholes of pi as a number of the type and what it lacks.
PI_PARTS = {"float": (1.5707963705062866, -4.371138828673793e-08), "double": HALF_PI[:2]}


def _arcsine_tail(b, kind, z):
    return named(b, "ASIN", kind, z) * z


def _near_one(b, kind, size):
    """asin of the small side: (s, t) with asin(s) = s + t, s = sqrt((1 - size) / 2)."""
    z = (1.0 - size) * 0.5
    s = root(b, z)
    return z, s


def asin(b, target, kind, x):
    """The angle in [-pi/2, pi/2] whose sine is x; beyond 0.5 through sqrt((1 - x) / 2)."""
    size = magnitude(b, x)
    half_pi = PI_PARTS[kind]
    z, s = _near_one(b, kind, size)
    near = size > 0.5
    argument = b.select(near, s, size)
    square = b.select(near, z, size * size)
    tail = argument * _arcsine_tail(b, kind, square)
    # pi/2 - 2 (s + tail), the smallest part first; s is rounded, its square is not.
    lost = b.fma(-s, s, z) / (s + s)
    lost = b.select(s > 0.0, lost, b.constant(x.type, 0.0))
    twice = (tail + lost) * 2.0 - half_pi[1]
    far = half_pi[0] - (s + s)
    gone = (half_pi[0] - far) - (s + s)
    return with_sign(b, b.select(near, far + (gone - twice), argument + tail), x)


def acos(b, target, kind, x):
    """The angle in [0, pi] whose cosine is x."""
    size = magnitude(b, x)
    half_pi = PI_PARTS[kind]
    z, s = _near_one(b, kind, size)
    near = size > 0.5
    square = b.select(near, z, size * size)
    tail = _arcsine_tail(b, kind, square)
    lost = b.fma(-s, s, z) / (s + s)
    lost = b.select(s > 0.0, lost, b.constant(x.type, 0.0))
    small = s + b.fma(s, tail, lost)
    right = small + small                                       # x near 1
    left = half_pi[0] * 2.0 - ((b.fma(s, tail, lost) * 2.0 - half_pi[1] * 2.0) + (s + s))
    first = half_pi[0] - x
    gone = (half_pi[0] - first) - x
    middle = first + (gone - (x * tail - half_pi[1]))
    outer = b.select(x > 0.0, right, left)
    return b.select(near, outer, middle)


def _arctangent(b, kind, low, high):
    """(offset, its rest, t): atan(low / high) = offset + rest + t for 0 <= low <= high."""
    steep = low > high * 0.41421356237309503
    numerator = b.select(steep, low - high, low)
    denominator = b.select(steep, low + high, high)
    t = numerator / denominator
    z = t * t
    tail = named(b, "ATAN", kind, z) * z * t
    nothing = b.constant(t.type, 0.0)
    half_pi = PI_PARTS[kind]
    offset = b.select(steep, b.constant(t.type, half_pi[0] / 2), nothing)
    rest = b.select(steep, b.constant(t.type, half_pi[1] / 2), nothing)
    return offset, rest + tail, t


def atan(b, target, kind, x):
    """The angle in [-pi/2, pi/2] whose tangent is x."""
    size = magnitude(b, x)
    over = size > 1.0
    one = b.constant(x.type, 1.0)
    low, high = b.select(over, one, size), b.select(over, size, one)
    offset, rest, t = _arctangent(b, kind, low, high)
    half_pi = PI_PARTS[kind]
    # Past 45 degrees: pi/2 - (offset + t + rest). pi/2 - pi/4 is exact.
    far = (half_pi[0] - offset) - (t + (rest - half_pi[1]))
    found = b.select(over, far, offset + (t + rest))
    return b.select(x.equals(0.0), x, with_sign(b, found, x))


def atan2(b, target, kind, y, x):
    """The angle of the point (x, y) in [-pi, pi]."""
    if kind == "float":
        return through_double(atan2)(b, target, kind, y, x)
    width, height = magnitude(b, x), magnitude(b, y)
    over = height > width
    low, high = b.select(over, width, height), b.select(over, height, width)
    # Halved where the sum of the two would overflow; both infinite is 45 degrees.
    large = high > 1e300
    low, high = b.select(large, low * 2.0 ** -10, low), b.select(large, high * 2.0 ** -10, high)
    both = low.equals(math.inf)
    one = b.constant(x.type, 1.0)
    low, high = b.select(both, one, low), b.select(either(b, both, high.equals(0.0)), one, high)
    steep_infinite = high.equals(math.inf)
    low = b.select(steep_infinite, b.constant(x.type, 0.0), low)
    high = b.select(steep_infinite, one, high)
    offset, rest, t = _arctangent(b, kind, low, high)
    half_pi = PI_PARTS[kind]
    base = b.select(over, b.constant(x.type, half_pi[0]), b.constant(x.type, 0.0))
    base_low = b.select(over, b.constant(x.type, half_pi[1]), b.constant(x.type, 0.0))
    sign = b.select(over, b.constant(x.type, -1.0), one)
    # Angle from the x axis in the first quadrant: base + sign (offset + t + rest).
    left = b.bitcast(x, vector("i64", lanes_of(x.type))) < 0
    base = b.select(left, half_pi[0] * 2.0 - base, base)
    base_low = b.select(left, half_pi[1] * 2.0 - base_low, base_low)
    sign = b.select(left, -sign, sign)
    found = b.fma(sign, offset, base) + b.fma(sign, t + rest, base_low)
    found = with_sign(b, found, y)
    return b.select(b.unordered(x, y), x + y, found)


FUNCTIONS = {"sin": sin, "cos": cos, "tan": tan, "asin": asin, "acos": acos, "atan": atan,
             "atan2": atan2}
