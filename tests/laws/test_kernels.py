"""A kernel gives what its op's rule announces: shape, and dtype up to the interpreter's casts.

The interpreter adjusts a kernel's dtype and memory order to the rule's Meta, and would also
reshape or broadcast; a kernel that relies on the latter is wrong about its own result. Checked
over the recorded inputs of every op, by looking at what kernels return before it is adjusted.
"""

from __future__ import annotations

import numpy as np
import pytest

import rushlight
from rushlight.core.interpreter import lower as lowering
from rushlight.core.interpreter import plan
from rushlight.core.ops.record import REGISTRY
from rushlight.core.runtime import realize
from tests.laws.replay import replay
from tests.laws.test_vectors import archive

# Kinds the interpreter may turn into one another without losing what the kernel meant: an
# integer kernel may count in any width, a real kernel may compute in any precision.
ALLOWED = {("b", "b"), ("i", "i"), ("u", "i"), ("i", "u"), ("u", "u"), ("f", "f"), ("c", "c"),
           ("V", "f"), ("f", "V"), ("V", "V"), ("b", "i"), ("b", "u")}


def kind(dtype):
    return "V" if dtype.name == "bfloat16" else dtype.kind


@pytest.fixture
def disagreements(monkeypatch):
    """Ops whose kernels return another shape or kind of number than announced."""
    found, running = {}, []
    finish, lower = lowering._finish, lowering.lower

    def checked_finish(result, meta):
        got = np.asarray(result)
        op = running[-1] if running else None
        if op is not None and op.family not in ("pointwise", "copy"):
            if got.shape != meta.shape:
                found.setdefault(op.name, f"shape {got.shape}, announced {meta.shape}")
            elif (kind(got.dtype), kind(np.dtype(meta.np))) not in ALLOWED:
                found.setdefault(op.name, f"dtype {got.dtype}, announced {meta.np}")
        return finish(result, meta)

    def named_lower(op, operands, params, meta):
        run = lower(op, operands, params, meta)

        def named(*arrays, **keywords):
            running.append(op)
            try:
                return run(*arrays, **keywords)
            finally:
                running.pop()
        return named

    monkeypatch.setattr(lowering, "_finish", checked_finish)
    monkeypatch.setattr(plan, "lower", named_lower)
    monkeypatch.setattr(realize, "_structures", type(realize._structures)())
    return found


QUICK = ("sum", "mean", "amax", "cumsum", "topk", "sort", "gather", "cat", "nn.functional.conv2d",
         "nn.functional.max_pool2d", "matmul", "nn.functional.layer_norm", "var", "median")


def test_kernels_return_what_rules_announce(disagreements):
    for name in QUICK:
        replay(rushlight, archive("float32")[name])
    assert disagreements == {}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex64"])
def test_all_kernels_return_what_rules_announce(disagreements, dtype):
    for name in archive(dtype).names:
        replay(rushlight, archive(dtype)[name])
    assert disagreements == {}
    assert REGISTRY
