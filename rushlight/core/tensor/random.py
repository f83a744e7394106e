"""Drawing tensors: `rand`, `randn`, `randint`, ..., and the methods that fill one (`normal_`, ...).

The numbers are PyTorch's for the same seed. A tensor is filled in the order of its memory; one
that is not contiguous may get other numbers than a contiguous one, as in PyTorch.
"""

from __future__ import annotations

import operator

import numpy as np

from ..base import dtypes as dt
from ..base.device import check_device
from ..base.shapes import broadcast_shapes, is_contiguous
from ..ops import random as ops
from ..ops.arguments import cpp_name, need_tensor, not_implemented_for, scalar_name
from ..ops.record import export
from ..trace.value import STATE
from .construction import _dtype, _finish, _into, _size, takes_size
from .dispatch import constant
from .generator import generator_of
from .random_range import checked_range, from_minimum
from .tensor import Tensor


def _floating(dtype, kernel):
    """Check that numbers of this dtype can be drawn."""
    if dtype.category < 2:
        raise not_implemented_for(kernel, dtype)


def _create(op, inputs, size, dtype, generator, out, requires_grad, device, name):
    if device is not None:
        check_device(device)
    made = generator_of(generator, name).draw(op, (*inputs, None), (size, None, dtype))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def _fill(tensor, op, inputs, generator, name):
    """Overwrite `tensor` with a draw, in the order of its memory."""
    tensor._check_writable_by_autograd()
    m = tensor._meta
    generator = generator_of(generator, name)
    if not m.numel:
        return tensor
    filled = tensor if STATE.own.grad and tensor.requires_grad else None
    return tensor._assign(generator.draw(op, (*inputs, filled), (m.shape, _order(m), m.dtype)))


def _order(m):
    """The axes from the slowest to the fastest; None for row-major memory."""
    if is_contiguous(m.shape, m.strides):
        return None
    return tuple(sorted(range(len(m.shape)), key=lambda axis: -m.strides[axis]))


# ---- functions that make a tensor ---------------------------------------------------------


@export("torch")
@takes_size
def rand(*size, generator=None, out=None, dtype=None, layout=None, device=None,
         requires_grad=False, pin_memory=False):  # fmt: skip
    """Uniform numbers in [0, 1): ``rand(2, 3)``. Complex dtypes: both parts so."""
    dtype = _dtype(dtype) if out is None else out.dtype
    _floating(dtype, "check_uniform_bounds")
    return _create(ops.uniform_op, (0.0, 1.0), _size(size, "rand"), dtype, generator, out,
                   requires_grad, device, "rand")  # fmt: skip


@export("torch")
@takes_size
def randn(*size, generator=None, out=None, dtype=None, layout=None, device=None,
          requires_grad=False, pin_memory=False):  # fmt: skip
    """Standard normal numbers: ``randn(2, 3)``. Complex dtypes: variance 1 in all."""
    dtype = _dtype(dtype) if out is None else out.dtype
    _floating(dtype, "normal_kernel_cpu")
    return _create(ops.normal_op, (0.0, 1.0), _size(size, "randn"), dtype, generator, out,
                   requires_grad, device, "randn")  # fmt: skip


@export("torch")
def randint(*args, low=None, high=None, size=None, generator=None, out=None, dtype=None,
            layout=None, device=None, requires_grad=False, pin_memory=False):  # fmt: skip
    """Integers from `low` (0 where left out) up to but not including `high`, int64 by default.

    ``randint(high, size)`` or ``randint(low, high, size)``. RuntimeError for an empty range, or
    one that the dtype does not hold.
    """
    args = list(args)
    if size is None:
        if not args or hasattr(args[-1], "__index__"):
            got = type(args[-1]).__name__ if args else "nothing"
            raise TypeError(
                f"randint(): argument 'size' (position {max(len(args), 2)}) must be tuple of "
                f"ints, not {got}"
            )
        size = args.pop()
    if high is None and args:
        high = args.pop()
    if low is None:
        low = args.pop() if args else 0
    if args or high is None:
        raise TypeError("randint() takes (high, size) or (low, high, size)")
    dtype = dtype or (dt.int64 if out is None else out.dtype)
    size = _size((size,), "randint")
    bounds = checked_range(operator.index(low), operator.index(high), dtype)
    return _create(ops.integers_op, bounds, size, dtype, generator, out, requires_grad, device,
                   "randint")  # fmt: skip


_RANDPERM_LIMITS = {"float16": (2049, "Half"), "bfloat16": (257, "BFloat16"),
                    "float32": (2**24 + 1, "Float"), "float64": (2**53 + 1, "Double")}  # fmt: skip


