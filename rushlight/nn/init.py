"""Filling tensors with starting values. Every function works in place and returns the tensor.

The random ones draw exactly the numbers PyTorch draws, in the same order.
"""

import math
import warnings

import numpy

import rushlight

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = frozenset(
    "linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d".split()
)


def calculate_gain(nonlinearity, param=None):
    """Return the factor by which a nonlinearity asks the weights' deviation to be scaled.

    linear, convolutions, sigmoid: 1; tanh: 5/3; relu: sqrt(2); leaky_relu with negative slope a:
    sqrt(2 / (1 + a^2)); selu: 3/4.
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Draw from the uniform distribution on [a, b)."""
    with rushlight.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Draw from the normal distribution of the given mean and deviation."""
    with rushlight.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Draw from the normal distribution restricted to [a, b], redrawing what falls outside.

    Where [a, b] holds less than 0.3 of the distribution, uniform numbers in [a, b] are drawn
    instead and accepted with the probability of their density over the largest one there.
    """

    def below(x):
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    wide = below((b - mean) / std) - below((a - mean) / std) >= 0.3
    peak = (min(max(mean, a), b) - mean) ** 2
    with rushlight.no_grad():
        # Every round draws for all elements, also for those that are settled.
        open_ = rushlight.ones(tensor.shape, dtype=rushlight.bool)
        while bool(open_.any()):
            drawn = rushlight.empty_like(tensor)
            if wide:
                drawn.normal_(mean, std, generator=generator)
                accepted = (drawn >= a) & (drawn <= b)
            else:
                drawn.uniform_(a, b, generator=generator)
                chance = rushlight.empty_like(tensor).uniform_(0, 1, generator=generator)
                accepted = chance <= ((peak - (drawn - mean).square()) / (2 * std * std)).exp()
            tensor.copy_(rushlight.where(open_ & accepted, drawn, tensor))
            open_ = open_ & ~accepted
        return tensor


def constant_(tensor, val):
    """Fill with `val`."""
    with rushlight.no_grad():
        return tensor.fill_(val)


def ones_(tensor):
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor):
    """Fill with 0."""
    with rushlight.no_grad():
        return tensor.zero_()


def eye_(tensor):
    """Fill a 2-dimensional tensor with the identity matrix."""
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with rushlight.no_grad():
        tensor.zero_()
        tensor.diagonal().fill_(1)
    return tensor


def dirac_(tensor, groups=1):
    """Fill a convolution weight so that the layer copies its input channels, in each group."""
    dimensions = tensor.ndimension()
    if dimensions not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = tensor.size()
    if sizes[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = sizes[0] // groups
    centre = tuple(size // 2 for size in sizes[2:])
    with rushlight.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, sizes[1])):
                tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor):
    """Return how many inputs an output has, and how many outputs an input reaches."""
    dimensions = tensor.dim()
    if dimensions < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    outputs, inputs = tensor.size(0), tensor.size(1)
    field = math.prod(tensor.shape[2:])
    return inputs * field, outputs * field


def _calculate_correct_fan(tensor, mode):
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(
            f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']"
        )
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Draw uniformly from [-l, l], l = gain * sqrt(6 / (fan_in + fan_out)) (Glorot 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    limit = math.sqrt(3.0) * std
    return uniform_(tensor, -limit, limit, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Draw normally with deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    return normal_(tensor, 0.0, std, generator)


def _is_empty(tensor):
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def kaiming_uniform_(
    tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None
):
    """Draw uniformly from [-l, l], l = gain * sqrt(3 / fan) (He 2015)."""
    if _is_empty(tensor):
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    limit = math.sqrt(3.0) * std
    return uniform_(tensor, -limit, limit, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Draw normally with deviation gain / sqrt(fan) (He 2015)."""
    if _is_empty(tensor):
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor, gain=1, generator=None):
    """Fill with an orthogonal matrix times `gain`; dimensions after the first are flattened.

    The matrix is Q of the QR decomposition of a normal one, its columns' signs taken from R's
    diagonal so that it is uniformly distributed (Saxe 2013).
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    with rushlight.no_grad():
        drawn = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
        if rows < columns:
            drawn.t_()
        q, r = (rushlight.from_numpy(part) for part in numpy.linalg.qr(drawn.numpy()))
        q *= r.diagonal().sign()
        if rows < columns:
            q.t_()
        tensor.view_as(q).copy_(q)
        tensor.mul_(gain)
    return tensor


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Draw normally, then set the fraction `sparsity` of each column to zero (Martens 2010)."""
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with rushlight.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            # The permutation comes from the default generator, as PyTorch's does.
            chosen = rushlight.randperm(rows)[:zeros]
            tensor[chosen, column] = 0
    return tensor


def _make_deprecated(function):
    new_name = function.__name__
    old_name = new_name[:-1]

    def deprecated(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{old_name}` is now deprecated in favor of `nn.init.{new_name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    deprecated.__name__ = old_name
    deprecated.__doc__ = f"Deprecated: use `nn.init.{new_name}`."
    return deprecated


uniform = _make_deprecated(uniform_)
normal = _make_deprecated(normal_)
constant = _make_deprecated(constant_)
eye = _make_deprecated(eye_)
dirac = _make_deprecated(dirac_)
xavier_uniform = _make_deprecated(xavier_uniform_)
xavier_normal = _make_deprecated(xavier_normal_)
kaiming_uniform = _make_deprecated(kaiming_uniform_)
kaiming_normal = _make_deprecated(kaiming_normal_)
orthogonal = _make_deprecated(orthogonal_)
sparse = _make_deprecated(sparse_)
