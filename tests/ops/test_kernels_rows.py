"""Kernels over rows and tables: softmax, normalisation, lookup, distances, CTC."""

import itertools

import numpy as np
import pytest

from rushlight.core.interpreter.kernels import ctc, distances, embedding, normalization, softmax


def numeric_gradient(function, x, g, step=1e-6):
    """Central differences of sum(g * function(x)) in each entry of x."""
    grad = np.zeros_like(x)
    for at in range(x.size):
        move = np.zeros_like(x)
        move.flat[at] = step
        grad.flat[at] = (g * (function(x + move) - function(x - move))).sum() / (2 * step)
    return grad


@pytest.mark.parametrize("block_bytes", [32, 1 << 18])
@pytest.mark.parametrize(
    "shape, axis", [((3, 4), 1), ((2, 3, 4), 1), ((5,), 0), ((), 0), ((4, 2), 0)]
)
def test_softmax(shape, axis, block_bytes, monkeypatch):
    monkeypatch.setattr(softmax, "_BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(0)
    x, g = np.asarray(rng.standard_normal(shape)), np.asarray(rng.standard_normal(shape))
    weights = np.exp(x)
    want = weights / weights.sum(axis if shape else None, keepdims=True)
    y, logs = softmax.softmax(x, axis), softmax.log_softmax(x, axis)
    np.testing.assert_allclose(y, want, atol=1e-14)
    np.testing.assert_allclose(logs, np.log(want), atol=1e-13)
    np.testing.assert_allclose(
        softmax.softmax_backward(g, y, axis),
        numeric_gradient(lambda v: softmax.softmax(v, axis), x, g), atol=1e-8,
    )  # fmt: skip
    np.testing.assert_allclose(
        softmax.log_softmax_backward(g, logs, axis),
        numeric_gradient(lambda v: softmax.log_softmax(v, axis), x, g), atol=1e-8,
    )  # fmt: skip


def test_softmax_of_large_numbers():
    y = softmax.log_softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], np.float32), 1)
    np.testing.assert_allclose(y, [[0, -1e4], [np.log(0.5), np.log(0.5)]], rtol=1e-6)


