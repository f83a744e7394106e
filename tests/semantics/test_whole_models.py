"""`torch.save(model)` and `torch.load(weights_only=False)`: whole models, and nothing else."""

import io
import pickle

import pytest

import rushlight as torch
from rushlight import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
        self.out = nn.Linear(8, 2)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.out(self.layers(x))


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


def test_a_model_comes_back():
    model, x = Net(), torch.randn(3, 1, 4, 4)
    model(x)
    model.eval()
    other = torch.load(saved({"model": model, "epoch": 3}), weights_only=False)["model"]
    assert type(other) is Net and other.calls == 1 and not other.training
    assert torch.equal(other(x), model(x))
    other(x).sum().backward()
    assert other.out.weight.grad is not None and model.out.weight.grad is None


def test_only_when_asked_for():
    for options in ({}, {"weights_only": True}):
        with pytest.raises(pickle.UnpicklingError, match="was not an allowed global by default"):
            torch.load(saved(Net()), **options)


class Other:
    pass


def test_other_classes_stay_refused_and_nothing_stays_admitted():
    before = torch.serialization.get_safe_globals()
    with pytest.raises(pickle.UnpicklingError, match="Other"):
        torch.load(saved([Net(), Other()]), weights_only=False)
    assert torch.serialization.get_safe_globals() == before


def test_the_file_names_no_function():
    class Trick(nn.Module):
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    with pytest.raises(pickle.UnpicklingError, match="exec"):
        torch.load(saved(Trick()), weights_only=False)
