"""The multinomial distribution: how often each class was drawn."""

from __future__ import annotations

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions.binomial import Binomial
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import broadcast_all


class Multinomial(Distribution):
    """Counts of the classes among `total_count` categorical draws.

    Raises NotImplementedError for a total count that is not one number.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        batch_shape, event_shape = self.probs.shape[:-1], self.probs.shape[-1:]
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def logits(self):
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def probs(self):
        """The probabilities of the classes."""
        return self._categorical.probs

    @property
    def param_shape(self):
        """The shape of the parameter that was given."""
        return self._categorical.param_shape

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Multinomial, _instance)
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)
        new._binomial = self._binomial.expand(tuple(batch_shape) + tuple(self.event_shape))
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape=()):
        shape = (self.total_count,) + tuple(sample_shape)
        drawn = self._categorical.sample(shape).movedim(0, -1)
        counts = drawn.new_zeros(tuple(self._extended_shape(sample_shape)))
        counts = counts.scatter_add(-1, drawn, rushlight.ones_like(drawn))
        return counts.type_as(self.probs)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        ways = rushlight.lgamma(value.sum(-1) + 1) - rushlight.lgamma(value + 1).sum(-1)
        impossible = (value == 0) & (logits == -float("inf"))
        return ways + (logits.masked_fill(impossible, 0) * value).sum(-1)

    def entropy(self):
        n = rushlight.tensor(self.total_count)
        categorical = self._categorical.entropy()
        values = self._binomial.enumerate_support(expand=False)[1:]
        weights = rushlight.exp(self._binomial.log_prob(values))
        repeats = (weights * rushlight.lgamma(values + 1)).sum([0, -1])
        return n * categorical - rushlight.lgamma(n + 1) + repeats
