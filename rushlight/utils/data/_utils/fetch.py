"""From indices to a collated batch, in the main process or in a worker."""

from __future__ import annotations

import rushlight
from rushlight.core.tensor.dispatch import constant

from ..dataset import Subset, TensorDataset
from .collate import default_collate


def _gather_rows(dataset, indices):
    """The collated batch of a `TensorDataset` (or a `Subset` of one): one gather per tensor.

    What collating row by row gives, many times faster. None where it does not apply.
    """
    while type(dataset) is Subset:
        indices = [dataset.indices[index] for index in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset:
        return None
    for tensor in dataset.tensors:
        if type(tensor) is not rushlight.Tensor or tensor.requires_grad:
            return None
    try:
        return [constant(tensor._array()[indices]) for tensor in dataset.tensors]
    except (IndexError, TypeError):
        return None  # row by row gives the right error, or knows these indices


class MapFetcher:
    """Fetches `dataset[i]` for one index, or for each index of a batch."""

    def __init__(self, dataset, auto_collation, collate_fn, drop_last):
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn

    def fetch(self, index):
        """The collated sample or batch at `index`."""
        if not self.auto_collation:
            return self.collate_fn(self.dataset[index])
        if self.collate_fn is default_collate:
            batch = _gather_rows(self.dataset, index)
            if batch is not None:
                return batch
        if getattr(self.dataset, "__getitems__", None):
            return self.collate_fn(self.dataset.__getitems__(index))
        return self.collate_fn([self.dataset[i] for i in index])


class IterableFetcher:
    """Fetches the next sample of a stream, or as many as the batch of (unused) indices has."""

    def __init__(self, dataset, auto_collation, collate_fn, drop_last):
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.samples = iter(dataset)
        self.ended = False

    def fetch(self, index):
        """The next collated sample or batch. StopIteration at the end of the stream."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.samples))
        batch = []
        for _ in index:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.drop_last and len(batch) < len(index)):
            raise StopIteration
        return self.collate_fn(batch)
