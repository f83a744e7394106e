"""A mixture of distributions of one family."""

from __future__ import annotations

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution


class MixtureSameFamily(Distribution):
    """One of the rightmost batch of `component_distribution`, chosen by `mixture_distribution`.

    log p(x) = logsumexp over k of (log weight_k + log p_k(x)).

    Raises ValueError when the mixture is not a Categorical or the shapes do not fit.

    Example:
        >>> weights = Categorical(rushlight.ones(3))
        >>> MixtureSameFamily(weights, Normal(rushlight.arange(3.0), 1.0)).mean
        tensor(1.)
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an instance of "
                "torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of "
                "torch.distributions.Distribution"
            )
        weights_shape = mixture_distribution.batch_shape
        batch_shape = component_distribution.batch_shape[:-1]
        for mine, theirs in zip(reversed(weights_shape), reversed(batch_shape)):
            if mine != 1 and theirs != 1 and mine != theirs:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({weights_shape}) is not compatible with "
                    f"`component_distribution.batch_shape`({batch_shape})"
                )
        count, components = mixture_distribution._num_events, component_distribution.batch_shape[-1]
        if count != components:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({components})"
            )
        self._num_component = count
        event_shape = component_distribution.event_shape
        self._event_ndims = len(event_shape)
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        wide = tuple(batch_shape) + (self._num_component,)
        new._component_distribution = self._component_distribution.expand(wide)
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component, new._event_ndims = self._num_component, self._event_ndims
        event_shape = new._component_distribution.event_shape
        Distribution.__init__(new, batch_shape, event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property
    def support(self):
        return self._component_distribution.support

    @property
    def mixture_distribution(self):
        """The weights."""
        return self._mixture_distribution

    @property
    def component_distribution(self):
        """The components, along the rightmost batch dimension."""
        return self._component_distribution

    def _weights(self):
        probs = self._mixture_distribution.probs
        return probs.reshape(tuple(probs.shape) + (1,) * self._event_ndims)

    @property
    def mean(self):
        return (self._weights() * self._component_distribution.mean).sum(-1 - self._event_ndims)

    @property
    def variance(self):
        axis, weights = -1 - self._event_ndims, self._weights()
        within = (weights * self._component_distribution.variance).sum(axis)
        apart = self._component_distribution.mean - self.mean.unsqueeze(axis)
        return within + (weights * apart.pow(2)).sum(axis)

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        each = self._component_distribution.cdf(value.unsqueeze(-1))
        return (each * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        each = self._component_distribution.log_prob(value.unsqueeze(-1 - self._event_ndims))
        weights = rushlight.log_softmax(self._mixture_distribution.logits, dim=-1)
        return rushlight.logsumexp(each + weights, dim=-1)

    def sample(self, sample_shape=()):
        with rushlight.no_grad():
            chosen = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            axis = len(sample_shape) + len(self.batch_shape)
            index = chosen.reshape(tuple(chosen.shape) + (1,) * (self._event_ndims + 1))
            index = index.expand(tuple(chosen.shape) + (1,) + tuple(self.event_shape))
            return rushlight.gather(drawn, axis, index).squeeze(axis)

    def __repr__(self):
        return (
            f"MixtureSameFamily(\n  {self._mixture_distribution},\n  "
            f"{self._component_distribution})"
        )
