"""Random numbers as ops: a generator's state is an input, its next state an output.

So a draw is pure, runs at the sync like everything else, and draws from one generator stay in
order because each needs the state that the one before it left.
"""

from __future__ import annotations

from ..base.shapes import OPAQUE, meta
from . import random_draws as draws
from .record import primitive


def random_op(name, inputs, kernel, params=("size", "strides", "dtype"), **facts):
    """A draw: ``kernel(state, *inputs, size, strides, dtype) -> (array, next state)``."""
    def rule(state, *arguments):
        size, strides, dtype = arguments[-3:]
        return meta(dtype, size, strides), OPAQUE
    return primitive(name, "random", ("state " + inputs).strip(), rule, kernel, None,
                     params=params, multi=2, upcast=False, **facts)


def _in_memory_order(draw):
    """Draw in memory order and give the result its logical axes."""
    def kernel(state, *arguments):
        *inputs, size, strides, dtype = arguments
        if strides is None:
            return draw(state, size, dtype.np, *inputs)
        order = sorted(range(len(size)), key=lambda a: -strides[a])
        array, state = draw(state, tuple(size[a] for a in order), dtype.np, *inputs)
        back = sorted(range(len(size)), key=order.__getitem__)
        return array.transpose(back), state
    return kernel


uniform_op = random_op("uniform", "low high", _in_memory_order(draws.draw_uniform))
normal_op = random_op("normal", "mean std", _in_memory_order(draws.draw_normal))
integers_op = random_op("random_integers", "low high", _in_memory_order(draws.draw_integers))
full_range_op = random_op("random_full_range", "", _in_memory_order(draws.draw_full_range))
permutation_op = random_op(
    "randperm", "", lambda state, size, strides, dtype: draws.draw_permutation(
        state, size[0], dtype.np))
bernoulli_op = random_op("bernoulli", "probability", _in_memory_order(draws.draw_bernoulli))
