"""Special functions that NumPy lacks, vectorised; float64 accurate, float32 in float32 for erf.

erf, erfc, erfcx: a polynomial in x^2 for |x| <= 1; elsewhere exp(x^2) erfc(x) (1 + 2x) as a
polynomial in t = (x - K) / (x + K), K = 3.75: M. M. Shepherd and J. G. Laframboise, "Chebyshev
Approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf" (1981). lgamma: Stirling's series after
the recurrence, a polynomial near 1 and 2, reflection for negative x. digamma: recurrence to x >= 10
and the asymptotic series. The coefficients here are Chebyshev interpolants computed to 40 digits.
"""

from __future__ import annotations

import math

import numpy as np

BLOCK = 1 << 15     # elements that stay in the cache through all steps of a polynomial


def blocks(function):
    """`function` of one float array, run in pieces; integers are computed as float64."""
    def run(x):
        x = np.asarray(x)
        if x.dtype.kind != "f":
            x = x.astype(np.float64)
        if x.size <= BLOCK:
            return np.asarray(function(x))
        flat = x.reshape(-1)
        found = np.empty(flat.shape, x.dtype)
        for start in range(0, flat.size, BLOCK):
            found[start:start + BLOCK] = function(flat[start:start + BLOCK])
        return found.reshape(x.shape)
    run.__name__ = function.__name__
    run.__doc__ = function.__doc__
    return run


def horner(coefficients, x):
    """The polynomial with these coefficients, the highest power first."""
    kind = x.dtype.type
    found = np.full(x.shape, coefficients[0], x.dtype)
    for c in coefficients[1:]:
        found *= x
        found += kind(c)
    return found


_SCALED = (
    8.916040964328047e-13, 1.3068191498742313e-11, -4.667871873921511e-12,
    -1.648723905764916e-10, -2.8647901577608424e-11, 1.1880816590690471e-09,
    5.416891408114879e-10, -7.071554920304645e-09, -4.402084619990294e-09,
    4.160406053555421e-08, 2.431798216922289e-08, -2.6166980230658226e-07,
    -5.82917973030504e-08, 1.7537463991343404e-06, -9.72831220057186e-07,
    -1.1445172788698129e-05, 2.238390438612605e-05, 5.164944294209174e-05,
    -0.00029015397717434174, 0.0002937135880191652, 0.001755625832041914,
    -0.009746579546771305, 0.02836227742155761, -0.05869339859061113, 0.09230432116019574,
    -0.10880393014170497, 0.0822767384901511, 0.0035854154854636517, -0.14024059858554702,
    1.2375126308378275)
_SCALED_SINGLE = (
    -0.00022411674674416022, 0.0003963076129893627, 0.001675912217981131,
    -0.009844494859674952, 0.02840925236412726, -0.05864685873554614, 0.09229076959130378,
    -0.10881427014905069, 0.08227841998347046, 0.003586270394024618, -0.1402406583213864,
    1.2375126192677)
_CENTRE = (
    -5.331309531842818e-19, 1.7134720566697406e-17, -5.14606920606157e-16,
    1.448819923762335e-14, -3.7911230278878385e-13, 9.167689206912173e-12,
    -2.0352493691168147e-10, 4.115800541441657e-09, -7.511569160771852e-08,
    1.2233827383720792e-06, -1.7537169441491903e-05, 0.0002175171560415978,
    -0.0022854855611440673, 0.019852496688983708, -0.1405360890227171, 0.9654687386698673)
_CENTRE_SINGLE = (
    -7.557492821680298e-08, 1.2316401734510412e-06, -1.7536824687371807e-05,
    0.00021751198975739192, -0.0022854856569544946, 0.01985249772277959, -0.1405360890155293,
    0.9654687386375511)
_LGAMMA_NEAR_ONE = (
    5.844505909774069e-15, -1.9795547496350816e-14, 3.0627821598372894e-14,
    -1.0944942216827234e-13, 4.913705275645451e-13, -1.7078436660741792e-12,
    5.792597657453633e-12, -2.0337793583684225e-11, 7.17596603642278e-11,
    -2.532571849930228e-10, 8.968122572172521e-10, -3.1887236275284935e-09,
    1.1388722009001936e-08, -4.088510033913532e-08, 1.4765882711357684e-07,
    -5.370743742531178e-07, 1.970257622360619e-06, -7.304641183937758e-06,
    2.744896472504676e-05, -0.00010501237474446809, 0.00041202394010370275,
    -0.0016798229633322602, 0.0073056818275501825, -0.03606170709478783, 0.24674011002723398,
    -0.5772156649015329)


def _scaled(size, coefficients):
    """exp(x^2) erfc(x) for x >= 0."""
    t = 1 - 7.5 / (size + 3.75)
    return horner(coefficients, t) / (1 + 2 * size)


