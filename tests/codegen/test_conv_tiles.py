"""Convolutions by bfloat16 matrix instructions: the numbers of float32, however they are cut."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.core.codegen import conv_tiles, conv_weight_tiles, convolution, library
from tests.codegen.harness import interpreted, native

pytestmark = pytest.mark.skipif(
    not library.has_tiles(), reason="this CPU has no matrix instructions")

UNIT = 2.0 ** -24

# x, weight, padding, dilation, groups
CASES = {
    "plain": ((3, 32, 8, 8), (32, 32, 3, 3), 1, 1, 1),
    "long rows": ((2, 64, 9, 32), (64, 64, 3, 3), 1, 1, 1),
    "small pictures": ((9, 40, 4, 4), (50, 40, 3, 3), 1, 1, 1),
    "1 x 1": ((2, 32, 14, 14), (48, 32, 1, 1), 0, 1, 1),
    "groups, dilation": ((2, 64, 7, 7), (34, 32, 3, 3), 1, 2, 2),
    "bands": ((1, 40, 60, 56), (20, 40, 3, 3), 1, 1, 1),
    "no padding": ((2, 20, 16, 16), (32, 20, 3, 3), 0, 1, 1),
    "wide kernel": ((3, 32, 9, 20), (32, 32, 5, 5), 2, 1, 1),
    "padding beyond the kernel": ((2, 32, 6, 5), (32, 32, 3, 3), 4, 1, 1),
    "uneven": ((2, 33, 5, 19), (17, 33, 2, 3), (1, 0), (2, 1), 1),
    "many channels": ((9, 330, 4, 4), (40, 330, 3, 3), 1, 1, 1),
    "a row": ((4, 20, 1, 30), (20, 20, 1, 5), (0, 2), 1, 1),
    "a signal": ((3, 24, 50), (40, 24, 5), 2, 1, 1),
}


@pytest.fixture(autouse=True)
def only_tiles(monkeypatch):
    """No other kernel may serve."""
    ways = convolution._ways

    def tiles(*arguments):
        found = [w for w in ways(*arguments) if w.kernel == "conv_tiles.correlate_tiles"]
        assert found
        return found
    monkeypatch.setattr(convolution, "_ways", tiles)


def arrays(case, seed=0):
    """x, weight, bias, and the static parameters."""
    x, w, padding, dilation, groups = CASES[case]
    random = np.random.default_rng(seed)
    dims = len(x) - 2
    each = [v if isinstance(v, tuple) else (v,) * dims for v in (1, padding, dilation)]
    return *[random.standard_normal(s).astype(np.float32) for s in (x, w, w[:1])], (*each, groups)


def exact(name, x, w, params):
    """In float64, and the sum of the terms' sizes."""
    wide = [a.astype(np.float64) for a in (x, w)]
    return (interpreted(name, [*wide, None], params)[0],
            interpreted(name, [*map(np.abs, wide), None], params)[0])


def check(x, w, how):
    """A convolution and its input gradient, within float32's rounding."""
    want, size = exact("convolution", x, w, (*how, None))
    got = native("convolution", [x, w, None], (*how, None))[0]
    assert (np.abs(got - want) <= 12 * UNIT * size).all()
    picture = tuple(x.shape[2:])
    g = np.random.default_rng(9).standard_normal(want.shape).astype(np.float32)
    want, size = exact("convolution_transpose", g, w, (*how, picture))
    got = native("convolution_transpose", [g, w, None], (*how, picture))[0]
    assert (np.abs(got - want) <= 12 * UNIT * size).all()


@pytest.mark.parametrize("case", CASES)
def test_convolutions_and_input_gradients(case):
    x, w, _, how = arrays(case)
    check(x, w, how)


@pytest.mark.parametrize("images, rows, out_blocks, chunk", [
    (1, 9, 1, 1), (1, 4, 2, 2), (1, 1, 3, 3), (2, 9, 2, 2), (4, 9, 1, 1), (5, 9, 3, 3)])
