"""Samplers: the orders PyTorch 2.13 gives from the same seed, recorded."""

import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def seeded(make, seed=3):
    torch.manual_seed(seed)
    return list(make())


RECORDED = {
    "random": lambda: RandomSampler(range(10)),
    "random twice and a half": lambda: RandomSampler(range(4), num_samples=10),
    "replacement": lambda: RandomSampler(range(10), replacement=True, num_samples=40),
    "subset": lambda: SubsetRandomSampler([40, 50, 90, 10]),
    "weighted": lambda: WeightedRandomSampler([0.1, 0.5, 0.3], 12),
    "weighted once each": lambda: WeightedRandomSampler([0.1, 0.5, 0.3], 2, replacement=False),
    "distributed": lambda: DistributedSampler(range(11), 3, 1, seed=5),
    "distributed, tail dropped": lambda: DistributedSampler(range(11), 3, 2, drop_last=True),
    "distributed, fewer than ranks": lambda: DistributedSampler(range(2), 5, 4),
    "own generator": lambda: RandomSampler(range(10), generator=torch.Generator().manual_seed(8)),
}
ORDERS = {
    "random": [7, 0, 9, 1, 6, 4, 5, 3, 2, 8],
    "random twice and a half": [3, 1, 0, 2, 3, 0, 2, 1, 0, 1],
    "replacement": [
        7,
        8,
        5,
        1,
        8,
        6,
        2,
        2,
        3,
        9,
        8,
        6,
        2,
        5,
        5,
        4,
        2,
        5,
        8,
        4,
        1,
        8,
        5,
        1,
        3,
        1,
        7,
        4,
        2,
        1,
        1,
        5,
        3,
        3,
        7,
        4,
        3,
        6,
        0,
        9,
    ],
    "subset": [90, 10, 50, 40],
    "weighted": [0, 1, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1],
    "weighted once each": [0, 1],
    "distributed": [5, 10, 6, 4],
    "distributed, tail dropped": [4, 8, 9],
    "distributed, fewer than ranks": [0],
    "own generator": [3, 5, 0, 1, 2, 6, 4, 7, 8, 9],
}


@pytest.mark.parametrize("name", RECORDED)
def test_order_equals_recorded(name):
    assert seeded(RECORDED[name]) == ORDERS[name]


def test_random_sampler_draws_one_seed_from_the_default_generator():
    torch.manual_seed(0)
    list(RandomSampler(range(1000)))
    after = torch.rand(()).item()
    torch.manual_seed(0)
    torch.empty((), dtype=torch.int64).random_()
    assert torch.rand(()).item() == after


def test_random_sampler_covers_everything_and_follows_the_length():
    data = list(range(5))
    sampler = RandomSampler(data)
    assert sorted(sampler) == [0, 1, 2, 3, 4] and len(sampler) == 5
    data.append(5)
    assert sorted(sampler) == [0, 1, 2, 3, 4, 5] and sampler.num_samples == 6


def test_random_sampler_errors():
    with pytest.raises(TypeError, match="replacement should be a boolean value, but got"):
        RandomSampler([1], replacement=1)
    for count in (0, -1, 1.5):
        with pytest.raises(ValueError, match=f"but got num_samples={count}"):
            RandomSampler([1], num_samples=count)
    with pytest.raises(ValueError, match="num_samples=0"):
        RandomSampler([])


def test_sequential_sampler():
    assert list(SequentialSampler("abc")) == [0, 1, 2] and len(SequentialSampler("abc")) == 3


def test_weighted_sampler_errors():
    with pytest.raises(ValueError, match="num_samples should be a positive integer value"):
        WeightedRandomSampler([1.0], True)
    with pytest.raises(ValueError, match="replacement should be a boolean value"):
        WeightedRandomSampler([1.0], 1, replacement=None)
    with pytest.raises(ValueError, match=r"weights should be a 1d sequence .* shape \(1, 2\)"):
        WeightedRandomSampler([[1.0, 2.0]], 1)


def test_batch_sampler():
    for drop_last, expected in (
        (False, [[0, 1, 2], [3, 4, 5], [6]]),
        (True, [[0, 1, 2], [3, 4, 5]]),
    ):
        sampler = BatchSampler(range(7), 3, drop_last)
        assert list(sampler) == expected and len(sampler) == len(expected)
    assert list(BatchSampler([], 3, False)) == []
    with pytest.raises(ValueError, match="batch_size should be a positive integer value"):
        BatchSampler([1], 0, False)
    with pytest.raises(ValueError, match="drop_last should be a boolean value"):
        BatchSampler([1], 1, 1)


def test_distributed_sampler():
    ranks = [DistributedSampler(range(10), 4, rank) for rank in range(4)]
    seen = [list(rank) for rank in ranks]
    assert [len(part) for part in seen] == [len(rank) for rank in ranks] == [3] * 4
    assert set(sum(seen, [])) == set(range(10))
    ranks[0].set_epoch(1)
    assert list(ranks[0]) != seen[0]
    assert list(DistributedSampler(range(4), 2, 1, shuffle=False)) == [1, 3]
    with pytest.raises(ValueError, match=r"Invalid rank 2, .* interval \[0, 1\]"):
        DistributedSampler(range(4), 2, 2)


def test_base_class():
    with pytest.raises(NotImplementedError):
        iter(Sampler())
