"""Questions about tensors and about the library's settings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base import dtypes as dt
from ..base import promotion
from ..base.device import CPU, check_device, device
from .tensor import Tensor


def is_tensor(obj):
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj):
    """Whether `obj` is a storage."""
    from .storage import UntypedStorage
    return isinstance(obj, UntypedStorage) or type(obj).__name__ == "TypedStorage"


def is_floating_point(input):  # noqa: A002
    """Whether the dtype is a real floating-point type."""
    return input.dtype.is_floating_point


def is_complex(input):  # noqa: A002
    """Whether the dtype is complex."""
    return input.dtype.is_complex


def is_conj(input):  # noqa: A002
    """False: conjugation is computed, never a flag."""
    return False


def is_neg(input):  # noqa: A002
    """False: negation is computed, never a flag."""
    return False


def is_inference(input):  # noqa: A002
    """Whether the tensor was made in inference mode."""
    return input.is_inference()


def is_signed(input):  # noqa: A002
    """Whether the dtype has negative numbers."""
    return input.dtype.is_signed


def is_same_size(input, other):  # noqa: A002
    """Whether both have the same shape."""
    return input.shape == other.shape


def is_nonzero(input):  # noqa: A002
    """Whether the one element is not zero. RuntimeError for another number of elements."""
    if input.numel() != 1:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous"
                           if not input.numel() else
                           "Boolean value of Tensor with more than one value is ambiguous")
    return bool(input.item())


def numel(input):  # noqa: A002
    """The number of elements."""
    return input.numel()


def get_device(input):  # noqa: A002
    """-1, the CPU."""
    return -1


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):  # noqa: A002
    """``|input - other| <= atol + rtol * |other|``, elementwise."""
    import rushlight as r
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{_label(input.dtype)} did not match {_label(other.dtype)}")
    if rtol < 0 or atol < 0:
        which, value = ("rtol", rtol) if rtol < 0 else ("atol", atol)
        raise RuntimeError(f"{which} must be greater than or equal to zero, but got {value:g}")
    close = input == other
    if equal_nan and input.dtype.category > 1:
        close = close | ((input != input) & (other != other))
    if rtol == 0 and atol == 0:
        return close
    a, b = input, other
    if a.dtype.category < 2:
        a, b = a.to(r.get_default_dtype()), b.to(r.get_default_dtype())
    error = (a - b).abs()
    return close | (error.isfinite() & (error <= (b.abs() * rtol + atol)))


def _label(d):
    from .tensor import _NAMES
    return _NAMES[d.name]


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):  # noqa: A002
    """Whether all elements are close (see `isclose`)."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


def equal(input, other):  # noqa: A002
    """Whether both have the same shape and the same elements."""
    if not isinstance(other, Tensor):
        raise TypeError("equal(): argument 'other' (position 2) must be Tensor, not "
                        f"{type(other).__name__}")
    if input.shape != other.shape:
        return False
    return bool(np.array_equal(input._array(), other._array()))


def result_type(tensor1, tensor2):
    """The dtype that an arithmetic operation on both (tensors or numbers) would give."""
    operands = [t._meta if isinstance(t, Tensor) else type(t) for t in (tensor1, tensor2)]
    return promotion.result_dtype(operands)


def typename(obj):
    """The type's name: ``'torch.FloatTensor'``."""
    if isinstance(obj, Tensor):
        return obj.type()
    module = type(obj).__module__
    return type(obj).__name__ if module in ("builtins", "__builtin__") else \
        f"{module}.{type(obj).__qualname__}"


# ---- settings -------------------------------------------------------------------------------

_settings: dict[str, Any] = {"threads": None, "interop": None, "deterministic": False,
                             "warn_only": False, "precision": "highest", "device": CPU}


def get_num_threads():
    """The number of threads for computing."""
    if _settings["threads"] is None:
        from ..codegen.pool import processors
        _settings["threads"] = processors()
    return _settings["threads"]


def set_num_threads(n):
    """Set the number of threads for computing. RuntimeError unless positive.

    It changes no result. Native plans follow at once; so does NumPy's BLAS, which the
    interpreter's matrix products run in, where it is the OpenBLAS of NumPy's wheels.
    """
    if not isinstance(n, int) or n <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    from ..runtime.threads import set_threads
    _settings["threads"] = n
    set_threads(n)


def get_num_interop_threads():
    """The number of threads for independent operations: one."""
    return _settings["interop"] or 1


def set_num_interop_threads(n):
    """Accepted for compatibility; independent operations run one after the other."""
    if n <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _settings["interop"] = n


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Make two runs of a program give the same bits: plans are compiled before their first run.

    Otherwise a plan that repeats runs interpreted until its native form is ready, and when that is
    depends on the machine: both forms are right, but they round differently. RUSHLIGHT_JIT=0 and
    RUSHLIGHT_JIT=sync are deterministic as they are.
    """
    from ..runtime.compiler import compile_at_once
    _settings["deterministic"], _settings["warn_only"] = bool(mode), bool(warn_only)
    compile_at_once(bool(mode))


def are_deterministic_algorithms_enabled():
    """The recorded setting."""
    return _settings["deterministic"]


def is_deterministic_algorithms_warn_only_enabled():
    """The recorded setting."""
    return _settings["warn_only"]


def set_float32_matmul_precision(precision):
    """Recorded only: products are always computed in full precision."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"Invalid precision: {precision}")
    _settings["precision"] = precision


def get_float32_matmul_precision():
    """The recorded setting."""
    return _settings["precision"]


def set_default_device(where):
    """The device of new tensors; only the CPU exists."""
    _settings["device"] = check_device(where)


def get_default_device():
    """The device of new tensors."""
    return _settings["device"] if isinstance(_settings["device"], device) else CPU


def set_default_tensor_type(t):
    """Old form of `set_default_dtype`: takes ``torch.DoubleTensor`` or its name."""
    from .typed_classes import TENSOR_TYPES
    if isinstance(t, str):
        t = TENSOR_TYPES[t.rpartition(".")[2]]
    dt.set_default_dtype(t._dtype)


def set_flush_denormal(mode):
    """False: denormal numbers are never flushed."""
    return False


def set_warn_always(b):
    """Accepted; warnings follow Python's own filters."""


def is_warn_always_enabled():
    """False."""
    return False


def compiled_with_cxx11_abi():
    """True, as on every current platform."""
    return True


EXPORTS = {name: value for name, value in list(globals().items())
           if callable(value) and getattr(value, "__module__", "") == __name__
           and not name.startswith("_")}
for _name in ("isclose", "allclose", "equal", "is_nonzero"):
    setattr(Tensor, _name, EXPORTS[_name])

__all__ = ["EXPORTS", "math"]
