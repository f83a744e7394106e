"""Schedules: the recorded sequences of PyTorch, resuming, warnings and errors."""

import json
import warnings
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.optim import lr_scheduler

from .schedules import CASES, make_optimizer, run

RECORDED = json.loads((Path(__file__).parent.parent / "data" / "optim" / "schedules.json")
                      .read_text())
INTERNAL = ("_get_lr_called_within_step", "_is_initial")


def visible(state):
    if isinstance(state, dict):
        return {k: visible(v) for k, v in state.items() if k not in INTERNAL}
    return [visible(v) for v in state] if isinstance(state, list) else state


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", CASES)
def test_sequence(name, optimizer):
    """Every rate and momentum is PyTorch's to the last bit, and so is the saved state."""
    expected = RECORDED[f"{name}/{optimizer}"]
    found = run(torch, name, optimizer)
    assert found["rows"] == expected["rows"]
    assert visible(found["state"]) == visible(expected["state"])


@pytest.mark.parametrize("name", CASES)
def test_resumed_in_the_middle(name):
    assert run(torch, name, "SGD", resume_at=9)["rows"] == RECORDED[f"{name}/SGD"]["rows"]


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "SequentialLR", "OneCycleLR"])
def test_rate_as_a_tensor(name):
    """A tensor rate is filled in place, and follows the same sequence."""
    found = run(torch, name, "SGD", rate=lambda x: torch.tensor(x, dtype=torch.float64))
    for row, expected in zip(found["rows"], RECORDED[f"{name}/SGD"]["rows"]):
        assert row[0] == pytest.approx(expected[0], rel=1e-12)

    optimizer = make_optimizer(torch, "SGD", torch.tensor)
    rate = optimizer.param_groups[0]["lr"]
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.05)
    assert schedule.get_last_lr()[0] is not rate


def test_the_order_of_steps_is_warned_about_once():
    optimizer = make_optimizer(torch, "SGD")
    schedule = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before "
                                         r"`optimizer.step\(\)`"):
        schedule.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        schedule.step()

    right = make_optimizer(torch, "SGD")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule = lr_scheduler.StepLR(right, 1)
        right.step()
        schedule.step()


def test_a_replaced_step_is_warned_about():
    optimizer = make_optimizer(torch, "SGD")
    schedule = lr_scheduler.StepLR(optimizer, 1)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden after learning rate scheduler"):
        schedule.step()


