"""The pooling kernels against loops over windows."""

import numpy as np
import pytest

from rushlight.core.interpreter.kernels import pooling as kernels

# size, kernel, stride, padding, dilation, ceil_mode
CASES = [
    ((8, 6), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((7, 9), (3, 2), (2, 1), (1, 1), (1, 2), True),
    ((5,), (3,), (2,), (1,), (1,), True),
    ((9,), (4,), (1,), (2,), (2,), False),
    ((4, 5, 6), (2, 3, 2), (1, 2, 3), (0, 1, 1), (1, 1, 2), True),
    ((6, 6), (3, 3), (3, 3), (1, 0), (1, 1), False),
]


def windows(size, kernel, stride, padding, dilation, out):
    """Yield (result position, in-range flat positions of its window in row-major order)."""
    for t in np.ndindex(*out):
        inside = []
        for k in np.ndindex(*kernel):
            at = [
                a * s + b * d - p
                for a, b, s, d, p in zip(t, k, stride, dilation, padding, strict=True)
            ]
            if all(0 <= a < n for a, n in zip(at, size, strict=True)):
                inside.append(int(np.ravel_multi_index(at, size)))
        yield t, inside


def out_size(case):
    size, kernel, stride, padding, dilation, ceil_mode = case
    return tuple(
        kernels.pooled_size(*numbers, ceil_mode)
        for numbers in zip(size, kernel, stride, padding, dilation, strict=True)
    )


@pytest.mark.parametrize("kind", ["plain", "ties", "nan", "minus infinity", "integers"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_pool(case, kind):
    size, kernel, stride, padding, dilation, _ = case
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, *size))
    if kind in ("ties", "integers"):
        x = np.round(x) + 0.0  # no negative zeros
    if kind == "integers":
        x = x.astype(np.int32)
    if kind == "nan":
        x[rng.random(x.shape) < 0.15] = np.nan
    if kind == "minus infinity":
        x[rng.random(x.shape) < 0.8] = -np.inf
    out = out_size(case)
    how = (kernel, stride, padding, dilation, out)
    best, index = kernels.max_pool(x, *how)
    g = rng.standard_normal(best.shape)
    expected_grad = np.zeros((3, int(np.prod(size))))
    for plane in range(3):
        flat = x[plane].ravel()
        for t, inside in windows(size, kernel, stride, padding, dilation, out):
            missing = [i for i in inside if flat[i] != flat[i]]
            chosen = missing[-1] if missing else max(inside, key=lambda i: (flat[i], -i))
            assert index[(plane, *t)] == chosen
            np.testing.assert_equal(best[(plane, *t)], flat[chosen])
            expected_grad[plane, chosen] += g[(plane, *t)]
    values_only, nothing = kernels.max_pool(x, *how, with_indices=False)
    assert nothing is None
    np.testing.assert_equal(values_only, best)
    got = kernels.max_pool_backward(g, index, size)
    np.testing.assert_allclose(got.reshape(3, -1), expected_grad, atol=1e-12)
    np.testing.assert_equal(kernels.pick_positions(x, index), best)
    if all(s >= d * (k - 1) + 1 for s, k, d in zip(stride, kernel, dilation, strict=True)):
        assert np.array_equal(kernels.max_pool_backward(g, index, size, disjoint=True), got)


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("override", [None, 3])
@pytest.mark.parametrize("case", [c for c in CASES if set(c[4]) == {1}], ids=str)
def test_average_pool(case, override, count_include_pad):
    size, kernel, stride, padding, _, _ = case
    rng = np.random.default_rng(4)
    x, out = rng.standard_normal((2, *size)), out_size(case)
    got = kernels.average_pool(x, kernel, stride, padding, out, count_include_pad, override)
    g = rng.standard_normal(got.shape)
    expected_grad = np.zeros((2, int(np.prod(size))))
    for t, inside in windows(size, kernel, stride, padding, (1,) * len(size), out):
        padded = np.prod([
            min(a * s - p + k, n + p) - (a * s - p)
            for a, s, p, k, n in zip(t, stride, padding, kernel, size, strict=True)
        ])  # fmt: skip
        divisor = override or (padded if count_include_pad else len(inside))
        for plane in range(2):
            np.testing.assert_allclose(
                got[(plane, *t)], x[plane].ravel()[inside].sum() / divisor, atol=1e-12
            )
            expected_grad[plane, inside] += g[(plane, *t)] / divisor
    back = kernels.average_pool_backward(
        g, size, kernel, stride, padding, count_include_pad, override
    )
    np.testing.assert_allclose(back.reshape(2, -1), expected_grad, atol=1e-12)


@pytest.mark.parametrize(
    "size, out", [((7,), (3,)), ((5, 8), (2, 8)), ((3, 4), (5, 6)), ((4, 3, 5), (1, 2, 3))]
)
def test_adaptive_pools(size, out):
    rng = np.random.default_rng(5)
    x = np.round(rng.standard_normal((2, *size)) * 3)
    mean, (best, index) = kernels.adaptive_average_pool(x, out), kernels.adaptive_max_pool(x, out)
    g = rng.standard_normal(mean.shape)
    expected_grad = np.zeros_like(x)
    for t in np.ndindex(*out):
        window = tuple(
            slice(a * n // o, -(-(a + 1) * n // o)) for a, n, o in zip(t, size, out, strict=True)
        )
        for plane in range(2):
            part = x[plane][window]
            np.testing.assert_allclose(mean[(plane, *t)], part.mean(), atol=1e-12)
            assert best[(plane, *t)] == part.max() == x[plane].flat[index[(plane, *t)]]
            offset = np.unravel_index(part.argmax(), part.shape)
            first = [s.start + o for s, o in zip(window, offset, strict=True)]
            assert index[(plane, *t)] == np.ravel_multi_index(first, size)
            expected_grad[plane][window] += g[(plane, *t)] / part.size
    np.testing.assert_allclose(
        kernels.adaptive_average_pool_backward(g, size), expected_grad, atol=1e-12
    )


def test_unpool_puts_values_back():
    x = np.arange(32.0).reshape(2, 4, 4)
    best, index = kernels.max_pool(x, (2, 2), (2, 2), (0, 0), (1, 1), (2, 2))
    back = kernels.max_unpool(best, index, (4, 4))
    assert np.array_equal(back[0], [[0, 0, 0, 0], [0, 5, 0, 7], [0, 0, 0, 0], [0, 13, 0, 15]])


def test_fractional_windows_cover_the_input():
    samples = np.array([[0.0, 0.999], [0.3, 0.6]])
    for axis, (size, count, kernel) in enumerate([(11, 4, 2), (9, 5, 3)]):
        starts = kernels.fractional_starts(samples[:, axis], size, count, kernel)
        assert (starts[:, 0] == 0).all() and (starts[:, -1] == size - kernel).all()
        assert (np.diff(starts, axis=1) > 0).all()
    x = np.random.default_rng(6).standard_normal((2, 11, 9))
    best, index = kernels.fractional_max_pool(x, samples, (2, 3), (4, 5))
    rows = kernels.fractional_starts(samples[:, 0], 11, 4, 2)
    columns = kernels.fractional_starts(samples[:, 1], 9, 5, 3)
    for n, i, j in np.ndindex(2, 4, 5):
        window = x[n, rows[n, i] : rows[n, i] + 2, columns[n, j] : columns[n, j] + 3]
        assert best[n, i, j] == window.max() == x[n].flat[index[n, i, j]]
