"""PyTorch's old class per dtype (`FloatTensor`, `LongTensor`, ...): constructors and type tests.

They are no classes of tensors: every tensor is a `Tensor`. ``FloatTensor(2, 3)`` makes a tensor of
that dtype, and ``isinstance(x, FloatTensor)`` asks for `x`'s dtype.
"""

from __future__ import annotations

from ..base import dtypes as dt
from .from_data import legacy_tensor
from .tensor import Tensor

_DTYPES = {
    "DoubleTensor": dt.float64,
    "FloatTensor": dt.float32,
    "HalfTensor": dt.float16,
    "BFloat16Tensor": dt.bfloat16,
    "LongTensor": dt.int64,
    "IntTensor": dt.int32,
    "ShortTensor": dt.int16,
    "CharTensor": dt.int8,
    "ByteTensor": dt.uint8,
    "BoolTensor": dt.bool_,
}


class tensortype(type):  # noqa: N801 - the name it has in PyTorch
    """The class of the classes below: their calls make a Tensor, their instances are a dtype's."""

    _dtype: dt.dtype

    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor) and instance.dtype is cls._dtype

    def __call__(cls, *data, device=None):
        return legacy_tensor(Tensor, data, device, cls._dtype)

    @property
    def dtype(cls):
        """The dtype this class stands for."""
        return cls._dtype


def _tensor_type(name, dtype):
    text = f"``{name}(sizes...)``, ``{name}(data)``: a tensor of {dtype}."
    return tensortype(name, (), {"_dtype": dtype, "__module__": "torch", "__doc__": text})


TENSOR_TYPES = {name: _tensor_type(name, dtype) for name, dtype in _DTYPES.items()}
globals().update(TENSOR_TYPES)
