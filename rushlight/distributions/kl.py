"""KL(p || q) in closed form, by the kinds of p and q.

Example:
    >>> kl_divergence(Normal(0.0, 1.0), Normal(0.0, 2.0))
    tensor(0.3181)
"""

from __future__ import annotations

import math
import warnings

import rushlight
from rushlight.distributions.bernoulli import Bernoulli
from rushlight.distributions.beta import Beta
from rushlight.distributions.binomial import Binomial
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.dirichlet import Dirichlet
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.exponential import Exponential
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.geometric import Geometric
from rushlight.distributions.gumbel import Gumbel
from rushlight.distributions.half_normal import HalfNormal
from rushlight.distributions.independent import Independent
from rushlight.distributions.laplace import Laplace
from rushlight.distributions.multivariate_normal import MultivariateNormal, squared_mahalanobis
from rushlight.distributions.normal import Normal
from rushlight.distributions.one_hot_categorical import OneHotCategorical
from rushlight.distributions.poisson import Poisson
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.uniform import Uniform
from rushlight.distributions.utils import EULER_CONSTANT, sum_rightmost

__all__ = ["kl_divergence", "register_kl"]

_formulas = {}
_found = {}


def register_kl(type_p, type_q):
    """Return a decorator that enters a formula for a pair of kinds.

    Raises TypeError for anything that is not a sub-class of Distribution.
    """
    for given, name in ((type_p, "type_p"), (type_q, "type_q")):
        if not isinstance(given, type) or not issubclass(given, Distribution):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {given}")

    def enter(formula):
        _formulas[type_p, type_q] = formula
        _found.clear()
        return formula

    return enter


def kl_divergence(p, q):
    """Return KL(p || q) = E_p[log p - log q], of the batch's shape.

    Raises NotImplementedError where no formula is entered for the two kinds.
    """
    kinds = type(p), type(q)
    if kinds not in _found:
        _found[kinds] = _look_up(*kinds)
    formula = _found[kinds]
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {kinds[0].__name__} and q type "
            f"{kinds[1].__name__}"
        )
    return formula(p, q)


def _look_up(kind_p, kind_q):
    """Choose the formula for the nearest pair of base classes, p's nearness first."""
    matches = [
        (kind_p.__mro__.index(left), kind_q.__mro__.index(right), left, right)
        for left, right in _formulas
        if issubclass(kind_p, left) and issubclass(kind_q, right)
    ]
    if not matches:
        return None
    by_p = min(matches, key=lambda m: (m[0], m[1]))
    by_q = min(matches, key=lambda m: (m[1], m[0]))
    if by_p[2:] != by_q[2:]:
        warnings.warn(
            f"Ambiguous kl_divergence({kind_p.__name__}, {kind_q.__name__}). Please "
            f"register_kl({by_p[2].__name__}, {by_q[3].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _formulas[by_p[2:]]


def _infinite_like(tensor):
    return rushlight.full_like(tensor, math.inf)


@register_kl(Normal, Normal)
def _(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _(p, q):
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot "
            "be computed"
        )
    left, right = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    log_determinants = q._half_log_determinant() - p._half_log_determinant()
    batch = rushlight.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    size = p.event_shape[0]
    solved = rushlight.linalg.solve_triangular(
        right.expand(tuple(batch) + (size, size)),
        left.expand(tuple(batch) + (size, size)),
        upper=False,
    )
    trace = solved.pow(2).sum((-2, -1))
    return log_determinants + 0.5 * (trace + squared_mahalanobis(right, q.loc - p.loc) - size)


@register_kl(Bernoulli, Bernoulli)
def _(p, q):
    def part(a, b):
        # 0 log(0 / b) is 0, a log(a / 0) is infinite.
        value = rushlight.xlogy(a, a) - rushlight.xlogy(a, b)
        return rushlight.where((b == 0) & (a > 0), _infinite_like(value), value)

    return part(p.probs, q.probs) + part(1 - p.probs, 1 - q.probs)


@register_kl(Binomial, Binomial)
def _(p, q):
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return rushlight.where(p.total_count > q.total_count, _infinite_like(kl), kl)


@register_kl(Categorical, Categorical)
def _(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = rushlight.where(q.probs == 0, _infinite_like(terms), terms)
    terms = rushlight.where(p.probs == 0, rushlight.zeros_like(terms), terms)
    return terms.sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _(p, q):
    return kl_divergence(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _(p, q):
    return -p.entropy() - rushlight.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Exponential, Exponential)
def _(p, q):
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _(p, q):
    a, b = p.concentration, q.concentration
    return (
        b * (p.rate / q.rate).log()
        + rushlight.lgamma(b)
        - rushlight.lgamma(a)
        + (a - b) * rushlight.digamma(a)
        + (q.rate - p.rate) * (a / p.rate)
    )


@register_kl(Beta, Beta)
def _(p, q):
    return kl_divergence(p._dirichlet, q._dirichlet)


@register_kl(Dirichlet, Dirichlet)
def _(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    normalisers = total.lgamma() - b.sum(-1).lgamma() + (b.lgamma() - a.lgamma()).sum(-1)
    return normalisers + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Laplace, Laplace)
def _(p, q):
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * rushlight.exp(-distance / p.scale) - 1


@register_kl(Gumbel, Gumbel)
def _(p, q):
    ratio = p.scale / q.scale
    moved = q.loc / q.scale - p.loc / q.scale
    growth = rushlight.exp(moved + (1 + ratio).lgamma())
    return -ratio.log() - moved + ratio * EULER_CONSTANT + growth - (1 + EULER_CONSTANT)


@register_kl(Uniform, Uniform)
def _(p, q):
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    outside = (q.low > p.low) | (q.high < p.high)
    return rushlight.where(outside, _infinite_like(kl), kl)


@register_kl(Uniform, Normal)
def _(p, q):
    width = p.high - p.low
    centre = ((p.high + p.low - 2 * q.loc) / 2).pow(2)
    spread = (width.pow(2) / 12 + centre) / (2 * q.scale.pow(2))
    return (math.sqrt(2 * math.pi) * q.scale / width).log() + spread


@register_kl(Exponential, Normal)
def _(p, q):
    variance, rate_squared = q.scale.pow(2), p.rate.pow(2)
    constant = 0.5 * rushlight.log(rate_squared * variance * 2 * math.pi)
    return constant - 1 + (1 / rate_squared - q.loc / p.rate + q.loc.pow(2) / 2) / variance


@register_kl(Normal, Laplace)
def _(p, q):
    z = (p.loc - q.loc) / p.scale
    folded = math.sqrt(2 / math.pi) * rushlight.exp(-0.5 * z.pow(2))
    folded = folded + z * rushlight.erf(z / math.sqrt(2))
    normal = 0.5 + 0.5 * math.log(2 * math.pi) + p.scale.log()
    return rushlight.log(2 * q.scale) + p.scale * folded / q.scale - normal


@register_kl(Independent, Independent)
def _(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    extra = len(p.event_shape) - len(p.base_dist.event_shape)
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), max(0, extra))
