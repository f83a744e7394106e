"""Every pointwise op with a native form: the compiled body against the interpreter's function."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rushlight
from rushlight.core.base import dtypes as dt
from rushlight.core.base.shapes import meta
from rushlight.core.codegen.body import Body, supported
from rushlight.core.codegen.lowering import Lowering, Operand
from rushlight.core.codegen.pointwise import lower_group
from rushlight.core.ops.record import REGISTRY
from rushlight.core.ops.types import compute_types
from tests.codegen.harness import interpreted, run_kernel

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.25, np.inf, -np.inf, np.nan, 1e-3, 7.75, 100.0,
           -20.0, 3e38, 1e-40, 0.3, -0.7]
KINDS = ("float32", "float64", "int64", "bool", "uint8", "int32", "bfloat16")

# Differences of larger terms, so units of the last place of one count.
CANCEL = {"lgamma": 16, "digamma": 16}


def operands_of(kind: str, count: int) -> list[np.ndarray]:
    """`count` arrays in which all pairs (triples) of special values stand beside each other."""
    dtype = dt.DTYPES[kind]
    if kind == "bool":
        values = np.array([False, True])
    elif dtype.category == 1:
        values = np.array([0, 1, 2, 3, 7, 100] + ([-1, -2, -9, -100] if dtype.is_signed else [255]))
    else:
        values = np.array(SPECIAL if count < 3 else SPECIAL[:11])
    with np.errstate(all="ignore"):
        columns = np.array(list(itertools.product(values, repeat=count)))
        return [np.ascontiguousarray(columns[:, i]).astype(dtype.np) for i in range(count)]


def compiled(op, arrays, compute: str, result: str) -> np.ndarray:
    """The op's body as a native kernel on one-dimensional arrays."""
    count = arrays[0].size
    names = tuple(dt.from_numpy_dtype(a.dtype).name for a in arrays)
    body = Body(names, ((op.name, tuple(range(len(arrays))), compute, result),), (len(arrays),))
    out = np.zeros(count, dt.DTYPES[result].np)
    inputs = [Operand(i, meta(dt.DTYPES[n], (count,))) for i, n in enumerate(names)]
    target = Operand(len(arrays), meta(dt.DTYPES[result], (count,)))
    low = Lowering(op, (), (target,), (), None)
    lower_group(low, body, inputs, (target,))
    step, = low.steps
    slots = [*arrays, out]
    run_kernel(step.generator, step.parameters,
               [slots[s] if s >= 0 else n for s, n in step.arguments], step.tasks)
    return out


OPS = [op.name for op in REGISTRY.values() if op.family == "pointwise" and op.body is not None]


@pytest.mark.parametrize("name", OPS)
def test_compiled_body_equals_the_interpreter(name):
    op = REGISTRY[name]
    tried = 0
    for kind in KINDS:
        arrays = operands_of(kind, op.arity)
        metas = [meta(dt.DTYPES[kind], a.shape) for a in arrays]
        try:
            compute, result = compute_types(op, metas)
            if op.rule is not None:
                op.rule(*metas)
        except (RuntimeError, TypeError, NotImplementedError):
            continue
        if op.promotion == "bool":
            compute = dt.bool_
        if not supported(name, compute.name, result.name, op.arity):
            continue
        try:
            expected, = interpreted(name, arrays)
        except (RuntimeError, TypeError, NotImplementedError):
            continue
        found = compiled(op, arrays, compute.name, result.name)
        tried += 1
        compare(name, kind, arrays, found, expected, op.facts.get("bound", 2))
    if not tried:
        assert not supported(name, "float32", "float32", op.arity)


def compare(name, kind, arrays, found, expected, bound) -> None:
    """Equal, both NaN, or within `bound` (and two roundings) units of the last place."""
    wide_found, wide = found.astype(np.float64), expected.astype(np.float64)
    same = (wide_found == wide) | (np.isnan(wide_found) & np.isnan(wide))
    if dt.from_numpy_dtype(expected.dtype).category == 2:
        step = {"float32": 2.0 ** -23, "float64": 2.0 ** -52}.get(expected.dtype.name, 2.0 ** -7)
        with np.errstate(all="ignore"):
            close = np.abs(wide_found - wide) <= (
                (bound + 2) * step * np.abs(wide) + CANCEL.get(name, 0) * step + 1e-44)
            signs = np.signbit(wide_found) == np.signbit(wide)
        same = (same & (signs | np.isnan(wide))) | (close & np.isfinite(wide))
    wrong = np.flatnonzero(~same)[:5]
    assert not wrong.size, f"{name} of {kind}: " + "; ".join(
        f"{[a[i] for a in arrays]} gives {found[i]}, interpreted {expected[i]}" for i in wrong)


assert rushlight
