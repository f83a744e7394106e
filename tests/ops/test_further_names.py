"""Windows, low-rank factorizations, and methods under the package's name."""

import pytest

import rushlight as torch

W = torch.signal.windows


def test_windows_have_their_published_values():
    assert W.hann(5).tolist() == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-6)
    assert W.hann(4, sym=False).tolist() == pytest.approx([0, 0.5, 1, 0.5], abs=1e-6)
    assert W.hamming(3).tolist() == pytest.approx([0.08, 1, 0.08], abs=1e-6)
    assert W.bartlett(5).tolist() == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert W.gaussian(3, std=2).tolist() == pytest.approx([0.8824969, 1, 0.8824969])
    assert W.kaiser(3, beta=0).tolist() == [1, 1, 1]
    assert W.exponential(3).tolist() == pytest.approx([0.3678794, 1, 0.3678794])
    assert W.hann(0).tolist() == []
    assert W.cosine(1).tolist() == [1]


def test_window_errors():
    with pytest.raises(ValueError, match="requires non-negative window length, got M=-1"):
        W.hann(-1)
    with pytest.raises(ValueError, match="expects float32 or float64 dtypes, got: torch.int64"):
        W.hann(5, dtype=torch.int64)
    with pytest.raises(ValueError, match="Standard deviation must be positive, got: 0 instead."):
        W.gaussian(5, std=0)


def test_low_rank_factorization_recovers_a_matrix_of_low_rank():
    torch.manual_seed(0)
    a = torch.randn(9, 3, dtype=torch.float64) @ torch.randn(3, 7, dtype=torch.float64)
    for matrix in (a, a.mT):
        u, s, v = torch.svd_lowrank(matrix, 3)
        assert torch.allclose((u * s) @ v.mT, matrix)
    u, s, v = torch.pca_lowrank(a, 3)
    assert torch.allclose((u * s) @ v.mT, a - a.mean(0))


def test_functions_that_are_methods_elsewhere():
    x = torch.ones(2)
    assert torch.fill(x, 3).tolist() == [3, 3]
    assert torch.zero_(x).tolist() == x.tolist() == [0, 0]
    assert torch.detach(x.requires_grad_()).requires_grad is False


def test_histogramdd_counts_in_a_grid():
    points = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [2.0, 2.0]])
    hist, edges = torch.histogramdd(points, bins=[3, 3])
    assert hist.tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 1]]
    assert edges[0].tolist() == pytest.approx([0, 2 / 3, 4 / 3, 2])
