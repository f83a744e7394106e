"""Samplers: in which order a DataLoader visits a dataset.

A sampler is anything to iterate over that yields indices. The random ones take their numbers from
`generator`, or, where none is given, from the default generator in PyTorch's order: so the same
`manual_seed` gives the same batches.
"""

from __future__ import annotations

import itertools
from typing import Generic, TypeVar

import rushlight

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

_Index = TypeVar("_Index", covariant=True)


class Sampler(Generic[_Index]):
    """Base class. Subclasses write `__iter__` (indices, or lists of them) and mostly `__len__`."""

    def __iter__(self):
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ..., len(data_source) - 1."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """All indices shuffled; or `num_samples` of them; or, with `replacement`, drawn one by one.

    Without replacement, more samples than there are indices are drawn from one permutation after
    another. TypeError or ValueError for a `replacement` or `num_samples` that makes no sense.
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, but got "
                f"num_samples={self.num_samples}"
            )

    @property
    def num_samples(self):
        """How many indices one pass yields. Follows the dataset's length unless it was given."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        generator = self.generator
        if generator is None:
            # One draw from the default generator, whatever the dataset's size.
            generator = rushlight.Generator()
            generator.manual_seed(draw_seed(None))
        size, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            for _ in range(wanted // 32):
                yield from _integers(size, 32, generator)
            yield from _integers(size, wanted % 32, generator)
            return
        for _ in range(wanted // size):
            yield from rushlight.randperm(size, generator=generator).tolist()
        # Drawn even when nothing of it is used: the generator must end where PyTorch's does.
        yield from rushlight.randperm(size, generator=generator).tolist()[: wanted % size]

    def __len__(self):
        return self.num_samples


def draw_seed(generator):
    """A 63-bit seed out of `generator` (None for the default one)."""
    return int(rushlight.empty((), dtype=rushlight.int64).random_(generator=generator).item())


def _integers(high, count, generator):
    return rushlight.randint(
        high=high, size=(count,), dtype=rushlight.int64, generator=generator
    ).tolist()


class SubsetRandomSampler(Sampler[int]):
    """The given `indices` in random order."""

    def __init__(self, indices, generator=None):
        self.indices = indices
        self.generator = generator

    def __iter__(self):
        for place in rushlight.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[place]

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices drawn with probabilities in proportion to `weights`.

        list(WeightedRandomSampler([0.1, 0.9, 0.4], 5))

    ValueError for arguments that make no sense, and for weights that are not one-dimensional.
    """

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.weights = rushlight.as_tensor(weights, dtype=rushlight.double)
        if len(self.weights.shape) != 1:
            raise ValueError(
                "weights should be a 1d sequence but given "
                f"weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self):
        chosen = rushlight.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from chosen.tolist()

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler[list]):
    """Lists of `batch_size` indices of `sampler`; the last may be shorter unless `drop_last`.

    list(BatchSampler(range(7), 3, drop_last=False))   # [[0, 1, 2], [3, 4, 5], [6]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self):
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)
