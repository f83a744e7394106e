"""Generators, and the functions that draw from them."""

from __future__ import annotations

import operator

import numpy as np

from ..base import dtypes as dt
from ..base.device import CPU, check_device
from ..base.mt19937 import from_bytes, seed_state, to_bytes
from ..base.shapes import OPAQUE, meta
from ..ops import random as ops
from ..runtime.realize import realize
from ..trace.value import leaf
from .construction import _dtype, _finish, _into, _size
from .dispatch import apply, constant
from .tensor import Tensor

DEFAULT_SEED = 67280421310721


class Generator:
    """A stream of random numbers: PyTorch's CPU generator (MT19937), number for number."""

    def __init__(self, device="cpu"):
        check_device(device)
        self.manual_seed(DEFAULT_SEED)

    @property
    def device(self):
        """The CPU."""
        return CPU

    def manual_seed(self, seed):
        """Start the stream of `seed` (an int; negative ones count from 2**64). Returns self."""
        seed = operator.index(seed)
        if not -0x8000_0000_0000_0000 <= seed <= 0xFFFF_FFFF_FFFF_FFFF:
            raise RuntimeError("Overflow when unpacking long long")
        self._seed = seed % (1 << 64)
        self._value = leaf(seed_state(self._seed), OPAQUE)
        return self

    def seed(self):
        """Start a stream from the system's entropy and return its seed."""
        import secrets
        seed = secrets.randbits(53)
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
        """Continue from a state given by `get_state` (ours or PyTorch's)."""
        if not isinstance(new_state, Tensor) or new_state.dtype is not dt.uint8:
            raise TypeError("expected a torch.ByteTensor, but got "
                            f"{type(new_state).__name__}")
        state = from_bytes(new_state._array().tobytes())
        self._value = leaf(state, OPAQUE)
        self._seed = state.seed
        return self

    def clone_state(self):
        """A generator that continues from here on its own."""
        made = Generator()
        made._seed, made._value = self._seed, self._value
        return made

    def __reduce__(self):
        return (_rebuild_generator, (self.get_state(),))

    def draw(self, op, inputs, size, dtype, strides=None):
        """Append one draw; returns its tensor."""
        made, state = apply(op, (self._value, *inputs), (tuple(size), strides, dtype))
        self._value = state._storage.value
        return made


def _rebuild_generator(state):
    return Generator().set_state(state)


default_generator = Generator()


def generator_of(generator) -> Generator:
    """The generator to draw from: the given one, or the default."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"expected a torch.Generator, got {type(generator).__name__}")
    return generator


def manual_seed(seed):
    """Seed the default generator; returns it."""
    return default_generator.manual_seed(seed)


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


def _creation(op, inputs, size, generator, out, dtype, requires_grad, device):
    made = generator_of(generator).draw(op, inputs, size, dtype)
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def rand(*size, generator=None, out=None, dtype=None, layout=None, device=None,
         requires_grad=False, pin_memory=False):
    """Uniform numbers in [0, 1)."""
    return _creation(ops.uniform_op, (0.0, 1.0), _size(size, "rand"), generator, out,
                     _dtype(dtype), requires_grad, device)


def randn(*size, generator=None, out=None, dtype=None, layout=None, device=None,
          requires_grad=False, pin_memory=False):
    """Standard normal numbers."""
    return _creation(ops.normal_op, (0.0, 1.0), _size(size, "randn"), generator, out,
                     _dtype(dtype), requires_grad, device)


def randint(low, high=None, size=None, *, generator=None, out=None, dtype=None, layout=None,
            device=None, requires_grad=False, pin_memory=False):
    """Integers from `low` (0 where left out) up to but not including `high`."""
    if size is None and high is not None and not hasattr(high, "__index__"):
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    low, high = operator.index(low), operator.index(high)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= "
                           f"to={high}")
    return _creation(ops.integers_op, (low, high), _size((size,), "randint"), generator, out,
                     dtype or dt.int64, requires_grad, device)


def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None,
             requires_grad=False, pin_memory=False):
    """A random permutation of ``0 .. n - 1``."""
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got{n}")
    return _creation(ops.permutation_op, (), (n,), generator, out, dtype or dt.int64,
                     requires_grad, device)


def rand_like(input, *, dtype=None, layout=None, device=None, requires_grad=False,  # noqa: A002
              memory_format=None, generator=None):
    """`rand` in the shape and dtype of `input`."""
    return rand(tuple(input.shape), dtype=dtype or input.dtype, device=device,
                requires_grad=requires_grad, generator=generator)


def randn_like(input, *, dtype=None, layout=None, device=None, requires_grad=False,  # noqa: A002
               memory_format=None, generator=None):
    """`randn` in the shape and dtype of `input`."""
    return randn(tuple(input.shape), dtype=dtype or input.dtype, device=device,
                 requires_grad=requires_grad, generator=generator)


def _fill(tensor, op, inputs, generator):
    tensor._check_writable_by_autograd()
    m = tensor._meta
    strides = None if m.contiguous or not m.dense else m.strides
    made = generator_of(generator).draw(op, inputs, m.shape, m.dtype, strides)
    return tensor._assign(made)


def uniform_(self, from_=0.0, to=1.0, *, generator=None, **named):
    """Fill with uniform numbers in [from, to)."""
    low = named.pop("from", from_)
    if named:
        raise TypeError(f"uniform_() got an unexpected keyword argument '{next(iter(named))}'")
    if low > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > "
                           f"to={to}")
    return _fill(self, ops.uniform_op, (float(low), float(to)), generator)


def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fill with normal numbers."""
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    return _fill(self, ops.normal_op, (float(mean), float(std)), generator)


def random_(self, from_=None, to=None, *, generator=None, **named):
    """Fill with integers: all the dtype holds exactly, [0, to), or [from, to)."""
    low = named.pop("from", from_)
    if low is None and to is None:
        return _fill(self, ops.full_range_op, (), generator)
    if to is None:
        low, to = 0, low
    if low >= to:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= "
                           f"to={to}")
    return _fill(self, ops.integers_op, (int(low), int(to)), generator)


Tensor.uniform_, Tensor.normal_, Tensor.random_ = uniform_, normal_, random_

__all__ = ["Generator", "default_generator", "get_rng_state", "initial_seed", "manual_seed",
           "meta", "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "seed",
           "set_rng_state"]