@pytest.mark.parametrize("block_bytes", [16, 1 << 18])
def test_normalize_rows(block_bytes, monkeypatch):
    monkeypatch.setattr(normalization, "_BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(1)
    x, g = rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    y, mean, rstd = normalization.normalize_rows(x, 0.1)
    np.testing.assert_allclose(mean[:, 0], x.mean(1))
    np.testing.assert_allclose(rstd[:, 0], (x.var(1) + 0.1) ** -0.5)
    np.testing.assert_allclose(y, (x - mean) * rstd)
    weight, bias = rng.random(5), rng.random(5)

    def affine(v=x, w=weight, b=bias):
        return normalization.normalize_rows(v, 0.1, w, b)[0]

    np.testing.assert_allclose(affine(), y * weight + bias)
    made = normalization.normalize_rows_backward(g, x, mean, rstd, weight)
    np.testing.assert_allclose(made[0], numeric_gradient(affine, x, g), atol=1e-8)
    np.testing.assert_allclose(
        made[1], numeric_gradient(lambda w: affine(w=w), weight, g), atol=1e-8
    )
    np.testing.assert_allclose(made[2], numeric_gradient(lambda b: affine(b=b), bias, g), atol=1e-8)


@pytest.mark.parametrize("block_bytes", [16, 1 << 18])
def test_batch_norm(block_bytes, monkeypatch):
    monkeypatch.setattr(normalization, "_BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(2)
    x, g, weight = rng.standard_normal((3, 2, 4)), rng.standard_normal((3, 2, 4)), rng.random(2)

    def forward(v, w=weight):
        mean, variance = normalization.channel_statistics(v)
        scale = w / np.sqrt(variance + 0.1)
        return normalization.channel_scale_shift(v, scale, -mean * scale)

    mean, variance = normalization.channel_statistics(x)
    np.testing.assert_allclose(mean, x.mean((0, 2)))
    np.testing.assert_allclose(variance, x.var((0, 2)))
    made = normalization.batch_norm_backward(g, x, mean, (variance + 0.1) ** -0.5, weight, True)
    np.testing.assert_allclose(made[0], numeric_gradient(forward, x, g), atol=1e-8)
    np.testing.assert_allclose(
        made[1], numeric_gradient(lambda w: forward(x, w), weight, g), atol=1e-8
    )
    np.testing.assert_allclose(made[2], g.sum((0, 2)))
    frozen = normalization.batch_norm_backward(g, x, mean, np.full(2, 3.0), weight, False)[0]
    np.testing.assert_allclose(frozen, g * 3 * weight[:, None])


def test_add_rows():
    g = np.arange(10.0).reshape(5, 2)
    index = np.array([3, 1, 3, 0, 1])
    made = embedding.add_rows(g, index, 4)
    assert made.tolist() == [[6, 7], [10, 12], [0, 0], [4, 6]]
    assert embedding.add_rows(g, index, 4, padding_index=1)[1].tolist() == [0, 0]
    halved = embedding.add_rows(g, index, 4, scale_by_frequency=True)
    assert halved.tolist() == [[6, 7], [5, 6], [0, 0], [2, 3]]
    assert embedding.add_rows(np.zeros((0, 2)), np.zeros(0, int), 3).tolist() == [[0, 0]] * 3


def test_scatter_add():
    rng = np.random.default_rng(3)
    base, source = rng.standard_normal((3, 4)), rng.standard_normal((5, 4))
    index = rng.integers(0, 3, (5, 2))
    want = base.copy()
    for i, j in np.ndindex(5, 2):
        want[index[i, j], j] += source[i, j]
    np.testing.assert_allclose(embedding.scatter_add(base, index, source, 0), want)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag(mode):
    table = np.random.default_rng(4).standard_normal((6, 3))
    index, offsets = np.array([4, 2, 2, 5, 0, 1]), np.array([0, 3, 3, 5])
    bags, chosen, bag, sizes = embedding.embedding_bag(table, index, offsets, mode, None, 5)
    assert bag.tolist() == [0, 0, 0, 2, 2, 3] and sizes.tolist() == [3, 0, 1, 1]
    for b, rows in enumerate([[4, 2, 2], [], [0], [1]]):
        want = getattr(table[rows], mode)(0) if rows else np.zeros(3)
        np.testing.assert_allclose(bags[b], want)
        if mode == "max" and rows:
            assert (table[chosen[b], np.arange(3)] == want).all()


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, np.inf])
def test_distances(p):
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 5, 4))

    def norm(v):
        size = np.abs(v)
        if p == 0:
            return np.count_nonzero(v)
        return size.max() if np.isinf(p) else (size**p).sum() ** (1 / p)

    made = distances.cdist(a, b, p)
    for n, i, j in np.ndindex(2, 3, 5):
        np.testing.assert_allclose(made[n, i, j], norm(a[n, i] - b[n, j]))
    pairs = distances.pdist(b[0], p)
    want = [norm(u - v) for u, v in itertools.combinations(b[0], 2)]
    np.testing.assert_allclose(pairs, want)
    g, h = rng.standard_normal(made.shape), rng.standard_normal(pairs.shape)
    a_grad, b_grad = distances.cdist_backward(g, a, b, p, made)
    close = dict(atol=1e-5)
    np.testing.assert_allclose(
        a_grad, numeric_gradient(lambda v: distances.cdist(v, b, p), a, g), **close
    )
    np.testing.assert_allclose(
        b_grad, numeric_gradient(lambda v: distances.cdist(a, v, p), b, g), **close
    )
    np.testing.assert_allclose(
        distances.pdist_backward(h, b[0], p, pairs),
        numeric_gradient(lambda v: distances.pdist(v, p), b[0], h), **close,
    )  # fmt: skip
    same = distances.cdist(a, a, p)
    grads = distances.cdist_backward(np.ones_like(same), a, a, p, same)
    assert np.isfinite(grads[0]).all()  # a distance of zero has slope zero


def test_ctc_sums_over_all_alignments():
    rng = np.random.default_rng(6)
    steps, classes, blank = 4, 3, 0
    log_probs = np.log(rng.dirichlet(np.ones(classes), (steps, 3)))
    targets = np.array([[1, 2], [1, 1], [2, 0]])
    input_lengths, target_lengths = np.array([4, 4, 3]), np.array([2, 2, 1])

    def collapsed(path):
        return [c for c, _ in itertools.groupby(path) if c != blank]

    want = []
    for n in range(3):
        total = 0.0
        for path in itertools.product(range(classes), repeat=int(input_lengths[n])):
            if collapsed(path) == targets[n, : target_lengths[n]].tolist():
                total += np.exp(sum(log_probs[t, n, c] for t, c in enumerate(path)))
        want.append(-np.log(total))
    how = (targets, input_lengths, target_lengths)
    loss, alpha = ctc.ctc_alpha(log_probs, *how, blank)
    np.testing.assert_allclose(loss, want, rtol=1e-10)

    # the gradient is that of log-probabilities that stay normalised: compare through log-softmax
    g = rng.standard_normal(3)
    x = rng.standard_normal((steps, 3, classes))

    def from_scores(v):
        return ctc.ctc_alpha(softmax.log_softmax(v, 2), *how, blank)[0]

    logs = softmax.log_softmax(x, 2)
    loss, alpha = ctc.ctc_alpha(logs, *how, blank)
    made = ctc.ctc_backward(g, logs, *how, loss, alpha, blank, False)
    made = softmax.log_softmax_backward(made, logs, 2)
    np.testing.assert_allclose(made, numeric_gradient(from_scores, x, g), atol=1e-7)


def test_ctc_impossible_target():
    log_probs = np.log(np.full((1, 1, 3), 1 / 3))
    how = (np.array([[1, 1]]), np.array([1]), np.array([2]))
    loss, alpha = ctc.ctc_alpha(log_probs, *how, 0)
    assert np.isinf(loss[0])
    made = ctc.ctc_backward(np.ones(1), log_probs, *how, loss, alpha, 0, True)
    assert not made.any()
