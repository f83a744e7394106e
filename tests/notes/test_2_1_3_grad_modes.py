"""Notes 2.1.3: train and eval change layers; no_grad and its relatives change recording."""

import pytest

from tests.notes.subject import nn, run_notes, torch


def test_eval_lets_dropout_pass_everything():
    layer = nn.Dropout(0.5)
    x = torch.ones(1000)
    torch.manual_seed(0)
    dropped = layer(x)
    kept = dropped != 0
    assert 400 < int(kept.sum()) < 600
    assert torch.equal(dropped[kept], torch.full((int(kept.sum()),), 2.0))  # scaled by 1/(1-p)
    layer.eval()
    assert torch.equal(layer(x), x)


def test_batch_norm_updates_its_statistics_in_train_and_freezes_them_in_eval():
    layer = nn.BatchNorm1d(2)
    x = torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    out = layer(x)
    assert torch.allclose(out.mean(0), torch.zeros(2), atol=1e-6)
    # momentum 0.1: 0.9 * start + 0.1 * batch, with the unbiased variance (4 and 100)
    assert torch.allclose(layer.running_mean, torch.tensor([0.3, 2.0]))
    assert torch.allclose(layer.running_var, torch.tensor([1.3, 10.9]))
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    frozen = layer(x)
    expected = (x - layer.running_mean) / torch.sqrt(layer.running_var + layer.eps)
    assert torch.allclose(frozen, expected, atol=1e-6)
    assert layer.num_batches_tracked.item() == 1
    assert torch.allclose(layer.running_mean, torch.tensor([0.3, 2.0]))


def test_train_and_eval_reach_every_submodule_and_return_the_module():
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
    assert net.training and net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net and all(module.training for module in net.modules())


def test_eval_does_not_stop_recording():
    net = nn.Linear(2, 1).eval()
    assert net(torch.ones(1, 2)).requires_grad


def test_no_grad_and_set_grad_enabled_do_the_same():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        first = x * 2
    with torch.set_grad_enabled(False):
        second = x * 2
    assert not first.requires_grad and not second.requires_grad
    assert first.grad_fn is None
    assert (x * 2).requires_grad


def test_set_grad_enabled_as_a_plain_call():
    x = torch.ones(1, requires_grad=True)
    try:
        torch.set_grad_enabled(False)
        assert not torch.is_grad_enabled() and not (x * 2).requires_grad
        torch.set_grad_enabled(True)
        assert torch.is_grad_enabled() and (x * 2).requires_grad
    finally:
        torch.set_grad_enabled(True)


def test_modes_as_decorators():
    x = torch.ones(1, requires_grad=True)

    @torch.no_grad()
    def silent(value):
        return value * 2

    @torch.no_grad
    def silent_without_parentheses(value):
        return value * 2

    @torch.enable_grad()
    def recorded(value):
        return value * 2

    @torch.set_grad_enabled(False)
    def switched_off(value):
        return value * 2

    assert torch.is_grad_enabled()  # the decorator is undone after being applied
    assert not silent(x).requires_grad and not silent_without_parentheses(x).requires_grad
    assert not switched_off(x).requires_grad
    assert silent.__name__ == "silent"
    with torch.no_grad():
        assert recorded(x).requires_grad


def test_decorated_generator_keeps_its_mode_to_itself():
    x = torch.ones(1, requires_grad=True)

    @torch.no_grad()
    def values():
        for _ in range(2):
            yield (x * 2).requires_grad

    for recorded in values():
        assert recorded is False and torch.is_grad_enabled()


def test_nesting_restores_the_outer_mode():
    states = []
    with torch.no_grad():
        states.append(torch.is_grad_enabled())
        with torch.enable_grad():
            states.append(torch.is_grad_enabled())
            with torch.set_grad_enabled(False):
                states.append(torch.is_grad_enabled())
            states.append(torch.is_grad_enabled())
        states.append(torch.is_grad_enabled())
    states.append(torch.is_grad_enabled())
    assert states == [False, True, False, True, False, True]


def test_an_exception_restores_the_mode():
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert torch.is_grad_enabled()


def test_notes_block_enable_grad_inside_no_grad():
    scope, _ = run_notes(
        """
import torch
x = torch.tensor([1.], requires_grad=True)
with torch.no_grad():
    with torch.enable_grad():
        y = x * 2
"""
    )
    assert scope["y"].requires_grad is True
    scope["y"].backward()
    assert scope["x"].grad.tolist() == [2.0]


def test_notes_block_evaluation():
    scope, _ = run_notes(
        """
import torch
import torch.nn as nn
model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
for e in range(1):
    model.train()
    trained = model(torch.ones(2, 4))
model = model.eval()
with torch.set_grad_enabled(False):
    logits = model(torch.ones(2, 4))
"""
    )
    assert scope["trained"].requires_grad and not scope["logits"].requires_grad
    assert torch.equal(scope["logits"], scope["model"](torch.ones(2, 4)))


def test_inference_mode():
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        y = x * 2
        assert torch.is_inference_mode_enabled()
    assert not y.requires_grad and y.is_inference() and not torch.is_inference_mode_enabled()
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        (x * y).sum().backward()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside"):
        y.add_(1)


def test_no_grad_allows_updating_a_leaf_in_place():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1)
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 2.0] and x.requires_grad


def test_slip_integers_cannot_require_gradients():
    with pytest.raises(
        RuntimeError,
        match="Only Tensors of floating point and complex dtype can require gradients",
    ):
        torch.tensor([1], requires_grad=True)
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype can require grad"):
        torch.tensor([1]).requires_grad_()
