"""The Bernoulli distribution: one coin."""

from __future__ import annotations

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)
from rushlight.nn import functional as F


class Bernoulli(ExponentialFamily):
    """1 with probability `probs` = sigmoid(`logits`), else 0; give exactly one of the two.

    Example:
        >>> Bernoulli(probs=0.25).log_prob(rushlight.tensor(1.0)).exp()
        tensor(0.2500)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
            self._param = self.probs
        else:
            (self.logits,) = broadcast_all(logits)
            self._param = self.logits
        super().__init__(self._param.size(), validate_args=validate_args)

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self):
        """The shape of the parameter that was given."""
        return self._param.size()

    @property
    def mean(self):
        return self.probs

    @property
    def mode(self):
        mode = (self.probs >= 0.5).to(self.probs)
        return mode.masked_fill(self.probs == 0.5, float("nan"))

    @property
    def variance(self):
        return self.probs * (1 - self.probs)

    def expand(self, batch_shape, _instance=None):
        new = self._expanded(Bernoulli, batch_shape, _instance, "probs", "logits")
        new._param = self._param.expand(rushlight.Size(batch_shape))
        return new

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        with rushlight.no_grad():
            return rushlight.bernoulli(self.probs.expand(shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand=True):
        return _values_along_first(self, 2, expand)

    @property
    def _natural_params(self):
        return (rushlight.logit(self.probs),)

    def _log_normalizer(self, x):
        return rushlight.log1p(rushlight.exp(x))


def _values_along_first(distribution, count, expand):
    """Return 0, 1, ..., count - 1 along a new first dimension, over the batch if `expand`."""
    like = distribution._param
    values = rushlight.arange(count, dtype=like.dtype, device=like.device)
    values = values.view((-1,) + (1,) * len(distribution.batch_shape))
    return values.expand((-1,) + tuple(distribution.batch_shape)) if expand else values
