"""DataLoader without worker processes: batches, orders, options and their errors."""

import multiprocessing
import pickle

import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    get_worker_info,
)

from . import loader_samples as samples


def first_column(loader):
    return [batch[:, 0].tolist() for batch in loader]


def test_batches():
    loader = DataLoader(samples.Numbers(5), batch_size=2)
    assert first_column(loader) == [[0, 1], [2, 3], [4]] and len(loader) == 3
    loader = DataLoader(samples.Numbers(5), batch_size=2, drop_last=True)
    assert first_column(loader) == [[0, 1], [2, 3]] and len(loader) == 2
    assert isinstance(loader.sampler, SequentialSampler)
    assert isinstance(loader.batch_sampler, BatchSampler)


def test_shuffled_order_equals_recorded():
    # Recorded from PyTorch 2.13: the loader's own seed is drawn before the sampler's.
    torch.manual_seed(0)
    loader = DataLoader(samples.Numbers(10), batch_size=4, shuffle=True)
    assert isinstance(loader.sampler, RandomSampler)
    assert first_column(loader) == [[6, 7, 1, 4], [2, 0, 9, 8], [3, 5]]
    assert first_column(loader) == [[2, 4, 7, 0], [8, 9, 5, 3], [6, 1]]
    assert torch.rand(()).item() == 0.455627977848053
    generator = torch.Generator().manual_seed(11)
    loader = DataLoader(samples.Numbers(10), batch_size=5, shuffle=True, generator=generator)
    assert first_column(loader) == [[0, 9, 3, 6, 1], [5, 7, 4, 8, 2]]
    assert first_column(loader) == [[8, 5, 4, 7, 1], [3, 6, 9, 2, 0]]


def test_single_samples():
    loader = DataLoader(samples.Numbers(3), batch_size=None)
    assert [sample.tolist() for sample in loader] == [[0, 0], [1, 1], [2, 2]]
    assert len(loader) == 3 and loader.batch_sampler is None
    # Indices in lists, batches from the dataset itself:
    dataset = TensorDataset(torch.arange(10))
    loader = DataLoader(
        dataset, batch_size=None, sampler=BatchSampler(SequentialSampler(dataset), 4, False)
    )
    assert [batch[0].tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_own_samplers():
    assert first_column(DataLoader(samples.Numbers(9), 2, sampler=[5, 3, 1])) == [[5, 3], [1]]
    loader = DataLoader(samples.Numbers(9), batch_sampler=[[1], [2, 3]])
    assert first_column(loader) == [[1], [2, 3]] and len(loader) == 2
    assert loader.batch_size is None


def test_whole_batches_are_asked_for_where_possible():
    class Batched(samples.Numbers):
        def __getitems__(self, indices):
            return [torch.tensor(index) for index in indices]

    loader = DataLoader(Batched(4), batch_size=3)
    assert [batch.tolist() for batch in loader] == [[0, 1, 2], [3]]


def test_rows_of_tensors_are_gathered_as_if_collated_one_by_one():
    columns = (
        torch.arange(24.0).reshape(12, 2).to(torch.bfloat16),
        torch.arange(12) % 2 == 0,
        torch.arange(36).reshape(3, 12).t(),
    )

    class OneByOne(TensorDataset):
        pass

    for wrap in (lambda dataset: dataset, lambda dataset: Subset(dataset, [7, 3, 3, 11, 0])):
        together = list(DataLoader(wrap(TensorDataset(*columns)), batch_size=4))
        alone = list(DataLoader(wrap(OneByOne(*columns)), batch_size=4))
        assert len(together) == len(alone)
        for batch, other in zip(together, alone):
            assert type(batch) is type(other) is list
            for column, expected in zip(batch, other):
                assert column.dtype == expected.dtype and torch.equal(column, expected)
                assert column.stride() == expected.stride()
    together[0][0].zero_()  # a copy, not a view of the dataset
    assert columns[0].sum().item() > 0
    needs_gradient = torch.ones(4, 2, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(needs_gradient), batch_size=2)))
    assert batch.requires_grad
    with pytest.raises(IndexError, match="index 12 is out of bounds for dimension 0 with size 12"):
        list(DataLoader(TensorDataset(*columns), batch_size=2, sampler=[12]))
    loader = DataLoader(TensorDataset(*columns), batch_size=2, sampler=[-1])
    assert next(iter(loader))[2].tolist() == [[11, 23, 35]]


