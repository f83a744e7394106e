"""Layer, group and batch normalisation: native kernels against the interpreter's."""

import numpy as np
import pytest

from .harness import interpreted, native

TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "float16": 2e-3}


def _numbers(generator, shape, dtype):
    return np.asarray(generator.standard_normal(shape) * 2 + 0.5).astype(dtype)


def _close(found, wanted, tolerance):
    for a, b in zip(found, wanted):
        assert a.dtype == b.dtype and a.shape == b.shape
        a, b = a.astype(np.float64), b.astype(np.float64)
        size = max(1.0, float(np.abs(b).max(initial=0, where=np.isfinite(b))))
        np.testing.assert_allclose(a, b, tolerance, tolerance * size)


def _both(name, arrays, params, dtype):
    wanted = interpreted(name, arrays, params)
    _close(native(name, arrays, params), wanted, TOLERANCE[dtype])
    return wanted


LAYERS = [((4, 10), 1), ((3, 1), 1), ((50, 64), 1), ((7, 67), 1), ((2, 3, 5, 7), 2), ((5,), 1),
          ((300, 100), 1), ((3, 1030), 1)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_layer_norm_and_its_gradient(dtype):
    generator = np.random.default_rng(0)
    for shape, dims in LAYERS:
        size = shape[len(shape) - dims:]
        x, g = _numbers(generator, shape, dtype), _numbers(generator, shape, dtype)
        for affine in (True, False):
            kind = "float32" if dtype == "float16" and len(shape) == 2 else dtype
            weight = _numbers(generator, size, kind) if affine else None
            bias = _numbers(generator, size, kind) if affine else None
            _, mean, rstd = _both("native_layer_norm", [x, weight, bias], (dims, 1e-5), dtype)
            _both("native_layer_norm_backward", [g, x, mean, rstd, weight], (dims,), dtype)


def test_variance_is_right_far_from_zero():
    x = (np.random.default_rng(0).standard_normal((5, 200)) + 3000).astype(np.float32)
    exact = x.astype(np.float64)
    _, mean, rstd = native("native_layer_norm", [x, None, None], (1, 1e-5))
    np.testing.assert_allclose(rstd[:, 0], 1 / np.sqrt(exact.var(1) + 1e-5), 1e-5)
    np.testing.assert_allclose(mean[:, 0], exact.mean(1), 1e-6)


def test_strided_inputs_and_nan():
    generator = np.random.default_rng(0)
    x = _numbers(generator, (40, 12), "float32")
    weight = _numbers(generator, (40,), "float32")
    _both("native_layer_norm", [x.T, weight, None], (1, 1e-5), "float32")
    x[3, 3] = np.nan
    _both("native_layer_norm", [x.T, weight[::-1], weight], (1, 1e-5), "float32")


CHANNELS = [(4, 3), (300, 21), (2, 5, 7), (3, 4, 2, 2), (5, 3, 8, 8), (2, 6, 14, 14),
            (1, 2, 190, 190), (1, 3, 4), (9, 1, 5, 13)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_and_its_gradient(dtype, training):
    generator = np.random.default_rng(0)
    for shape in CHANNELS:
        x, g = _numbers(generator, shape, dtype), _numbers(generator, shape, dtype)
        kind = "float32" if dtype == "float16" and len(shape) == 4 else dtype
        weight, bias, mean = (_numbers(generator, shape[1:2], kind) for _ in range(3))
        var = generator.random(shape[1:2]).astype(kind) + 0.5
        running = [None, None] if training else [mean, var]
        for parameters in ([weight, bias], [None, None]):
            _, mean_now, rstd, _ = _both("native_batch_norm", [x, *parameters, *running],
                                         (training, 1e-5), dtype)
            _both("native_batch_norm_backward", [g, x, mean_now, rstd, parameters[0]],
                  (training,), dtype)


def test_batch_norm_of_channels_last_and_strided():
    generator = np.random.default_rng(0)
    x = _numbers(generator, (3, 9, 10, 18), "float32").transpose(0, 3, 1, 2)
    g = _numbers(generator, (3, 9, 10, 18), "float32").transpose(0, 3, 1, 2)
    weight = _numbers(generator, (18,), "float32")
    for a, b in ((x, g), (x, np.ascontiguousarray(g)), (np.ascontiguousarray(x), g),
                 (x[:, :, ::2], g[:, :, ::2])):
        _, mean, rstd, _ = _both("native_batch_norm", [a, weight, weight, None, None],
                                 (True, 1e-5), "float32")
        _both("native_batch_norm_backward", [b, a, mean, rstd, weight], (True,), "float32")


def test_batch_variance_is_right_far_from_zero():
    x = (np.random.default_rng(0).standard_normal((40, 2, 30, 30)) + 3000).astype(np.float32)
    exact = x.astype(np.float64)
    _, mean, rstd, unbiased = native("native_batch_norm", [x, None, None, None, None], (True, 0.0))
    np.testing.assert_allclose(rstd, 1 / exact.std((0, 2, 3)), 5e-6)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), 1e-7)
    np.testing.assert_allclose(unbiased, exact.var((0, 2, 3), ddof=1), 5e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_group_norm_and_its_gradient(dtype):
    generator = np.random.default_rng(0)
    for shape, groups in (((4, 6), 3), ((2, 6, 7), 2), ((3, 8, 9, 9), 4), ((1, 4, 40, 40), 4),
                          ((2, 3, 1, 5), 1), ((5, 6, 2, 2), 6)):
        x, g = _numbers(generator, shape, dtype), _numbers(generator, shape, dtype)
        kind = "float32" if dtype == "float16" and len(shape) == 4 else dtype
        for affine in (True, False):
            weight, bias = ((_numbers(generator, shape[1:2], kind) for _ in range(2)) if affine
                            else (None, None))
            _, mean, rstd = _both("native_group_norm", [x, weight, bias], (groups, 1e-5), dtype)
            mean_g, rstd_g = (_numbers(generator, mean.shape, mean.dtype) for _ in range(2))
            for extra in ([mean_g, rstd_g], [mean_g * 0, rstd_g * 0]):
                _both("native_group_norm_backward", [g, *extra, x, mean, rstd, weight], (groups,),
                      dtype)
