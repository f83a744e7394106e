"""Normal numbers from uniform ones, to the last bit as PyTorch's vectorised CPU code makes them.

    radius = sqrt(-2 log(1 - u1)),  angle = 2 pi u2
    radius cos(angle) std + mean,   radius sin(angle) std + mean

In blocks of 16: the first eight uniforms are u1, the last eight u2. In float32 the logarithm, sine
and cosine are the Cephes library's polynomials (S. Moshier), about 1 ulp from the true value, and
each multiply followed by an add is one fused operation; both decide the last bit, so they are
spelled out here. In float64 they are the C library's, reached through `math`.

`codegen/random_normal.py` is the same in machine code, some twenty times faster; the runtime offers
it here as `compiled32` for programs that draw many numbers.
"""

from __future__ import annotations

import math

import numpy as np

from ..base.fused_multiply_add import fused_multiply_add32, fused_multiply_add64

_FLOAT = np.float32

# Cephes logf: log(1+x) = x - x^2/2 + x^3 P(x) on [sqrt(1/2)-1, sqrt(2)-1]; log 2 in two parts.
LOG_POLYNOMIAL = tuple(
    _FLOAT(value)
    for value in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)
LOG2_LOW, LOG2_HIGH = _FLOAT(-2.12194440e-4), _FLOAT(0.693359375)
SQRT_HALF = _FLOAT(0.707106781186547524)

# Cephes sinf and cosf on [-pi/4, pi/4]; pi/4 in three parts, for an exact reduction.
SINE_POLYNOMIAL = _FLOAT(-1.9515295891e-4), _FLOAT(8.3321608736e-3), _FLOAT(-1.6666654611e-1)
COSINE_POLYNOMIAL = (
    _FLOAT(2.443315711809948e-5),
    _FLOAT(-1.388731625493765e-3),
    _FLOAT(4.166664568298827e-2),
)
QUARTER_PI_PARTS = (
    _FLOAT(-0.78515625),
    _FLOAT(-2.4187564849853515625e-4),
    _FLOAT(-3.77489497744594108e-8),
)
FOUR_OVER_PI = _FLOAT(1.27323954473516)
TWO_PI = _FLOAT(2 * math.pi)
_HALF = _FLOAT(0.5)

# (uniform, mean, std) -> normals, or None where it does not want to; None: there is no such thing.
compiled32: list = [None]

_CHUNK_BLOCKS = 2048  # blocks of 16 at a time, so that the temporaries stay in the cache


def _log32(x):
    """Cephes logf for float32 in (0, 1]."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < SQRT_HALF
    exponent = (exponent - small).astype(_FLOAT)
    x = np.where(small, (mantissa - _FLOAT(1)) + mantissa, mantissa - _FLOAT(1))
    square = x * x
    value = LOG_POLYNOMIAL[0]
    for coefficient in LOG_POLYNOMIAL[1:]:
        value = fused_multiply_add32(value, x, coefficient)
    value = fused_multiply_add32(value * x, square, exponent * LOG2_LOW)
    value = fused_multiply_add32(-square, _HALF, value)
    return fused_multiply_add32(exponent, LOG2_HIGH, x + value)


def _sine_cosine32(angle):
    """Cephes sinf and cosf for float32 angles in [0, 2 pi]."""
    octant = (angle * FOUR_OVER_PI).astype(np.int32)
    octant = (octant + 1) & ~1
    turns = octant.astype(_FLOAT)
    x = angle
    for part in QUARTER_PI_PARTS:
        x = fused_multiply_add32(turns, part, x)
    square = x * x

    cosine = fused_multiply_add32(COSINE_POLYNOMIAL[0], square, COSINE_POLYNOMIAL[1])
    cosine = fused_multiply_add32(cosine, square, COSINE_POLYNOMIAL[2])
    cosine = fused_multiply_add32(cosine * square, square, -(square * _HALF)) + _FLOAT(1)

    sine = fused_multiply_add32(SINE_POLYNOMIAL[0], square, SINE_POLYNOMIAL[1])
    sine = fused_multiply_add32(sine, square, SINE_POLYNOMIAL[2])
    sine = fused_multiply_add32(sine * square, x, x)

    swapped = (octant & 2) != 0
    sine, cosine = np.where(swapped, cosine, sine), np.where(swapped, sine, cosine)
    sine = np.where(octant & 4, -sine, sine)
    cosine = np.where((octant + 2) & 4, -cosine, cosine)
    return sine, cosine


def box_muller_blocks32(uniform, mean, std):
    """float32 normals from float32 uniforms in [0, 1); both hold 16 numbers a block, flat."""
    mean, std = _FLOAT(mean), _FLOAT(std)
    made = compiled32[0] and compiled32[0](uniform, mean, std)
    if made is not None:
        return made
    blocks = uniform.reshape(-1, 2, 8)
    result = np.empty_like(blocks)
    for start in range(0, len(blocks), _CHUNK_BLOCKS):
        part = blocks[start : start + _CHUNK_BLOCKS]
        out = result[start : start + _CHUNK_BLOCKS]
        radius = np.sqrt(_FLOAT(-2) * _log32(_FLOAT(1) - part[:, 0]))
        sine, cosine = _sine_cosine32(TWO_PI * part[:, 1])
        out[:, 0] = fused_multiply_add32(radius * cosine, std, mean)
        out[:, 1] = fused_multiply_add32(radius * sine, std, mean)
    return result.reshape(-1)


def each(function, values):
    """`function` of every element by the C library (NumPy's own may differ in the last bit)."""
    flat = values.ravel().tolist()
    return np.fromiter(map(function, flat), np.float64, len(flat)).reshape(values.shape)


def box_muller_blocks64(uniform, mean, std):
    """float64 normals from float64 uniforms in [0, 1); both hold 16 numbers a block, flat."""
    blocks = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(-2 * each(math.log, 1 - blocks[:, 0]))
    angle = 2 * math.pi * blocks[:, 1]
    result = np.empty_like(blocks)
    result[:, 0] = fused_multiply_add64(radius * each(math.cos, angle), std, mean)
    result[:, 1] = fused_multiply_add64(radius * each(math.sin, angle), std, mean)
    return result.reshape(-1)


def box_muller_pairs64(uniform):
    """Standard normal pairs (n, 2) in float64 from uniform pairs (n, 2): the scalar form.

    Here the angle comes first:  radius = sqrt(-2 log1p(-u[1])),  angle = 2 pi u[0].
    """
    if len(uniform) < 16:
        found = []
        for turn, distance in uniform.tolist():
            radius, angle = math.sqrt(-2 * math.log1p(-distance)), 2 * math.pi * turn
            found.append((radius * math.cos(angle), radius * math.sin(angle)))
        return np.array(found)
    radius = np.sqrt(-2 * each(math.log1p, -uniform[:, 1]))
    angle = 2 * math.pi * uniform[:, 0]
    return np.stack((radius * each(math.cos, angle), radius * each(math.sin, angle)), axis=1)
