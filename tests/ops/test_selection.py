"""The order sort, topk, kthvalue and mode leave equal elements in."""

import numpy as np
import pytest

import rushlight


def remainders(size, modulus):
    """A fixed integer line with many equal elements."""
    return [(i * i + 3 * i) % modulus for i in range(size)]


# Recorded from PyTorch 2.13.
LINE = remainders(24, 5)
ASCENDING = [0, 2, 22, 20, 5, 7, 17, 10, 15, 12, 23, 19, 18, 14, 13, 9, 8, 4, 3, 11, 16, 6, 21, 1]
DESCENDING = [1, 21, 16, 6, 11, 23, 19, 18, 14, 13, 9, 8, 4, 3, 10, 12, 7, 15, 5, 17, 20, 2, 22, 0]


def test_unstable_order_is_the_recorded_one():
    x = rushlight.tensor(LINE)
    assert x.sort().indices.tolist() == ASCENDING
    assert x.argsort(descending=True).tolist() == DESCENDING


def test_stable_order_is_kept():
    x = rushlight.tensor(LINE)
    expected = np.argsort(np.array(LINE), kind="stable").tolist()
    assert x.argsort(stable=True).tolist() == expected
    assert rushlight.zeros(16).argsort().tolist() == list(range(16))


def test_selection_among_equals_is_the_recorded_one():
    x = rushlight.tensor(LINE)
    assert x.topk(7).indices.tolist() == [16, 11, 6, 21, 1, 14, 18]
    assert x.topk(7, largest=False).indices.tolist() == [0, 12, 15, 10, 17, 7, 5]
    assert [x.kthvalue(k).indices.item() for k in (1, 6, 12, 24)] == [20, 5, 18, 11]
    assert x.mode().indices.item() == 12
    x = rushlight.tensor(remainders(200, 5))
    assert x.topk(3).indices.tolist() == [11, 1, 6]


def test_values_are_sorted_whatever_the_length():
    rng = np.random.default_rng(0)
    for size in (1 << 10, (1 << 18) + 1):
        x = rng.integers(0, 9, size).astype(np.float32)
        values, indices = (t.numpy() for t in rushlight.from_numpy(x).sort())
        assert np.array_equal(values, np.sort(x)) and np.array_equal(x[indices], values)
        assert len(np.unique(indices)) == size


@pytest.mark.parametrize("kind", ["random", "organ pipe", "ascending", "descending", "nan"])
def test_agrees_with_pytorch(kind):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    for size in (2, 3, 5, 17, 64, 129, 1000):
        for different in (1, 3, 40):
            ramp = np.arange(size) // different
            x = {"random": rng.integers(0, different, size), "organ pipe": np.minimum(
                ramp, ramp[::-1]), "ascending": ramp, "descending": -ramp,
                "nan": np.where(rng.random(size) < 0.2, np.nan, ramp % 7)}[kind]
            theirs, ours = torch.from_numpy(x), rushlight.from_numpy(x)
            calls = [("sort", (0, d)) for d in (False, True)]
            calls += [("topk", (k, 0, largest, ordered)) for k in {1, size // 2 + 1, size}
                      for largest in (False, True) for ordered in (False, True)]
            calls += [("kthvalue", (k, 0)) for k in {1, size // 2 + 1, size}]
            calls += [("median", (0,)), ("nanmedian", (0,)), ("mode", (0,))]
            for name, arguments in calls:
                expected = getattr(theirs, name)(*arguments)
                found = getattr(ours, name)(*arguments)
                assert found[1].tolist() == expected[1].tolist(), (name, arguments, size)
                assert np.array_equal(found[0].numpy(), expected[0].numpy(),
                                      equal_nan=kind == "nan")


def test_gradient_of_nextafter_and_as_strided_scatter():
    x = rushlight.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = rushlight.tensor([1.0, 3.0, 1.0], requires_grad=True)
    rushlight.nextafter(x, y).backward(rushlight.tensor([1.0, 2.0, 3.0]))
    assert x.grad.tolist() == [0, 2, 3] and y.grad.tolist() == [0, 0, 0]
    x = rushlight.zeros(6, requires_grad=True)
    s = rushlight.ones(2, 2, requires_grad=True)
    out = rushlight.as_strided_scatter(x, s, (2, 2), (1, 1), 1)
    assert out.tolist() == [0, 1, 1, 1, 0, 0]
    out.backward(rushlight.arange(1.0, 7.0))
    assert x.grad.tolist() == [0, 2, 3, 4, 0, 0] and s.grad.tolist() == [[2, 3], [3, 4]]
