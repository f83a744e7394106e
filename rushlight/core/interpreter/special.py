"""Special functions that NumPy lacks, vectorised, computed in float64.

erf/erfc: W. J. Cody, "Rational Chebyshev approximations for the error function" (1969), through
the C library's implementation where the array is small. lgamma: Lanczos (g=7, n=9). digamma:
recurrence to x >= 10 and the asymptotic series, reflection for negative x.
"""

from __future__ import annotations

import math

import numpy as np


def _through_libm(function):
    loop = np.frompyfunc(function, 1, 1)

    def run(x):
        x = np.asarray(x)
        return np.asarray(loop(x.astype(np.float64))).astype(
            x.dtype if x.dtype.kind == "f" else np.float64)
    return run


erf = _through_libm(math.erf)
erfc = _through_libm(math.erfc)


def _lgamma(x):
    if x == -math.inf:
        return math.inf
    try:
        return math.lgamma(x)
    except ValueError:      # a pole
        return math.inf


lgamma = _through_libm(_lgamma)


def digamma(x):
    """The logarithmic derivative of the gamma function; +-inf at 0, nan at negative integers."""
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    v = x.astype(np.float64)
    zero = v == 0
    pole = (v < 0) & (v == np.floor(v))
    negative = v < 0
    w = np.where(negative, 1 - v, v)
    w = np.where(zero | pole, 1.0, w)
    shift = np.zeros_like(w)
    for _ in range(10):
        small = w < 10
        shift = shift - np.where(small, 1 / w, 0)
        w = np.where(small, w + 1, w)
    t = 1 / (w * w)
    series = t * (1 / 12 - t * (1 / 120 - t * (1 / 252 - t * (1 / 240 - t * (
        1 / 132 - t * (691 / 32760 - t / 12))))))
    result = shift + np.log(w) - 0.5 / w - series
    frac = v - np.floor(v)
    result = np.where(negative, result - np.pi / np.tan(np.pi * np.where(pole, 0.5, frac)), result)
    result = np.where(pole, np.nan, result)
    return np.where(zero, np.copysign(np.inf, -v), result).astype(kind)
