"""The trace and its plans: what is pending, what a sync runs, what a plan's key holds."""

import os
import subprocess
import sys
import threading

import pytest

import rushlight as torch
from rushlight.core.runtime.realize import flush, statistics
from rushlight.core.trace.value import STATE


@pytest.fixture(autouse=True)
def empty_trace():
    flush()
    yield
    flush()


def pending(tensor):
    return tensor._storage.value.array is None


def counted(function):
    before = dict(statistics)
    function()
    return {name: statistics[name] - before[name] for name in before}


def test_an_operation_is_only_recorded():
    y = torch.ones(3) + 1
    assert pending(y)
    assert y.tolist() == [2, 2, 2]
    assert not pending(y)


@pytest.mark.parametrize("sync", [
    lambda t: t.sum().item(), lambda t: t.tolist(), lambda t: t.numpy(), lambda t: repr(t),
    lambda t: bool(t.sum()), lambda t: t.nonzero(), lambda t: t[t > 0], lambda t: t.unique(),
    lambda t: float(t.sum()),
], ids="item tolist numpy print bool nonzero mask unique float".split())
def test_sync_points_run_what_they_need(sync):
    x = torch.ones(3) + 1
    sync(x)
    assert not pending(x)


def test_type_and_shape_errors_come_at_the_call():
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        torch.ones(3) + torch.ones(4)


def test_changing_numbers_are_the_same_plan():
    def step(factor):
        return (torch.ones(3) * factor + factor).sum().item()
    step(0.5)
    made = counted(lambda: [step(f) for f in (0.1, 0.2, 0.3)])
    assert made["plans"] == 0 and made["hits"] == 3


def test_another_shape_dtype_or_live_output_is_another_plan():
    (torch.ones(3) * 2).sum().item()
    assert counted(lambda: (torch.ones(4) * 2).sum().item())["plans"] == 1
    assert counted(lambda: (torch.ones(3, dtype=torch.float64) * 2).sum().item())["plans"] == 1

    def keep():
        kept = torch.ones(3) * 2
        kept.sum().item()
        return kept
    assert counted(keep)["plans"] == 1


def test_independent_work_is_a_plan_of_its_own():
    main = (torch.ones(3) * 2).sum()
    stray = torch.zeros(5) + 1
    main.item()
    assert pending(stray)
    assert stray.tolist() == [1] * 5


def test_what_nobody_holds_is_not_computed():
    x = torch.ones(3)
    dead = x.exp()
    del dead
    assert counted(lambda: (x + 1).tolist())["records"] == 1


def test_the_graph_is_freed_within_the_step_so_activations_are_no_outputs():
    w = torch.ones(3, requires_grad=True)
    loss = (w * w).exp().sum()
    loss.backward()
    part = [v for v in STATE.trace]
    del part
    loss.item()
    assert w.grad is not None and not pending(w.grad)


def test_a_long_trace_is_run_by_itself():
    x = torch.zeros(2)
    for _ in range(20_000):
        x = x + 1
    assert len(STATE.trace) < 17_000
    assert x.tolist() == [20_000, 20_000]


def test_a_heavy_trace_is_run_by_its_bytes():
    flush()
    x = torch.zeros(1).expand(1 << 32)      # results of 16 GiB each, on paper: nobody holds them
    for i in range(5):
        x + i
    assert len(STATE.trace) < 3


def test_each_thread_has_its_own_trace_and_values_cross_threads():
    x = torch.ones(3) + 1
    found = []

    def work():
        found.append(len(STATE.trace))
        found.append((x * 3).tolist())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0, [6, 6, 6]]


def test_many_threads_compute_what_one_would():
    shared = torch.arange(100.0) * 2
    results = []

    def work(k):
        for _ in range(50):
            results.append(((shared + k).sum() - k * 100).item())
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(results) == {9900.0}


def test_a_failing_kernel_names_the_line_and_loses_nothing():
    weight = torch.ones(3, 2) + 0
    index = torch.tensor([0, 7]) + 0     # pending, so it cannot be checked at the call
    picked = weight.index_select(0, index)
    other = weight * 2
    with pytest.raises(IndexError, match="test_trace.py"):
        picked.sum().item()
    assert other.tolist() == [[2, 2]] * 3
    with pytest.raises(IndexError):
        picked.tolist()


def test_an_update_in_place_does_not_copy_what_nobody_else_reads():
    x = torch.zeros(1000)
    x[0] = 1
    address = x._array().__array_interface__["data"][0]
    for i in range(100):
        x[i] = i
    assert x._array().__array_interface__["data"][0] == address
    assert x[:4].tolist() == [0, 1, 2, 3]


def test_an_update_does_not_change_what_somebody_else_reads():
    x = torch.zeros(3)
    y = x.clone()                        # shares the value until somebody writes
    v = x[1:]
    before = v + 0
    x[1] = 5
    assert y.tolist() == [0, 0, 0]
    assert before.tolist() == [0, 0]
    assert v.tolist() == [5, 0]


def run(code, **knobs):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, **knobs})
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_debug_says_why_a_plan_ran_and_prints_the_trace():
    code = "import rushlight as t\n(t.ones(3) * 2 + 1).sum().item()"
    text = run(code, RUSHLIGHT_DEBUG="4")
    assert "new plan of 3 records and 1 outputs because of item()" in text
    assert "mul(%0, 2) -> float32[3]" in text
    assert run(code, RUSHLIGHT_DEBUG="0") == ""


def test_the_trace_limit_is_a_knob():
    code = ("import rushlight as t\nfrom rushlight.core.trace.value import STATE\n"
            "x = t.zeros(2)\nfor _ in range(100): x = x + 1\nassert len(STATE.trace) <= 11")
    run(code, RUSHLIGHT_TRACE_LIMIT="10")
