"""Normal numbers from uniform ones: `ops/box_muller.py` in machine code, bit for bit."""

from __future__ import annotations

from ..ops.box_muller import (
    COSINE_POLYNOMIAL,
    FOUR_OVER_PI,
    LOG2_HIGH,
    LOG2_LOW,
    LOG_POLYNOMIAL,
    QUARTER_PI_PARTS,
    SINE_POLYNOMIAL,
    SQRT_HALF,
    TWO_PI,
)

BLOCK = 16              # numbers: eight radii, eight angles
KIND, WORDS = "<8 x float>", "<8 x i32>"
TASK = 256              # blocks of a task


def box_muller(module, target):
    """Blocks of 16 float32. Arguments: uniforms, results, [mean, std], how many blocks."""
    module.scheduled = True
    b = module.kernel()
    uniform, result, numbers = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(3))
    blocks = b.load("i64", b.element(b.args[0], 3, "i64"))
    mean, std = (b.splat(b.load("float", b.element(numbers, n, "float")), 8) for n in range(2))
    end = b.minimum(b.args[2] * TASK, blocks)
    with b.loop(b.args[1] * TASK, end, unroll=False) as i:
        first = b.load(KIND, b.element(uniform, i * BLOCK, "float"), 4)
        second = b.load(KIND, b.element(uniform, i * BLOCK + 8, "float"), 4)
        logarithm = _log(b, b.constant(KIND, 1) - first)
        radius = b.intrinsic("sqrt", KIND, b.constant(KIND, -2) * logarithm)
        sine, cosine = _sine_cosine(b, second * float(TWO_PI))
        place = b.element(result, i * BLOCK, "float")
        b.store(b.fma(radius * cosine, std, mean), place, 4)
        b.store(b.fma(radius * sine, std, mean), b.element(place, 8, "float"), 4)
    b.ret(0)


def _log(b, x):
    """Cephes logf of normal numbers in (0, 1]."""
    bits = b.bitcast(x, WORDS)
    exponent = b.logical_shift_right(bits, 23) - 126
    mantissa = b.bitcast((bits & 0x7FFFFF) | 0x3F000000, KIND)
    small = b.compare("lt", mantissa, float(SQRT_HALF))
    exponent = b.cast(b.select(small, exponent - 1, exponent), KIND)
    less = mantissa - 1.0
    x = b.select(small, less + mantissa, less)
    square = x * x
    value = b.constant(KIND, float(LOG_POLYNOMIAL[0]))
    for coefficient in LOG_POLYNOMIAL[1:]:
        value = b.fma(value, x, float(coefficient))
    value = b.fma(value * x, square, exponent * float(LOG2_LOW))
    value = b.fma(-square, 0.5, value)
    return b.fma(exponent, float(LOG2_HIGH), x + value)


def _sine_cosine(b, angle):
    """Cephes sinf and cosf of angles in [0, 2 pi]."""
    octant = (b.cast(angle * float(FOUR_OVER_PI), WORDS) + 1) & -2
    turns = b.cast(octant, KIND)
    x = angle
    for part in QUARTER_PI_PARTS:
        x = b.fma(turns, float(part), x)
    square = x * x
    cosine = b.fma(square, float(COSINE_POLYNOMIAL[0]), float(COSINE_POLYNOMIAL[1]))
    cosine = b.fma(cosine, square, float(COSINE_POLYNOMIAL[2]))
    cosine = b.fma(cosine * square, square, -(square * 0.5)) + 1.0
    sine = b.fma(square, float(SINE_POLYNOMIAL[0]), float(SINE_POLYNOMIAL[1]))
    sine = b.fma(sine, square, float(SINE_POLYNOMIAL[2]))
    sine = b.fma(sine * square, x, x)
    swapped = b.compare("ne", octant & 2, 0)
    sine, cosine = b.select(swapped, cosine, sine), b.select(swapped, sine, cosine)
    sine = b.select(b.compare("ne", octant & 4, 0), -sine, sine)
    cosine = b.select(b.compare("ne", (octant + 2) & 4, 0), -cosine, cosine)
    return sine, cosine
