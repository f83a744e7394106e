"""rushlight.multiprocessing: tensors through queues and pipes, and spawn."""

import multiprocessing
import os
import pickle
import time

import pytest

import rushlight as torch
import rushlight.multiprocessing as mp
from rushlight.core.base import shared_block

from . import loader_samples as samples


def test_everything_of_multiprocessing_is_there():
    for name in multiprocessing.__all__:
        assert getattr(mp, name) is getattr(multiprocessing, name)


@pytest.mark.parametrize("size", [3, 100_000])
def test_tensors_through_queues(size):
    context = mp.get_context("fork")
    received, results = context.Queue(), context.Queue()
    process = context.Process(target=samples.put_doubled, args=(7, received, results))
    process.start()
    received.put(torch.arange(size))
    index, doubled = results.get(timeout=20)
    assert index == 7 and doubled.dtype == torch.int64
    assert torch.equal(doubled, 2 * torch.arange(size))
    process.join(20)
    assert process.exitcode == 0


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(3),
        torch.zeros(0, 4),
        torch.tensor([True, False]),
        torch.tensor([1.5, -2.0]).to(torch.bfloat16),
        torch.tensor([1 + 2j, 3.0]),
        torch.arange(6).reshape(2, 3).t(),
        torch.ones(2, 3)[:, 1],
        torch.ones(1, requires_grad=True),
    ],
    ids=["scalar", "empty", "bool", "bfloat16", "complex", "transposed", "strided", "leaf"],
)
def test_all_kinds_of_tensors_through_a_pipe(tensor):
    here, there = mp.Pipe()
    here.send({"tensor": tensor})
    copy = there.recv()["tensor"]
    assert copy.dtype == tensor.dtype and copy.shape == tensor.shape
    assert copy.requires_grad == tensor.requires_grad
    assert copy.tolist() == tensor.tolist()


def test_parameters_stay_parameters():
    here, there = mp.Pipe()
    here.send(torch.nn.Parameter(torch.ones(2), requires_grad=False))
    copy = there.recv()
    assert type(copy) is torch.nn.Parameter and not copy.requires_grad


def test_only_leaves_cross():
    here, _ = mp.Pipe()
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        here.send(torch.ones(2, requires_grad=True) * 2)


def test_sharing_strategies():
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(AssertionError, match="carrier pigeon"):
        mp.set_sharing_strategy("carrier pigeon")


def test_spawn_waits_for_all():
    context = mp.get_context("spawn")
    received, results = context.SimpleQueue(), context.SimpleQueue()
    for value in (1.0, 2.0):
        received.put(torch.full((2,), value))
    started = mp.spawn(samples.put_doubled, args=(received, results), nprocs=2, join=False)
    assert len(started.pids()) == 2
    got = sorted((results.get() for _ in range(2)), key=lambda pair: pair[0])
    while not started.join():
        pass
    assert [index for index, _ in got] == [0, 1]
    assert sorted(doubled.tolist() for _, doubled in got) == [[2.0, 2.0], [4.0, 4.0]]


def test_spawn_raises_what_a_process_raises():
    start = time.monotonic()
    with pytest.raises(mp.ProcessRaisedException) as caught:
        mp.start_processes(samples.fail_in_process, nprocs=2, start_method="fork")
    assert time.monotonic() - start < 15
    assert caught.value.error_index == 1
    assert "\n\n-- Process 1 terminated with the following error:\nTraceback" in str(caught.value)
    assert "process one fails" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).error_index == 1


def test_spawn_reports_a_killed_process():
    with pytest.raises(mp.ProcessExitedException, match="0 terminated with signal SIGKILL") as e:
        mp.start_processes(samples.exit_in_process, nprocs=1, start_method="fork")
    assert e.value.exit_code == -9 and e.value.signal_name == "SIGKILL"


def test_shared_memory_is_one_memory_for_all():
    tensor = torch.arange(6.0).reshape(2, 3).t()
    assert not tensor.is_shared()
    assert tensor.share_memory_() is tensor and tensor.is_shared()
    assert tensor.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    row = tensor[1]
    assert row.is_shared()
    process = mp.get_context("fork").Process(target=samples.add_ten, args=(row,))
    process.start()
    process.join(20)
    assert process.exitcode == 0
    assert tensor.tolist() == [[0.0, 3.0], [11.0, 14.0], [2.0, 5.0]]
    assert (row * 2).tolist() == [22.0, 28.0]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_shared_tensors_through_queues_and_arguments(context):
    context = mp.get_context(context)
    weight = torch.nn.Parameter(torch.zeros(4)).share_memory_()
    queue = context.SimpleQueue()
    process = context.Process(target=samples.add_through_queue, args=(queue, weight))
    process.start()
    queue.put(weight[2:].detach())
    process.join(60)
    assert process.exitcode == 0
    assert weight.tolist() == [1.0, 1.0, 11.0, 11.0] and weight.requires_grad
    weight.data_ptr()
    assert weight.is_shared()


def test_share_memory_of_a_module_and_of_nothing():
    module = torch.nn.Linear(2, 3)
    before = module.weight.tolist()
    module.share_memory()
    assert all(p.is_shared() for p in module.parameters())
    assert module.weight.tolist() == before
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert torch.equal(module.weight.detach(), torch.tensor(before) - 1)
    assert torch.zeros(0, 3).share_memory_().shape == (0, 3)


def test_blocks_are_freed_with_their_last_user():
    before = len(os.listdir("/proc/self/fd"))
    descriptor, size, offsets = shared_block.write_block([b"abc", b"", b"x" * 100])
    assert offsets == [0, 64, 64] and size == 192
    view = shared_block.open_block(descriptor, size)
    assert bytes(view[:3]) == b"abc" and bytes(view[64:164]) == b"x" * 100
    view[0:1] = b"z"
    assert bytes(view[:3]) == b"zbc"
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    del view
    assert len(os.listdir("/proc/self/fd")) <= before
