"""Computing what a batch consists of, before the loop gets it."""

from __future__ import annotations

from collections.abc import Mapping

import rushlight
from rushlight.core.runtime.realize import flush, flush_at_boundary


def tensors_in(data):
    """The tensors in `data`, through mappings, lists and tuples."""
    if isinstance(data, rushlight.Tensor):
        yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from tensors_in(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from tensors_in(value)


def realize_tensors(data):
    """`data`, with the values of all tensors in it computed.

    So a batch never becomes part of the training step's trace: the step looks the same each time.
    """
    flush_at_boundary("the next batch")
    for tensor in tensors_in(data):
        tensor._array()
    return data


def realize_pending_work():
    """Compute everything this thread has traced so far."""
    flush("worker processes are started")
