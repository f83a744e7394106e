"""Checkpointing: the same gradients by a second run, and errors where the runs differ."""

import contextlib

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    detach_variable,
    set_checkpoint_early_stop,
)


def leaf(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(values, dtype=torch.float64).requires_grad_()


class Counted:
    """A small network that counts its runs."""

    def __init__(self):
        self.runs = 0
        self.weight = leaf(3, 3, seed=1)

    def __call__(self, x):
        self.runs += 1
        return ((x @ self.weight).exp() * x).sin()


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_gradients_are_the_same_and_the_part_runs_twice(use_reentrant):
    x, network = leaf(2, 3), Counted()
    plain = torch.autograd.grad(network(x).sum(), [x, network.weight])
    network.runs = 0
    loss = checkpoint(network, x, use_reentrant=use_reentrant).sum()
    assert network.runs == 1
    loss.backward()
    assert network.runs == 2
    np.testing.assert_array_equal(x.grad.numpy(), plain[0].numpy())
    np.testing.assert_array_equal(network.weight.grad.numpy(), plain[1].numpy())


def test_nothing_is_kept_between_forward_and_backward():
    x = leaf(3)
    y = checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False)
    node, saved = y.grad_fn, []
    while node is not None and node.saved:
        saved += node.saved
        node = node.edges[0] if hasattr(node.edges[0], "saved") else None
    assert saved and all(entry.packed.value is None for entry in saved)


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("preserve", [True, False])
def test_random_numbers_are_drawn_again(use_reentrant, preserve):
    drawn = []

    def noisy(x):
        noise = torch.rand(4, dtype=torch.float64)
        drawn.append(noise.tolist())
        return x * noise

    torch.manual_seed(5)
    x = leaf(4)
    y = checkpoint(noisy, x, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    state = torch.get_rng_state()
    y.sum().backward()
    assert (drawn[0] == drawn[1]) is preserve
    assert x.grad.tolist() == drawn[1]
    if preserve:        # and the numbers that follow are what they would have been
        assert torch.get_rng_state().tolist() == state.tolist()


def test_several_inputs_outputs_and_keywords():
    def part(x, scale, *, offset):
        return x * scale + offset, {"twice": 2 * x}

    x, scale = leaf(3), leaf(3, seed=2)
    first, second = checkpoint(part, x, scale, offset=1.0, use_reentrant=False)
    (first.sum() + second["twice"].sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), scale.detach().numpy() + 2)
    np.testing.assert_allclose(scale.grad.numpy(), x.detach().numpy())

    x, scale = leaf(3), leaf(3, seed=2)
    first, second = checkpoint(lambda x, s, k: (x * s, x * k), x, scale, 3.0, use_reentrant=True)
    (first.sum() + second.sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), scale.detach().numpy() + 3)


def test_grad_and_second_derivatives():
    x = leaf(3)
    y = checkpoint(lambda x: x * x * x, x, use_reentrant=False).sum()
    gradient, = torch.autograd.grad(y, x, create_graph=True)
    np.testing.assert_allclose(gradient.detach().numpy(), 3 * x.detach().numpy() ** 2)
    second, = torch.autograd.grad(gradient.sum(), x)
    np.testing.assert_allclose(second.numpy(), 6 * x.detach().numpy())


def test_backward_twice():
    x, network = leaf(2, 3), Counted()
    loss = checkpoint(network, x, use_reentrant=False).sum()
    loss.backward(retain_graph=True)
    once = x.grad.clone()
    loss.backward()
    assert network.runs == 3
    np.testing.assert_array_equal(x.grad.numpy(), 2 * once.numpy())


def test_nested():
    x = leaf(3)
    inner = lambda x: checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False)  # noqa: E731
    y = checkpoint(lambda x: inner(x * x).exp(), x, use_reentrant=False)
    y.sum().backward()
    z = x.detach().clone().requires_grad_()
    (z * z).exp().sin().exp().sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), z.grad.numpy())


