"""LLVM's handler of the scalar words: bodies become vector instructions.

Values are `Lane`s: an IR value (scalar or vector) and its dtype. float16 and bfloat16 are carried
as float. The transcendental words are in `vector_math`; a word that is not written for a dtype
raises `Unsupported`, and the op stays with the interpreter.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..base import dtypes as dt
from ..base.dtypes import dtype as Dtype
from . import vector_remainder
from .emit import Builder, Value
from .llvm_types import element_type, lanes_of, vector


class Unsupported(Exception):
    """A word or dtype that has no native form."""


class Lane(NamedTuple):
    """One element, or one vector of elements, of a dtype."""

    value: Value
    dtype: Dtype


def round_half(b: Builder, value: Value, dtype: Dtype) -> Value:
    """A float rounded to float16 or bfloat16 (to nearest, ties to even), as LLVM's type for it."""
    lanes = lanes_of(value.type)
    if dtype is dt.float16:
        return b.cast(value, vector("half", lanes))
    # In integers: the CPU's own instruction flushes subnormal numbers to zero.
    bits = b.bitcast(value, vector("i32", lanes))
    odd = b.logical_shift_right(bits, 16) & 1
    rounded = b.select(b.unordered(value, value), bits | 0x400000, bits + odd + 0x7FFF)
    short = b.cast(b.logical_shift_right(rounded, 16), vector("i16", lanes))
    return b.bitcast(short, vector("bfloat", lanes))


_COMPUTE = {"bool": "i1", "uint8": "i8", "int8": "i8", "int16": "i16", "uint16": "i16",
            "int32": "i32", "uint32": "i32", "int64": "i64", "uint64": "i64", "float16": "float",
            "bfloat16": "float", "float32": "float", "float64": "double"}


