"""Observers of the runtime: what they are told, and that FLOPs and bytes on paper are right."""

import pytest

import rushlight as torch
import rushlight.nn.functional as F
from benchmarks.lenet import make_step
from rushlight.core.runtime import observe


class Recorder(observe.Observer):
    """Keeps every run."""

    def __init__(self):
        self.runs = []

    def plan_run(self, record, run):
        self.runs.append((record, run))

    def __enter__(self):
        observe.watch(self)
        return self

    def __exit__(self, *_):
        observe.unwatch(self)


def steps_of(compute):
    """{name: StepRecord} of the plans that `compute()` leaves to run."""
    torch.cpu.synchronize()
    with Recorder() as recorder:
        result = compute()
        torch.cpu.synchronize()
        del result
    assert recorder.runs
    for record, run in recorder.runs:
        assert len(run.steps) == len(record.steps) and sum(run.steps) <= run.seconds
    return {step.name: step for record, _ in recorder.runs for step in record.steps}


def ones(*size):
    """Computed ones: a leaf of what is traced next."""
    made = torch.ones(*size)
    torch.cpu.synchronize()
    return made


def test_a_product_costs_two_flops_a_multiply_add():
    a, b = ones(5, 7), ones(7, 3)
    step = steps_of(lambda: a @ b)["mm"]
    assert step.flops == 2 * 5 * 7 * 3
    assert step.bytes == 4 * (5 * 7 + 7 * 3 + 5 * 3)


def test_a_convolution_and_its_gradients_cost_the_same_flops():
    x, w = ones(2, 3, 8, 8).requires_grad_(), ones(4, 3, 3, 3).requires_grad_()

    def train():
        loss = F.conv2d(x, w, padding=1).sum()      # held: else the forward is dead code
        loss.backward()
        return loss
    steps = steps_of(train)
    expected = 2 * 2 * 4 * 8 * 8 * 3 * 9
    assert {n: s.flops for n, s in steps.items() if n.startswith("convolution")} == {
        "convolution": expected, "convolution_transpose": expected, "convolution_weight": expected}


def test_a_recurrent_layer_costs_a_product_of_its_weight_at_every_step():
    lstm = torch.nn.LSTM(3, 5)
    x = ones(7, 2, 3)
    step = steps_of(lambda: lstm(x)[0])["lstm_sequence"]
    assert step.flops == 2 * 7 * 2 * (4 * 5) * 5


def test_an_expanded_operand_is_read_once():
    x, y = ones(100, 10), ones(10)
    step = steps_of(lambda: x + y)["add"]
    assert step.bytes == 4 * (1000 + 10 + 1000)
    expanded = y.expand(100, 10)
    assert steps_of(lambda: torch.exp(expanded))["exp"].bytes == 4 * (10 + 1000)


def test_views_are_free():
    x = ones(6, 4)
    steps = steps_of(lambda: (x.t()[1:3] + 1).sum())
    assert all(step.flops == step.bytes == 0 for step in steps.values()
               if not {"add", "sum"} & set(step.operations))


@pytest.mark.parametrize("name, words", [("relu", 1), ("exp", 1)])
def test_pointwise_flops_are_words_times_elements(name, words):
    x = ones(11)
    assert steps_of(lambda: getattr(torch, name)(x))[name].flops == 11 * words


def test_a_training_step_is_reported_as_new_once_and_known_after():
    step = make_step(torch, 2)
    with Recorder() as recorder:
        step()
        first = len(recorder.runs)
        step()
        step()
    assert not recorder.runs[0][1].known
    assert all(run.known for _, run in recorder.runs[-first:])
    assert all(run.why and run.tier for _, run in recorder.runs)
    assert any(len(record.names) > 50 for record, _ in recorder.runs)


def test_nothing_is_recorded_when_nobody_watches():
    with Recorder() as recorder:
        (ones(3) + 1).tolist()
    (ones(3) + 1).tolist()
    told = len(recorder.runs)
    (ones(3) + 1).tolist()
    assert len(recorder.runs) == told and not observe.OBSERVERS and not observe._records
