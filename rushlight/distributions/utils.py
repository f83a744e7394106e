"""Helpers of the distributions: broadcasting parameters, logits and probabilities."""

from __future__ import annotations

from numbers import Number
from typing import TYPE_CHECKING, Any

import rushlight
from rushlight.nn import functional as F

EULER_CONSTANT = 0.57721566490153286060


def broadcast_all(*values):
    """Return the values as tensors of one common shape; numbers take the tensors' dtype.

    Raises ValueError for anything that is neither a tensor nor a number.

    Example:
        >>> [t.shape for t in broadcast_all(0.0, rushlight.ones(3))]
        [Size([3]), Size([3])]
    """
    if not all(isinstance(value, (rushlight.Tensor, Number)) for value in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects "
            "implementing __torch_function__."
        )
    like = next((value for value in values if isinstance(value, rushlight.Tensor)), None)
    dtype = rushlight.get_default_dtype() if like is None else like.dtype
    tensors = [
        value if isinstance(value, rushlight.Tensor) else rushlight.tensor(value, dtype=dtype)
        for value in values
    ]
    return list(rushlight.broadcast_tensors(*tensors))


def logits_to_probs(logits, is_binary=False):
    """Return probabilities: the sigmoid for log odds, else the softmax over the last dimension."""
    return rushlight.sigmoid(logits) if is_binary else F.softmax(logits, dim=-1)


def clamp_probs(probs):
    """Return probabilities kept away from 0 and 1 by the dtype's epsilon."""
    epsilon = rushlight.finfo(probs.dtype).eps
    return probs.clamp(min=epsilon, max=1 - epsilon)


def probs_to_logits(probs, is_binary=False):
    """Return log odds, or logarithms of the probabilities, finite even at 0 and 1."""
    clamped = clamp_probs(probs)
    if is_binary:
        return rushlight.log(clamped) - rushlight.log1p(-clamped)
    return rushlight.log(clamped)


def sum_rightmost(value, count):
    """Sum over the last `count` dimensions.

    Example:
        >>> sum_rightmost(rushlight.ones(2, 3, 4), 2)
        tensor([12., 12.])
    """
    if count == 0:
        return value
    return value.reshape(tuple(value.shape[: value.dim() - count]) + (-1,)).sum(-1)


class lazy_property:
    """An attribute computed at its first use and then stored on the instance."""

    def __init__(self, wrapped):
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with rushlight.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.name, value)
        return value

    if TYPE_CHECKING:  # the instance's own attribute wins, as this descriptor has no __set__

        def __set__(self, instance: Any, value: Any) -> None: ...
