"""What a program no longer needs leaves the trace; long traces are cut where rounds end alike."""

import os
import subprocess
import sys

import pytest

import rushlight as torch
from rushlight.core.runtime.realize import flush
from rushlight.core.trace.value import STATE


def test_dead_values_are_forgotten_at_the_next_sync():
    flush()
    x = torch.ones(3)
    for _ in range(50):
        x * 2 + 1
    kept = x * 5
    assert len(STATE.trace) == 101
    (x + 1).sum().item()
    assert len(STATE.trace) == 1            # only `kept`, which is pending and still held
    assert kept.tolist() == [5, 5, 5]
    assert len(STATE.trace) == 0


def test_a_training_step_is_one_plan_and_leaves_nothing_behind():
    from rushlight.core.runtime.realize import statistics
    flush()
    w = torch.ones(4, 1, requires_grad=True)
    optimizer = torch.optim.Adam([w])
    x, y = torch.ones(8, 4), torch.zeros(8, 1)
    for step in range(6):
        if step == 3:
            before = dict(statistics)
        optimizer.zero_grad()
        loss = ((x @ w - y) * (x @ w - y)).mean()
        loss.backward()
        optimizer.step()
        loss.item()
        assert len(STATE.trace) == 0
    assert statistics["runs"] - before["runs"] == 3
    assert statistics["plans"] == before["plans"]


UNSEEN = """
import rushlight as torch
from rushlight.core.runtime.realize import statistics
from rushlight.core.trace.value import STATE
from rushlight.utils.data import DataLoader

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
total, counts = torch.zeros(2), []
for x in DataLoader(torch.randn(24, 4), batch_size=3):
    if TRAIN:
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
        assert len(STATE.trace) == 0
    else:
        with torch.no_grad():
            total += net(x).sum(0)
    counts.append(statistics["plans"])
assert counts[3] == counts[-1], counts
assert counts[-1] > counts[0] or TRAIN
"""


@pytest.mark.parametrize("train", [True, False])
def test_rounds_of_a_loop_that_looks_at_no_value_are_one_plan(train):
    """Cut where a limit falls, every round was another plan."""
    done = subprocess.run([sys.executable, "-c", UNSEEN.replace("TRAIN", str(train))],
                          capture_output=True, text=True,
                          env={**os.environ, "RUSHLIGHT_TRACE_LIMIT": "700"})
    assert done.returncode == 0, done.stderr
