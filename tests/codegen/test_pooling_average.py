"""Average and adaptive pooling: native kernels against the interpreter's."""

import numpy as np
import pytest

from rushlight.core.interpreter.kernels.pooling import pooled_size

from .harness import interpreted, native

# (shape, kernel, stride, padding, ceil mode)
WINDOWS = [((2, 3, 8, 8), 2, 2, 0, False), ((1, 2, 23, 37), 3, 2, 1, False),
           ((1, 2, 15, 16), 3, 2, 1, True), ((2, 1, 9, 35), 3, 1, 1, False),
           ((2, 1, 5, 70), (1, 4), (1, 3), (0, 2), False), ((0, 3, 4, 4), 2, 2, 0, False),
           ((2, 4, 21), 4, 2, 1, False), ((1, 2, 5, 6, 18), 2, 2, 0, False),
           ((2, 4, 6, 7, 9), 3, 2, 1, True)]
BINS = [((2, 3, 7, 7), (1, 1)), ((2, 3, 8, 12), (2, 3)), ((1, 2, 7, 10), (3, 4)),
        ((2, 40), (1,)), ((2, 3, 13), (5,)), ((1, 2, 4, 5, 6), (2, 2, 3)), ((1, 4, 2, 3), (4, 5)),
        ((3, 2, 4, 4, 4), (1, 1, 1))]
TOLERANCE = {"float32": 2e-6, "float64": 1e-14, "float16": 2e-3}


def _agree(name, arrays, params, dtype):
    found, = native(name, arrays, params)
    wanted, = interpreted(name, arrays, params)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64),
                               TOLERANCE[dtype], TOLERANCE[dtype])
    return wanted


def _numbers(shape, dtype):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: f"{w[0]}-{w[1]}-{w[2]}")
def test_average_and_its_gradient(window, dtype):
    shape, *rest, ceil = window
    dims = len(shape) - 2
    kernel, stride, padding = (v if isinstance(v, tuple) else (v,) * dims for v in rest)
    size = tuple(pooled_size(*a, ceil_mode=ceil) for a in
                 zip(shape[-dims:], kernel, stride, padding))
    x = _numbers(shape, dtype)
    for include, divisor in ((True, None), (False, None), (True, 3)):
        y = _agree(f"avg_pool{dims}d", [x], (kernel, stride, padding, size, include, divisor),
                   dtype)
        _agree(f"avg_pool{dims}d_backward", [_numbers(y.shape, dtype)],
               (shape[-dims:], kernel, stride, padding, include, divisor), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("case", BINS, ids=str)
def test_adaptive_and_its_gradient(case, dtype):
    shape, size = case
    dims = len(size)
    y = _agree(f"adaptive_avg_pool{dims}d", [_numbers(shape, dtype)], (size,), dtype)
    arguments = [_numbers(y.shape, dtype)], (shape[len(shape) - dims:],)
    if dtype == "float16" and any(n % count for n, count in zip(shape[-dims:], size)):
        with pytest.raises(LookupError):      # uneven bins of 16-bit floats stay interpreted
            native(f"adaptive_avg_pool{dims}d_backward", *arguments)
    else:
        _agree(f"adaptive_avg_pool{dims}d_backward", *arguments, dtype)


def test_channels_last_and_nan():
    x = _numbers((2, 6, 8, 5), "float32").transpose(0, 3, 1, 2)
    _agree("avg_pool2d", [x], ((2, 2), (2, 2), (0, 0), (3, 4), True, None), "float32")
    _agree("adaptive_avg_pool2d", [x], ((1, 1),), "float32")
    x[0, 0, 0, 0] = np.nan
    _agree("adaptive_avg_pool2d", [x], ((1, 1),), "float32")
