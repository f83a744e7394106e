"""The Dirichlet distribution: random probabilities."""

from __future__ import annotations

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions._gamma_gradient import standard_gamma
from rushlight.distributions.exp_family import ExponentialFamily


class Dirichlet(ExponentialFamily):
    """Density prod x_i^(a_i - 1) Gamma(sum a) / prod Gamma(a_i) on the simplex.

    Raises ValueError for a `concentration` without dimensions.
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration, validate_args=None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    @property
    def mean(self):
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self):
        above = (self.concentration - 1).clamp(min=0.0)
        mode = above / above.sum(-1, True)
        flat = (self.concentration < 1).all(dim=-1)
        corner = rushlight.nn.functional.one_hot(
            self.concentration.argmax(-1), self.concentration.shape[-1]
        )
        return rushlight.where(flat.unsqueeze(-1), corner.to(mode), mode)

    @property
    def variance(self):
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def expand(self, batch_shape, _instance=None):
        return self._expanded(Dirichlet, batch_shape, _instance, ("concentration", 1))

    def rsample(self, sample_shape=()):
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        if not (concentration.requires_grad and rushlight.is_grad_enabled()):
            return rushlight._sample_dirichlet(concentration)
        drawn = standard_gamma(concentration)
        drawn = drawn.clamp(min=rushlight.finfo(drawn.dtype).tiny)
        return drawn / drawn.sum(-1, True)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        normaliser = rushlight.lgamma(a.sum(-1)) - rushlight.lgamma(a).sum(-1)
        return rushlight.xlogy(a - 1.0, value).sum(-1) + normaliser

    def entropy(self):
        a = self.concentration
        count, total = a.size(-1), a.sum(-1)
        spread = (a - 1.0) * rushlight.digamma(a)
        return (
            rushlight.lgamma(a).sum(-1)
            - rushlight.lgamma(total)
            - (count - total) * rushlight.digamma(total)
            - spread.sum(-1)
        )

    @property
    def _natural_params(self):
        return (self.concentration,)

    def _log_normalizer(self, x):
        return x.lgamma().sum(-1) - rushlight.lgamma(x.sum(-1))
