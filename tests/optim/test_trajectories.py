"""Ten steps of every optimizer in every configuration of PyTorch's test database, replayed."""

import json
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch

DATA = np.load(Path(__file__).parent.parent / "data" / "optim" / "trajectories.npz")
INDEX = json.loads(str(DATA["index"]))
# float32 rounds once per operation: ten steps of a dozen operations on numbers near 1. RMSprop
# without momentum divides by a root that starts near zero, which magnifies the first rounding.
RTOL, ATOL = 1e-5, 2e-6
FLOAT64_TOLERANCE = {"LBFGS": 1e-6}


def options_of(record):
    def decode(value):
        if isinstance(value, dict):
            return torch.tensor(value["tensor"])
        return tuple(value) if isinstance(value, list) else value
    return {key: decode(value) for key, value in record["options"].items()}


def start_of(record):
    dtype = getattr(torch, record["dtype"])
    return [torch.tensor(DATA[f"{record['kind']}/start/{i}"]).to(dtype).requires_grad_()
            for i in range(2)]


def gradients_of(record, step):
    dtype = getattr(torch, record["dtype"])
    return [torch.tensor(DATA[f"{record['kind']}/gradient/{step}/{i}"]).to(dtype)
            for i in range(2)]


def take_step(record, optimizer, params, step):
    gradients = gradients_of(record, step)

    def closure():
        optimizer.zero_grad()
        loss = sum(((p - x) ** 2).sum() for p, x in zip(params, gradients))
        loss.backward()
        return loss

    if record["closure"]:
        optimizer.step(closure)
        return
    for p, gradient in zip(params, gradients):
        p.grad = gradient
    optimizer.step()


def compare(record, params, step):
    rtol, atol = RTOL, ATOL
    if record["dtype"] == "float64":
        rtol = atol = FLOAT64_TOLERANCE[record["optimizer"]]
    for i, p in enumerate(params):
        np.testing.assert_allclose(p.detach().numpy(), DATA[f"{record['key']}/{step}/{i}"],
                                   rtol=rtol, atol=atol, err_msg=f"step {step}, parameter {i}")


def name_of(record):
    return f"{record['optimizer']}-{record['what']}"


@pytest.fixture(autouse=True)
def one_tier(record):
    """LBFGS's line search ends where rounding says so: no plan may change its tier on the way."""
    torch.use_deterministic_algorithms(record["optimizer"] == "LBFGS")
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("record", INDEX, ids=name_of)
def test_trajectory(record):
    params = start_of(record)
    optimizer = getattr(torch.optim, record["optimizer"])(params, **options_of(record))
    for step in range(1, 11):
        take_step(record, optimizer, params, step - 1)
        if f"{record['key']}/{step}/0" in DATA:
            compare(record, params, step)
    state = optimizer.state_dict()["state"]
    found = {str(k): {name: list(v.shape) if isinstance(v, torch.Tensor) else "not a tensor"
                      for name, v in entry.items() if record["optimizer"] != "LBFGS"}
             for k, entry in state.items()}
    if record["optimizer"] != "LBFGS":      # its scalars are tensors or numbers as it goes
        assert found == record["state"]
    else:
        assert set(state[0]) | {"al"} == set(record["state"]["0"])


@pytest.mark.parametrize("record", INDEX, ids=name_of)
def test_saved_and_loaded_halfway(record):
    """A new optimizer with the saved state goes on as the old one would have."""
    params = start_of(record)
    make = getattr(torch.optim, record["optimizer"])
    optimizer = make(params, **options_of(record))
    for step in range(10):
        if step == 5:
            saved = optimizer.state_dict()
            params = [p.detach().clone().requires_grad_() for p in params]
            optimizer = make(params, lr=0.25)
            optimizer.load_state_dict(saved)
        take_step(record, optimizer, params, step)
    compare(record, params, 10)
