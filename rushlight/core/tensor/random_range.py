"""Which integers `random_` and `randint` may draw for a dtype: PyTorch's checks and roundings."""

from __future__ import annotations

import warnings

import numpy as np

from ..base import dtypes as dt
from ..ops.arguments import cpp_name
from ..ops.random_draws import MANTISSA_BITS

_INT64_MAX = 0x7FFF_FFFF_FFFF_FFFF


def checked_range(low, high, dtype):
    """(low, high) to draw from, after PyTorch's checks.

    A floating dtype cannot hold every integer: where casting would reach `high`, or fall below
    `low`, the range shrinks to the nearest numbers the dtype has. RuntimeError for an empty range
    and for one outside the dtype; UserWarning where the dtype skips integers in it.
    """
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if dtype.is_floating_point:
        low, high = _round_low(low, dtype), _round_high(high, dtype)
        if low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but "
                f"got from={low} >= to={high}"
            )
    _check_bounds(low, high - 1, dtype)
    return low, high


def from_minimum(low, dtype):
    """The range of ``random_(low, None)``: up to the last integer the dtype holds, inclusive."""
    if low == -_INT64_MAX - 1:
        return 0, 1 << 64  # all 64 bits as they come
    if dtype.is_floating_point:
        last = 1 << MANTISSA_BITS[dtype.name]
        low = _round_low(low, dtype)
        if low >= last:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' "
                f"casted to dtype, but got from={low} > to_inc={last}"
            )
    else:
        last = 1 if dtype is dt.bool_ else min(dt.iinfo(dtype).max, _INT64_MAX)
    _check_bounds(low, last, dtype)
    return low, last + 1


def _as_held(value, dtype):
    """`value` as the dtype holds it."""
    number = np.float32(value) if dtype.itemsize == 2 else value
    held = float(np.asarray(number).astype(dtype.np))
    return int(held) if abs(held) < float("inf") else (1 if held > 0 else -1) << 63


def _step(value, dtype):
    return 1 << max(abs(value).bit_length() - MANTISSA_BITS[dtype.name], 0)


def _round_low(low, dtype):
    held = _as_held(low + 1, dtype)
    return held + _step(low + 1, dtype) if held < low else low


def _round_high(high, dtype):
    held = _as_held(high - 1, dtype)
    return held - _step(high - 1, dtype) if held >= high else high


def _check_bounds(low, last, dtype):
    if dtype.is_complex:
        raise RuntimeError(
            "check_random_bounds handles only integral, floating-point and boolean types"
        )
    if dtype.is_floating_point:
        most = dt.finfo(dtype).max
        least = -most
    elif dtype is dt.bool_:
        least, most = 0, 1
    else:
        least, most = dt.iinfo(dtype).min, min(dt.iinfo(dtype).max, _INT64_MAX)
    for name, value in (("from", low), ("to - 1", last)):
        if not least <= value <= most:
            raise RuntimeError(f"{name} is out of bounds for {cpp_name(dtype)}")
    if not dtype.is_floating_point:
        return
    digits = MANTISSA_BITS[dtype.name]
    for name, value in (("from", low), ("to - 1", last)):
        if abs(value) > 1 << digits:
            warnings.warn(
                f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision "
                f"limitations {cpp_name(dtype)} can support discrete uniform distribution only "
                "within this range. This warning will become an error in version 1.7 release, "
                "please fix the code in advance",
                UserWarning,
                stacklevel=4,
            )