@export("torch")
def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None,
             requires_grad=False, pin_memory=False):  # fmt: skip
    """A random permutation of ``0 .. n - 1``, int64 by default."""
    if not hasattr(n, "__index__"):
        raise TypeError(
            f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}"
        )
    n = operator.index(n)
    dtype = dtype or (dt.int64 if out is None else out.dtype)
    _size((n,), "randperm")
    if dtype is dt.bool_ or dtype.is_complex:
        raise not_implemented_for("randperm", dtype)
    if dtype.category == 1 and n > dt.iinfo(dtype).max:
        name = dtype.name
        raise RuntimeError(f"value cannot be converted to type {name}_t without overflow")
    limit, limit_name = _RANDPERM_LIMITS.get(dtype.name, (n, ""))
    if n > limit:
        raise RuntimeError(f"n cannot be greater than {limit} for {limit_name} type.")
    if device is not None:
        check_device(device)
    made = generator_of(generator, "randperm").draw(ops.permutation_op, (), (n, dtype))
    return _into(out, made) if out is not None else _finish(made, requires_grad, device)


def _like(input, dtype, memory_format, name):  # noqa: A002
    """An empty tensor like `input`, to be filled."""
    need_tensor(input, name, "input", 1)
    from .construction import empty_like

    made = empty_like(input, dtype=dtype, memory_format=memory_format or "preserve_format")
    return made.detach() if made.requires_grad else made


@export("torch")
def rand_like(input, *, generator=None, dtype=None, layout=None, device=None,  # noqa: A002
              requires_grad=False, pin_memory=False,
              memory_format="preserve_format"):  # fmt: skip
    """`rand` in the shape, dtype and memory order of `input`."""
    made = uniform_(_like(input, dtype, memory_format, "rand_like"), generator=generator)
    return _finish(made, requires_grad, device)


@export("torch")
def randn_like(input, *, generator=None, dtype=None, layout=None, device=None,  # noqa: A002
               requires_grad=False, pin_memory=False,
               memory_format="preserve_format"):  # fmt: skip
    """`randn` in the shape, dtype and memory order of `input`."""
    made = normal_(_like(input, dtype, memory_format, "randn_like"), generator=generator)
    return _finish(made, requires_grad, device)


@export("torch")
def randint_like(input, *args, low=None, high=None, generator=None, dtype=None,  # noqa: A002
                 layout=None, device=None, requires_grad=False, pin_memory=False,
                 memory_format="preserve_format"):  # fmt: skip
    """`randint` in the shape, dtype and memory order of `input`: (input, [low,] high)."""
    args = list(args)
    if high is None:
        high = args.pop()
    if low is None:
        low = args.pop() if args else 0
    made = _like(input, dtype, memory_format, "randint_like")
    random_(made, low, high, generator=generator)
    return _finish(made, requires_grad, device)


@export("torch")
def normal(mean=0.0, std=1.0, size=None, *, generator=None, out=None, dtype=None, layout=None,
           device=None, requires_grad=False, pin_memory=False):  # fmt: skip
    """Normal numbers of the given means and deviations, tensors or numbers.

    ``normal(mean, std)`` with at least one tensor: of their broadcast shape. ``normal(2.0, 3.0,
    (2, 2))``: of that size. RuntimeError for a negative deviation.
    """
    tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
    if size is not None:
        _check_std(std)
        dtype = _dtype(dtype) if out is None else out.dtype
        _floating(dtype, "normal_kernel_cpu")
        numbers = (float(mean), float(std))
        return _create(ops.normal_op, numbers, _size((size,), "normal"), dtype, generator, out,
                       requires_grad, device, "normal")  # fmt: skip
    if not tensors:
        raise TypeError(
            "normal() received an invalid combination of arguments - got "
            f"({type(mean).__name__}, {type(std).__name__}), but expected a tensor among the "
            "first two, or a size"
        )
    dtype = tensors[0].dtype
    _floating(dtype, "normal_kernel_cpu")
    if isinstance(std, Tensor):
        if std.dtype.is_complex:
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if std.numel() and std._array().min() < 0:
            raise RuntimeError("normal expects all elements of std >= 0.0")
    else:
        _check_std(std)
    shape = broadcast_shapes(*[tuple(t.shape) for t in tensors])
    # Drawn with the deviation where that is a number, else with 1 and multiplied.
    factor = 1.0 if isinstance(std, Tensor) else float(std)
    made = _create(ops.normal_op, (0.0, factor), shape, dtype, generator, None, False, None,
                   "normal")  # fmt: skip
    made = ops.scaled_normal_op(made, mean, std if isinstance(std, Tensor) else 1.0)
    return made if out is None else _into(out, made)


def _check_std(std):
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")


# ---- draws whose parameters are tensors ----------------------------------------------------


def _sample(op, inputs, params, generator, out, name):
    made = generator_of(generator, name).draw(op, inputs, params)
    return made if out is None else _into(out, made)


