"""What a program no longer needs leaves the trace, so syncs stay cheap."""

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