def test_get_lr_and_epochs_warn():
    optimizer = make_optimizer(torch, "SGD")
    schedule = lr_scheduler.StepLR(optimizer, 3, 0.5)
    with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`"):
        schedule.get_lr()
    optimizer.step()
    with pytest.warns(UserWarning, match=r"The epoch parameter in `scheduler.step\(\)`"):
        schedule.step(7)
    assert schedule.get_last_lr() == [0.1 * 0.5 ** 2, 0.4 * 0.5 ** 2]


def test_a_schedule_does_not_keep_its_optimizer_alive():
    import gc
    import weakref
    optimizer = make_optimizer(torch, "SGD")
    lr_scheduler.StepLR(optimizer, 1)
    watched = weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert watched() is None


def test_resuming_by_epoch():
    optimizer = make_optimizer(torch, "SGD")
    with pytest.raises(KeyError, match=r"param 'initial_lr' is not specified in param_groups\[0\]"
                                       " when resuming scheduler"):
        lr_scheduler.StepLR(optimizer, 2, last_epoch=3)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    schedule = lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0 / (epoch + 1), last_epoch=3)
    assert schedule.last_epoch == 4
    assert schedule.get_last_lr() == [0.1 * (1 / 5), 0.4 * (1 / 5)]


def test_own_schedule_by_get_lr():
    class Halving(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base / 2 ** self.last_epoch for base in self.base_lrs]

    optimizer = make_optimizer(torch, "SGD")
    schedule = Halving(optimizer)
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.05, 0.2]
    with pytest.raises(NotImplementedError):
        lr_scheduler.LRScheduler(make_optimizer(torch, "SGD"))


def test_plateau():
    optimizer = make_optimizer(torch, "SGD")
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, cooldown=1, min_lr=[0.02, 0.0])
    rates = []
    for loss in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5):
        schedule.step(torch.tensor(loss))
        rates.append(schedule.get_last_lr()[0])
    assert rates == [0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02]
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.004)
    assert schedule.best == pytest.approx(0.5)

    saved = schedule.state_dict()
    other = lr_scheduler.ReduceLROnPlateau(make_optimizer(torch, "SGD"), "max")
    other.load_state_dict(saved)
    assert (other.mode, other.best, other.num_bad_epochs) == ("min", schedule.best, 0)


ERRORS = [
    (lambda L, o: L.StepLR(3, 1), TypeError, "int is not an Optimizer"),
    (lambda L, o: L.LambdaLR(o, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    (lambda L, o: L.MultiplicativeLR(o, 3), TypeError,
     "lr_lambda should be a function, but got int"),
    (lambda L, o: L.ConstantLR(o, 2), ValueError,
     "Constant multiplicative factor expected to be between 0 and 1."),
    (lambda L, o: L.LinearLR(o, 0), ValueError,
     "Starting multiplicative factor expected to be greater than 0 and less or equal to 1."),
    (lambda L, o: L.LinearLR(o, 1, 2), ValueError,
     "Ending multiplicative factor expected to be between 0 and 1."),
    (lambda L, o: L.SequentialLR(o, [], []), ValueError,
     "SequentialLR expects at least one scheduler, but got no scheduler."),
    (lambda L, o: L.SequentialLR(o, [L.StepLR(o, 2)], [1]), ValueError,
     "Sequential Schedulers expects number of schedulers provided to be one more than the number "
     "of milestone points, but got number of schedulers 1 and the number of milestones to be "
     "equal to 1"),
    (lambda L, o: L.SequentialLR(o, [L.ReduceLROnPlateau(o)], []), ValueError,
     "SequentialLR does not support `ReduceLROnPlateau` scheduler as it requires additional "
     "kwargs to be specified when calling `step`, but got one at index 0 in the given "
     "schedulers sequence."),
    (lambda L, o: L.ChainedScheduler([]), ValueError,
     "ChainedScheduler expects at least one scheduler to be chained, but got no scheduler."),
    (lambda L, o: L.ChainedScheduler([L.StepLR(o, 1), 3]), TypeError,
     "ChainedScheduler at index 1 should have `optimizer` as its attribute."),
    (lambda L, o: L.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0."),
    (lambda L, o: L.ReduceLROnPlateau(o, min_lr=[1]), ValueError, "expected 2 min_lrs, got 1"),
    (lambda L, o: L.ReduceLROnPlateau(o, "best"), ValueError, "mode best is unknown!"),
    (lambda L, o: L.CyclicLR(o, [0.1], 0.2), ValueError,
     "base_lr must have the same length as optimizer.param_groups. base_lr has 1 values, "
     "param_groups has 2."),
    (lambda L, o: L.CyclicLR(o, 0.1, 0.2, mode="round"), ValueError,
     "mode is invalid and scale_fn is None"),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 0), ValueError,
     "Expected positive integer T_0, but got 0"),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 1).step(-1), ValueError,
     "Expected non-negative epoch, but got -1"),
    (lambda L, o: L.OneCycleLR(o, 1), ValueError,
     "You must define either total_steps OR (epochs AND steps_per_epoch)"),
    (lambda L, o: L.OneCycleLR(o, 1, 5, anneal_strategy="x"), ValueError,
     "anneal_strategy must be one of 'cos' or 'linear', instead got x"),
    (lambda L, o: [s.step() for s in [L.OneCycleLR(o, 1, 3)] for _ in range(9)], ValueError,
     "Tried to step 4 times. The specified number of total steps is 3"),
]


@pytest.mark.parametrize("make, kind, text", ERRORS)
@pytest.mark.filterwarnings("ignore:Detected call")
def test_errors(make, kind, text):
    with pytest.raises(kind) as caught:
        make(lr_scheduler, make_optimizer(torch, "SGD"))
    assert str(caught.value) == text


def test_momentum_to_cycle_is_required():
    optimizer = torch.optim.Adagrad([torch.zeros(1, requires_grad=True)])
    for make in (lambda: lr_scheduler.CyclicLR(optimizer, 0.1, 0.2),
                 lambda: lr_scheduler.OneCycleLR(optimizer, 0.1, 3)):
        with pytest.raises(ValueError, match="must support momentum or beta1"):
            make()
