"""State saved by PyTorch goes on here as it would have there, and the other way round."""

import numpy as np
import pytest

import rushlight

NAMES = ["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop",
         "Rprop", "ASGD", "LBFGS", "Adafactor", "Muon"]


def convert(value, target, tensor_types):
    if isinstance(value, tensor_types):
        return target.tensor(value.detach().numpy().copy())
    if isinstance(value, dict):
        return {k: convert(v, target, tensor_types) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(convert(v, target, tensor_types) for v in value)
    return value


def run(library, name, params, optimizer, gradients):
    for values in gradients:
        values = [library.tensor(value) for value in values]

        def closure(values=values):
            optimizer.zero_grad()
            loss = sum(((p - x) ** 2).sum() for p, x in zip(params, values))
            loss.backward()
            return loss

        if name == "LBFGS":
            optimizer.step(closure)
            continue
        for p, value in zip(params, values):
            p.grad = value
        optimizer.step()


@pytest.mark.parametrize("to_pytorch", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_state_moves(name, to_pytorch):
    torch = pytest.importorskip("torch")
    kinds = (torch.Tensor, rushlight.Tensor)
    source, target = (rushlight, torch) if to_pytorch else (torch, rushlight)
    generator = np.random.default_rng(0)
    start = [generator.standard_normal(shape) for shape in ((4, 3), (3, 2))]
    gradients = [[generator.standard_normal(p.shape) for p in start] for _ in range(6)]
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}

    old_params = [source.tensor(p).requires_grad_() for p in start]
    old = getattr(source.optim, name)(old_params, **options)
    run(source, name, old_params, old, gradients[:3])
    new_params = [convert(p, target, kinds).requires_grad_() for p in old_params]
    new = getattr(target.optim, name)(new_params, lr=0.5)
    new.load_state_dict(convert(old.state_dict(), target, kinds))
    run(source, name, old_params, old, gradients[3:])
    run(target, name, new_params, new, gradients[3:])
    for a, b in zip(old_params, new_params):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6, atol=1e-7)
    saved, found = old.state_dict(), new.state_dict()
    if name != "LBFGS":         # PyTorch's has scratch space of the last iteration besides
        assert {k: list(v) for k, v in saved["state"].items()} == \
            {k: list(v) for k, v in found["state"].items()}
    assert saved["param_groups"][0].keys() == found["param_groups"][0].keys()
