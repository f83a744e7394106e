"""NumPy's handler of the scalar words: bodies run on whole arrays."""

from __future__ import annotations

import numpy as np

from . import special


def _fma(a, b, c):
    return a * b + c


def _sign(x):
    return x if np.asarray(x).dtype.kind == "b" else np.sign(x)


def _floordiv(a, b):
    if np.result_type(a, b).kind in "iub":
        if np.any(np.equal(b, 0)):
            raise RuntimeError("ZeroDivisionError")
        return np.floor_divide(a, b)
    # C's algorithm, as PyTorch rounds it: fmod, then correct the quotient.
    mod = np.fmod(a, b)
    quotient = (a - mod) / b
    quotient = np.where((mod != 0) & ((b < 0) != (mod < 0)), quotient - 1, quotient)
    floor = np.floor(quotient)
    floor = np.where(quotient - floor > 0.5, floor + 1, floor)
    result = np.where(quotient != 0, floor, np.copysign(0, a / b))
    return np.where(b == 0, np.divide(a, b), result)


class NumpyWords:
    """See `rushlight.core.ops.words.WORDS`; each word is a function of arrays and numbers."""

    add, sub, mul, div = np.add, np.subtract, np.multiply, np.true_divide
    neg, abs, fmod, mod = np.negative, np.abs, np.fmod, np.mod
    fma = staticmethod(_fma)
    sign = staticmethod(_sign)
    floordiv = staticmethod(_floordiv)
    pow = np.power
    floor, ceil, trunc, round = np.floor, np.ceil, np.trunc, np.rint
    eq, ne, lt, le, gt, ge = (np.equal, np.not_equal, np.less, np.less_equal, np.greater,
                              np.greater_equal)
    select = staticmethod(np.where)
    maximum, minimum, fmax, fmin = np.maximum, np.minimum, np.fmax, np.fmin
    logical_and, logical_or = np.logical_and, np.logical_or
    logical_xor, logical_not = np.logical_xor, np.logical_not
    bit_and, bit_or, bit_xor, bit_not = (np.bitwise_and, np.bitwise_or, np.bitwise_xor,
                                         np.bitwise_not)
    shift_left, shift_right = np.left_shift, np.right_shift
    exp, exp2, expm1 = np.exp, np.exp2, np.expm1
    log, log2, log10, log1p = np.log, np.log2, np.log10, np.log1p
    sqrt, reciprocal = np.sqrt, np.reciprocal
    sin, cos, tan = np.sin, np.cos, np.tan
    asin, acos, atan, atan2 = np.arcsin, np.arccos, np.arctan, np.arctan2
    sinh, cosh, tanh = np.sinh, np.cosh, np.tanh
    asinh, acosh, atanh = np.arcsinh, np.arccosh, np.arctanh
    erf, erfc = staticmethod(special.erf), staticmethod(special.erfc)
    erfinv = staticmethod(special.erfinv)
    lgamma, digamma = staticmethod(special.lgamma), staticmethod(special.digamma)
    hypot, copysign, nextafter = np.hypot, np.copysign, np.nextafter
    isnan, isinf, isfinite, signbit = np.isnan, np.isinf, np.isfinite, np.signbit
    real, imag, conj = staticmethod(np.real), staticmethod(np.imag), np.conjugate

    @staticmethod
    def rsqrt(x):
        return np.reciprocal(np.sqrt(x))

    @staticmethod
    def complex(real, imag):
        kind = np.complex128 if np.result_type(real, imag) == np.float64 else np.complex64
        real, imag = np.broadcast_arrays(real, imag)
        made = np.empty(real.shape, kind)
        made.real, made.imag = real, imag
        return made

    @staticmethod
    def cast(x, dtype):
        return np.asarray(x).astype(dtype.np)


WORDS = NumpyWords()
