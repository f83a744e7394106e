"""The dtypes a pointwise op computes in and returns, from its promotion kind and its operands."""

from __future__ import annotations

from ..base import dtypes as dt
from ..base.promotion import result_dtype
from ..base.shapes import pointwise_meta
from .arguments import not_implemented_for
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


def _refuse(op, refuses, operands):
    """Raise PyTorch's error where the operands' common dtype is of a refused kind."""
    common = result_dtype([o for o in operands if o is not None])
    refusal = refuses.get("bifc"[common.category])
    if refusal is None:
        return
    if isinstance(refusal, str):
        raise not_implemented_for(refusal, common)
    kind, text = refusal
    raise kind(text)


def pointwise_rule(op: Op, operands):
    """The Meta of a pointwise op's result (also checks the op's own dtype rule)."""
    refuses = op.facts.get("refuses")
    if refuses is not None:
        _refuse(op, refuses, operands)
    check = op.rule
    if check is not None:
        check(*operands)
    result = compute_types(op, operands)[1]
    return pointwise_meta(result, [o for o in operands if hasattr(o, "shape")])
