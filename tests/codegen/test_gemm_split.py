"""float32 products by bfloat16 matrix instructions: as exact as float32 sums, for all numbers."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.core.base.shapes import meta
from rushlight.core.codegen import gemm, library
from rushlight.core.codegen.gemm_problem import Problem
from tests.codegen.harness import meta_of, native, run_kernel

pytestmark = pytest.mark.skipif(
    not library.has_tiles(), reason="this CPU has no matrix instructions")

UNIT = 2.0 ** -24
LAYOUTS = ["NN", "NT", "TN", "TT", "strided"]


def laid(array, layout, which):
    """The same numbers in another layout: transposed, or with gaps."""
    if layout == "strided":
        wide = np.zeros((2 * array.shape[0], 3 * array.shape[1]), array.dtype)
        wide[::2, ::3] = array
        return wide[::2, ::3]
    return array if layout[which] == "N" else np.ascontiguousarray(array.T).T


def product(a, b, layout="NN", blocks=(2, 2)):
    """The product by tiles, whatever the strategy would choose."""
    a, b = laid(a, layout, 0), laid(b, layout, 1)
    (m, k), n = a.shape, b.shape[1]
    strides = [(0, *meta_of(x).strides) for x in (a, b)]
    problem = Problem("float32", "float32", 1, m, n, k, *strides, None, (), None, (), ((0, n, 1),))
    out = np.full((m, n), 77, np.float32)
    rows, columns = (min(x, -(-size // 32)) for x, size in zip(blocks, out.shape))
    run_kernel("gemm_split.split", (problem, rows, columns, gemm.depth_of(problem, "split")),
               [a, b, out], rows * columns)
    return out


def normal(*shape, seed=0):
    """Normally distributed float32 numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


SHAPES = [(130, 64, 64), (200, 161, 77), (129, 100, 530), (65, 1040, 333), (300, 2100, 90),
          (150, 1030, 49), (130, 17, 640), (140, 31, 130), (16, 16, 16), (1, 40, 3)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_errors_are_no_larger_than_those_of_float32_sums(shape, layout):
    m, k, n = shape
    a, b = normal(m, k, seed=1), normal(k, n, seed=2)
    exact = a.astype(np.float64) @ b
    size = np.abs(a).astype(np.float64) @ np.abs(b)
    errors = np.abs(product(a, b, layout) - exact) / size / UNIT
    sums = np.zeros((m, n), np.float32)
    for i in range(k):
        sums += a[:, i:i + 1] * b[i]
    others = np.abs(sums - exact) / size / UNIT
    assert errors.max() < 4 and (errors ** 2).mean() < (others ** 2).mean()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_are_split_without_loss(layout):
    """A permutation gives back every number, from the least to nearly the largest."""
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 0x65000000, (160, 200), np.uint32)
    numbers = (bits | rng.integers(0, 2, bits.shape, np.uint32) << 31).view(np.float32)
    numbers[0, :50] = np.arange(50, dtype=np.uint32).view(np.float32)       # the least
    numbers[1, 7] = -0.0
    order = rng.permutation(160)
    chosen = np.eye(160, dtype=np.float32)[order]
    assert (product(chosen, numbers, layout) == numbers[order]).all()
    assert (product(np.ascontiguousarray(numbers.T), chosen.T, layout) == numbers[order].T).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_integers_are_exact(layout):
    rng = np.random.default_rng(4)
    a = rng.integers(-4000, 4000, (140, 60)).astype(np.float32)
    b = rng.integers(-60, 60, (60, 170)).astype(np.float32)
    assert (product(a, b, layout) == a.astype(np.int64) @ b.astype(np.int64)).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("powers", [(-60, -60), (-75, -70), (-100, 20), (60, 40), (100, -100),
                                    (-126, 118)], ids=str)
