"""default_collate, default_convert and collate."""

import collections

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import default_collate, default_convert
from rushlight.utils.data._utils.collate import collate, default_collate_fn_map

Point = collections.namedtuple("Point", ["x", "y"])


def check(tensor, dtype, values):
    assert isinstance(tensor, torch.Tensor)
    assert tensor.dtype == dtype
    assert tensor.tolist() == values


@pytest.mark.parametrize(
    ("batch", "dtype", "values"),
    [
        ([1, 2], torch.int64, [1, 2]),
        ([True, False], torch.bool, [True, False]),
        ([0.5, 1.5], torch.float64, [0.5, 1.5]),
        ([np.float32(0.5), np.float32(2)], torch.float32, [0.5, 2.0]),
        ([np.float64(0.5)], torch.float64, [0.5]),
        ([np.int16(3), np.int16(4)], torch.int16, [3, 4]),
        ([np.array([1, 2], np.uint8), np.array([3, 4], np.uint8)], torch.uint8, [[1, 2], [3, 4]]),
        ([np.array(1.5), np.array(2.5)], torch.float64, [1.5, 2.5]),
    ],
)
def test_numbers_and_arrays(batch, dtype, values):
    check(default_collate(batch), dtype, values)


def test_tensors_are_stacked():
    batch = [torch.arange(3), torch.arange(3) + 1]
    check(default_collate(batch), torch.int64, [[0, 1, 2], [1, 2, 3]])
    check(default_collate([torch.tensor(0.5)]), torch.float32, [0.5])


def test_strings_stay():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a"]) == [b"a"]


def test_containers():
    pairs = default_collate([(1, "a"), (2, "b")])
    assert isinstance(pairs, list)
    check(pairs[0], torch.int64, [1, 2])
    assert pairs[1] == ("a", "b")
    lists = default_collate([[1, 2.0], [3, 4.0]])
    check(lists[0], torch.int64, [1, 3])
    check(lists[1], torch.float64, [2.0, 4.0])
    named = default_collate([Point(1, 2), Point(3, 4)])
    assert type(named) is Point
    check(named.y, torch.int64, [2, 4])
    nested = default_collate([{"a": [{"b": 1}]}, {"a": [{"b": 2}]}])
    check(nested["a"][0]["b"], torch.int64, [1, 2])


def test_kinds_of_containers_are_kept():
    ordered = default_collate([collections.OrderedDict(b=1, a=2)] * 2)
    assert type(ordered) is collections.OrderedDict and list(ordered) == ["b", "a"]

    class Batch(dict):
        note = None

    first = Batch(a=1)
    first.note = "kept"
    made = default_collate([first, Batch(a=2)])
    assert type(made) is Batch and made.note == "kept"
    check(made["a"], torch.int64, [1, 2])
    assert first["a"] == 1  # the samples are left alone
    sample = [1, 2]
    default_collate([sample, [3, 4]])
    assert sample == [1, 2]
    assert type(default_collate([range(2), range(2)])) is list


def test_errors():
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal"):
        default_collate([[1, 2], [1]])
    with pytest.raises(TypeError, match="must contain tensors.*found <class 'object'>"):
        default_collate([object()])
    with pytest.raises(TypeError, match="default_collate: batch must contain.*found <U1"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        default_collate([torch.zeros(2), torch.zeros(3)])


def test_collate_with_a_map_of_functions():
    class Money:
        def __init__(self, amount):
            self.amount = amount

    class Dollars(Money):
        pass

    def add_up(batch, *, collate_fn_map=None):
        return sum(item.amount for item in batch)

    functions = {**default_collate_fn_map, Money: add_up}
    result = collate(
        [{"m": Dollars(1), "n": 1}, {"m": Dollars(2), "n": 2}], collate_fn_map=functions
    )
    assert result["m"] == 3
    check(result["n"], torch.int64, [1, 2])


def test_default_convert():
    check(default_convert(np.array([1, 2])), torch.int64, [1, 2])
    check(default_convert(np.float32(0.5)), torch.float32, 0.5)
    assert default_convert(5) == 5 and default_convert("text") == "text"
    assert default_convert(np.array(["a"]))[0] == "a"
    tensor = torch.zeros(2)
    assert default_convert(tensor) is tensor
    made = default_convert({"a": np.array([1.0]), "b": (np.array(2), "x")})
    check(made["a"], torch.float64, [1.0])
    assert type(made["b"]) is list and made["b"][1] == "x"
    point = default_convert(Point(np.array(0), 1))
    assert type(point) is Point and point.y == 1
    check(point.x, torch.int64, 0)
