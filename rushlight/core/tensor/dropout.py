"""Dropout in its forms, and the randomised leaky ReLU: layers that draw numbers.

A mask takes the numbers that ``bernoulli_(1 - p)`` takes, in the memory order of the input, so a
network with dropout follows PyTorch's from the same seed.
"""

from __future__ import annotations

import math
import warnings

from ..ops import random as ops
from ..ops.arguments import need_tensor
from ..ops.record import export
from .construction import empty_like
from .generator import generator_of
from .modes import no_grad
from .random import bernoulli_

# SELU's negative saturation: -scale * alpha. Alpha dropout sets values to it.
_SATURATION = 1.7580993408473766


def _check(p, function, number=True):
    if p < 0 or p > 1:
        raise (ValueError if number else RuntimeError)(
            f"dropout probability has to be between 0 and 1, but got {p}"
        )


def _mask(input, p, feature):  # noqa: A002
    """0 with probability p, else 1: for each element, or one for each (sample, channel)."""
    if not feature:
        return bernoulli_(empty_like(input), 1 - p)
    if input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    shape = (*input.shape[:2], *(1,) * (input.dim() - 2))
    return bernoulli_(input.new_empty(shape), 1 - p)


def _drop(input, p, train, feature=False, alpha=False, inplace=False):  # noqa: A002
    need_tensor(input, "dropout", "input", 1)
    _check(p, "dropout", number=False)
    if p == 0 or not train or input.numel() == 0:
        return input
    shift = None
    with no_grad():
        if p == 1:
            factor = input.new_zeros(())
        else:
            mask = _mask(input.detach(), p, feature)
            if alpha:
                scale = 1 / math.sqrt((_SATURATION * _SATURATION * p + 1) * (1 - p))
                shift = (mask + -1).mul_(_SATURATION * scale).add_(_SATURATION * scale * p)
                factor = mask.mul_(scale)
            else:
                factor = mask.div_(1 - p)
    result = input.mul_(factor) if inplace else input * factor
    if shift is None:
        return result
    return result.add_(shift) if inplace else result + shift


def _published(name, **kind):
    """``torch.name(input, p, train)`` and ``torch.name_``."""

    def function(input, p, train):  # noqa: A002
        return _drop(input, p, train, **kind)

    def in_place(input, p, train):  # noqa: A002
        return _drop(input, p, train, inplace=True, **kind)

    function.__doc__ = f"`torch.nn.functional.{name}`, with positional arguments."
    in_place.__doc__ = f"`{name}` in place."
    export("torch", name=name)(function)
    export("torch", name=name + "_")(in_place)


_published("dropout")
_published("feature_dropout", feature=True)
_published("alpha_dropout", alpha=True)
_published("feature_alpha_dropout", feature=True, alpha=True)


@export("torch")
def native_dropout(input, p, train):  # noqa: A002
    """(dropped out input, bool mask of what was kept). Without `train`: everything is kept."""
    if train is False or input.numel() == 0:
        return input.clone(), (empty_like(input).zero_() == 0)
    if p == 1:
        return input * 0, (empty_like(input).zero_() != 0)
    with no_grad():
        mask = _mask(input.detach(), p, False)
    return input * mask * (1 / (1 - p)), mask != 0


@export("nn.functional", name="dropout")
def _dropout(input, p=0.5, training=True, inplace=False):  # noqa: A002
    """Zero elements with probability `p` and scale the others by 1 / (1 - p), in training.

    ValueError for a probability outside [0, 1].
    """
    _check(p, "dropout")
    return _drop(input, p, training, inplace=inplace)


@export("nn.functional", name="alpha_dropout")
def _alpha_dropout(input, p=0.5, training=False, inplace=False):  # noqa: A002
    """Dropout to SELU's negative saturation, keeping mean and variance."""
    _check(p, "alpha_dropout")
    return _drop(input, p, training, alpha=True, inplace=inplace)


@export("nn.functional", name="feature_alpha_dropout")
def _feature_alpha_dropout(input, p=0.5, training=False, inplace=False):  # noqa: A002
    """Alpha dropout of whole channels of (N, C, ...)."""
    _check(p, "feature_alpha_dropout")
    return _drop(input, p, training, feature=True, alpha=True, inplace=inplace)


def _drop_channels(input, p, training, inplace, name, batched_dim):  # noqa: A002
    _check(p, name)
    if input.dim() == batched_dim - 1:  # one sample, without the first axis
        dropped = _drop(input.unsqueeze(0), p, training, feature=True, inplace=inplace)
        return dropped.squeeze(0)
    return _drop(input, p, training, feature=True, inplace=inplace)


@export("nn.functional")
def dropout1d(input, p=0.5, training=True, inplace=False):  # noqa: A002
    """Dropout of whole channels of (N, C, L) or (C, L)."""
    _check(p, "dropout1d")
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
            "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return _drop_channels(input, p, training, inplace, "dropout1d", 3)


@export("nn.functional")
def dropout2d(input, p=0.5, training=True, inplace=False):  # noqa: A002
    """Dropout of whole channels of (N, C, H, W), or of (N, C, L)."""
    _check(p, "dropout2d")
    if input.dim() not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.dim()}-D input to dropout2d, which is deprecated and "
            "will result in an error in a future release. To retain the behavior and silence this "
            "warning, please use dropout instead. Note that dropout2d exists to provide "
            "channel-wise dropout on inputs with 2 spatial dimensions, a channel dimension, and "
            "an optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=2,
        )
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D "
            "dropout behavior is desired - input is interpreted as shape (N, C, L), where C is "
            "the channel dim. This behavior will change in a future release to interpret the "
            "input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
            "channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _drop(input, p, training, feature=True, inplace=inplace)


@export("nn.functional")
def dropout3d(input, p=0.5, training=True, inplace=False):  # noqa: A002
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _check(p, "dropout3d")
    if input.dim() not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.dim()}-D input to dropout3d, which is deprecated and "
            "will result in an error in a future release. To retain the behavior and silence this "
            "warning, please use dropout instead. Note that dropout3d exists to provide "
            "channel-wise dropout on inputs with 3 spatial dimensions, a channel dimension, and "
            "an optional batch dimension (i.e. 4D or 5D inputs).",
            stacklevel=2,
        )
    return _drop_channels(input, p, training, inplace, "dropout3d", 5)


@export("nn.functional", name="rrelu")
def _rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):  # noqa: A002
    """x where positive, else slope * x: random slopes in [lower, upper) in training, else their
    mean.
    """  # noqa: D205
    return rrelu(input, lower, upper, training, inplace=inplace)


@export("torch")
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, generator=None,  # noqa: A002
          *, inplace=False):  # fmt: skip
    """`torch.nn.functional.rrelu`. RuntimeError for lower > upper."""
    need_tensor(input, "rrelu", "input", 1)
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if training:
        bounds = (float(lower), float(upper))
        source = generator_of(generator, "rrelu")
        with no_grad():
            slopes = source.draw(ops.rrelu_noise_op, (input.detach(), *bounds), ())
    else:
        slope = (lower + upper) / 2
        with no_grad():
            slopes = (input.detach() <= 0).to(input.dtype).mul_(slope - 1).add_(1)
    return input.mul_(slopes) if inplace else input * slopes


@export("torch")
def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False, generator=None):  # noqa: A002
    """`rrelu` in place."""
    return rrelu(input, lower, upper, training, generator, inplace=True)
