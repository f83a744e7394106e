"""Padding, folding, interpolation and grid sampling kernels against their formulas."""

import math

import numpy as np
import pytest

from rushlight.core.interpreter.kernels import folding, grid, interpolation, padding


def check_adjoint(forward, backward, x, g):
    """<g, A x> = <A' g, x> for a linear A, on each unit vector of x."""
    grad = backward(g)
    assert grad.shape == x.shape
    for at in range(x.size):
        unit = np.zeros_like(x)
        unit.flat[at] = 1
        np.testing.assert_allclose(grad.flat[at], (g * forward(unit)).sum(), atol=1e-10)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_pad_modes(mode):
    x = np.arange(12.0).reshape(3, 4)
    widths = ((2, 1), (-1, 3))
    if mode != "replicate":
        widths = ((2, 1), (0, 3))
    source = {
        "reflect": lambda i, n: abs(i) if i < n else 2 * (n - 1) - i,
        "replicate": lambda i, n: min(max(i, 0), n - 1),
        "circular": lambda i, n: i % n,
    }[mode]
    y = padding.pad_gather(x, widths, mode)
    for i, j in np.ndindex(*y.shape):
        assert y[i, j] == x[source(i - widths[0][0], 3), source(j - widths[1][0], 4)]
    g = np.random.default_rng(0).standard_normal(y.shape)
    check_adjoint(
        lambda v: padding.pad_gather(v, widths, mode),
        lambda v: padding.pad_gather_backward(v, widths, mode), x, g,
    )  # fmt: skip


def test_circular_padding_does_not_wrap_what_was_cut():
    made = padding.pad_gather(np.arange(5), ((-1, 3),), "circular")
    assert made.tolist() == [1, 2, 3, 4, 1, 2, 3]


def test_pad_constant():
    x = np.arange(6).reshape(2, 3)
    y = padding.pad_constant(x, ((1, 0), (-1, 2)), 9)
    assert y.tolist() == [[9, 9, 9, 9], [1, 2, 9, 9], [4, 5, 9, 9]]
    assert padding.pad_constant(x, ((-1, -1), (0, 0))).shape == (0, 3)


def test_add_along_sums_slices_that_meet():
    g = np.array([[16, 1.0], [1.0, 2.0], [-16, 3.0], [5.0, 4.0]])
    made = padding.add_along(g, np.array([2, 0, 2, 2]), 4, 0)
    assert made.tolist() == [[1, 2], [0, 0], [5, 8], [0, 0]]


@pytest.mark.parametrize(
    "how", [((2, 3), (1, 2), (1, 0), (2, 1)), ((3, 1), (2, 1), (0, 2), (1, 2))]
)
def test_unfold_and_fold(how):
    kernel, stride, pads, dilation = how
    x = np.random.default_rng(1).standard_normal((2, 3, 5, 6))
    columns = folding.unfold(x, kernel, stride, pads, dilation)
    counts = folding.window_counts((5, 6), kernel, stride, pads, dilation)
    assert columns.shape == (2, 3 * math.prod(kernel), math.prod(counts))
    shaped = columns.reshape(2, 3, *kernel, *counts)
    for n, c, i, j, a, b in np.ndindex(*shaped.shape):
        row = a * stride[0] + i * dilation[0] - pads[0]
        column = b * stride[1] + j * dilation[1] - pads[1]
        inside = 0 <= row < 5 and 0 <= column < 6
        assert shaped[n, c, i, j, a, b] == (x[n, c, row, column] if inside else 0)
    g = np.random.default_rng(2).standard_normal(columns.shape)
    check_adjoint(lambda v: folding.unfold(v, *how), lambda v: folding.fold(v, (5, 6), *how), x, g)


def linear_at(line, position):
    position = max(position, 0.0)
    low = min(int(position), len(line) - 1)
    high = min(low + 1, len(line) - 1)
    return line[low] + (line[high] - line[low]) * (position - low)