def test_every_cut(monkeypatch, images, rows, out_blocks, chunk):
    blocks = conv_tiles.TileBlocks(images, rows, out_blocks, chunk, 2)
    monkeypatch.setattr(conv_tiles, "weight_tasks", lambda problem: 2)
    monkeypatch.setattr(convolution, "choose_tiles", lambda problem, kept: (1.0, blocks))
    random = np.random.default_rng(1)
    x = random.standard_normal((5, 90, 9, 11)).astype(np.float32)
    w = random.standard_normal((90, 90, 3, 3)).astype(np.float32)
    check(x, w, ((1, 1), (1, 1), (1, 1), 1))


def test_strides_of_the_operands():
    x, w, _, how = arrays("plain")
    check(x[::-1], w.transpose(0, 1, 3, 2), how)
    check(np.ascontiguousarray(x.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3), w[:, ::-1], how)


@pytest.mark.parametrize("powers", [(-60, -60), (-75, -70), (-100, 20), (60, 40), (-120, 110)],
                         ids=str)
def test_small_and_large_numbers(powers):
    x, w, _, how = arrays("groups, dilation")
    x, w = np.ldexp(x, powers[0]), np.ldexp(w, powers[1])
    want, size = exact("convolution", x, w, (*how, None))
    got = native("convolution", [x, w, None], (*how, None))[0]
    assert (np.abs(got - want) <= 12 * UNIT * size + 2.0 ** -149).all()


@pytest.mark.parametrize("case", ["long rows", "small pictures", "bands", "uneven"])
def test_infinities_and_nan(case):
    x, w, bias, how = arrays(case)
    x[0, 3, 1, 2], x[1 % len(x), 5, 2, 2], x[0, 7, 3, 1] = np.inf, np.nan, -np.inf
    w[5, 2, 0, 1] = np.inf
    bias = np.arange(len(w), dtype=np.float32)
    with np.errstate(invalid="ignore"):
        want = interpreted("convolution", [x, w, bias], (*how, None))[0]
    got = native("convolution", [x, w, bias], (*how, None))[0]
    finite = np.isfinite(want)
    assert (np.isnan(got) == np.isnan(want)).all() and (np.isinf(got) == np.isinf(want)).all()
    np.testing.assert_allclose(got[finite], want[finite], rtol=1e-4, atol=1e-3)
    x, w, _, how = arrays(case)
    x, w = np.abs(x), np.abs(w)
    x *= np.float32(3.4e38 / (0.6 * w[0].size))
    got = native("convolution", [x, w, None], (*how, None))[0]
    with np.errstate(over="ignore"):
        want = exact("convolution", x, w, (*how, None))[0].astype(np.float32)
    np.testing.assert_allclose(got, want, rtol=1e-4)
    assert np.isinf(got).any() and np.isfinite(got).any()


WEIGHT_CASES = {
    "plain": ((5, 32, 8, 8), (32, 32, 3, 3), 1, 1, 1),
    "bands": ((2, 64, 33, 32), (64, 64, 3, 3), 1, 1, 1),
    "small pictures": ((9, 32, 4, 4), (64, 32, 3, 3), 1, 1, 1),
    "many small pictures": ((60, 64, 4, 4), (32, 64, 3, 3), 1, 1, 1),
    "1 x 1": ((12, 32, 14, 14), (32, 32, 1, 1), 0, 1, 1),
    "groups, dilation": ((2, 64, 17, 17), (64, 32, 3, 3), 1, 2, 2),
    "long rows": ((1, 96, 56, 56), (32, 96, 3, 3), 1, 1, 1),
    "wide kernel": ((5, 32, 9, 20), (32, 32, 5, 5), 2, 1, 1),
    "no padding": ((4, 32, 16, 16), (32, 32, 3, 3), 0, 1, 1),
    "padding beyond the kernel": ((9, 32, 6, 5), (32, 32, 3, 3), 4, 1, 1),
    "a signal": ((40, 32, 30), (32, 32, 5), 2, 1, 1),
    "several divisions": ((3, 512, 9, 9), (64, 512, 3, 3), 1, 1, 1),
}