class Words:
    """See `rushlight.core.ops.words.WORDS`. Operands: Lanes, or Python numbers in constants."""

    def __init__(self, b: Builder, target, lanes: int):
        self.b, self.target, self.lanes = b, target, lanes

    @staticmethod
    def compute_type(dtype: Dtype) -> str:
        """LLVM's element type in which a dtype is computed."""
        try:
            return _COMPUTE[dtype.name]
        except KeyError:
            raise Unsupported(f"{dtype} has no native arithmetic") from None

    def type_of(self, dtype: Dtype) -> str:
        """The word `type_of`."""
        return vector(self.compute_type(dtype), self.lanes)

    # operands
    def lane(self, x, dtype: Dtype) -> Lane:
        """A Lane of all lanes: Python numbers become constants of `dtype`."""
        if isinstance(x, Lane):
            return self.widen(x)
        if isinstance(x, complex):
            raise Unsupported("complex numbers")
        if dtype.category < 2 and isinstance(x, float):
            dtype = dt.float32
        return Lane(self.b.constant(self.type_of(dtype), x), dtype)

    def widen(self, lane: Lane) -> Lane:
        """A scalar repeated in every lane."""
        if lanes_of(lane.value.type) == self.lanes:
            return lane
        return Lane(self.b.splat(lane.value, self.lanes), lane.dtype)

    def _common(self, *operands) -> list[Lane]:
        """All operands as Lanes of one dtype."""
        kinds = [o.dtype for o in operands if isinstance(o, Lane)]
        if not kinds:
            raise Unsupported("a word of Python numbers alone")
        kind = kinds[0]
        for other in kinds[1:]:
            if other is not kind:
                if other.category > kind.category or \
                        (other.category == kind.category and other.rank > kind.rank):
                    kind = other
        if kind.category < 2 and any(isinstance(o, float) for o in operands):
            raise Unsupported("an integer word with a float")
        return [self.cast(o, kind) if isinstance(o, Lane) else self.lane(o, kind)
                for o in operands]

    def _float(self, x) -> Lane:
        if x.dtype.category != 2:
            raise Unsupported("a word of floating-point numbers")
        return x

    # arithmetic
    def add(self, a, b):
        """The word `add`."""
        a, b = self._common(a, b)
        if a.dtype is dt.bool_:
            return Lane(a.value | b.value, a.dtype)
        return Lane(a.value + b.value, a.dtype)

    def sub(self, a, b):
        """The word `sub`."""
        a, b = self._common(a, b)
        if a.dtype is dt.bool_:
            raise Unsupported("bool subtraction")
        return Lane(a.value - b.value, a.dtype)

    def mul(self, a, b):
        """The word `mul`."""
        a, b = self._common(a, b)
        if a.dtype is dt.bool_:
            return Lane(a.value & b.value, a.dtype)
        return Lane(a.value * b.value, a.dtype)

    def div(self, a, b):
        """The word `div`."""
        a, b = self._common(a, b)
        self._float(a)
        return Lane(a.value / b.value, a.dtype)

    def fma(self, a, b, c):
        """The word `fma`."""
        # The interpreter multiplies and adds with two roundings, and so does PyTorch here.
        return self.add(self.mul(a, b), c)

    def neg(self, x):
        """The word `neg`."""
        if not isinstance(x, Lane):
            return -x
        if x.dtype is dt.bool_:
            raise Unsupported("the negative of a bool")
        return Lane(-x.value, x.dtype)

    def abs(self, x):
        """The word `abs`."""
        if x.dtype is dt.bool_ or (x.dtype.category == 1 and not x.dtype.is_signed):
            return x
        if x.dtype.category == 2:
            return self._intrinsic("fabs", x)
        return Lane(self.b.select(x.value < 0, -x.value, x.value), x.dtype)

    def sign(self, x):
        """The word `sign`."""
        if x.dtype is dt.bool_:
            return x
        b = self.b
        kind = x.value.type
        zero = b.constant(kind, 0)
        if not x.dtype.is_signed:
            one = b.constant(kind, 1)
            return Lane(b.select(b.compare("ne", x.value, zero), one, zero), x.dtype)
        low = b.select(x.value < 0, b.constant(kind, -1), zero)
        found = b.select(x.value > 0, b.constant(kind, 1), low)
        return Lane(found, x.dtype)      # 0 for NaN, as PyTorch has it

    def floordiv(self, a, b):
        """The word `floordiv`."""
        return self._remainder("floordiv", a, b)

    def mod(self, a, b):
        """The word `mod`."""
        return self._remainder("mod", a, b)

    def fmod(self, a, b):
        """The word `fmod`."""
        return self._remainder("fmod", a, b)

    def pow(self, a, b):
        """The word `pow`."""
        a, b = self._common(a, b)
        if a.dtype.category == 1:
            found = vector_remainder.integer_power(self.b, a.value, b.value,
                                                   not a.dtype.is_signed)
            return Lane(found, a.dtype)
        return self._math("pow", a, b)

    def _remainder(self, name, a, b):
        # Integers: a divisor of zero must be refused, which a word cannot do.
        a, b = self._common(a, b)
        self._float(a)
        return Lane(getattr(vector_remainder, name)(self.b, a.value, b.value), a.dtype)

    # rounding
    def _intrinsic(self, name, x):
        return Lane(self.b.intrinsic(name, x.value.type, x.value), x.dtype)

    def _rounding(self, name, x):
        return x if x.dtype.category < 2 else self._intrinsic(name, x)

    def floor(self, x):
        """The word `floor`."""
        return self._rounding("floor", x)

    def ceil(self, x):
        """The word `ceil`."""
        return self._rounding("ceil", x)

    def trunc(self, x):
        """The word `trunc`."""
        return self._rounding("trunc", x)

    def round(self, x):
        """The word `round`."""
        return self._rounding("roundeven", x)

    # comparison and selection
    def _compare(self, name, a, b):
        a, b = self._common(a, b)
        unsigned = a.dtype.category == 0 or not a.dtype.is_signed
        return Lane(self.b.compare(name, a.value, b.value, unsigned), dt.bool_)

    def eq(self, a, b):
        """The word `eq`."""
        return self._compare("eq", a, b)

    def ne(self, a, b):
        """The word `ne`."""
        return self._compare("ne", a, b)

    def lt(self, a, b):
        """The word `lt`."""
        return self._compare("lt", a, b)

    def le(self, a, b):
        """The word `le`."""
        return self._compare("le", a, b)

    def gt(self, a, b):
        """The word `gt`."""
        return self._compare("gt", a, b)

    def ge(self, a, b):
        """The word `ge`."""
        return self._compare("ge", a, b)

    def truth(self, x) -> Value:
        """An operand as i1."""
        if not isinstance(x, Lane):
            return self.b.constant(vector("i1", self.lanes), bool(x))
        if x.dtype is dt.bool_:
            return x.value
        return self.b.compare("ne", x.value, 0)

    def select(self, condition, a, b):
        """The word `select`."""
        if not isinstance(condition, Lane):
            raise Unsupported("a constant condition")
        a, b = self._common(a, b)
        return Lane(self.b.select(self.truth(condition), a.value, b.value), a.dtype)

    def _extremum(self, a, b, word, ignore_nan):
        a, b = self._common(a, b)
        e = self.b
        if a.dtype.category < 2:
            unsigned = a.dtype.category == 0 or not a.dtype.is_signed
            return Lane(e.select(e.compare(word, a.value, b.value, unsigned), a.value, b.value),
                        a.dtype)
        # Equal operands (0.0 and -0.0) give the first, as NumPy does.
        first = e.compare("ge" if word == "gt" else "le", a.value, b.value)
        nan = e.unordered(*((b.value, b.value) if ignore_nan else (a.value, a.value)))
        return Lane(e.select(first | nan, a.value, b.value), a.dtype)

    def maximum(self, a, b):
        """The word `maximum`."""
        return self._extremum(a, b, "gt", False)

    def minimum(self, a, b):
        """The word `minimum`."""
        return self._extremum(a, b, "lt", False)

    def fmax(self, a, b):
        """The word `fmax`."""
        return self._extremum(a, b, "gt", True)

    def fmin(self, a, b):
        """The word `fmin`."""
        return self._extremum(a, b, "lt", True)

    # logic and bits
    def logical_and(self, a, b):
        """The word `logical_and`."""
        return Lane(self.truth(a) & self.truth(b), dt.bool_)

    def logical_or(self, a, b):
        """The word `logical_or`."""
        return Lane(self.truth(a) | self.truth(b), dt.bool_)

    def logical_xor(self, a, b):
        """The word `logical_xor`."""
        return Lane(self.truth(a) ^ self.truth(b), dt.bool_)

    def logical_not(self, x):
        """The word `logical_not`."""
        return Lane(self.truth(x) ^ self.b.constant(vector("i1", self.lanes), True), dt.bool_)

    def _bits(self, a, b):
        a, b = self._common(a, b)
        if a.dtype.category > 1:
            raise Unsupported("bits of a float")
        return a, b

    def bit_and(self, a, b):
        """The word `bit_and`."""
        a, b = self._bits(a, b)
        return Lane(a.value & b.value, a.dtype)

    def bit_or(self, a, b):
        """The word `bit_or`."""
        a, b = self._bits(a, b)
        return Lane(a.value | b.value, a.dtype)

    def bit_xor(self, a, b):
        """The word `bit_xor`."""
        a, b = self._bits(a, b)
        return Lane(a.value ^ b.value, a.dtype)

    def bit_not(self, x):
        """The word `bit_not`."""
        if x.dtype.category > 1:
            raise Unsupported("bits of a float")
        return Lane(x.value ^ self.b.constant(x.value.type, True if x.dtype is dt.bool_ else -1),
                    x.dtype)

    def shift_left(self, a, b):
        """The word `shift_left`."""
        a, b = self._bits(a, b)
        return Lane(vector_remainder.shift_left(self.b, a.value, b.value), a.dtype)

    def shift_right(self, a, b):
        """The word `shift_right`."""
        a, b = self._bits(a, b)
        found = vector_remainder.shift_right(self.b, a.value, b.value, not a.dtype.is_signed)
        return Lane(found, a.dtype)

    # transcendental
    def _math(self, name, *operands) -> Any:
        from . import vector_math
        operands = self._common(*operands)
        function = vector_math.FUNCTIONS.get(name)
        if function is None or operands[0].dtype.category != 2:
            raise Unsupported(f"{name} of {operands[0].dtype}")
        kind = element_type(operands[0].value.type)
        found = function(self.b, self.target, kind, *[o.value for o in operands])
        return Lane(found, operands[0].dtype)

    def sqrt(self, x):
        """The word `sqrt`."""
        return self._intrinsic("sqrt", self._float(x))

    def reciprocal(self, x):
        """The word `reciprocal`."""
        self._float(x)
        return Lane(self.b.arithmetic("fdiv", 1.0, x.value), x.dtype)

    def rsqrt(self, x):
        """The word `rsqrt`."""
        return self.reciprocal(self.sqrt(x))

    def copysign(self, a, b):
        """The word `copysign`."""
        a, b = self._common(a, b)
        self._float(a)
        return Lane(self.b.intrinsic("copysign", a.value.type, a.value, b.value), a.dtype)

    def nextafter(self, a, b):
        """The word `nextafter`."""
        a, b = self._common(a, b)
        self._float(a)
        if a.dtype.half:
            raise Unsupported("nextafter of a 16-bit float")
        return Lane(vector_remainder.nextafter(self.b, a.value, b.value), a.dtype)

    # classification
    def isnan(self, x):
        """The word `isnan`."""
        if x.dtype.category < 2:
            return Lane(self.b.constant(vector("i1", self.lanes), False), dt.bool_)
        return Lane(self.b.unordered(x.value, x.value), dt.bool_)

    def isinf(self, x):
        """The word `isinf`."""
        if x.dtype.category < 2:
            return Lane(self.b.constant(vector("i1", self.lanes), False), dt.bool_)
        return Lane(self.b.compare("eq", self._intrinsic("fabs", x).value, math.inf), dt.bool_)

    def isfinite(self, x):
        """The word `isfinite`."""
        if x.dtype.category < 2:
            return Lane(self.b.constant(vector("i1", self.lanes), True), dt.bool_)
        return Lane(self.b.compare("lt", self._intrinsic("fabs", x).value, math.inf), dt.bool_)

    def signbit(self, x):
        """The word `signbit`."""
        if x.dtype.category < 2:
            if x.dtype is dt.bool_ or not x.dtype.is_signed:
                return Lane(self.b.constant(vector("i1", self.lanes), False), dt.bool_)
            return Lane(x.value < 0, dt.bool_)
        bits = "i64" if element_type(x.value.type) == "double" else "i32"
        return Lane(self.b.bitcast(x.value, vector(bits, self.lanes)) < 0, dt.bool_)

    # complex
    def real(self, x):
        """The word `real`."""
        if isinstance(x, Lane) and x.dtype.category < 3:
            return x
        raise Unsupported("complex numbers")

    conj = real

    def imag(self, x):
        """The word `imag`."""
        raise Unsupported("complex numbers")

    def complex(self, a, b):
        """The word `complex`."""
        raise Unsupported("complex numbers")

    # conversion
    def cast(self, x, dtype: Dtype) -> Lane:
        """C's conversion (narrow integers through int64); to bool: whether it is not zero."""
        if not isinstance(x, Lane):
            return self.lane(x, dtype)
        if x.dtype is dtype:
            return x
        b = self.b
        lanes = lanes_of(x.value.type)
        want = vector(self.compute_type(dtype), lanes)
        if dtype is dt.bool_:
            return Lane(b.compare("ne", x.value, 0), dtype)
        unsigned = x.dtype.category == 0 or (x.dtype.category == 1 and not x.dtype.is_signed)
        if x.dtype.category == 2 and dtype.category == 1:
            if dtype is dt.uint64:
                raise Unsupported("float to uint64")
            # As x86's instruction: out of range and NaN give the smallest int64.
            wide = b.cast(x.value, vector("i64", lanes))
            wrong = b.unordered(x.value, x.value) | (x.value >= 9223372036854775808.0)
            wide = b.select(wrong, b.constant(vector("i64", lanes), -(1 << 63)), wide)
            return Lane(b.cast(wide, want), dtype)
        found = Lane(b.cast(x.value, want, unsigned), dtype)
        if dtype.half:
            found = Lane(b.cast(round_half(b, found.value, dtype), want), dtype)
        return found


def _transcendental(name):
    def word(self, *operands):
        """The word `word`."""
        return self._math(name, *operands)
    word.__name__ = name
    return word


for _name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin",
              "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf",
              "erfc", "erfinv", "lgamma", "digamma", "hypot"):
    setattr(Words, _name, _transcendental(_name))
