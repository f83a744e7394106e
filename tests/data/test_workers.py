"""DataLoader with worker processes: order, seeds, errors, deaths, and what is left behind."""

import gc
import os
import pathlib
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import pytest

import rushlight as torch
from rushlight.core.runtime.realize import statistics
from rushlight.utils.data import DataLoader, TensorDataset

from . import loader_samples as samples

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]
ROOT = str(pathlib.Path(__file__).parent.parent.parent)


def ended(pid):
    """Whether the process is gone, or only waits to be collected."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_batches_arrive_whole_and_in_order(context):
    loader = DataLoader(
        samples.Structured(11), batch_size=4, num_workers=2, multiprocessing_context=context
    )
    batches = list(loader)
    expected = list(DataLoader(samples.Structured(11), batch_size=4))
    assert len(batches) == len(expected) == 3
    for batch, other in zip(batches, expected):
        assert batch["text"] == other["text"]
        for name in ("tensor", "array", "number"):
            assert batch[name].dtype == other[name].dtype
            assert torch.equal(batch[name], other[name])
        assert isinstance(batch["pair"], list)
        assert batch["pair"][1].dtype == torch.bool


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("persistent", [False, True])
def test_same_order_as_without_workers(workers, persistent):
    def orders(**options):
        torch.manual_seed(7)
        loader = DataLoader(samples.Numbers(23), batch_size=4, shuffle=True, **options)
        return [[batch[:, 0].tolist() for batch in loader] for _ in range(2)]

    alone = orders()
    together = orders(num_workers=workers, persistent_workers=persistent)
    assert together[0] == alone[0]
    assert sorted(sum(together[1], [])) == list(range(23))
    if not persistent:  # persistent workers keep their seed: the second order is drawn earlier
        assert together == alone


def test_large_batches_are_writable_and_live_on():
    loader = DataLoader(samples.Large(6), batch_size=3, num_workers=2)
    first, second = list(loader)
    del loader
    gc.collect()
    first += 1
    assert first[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert second[:, -1].tolist() == [3.0, 4.0, 5.0]


def test_seeds_of_the_workers():
    torch.manual_seed(3)
    base = int(torch.empty((), dtype=torch.int64).random_().item())
    torch.manual_seed(3)
    rows = list(
        DataLoader(samples.Who(4), batch_size=1, num_workers=2, collate_fn=samples.return_batch)
    )
    for index, [(worker, seed, python, _, _)] in enumerate(rows):
        assert worker == index % 2
        assert seed == base + worker
        if index < 2:
            assert python == random.Random(seed).random()
    # Recorded from PyTorch: manual_seed(3), two workers, torch.rand and np.random.randint.
    assert [row[0][3:] for row in rows] == [
        (0.2876076102256775, 556139338),
        (0.7470175623893738, 582168465),
        (0.686290979385376, 562528850),
        (0.8290408253669739, 644365999),
    ]


def test_worker_init_fn_and_get_worker_info(tmp_path, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_TEST_FOLDER", str(tmp_path))
    loader = DataLoader(samples.Numbers(4), num_workers=2, worker_init_fn=samples.write_worker_id)
    list(loader)
    seeds = [int((tmp_path / f"worker{i}").read_text()) for i in range(2)]
    assert seeds[1] == seeds[0] + 1


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_errors_reach_the_loop_with_their_type_and_traceback(context):
    loader = DataLoader(
        samples.Failing(6, 3, ValueError("sample three is bad")),
        num_workers=2,
        multiprocessing_context=context,
    )
    received = []
    with pytest.raises(ValueError) as caught:
        for batch in loader:
            received.append(batch.item())
    assert received == [0, 1, 2]
    text = str(caught.value)
    assert text.startswith("Caught ValueError in DataLoader worker process 1.\nOriginal Traceback")
    assert "loader_samples.py" in text and "sample three is bad" in text


def test_loop_may_go_on_after_an_error():
    iterator = iter(DataLoader(samples.Failing(4, 1, KeyError("key")), num_workers=2))
    assert next(iterator).item() == 0
    with pytest.raises(KeyError) as caught:
        next(iterator)
    assert "\nKeyError: 'key'" in str(caught.value)  # not one line of escaped newlines
    assert [batch.item() for batch in iterator] == [2, 3]


def test_error_that_cannot_be_rebuilt_becomes_a_runtime_error():
    loader = DataLoader(
        samples.Failing(2, 0, samples.TwoArguments(1, "two arguments")), num_workers=1
    )
    with pytest.raises(RuntimeError, match="Caught TwoArguments in DataLoader worker process 0"):
        next(iter(loader))


def test_batch_that_cannot_be_pickled():
    loader = DataLoader(samples.Numbers(2), num_workers=1, collate_fn=lambda batch: lambda: batch)
    with pytest.raises(Exception, match="in DataLoader worker process 0"):
        next(iter(loader))


def test_error_in_worker_init_fn():
    loader = DataLoader(samples.Numbers(2), num_workers=1, worker_init_fn=samples.fail_to_start)
    with pytest.raises(ValueError, match="worker 0 cannot start"):
        next(iter(loader))


def test_dataset_that_cannot_be_sent_to_a_spawned_worker():
    loader = DataLoader(
        samples.Numbers(2),
        num_workers=1,
        collate_fn=lambda batch: batch,
        multiprocessing_context="spawn",
    )
    with pytest.warns(UserWarning, match="not picklable"):
        with pytest.raises(Exception, match="pickle|local object"):
            iter(loader)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_killed_worker(context):
    loader = DataLoader(
        samples.Dying(100, 5, signal.SIGKILL), num_workers=2, multiprocessing_context=context
    )
    iterator = iter(loader)
    pids = [worker.pid for worker in iterator._workers]
    next(iterator)
    start = time.monotonic()
    with pytest.raises(RuntimeError) as caught:
        list(iterator)
    assert time.monotonic() - start < 5
    assert f"DataLoader worker (pid(s) {pids[1]}) exited unexpectedly" in str(caught.value)
    assert "is killed by signal: Killed (SIGKILL)" in str(caught.value)
    assert all(map(ended, pids))


def test_worker_killed_from_outside_while_idle():
    loader = DataLoader(samples.Numbers(8), num_workers=2, persistent_workers=True)
    assert len(list(loader)) == 8
    victim = loader._iterator._workers[0]
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: ended(victim.pid))
    with pytest.raises(RuntimeError, match=str(victim.pid)):
        list(loader)
    assert len(list(loader)) == 8  # a new pass starts new workers


def test_worker_that_exits():
    loader = DataLoader(samples.Dying(4, 1, code=3), num_workers=1)
    with pytest.raises(RuntimeError, match="exit code 3. Details are lost"):
        list(loader)


def test_timeout():
    loader = DataLoader(samples.Slow(4, 30), num_workers=1, timeout=0.3)
    start = time.monotonic()
    iterator = iter(loader)
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.3 seconds"):
        next(iterator)
    assert time.monotonic() - start < 5
    iterator._workers[0].kill()


def test_out_of_order():
    loader = DataLoader(samples.Slow(8, 0.3), num_workers=2, in_order=False, prefetch_factor=1)
    order = [batch.item() for batch in loader]
    assert sorted(order) == list(range(8))
    assert order[0] == 1  # worker 0, with sample 0, is the slow one
    assert [batch.item() for batch in DataLoader(samples.Slow(4, 0.1), num_workers=2)] == [
        0,
        1,
        2,
        3,
    ]


def test_prefetch_is_bounded():
    asked = []

    class Asked:
        def __iter__(self):
            for index in range(100):
                asked.append(index)
                yield index

        def __len__(self):
            return 100

    iterator = iter(
        DataLoader(samples.Numbers(100), sampler=Asked(), num_workers=2, prefetch_factor=3)
    )
    assert len(asked) == 6
    next(iterator)
    assert len(asked) == 7


def test_persistent_workers_are_kept_and_others_are_not():
    loader = DataLoader(samples.Numbers(4), num_workers=2, persistent_workers=True)
    pids = []
    for _ in range(3):
        assert len(list(loader)) == 4
        pids.append([worker.pid for worker in loader._iterator._workers])
    assert pids[0] == pids[1] == pids[2]
    next(iter(loader))  # a pass left early, then a whole one
    assert [batch[0, 0].item() for batch in loader] == [0, 1, 2, 3]
    del loader
    gc.collect()
    wait_until(lambda: all(map(ended, pids[0])))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("persistent", [False, True])
def test_streams(workers, persistent):
    loader = DataLoader(
        samples.Stream(10), batch_size=2, num_workers=workers, persistent_workers=persistent
    )
    for _ in range(2):
        batches = [batch.tolist() for batch in loader]
        assert sorted(sum(batches, [])) == list(range(10))
    assert all(len({value % workers for value in batch}) == 1 for batch in batches)


def test_stream_that_is_not_shared_repeats_and_warns():
    loader = DataLoader(samples.Stream(3, shared=False, length=3), num_workers=2, batch_size=None)
    assert len(loader) == 3
    with pytest.warns(UserWarning, match="was reported to be 3.*replica at each worker"):
        assert sorted(loader) == [0, 0, 1, 1, 2, 2]


def test_tensors_of_the_dataset_are_seen_by_workers():
    dataset = TensorDataset(torch.arange(10) * 2, torch.ones(10, 3) + 1)
    for context in ("fork", "spawn"):
        loader = DataLoader(dataset, batch_size=5, num_workers=1, multiprocessing_context=context)
        numbers, twos = next(iter(loader))
        assert numbers.tolist() == [0, 2, 4, 6, 8]
        assert twos.sum().item() == 30


def test_workers_do_not_do_what_the_main_process_had_pending():
    before = statistics["records"]
    pending = (torch.ones(3, 3) + 1).sum() * 2
    loader = DataLoader(samples.Records(4), num_workers=2, batch_size=None)
    in_workers = list(loader)
    assert statistics["records"] > before  # done here, before the processes were made
    assert in_workers == [[statistics["records"], 0]] * 4
    assert pending.item() == 36.0


def test_nothing_is_left_behind():
    def descriptors():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    def maps():
        return pathlib.Path("/proc/self/maps").read_text().count("rushlight")

    list(DataLoader(samples.Large(4), num_workers=2))
    before, shared = descriptors(), set(os.listdir("/dev/shm"))
    for _ in range(3):
        iterator = iter(DataLoader(samples.Large(40), batch_size=2, num_workers=2))
        pids = [worker.pid for worker in iterator._workers]
        kept = [next(iterator) for _ in range(3)]
        del iterator  # left in the middle
        wait_until(lambda pids=pids: all(map(ended, pids)))
        assert maps() >= 3
        del kept
    assert descriptors() <= before + 2
    assert maps() == 0
    assert set(os.listdir("/dev/shm")) <= shared


def run_script(body):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, *filter(None, sys.path)])},
    )


LOOP = """
    import warnings
    warnings.simplefilter("ignore")
    from rushlight.utils.data import DataLoader
    from tests.data import loader_samples as samples
    if __name__ == "__main__":
        iterator = iter(DataLoader(samples.Slow(1000, {seconds}), num_workers=2))
        print(*[worker.pid for worker in iterator._workers], flush=True)
        for batch in iterator:
            pass
"""


@pytest.mark.parametrize("seconds", [0.01, 60])
def test_ctrl_c_leaves_no_orphan(seconds):
    process = run_script(LOOP.format(seconds=seconds))
    pids = [int(pid) for pid in process.stdout.readline().split()]
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0 and errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1  # the workers have nothing to say
    wait_until(lambda: all(map(ended, pids)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_death_of_the_main_process_ends_the_workers(number):
    process = run_script(LOOP.format(seconds=60))
    pids = [int(pid) for pid in process.stdout.readline().split()]
    time.sleep(0.5)
    process.send_signal(number)
    process.communicate(timeout=10)
    wait_until(lambda: all(map(ended, pids)))


def test_interpreter_exit_with_workers_running_is_quiet():
    script = LOOP.replace("for batch in iterator:", "next(iterator)\n        if False:")
    process = run_script(script.format(seconds=0.01))
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 0 and errors == ""
    wait_until(lambda: all(ended(int(pid)) for pid in output.split()))


def test_too_many_workers_warns():
    with pytest.warns(UserWarning, match="This DataLoader will create 1000 worker processes"):
        DataLoader(samples.Numbers(1), num_workers=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DataLoader(samples.Numbers(1), num_workers=1)
