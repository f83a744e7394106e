"""Long draws: machine code gives the bits of the interpreter's, which are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.core.base import mt19937
from rushlight.core.codegen import library
from rushlight.core.codegen.target import aarch64
from rushlight.core.ops import box_muller
from rushlight.core.ops import random_draws as draws
from rushlight.core.runtime import compiler, random_kernels

STEP = np.float32(2.0**-24)
KERNELS = (random_kernels.BOX_MULLER, random_kernels.WORDS, random_kernels.BELOW,
           random_kernels.LOG_UNIFORM)


@pytest.fixture
def at_once(monkeypatch):
    """The compiled forms from the first number on."""
    monkeypatch.setattr(random_kernels, "WORTH", 0)
    monkeypatch.setattr(compiler, "MODE", "sync")
    monkeypatch.setattr(draws, "_LONG", 1)
    monkeypatch.setattr(mt19937, "_LONG_DRAW", 1)
    for wanted in KERNELS:
        monkeypatch.setattr(wanted, "slot", compiler.Slot(None))
        assert wanted.code() is not None
    monkeypatch.setattr(box_muller, "compiled32", [random_kernels.normals])
    monkeypatch.setattr(mt19937, "compiled", [random_kernels.words])
    monkeypatch.setattr(draws, "compiled_below", [random_kernels.below])
    monkeypatch.setattr(draws, "compiled_log", [random_kernels.log_uniform])
    return monkeypatch


def interpreted(monkeypatch):
    """NumPy's forms from here on."""
    monkeypatch.setattr(box_muller, "compiled32", [None])
    monkeypatch.setattr(mt19937, "compiled", [None])
    monkeypatch.setattr(draws, "compiled_below", [None])
    monkeypatch.setattr(draws, "compiled_log", [None])


def same_bits(a, b):
    return a.dtype == b.dtype and np.array_equal(a.view(np.uint8), b.view(np.uint8))


@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.3, 1.7), (-2.0, 1e-3), (1e10, 3e5)])
def test_every_bit(at_once, mean, std):
    random = np.random.default_rng(0)
    uniform = random.integers(0, 1 << 24, 16 * 30_001, dtype=np.uint32).astype(np.float32) * STEP
    uniform[:32] = 0
    uniform[32:64] = 1 - STEP
    uniform[64:96] = np.repeat([STEP, 0.25, 0.5, 0.75], 8)
    # Where the logarithm's and the sine's ranges end.
    uniform[96:112] = np.float32(1 - np.sqrt(0.5)) + STEP * np.arange(-8, 8)
    uniform[120:128] = np.arange(8) / 8
    found = random_kernels.normals(uniform, mean, std)
    assert same_bits(found, box_muller.box_muller_blocks32(uniform, mean, std))
    interpreted(at_once)
    assert same_bits(found, box_muller.box_muller_blocks32(uniform, mean, std))


@pytest.mark.parametrize("count", [16, 100, 4096, 4097, 70_003])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_draw_and_the_state_after_it(at_once, count, dtype):
    state = mt19937.seed_state(5)
    found, after = draws.draw_normal(state, count, np.dtype(dtype), 0.5, 2.0)
    interpreted(at_once)
    wanted, after_too = draws.draw_normal(state, count, np.dtype(dtype), 0.5, 2.0)
    assert same_bits(found, wanted) and after == after_too


def test_words_from_anywhere_in_a_block(at_once):
    """Against NumPy's own generator."""
    random = np.random.default_rng(1)
    for seed, (skipped, count) in enumerate([
            (0, 1), (0, 623), (0, 624), (0, 625), (1, 623), (1, 624), (5, 1243), (623, 1), (623, 2),
            (624, 1), (624, 624), (700, 3000), *random.integers(1, 5000, (30, 2)).tolist()]):
        state = mt19937.seed_state(seed)
        first, state = mt19937.draw_words(state, skipped)
        words, after = mt19937.draw_words(state, count)
        theirs = np.random.Generator(np.random.MT19937(0))
        theirs.bit_generator.state = {"bit_generator": "MT19937", "state": {
            "key": mt19937.seed_state(seed).block, "pos": 624}}
        wanted = theirs.integers(0, 1 << 32, skipped + count, dtype=np.uint32)
        assert np.array_equal(np.concatenate([first, words]), wanted)
        now = theirs.bit_generator.state["state"]
        assert np.array_equal(after.block, now["key"]) and after.position == now["pos"]
        assert not words.flags.writeable


@pytest.mark.parametrize("probability", [0.0, 1e-9, 0.1, 0.5, 0.75, 1 - 2.0**-53, 1.0])
def test_bernoulli(at_once, probability):
    state = mt19937.seed_state(11)
    for count in (1, 7, 16, 33, 16_384, 40_001):
        found, after = draws.draw_bernoulli(state, count, np.dtype(np.float32), probability)
        assert found.flags.writeable
        at_once.setattr(draws, "compiled_below", [None])
        wanted, after_too = draws.draw_bernoulli(state, count, np.dtype(np.float32), probability)
        at_once.setattr(draws, "compiled_below", [random_kernels.below])
        assert same_bits(found, wanted) and after == after_too


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_exponential(at_once, dtype):
    state = mt19937.seed_state(3)
    for count in (1, 33, 16_385, 100_001):
        found, after = draws.draw_exponential(state, count, np.dtype(dtype), 0.7)
        at_once.setattr(draws, "compiled_log", [None])
        wanted, after_too = draws.draw_exponential(state, count, np.dtype(dtype), 0.7)
        at_once.setattr(draws, "compiled_log", [random_kernels.log_uniform])
        assert same_bits(found, wanted) and after == after_too


def test_words_that_only_their_second_word_decides(at_once):
    high = np.array([4, 5, 6, 5, 5, 5], np.uint32) | np.uint32(1 << 31)
    low = np.array([9, 9, 9, 6, 7, 8], np.uint32)
    words = np.stack([high, low], axis=1).reshape(-1)
    assert random_kernels.below(words, 5 << 32 | 7).tolist() == [1, 0, 0, 1, 0, 0]


def test_few_numbers_ask_for_no_kernel(monkeypatch):
    monkeypatch.setattr(random_kernels, "_drawn", [0])
    for wanted in KERNELS:
        monkeypatch.setattr(wanted, "slot", compiler.Slot(None))
    assert random_kernels.normals(np.zeros(160, np.float32), 0, 1) is None
    assert random_kernels.words(mt19937.seed_state(0).block, 624, 5000) is None
    assert random_kernels.below(np.zeros(160, np.uint32), 1) is None
    assert random_kernels.log_uniform(np.zeros(160, np.uint32)) is None
    assert random_kernels.WORDS.slot.state == "new"


@pytest.mark.parametrize("name", ["normal.box_muller", "words.words", "words.below",
                                  "words.log_uniform"])
def test_other_processors(name):
    for target in (aarch64(), library.limited("avx2"), library.limited("avx512")):
        text = library.generate(f"random_{name}", (), target)
        assert "kernel" in library.compile_text(text, target, assembly=True)
