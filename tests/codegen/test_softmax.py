"""softmax and log-softmax: native kernels against the interpreter's."""

import numpy as np
import pytest

from .harness import interpreted, native

SHAPES = [((), 0), ((1,), 0), ((7,), 0), ((4, 10), 1), ((3, 16), 1), ((5, 67), 1), ((2, 1000), 1),
          ((40, 1030), 1), ((4, 10), 0), ((3, 5, 7), 1), ((2, 3, 33), 1), ((2, 130, 4, 5), 1),
          ((0, 4), 1), ((4, 0), 1), ((2, 3, 1), 2)]
# Relative, and absolute: sums over a line of values of either sign cancel.
TOLERANCE = {"float32": (2e-6, 2e-5), "float64": (1e-14, 4e-14), "float16": (1e-3, 1e-3)}


def _arrays(shape, dtype, count, seed=0):
    generator = np.random.default_rng(seed)
    return [np.asarray(generator.standard_normal(shape) * 3).astype(dtype) for _ in range(count)]


def _agree(name, arrays, axis, dtype):
    rtol, atol = TOLERANCE[dtype]
    found, = native(name, arrays, (axis,))
    wanted, = interpreted(name, arrays, (axis,))
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64), rtol,
                               atol)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_agrees_over_shapes(name, dtype):
    for shape, axis in SHAPES:
        _agree(name, _arrays(shape, dtype, 1), axis, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_gradient_agrees_over_shapes(name, dtype):
    for shape, axis in SHAPES:
        g, x = _arrays(shape, dtype, 2)
        y, = interpreted(name, [x], (axis,))
        _agree(name + "_backward", [g, y], axis, dtype)


def test_strided_inputs_are_read_where_they_are():
    x, = _arrays((6, 40), "float32", 1)
    for view, axis in ((x.T, 1), (x[:, ::2], 1), (x[::2], 0), (x[:, ::-1], 1),
                       (np.broadcast_to(x[:1], (5, 40)), 1)):
        _agree("softmax", [view], axis, "float32")


def test_nan_and_infinities_spread_over_their_line_alone():
    for width in (5, 16, 90):
        x, = _arrays((6, width), "float32", 1)
        x[0, 3], x[1, 0], x[2, 4], x[3] = np.nan, np.inf, -np.inf, -np.inf
        for name in ("softmax", "log_softmax"):
            _agree(name, [x], 1, "float32")
            _agree(name, [np.ascontiguousarray(x.T)], 0, "float32")


def test_large_numbers_do_not_overflow():
    x = np.array([[1e4, 1e4 - 1, -1e4], [3e38, -3e38, 0]], np.float32)
    _agree("softmax", [x], 1, "float32")
    _agree("log_softmax", [x], 1, "float32")


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_logsumexp_agrees(dtype):
    rtol, atol = TOLERANCE[dtype]
    for shape, dims in (((), ()), ((7,), (0,)), ((3, 40), (1,)), ((3, 40), (0,)), ((3, 40), (0, 1)),
                        ((2, 3, 5, 30), (1, 2)), ((2, 3, 70), (0,)), ((4, 130), (1,))):
        x, = _arrays(shape, dtype, 1)
        if x.ndim:
            x.reshape(-1)[0], x.reshape(-1)[-1] = -np.inf, np.inf
        for keepdim in (False, True):
            found, = native("logsumexp", [x], (dims, keepdim))
            wanted, = interpreted("logsumexp", [x], (dims, keepdim))
            assert found.shape == wanted.shape and found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol, atol)
    for fill in (np.nan, -np.inf):
        x = np.full((3, 20), fill, dtype)
        np.testing.assert_array_equal(native("logsumexp", [x], ((1,), False))[0],
                                      np.full(3, fill, dtype))