def test_early_stop():
    ran = []

    def part(x):
        ran.append("needed")
        y = x.exp()         # saves its result, the last thing that is saved
        ran.append("after")
        return y * 2

    y = checkpoint(part, leaf(2), use_reentrant=False)
    ran.clear()
    y.sum().backward()
    assert ran == ["needed"]
    with set_checkpoint_early_stop(False):
        y = checkpoint(part, leaf(2), use_reentrant=False)
        ran.clear()
        y.sum().backward()
        assert ran == ["needed", "after"]


def test_contexts():
    entered = []

    @contextlib.contextmanager
    def noted(name):
        entered.append(name)
        yield

    y = checkpoint(lambda x: x.exp(), leaf(2), use_reentrant=False,
                   context_fn=lambda: (noted("forward"), noted("again")))
    assert entered == ["forward"]
    y.sum().backward()
    assert entered == ["forward", "again"]


def test_a_different_second_run_is_an_error():
    def changing(first, second):
        runs = []

        def part(x):
            runs.append(1)
            return first(x) if len(runs) == 1 else second(x)
        return part

    y = checkpoint(changing(lambda x: (x * x).exp(), lambda x: x.exp()), leaf(3),
                   use_reentrant=False)
    with pytest.raises(CheckpointError, match="A different number of tensors was saved during the "
                                              "original forward and recomputation.\nNumber of "
                                              "tensors saved during forward: 3\nNumber of "
                                              "tensors saved during recomputation: 1."):
        y.sum().backward()

    narrow = changing(lambda x: x[:2] * x[:2], lambda x: x * x)
    with pytest.raises(CheckpointError, match="tensor at position 0:\nsaved metadata: "
                                              r"{'shape': torch.Size\(\[2\]\)"):
        checkpoint(narrow, leaf(3), use_reentrant=False).sum().backward()

    more = changing(lambda x: x.exp(), lambda x: (x.exp() * x.sin()).exp())
    with pytest.raises(CheckpointError, match="trying to save more tensors during recomputation"):
        checkpoint(more, leaf(3), use_reentrant=False, early_stop=False).sum().backward()


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_sequential(use_reentrant):
    calls = []

    def layer(name):
        def run(x):
            calls.append(name)
            return (x * 1.5).sin()
        return run

    layers = [layer(i) for i in range(5)]
    x = leaf(3)
    y = checkpoint_sequential(layers, 2, x, use_reentrant=use_reentrant)
    assert calls == [0, 1, 2, 3, 4]
    y.sum().backward()
    assert sorted(calls[5:]) == [0, 1]          # the last segment is kept, not repeated
    z = x.detach().clone().requires_grad_()
    out = z
    for run in layers:
        out = run(out)
    out.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-14)


def test_warnings_and_errors():
    x = leaf(2)
    with pytest.warns(UserWarning, match="the use_reentrant parameter should be passed explicitly"):
        checkpoint(torch.exp, x)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(torch.exp, x.detach(), use_reentrant=True)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: k"):
        checkpoint(torch.exp, x, use_reentrant=True, k=1)
    with pytest.raises(ValueError, match="Passing `context_fn` or `debug` is only supported"):
        checkpoint(torch.exp, x, use_reentrant=True, debug=True)
    with pytest.raises(ValueError, match=r"determinism_check should be one of \['default', 'none'"):
        checkpoint(torch.exp, x, use_reentrant=False, determinism_check="x")
    with pytest.raises(RuntimeError, match=r"incompatible with .grad\(\) or passing an `inputs`"):
        torch.autograd.grad(checkpoint(torch.exp, x, use_reentrant=True).sum(), x)
    with pytest.raises(RuntimeError, match="none of output has requires_grad=True"):
        checkpoint(lambda x: x.detach(), x, use_reentrant=True).sum().backward()
    with pytest.raises(RuntimeError, match="Only tuple of tensors is supported. Got Unsupported "
                                           "input type: list"):
        detach_variable([x])


def test_no_grad():
    with torch.no_grad():
        y = checkpoint(torch.exp, leaf(2), use_reentrant=False)
    assert not y.requires_grad
