"""What runs in a DataLoader's worker process."""

from __future__ import annotations

import os
import queue
import random
import signal
import threading
from typing import TYPE_CHECKING, Any

import rushlight
from rushlight.core.runtime.compiler import compile_nothing_more

from . import transport
from .errors import ExceptionWrapper

# Messages to a worker: (index, indices) for a batch, RESUME for a new epoch, None to end.
RESUME = "resume"


class WorkerInfo:
    """What `get_worker_info()` returns: id, num_workers, seed and the worker's copy of dataset."""

    if TYPE_CHECKING:  # the slots, filled by one loop
        def __getattr__(self, name: str) -> Any: ...

    __slots__ = ("dataset", "id", "num_workers", "rng", "seed", "worker_method")

    def __init__(self, id, num_workers, seed, dataset, rng=None, worker_method="multiprocessing"):
        given = (dataset, id, num_workers, rng, seed, worker_method)
        for name, value in zip(self.__slots__, given):
            object.__setattr__(self, name, value)

    def __setattr__(self, name, value):
        raise AttributeError(f"cannot assign to field {name!r}")

    def __repr__(self):
        return (
            f"WorkerInfo(id={self.id!r}, num_workers={self.num_workers!r}, seed={self.seed!r}, "
            f"dataset={self.dataset!r}, rng={self.rng!r}, worker_method={self.worker_method!r})"
        )


class StreamEnded:
    """Sent in place of a batch: this worker's copy of an IterableDataset has no more samples."""

    def __init__(self, worker_id):
        self.worker_id = worker_id


_worker_info = None


def get_worker_info():
    """In a worker process: its `WorkerInfo`. In the main process: None.

    Use it in `IterableDataset.__iter__` or in `worker_init_fn` to give each worker its own share.
    """
    return _worker_info


def numpy_seed(base_seed, worker_id):
    """The seed of NumPy's global generator in a worker: unlike Python's, and one for each."""
    from numpy.random import SeedSequence

    entropy = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return SeedSequence(entropy).generate_state(4)


def _seed_everything(base_seed, worker_id):
    import numpy.random

    random.seed(base_seed + worker_id)
    rushlight.manual_seed(base_seed + worker_id)
    numpy.random.seed(numpy_seed(base_seed, worker_id))


class _Inbox:
    """Reads messages as they come, so that the main process never waits to send one.

    When the main process is gone, however it ended, this process ends at once.
    """

    def __init__(self, connection):
        self._connection = connection
        self._messages = queue.SimpleQueue()
        self.closing = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                message = transport.receive(self._connection)
            except (EOFError, OSError):
                os._exit(1)
            if message is None:
                self.closing = True
            self._messages.put(message)
            if message is None:
                return

    def next(self):
        """The next message; None, before all that is still waiting, once the end was called."""
        message = self._messages.get()
        return None if self.closing else message


def run_worker(
    connection,
    others,
    dataset,
    make_fetcher,
    fetcher_arguments,
    base_seed,
    init_fn,
    worker_id,
    num_workers,
):
    """Answer requests for batches until told to stop."""
    # Ctrl-C goes to every process of the terminal; the main process decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in others:
        other.close()  # inherited by fork: would keep another worker's connection open
    inbox = _Inbox(connection)
    rushlight.set_num_threads(1)
    compile_nothing_more()
    _seed_everything(base_seed, worker_id)
    global _worker_info
    _worker_info = WorkerInfo(worker_id, num_workers, base_seed + worker_id, dataset)

    where = f"in DataLoader worker process {worker_id}"
    failure: Any = None
    fetcher: Any = None
    try:
        if init_fn is not None:
            init_fn(worker_id)
        fetcher = make_fetcher(dataset, *fetcher_arguments)
    except Exception:
        failure = ExceptionWrapper(where=where)

    ended = False
    while (message := inbox.next()) is not None:
        if message == RESUME:
            ended = False
            try:
                fetcher = make_fetcher(dataset, *fetcher_arguments)
            except Exception:
                failure = ExceptionWrapper(where=where)
            continue
        if ended:
            continue
        index, indices = message
        if failure is not None:
            answer, failure = failure, None
        else:
            try:
                answer = fetcher.fetch(indices)
            except StopIteration as error:
                if make_fetcher.__name__ == "IterableFetcher":
                    answer, ended = StreamEnded(worker_id), True
                else:
                    answer = ExceptionWrapper((type(error), error, error.__traceback__), where)
            except Exception:
                answer = ExceptionWrapper(where=where)
        try:
            transport.send(connection, (index, answer))
        except (BrokenPipeError, ConnectionResetError):
            break
        except Exception:
            # It could not be pickled. Its own traceback says which object.
            transport.send(connection, (index, _sendable(ExceptionWrapper(where=where))))
        del answer, message
    connection.close()


def _sendable(wrapper):
    import pickle

    try:
        pickle.dumps(wrapper)
    except Exception:
        wrapper.exc_type = RuntimeError
    return wrapper
