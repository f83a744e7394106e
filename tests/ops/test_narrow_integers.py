"""Results in integer types narrower than int64, recorded from PyTorch 2.13."""

import pytest

import rushlight


def test_ranges_of_narrow_integers():
    int32 = rushlight.int32
    assert rushlight.arange(0.0, -8.000001, -4.0, dtype=int32).tolist() == [0, -4, -8]
    assert rushlight.arange(1.0, 5.000001, 2.0, dtype=int32).tolist() == [1, 3, 5]
    line = rushlight.linspace(4.3, -3, 50, dtype=int32).tolist()
    assert line[:15] == [4, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert line[20:24] == [1, 1, 0, 0] and line[-2:] == [-2, -3]


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32"])
def test_sums_of_products_keep_their_type(kind):
    kind = getattr(rushlight, kind)
    x = rushlight.ones(2, 2, 2, dtype=kind)
    total = rushlight.addbmm(rushlight.ones(2, 2, dtype=kind), x, x)
    assert total.dtype is kind and total.tolist() == [[5, 5], [5, 5]]


def test_positions_are_int64():
    row, column = rushlight.unravel_index(rushlight.tensor([3, 5], dtype=rushlight.uint8), (2, 3))
    assert row.dtype is column.dtype is rushlight.int64
    assert row.tolist() == [1, 1] and column.tolist() == [0, 2]


def test_margin_ranking_wraps_before_the_margin_is_added():
    a, b, y = (rushlight.tensor(v, dtype=rushlight.uint8) for v in ([3, 4], [5, 1], [1, 1]))
    loss = rushlight.nn.functional.margin_ranking_loss(a, b, y, margin=0.0, reduction="none")
    assert loss.tolist() == [2.0, 253.0]
