"""What tools/fuzz_plans.py takes for rounding, and what for a fault of the compiled plan."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.core.runtime import compiler, native, realize

TOOL = Path(__file__).resolve().parents[2] / "tools" / "fuzz_plans.py"
ROWS, NOISE, EQUAL = 6, 3, 7        # rows from NOISE on are EQUAL numbers: normalised, noise


@pytest.fixture
def fuzzer(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_JIT", "sync")        # restored after the import sets it
    monkeypatch.syspath_prepend("")                     # and so is sys.path
    spec = importlib.util.spec_from_file_location("fuzz_plans", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(compiler, "MODE", "sync")
    monkeypatch.setattr(realize, "COMPILES", True)      # where RUSHLIGHT_JIT=0 runs the tests
    return module


def plan_of(monkeypatch, program, *arrays):
    """(plan, leaves, scalars) of what a program of tensors ran last."""
    seen = []
    run = native.NativePlan.run

    def kept(self, leaves, scalars, *rest):
        seen.append((self, list(leaves), list(scalars)))
        return run(self, leaves, scalars, *rest)
    with monkeypatch.context() as patch:
        patch.setattr(native.NativePlan, "run", kept)
        program(*[torch.from_numpy(a) for a in arrays]).tolist()
    return seen[-1]


def compare(fuzzer, found, places, change):
    """The fuzzer's comparison of a plan whose output is changed at some places."""
    plan, leaves, scalars = found
    run = native.NativePlan.run

    def faulty(self, *given):
        outputs = run(self, *given)
        for place in places:
            outputs[0][place] = change(outputs[0][place])
        return outputs
    return fuzzer.checked(faulty)(plan, list(leaves), list(scalars))


def rows() -> np.ndarray:
    x = np.random.default_rng(3).normal(size=(ROWS, EQUAL)).astype(np.float32)
    x[NOISE:] = x[NOISE:, :1]
    return x


DECISIONS = {
    "ge": (lambda y: y >= 0, np.logical_not),
    "eq": (lambda y: y == 0, np.logical_not),
    "bool": (lambda y: y.to(torch.bool), np.logical_not),
    "sign": (torch.sign, lambda v: 1 - abs(v)),
    "floor": (torch.floor, lambda v: -1 - v),
    "isnan": (lambda y: torch.sqrt(y).isnan(), np.logical_not),
    "where": (lambda y: torch.where(y > 0, 2.0, 5.0), lambda v: 7 - v),
    "argmax": (lambda y: y.argmax(1), lambda v: (v + 1) % EQUAL),
    "count": (lambda y: (y > 0).sum(1), lambda v: v + 1),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_on_rounding_noise_may_differ_and_no_other(fuzzer, monkeypatch, name):
    decide, other = DECISIONS[name]
    found = plan_of(monkeypatch, lambda x: decide(F.layer_norm(x, (EQUAL,))), rows())
    by_row = name in ("argmax", "count")
    noise = [(i,) if by_row else (i, j) for i in range(NOISE, ROWS) for j in range(EQUAL)]
    compare(fuzzer, found, [], other)
    compare(fuzzer, found, noise[:1] if by_row else noise, other)
    for place in [(0,), (2,)] if by_row else [(0, 0), (2, 6)]:
        with pytest.raises(fuzzer.Different):
            compare(fuzzer, found, [place], other)


TIES = {
    "of leaves": lambda x, y: x >= y,
    "of what was only moved": lambda x, y: torch.relu(x.t().flip(0)) <= torch.relu(y.t().flip(0)),
    "in a maximum": lambda x, y: torch.cat([x, y], 1).argmax(1),
    "with a number": lambda x, y: x == 1,
}


@pytest.mark.parametrize("name", TIES)
def test_a_tie_of_exact_numbers_is_decided(fuzzer, monkeypatch, name):
    x = np.round(rows())
    found = plan_of(monkeypatch, TIES[name], x, x.copy())
    compare(fuzzer, found, [], np.logical_not)
    place = (1,) if name == "in a maximum" else (1, 1)
    change = (lambda v: v + EQUAL) if name == "in a maximum" else np.logical_not
    with pytest.raises(fuzzer.Different):
        compare(fuzzer, found, [place], change)


def test_a_sum_that_cancels_may_differ_by_its_rounding_errors(fuzzer, monkeypatch):
    x = np.random.default_rng(1).normal(size=(4, 1000)).astype(np.float32)
    found = plan_of(monkeypatch, lambda x: 1 / (x - x.mean(1, keepdim=True)).sum(1), x)
    compare(fuzzer, found, [(0,), (1,)], lambda v: -v)
    found = plan_of(monkeypatch, lambda x: F.layer_norm(x, (1000,)).sum(1), 100 + x)
    compare(fuzzer, found, [(0,), (1,)], lambda v: v + np.float32(1e-2))      # of its mean
    found = plan_of(monkeypatch, lambda x: 1 / x.sum(1), x)
    with pytest.raises(fuzzer.Different):
        compare(fuzzer, found, [(0,)], lambda v: v * 2)
