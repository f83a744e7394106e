"""Pooling: native kernels against the interpreter's, values and choices."""

import numpy as np
import pytest

from rushlight.core.interpreter.kernels.pooling import pooled_size

from .harness import Refused, interpreted, native

# (shape, kernel, stride, padding, dilation, ceil mode)
WINDOWS = [((2, 3, 8, 8), 2, 2, 0, 1, False), ((1, 6, 28, 28), 2, 2, 0, 1, False),
           ((2, 2, 10, 14), 2, 2, 0, 1, False), ((1, 2, 23, 37), 3, 2, 1, 1, False),
           ((1, 2, 56, 56), 3, 2, 1, 1, True), ((2, 1, 9, 35), 3, 1, 1, 1, False),
           ((1, 1, 13, 13), 13, 1, 6, 1, False), ((1, 1, 19, 40), 3, 3, 0, 2, True),
           ((2, 1, 5, 70), (1, 4), (1, 3), (0, 2), 1, False), ((1, 1, 1, 1), 1, 1, 0, 1, False),
           ((3, 7, 7), 3, 2, 1, 1, True), ((0, 3, 4, 4), 2, 2, 0, 1, False),
           ((2, 3, 21), 4, 2, 1, 1, False), ((2, 21), 3, 1, 1, 2, True),
           ((1, 1, 40), 2, 5, 1, 1, False),
           ((1, 2, 5, 6, 18), 2, 2, 0, 1, False), ((2, 4, 6, 7, 9), 3, 2, 1, 1, True)]


def _params(shape, kernel, stride, padding, dilation, ceil):
    """(dims, kernel, stride, padding, dilation, size)."""
    dims = {2: 1, 3: 2 if shape[0] == 3 else 1, 4: 2, 5: 3}[len(shape)]
    kernel, stride, padding, dilation = (
        v if isinstance(v, tuple) else (v,) * dims for v in (kernel, stride, padding, dilation))
    size = tuple(pooled_size(*a, ceil_mode=ceil) for a in
                 zip(shape[-dims:], kernel, stride, padding, dilation))
    return dims, (kernel, stride, padding, dilation, size)


def _same(name, arrays, params):
    for found, wanted in zip(native(name, arrays, params), interpreted(name, arrays, params)):
        assert found.dtype == wanted.dtype and found.shape == wanted.shape
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: f"{w[0]}-{w[1]}-{w[2]}")
def test_maximum_and_choice_agree(window):
    dims, params = _params(*window)
    generator = np.random.default_rng(0)
    x = generator.integers(-4, 4, window[0]).astype(np.float32)     # many equal values
    _same(f"max_pool{dims}d_with_indices", [x], params)
    _same("max_pool", [x], params)
    x.reshape(-1)[generator.random(x.size) < 0.2] = np.nan
    x.reshape(-1)[generator.random(x.size) < 0.2] = -np.inf
    _same(f"max_pool{dims}d_with_indices", [x], params)
    _same(f"max_pool{dims}d_with_indices", [np.full_like(x, -np.inf)], params)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8", "int32"])
def test_maximum_of_other_dtypes(dtype):
    x = (np.random.default_rng(0).standard_normal((2, 2, 19, 21)) * 60).astype(dtype)
    for window in ((2, 2, 0, 1, False), (3, 2, 1, 1, True)):
        _, params = _params(x.shape, *window)
        _same("max_pool2d_with_indices", [x], params)


def test_maximum_of_channels_last():
    x = np.random.default_rng(0).standard_normal((2, 9, 10, 5)).astype(np.float32)
    _, params = _params((2, 5, 9, 10), 2, 2, 0, 1, False)
    _same("max_pool2d_with_indices", [x.transpose(0, 3, 1, 2)], params)
    _same("max_pool2d_with_indices", [x[:, ::2, ::-1].transpose(0, 3, 1, 2)],
          _params((2, 5, 5, 10), 2, 2, 0, 1, False)[1])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("window", WINDOWS[:8] + WINDOWS[-2:], ids=lambda w: f"{w[0]}-{w[1]}")
def test_gradient_goes_to_the_choice(window, dtype):
    dims, params = _params(*window)
    generator = np.random.default_rng(0)
    x = generator.standard_normal(window[0]).astype(dtype)
    values, index = interpreted(f"max_pool{dims}d_with_indices", [x], params)
    g = generator.standard_normal(values.shape).astype(dtype)
    spatial = window[0][-dims:]
    apart = all(s >= d * (k - 1) + 1 for k, s, d in zip(params[0], params[1], params[3]))
    for disjoint in {apart, False}:
        found, = native("max_pool_backward", [g, index], (spatial, disjoint))
        wanted, = interpreted("max_pool_backward", [g, index], (spatial, disjoint))
        np.testing.assert_allclose(found, wanted, 1e-5 if dtype != "float16" else 2e-3, 1e-6)
    _same("max_pool_pick", [x, index], (dims,))


def test_a_position_outside_the_plane_is_refused():
    g, index = np.ones((1, 1, 2, 2), np.float32), np.full((1, 1, 2, 2), 16)
    with pytest.raises(Refused):
        native("max_pool_backward", [g, index], ((4, 4), False))
    with pytest.raises(Refused):
        native("max_pool_pick", [g, index - 17], (2,))