def test_collate_fn():
    loader = DataLoader(samples.Numbers(3), batch_size=2, collate_fn=len)
    assert list(loader) == [2, 1]


def test_streams():
    loader = DataLoader(samples.Stream(5), batch_size=2)
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3], [4]]
    loader = DataLoader(samples.Stream(5), batch_size=2, drop_last=True)
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3]]
    assert list(DataLoader(samples.Stream(3), batch_size=None)) == [0, 1, 2]
    with pytest.raises(TypeError, match="no length"):
        len(loader)
    for size, drop_last, length in ((7, False, 4), (7, True, 3), (6, False, 3)):
        stream = samples.Stream(size, length=size)
        assert len(DataLoader(stream, batch_size=2, drop_last=drop_last)) == length
    assert len(DataLoader(samples.Stream(7, length=7), batch_size=None)) == 7


def test_stream_longer_than_it_said():
    loader = DataLoader(samples.Stream(4, length=2), batch_size=None)
    assert len(loader) == 2
    iterator = iter(loader)
    assert next(iterator) == 0 and next(iterator) == 1
    with pytest.warns(UserWarning, match="reported to be 2.*but 3 samples have been fetched"):
        next(iterator)


def test_no_worker_here():
    assert get_worker_info() is None


def test_values_of_a_batch_are_computed():
    loader = DataLoader(samples.Numbers(4), batch_size=2)
    batch = next(iter(loader))
    assert batch.data_ptr() == batch.data_ptr() != 0


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"num_workers": -1}, ValueError, "num_workers option should be non-negative"),
        ({"timeout": -1}, ValueError, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, ValueError, "prefetch_factor option could only be specified"),
        (
            {"num_workers": 1, "prefetch_factor": -2},
            ValueError,
            "prefetch_factor option should be non-negative",
        ),
        (
            {"persistent_workers": True},
            ValueError,
            "persistent_workers option needs num_workers > 0",
        ),
        (
            {"sampler": [0], "shuffle": True},
            ValueError,
            "sampler option is mutually exclusive with shuffle",
        ),
        (
            {"batch_sampler": [[0]], "batch_size": 2},
            ValueError,
            "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler",
        ),
        (
            {"batch_size": None, "drop_last": True},
            ValueError,
            "batch_size=None option disables auto-batching and is mutually exclusive",
        ),
        ({"batch_size": 0}, ValueError, "batch_size should be a positive integer value"),
        (
            {"multiprocessing_context": "fork"},
            ValueError,
            "can only be used with multi-process loading",
        ),
        (
            {"multiprocessing_context": "thread", "num_workers": 1},
            ValueError,
            "should specify a valid start method in",
        ),
        (
            {"multiprocessing_context": 3, "num_workers": 1},
            TypeError,
            "should be a valid context object",
        ),
    ],
)
def test_options_that_make_no_sense(options, error, text):
    with pytest.raises(error, match=text):
        DataLoader(samples.Numbers(3), **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shuffle": True}, "expected unspecified shuffle option, but got shuffle=True"),
        ({"sampler": [0]}, r"expected unspecified sampler option, but got sampler=\[0\]"),
        ({"batch_sampler": [[0]]}, "expected unspecified batch_sampler option"),
    ],
)
def test_streams_take_no_sampler(options, text):
    with pytest.raises(ValueError, match="DataLoader with IterableDataset: " + text):
        DataLoader(samples.Stream(3), **options)


def test_context_object():
    context = multiprocessing.get_context("spawn")
    loader = DataLoader(samples.Numbers(1), num_workers=1, multiprocessing_context=context)
    assert loader.multiprocessing_context is context


def test_fixed_attributes():
    loader = DataLoader(samples.Numbers(3))
    for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set after"):
            setattr(loader, name, None)
    loader.collate_fn = len
    assert list(loader) == [1, 1, 1]


def test_timeout_needs_workers():
    with pytest.raises(AssertionError, match="requires timeout == 0"):
        iter(DataLoader(samples.Numbers(3), timeout=1))


def test_pin_memory_without_accelerator_warns():
    with pytest.warns(UserWarning, match="no accelerator is found"):
        batches = list(DataLoader(samples.Numbers(2), pin_memory=True))
    assert len(batches) == 2


def test_iterators_cannot_be_pickled():
    with pytest.raises(NotImplementedError):
        pickle.dumps(iter(DataLoader(samples.Numbers(3))))


def test_subscripted_class():
    class Loader(DataLoader[int]):
        pass

    assert first_column(Loader(samples.Numbers(2))) == [[0], [1]]
