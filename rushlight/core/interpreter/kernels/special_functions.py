"""Kernels of torch.special: normal distribution, Hurwitz zeta, incomplete gamma, polynomials."""

import math

import numpy as np

from ..special import erf, erfc, erfcx, lgamma

ROOT2 = math.sqrt(2)


def _wide(x):
    return np.asarray(x).astype(np.float64)


def ndtr(x):
    """The normal distribution function."""
    return (0.5 * erfc(-_wide(x) / ROOT2)).astype(x.dtype)


def log_ndtr(x):
    """Its logarithm."""
    v = _wide(x)
    with np.errstate(all="ignore"):
        low = np.log(erfcx(-np.minimum(v, 0) / ROOT2) / 2) - v * v / 2
        return np.where(v < -1, low, np.log1p(-erfc(v / ROOT2) / 2)).astype(x.dtype)


def ndtri(x):
    """The inverse of `ndtr`: Newton's steps on its logarithm from an asymptotic start."""
    p = _wide(x)
    with np.errstate(all="ignore"):
        small = np.clip(np.minimum(p, 1 - p), 1e-320, 0.5)
        goal = np.log(small)
        w = np.sqrt(np.maximum(-2 * goal, 1e-300))
        # Abramowitz and Stegun 26.2.23, to 4.5e-4.
        z = -(w - (2.515517 + w * (0.802853 + w * 0.010328)) /
              (1 + w * (1.432788 + w * (0.189269 + w * 0.001308))))
        z = np.minimum(z, 0)
        for _ in range(4):
            value = log_ndtr(z)
            z = z - (value - goal) * np.exp(value + z * z / 2) * math.sqrt(2 * math.pi)
        found = np.where(p > 0.5, -z, z)
        found = np.where(p == 0.5, 0, found)
        found = np.where(p == 0, -np.inf, np.where(p == 1, np.inf, found))
        return np.where((p < 0) | (p > 1) | np.isnan(p), np.nan, found).astype(x.dtype)


_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510,
              43867 / 798, -174611 / 330, 854513 / 138, -236364091 / 2730)


def zeta(x, q):
    """Hurwitz's zeta, sum over k of (q + k)^-x, by Euler and Maclaurin's formula."""
    kind = np.result_type(x, q)
    kind = kind if kind.kind == "f" else np.float64
    s, v = np.broadcast_arrays(_wide(x), _wide(q))
    with np.errstate(all="ignore"):
        total = np.zeros(s.shape)
        a = v.copy()
        # The formula's terms fall while the argument is larger than the exponent.
        limit = np.clip(np.nan_to_num(s), 10, 100)
        steps = int(limit.max(initial=10)) + 1
        finite = a[np.isfinite(a)]
        if finite.size and finite.min() < 0:
            steps += min(int(-finite.min()) + 1, 10_000)
        for _ in range(steps):
            small = a < limit
            total = total + np.where(small, a ** -s, 0)
            a = np.where(small, a + 1, a)
        total = total + a ** (1 - s) / (s - 1) + 0.5 * a ** -s
        term = s * a ** (-s - 1)
        factorial = 2.0
        for k, b in enumerate(_BERNOULLI):
            total = total + b / factorial * term
            term = term * (s + 2 * k + 1) * (s + 2 * k + 2) / (a * a)
            factorial *= (2 * k + 3) * (2 * k + 4)
        total = np.where(s == 1, np.inf, np.where(s < 1, np.nan, total))
        pole = (v <= 0) & (v == np.floor(v))
        bad = (v <= 0) & ~pole & (s != np.floor(s))
        total = np.where(pole & (s > 1), np.inf, np.where(bad & (s > 1), np.nan, total))
        total = np.where(np.isposinf(v) & (s > 1), 0, total)
        return np.where(np.isnan(s) | np.isnan(v), np.nan, total).astype(kind)


def polygamma(x, n):
    """The n-th derivative of digamma, n >= 1."""
    v = _wide(x)
    sign = 1.0 if n % 2 else -1.0
    if n == 1:      # reflection keeps digits for negative numbers
        with np.errstate(all="ignore"):
            right = zeta(np.array(2.0), np.where(v < 0.5, 1 - v, v))
            wave = math.pi / np.sin(math.pi * (v - np.rint(v)))
            return np.where(v < 0.5, wave * wave - right, right).astype(x.dtype)
    return (sign * math.gamma(n + 1) * zeta(np.array(n + 1.0), v)).astype(x.dtype)


