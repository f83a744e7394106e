"""Datasets and random_split."""

import pytest

import rushlight as torch
from rushlight.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)

from .loader_samples import Numbers, Stream


class Batched(Numbers):
    """Counts how it is asked."""

    def __init__(self, size):
        super().__init__(size)
        self.asked = []

    def __getitems__(self, indices):
        self.asked.append(list(indices))
        return [10 * index for index in indices]


def test_dataset_without_getitem():
    with pytest.raises(NotImplementedError, match="should implement __getitem__"):
        Dataset()[0]


def test_iterable_dataset_needs_iter():
    with pytest.raises(TypeError, match="abstract"):
        IterableDataset()


def test_datasets_can_be_subscripted():
    class Typed(Dataset[int]):
        pass

    assert issubclass(Typed, Dataset)


def test_tensor_dataset():
    dataset = TensorDataset(torch.arange(6).reshape(3, 2), torch.tensor([7, 8, 9]))
    assert len(dataset) == 3
    row, label = dataset[1]
    assert row.tolist() == [2, 3] and label.item() == 8
    rows, labels = dataset[torch.tensor([2, 0])]
    assert rows.tolist() == [[4, 5], [0, 1]] and labels.tolist() == [9, 7]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(torch.zeros(3), torch.zeros(4))


def test_stack_dataset():
    pair = StackDataset(range(3), "abc")
    assert len(pair) == 3 and pair[1] == (1, "b")
    assert pair.__getitems__([2, 0]) == [(2, "c"), (0, "a")]
    named = StackDataset(number=range(3), letter="abc")
    assert named[2] == {"number": 2, "letter": "c"}
    assert named.__getitems__([0]) == [{"number": 0, "letter": "a"}]


def test_stack_dataset_asks_for_whole_batches_where_it_can():
    batched = Batched(5)
    assert StackDataset(batched, range(5)).__getitems__([3, 1]) == [(30, 3), (10, 1)]
    assert batched.asked == [[3, 1]]


def test_stack_dataset_errors():
    with pytest.raises(ValueError, match="At least one dataset should be passed"):
        StackDataset()
    with pytest.raises(ValueError, match="both types are given"):
        StackDataset([1], a=[1])
    with pytest.raises(ValueError, match="Size mismatch between datasets"):
        StackDataset([1], [1, 2])

    class Short(Numbers):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match="output size mismatch. Expected 2, got 1"):
        StackDataset(Short(4)).__getitems__([0, 1])


def test_concat_dataset():
    joined = ConcatDataset(["abc", "de"])
    assert len(joined) == 5 and joined.cumulative_sizes == [3, 5]
    assert [joined[i] for i in range(5)] == list("abcde")
    assert [joined[-1], joined[-5]] == ["e", "a"]
    with pytest.raises(ValueError, match="absolute value of index should not exceed"):
        joined[-6]
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        ConcatDataset([Stream(3)])
    with pytest.warns(FutureWarning, match="renamed to `cumulative_sizes`"):
        assert joined.cummulative_sizes == [3, 5]


def test_adding_datasets():
    joined = Numbers(2) + Numbers(3)
    assert isinstance(joined, ConcatDataset) and len(joined) == 5
    chained = Stream(2) + Stream(3)
    assert isinstance(chained, ChainDataset) and list(chained) == [0, 1, 0, 1, 2]


def test_chain_dataset():
    chained = ChainDataset([Stream(2, length=2), Stream(1, length=1)])
    assert len(chained) == 3 and list(chained) == [0, 1, 0]
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([[1, 2]]))


def test_subset():
    subset = Subset("abcdef", [5, 0, 2])
    assert len(subset) == 3 and [subset[i] for i in range(3)] == ["f", "a", "c"]
    assert subset.__getitems__([2, 1]) == ["c", "a"]
    batched = Batched(9)
    assert Subset(batched, [8, 4, 2]).__getitems__([0, 2]) == [80, 20]
    assert batched.asked == [[8, 2]]
    values = torch.arange(10, 20)
    assert Subset(values, [3, 4, 5])[[0, 2]].tolist() == [13, 15]


def test_subset_with_only_getitem_overridden():
    class Doubled(Subset):
        def __getitem__(self, index):
            return 2 * super().__getitem__(index)

    with pytest.raises(NotImplementedError, match="Doubled overrides __getitem__ but not"):
        Doubled(range(3), [0])


def test_random_split_equals_recorded():
    # Recorded from PyTorch 2.13.
    generator = torch.Generator().manual_seed(42)
    parts = random_split(range(10), [3, 7], generator=generator)
    assert [list(part.indices) for part in parts] == [[2, 6, 1], [8, 4, 5, 0, 9, 3, 7]]
    generator = torch.Generator().manual_seed(42)
    parts = random_split(range(30), [0.3, 0.3, 0.4], generator=generator)
    assert [len(part) for part in parts] == [9, 9, 12]
    torch.manual_seed(1)
    assert random_split(range(5), [2, 3])[0].indices == [0, 4]


def test_random_split_shares_out_what_fractions_leave_over():
    parts = random_split(range(11), [0.25, 0.25, 0.25, 0.25])
    assert [len(part) for part in parts] == [3, 3, 3, 2]
    assert sorted(sum((part.indices for part in parts), [])) == list(range(11))


def test_random_split_errors():
    with pytest.raises(ValueError, match="does not equal the length of the input dataset"):
        random_split(range(5), [1, 2])
    with pytest.raises(ValueError, match="Fraction at index 1 is not between 0 and 1"):
        random_split(range(5), [0.5, -0.5, 1.0])
    with pytest.warns(UserWarning, match="Length of split at index 2 is 0"):
        random_split(range(3), [0.5, 0.49, 0.01])
