"""`fill_diagonal_`: the main diagonal in place, also wrapped, in the graph, and its errors."""

import pytest

import rushlight as torch


def test_square_and_tall():
    assert torch.zeros(2, 3).fill_diagonal_(1).tolist() == [[1, 0, 0], [0, 1, 0]]
    tall = torch.zeros(5, 2)
    assert tall.fill_diagonal_(1) is tall
    assert tall.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0]]
    wrapped = torch.zeros(5, 2).fill_diagonal_(1, wrap=True)
    assert wrapped.tolist() == [[1, 0], [0, 1], [0, 0], [1, 0], [0, 1]]
    assert torch.zeros(3, 7).t()[1:].fill_diagonal_(2, wrap=True).sum() == 10


def test_cube_and_view():
    cube = torch.zeros(2, 2, 2).fill_diagonal_(3)
    assert cube.nonzero().tolist() == [[0, 0, 0], [1, 1, 1]]
    base = torch.zeros(3, 4)
    base[1:, 2:].fill_diagonal_(1)
    assert base.tolist() == [[0] * 4, [0, 0, 1, 0], [0, 0, 0, 1]]


def test_gradient_leaves_the_diagonal_out():
    x = torch.ones(2, 2, requires_grad=True)
    (x * 2).fill_diagonal_(0).sum().backward()
    assert x.grad.tolist() == [[0, 2], [2, 0]]


def test_errors():
    with pytest.raises(RuntimeError, match="dimensions must larger than 1"):
        torch.zeros(3).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match="all dimensions of input must be of equal length"):
        torch.zeros(2, 2, 3).fill_diagonal_(1)
