"""Python's `multiprocessing`, whose queues and pipes take tensors, by value.

Everything in `multiprocessing` is here too, with the same names. `spawn` runs a function in several
processes at once and raises what they raise.

    import rushlight.multiprocessing as mp

    def work(rank, queue):
        queue.put(torch.full((3,), rank))

    if __name__ == "__main__":
        queue = mp.get_context("spawn").SimpleQueue()
        mp.spawn(work, args=(queue,), nprocs=2)
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403

from .reductions import init_reductions
from .spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [  # noqa: PLE0604
    "ProcessContext",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
    *multiprocessing.__all__,
]


_STRATEGIES = frozenset({"file_descriptor", "file_system"})
_strategy = "file_descriptor"


def get_all_sharing_strategies():
    """The names that `set_sharing_strategy` accepts."""
    return set(_STRATEGIES)


def get_sharing_strategy():
    """The name set last."""
    return _strategy


def set_sharing_strategy(new_strategy):
    """Accepted for programs that choose one; tensors cross by value under either name.

    AssertionError for other names.
    """
    global _strategy
    if new_strategy not in _STRATEGIES:
        raise AssertionError(
            f"Invalid sharing strategy {new_strategy!r}, expected one of {sorted(_STRATEGIES)}"
        )
    _strategy = new_strategy


init_reductions()
