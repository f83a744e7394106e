"""Draws whose number of words is not known beforehand: gamma, Poisson, binomial, Dirichlet.

Each sample tries candidates until one is accepted, so samples are made one after the other, in
plain Python (about a microsecond a try), in the order and arithmetic of PyTorch's CPU code.
Functions are as in `random_draws`: (array, state afterwards), for NumPy arrays of parameters.
"""

from __future__ import annotations

import math

import numpy as np

from .random_draws import draw_unit64, round_to

_FLOAT32 = np.dtype(np.float32)
_FLOAT64 = np.dtype(np.float64)


class _Reader:
    """Uniform and normal float64 numbers one at a time, fetched in batches."""

    def __init__(self, state):
        self.state = state
        self._fetch(64)

    def _fetch(self, count):
        self._values = draw_unit64(self.state, count)[0].tolist()
        self._used = 0

    def settle(self):
        """The state after what was really used."""
        if self._used:
            normal = self.state.normal
            self.state = draw_unit64(self.state, self._used)[1].with_normal(normal)
            self._values, self._used = self._values[self._used :], 0
        return self.state

    def uniform(self):
        if self._used == len(self._values):
            self.settle()
            self._fetch(1024)
        value = self._values[self._used]
        self._used += 1
        return value

    def normal(self):
        spare = self.state.normal
        if spare is not None:
            self.state = self.state.with_normal(None)
            return spare
        angle = 2 * math.pi * self.uniform()
        radius = math.sqrt(-2 * math.log1p(-self.uniform()))
        self.state = self.state.with_normal(radius * math.sin(angle))
        return radius * math.cos(angle)


def draw_gamma(state, concentration):
    """Gamma(concentration, 1) samples, of the array's shape and dtype (float32 or float64).

    G. Marsaglia and W. Tsang, "A simple method for generating gamma variables", 2000.
    """
    dtype = concentration.dtype
    reader = _Reader(state)
    work = _FLOAT64 if dtype == _FLOAT64 else _FLOAT32
    samples = [_one_gamma(a, reader) for a in concentration.astype(work).reshape(-1)]
    values = np.maximum(np.array(samples, work), np.finfo(work).tiny)
    return round_to(values, dtype).reshape(concentration.shape), reader.settle()


def _one_gamma(concentration, reader):
    # `concentration` keeps its dtype: float32 arithmetic here is float32 arithmetic in PyTorch.
    kind = type(concentration)
    scale = 1.0
    if concentration < 1:
        if concentration == 0:
            return 0.0
        scale = (1 - reader.uniform()) ** float(kind(1) / concentration)
        concentration = concentration + kind(1)
    d = float(concentration - kind(np.float32(1) / np.float32(3)))
    c = 1.0 / math.sqrt(9.0 * d)
    squeeze = float(np.float32(0.0331))
    while True:
        x = reader.normal()
        y = 1.0 + c * x
        if y <= 0:
            continue
        v = y * y * y
        u = 1 - reader.uniform()
        square = x * x
        if u < 1.0 - squeeze * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


def draw_dirichlet(state, concentration):
    """Dirichlet samples along the last axis: normalised gamma samples.

    In float64 the sum's order may differ from PyTorch's: equal to 1 ulp, not bit for bit.
    """
    dtype = concentration.dtype
    gamma, state = draw_gamma(state, concentration.astype(np.float64))
    share = round_to(gamma / gamma.sum(axis=-1, keepdims=True), dtype)
    limit = np.nextafter(dtype.type(1), dtype.type(0))
    return np.clip(share, np.finfo(dtype).tiny, limit), state


def draw_poisson(state, rate):
    """Poisson(rate) samples, of the array's shape and dtype.

    Rates of 10 and more: W. Hormann, "The transformed rejection method for generating Poisson
    random variables", 1993. Smaller: multiply uniforms until the product passes exp(-rate).
    """
    reader = _Reader(state)
    rates = rate.astype(np.float64).reshape(-1).tolist()
    samples = [_one_poisson(r, reader) for r in rates]
    values = round_to(np.array(samples, np.float64), rate.dtype)
    return values.reshape(rate.shape), reader.settle()


def _one_poisson(rate, reader):
    if not rate >= 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    if rate >= 10:
        return _large_poisson(rate, reader)
    if rate == 0:
        return 0
    limit, product, events = math.exp(-rate), reader.uniform(), 0
    while product > limit:
        product *= reader.uniform()
        events += 1
    return events


def _large_poisson(rate, reader):
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    log_inverse_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    v_inside = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = reader.uniform() - 0.5
        v = reader.uniform()
        edge = 0.5 - abs(u)
        if edge == 0:
            continue
        k = math.floor((2 * a / edge + b) * u + rate + 0.43)
        if edge >= 0.07 and v <= v_inside:
            return k
        if k < 0 or (edge < 0.013 and v > edge) or v == 0:
            continue
        left = math.log(v) + log_inverse_alpha - math.log(a / (edge * edge) + b)
        if left <= -rate + k * log_rate - math.lgamma(k + 1):
            return k


def draw_binomial(state, count, probability):
    """Binomial samples for two float arrays of one shape and dtype: successes in `count` trials.

    Ten expected successes and more: W. Hormann, "The generation of binomial random variates",
    1993 (BTRS). Fewer: geometric gaps are added up until they pass `count`.
    """
    reader = _Reader(state)
    dtype = count.dtype
    work = _FLOAT64 if dtype == _FLOAT64 else _FLOAT32
    pairs = zip(count.astype(work).reshape(-1), probability.astype(work).reshape(-1))
    samples = [_one_binomial(n, p, reader) for n, p in pairs]
    values = round_to(np.array(samples, np.float64), dtype)
    return values.reshape(count.shape), reader.settle()


def _one_binomial(count, probability, reader):
    kind = type(count)
    if count <= 0 or probability <= 0:
        return 0.0
    if probability >= 1:
        return float(count)
    if math.isnan(probability):
        return math.nan
    mirrored = probability > 0.5
    if mirrored:
        probability = kind(1.0 - float(probability))
    sample = _large_binomial if count * probability >= 10 else _small_binomial
    successes = sample(count, probability, reader)
    return float(count) - successes if mirrored else successes


def _small_binomial(count, probability, reader):
    log_failure = float(type(count)(math.log1p(-float(probability))))
    trials, successes = 0.0, 0.0
    while True:
        u = reader.uniform()
        trials += math.ceil(math.log(u) / log_failure) if u > 0 else math.inf
        if trials > count:
            return successes
        successes += 1


_STIRLING_TAILS = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def _stirling_tail(k):
    """log(k!) minus Stirling's approximation of it."""
    if k < len(_STIRLING_TAILS):
        return _STIRLING_TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def _large_binomial(count, probability, reader):
    kind = type(count)
    spread = float(np.sqrt(count * probability * (kind(1) - probability)))
    odds = float(probability / (kind(1) - probability))
    centre = float(count * probability) + 0.5
    mode = float(np.floor((count + kind(1)) * probability))
    count, probability = float(count), float(probability)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * probability
    v_inside = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * spread
    while True:
        u = reader.uniform() - 0.5
        v = reader.uniform()
        edge = 0.5 - abs(u)
        if edge == 0:
            continue
        k = float(kind(math.floor((2 * a / edge + b) * u + centre)))
        if k < 0 or k > count:
            continue
        if edge >= 0.07 and v <= v_inside:
            return k
        if v == 0:
            return k
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if math.log(v * alpha / (a / (edge * edge) + b)) <= bound:
            return k
