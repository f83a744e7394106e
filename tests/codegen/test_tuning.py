"""Measured choices: what is slower is not taken, and what was found is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.core.codegen import convolution, gemm, tuning

from .harness import interpreted, native
from .test_convolution import arrays, close

CASE = ((16, 24, 9, 10), (40, 24, 3, 3), 1, 1, 1, 1)      # three kernels could serve


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path))
    monkeypatch.setattr(convolution, "has_tiles", lambda: False)      # a fourth kernel
    return tmp_path


def remembered(home):
    return sorted((home / "tuned").rglob("*/*"))


def convolve(monkeypatch):
    """Run the case; the ways it could have taken and the one it took."""
    asked = []

    def chosen(low, question, ways, emit):
        way = tuning.chosen(low, question, ways, emit)
        asked.append((ways, way))
        return way
    monkeypatch.setattr(convolution, "chosen", chosen)
    x, w, bias, how = arrays(CASE)
    close(native("convolution", [x, w, bias], (*how, None))[0],
          interpreted("convolution", [x, w, bias], (*how, None))[0])
    return asked[-1]


def test_nothing_is_measured_without_the_knob(home, monkeypatch):
    ways, way = convolve(monkeypatch)
    assert len(ways) == 3 and way is ways[0] and not remembered(home)


def test_the_fastest_is_taken_and_remembered(home, monkeypatch):
    seconds = iter([3.0, 1.0, 2.0])
    measured = []

    def measure(low, emit):
        measured.append(tuning_measure(low, emit))
        return next(seconds)
    tuning_measure = tuning.measure
    monkeypatch.setattr(tuning, "measure", measure)
    monkeypatch.setenv("RUSHLIGHT_TUNE", "1")
    ways, way = convolve(monkeypatch)
    assert way is ways[1] and len(remembered(home)) == 1
    assert len(measured) == 3 and all(0 < t < 10 for t in measured)
    monkeypatch.delenv("RUSHLIGHT_TUNE")
    ways, way = convolve(monkeypatch)               # from memory
    assert way is ways[1]
    remembered(home)[0].write_bytes(b"torn")
    ways, way = convolve(monkeypatch)
    assert way is ways[0]


@pytest.mark.parametrize("number", range(3))
def test_every_way_computes_the_same(home, monkeypatch, number):
    seconds = iter(np.roll([1.0, 2.0, 3.0], number))
    monkeypatch.setattr(tuning, "measure", lambda low, emit: next(seconds))
    monkeypatch.setenv("RUSHLIGHT_TUNE", "1")
    ways, way = convolve(monkeypatch)
    assert way is ways[number]


def test_every_way_of_a_product_has_the_same_bits(home, monkeypatch):
    draw = np.random.default_rng(5)
    x, y = (draw.standard_normal(shape).astype(np.float32) for shape in ((300, 700), (700, 420)))
    expected = native("mm", [x, y])[0]
    np.testing.assert_allclose(expected, interpreted("mm", [x, y])[0], rtol=1e-4, atol=1e-3)
    monkeypatch.setenv("RUSHLIGHT_TUNE", "1")
    taken = set()
    for number in range(10):
        seen = []

        def chosen(low, question, ways, emit, number=number, seen=seen):
            way = ways[number % len(ways)]
            seen.append((way, len(ways), tuning.measure(low, lambda trial: emit(trial, way))))
            return way
        monkeypatch.setattr(gemm, "chosen", chosen)
        np.testing.assert_array_equal(native("mm", [x, y])[0], expected)
        (way, count, seconds), = seen
        assert count >= 3 and 0 < seconds < 10
        taken.add(way)
    assert len(taken) >= 3
