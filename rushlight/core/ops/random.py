"""Random numbers as ops: a generator's state is an input, its next state an output.

So a draw is pure, runs at the sync like everything else, and draws from one generator stay in
order because each needs the state that the one before it left.

Parameters of every draw: `size`; `order`, the axes from the slowest to the fastest in memory when
the numbers are for a tensor that is not contiguous (they are drawn in memory order), else None;
`dtype`. The last input, `filled`, is the tensor that an in-place draw overwrites while autograd
records: it gets a gradient of zeros.
"""

from __future__ import annotations

import math

import numpy as np

from ..base.shapes import OPAQUE, meta
from . import random_draws as draws
from . import random_rejection as rejection
from .record import composite, primitive


def _zeros(g):
    return g * 0


def random_op(name, inputs, draw, node_name=None):
    """A draw: ``draw(state, size, NumPy dtype, *inputs, contiguous) -> (array, next state)``."""

    def kernel(state, *arguments):
        *numbers, _, size, order, dtype = arguments
        if order is None:
            return _draw_complex(draw, state, size, dtype, numbers, True)
        sorted_size = tuple(size[axis] for axis in order)
        array, state = _draw_complex(draw, state, sorted_size, dtype, numbers, False)
        return array.transpose(np.argsort(order)), state

    return primitive(
        name,
        "random",
        f"state {inputs} filled?",
        lambda state, *arguments: (meta(arguments[-1], arguments[-3]), OPAQUE),
        kernel,
        {"filled": _zeros},
        params=("size", "order", "dtype"),
        multi=2,
        upcast=False,
        non_differentiable=(1,),
        node_name=node_name,
    )


def _draw_complex(draw, state, size, dtype, numbers, contiguous):
    """`draw`; for a complex dtype its real and imaginary parts, side by side."""
    if dtype.np.kind != "c":
        return draw(state, size, dtype.np, *numbers, contiguous)
    real = np.dtype(f"f{dtype.np.itemsize // 2}")
    if draw is _normal:  # each part has half of the variance
        numbers = (numbers[0], numbers[1] / math.sqrt(2))
    array, state = draw(state, (*size, 2), real, *numbers, contiguous)
    return array.view(dtype.np).reshape(size), state


def _normal(state, size, dtype, mean, std, contiguous):
    return draws.draw_normal(state, size, dtype, mean, std, contiguous)


def _numbers_only(draw):
    return lambda state, size, dtype, *arguments: draw(state, size, dtype, *arguments[:-1])


uniform_op = random_op("uniform", "low high", _numbers_only(draws.draw_uniform))
normal_op = random_op("normal", "mean std", _normal)
integers_op = random_op(
    "random_integers", "low high", _numbers_only(draws.draw_integers), "RandomBackward0"
)
full_range_op = random_op(
    "random_full_range", "", _numbers_only(draws.draw_full_range), "RandomBackward2"
)
bernoulli_op = random_op(
    "bernoulli_number", "probability", _numbers_only(draws.draw_bernoulli), "BernoulliBackward0"
)
exponential_op = random_op("exponential", "rate", _numbers_only(draws.draw_exponential))
cauchy_op = random_op("cauchy", "median sigma", _numbers_only(draws.draw_cauchy))
log_normal_op = random_op("log_normal", "mean std", _numbers_only(draws.draw_log_normal))
geometric_op = random_op("geometric", "probability", _numbers_only(draws.draw_geometric))


def _bernoulli_kernel(state, probability, size, order, dtype):
    if order is None:
        return draws.draw_bernoulli(state, size, dtype.np, np.broadcast_to(probability, size))
    sorted_size = tuple(size[axis] for axis in order)
    sorted_chances = np.broadcast_to(probability, size).transpose(order)
    array, state = draws.draw_bernoulli(state, sorted_size, dtype.np, sorted_chances)
    return array.transpose(np.argsort(order)), state


def sampling_op(name, inputs, kernel, rule, params=(), derivative=None, node_name=None):
    """A draw whose parameters are tensors: ``kernel(state, *arrays, *params)``."""
    return primitive(
        name,
        "random",
        "state " + inputs,
        lambda state, *arguments: (rule(*arguments), OPAQUE),
        kernel,
        derivative,
        params=params,
        multi=2,
        upcast=False,
        non_differentiable=(1,),
        node_name=node_name,
    )


def _same(x, *_):
    return meta(x.dtype, x.shape)


def _no_derivative(name):
    def derivative(g):
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return derivative


bernoulli_tensor_op = sampling_op(
    "bernoulli",
    "probability",
    _bernoulli_kernel,
    lambda probability, size, order, dtype: meta(dtype, size),
    ("size", "order", "dtype"),
    {"probability": _zeros},
)
poisson_op = sampling_op("poisson", "rate", rejection.draw_poisson, _same, (), {"rate": _zeros})
binomial_op = sampling_op(
    "binomial",
    "count probability",
    rejection.draw_binomial,
    _same,
    (),
    {"count": _no_derivative("binomial"), "probability": _no_derivative("binomial")},
    "NotImplemented",
)
gamma_op = sampling_op(
    "_standard_gamma",
    "concentration",
    rejection.draw_gamma,
    _same,
    (),
    {"concentration": _no_derivative("_standard_gamma")},
    "StandardGammaBackward0",
)
dirichlet_op = sampling_op(
    "_sample_dirichlet",
    "concentration",
    rejection.draw_dirichlet,
    _same,
    (),
    {"concentration": _no_derivative("_sample_dirichlet")},
    "SampleDirichletBackward0",
)
permutation_op = sampling_op(
    "randperm",
    "",
    lambda state, count, dtype: draws.draw_permutation(state, count, dtype.np),
    lambda count, dtype: meta(dtype, (count,)),
    ("count", "dtype"),
)
multinomial_op = sampling_op(
    "multinomial",
    "weights",
    draws.draw_multinomial,
    lambda weights, count, replacement, dtype: meta(dtype, (*weights.shape[:-1], count)),
    ("count", "replacement", "dtype"),
)
rrelu_noise_op = sampling_op(
    "rrelu_noise",
    "x low high",
    draws.draw_rrelu_noise,
    _same,
)

scaled_normal_op = composite(
    "normal_of_tensors",
    "standard mean std",
    lambda standard, mean, std: standard * std + mean,
    {"mean": _zeros, "std": _zeros},
    node_name="NormalBackward1",
)
