"""Datasets and functions that worker processes must be able to import."""

import os
import random
import time

import numpy as np

import rushlight as torch
from rushlight.core.runtime.realize import statistics
from rushlight.core.trace.value import STATE
from rushlight.utils.data import Dataset, IterableDataset, get_worker_info


class Numbers(Dataset):
    """Sample i is the tensor [i, i]."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return torch.tensor([index, index])


class Structured(Numbers):
    def __getitem__(self, index):
        return {
            "tensor": torch.full((2, 3), float(index)),
            "array": np.full(4, index, np.int16),
            "number": index / 2,
            "text": str(index),
            "pair": (index, torch.tensor(index % 2 == 0)),
        }


class Large(Numbers):
    """Samples of 40,000 bytes: batches go through shared memory."""

    def __getitem__(self, index):
        return torch.full((10000,), float(index))


class Who(Numbers):
    """Which process made the sample, and what its random generators gave."""

    def __getitem__(self, index):
        info = get_worker_info()
        return (
            info.id,
            info.seed,
            random.random(),
            torch.rand(()).item(),
            np.random.randint(1 << 30),
        )


class Failing(Numbers):
    def __init__(self, size, at, error):
        super().__init__(size)
        self.at = at
        self.error = error

    def __getitem__(self, index):
        if index == self.at:
            raise self.error
        return torch.tensor(index)


class Dying(Numbers):
    """At sample `at` the process sends itself `signal_number`, or exits with `code`."""

    def __init__(self, size, at, signal_number=None, code=None):
        super().__init__(size)
        self.at, self.signal_number, self.code = at, signal_number, code

    def __getitem__(self, index):
        if index == self.at:
            if self.signal_number is not None:
                os.kill(os.getpid(), self.signal_number)
                time.sleep(60)
            os._exit(self.code)
        return torch.tensor(index)


class Slow(Numbers):
    """Worker 0's samples take `seconds` each."""

    def __init__(self, size, seconds):
        super().__init__(size)
        self.seconds = seconds

    def __getitem__(self, index):
        info = get_worker_info()
        if info is not None and info.id == 0:
            time.sleep(self.seconds)
        return torch.tensor(index)


class Stream(IterableDataset):
    """0 .. size-1; with `shared`, each worker yields its share, else all of it."""

    def __init__(self, size, shared=True, length=None):
        self.size, self.shared, self.length = size, shared, length

    def __len__(self):
        if self.length is None:
            raise TypeError("no length")
        return self.length

    def __iter__(self):
        info = get_worker_info()
        if info is None or not self.shared:
            return iter(range(self.size))
        return iter(range(info.id, self.size, info.num_workers))


class Records(Numbers):
    """How many records this process, with its parent's count, has run, and how many wait."""

    def __getitem__(self, index):
        return statistics["records"], len(STATE.trace)


class TwoArguments(Exception):
    def __init__(self, code, text):
        super().__init__(code, text)


def return_batch(batch):
    """A collate function that leaves the samples as they are."""
    return batch


def write_worker_id(worker_id):
    with open(os.environ["RUSHLIGHT_TEST_FOLDER"] + f"/worker{worker_id}", "w") as file:
        file.write(str(get_worker_info().seed))


def fail_to_start(worker_id):
    raise ValueError(f"worker {worker_id} cannot start")


def add_ten(tensor):
    tensor.add_(10)


def add_through_queue(queue, weight):
    queue.get().add_(10)
    with torch.no_grad():
        weight.add_(1)


def put_doubled(index, received, results):
    """For multiprocessing.spawn: doubles a tensor from one queue into another."""
    results.put((index, received.get() * 2))


def fail_in_process(index):
    if index == 1:
        raise ValueError("process one fails")
    time.sleep(30)


def exit_in_process(index):
    os.kill(os.getpid(), 9)
