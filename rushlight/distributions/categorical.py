"""The categorical distribution: one of several classes."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import lazy_property, logits_to_probs, probs_to_logits


class Categorical(Distribution):
    """Class k with probability `probs[..., k]`; give exactly one of `probs` and `logits`.

    `probs` need not sum to one and `logits` not be normalised: both are.

    Example:
        >>> Categorical(probs=rushlight.tensor([1.0, 3.0])).probs
        tensor([0.2500, 0.7500])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given, name = (probs, "probs") if probs is not None else (logits, "logits")
        if given.dim() < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
            self._param = self.probs
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
            self._param = self.logits
        self._num_events = self._param.size()[-1]
        super().__init__(self._param.size()[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits)

    @property
    def param_shape(self):
        """The shape of the parameter that was given."""
        return self._param.size()

    @property
    def mean(self):
        return rushlight.full(self._extended_shape(), float("nan"), dtype=self.probs.dtype)

    @property
    def mode(self):
        return self.probs.argmax(dim=-1)

    @property
    def variance(self):
        return rushlight.full(self._extended_shape(), float("nan"), dtype=self.probs.dtype)

    def expand(self, batch_shape, _instance=None):
        names = (("probs", 1), ("logits", 1))
        new = self._expanded(Categorical, batch_shape, _instance, *names)
        new._param = self._param.expand(tuple(batch_shape) + tuple(self._param.shape[-1:]))
        new._num_events = self._num_events
        return new

    def sample(self, sample_shape=()):
        sample_shape = rushlight.Size(sample_shape)
        with rushlight.no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            drawn = rushlight.multinomial(rows, sample_shape.numel(), True).T
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value = value.long().unsqueeze(-1)
        value, logits = rushlight.broadcast_tensors(value, self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self):
        # A class of probability 0 has logit -inf; 0 * -inf must count as 0.
        lowest = rushlight.finfo(self.logits.dtype).min
        return -(rushlight.clamp(self.logits, min=lowest) * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        values = rushlight.arange(self._num_events, dtype=rushlight.long, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + tuple(self._batch_shape)) if expand else values