def _gamma_parts(a, x):
    """(P, Q), the regularised incomplete gamma functions."""
    kind = np.result_type(a, x)
    a, x = np.broadcast_arrays(_wide(a), _wide(x))
    with np.errstate(all="ignore"):
        front = np.exp(a * np.log(x) - x - lgamma(a + 1))
        safe = np.where((a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x), 1.0, 0.0) > 0
        low = safe & ((x <= 1) | (x <= a))
        term, total, k = np.ones(a.shape), np.ones(a.shape), a.copy()
        for _ in range(4000):
            k = k + 1
            term = np.where(low, term * x / k, 0)
            total = total + term
            if not (term > total * 1e-17).any():
                break
        p = front * total
        high = safe & ~low
        # Lentz's continued fraction of Q.
        b = np.where(high, x + 1 - a, 1.0)
        c, d = np.full(a.shape, 1e300), 1 / b
        h = d
        for i in range(1, 4000):
            step = -i * (i - a)
            b = b + 2
            d = 1 / np.where(np.abs(step * d + b) < 1e-300, 1e-300, step * d + b)
            c = np.where(np.abs(b + step / c) < 1e-300, 1e-300, b + step / c)
            h = h * d * c
            if not (np.abs(d * c - 1)[high] > 1e-16).any():
                break
        q = front * a * h
        lower = np.where(low, p, 1 - q)
        upper = np.where(low, 1 - p, q)
        for array, zero, one in ((lower, 0.0, 1.0), (upper, 1.0, 0.0)):
            array[(x == 0) & (a > 0)] = zero
            array[(a == 0) & (x > 0)] = one
            array[np.isposinf(x) & np.isfinite(a) & (a >= 0)] = one
            array[np.isposinf(a) & np.isfinite(x) & (x >= 0)] = zero
            bad = (a < 0) | (x < 0) | ((a == 0) & (x == 0)) | (np.isinf(a) & np.isinf(x))
            array[bad | np.isnan(a) | np.isnan(x)] = np.nan
    return lower.astype(kind), upper.astype(kind)


def igamma(a, x):
    """The lower one, P(a, x)."""
    return _gamma_parts(np.atleast_1d(a), np.atleast_1d(x))[0].reshape(np.broadcast(a, x).shape)


def igammac(a, x):
    """The upper one, Q(a, x)."""
    return _gamma_parts(np.atleast_1d(a), np.atleast_1d(x))[1].reshape(np.broadcast(a, x).shape)


# Three-term recurrences: name -> (p1 of x, next of (k, x, p, q)), p0 = 1; k is the new degree.
_RECURRENCES = {
    "t": (lambda x: x, lambda k, x, p, q: 2 * x * p - q),
    "u": (lambda x: 2 * x, lambda k, x, p, q: 2 * x * p - q),
    "v": (lambda x: 2 * x - 1, lambda k, x, p, q: 2 * x * p - q),
    "w": (lambda x: 2 * x + 1, lambda k, x, p, q: 2 * x * p - q),
    "hermite_h": (lambda x: 2 * x, lambda k, x, p, q: 2 * x * p - 2 * (k - 1) * q),
    "hermite_he": (lambda x: x, lambda k, x, p, q: x * p - (k - 1) * q),
    "laguerre": (lambda x: 1 - x, lambda k, x, p, q: ((2 * k - 1 - x) * p - (k - 1) * q) / k),
    "legendre": (lambda x: x, lambda k, x, p, q: ((2 * k - 1) * x * p - (k - 1) * q) / k),
}


def polynomial(name, shifted):
    """A kernel of (x, n): the polynomial of degree trunc(n), 0 for negative degrees."""
    first, following = _RECURRENCES[name]

    def run(x, n):
        kind = np.result_type(x, n) if hasattr(n, "dtype") and hasattr(x, "dtype") else \
            getattr(x, "dtype", getattr(n, "dtype", np.float64))
        x, n = np.broadcast_arrays(_wide(x), np.trunc(_wide(n)))
        x = 2 * x - 1 if shifted else x
        with np.errstate(all="ignore"):
            q, p = np.ones(x.shape), first(x)
            found = np.where(n == 0, q, np.where(n == 1, p, 0))
            top = int(min(np.max(n, initial=0), 100_000))
            for k in range(2, top + 1):
                p, q = following(k, x, p, q), p
                found = np.where(n == k, p, found)
        return np.where(n < 0, 0, found).astype(kind)
    return run


def entr(x):
    """-x log x; -inf below zero."""
    with np.errstate(all="ignore"):
        return np.where(x > 0, -x * np.log(np.where(x > 0, x, 1)),
                        np.where(x == 0, 0, np.where(np.isnan(x), x, -np.inf)))


def xlog1py(x, y):
    """x log(1 + y); 0 where x is 0 and y is a number."""
    with np.errstate(all="ignore"):
        return np.where(np.isnan(y), np.nan, np.where(np.asarray(x) == 0, 0, x * np.log1p(y)))


__all__ = ["erf", "erfcx"]
