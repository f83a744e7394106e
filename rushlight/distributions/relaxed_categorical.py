"""Classes relaxed to points of the simplex, so that gradients pass."""

from __future__ import annotations

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import ExpTransform
from rushlight.distributions.utils import broadcast_all, clamp_probs


class ExpRelaxedCategorical(Distribution):
    """The logarithm of a relaxed class: log softmax((logits + Gumbel noise) / temperature).

    Source: C. Maddison et al., "The Concrete Distribution", 2017.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        batch_shape = self._categorical.batch_shape
        event_shape = self._categorical.param_shape[-1:]
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    @property
    def param_shape(self):
        """The shape of the parameter that was given."""
        return self._categorical.param_shape

    @property
    def logits(self):
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def probs(self):
        """The probabilities of the classes."""
        return self._categorical.probs

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(ExpRelaxedCategorical, _instance)
        new.temperature = self.temperature
        new._categorical = self._categorical.expand(batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        like = self.logits
        uniform = clamp_probs(rushlight.rand(shape, dtype=like.dtype, device=like.device))
        scores = (like - (-uniform.log()).log()) / self.temperature
        return scores - scores.logsumexp(dim=-1, keepdim=True)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        count = self.event_shape[0]
        logits, value = broadcast_all(self.logits, value)
        temperature = rushlight.as_tensor(self.temperature, dtype=logits.dtype)
        constant = (count - 1) * temperature.log() + rushlight.lgamma(
            rushlight.tensor(float(count), dtype=logits.dtype)
        )
        scores = logits - value.mul(temperature)
        scores = (scores - scores.logsumexp(dim=-1, keepdim=True)).sum(-1)
        return scores + constant


class RelaxedOneHotCategorical(TransformedDistribution):
    """A class relaxed to a point of the simplex; one-hot as `temperature` goes to zero."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        instance = self._get_checked_instance(RelaxedOneHotCategorical, _instance)
        return super().expand(batch_shape, instance)

    @property
    def temperature(self):
        """How far the class is relaxed."""
        return self.base_dist.temperature

    @property
    def logits(self):
        """The logarithms of the probabilities."""
        return self.base_dist.logits

    @property
    def probs(self):
        """The probabilities of the classes."""
        return self.base_dist.probs