def test_small_and_large_numbers(powers, layout):
    a = np.ldexp(normal(140, 100, seed=5), powers[0])
    b = np.ldexp(normal(100, 150, seed=6), powers[1])
    exact = a.astype(np.float64) @ b
    size = np.abs(a).astype(np.float64) @ np.abs(b)
    assert (np.abs(product(a, b, layout) - exact) <= 12 * UNIT * size + 2.0 ** -149).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("k", [100, 1000])
def test_infinities_nan_and_overflow(k, layout):
    a, b = normal(150, k, seed=7), normal(k, 200, seed=8)
    a[3, 5], a[40, k - 1], a[41, 2] = np.inf, np.nan, -np.inf
    b[7, 9], b[k - 2, 150], b[20, 199] = -np.inf, np.nan, np.inf
    a[60, 11] = a[61, 12] = 0.0
    b[11, 30] = np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        exact = np.array([[float("nan") if np.isnan(v) else v for v in row] for row in
                          a.astype(np.float64) @ b.astype(np.float64)])
        got = product(a, b, layout)
        finite = np.isfinite(exact)
        assert (np.isnan(got) == np.isnan(exact)).all()
        assert (got[np.isinf(exact)] == exact[np.isinf(exact)]).all()
        size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
        error = np.abs(got[finite] - exact[finite])
        assert (error <= (2 + 2 * k ** 0.5) * UNIT * size[finite]).all()
        a = np.full((140, 60), 3e38, np.float32)
        b = np.zeros((60, 130), np.float32)
        b[0], b[1, :50], b[2, 60:] = 1.0, -0.5, 2.0
        got = product(a, b, layout)
    assert (got[:, 60:] == np.inf).all() and (got[:, 50:60] == np.float32(3e38)).all()
    assert (got[:, :50] == np.float32(1.5e38)).all()


def test_what_follows_a_product():
    """Bias, batches, and products whose sums go on over blocks of k."""
    a, b, bias = normal(140, 1200, seed=9), normal(90, 1200, seed=10), normal(90, seed=11)
    exact = a.astype(np.float64) @ b.T
    size = np.abs(a).astype(np.float64) @ np.abs(b).T + np.abs(bias)
    got = native("linear_matrix_bias", [bias, a, b])[0]
    assert (np.abs(got - exact - bias) <= 12 * UNIT * size).all()
    got = native("addmm", [bias, a, np.ascontiguousarray(b.T), 2, 0.5])[0]
    assert (np.abs(got - exact / 2 - 2 * bias) <= 12 * UNIT * size).all()
    a, b = normal(5, 140, 70, seed=12), normal(5, 70, 160, seed=13)
    exact = a.astype(np.float64) @ b
    size = np.abs(a).astype(np.float64) @ np.abs(b)
    assert (np.abs(native("bmm", [a, b])[0] - exact) <= 12 * UNIT * size).all()
    turned = meta(meta_of(a).dtype, (5, 140, 160), (140 * 160, 1, 140))
    assert (np.abs(native("bmm", [a, b], outs=[turned])[0] - exact) <= 12 * UNIT * size).all()


def test_numbers_that_are_not_the_products_own_are_not_read():
    """Panels are padded; what lies beside the operands in memory must not matter."""
    wide_a, wide_b = np.full((150, 50), np.nan, np.float32), np.full((60, 190), np.nan, np.float32)
    wide_a[:141, :37], wide_b[:37, :131] = normal(141, 37, seed=14), normal(37, 131, seed=15)
    a, b = wide_a[:141, :37], wide_b[:37, :131]
    for x, y in ((a, b), (b.T, a.T)):
        for layout in LAYOUTS:
            assert np.isfinite(product(x, y, layout)).all()


def test_cuts_do_not_change_sums():
    a, b = normal(330, 700, seed=16), normal(700, 450, seed=17)
    once = product(a, b, blocks=(1, 1))
    for blocks in ((1, 7), (3, 4), (11, 1), (5, 15)):
        assert (product(a, b, blocks=blocks) == once).all()