@pytest.fixture
def weight_tiles(monkeypatch):
    """Whatever share of the pixels is padding."""
    chosen = []
    choose = conv_weight_tiles.choose_weight_tiles

    def remembered(problem):
        chosen.append(choose(problem))
        return chosen[-1]
    monkeypatch.setattr(conv_weight_tiles, "LEAST_USEFUL", 0.0)
    monkeypatch.setattr(conv_weight_tiles, "choose_weight_tiles", remembered)
    monkeypatch.setattr(convolution.conv_weight_images, "suits", lambda *arguments: False)
    yield
    assert chosen and None not in chosen


def weight_arrays(case):
    """x, the result's gradient, and the static parameters."""
    x, w, padding, dilation, groups = WEIGHT_CASES[case]
    dims = len(x) - 2
    each = [v if isinstance(v, tuple) else (v,) * dims for v in (1, padding, dilation)]
    size = [n + 2 * p - d * (k - 1) for n, p, d, k in zip(x[2:], *each[1:], w[2:])]
    random = np.random.default_rng(3)
    made = [random.standard_normal(s).astype(np.float32) for s in (x, (x[0], w[0], *size))]
    return *made, (tuple(w[2:]), *each, groups)


def exact_weight(x, g, params):
    """In float64, and the sum of the terms' sizes."""
    x, g = x.astype(np.float64), g.astype(np.float64)
    return (interpreted("convolution_weight", [x, g], params)[0],
            interpreted("convolution_weight", [abs(x), abs(g)], params)[0])


@pytest.mark.parametrize("case", WEIGHT_CASES)
def test_weight_gradients(case, weight_tiles):
    x, g, params = weight_arrays(case)
    want, size = exact_weight(x, g, params)
    got = native("convolution_weight", [x, g], params)[0]
    assert (np.abs(got - want) <= 12 * UNIT * size).all()


@pytest.mark.parametrize("powers", [(-75, -70), (-100, 20), (60, 40), (-120, 110)], ids=str)
def test_weight_gradients_of_small_and_large_numbers(powers, weight_tiles):
    x, g, params = weight_arrays("plain")
    x, g = np.ldexp(x, powers[0]), np.ldexp(g, powers[1])
    want, size = exact_weight(x, g, params)
    got = native("convolution_weight", [x, g], params)[0]
    assert (np.abs(got - want) <= 12 * UNIT * size + 2.0 ** -149).all()


@pytest.mark.parametrize("case", ["plain", "bands", "several divisions"])
def test_weight_gradients_of_infinities_and_nan(case, weight_tiles):
    x, g, params = weight_arrays(case)
    x[0, 3, 1, 2], x[-1, 5, 2, 2], g[0, 7, 3, 1] = np.inf, np.nan, -np.inf
    with np.errstate(invalid="ignore"):
        want = interpreted("convolution_weight", [x, g], params)[0]
    got = native("convolution_weight", [x, g], params)[0]
    finite = np.isfinite(want)
    assert finite.any() and (np.isinf(got) == np.isinf(want)).all()
    assert (np.isnan(got) == np.isnan(want)).all()
    np.testing.assert_allclose(got[finite], want[finite], rtol=1e-3, atol=1e-3)
    clean, _, _ = weight_arrays(case)
    clean[-1, 5, 2, 2] = np.nan             # reaches the gradients of its own channel only
    got = native("convolution_weight", [clean, np.nan_to_num(g, neginf=1.0)], params)[0]
    group = np.isnan(got).reshape(len(got), got.shape[1], -1).any((0, 2))
    assert group[5] and group.sum() == 1
