"""The multivariate normal distribution."""

from __future__ import annotations

import math

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import lazy_property


class MultivariateNormal(Distribution):
    """Normal vectors with mean `loc`, given one of covariance, precision or its Cholesky factor.

    Raises ValueError unless exactly one of the three matrices is given.

    Example:
        >>> MultivariateNormal(rushlight.zeros(2), rushlight.eye(2)).log_prob(rushlight.zeros(2))
        tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc,
        covariance_matrix=None,
        precision_matrix=None,
        scale_tril=None,
        validate_args=None,
    ):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: matrix for name, matrix in given.items() if matrix is not None}
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            raise ValueError(
                f"{name} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch_shape = rushlight.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(tuple(batch_shape) + tuple(matrix.shape[-2:])))
        self.loc = loc.expand(tuple(batch_shape) + (-1,))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        if scale_tril is not None:
            self._unbroadcasted_scale_tril = scale_tril
        elif covariance_matrix is not None:
            self._unbroadcasted_scale_tril = rushlight.linalg.cholesky(covariance_matrix)
        else:
            self._unbroadcasted_scale_tril = _cholesky_of_inverse(precision_matrix)

    @lazy_property
    def scale_tril(self):
        factor = self._unbroadcasted_scale_tril
        return factor.expand(tuple(self._batch_shape) + tuple(self._event_shape) * 2)

    @lazy_property
    def covariance_matrix(self):
        factor = self._unbroadcasted_scale_tril
        full = rushlight.matmul(factor, factor.mT)
        return full.expand(tuple(self._batch_shape) + tuple(self._event_shape) * 2)

    @lazy_property
    def precision_matrix(self):
        inverse = _inverse_of_factor(self._unbroadcasted_scale_tril)
        return (inverse.mT @ inverse).expand(
            tuple(self._batch_shape) + tuple(self._event_shape) * 2
        )

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand(tuple(self._batch_shape) + tuple(self._event_shape))

    def expand(self, batch_shape, _instance=None):
        names = (
            ("loc", 1),
            ("covariance_matrix", 2),
            ("scale_tril", 2),
            ("precision_matrix", 2),
        )
        new = self._expanded(MultivariateNormal, batch_shape, _instance, *names)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        return new

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        noise = rushlight.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        moved = rushlight.matmul(self._unbroadcasted_scale_tril, noise.unsqueeze(-1)).squeeze(-1)
        return self.loc + moved

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        distance = squared_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + distance) - self._half_log_determinant()

    def entropy(self):
        constant = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return (constant + self._half_log_determinant()).expand(self._batch_shape)

    def _half_log_determinant(self):
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def squared_mahalanobis(factor, difference):
    """Return x^T (L L^T)^-1 x over the last dimension, for a Cholesky factor L.

    Example:
        >>> squared_mahalanobis(rushlight.eye(2), rushlight.tensor([3.0, 4.0]))
        tensor(25.)
    """
    batch = rushlight.broadcast_shapes(factor.shape[:-2], difference.shape[:-1])
    size = difference.shape[-1]
    factor = factor.expand(tuple(batch) + (size, size))
    column = difference.expand(tuple(batch) + (size,)).unsqueeze(-1)
    solved = rushlight.linalg.solve_triangular(factor, column, upper=False)
    return solved.squeeze(-1).pow(2).sum(-1)


def _cholesky_of_inverse(precision):
    # With J the exchange matrix, chol(J P J) = J U J for an upper U with P = U U^T, and the
    # factor of the inverse is U^-T: no inverse of P itself is formed.
    flipped = rushlight.linalg.cholesky(rushlight.flip(precision, (-2, -1)))
    return _inverse_of_factor(rushlight.flip(flipped, (-2, -1)).mT)


def _inverse_of_factor(factor):
    identity = rushlight.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    identity = identity.expand(factor.shape)
    return rushlight.linalg.solve_triangular(factor, identity, upper=False)
