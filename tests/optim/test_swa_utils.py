"""Averaged models, batch norm statistics made anew, and the SWA schedule."""

import math

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.optim.swa_utils import (
    SWALR,
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


def change(model, amount):
    with torch.no_grad():
        for p in model.parameters():
            p.add_(amount)


def weights(model):
    return [p.detach().numpy().copy() for p in model.parameters()]


@pytest.mark.parametrize("options, factors", [
    ({}, [1 / 3, 1 / 3, 1 / 3]),
    ({"multi_avg_fn": get_swa_multi_avg_fn()}, [1 / 3, 1 / 3, 1 / 3]),
    ({"avg_fn": get_ema_avg_fn(0.9)}, [0.81, 0.09, 0.1]),
    ({"multi_avg_fn": get_ema_multi_avg_fn(0.9)}, [0.81, 0.09, 0.1]),
    ({"avg_fn": lambda average, current, count: current * 2}, [0, 0, 2]),
])
def test_averages(options, factors):
    model = network()
    average = AveragedModel(model, **options)
    seen = []
    for step in range(3):
        change(model, step * 0.5)
        average.update_parameters(model)
        seen.append(weights(model))
    assert average.n_averaged.item() == 3
    for i, found in enumerate(weights(average.module)):
        expected = sum(factor * values[i] for factor, values in zip(factors, seen))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    # The model itself is another one, and stays as it was.
    for found, expected in zip(weights(model), seen[-1]):
        np.testing.assert_array_equal(found, expected)


def test_buffers_are_copied_or_averaged():
    model = network()
    copied, averaged = AveragedModel(model), AveragedModel(model, use_buffers=True)
    for value in (1.0, 3.0):
        model[1].running_mean.fill_(value)
        copied.update_parameters(model)
        averaged.update_parameters(model)
    assert copied.module[1].running_mean.tolist() == [3, 3, 3]
    assert averaged.module[1].running_mean.tolist() == [2, 2, 2]


def test_it_is_a_module():
    average = AveragedModel(network())
    assert list(average.state_dict())[0] == "n_averaged"
    x = torch.ones(4, 2)
    average.eval()
    assert average(x).shape == (4, 1)
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        AveragedModel(network(), avg_fn=get_ema_avg_fn(), multi_avg_fn=get_ema_multi_avg_fn())
    with pytest.raises(ValueError, match="Invalid decay value 1.5 provided"):
        get_ema_avg_fn(1.5)


def test_update_bn():
    model = network().eval()
    batches = [torch.randn(8, 2), (torch.randn(8, 2) + 1, "label")]
    update_bn(batches, model)
    hidden = [model[0](b[0] if isinstance(b, tuple) else b).detach().numpy() for b in batches]
    np.testing.assert_allclose(model[1].running_mean.numpy(),
                               np.mean([h.mean(0) for h in hidden], 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model[1].running_var.numpy(),
                               np.mean([h.var(0, ddof=1) for h in hidden], 0), rtol=1e-4)
    assert model[1].momentum == 0.1 and not model.training


def test_schedule():
    p = torch.zeros(1, requires_grad=True)
    for strategy, weight in (("linear", lambda t: t),
                             ("cos", lambda t: (1 - math.cos(math.pi * t)) / 2)):
        optimizer = torch.optim.SGD([p], lr=1.0)
        schedule = SWALR(optimizer, swa_lr=0.2, anneal_epochs=4, anneal_strategy=strategy)
        rates = []
        for _ in range(6):
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        expected = [0.2 * weight(t) + 1.0 * (1 - weight(t))
                    for t in (0, 0.25, 0.5, 0.75, 1.0, 1.0)]
        assert rates == pytest.approx(expected)
    with pytest.raises(ValueError, match="anneal_strategy must be one of 'cos' or 'linear', "
                                         "instead got x"):
        SWALR(torch.optim.SGD([p]), 0.1, anneal_strategy="x")
    with pytest.raises(ValueError, match="anneal_epochs must be equal or greater than 0, got -1"):
        SWALR(torch.optim.SGD([p]), 0.1, anneal_epochs=-1)
    assert isinstance(torch.optim.swa_utils.SWALR, type)
