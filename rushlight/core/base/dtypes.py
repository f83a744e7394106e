"""The element types, named and printed as PyTorch names and prints them."""

from __future__ import annotations

import ml_dtypes
import numpy as np

__all__ = ["dtype", "iinfo", "finfo", "DTYPES", "from_numpy_dtype", "get_default_dtype",
           "set_default_dtype"]

_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


class dtype:  # noqa: N801 - PyTorch's own name
    """An element type. Compared by identity; printed as ``torch.float32``."""

    __slots__ = ("name", "np", "itemsize", "category", "is_floating_point", "is_complex",
                 "is_signed", "rank", "half", "_hash")

    def __init__(self, name, np_type, kind, rank):
        self.name = name
        self.np = np.dtype(np_type)
        self.itemsize = self.np.itemsize
        self.category = _CATEGORY[kind]
        self.is_floating_point = kind == "f"
        self.is_complex = kind == "c"
        self.is_signed = kind in "ifc"
        self.rank = rank
        self.half = kind == "f" and self.itemsize == 2

    def __repr__(self):
        return "torch." + self.name

    def __reduce__(self):
        return (_by_name, (self.name,))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    @property
    def is_integral(self):
        """True for the integer types (bool excluded)."""
        return self.category == 1

    def to_real(self):
        """The real type of the same precision: ``complex64.to_real() is float32``."""
        return _TO_REAL.get(self, self)

    def to_complex(self):
        """The complex type of the same precision: ``float32.to_complex() is complex64``."""
        return _TO_COMPLEX.get(self, self)


def _by_name(name):
    return DTYPES[name]


bool_ = dtype("bool", np.bool_, "b", 0)
uint8 = dtype("uint8", np.uint8, "u", 1)
int8 = dtype("int8", np.int8, "i", 1)
int16 = dtype("int16", np.int16, "i", 2)
int32 = dtype("int32", np.int32, "i", 3)
int64 = dtype("int64", np.int64, "i", 4)
uint16 = dtype("uint16", np.uint16, "u", 2)
uint32 = dtype("uint32", np.uint32, "u", 3)
uint64 = dtype("uint64", np.uint64, "u", 4)
float16 = dtype("float16", np.float16, "f", 5)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, "f", 5)
float32 = dtype("float32", np.float32, "f", 6)
float64 = dtype("float64", np.float64, "f", 7)
complex64 = dtype("complex64", np.complex64, "c", 8)
complex128 = dtype("complex128", np.complex128, "c", 9)

DTYPES = {d.name: d for d in (bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64,
                              float16, bfloat16, float32, float64, complex64, complex128)}
_FROM_NUMPY = {d.np: d for d in DTYPES.values()}
_TO_REAL = {complex64: float32, complex128: float64}
_TO_COMPLEX = {float16: complex64, bfloat16: complex64, float32: complex64, float64: complex128}

ALIASES = {"float": float32, "double": float64, "half": float16, "long": int64, "int": int32,
           "short": int16, "cfloat": complex64, "cdouble": complex128}

_default = [float32]


def get_default_dtype() -> dtype:
    """The floating-point type that new tensors of Python floats get."""
    return _default[0]


def set_default_dtype(d: dtype) -> None:
    """Set the default floating-point type (float16, bfloat16, float32 or float64).

    Raises TypeError for anything that is not a floating-point dtype.
    """
    if not isinstance(d, dtype):
        raise TypeError(f"invalid dtype object: {d!r}")
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default[0] = d


def from_numpy_dtype(np_type) -> dtype:
    """The dtype of a NumPy dtype; TypeError where there is none (object, str, ...)."""
    found = _FROM_NUMPY.get(np.dtype(np_type).newbyteorder("="))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type {np.dtype(np_type).type}. The only supported types "
            "are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, "
            "uint64, uint32, uint16, uint8, and bool.")
    return found


class iinfo:  # noqa: N801
    """Limits of an integer type: ``bits``, ``min``, ``max``, ``dtype``."""

    def __init__(self, type: dtype):  # noqa: A002
        if not isinstance(type, dtype):
            raise TypeError("iinfo(): argument 'type' must be torch.dtype")
        if type.category != 1:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to "
                            f"handle '{type}'")
        info = np.iinfo(type.np)
        self.bits, self.min, self.max, self.dtype = info.bits, int(info.min), int(info.max), \
            type.name

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other):
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(self.dtype)


class finfo:  # noqa: N801
    """Limits of a floating-point type: ``bits``, ``eps``, ``min``, ``max``, ``tiny``, ..."""

    def __init__(self, type: dtype | None = None):  # noqa: A002
        if type is None:
            type = get_default_dtype()  # noqa: A001
        if not isinstance(type, dtype):
            raise TypeError("finfo(): argument 'type' must be torch.dtype")
        if type.category < 2:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo "
                            f"to handle '{type}'")
        info = ml_dtypes.finfo(type.to_real().np)
        self.bits, self.eps, self.dtype = info.bits, float(info.eps), type.to_real().name
        self.max, self.min = float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = float(info.resolution)

    def __repr__(self):
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
                f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, "
                f"tiny={self.tiny:g}, dtype={self.dtype})")

    def __eq__(self, other):
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(self.dtype)
