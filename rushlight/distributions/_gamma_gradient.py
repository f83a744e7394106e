"""Draws from the gamma distribution whose gradient reaches the shape parameter.

With F(z; a) the regularised lower incomplete gamma function, a draw z at a fixed quantile moves as
dz/da = -(dF/da) / (dF/dz). The series F = z^a e^-z / Gamma(a + 1) * sum_n z^n / ((a+1)...(a+n))
gives both; it converges for every z, after about z + 10 sqrt(z) terms.
Source: M. Figurnov et al., "Implicit Reparameterization Gradients", 2018.
"""

from __future__ import annotations

import numpy as np

import rushlight
from rushlight.autograd import Function

# Beyond this shape the series is long and the cube-root approximation of Wilson and Hilferty is
# within 1e-5 of the derivative.
_LARGE_SHAPE = 500.0


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx, concentration):
        with rushlight.no_grad():
            drawn = rushlight._standard_gamma(concentration)
        ctx.save_for_backward(concentration, drawn)
        return drawn

    @staticmethod
    def backward(ctx, gradient):
        concentration, drawn = ctx.saved_tensors
        slope = standard_gamma_gradient(
            concentration.detach().double().numpy(), drawn.detach().double().numpy()
        )
        return gradient * rushlight.tensor(slope, dtype=gradient.dtype)


def standard_gamma(concentration):
    """Draw from Gamma(concentration, 1), differentiably.

    Example:
        >>> standard_gamma(rushlight.ones(3)).shape
        Size([3])
    """
    if concentration.requires_grad and rushlight.is_grad_enabled():
        return _StandardGamma.apply(concentration)
    return rushlight._standard_gamma(concentration)


def standard_gamma_gradient(shape, draw):
    """Return dz/da of draws z from Gamma(a, 1) at their quantiles, as float64 NumPy arrays."""
    shape, draw = np.broadcast_arrays(np.asarray(shape, float), np.asarray(draw, float))
    result = np.empty(shape.shape)
    large = shape > _LARGE_SHAPE
    result[large] = _large(shape[large], draw[large])
    result[~large] = _by_series(shape[~large], draw[~large])
    return result


def _by_series(a, z):
    if a.size == 0:
        return np.empty(0)
    z = np.maximum(z, 1e-300)
    term, total = np.ones(a.shape), np.ones(a.shape)
    slope_of_log, slope_total = np.zeros(a.shape), np.zeros(a.shape)
    for n in range(1, int(z.max() + 12 * np.sqrt(z.max()) + 60)):
        term = term * z / (a + n)
        slope_of_log = slope_of_log - 1 / (a + n)
        total += term
        slope_total += term * slope_of_log
    # F = exp(a log z - z - lgamma(a + 1)) * total and dF/dz = exp((a - 1) log z - z - lgamma(a)).
    # In the quotient the exponentials leave z / a.
    digamma = rushlight.digamma(rushlight.tensor(a + 1)).numpy()
    return -(z / a) * (total * (np.log(z) - digamma) + slope_total)


def _large(a, z):
    # z = a (1 - 1/(9a) + x / (3 sqrt(a)))^3 at a fixed normal x.
    root = np.cbrt(z / a)
    x = 3 * np.sqrt(a) * (root - 1 + 1 / (9 * a))
    return root**3 + 3 * a * root**2 * (1 / (9 * a**2) - x / (6 * a**1.5))
