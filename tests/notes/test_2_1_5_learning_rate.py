"""Notes 2.1.5: schedulers change optimizer.param_groups[0]['lr'] epoch by epoch."""

import math
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.notes.subject import REFERENCE, nn, optim, run_notes, torch

ROOT = Path(__file__).resolve().parents[2]
lr_scheduler = optim.lr_scheduler


def make_optimizer(lr=1.0, **options):
    return optim.SGD([nn.Parameter(torch.ones(1))], lr=lr, **options)


def rates(make, steps=6, lr=1.0, **options):
    optimizer = make_optimizer(lr, **options)
    scheduler = make(optimizer)
    seen = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        seen.append(optimizer.param_groups[0]["lr"])
    assert scheduler.get_last_lr() == [seen[-1]]
    return seen


def halves(count):
    return [0.5**power for power in range(count)]


def cosine(step, period, low=0.0):
    return low + (1 - low) * (1 + math.cos(math.pi * step / period)) / 2


EXPECTED = {
    "StepLR": (lambda o: lr_scheduler.StepLR(o, 2, 0.5), [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]),
    "MultiStepLR": (
        lambda o: lr_scheduler.MultiStepLR(o, [1, 4], 0.1),
        [1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01],
    ),
    "LambdaLR": (
        lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
        [1 / (1 + epoch) for epoch in range(7)],
    ),
    "MultiplicativeLR": (lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.5), halves(7)),
    "ExponentialLR": (lambda o: lr_scheduler.ExponentialLR(o, 0.5), halves(7)),
    "ConstantLR": (lambda o: lr_scheduler.ConstantLR(o, 0.5, 3), [0.5, 0.5, 0.5, 1, 1, 1, 1]),
    "LinearLR": (
        lambda o: lr_scheduler.LinearLR(o, 0.5, total_iters=4),
        [0.5, 0.625, 0.75, 0.875, 1, 1, 1],
    ),
    "PolynomialLR": (
        lambda o: lr_scheduler.PolynomialLR(o, 4, 1.0),
        [1, 0.75, 0.5, 0.25, 0, 0, 0],
    ),
    "CosineAnnealingLR": (
        lambda o: lr_scheduler.CosineAnnealingLR(o, 6),
        [cosine(step, 6) for step in range(7)],
    ),
    "CosineAnnealingWarmRestarts": (
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
        [cosine(step % 3, 3) for step in range(7)],
    ),
    "CyclicLR": (
        lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 3, cycle_momentum=False),
        [0.1, 0.4, 0.7, 1.0, 0.7, 0.4, 0.1],
    ),
    "SequentialLR": (
        lambda o: lr_scheduler.SequentialLR(
            o,
            [lr_scheduler.ConstantLR(o, 0.1, 2), lr_scheduler.ExponentialLR(o, 0.5)],
            [2],
        ),
        [0.1, 0.1, 1, 0.5, 0.25, 0.125, 0.0625],
    ),
    "ChainedScheduler": (
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.ExponentialLR(o, 0.5), lr_scheduler.StepLR(o, 3, 0.1)]
        ),
        [1, 0.5, 0.25, 0.0125, 0.00625, 0.003125, 0.00015625],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.filterwarnings("ignore")
def test_learning_rates(name):
    make, expected = EXPECTED[name]
    assert rates(make, momentum=0.9) == pytest.approx(expected)


def test_one_cycle_rises_then_falls_and_moves_momentum_the_other_way():
    optimizer = make_optimizer(momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    lr, momentum = [], []
    for _ in range(10):
        lr.append(optimizer.param_groups[0]["lr"])
        momentum.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if len(lr) < 10:
            scheduler.step()
    assert lr[0] == pytest.approx(0.04) and max(lr) == pytest.approx(1.0)
    assert lr[-1] == pytest.approx(4e-6) and momentum[lr.index(max(lr))] == pytest.approx(0.85)


def test_reduce_on_plateau_waits_for_its_patience():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    seen = []
    for loss in (1.0, 0.5, 0.6, 0.7, 0.8):
        scheduler.step(loss)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([1, 1, 1, 0.1, 0.1])


def test_each_parameter_group_has_its_own_rate():
    base, head = nn.Linear(2, 2), nn.Linear(2, 1)
    groups = [{"params": base.parameters()}, {"params": head.parameters(), "lr": 0.5}]
    optimizer = optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = lr_scheduler.LambdaLR(optimizer, [lambda epoch: 0.5**epoch, lambda epoch: 1.0])
    optimizer.step()
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.5]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert all(group["momentum"] == 0.9 for group in optimizer.param_groups)


def test_the_rate_is_used_by_the_next_step():
    weight = nn.Parameter(torch.zeros(1))
    optimizer = optim.SGD([weight], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 1, 0.1)
    positions = []
    for _ in range(3):
        optimizer.zero_grad()
        (-weight).sum().backward()
        optimizer.step()
        scheduler.step()
        positions.append(weight.item())
    assert positions == pytest.approx([1.0, 1.1, 1.11])


def test_state_dict_continues_where_it_stopped():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 2, 0.5)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    again = make_optimizer()
    other = lr_scheduler.StepLR(again, 2, 0.5)
    other.load_state_dict(scheduler.state_dict())
    again.load_state_dict(optimizer.state_dict())
    again.step()
    other.step()
    assert again.param_groups[0]["lr"] == 0.25 and other.last_epoch == 4


def test_notes_block_with_the_import_and_the_order_put_right():
    parameter = nn.Parameter(torch.ones(1))
    _, printed = run_notes(
        """
from torch.optim.lr_scheduler import StepLR
scheduler = StepLR(optimizer, step_size=30, gamma=0.1)
for epoch in range(100):
    optimizer.step()
    optimizer.zero_grad()
    scheduler.step()
print(optimizer.param_groups[0]['lr'])
""",
        optimizer=optim.SGD([parameter], lr=1.0),
    )
    assert float(printed) == pytest.approx(0.001)


def test_slip_a_class_is_not_importable_as_a_module():
    code = "import torch.optim.lr_scheduler.StepLR"
    command = ["-c", code] if REFERENCE else ["-m", "rushlight", "run", "-c", code]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: No module named 'torch.optim.lr_scheduler.StepLR'")
    assert REFERENCE or "write `from torch.optim.lr_scheduler import StepLR`" in last


def test_slip_scheduler_before_optimizer_warns():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)
    with pytest.warns(
        UserWarning,
        match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`",
    ):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer = make_optimizer()
        scheduler = lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)
        optimizer.step()
        scheduler.step()
