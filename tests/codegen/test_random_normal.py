"""Long normal draws: machine code gives the bits of the interpreter's, which are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.core.base import mt19937
from rushlight.core.ops import box_muller
from rushlight.core.ops import random_draws as draws
from rushlight.core.runtime import normals

STEP = np.float32(2.0**-24)


@pytest.fixture
def at_once(monkeypatch):
    """The compiled form from the first number on; counts its uses."""
    used = []

    def counted(uniform, mean, std):
        used.append(uniform.size)
        return normals.normals(uniform, mean, std)
    monkeypatch.setattr(normals, "WORTH", 0)
    monkeypatch.setattr(box_muller, "compiled32", [counted])
    return used


@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.3, 1.7), (-2.0, 1e-3), (1e10, 3e5)])
def test_every_bit(at_once, monkeypatch, mean, std):
    random = np.random.default_rng(0)
    uniform = random.integers(0, 1 << 24, 16 * 30_001, dtype=np.uint32).astype(np.float32) * STEP
    uniform[:32] = 0
    uniform[32:64] = 1 - STEP
    uniform[64:96] = np.repeat([STEP, 0.25, 0.5, 0.75], 8)
    # Where the logarithm's and the sine's ranges end.
    uniform[96:112] = np.float32(1 - np.sqrt(0.5)) + STEP * np.arange(-8, 8)
    uniform[120:128] = np.arange(8) / 8
    found = box_muller.box_muller_blocks32(uniform, mean, std)
    assert at_once == [uniform.size]
    monkeypatch.setattr(box_muller, "compiled32", [None])
    wanted = box_muller.box_muller_blocks32(uniform, mean, std)
    assert np.array_equal(found.view(np.int32), wanted.view(np.int32))


@pytest.mark.parametrize("count", [16, 100, 4096, 4097, 70_003])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_draw_and_the_state_after_it(at_once, monkeypatch, count, dtype):
    state = mt19937.seed_state(5)
    found, after = draws.draw_normal(state, count, np.dtype(dtype), 0.5, 2.0)
    assert at_once
    monkeypatch.setattr(box_muller, "compiled32", [None])
    wanted, after_too = draws.draw_normal(state, count, np.dtype(dtype), 0.5, 2.0)
    assert np.array_equal(found.view(np.uint8), wanted.view(np.uint8)) and after == after_too


def test_few_numbers_load_no_compiler(monkeypatch):
    monkeypatch.setattr(normals, "_drawn", [0])
    assert normals.normals(np.zeros(160, np.float32), 0, 1) is None
