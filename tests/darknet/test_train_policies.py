"""Learning rates follow the formulas of Darknet's network.c."""

import math

import pytest

from rushlight.darknet.training.policies import LearningRatePolicy


def rate(batch, **options):
    return LearningRatePolicy.from_options({k: str(v) for k, v in options.items()}).rate(batch)


def test_burn_in_comes_first():
    options = {"learning_rate": 0.1, "burn_in": 1000, "policy": "steps", "steps": "500,2000",
               "scales": ".1,.1"}  # fmt: skip
    assert rate(500, **options) == pytest.approx(0.1 * 0.5**4)
    assert rate(500, **options, power=1) == pytest.approx(0.05)
    assert rate(1000, **options) == pytest.approx(0.01)
    assert rate(2000, **options) == pytest.approx(0.001)


@pytest.mark.parametrize(
    "options, batch, expected",
    [
        ({"policy": "constant"}, 7, 0.001),
        ({"policy": "step", "step": 10, "scale": 0.5}, 25, 0.001 / 4),
        ({"policy": "steps", "steps": "10, 20", "scales": "10, .1"}, 9, 0.001),
        ({"policy": "steps", "steps": "10, 20", "scales": "10, .1"}, 10, 0.01),
        ({"policy": "steps", "steps": "10, 20", "scales": "10, .1"}, 20, 0.001),
        ({"policy": "exp", "gamma": 0.9}, 3, 0.001 * 0.9**3),
        ({"policy": "poly", "max_batches": 100, "power": 2}, 50, 0.001 / 4),
        ({"policy": "poly", "max_batches": 100, "power": 2}, 150, 0.0),
        ({"policy": "sig", "gamma": 0.1, "step": 20}, 30, 0.001 / (1 + math.e)),
        ({"policy": "sgdr", "max_batches": 100, "learning_rate_min": 0}, 50, 0.0005),
        ({"policy": "sgdr", "batches_per_cycle": 10, "learning_rate_min": 0}, 20, 0.0005),
        ({"policy": "sgdr", "batches_per_cycle": 10, "learning_rate_min": 0.0001}, 30, 0.0001),
    ],
)
def test_policies(options, batch, expected):
    assert rate(batch, **options) == pytest.approx(expected)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"policy": "linear"}, "policy=linear: one of"),
        ({"learning_rate": "fast"}, "learning_rate=fast is not a number"),
        ({"learning_rate": "nan"}, "positive"),
        ({"steps": "1,2", "scales": "1"}, "2 steps but 1 scales"),
        ({"policy": "steps"}, "needs steps="),
        ({"policy": "poly"}, "needs max_batches="),
        ({"policy": "sgdr"}, "needs batches_per_cycle="),
        ({"policy": "step", "step": "0"}, "step=0"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        rate(1, **options)


def test_random_rates_are_not_there():
    with pytest.raises(NotImplementedError, match="random"):
        rate(1, policy="random")