@export("torch", "Tensor")
def bernoulli(input, p=None, *, generator=None, out=None):  # noqa: A002
    """0 or 1, 1 with the probabilities in `input`; or, in its shape, with probability `p`.

    RuntimeError for probabilities outside [0, 1].
    """
    need_tensor(input, "bernoulli", "input", 1)
    if p is not None:
        like = _zeros_of(input)
        made = bernoulli_(like, p, generator=generator)
        return made if out is None else _into(out, made)
    _check_chances(input)
    params = (input._meta.shape, None, input.dtype)
    return _sample(ops.bernoulli_tensor_op, (input,), params, generator, out, "bernoulli")


def _zeros_of(tensor):
    """A contiguous tensor of the same shape and dtype, without a graph."""
    m = tensor._meta
    return constant(np.zeros(m.shape, m.np))


def _check_chances(probabilities):
    if probabilities.dtype.category != 2:
        raise not_implemented_for("bernoulli_tensor_cpu_p_", probabilities.dtype)
    array = probabilities._array()
    if array.size and not ((array >= 0) & (array <= 1)).all():
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false. (bernoulli takes "
            "probabilities, numbers from 0 to 1; for scores use torch.sigmoid first)"
        )


@export("torch")
def poisson(input, generator=None):  # noqa: A002
    """Poisson numbers of the rates in `input`. RuntimeError for a negative rate."""
    need_tensor(input, "poisson", "input", 1)
    if input.dtype.category != 2:
        raise not_implemented_for("poisson_cpu", input.dtype)
    if input.numel() and not (input._array() >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return _sample(ops.poisson_op, (input,), (), generator, None, "poisson")


@export("torch")
def binomial(count, prob, generator=None):
    """Successes in `count` trials of probability `prob`, elementwise (float32 or float64)."""
    need_tensor(count, "binomial", "count", 1)
    need_tensor(prob, "binomial", "prob", 2)
    _full_float(count, "binomial_cpu")
    if count.dtype is not prob.dtype:
        raise RuntimeError(
            f"Found dtype {scalar_name(prob.dtype)} but expected {scalar_name(count.dtype)}"
        )
    shape = broadcast_shapes(tuple(count.shape), tuple(prob.shape))
    inputs = (count.expand(shape), prob.expand(shape))
    return _sample(ops.binomial_op, inputs, (), generator, None, "binomial")


def _full_float(tensor, kernel):
    if tensor.dtype is not dt.float32 and tensor.dtype is not dt.float64:
        raise not_implemented_for(kernel, tensor.dtype)


@export("torch")
def _standard_gamma(self, generator=None):
    """Gamma numbers of the concentrations in `self` and scale 1."""
    _full_float(self, "gamma_cpu")
    return _sample(ops.gamma_op, (self,), (), generator, None, "_standard_gamma")


@export("torch")
def _sample_dirichlet(self, generator=None):
    """Dirichlet samples of the concentrations along the last axis."""
    _full_float(self, "dirichlet")
    return _sample(ops.dirichlet_op, (self,), (), generator, None, "_sample_dirichlet")


@export("torch", "Tensor")
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):  # noqa: A002
    """Category numbers drawn with the weights in `input`, (n,) or (rows, n).

    Returns int64 (num_samples,) or (rows, num_samples). Raises RuntimeError for weights that are
    negative, not finite or all zero, and for more samples than categories without replacement.
    """
    need_tensor(input, "multinomial", "input", 1)
    _check_weights(input, num_samples, replacement)
    if out is not None and out.dtype is not dt.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {scalar_name(out.dtype)}")
    replacement = bool(replacement)
    params = (int(num_samples), replacement, dt.int64)
    return _sample(ops.multinomial_op, (input.detach(),), params, generator, out, "multinomial")


