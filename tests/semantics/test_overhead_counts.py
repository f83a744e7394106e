"""The cost of a traced op, counted: Python calls and objects made, never seconds."""

import gc
import sys

import rushlight as torch
from benchmarks.lenet import make_step
from rushlight.core.runtime import compiler, realize
from rushlight.core.runtime.realize import flush


def calls_of(function):
    """Python-level calls made by one call of `function`."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        if event == "call":
            count += 1
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count - 1        # the function itself


def objects_of(function, repeats=200):
    """Objects tracked by the collector that one call of `function` leaves alive."""
    kept = [None] * repeats
    assert compiler.wait()      # its thread makes objects too
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for i in range(repeats):
            kept[i] = function()
        return (len(gc.get_objects()) - before) / repeats
    finally:
        gc.enable()


def operands(requires_grad):
    flush()
    a, b = torch.ones(4), torch.ones(4)
    a.requires_grad_(requires_grad)
    for _ in range(3):      # the rules' caches
        a + b, a * b, a.exp(), a * 2.0
    return a, b


def test_a_pointwise_op_is_one_python_call():
    a, b = operands(False)
    assert calls_of(lambda: a + b) == 1
    assert calls_of(lambda: a * 2.0) == 1


def test_a_pointwise_op_with_autograd_is_one_python_call():
    a, b = operands(True)
    assert calls_of(lambda: a + b) == 1
    assert calls_of(lambda: a * b) == 1
    assert calls_of(lambda: a * 2.0) == 1


def test_a_method_adds_only_its_public_wrapper():
    a, _ = operands(True)
    assert calls_of(lambda: a.exp()) <= 3


def test_a_traced_op_makes_few_objects():
    a, b = operands(False)
    # tensor, storage, value, the tuple of inputs
    assert objects_of(lambda: a + b) <= 4.5
    a, b = operands(True)
    # and the node, its tuples of edges, metas and saved values
    assert objects_of(lambda: a * b) <= 11.5


def test_a_layer_is_checked_once_per_shape():
    x = torch.ones(4, 3, 8, 8)
    weight = torch.ones(6, 3, 3, 3, requires_grad=True)
    bias = torch.ones(6, requires_grad=True)
    functional = torch.nn.functional

    def layer():
        return functional.max_pool2d(functional.conv2d(x, weight, bias), 2)

    layer()
    assert calls_of(layer) <= 12


def native_step(monkeypatch, wrap=lambda step: step):
    """A training step whose plan is native: then what is called is Python's own share."""
    monkeypatch.setattr(compiler, "MODE", "sync")
    monkeypatch.setattr(realize, "COMPILES", True)
    monkeypatch.setattr(realize, "_structures", type(realize._structures)())
    step = wrap(make_step(torch, 4))
    for _ in range(4):      # the first step differs, and plans are built
        step()
    return step


def test_a_training_step_makes_a_bounded_number_of_calls(monkeypatch):
    # 14 layers and functions with their modules, one backward, one optimizer, one plan
    assert calls_of(native_step(monkeypatch)) <= 230


def test_a_compiled_step_makes_few_calls(monkeypatch):
    # ten gradients are new tensors: one call each
    assert calls_of(native_step(monkeypatch, torch.compile)) <= 45


def test_a_known_plan_has_no_steps_for_the_outputs_of_one_op():
    values, index = torch.ones(4, 4).sort()
    total = values.sum() + index.sum()
    before = set(realize._structures)
    total.item()
    (key,) = set(realize._structures) - before
    (plan,) = realize._structures[key].plans.values()
    assert plan.count == len(plan.steps) + 2      # the records and the steps: sort's two items
