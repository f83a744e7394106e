"""Type promotion: the dtype of a result from the dtypes, dimensions and Python numbers in it.

PyTorch's rule: operands fall in three priorities (tensors with dimensions, zero-dim tensors,
Python numbers) and four categories (bool < integer < float < complex). A lower priority matters
only where its category is higher than that of every higher priority.
"""

from __future__ import annotations

from typing import Any

from . import dtypes as dt
from .dtypes import dtype, get_default_dtype

_PYTHON = {bool: 0, int: 1, float: 2, complex: 3}
_TABLE: dict = {}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that holds both: ``promote_types(int32, float16) is float16``."""
    if type1 is type2:
        return type1
    found = _TABLE.get((type1, type2))
    if found is None:
        found = _TABLE[type1, type2] = _promote(type1, type2)
    return found


def _promote(a, b):
    if a.category > b.category:
        a, b = b, a
    if a.category < b.category:
        if b.is_complex and a.is_floating_point:
            return dt.complex128 if dt.float64 in (a, b.to_real()) else dt.complex64
        return b
    if a.category == 1:
        return _promote_integers(a, b)
    if a.half and b.half:
        return dt.float32
    return a if a.rank >= b.rank else b


def _promote_integers(a, b):
    if a.is_signed == b.is_signed:
        return a if a.rank >= b.rank else b
    unsigned, signed = (a, b) if not a.is_signed else (b, a)
    if unsigned is dt.uint8:
        return dt.int16 if signed is dt.int8 else signed
    raise RuntimeError(f"Promotion for uint16, uint32, uint64 types is not supported, attempted "
                       f"to promote {a.name} and {b.name}")


def scalar_dtype(kind) -> dtype:
    """The dtype of a Python number of this type."""
    if kind is float:
        return get_default_dtype()
    if kind is complex:
        return get_default_dtype().to_complex()
    return dt.bool_ if kind is bool else dt.int64


def result_dtype(operands) -> dtype:
    """The promoted dtype of metas and Python number types, in PyTorch's three priorities."""
    dims: Any = None
    zero: Any = None
    python = -1
    for operand in operands:
        if operand in _PYTHON:
            python = max(python, _PYTHON[operand])
        elif operand.shape:
            dims = operand.dtype if dims is None else promote_types(dims, operand.dtype)
        else:
            zero = operand.dtype if zero is None else promote_types(zero, operand.dtype)
    result = dims
    if zero is not None and (result is None or zero.category > result.category):
        result = zero if result is None else promote_types(result, zero)
    if python < 0:
        return result
    if result is None:
        return scalar_dtype((bool, int, float, complex)[python])
    if python > result.category:
        if python == 3:
            return result.to_complex() if result.is_floating_point else \
                get_default_dtype().to_complex()
        return get_default_dtype() if python == 2 else dt.int64
    return result


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether PyTorch allows ``from_`` to be written into ``to`` by an in-place op."""
    if from_.is_complex and not to.is_complex:
        return False
    if from_.is_floating_point and to.category < 2:
        return False
    return not (from_ is not dt.bool_ and to is dt.bool_)