def cubic_at(line, position, a=-0.75):
    low = math.floor(position)
    total = 0.0
    for k in range(low - 1, low + 3):
        d = abs(position - k)
        if d <= 1:
            weight = (a + 2) * d**3 - (a + 3) * d**2 + 1
        else:
            weight = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        total += weight * line[min(max(k, 0), len(line) - 1)]
    return total


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("mode, at", [("linear", linear_at), ("cubic", cubic_at)])
@pytest.mark.parametrize("count, factor", [(7, None), (3, None), (1, None), (7, 1.5)])
def test_interpolation(mode, at, align_corners, count, factor):
    line = np.random.default_rng(3).standard_normal((1, 5))
    taps = [
        interpolation.taps(mode, 5, count, align_corners, factor, dtype=np.float64, dimensions=1)
    ]
    y = interpolation.resample(line, taps)
    if align_corners:
        scale = 4 / (count - 1) if count > 1 else 0
        places = [t * scale for t in range(count)]
    else:
        scale = 1 / factor if factor else 5 / count
        places = [(t + 0.5) * scale - 0.5 for t in range(count)]
    np.testing.assert_allclose(y[0], [at(line[0], p) for p in places], atol=1e-12)
    g = np.random.default_rng(4).standard_normal(y.shape)
    check_adjoint(
        lambda v: interpolation.resample(v, taps),
        lambda v: interpolation.resample_backward(v, taps, (5,)), line, g,
    )  # fmt: skip


def test_nearest_picks_pixels():
    index, weights = interpolation.taps("nearest", 5, 8)
    assert weights is None and index.tolist() == [[0, 0, 1, 1, 2, 3, 3, 4]]
    index, _ = interpolation.taps("nearest-exact", 5, 8)
    assert index.tolist() == [[0, 0, 1, 2, 2, 3, 4, 4]]


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_antialias_weights_are_a_partition_of_one(mode):
    index, weights = interpolation.taps(mode, 11, 4, antialias=True, dtype=np.float64)
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-12)
    support = 2.75 * (1 if mode == "linear" else 2)
    for t in range(4):
        used = index[:, t][weights[:, t] != 0]
        assert (np.abs(used + 0.5 - (t + 0.5) * 2.75) <= support).all()


GRIDS = [
    (m, p, a)
    for m in ("bilinear", "nearest", "bicubic")
    for p in ("zeros", "border", "reflection")
    for a in (True, False)
]


@pytest.mark.parametrize("mode, pad, align_corners", GRIDS)
def test_grid_sample(mode, pad, align_corners):
    rng = np.random.default_rng(5)
    x, points = rng.standard_normal((1, 2, 4, 5)), rng.uniform(-1.9, 1.9, (1, 3, 3, 2))

    def inside(p, n):
        if pad == "zeros":
            return p
        if pad == "reflection":
            low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
            while p < low or p > high:
                p = 2 * low - p if p < low else 2 * high - p
        return min(max(p, 0), n - 1)

    def pixel(c, i, j):
        if mode == "bicubic":
            i, j = inside(i, 4), inside(j, 5)
        i, j = int(round(i)), int(round(j))
        return x[0, c, i, j] if 0 <= i < 4 and 0 <= j < 5 else 0.0

    def place(g, n):
        p = (g + 1) / 2 * (n - 1) if align_corners else ((g + 1) * n - 1) / 2
        return p if mode == "bicubic" else inside(p, n)

    y = grid.grid_sample(x, points, mode, pad, align_corners)
    for c, i, j in np.ndindex(2, 3, 3):
        column, row = place(points[0, i, j, 0], 5), place(points[0, i, j, 1], 4)
        if mode == "nearest":
            want = pixel(c, row, column)
        elif mode == "bilinear":
            r, q = math.floor(row), math.floor(column)
            want = sum(
                pixel(c, r + a, q + b) * (1 - abs(row - r - a)) * (1 - abs(column - q - b))
                for a in (0, 1) for b in (0, 1)
            )  # fmt: skip
        else:
            r, q = math.floor(row), math.floor(column)
            lines = [
                cubic_at([pixel(c, k, m) for m in range(q - 1, q + 3)], column - q + 1)
                for k in range(r - 1, r + 3)
            ]
            want = cubic_at(lines, row - r + 1)
        np.testing.assert_allclose(y[0, c, i, j], want, atol=1e-10)

    g = rng.standard_normal(y.shape)
    how = (mode, pad, align_corners)
    x_grad, grid_grad = grid.grid_sample_backward(g, x, points, *how)
    check_adjoint(lambda v: grid.grid_sample(v, points, *how), lambda v: x_grad, x, g)
    if mode != "nearest":
        for at in range(points.size):
            step = np.zeros_like(points)
            step.flat[at] = 1e-6
            difference = grid.grid_sample(x, points + step, *how) - grid.grid_sample(
                x, points - step, *how
            )
            np.testing.assert_allclose(grid_grad.flat[at], (g * difference).sum() / 2e-6, atol=1e-5)


def test_affine_base_grid_centres():
    made = grid.affine_base_grid((2, 4), False, np.float64).reshape(2, 4, 3)
    np.testing.assert_allclose(made[0, :, 0], [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(made[:, 0, 1], [-0.5, 0.5])
    assert (made[..., 2] == 1).all()