def _check_weights(weights, count, replacement):
    if not 0 < weights.dim() <= 2:
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if weights.dtype.category != 2:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{scalar_name(weights.dtype)}"
        )
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    categories = weights.size(-1)
    if not replacement and count > categories:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    if categories > 1 << 24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    array = weights._array().astype("float64")
    if not array.size:
        return
    highest = array.max()
    valid = array.min() >= 0 and highest < float("inf")
    if not valid and replacement and count > 1:
        what = "< 0" if not highest == float("inf") else "= infinity or NaN"
        raise RuntimeError(
            f"invalid multinomial distribution (encountering probability entry {what})"
        )
    if not valid:
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (array.sum(-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


# ---- methods that fill a tensor ------------------------------------------------------------


def _bounds(args, named, name, defaults):
    """(from, to) out of positional and keyword arguments; `from` is no Python name."""
    values = dict(zip(("from", "to"), args))
    for key in ("from", "to"):
        if key in named:
            values[key] = named.pop(key)
    if named or len(args) > 2:
        unexpected = next(iter(named), "too many arguments")
        raise TypeError(f"{name}() got an unexpected keyword argument '{unexpected}'")
    return values.get("from", defaults[0]), values.get("to", defaults[1])


def uniform_(self, *args, generator=None, **named):
    """Fill with uniform numbers in [from, to): ``uniform_(from=0, to=1)``."""
    low, high = _bounds(args, named, "uniform_", (0.0, 1.0))
    low, high = float(low), float(high)
    if not self.dtype.is_complex:
        _floating(self.dtype, "check_uniform_bounds")
        limit = dt.finfo(self.dtype).max
        for name, value in (("from", low), ("to", high)):
            if not -limit <= value <= limit:
                raise RuntimeError(f"{name} is out of bounds for {cpp_name(self.dtype)}")
        if low > high:
            raise RuntimeError(
                f"uniform_ expects to return a [from, to) range, but found from={low:g} > "
                f"to={high:g}"
            )
        if high - low > limit:
            raise RuntimeError(
                "uniform_ expects to-from <= std::numeric_limits<"
                f"{scalar_name(self.dtype)}>::max(), but found to={high:g} and from={low:g} "
                "which result in to-from to exceed the limit"
            )
    return _fill(self, ops.uniform_op, (low, high), generator, "uniform_")


def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fill with normal numbers. RuntimeError for a negative deviation."""
    _check_std(std)
    _floating(self.dtype, "normal_kernel_cpu")
    return _fill(self, ops.normal_op, (float(mean), float(std)), generator, "normal_")


def random_(self, *args, generator=None, **named):
    """Fill with integers: ``random_()`` all that the dtype holds exactly and are not negative,
    ``random_(to)`` from 0 up to but not including `to`, ``random_(from, to)``; with `to` None,
    from `from` on.
    """  # noqa: D205
    if self.dtype.is_complex:
        raise not_implemented_for("random_kernel_cpu", self.dtype)
    if len(args) == 1 and not named:
        args = (0, *args)
    if not args and not named:
        if self.dtype.name in ("uint16", "uint32", "uint64"):
            raise not_implemented_for("random_kernel_cpu", self.dtype)
        return _fill(self, ops.full_range_op, (), generator, "random_")
    low, high = _bounds(args, named, "random_", (0, None))
    low = operator.index(low)
    if high is None:
        bounds = from_minimum(low, self.dtype)
    else:
        bounds = checked_range(low, operator.index(high), self.dtype)
    return _fill(self, ops.integers_op, bounds, generator, "random_")


def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with 0 and 1, 1 with probability `p` (a number, or a tensor that broadcasts)."""
    if self.dtype.is_complex:
        raise not_implemented_for("bernoulli_scalar_cpu_", self.dtype)
    if not isinstance(p, Tensor):
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        return _fill(self, ops.bernoulli_op, (float(p),), generator, "bernoulli_")
    self._check_writable_by_autograd()
    _check_chances(p)
    m = self._meta
    inputs = (p.detach().expand(m.shape),)
    params = (m.shape, _order(m), m.dtype)
    made = generator_of(generator, "bernoulli_").draw(ops.bernoulli_tensor_op, inputs, params)
    return self._assign(made)


def exponential_(self, lambd=1.0, *, generator=None):
    """Fill with exponential numbers of rate `lambd`."""
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    _continuous(self.dtype, "Exponential", scalar_name(self.dtype))
    return _fill(self, ops.exponential_op, (float(lambd),), generator, "exponential_")


def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Fill with Cauchy numbers."""
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    _continuous(self.dtype, "Cauchy", cpp_name(self.dtype))
    return _fill(self, ops.cauchy_op, (float(median), float(sigma)), generator, "cauchy_")


def _continuous(dtype, distribution, name):
    if dtype.category != 2:
        raise RuntimeError(
            f"{distribution} distribution is a continuous probability distribution. dtype must "
            f"be a floating point but you specified {name}"
        )


def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Fill with exp of normal numbers of `mean` and `std`."""
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    if self.dtype.category != 2:
        raise not_implemented_for("log_normal_cpu", self.dtype)
    return _fill(self, ops.log_normal_op, (float(mean), float(std)), generator, "log_normal_")


def geometric_(self, p, *, generator=None):
    """Fill with geometric numbers: trials up to and with the first success of probability `p`."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if self.dtype.is_complex or self.dtype is dt.bool_:
        raise not_implemented_for("geometric_cpu", self.dtype)
    return _fill(self, ops.geometric_op, (float(p),), generator, "geometric_")


for _method in (uniform_, normal_, random_, bernoulli_, exponential_, cauchy_, log_normal_,
                geometric_):  # fmt: skip
    setattr(Tensor, _method.__name__, _method)
    _method.__qualname__ = "Tensor." + _method.__name__
del _method
