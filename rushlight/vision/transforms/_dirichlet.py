"""Dirichlet samples from the global generator, drawn as PyTorch draws them."""

import math

import rushlight

# PyTorch writes these constants in single precision and computes in double.
_THIRD = rushlight.tensor(1.0 / 3.0, dtype=rushlight.float32).item()
_SQUEEZE = rushlight.tensor(0.0331, dtype=rushlight.float32).item()


def _normal():
    return rushlight.empty(1, dtype=rushlight.float64).normal_().item()


def _uniform():
    return rushlight.empty(1, dtype=rushlight.float64).uniform_().item()


def _sample_gamma(alpha):
    """One sample of Gamma(alpha, 1), by Marsaglia and Tsang's method (2000)."""
    scale = 1.0
    if alpha < 1.0:
        # Gamma(alpha) = Gamma(alpha + 1) U^(1 / alpha)
        scale = (1 - _uniform()) ** (1.0 / alpha)
        alpha += 1.0
    d = alpha - _THIRD
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = _normal()
        y = 1.0 + c * x
        if y <= 0:
            continue
        v = y * y * y
        u = 1 - _uniform()
        if u < 1.0 - _SQUEEZE * x**4 or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return scale * d * v


def sample_dirichlet(alphas, count):
    """`count` samples of Dirichlet(alphas), a float32 tensor (count, len(alphas))."""
    rows = []
    for _ in range(count):
        row = [_sample_gamma(alpha) for alpha in alphas]
        total = sum(row)
        rows.append([value / total for value in row])
    return rushlight.tensor(rows, dtype=rushlight.float32)
