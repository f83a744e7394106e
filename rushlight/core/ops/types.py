"""The dtypes a pointwise op computes in and returns, from its promotion kind and its operands."""

from __future__ import annotations

from ..base import dtypes as dt
from ..base.promotion import result_dtype
from ..base.shapes import pointwise_meta
from .record import Op


def compute_types(op: Op, operands) -> tuple:
    """(compute dtype, result dtype) for metas, Python number types, or None among `operands`."""
    kind = op.promotion
    if callable(kind):
        return kind(*operands)
    common = result_dtype([o for o in operands if o is not None])
    if kind == "float" and common.category < 2:
        common = dt.get_default_dtype()
    if op.out_dtype is not None:
        return common, op.out_dtype
    if kind == "compare":
        return common, dt.bool_
    if kind == "bool":
        return common, dt.bool_
    if kind == "real":
        return common, common.to_real()
    return common, common


def pointwise_rule(op: Op, operands):
    """The Meta of a pointwise op's result (also checks the op's own dtype rule)."""
    check = op.rule
    if check is not None:
        check(*operands)
    result = compute_types(op, operands)[1]
    return pointwise_meta(result, [o for o in operands if hasattr(o, "shape")])
