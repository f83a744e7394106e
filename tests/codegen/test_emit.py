"""The emitter: what it writes is what runs."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8", "bfloat16"])
@pytest.mark.parametrize("size", [1, 15, 16, 17, 33])
def test_a_masked_store_writes_its_lanes_only(dtype, size):
    # LLVM turned a store of one lane of a truncated vector into one of the wide element, which
    # overwrote what stood behind it.
    from rushlight.core.base import dtypes as dt
    from rushlight.core.base.shapes import meta
    from rushlight.core.codegen.body import CAST, Body
    from rushlight.core.codegen.lowering import Lowering, Operand
    from rushlight.core.codegen.pointwise import lower_group
    from tests.codegen.harness import run_kernel
    kind = dt.DTYPES[dtype]
    x = np.arange(1, size + 1, dtype=np.int32)
    out = np.full(size + 8, 9).astype(kind.np)
    body = Body(("int32",), ((CAST, (0,), "int32", dtype),), (1,))
    low = Lowering(None, (), (Operand(1, meta(kind, (size,), (1,), 2)),), (), None)
    lower_group(low, body, [Operand(0, meta(dt.int32, (size,)))], low.outputs)
    step, = low.steps
    run_kernel(step.generator, step.parameters, [x, out[2:]], step.tasks)
    assert out[2: size + 2].astype(np.float64).tolist() == list(range(1, size + 1))
    assert out[:2].astype(np.float64).tolist() == [9, 9]
    assert out[size + 2:].astype(np.float64).tolist() == [9] * 6
