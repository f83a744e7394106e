"""Nearest resampling and mirrored padding: native kernels against the interpreter's."""

import numpy as np
import pytest

from .harness import interpreted, native

# (input's spatial size, result's)
SIZES = [((7,), (14,)), ((7,), (10,)), ((9,), (4,)), ((5, 6), (10, 12)), ((5, 6), (5, 6)),
         ((5, 6), (13, 40)), ((8, 9), (3, 2)), ((2, 3, 4), (4, 6, 8)), ((2, 3, 4), (3, 5, 9))]


def _numbers(shape, dtype):
    return np.random.default_rng(0).integers(-50, 50, shape).astype(dtype)


def _agree(name, arrays, params):
    found, = native(name, arrays, params)
    wanted, = interpreted(name, arrays, params)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_and_its_gradient(mode, dtype):
    for small, large in SIZES:
        name = f"upsample_{mode}{len(small)}d"
        for factors in ((None,) * len(small), tuple(b / a for a, b in zip(small, large)),
                        (1.7,) * len(small)):
            _agree(name, [_numbers((2, 3, *small), dtype)],
                   (mode, large, False, factors, False))
            if dtype != "uint8":
                _agree(name + "_backward", [_numbers((2, 3, *large), dtype)],
                       (mode, small, False, factors, False))
    x = _numbers((2, 5, 6, 3), dtype).transpose(0, 3, 1, 2)
    _agree(f"upsample_{mode}2d", [x], (mode, (10, 12), False, (2.0, 2.0), False))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_pads_and_their_gradients(mode, dtype):
    for shape, widths in (((2, 3, 9), ((0, 0), (0, 0), (3, 2))),
                          ((2, 3, 5, 20), ((0, 0), (0, 0), (2, 1), (4, 4))),
                          ((3, 4, 5, 6), ((0, 0), (1, 1), (0, 3), (2, 0))),
                          ((2, 6, 7), ((0, 0), (-1, 2), (2, -3)))):
        x = _numbers(shape, dtype)
        _agree(f"{mode}_pad", [x], (widths,))
        padded = [n + a + b for n, (a, b) in zip(shape, widths)]
        _agree(f"{mode}_pad_backward", [_numbers(padded, dtype)], (widths,))
