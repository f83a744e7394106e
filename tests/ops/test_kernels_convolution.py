"""The convolution kernels against loops that spell the definition out."""

import itertools

import numpy as np
import pytest

from rushlight.core.interpreter.kernels import convolution as kernels


def loop_convolution(x, w, stride, padding, dilation, groups):
    """y[n, o, t] = sum over c, k of w[o, c, k] * x[n, c, t * stride + k * dilation - padding]."""
    spatial, kernel = x.shape[2:], w.shape[2:]
    counts = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True)
    ]
    y = np.zeros((x.shape[0], w.shape[0], *counts), np.result_type(x, w))
    per_group = w.shape[0] // groups
    for n, o, c in itertools.product(*map(range, (x.shape[0], w.shape[0], w.shape[1]))):
        plane = x[n, o // per_group * w.shape[1] + c]
        for t in np.ndindex(*counts):
            for k in np.ndindex(*kernel):
                at = [
                    a * s + b * d - p
                    for a, b, s, d, p in zip(t, k, stride, dilation, padding, strict=True)
                ]
                if all(0 <= a < size for a, size in zip(at, spatial, strict=True)):
                    y[(n, o, *t)] += w[(o, c, *k)] * plane[tuple(at)]
    return y


# batch, channels, out channels, groups, size, kernel, stride, padding, dilation
CASES = [
    (2, 3, 4, 1, (7,), (3,), (1,), (0,), (1,)),
    (1, 4, 6, 2, (9,), (2,), (3,), (2,), (2,)),
    (2, 2, 3, 1, (6, 5), (3, 2), (1, 1), (1, 0), (1, 1)),
    (1, 2, 2, 1, (7, 8), (3, 3), (2, 3), (1, 2), (1, 2)),
    (3, 4, 4, 4, (5, 5), (3, 3), (1, 2), (1, 1), (2, 1)),
    (2, 6, 3, 3, (4, 6), (1, 1), (2, 2), (0, 0), (1, 1)),
    (2, 1, 2, 1, (5, 4), (5, 4), (1, 1), (0, 0), (1, 1)),
    (1, 2, 2, 1, (4, 5, 4), (2, 3, 2), (1, 2, 1), (1, 0, 1), (2, 1, 1)),
    (2, 2, 4, 2, (3, 4, 5), (1, 2, 3), (2, 1, 3), (0, 1, 2), (1, 3, 1)),
    (1, 2, 2, 1, (5, 5), (2, 2), (4, 3), (3, 3), (3, 2)),
]


def make(rng, dtype, *shape):
    if np.dtype(dtype).kind == "i":
        return rng.integers(-4, 5, shape).astype(dtype)
    made = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        made = made + 1j * rng.standard_normal(shape)
    return made.astype(dtype)


@pytest.mark.parametrize("buffer_bytes", [1 << 19, 64], ids=["one piece", "many pieces"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.complex128])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_and_adjoints(case, dtype, buffer_bytes, monkeypatch):
    monkeypatch.setattr(kernels, "_BUFFER_BYTES", buffer_bytes)
    batch, channels, outs, groups, size, kernel, stride, padding, dilation = case
    rng = np.random.default_rng(0)
    x = make(rng, dtype, batch, channels, *size)
    w = make(rng, dtype, outs, channels // groups, *kernel)
    bias = make(rng, dtype, outs)
    how = (stride, padding, dilation, groups)
    expected = loop_convolution(x, w, *how)
    close = dict(rtol=1e-4, atol=1e-4) if dtype == np.float32 else dict(rtol=1e-10, atol=1e-10)

    y = kernels.convolution(x, w, None, *how)
    assert y.dtype == x.dtype and y.flags.c_contiguous
    np.testing.assert_allclose(y, expected, **close)
    shifted = kernels.convolution(x, w, bias, *how)
    np.testing.assert_allclose(shifted, expected + bias.reshape(-1, *[1] * len(size)), **close)

    # a linear map and its adjoint: <g, A x> = <A' g, x>, tested against every unit vector
    g = make(rng, dtype, *expected.shape)
    x_grad = kernels.convolution_input_gradient(g, w, size, *how)
    w_grad = kernels.convolution_weight_gradient(x, g, kernel, *how)
    assert x_grad.shape == x.shape and w_grad.shape == w.shape
    for at in rng.choice(x.size, 6):
        unit = np.zeros_like(x)
        unit.flat[at] = 1
        product = (g * loop_convolution(unit, w, *how)).sum()
        np.testing.assert_allclose(x_grad.flat[at], product, **close)
    for at in rng.choice(w.size, min(6, w.size)):
        unit = np.zeros_like(w)
        unit.flat[at] = 1
        product = (g * loop_convolution(x, unit, *how)).sum()
        np.testing.assert_allclose(w_grad.flat[at], product, **close)


def test_empty_batch():
    x, w = np.zeros((0, 3, 5, 5), np.float32), np.ones((2, 3, 3, 3), np.float32)
    how = ((1, 1), (0, 0), (1, 1), 1)
    y = kernels.convolution(x, w, np.ones(2, np.float32), *how)
    assert y.shape == (0, 2, 3, 3)
    assert kernels.convolution_input_gradient(y, w, (5, 5), *how).shape == x.shape
    assert not kernels.convolution_weight_gradient(x, y, (3, 3), *how).any()
