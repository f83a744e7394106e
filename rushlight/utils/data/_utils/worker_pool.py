"""The iterator of a DataLoader with worker processes.

Each worker has one connection: requests go one way, batches come the other. Requests are dealt to
the workers in turn, `prefetch_factor` ahead for each, and answers are handed out in the order of
the requests. A worker that ends in any way closes its connection, which is noticed at once.
"""

from __future__ import annotations

import collections
import itertools
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import socket
import sys
import time
import warnings

from ..dataloader import _BaseDataLoaderIter, _DatasetKind
from . import MP_STATUS_CHECK_INTERVAL, transport
from .errors import ExceptionWrapper
from .fetch import IterableFetcher, MapFetcher
from .realize import realize_pending_work
from .worker import RESUME, StreamEnded, run_worker

_WAITING = object()


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """One pass, or with persistent workers one after the other, over a loader's batches."""

    is_shut_down = True  # until the workers run: an error before that leaves nothing to end

    def __init__(self, loader):
        super().__init__(loader)
        if not loader.prefetch_factor:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        self._capacity = loader.prefetch_factor * self._num_workers
        self._in_order = loader.in_order
        self._epoch = 0
        self._arrived = collections.deque()
        self._workers = []
        self._connections = []
        self._owner = os.getpid()
        self.is_shut_down = False
        self._start_workers(loader)
        self._reset(loader, first_iter=True)

    def _start_workers(self, loader):
        context = loader.multiprocessing_context or multiprocessing.get_context()
        inherits = context.get_start_method() == "fork"
        fetcher = MapFetcher if self._dataset_kind == _DatasetKind.Map else IterableFetcher
        fetcher_arguments = (self._auto_collation, self._collate_fn, self._drop_last)
        # A child of a fork has our pending work too, and must not do it over again.
        realize_pending_work()
        for worker_id in range(self._num_workers):
            ours, theirs = context.Pipe(duplex=True)
            worker = context.Process(
                target=run_worker,
                args=(
                    theirs,
                    [*self._connections, ours] if inherits else [],
                    self._dataset,
                    fetcher,
                    fetcher_arguments,
                    self._base_seed,
                    loader.worker_init_fn,
                    worker_id,
                    self._num_workers,
                ),
                daemon=True,
            )
            try:
                worker.start()
            except BaseException as error:
                ours.close()
                self._shutdown_workers()
                if isinstance(error, (TypeError, AttributeError, pickle.PicklingError)):
                    _warn_about_pickling()
                raise
            finally:
                theirs.close()
            self._workers.append(worker)
            self._connections.append(ours)

    def _reset(self, loader, first_iter=False):
        super()._reset(loader, first_iter)
        self._sent = 0  # number of the next request
        self._wanted = 0  # number of the next batch to hand out
        self._tasks = {}  # number -> [worker, answer or _WAITING]
        self._load = [0] * self._num_workers  # requests not yet handed out, by worker
        self._active = [True] * self._num_workers
        self._turns = itertools.cycle(range(self._num_workers))
        if not first_iter:
            # Answers to earlier requests may still come: they carry the old epoch's number.
            self._epoch += 1
            for worker_id in range(self._num_workers):
                self._send(worker_id, RESUME)
        for _ in range(self._capacity):
            self._request()

    def _request(self):
        """Ask the worker whose turn it is for the next batch, if there is one to ask for."""
        try:
            indices = self._next_index()
        except StopIteration:
            return
        for worker_id in itertools.islice(self._turns, self._num_workers):
            if self._active[worker_id] and (
                self._in_order or self._load[worker_id] < self._capacity // sum(self._active)
            ):
                break
        else:
            return
        self._tasks[self._sent] = [worker_id, _WAITING]
        self._load[worker_id] += 1
        self._sent += 1
        self._send(worker_id, ((self._epoch, self._sent - 1), indices))

    def _send(self, worker_id, message):
        try:
            transport.send(self._connections[worker_id], message)
        except OSError:
            self._raise_death(worker_id)

    def _next_data(self):
        while True:
            self._skip_tasks_of_ended_streams()
            if self._wanted == self._sent:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if self._tasks[self._wanted][1] is not _WAITING:
                return self._hand_out(self._wanted)
            (epoch, number), answer = self._receive()
            if epoch != self._epoch:
                continue
            if isinstance(answer, StreamEnded):
                self._active[answer.worker_id] = False
                self._request()
                continue
            self._tasks[number][1] = answer
            if not self._in_order:
                return self._hand_out(number)

    def _skip_tasks_of_ended_streams(self):
        while self._wanted < self._sent:
            task = self._tasks.get(self._wanted)
            if task is not None:
                if task[1] is not _WAITING or self._active[task[0]]:
                    return
                del self._tasks[self._wanted]
            self._wanted += 1

    def _hand_out(self, number):
        worker_id, answer = self._tasks.pop(number)
        self._load[worker_id] -= 1
        self._request()
        if isinstance(answer, ExceptionWrapper):
            answer.reraise()
        return answer

    def _receive(self):
        """The next answer of any worker."""
        if self.is_shut_down:
            raise RuntimeError("DataLoader's workers have been shut down")
        deadline = time.monotonic() + self._timeout if self._timeout > 0 else None
        while not self._arrived:
            patience = MP_STATUS_CHECK_INTERVAL
            if deadline is not None:
                patience = min(patience, max(0.0, deadline - time.monotonic()))
            for connection in multiprocessing.connection.wait(self._connections, patience):
                try:
                    self._arrived.append(transport.receive(connection))
                except (EOFError, OSError):
                    self._raise_death(self._connections.index(connection))
            if self._arrived:
                break
            if deadline is not None and time.monotonic() >= deadline:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
            # A process started by a worker can hold its connection open after its death.
            for worker_id, worker in enumerate(self._workers):
                if not worker.is_alive():
                    self._raise_death(worker_id)
        return self._arrived.popleft()

    def _raise_death(self, worker_id):
        worker = self._workers[worker_id]
        worker.join(1.0)
        code, pid = worker.exitcode, worker.pid
        self._shutdown_workers()
        text = f"DataLoader worker (pid(s) {pid}) exited unexpectedly"
        if code is None:
            raise RuntimeError(text)
        if code >= 0:
            raise RuntimeError(
                f"{text} with exit code {code}. Details are lost due to multiprocessing. "
                "Rerunning with num_workers=0 may give better error trace."
            )
        try:
            name = f"{signal.strsignal(-code)} ({signal.Signals(-code).name})"
        except ValueError:
            name = str(-code)
        hint = ""
        if -code == getattr(signal, "SIGKILL", None):
            hint = " The system kills processes so when it runs out of memory."
        raise RuntimeError(f"{text}: it is killed by signal: {name}.{hint}")

    def _shutdown_workers(self):
        """End the workers: by asking, then by force. Returns when they are gone."""
        if self.is_shut_down or self._owner != os.getpid():
            return
        self.is_shut_down = True
        for connection in self._connections:
            _say_goodbye(connection)
        deadline = time.monotonic() + MP_STATUS_CHECK_INTERVAL
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        for end in ("terminate", "kill"):
            for worker in self._workers:
                if worker.is_alive():
                    getattr(worker, end)()
                    worker.join(MP_STATUS_CHECK_INTERVAL)

    def __del__(self):
        # While Python ends, `multiprocessing` has ended its daemons already.
        if not sys.is_finalizing():
            self._shutdown_workers()


def _say_goodbye(connection):
    """Send the last message and close, for every copy of the connection in other processes."""
    try:
        transport.send(connection, None)
        if hasattr(socket, "AF_UNIX"):
            with socket.socket(fileno=os.dup(connection.fileno())) as own:
                own.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the worker is gone already
    connection.close()


def _warn_about_pickling():
    warnings.warn(
        "Got pickle error when attempting to start a worker Process. "
        "This might be because the worker Process arguments are not picklable. "
        "Python 3.14+ changed the multiprocessing start method in non-Mac POSIX platforms "
        "to 'forkserver', which requires the worker Process arguments to be picklable. "
        "You can also try multiprocessing.set_start_method('fork').",
        stacklevel=5,
    )