def _gaussian(size):
    """exp(-x^2) without the error of rounding x^2."""
    near = np.trunc(size * 16) / 16
    return np.exp(-near * near) * np.exp(-(size - near) * (size + near))


@blocks
def erf(x):
    """The error function."""
    single = x.dtype == np.float32
    size = np.abs(x)
    square = size * size
    inside = x * horner(_CENTRE_SINGLE if single else _CENTRE, 2 * np.minimum(square, 1) - 1)
    size = np.minimum(size, 28)     # erf is 1 from there on, and x^2 does not overflow
    if single:
        tail = np.exp(-np.minimum(square, 80)) * _scaled(size, _SCALED_SINGLE)
    else:
        tail = _gaussian(size) * _scaled(size, _SCALED)
    return np.where(square <= 1, inside, np.copysign(1 - tail, x))


@blocks
def erfc(x):
    """1 - erf(x), without losing its small values."""
    wide = x.astype(np.float64)
    size = np.minimum(np.abs(wide), 28)
    tail = _gaussian(size) * _scaled(size, _SCALED)
    centre = 1 - wide * horner(_CENTRE, 2 * np.minimum(size * size, 1) - 1)
    return np.where(size <= 0.5, centre, np.where(wide < 0, 2 - tail, tail)).astype(x.dtype)


@blocks
def erfcx(x):
    """exp(x^2) erfc(x)."""
    wide = x.astype(np.float64)
    size = np.abs(wide)
    right = _scaled(size, _SCALED)
    with np.errstate(over="ignore"):
        return np.where(wide < 0, 2 * np.exp(np.minimum(size * size, 800)) - right,
                        right).astype(x.dtype)


def erfinv(x):
    """The inverse of erf on (-1, 1), +-inf at the ends, nan outside.

    M. Giles, "Approximating the erfinv function" (2010), single-precision polynomials, then two
    Newton steps in float64.
    """
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    v = x.astype(np.float64)
    inside = np.where(np.abs(v) < 1, v, 0.0)
    w = -np.log((1 - inside) * (1 + inside))
    near, far = w - 2.5, np.sqrt(np.maximum(w, 5.0)) - 3.0
    centre, tail = np.zeros_like(w), np.zeros_like(w)
    for a, b in zip(_ERFINV_CENTRE, _ERFINV_TAIL):
        centre, tail = centre * near + a, tail * far + b
    found = np.where(w < 5.0, centre, tail) * inside
    for _ in range(2):
        # erf loses the digits of 1 - |x|, which erfc keeps, and erfc those of a small x.
        error = np.where(np.abs(inside) < 0.5, erf(found) - inside,
                         np.sign(inside) * ((1 - np.abs(inside)) - erfc(np.abs(found))))
        found = found - error / (2 / math.sqrt(math.pi) * np.exp(-found * found))
    ends = np.where(np.abs(v) == 1, np.copysign(np.inf, v), np.nan)
    return np.where(np.abs(v) < 1, found, ends).astype(kind)


_ERFINV_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                  -0.00125372503, -0.00417768164, 0.246640727, 1.50140941)
_ERFINV_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)


@blocks
def lgamma(x):
    """The logarithm of |gamma(x)|; inf at the poles."""
    v = x.astype(np.float64)
    with np.errstate(all="ignore"):
        right = np.where(v < 0.5, 1 - v, v)
        found = _lgamma_right(right)
        if (v < 0.5).any():
            wave = np.abs(np.sin(np.pi * (v - np.rint(v))))
            found = np.where(v < 0.5, math.log(math.pi) - np.log(wave) - found, found)
        pole = (v <= 0) & (v == np.floor(v))
        return np.where(pole | np.isinf(v), np.inf, found).astype(x.dtype)


def _lgamma_right(v):
    """lgamma for v >= 0.5."""
    large = v.copy()
    product = np.ones_like(v)
    for _ in range(8):
        small = large < 8
        product = np.where(small, product * large, product)
        large = np.where(small, large + 1, large)
    t = 1 / (large * large)
    series = (1 / 12 - t * (1 / 360 - t * (1 / 1260 - t * (1 / 1680 - t * (1 / 1188 - t * (
        691 / 360360 - t / 156)))))) / large
    found = (large - 0.5) * np.log(large) - large + (0.5 * math.log(2 * math.pi)) + series
    found = found - np.log(product)
    for root in (1.0, 2.0):     # the sum above cancels near the zeros
        offset = v - root
        near = np.abs(offset) < 0.3
        if near.any():
            offset = np.where(near, offset, 0)
            close = offset * horner(_LGAMMA_NEAR_ONE, offset / 0.3)
            found = np.where(near, close + (np.log1p(offset) if root == 2 else 0), found)
    return found


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
