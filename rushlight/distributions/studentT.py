"""Student's t distribution."""

from __future__ import annotations

import math

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions.chi2 import Chi2
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import broadcast_all


class StudentT(Distribution):
    """A normal draw over the root of a chi-squared one per degree of freedom, moved and scaled."""

    arg_constraints = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.loc.masked_fill(self.df <= 1, float("nan"))

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        spread = self.scale.pow(2) * self.df / (self.df - 2)
        spread = rushlight.where(self.df > 2, spread, rushlight.full_like(spread, math.inf))
        return spread.masked_fill(self.df <= 1, float("nan"))

    def expand(self, batch_shape, _instance=None):
        new = self._expanded(StudentT, batch_shape, _instance, "df", "loc", "scale")
        new._chi2 = self._chi2.expand(batch_shape)
        return new

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        normal = rushlight.randn(shape, dtype=self.df.dtype, device=self.df.device)
        squares = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * normal * rushlight.rsqrt(squares / self.df)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        normaliser = (
            self.scale.log()
            + 0.5 * self.df.log()
            + 0.5 * math.log(math.pi)
            + rushlight.lgamma(0.5 * self.df)
            - rushlight.lgamma(0.5 * (self.df + 1.0))
        )
        return -0.5 * (self.df + 1.0) * rushlight.log1p(y**2.0 / self.df) - normaliser

    def entropy(self):
        half = 0.5 * self.df
        log_beta = rushlight.lgamma(half) + math.lgamma(0.5) - rushlight.lgamma(half + 0.5)
        spread = (half + 0.5) * (rushlight.digamma(half + 0.5) - rushlight.digamma(half))
        return self.scale.log() + spread + 0.5 * self.df.log() + log_beta
