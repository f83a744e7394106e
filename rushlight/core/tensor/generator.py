"""Generators: streams of random numbers, and the one that is used by default."""

from __future__ import annotations

import math
import operator

import numpy as np

from ..base import dtypes as dt
from ..base.device import CPU, check_device
from ..base.mt19937 import from_bytes, seed_state, to_bytes
from ..base.shapes import OPAQUE, meta
from ..runtime.realize import realize
from ..trace.value import STATE, leaf
from .dispatch import apply, constant
from .tensor import Tensor

DEFAULT_SEED = 67280421310721

# A draw of up to this many numbers is made at once, when nothing is pending before it: it costs
# less than a plan, and a draw made for the next batch does not become part of the last step.
_AT_ONCE = 1 << 14
_AT_ONCE_INPUTS = frozenset((float, int, type(None)))


def _checked_seed(seed):
    if not -0x8000_0000_0000_0000 <= seed <= 0xFFFF_FFFF_FFFF_FFFF:
        raise ValueError("Overflow when unpacking long long")
    return seed % (1 << 64)


class Generator:
    """A stream of random numbers: PyTorch's CPU generator (MT19937), number for number.

    Functions that draw take one as `generator=`; without it they draw from the default generator.

        torch.rand(3, generator=torch.Generator().manual_seed(42))
    """

    __module__ = "torch"

    def __init__(self, device="cpu"):
        check_device(device)
        self.manual_seed(DEFAULT_SEED)

    @property
    def device(self):
        """The CPU."""
        return CPU

    def manual_seed(self, seed):
        """Start the stream of `seed` (an int; negative ones count from 2**64). Returns self."""
        self._seed = _checked_seed(operator.index(seed))
        self._value = leaf(seed_state(self._seed), OPAQUE)
        return self

    def seed(self):
        """Start a stream from the system's entropy and return its seed."""
        import os

        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self):
        """The seed the stream was started from."""
        return self._seed

    def state(self):
        """The state now, as `rushlight.core.base.mt19937.GeneratorState`."""
        return realize(self._value, "a generator's state")

    def get_state(self):
        """The state as a uint8 tensor of 5056 elements (PyTorch's own format)."""
        return constant(np.array(to_bytes(self.state())))

    def set_state(self, new_state):
        """Continue from a state given by `get_state` (ours or PyTorch's). Returns self.

        TypeError for anything but a uint8 tensor, RuntimeError for bytes that are no state.
        """
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state.dtype is not dt.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        state = from_bytes(new_state._array().tobytes())
        self._value = leaf(state, OPAQUE)
        self._seed = state.seed
        return self

    def clone_state(self):
        """A generator that continues from here on its own."""
        made = Generator()
        made._seed, made._value = self._seed, self._value
        return made

    def get_offset(self):
        """CPU generators have none: RuntimeError."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset):
        """CPU generators have none: RuntimeError."""
        raise RuntimeError("CPU Generator does not use offset")

    def __reduce__(self):
        return _rebuild_generator, (self.get_state(),)

    def draw(self, op, inputs, params):
        """Append one draw; returns its tensor."""
        state = self._value.array
        if state is not None and STATE.own.capture is None and len(params) == 3 and \
                all(type(number) in _AT_ONCE_INPUTS for number in inputs) and \
                math.prod(params[0]) <= _AT_ONCE:
            with np.errstate(all="ignore"):
                array, state = op.numpy(state, *inputs, *params)
            self._value = leaf(state, OPAQUE)
            if not array.flags.c_contiguous:
                array = np.ascontiguousarray(array)
            return constant(array, meta(params[2], params[0]))
        made, state = apply(op, (self._value, *inputs), params)
        self._value = state._storage.value
        return made


def _rebuild_generator(state):
    return Generator().set_state(state)


default_generator = Generator()


def generator_of(generator, name) -> Generator:
    """The generator that function `name` draws from: the given one, or the default."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(
            f"{name}(): argument 'generator' must be torch.Generator, not "
            f"{type(generator).__name__}"
        )
    return generator


def manual_seed(seed):
    """Seed the default generator; returns it."""
    return default_generator.manual_seed(int(seed))


def seed():
    """Seed the default generator from the system's entropy; returns the seed."""
    return default_generator.seed()


def initial_seed():
    """The default generator's seed."""
    return default_generator.initial_seed()


def get_rng_state():
    """The default generator's state, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Set the default generator's state."""
    default_generator.set_state(new_state)


__all__ = [
    "Generator",
    "default_generator",
    "generator_of",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]
