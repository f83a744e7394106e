"""Sharing memory with others: NumPy arrays, buffers, DLPack; and tensors as Python numbers.

See Note [exposed memory] in storage.py: a tensor over somebody else's memory reads and writes it
at once, for as long as anyone else may hold it.
"""

from __future__ import annotations

import warnings

import numpy as np

from ..base import dtypes as dt
from ..base.device import check_device
from ..base.shapes import meta
from ..ops.core_views import as_strided_array, in_memory_order
from ..trace.value import leaf
from .construction import _finish, _zeros, as_dtype
from .dispatch import alias
from .storage import UntypedStorage, _owner, flat_memory
from .tensor import Tensor

_SUPPORTED = (
    "The only supported types are: float64, float32, float16, complex64, complex128, int64, "
    "int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
)
_NOT_WRITABLE = (
    "The given {} is not writable, and PyTorch does not support non-writable tensors. This means "
    "{}. You may want to copy the {} to protect its data or make it writable before converting it "
    "to a tensor. This type of warning will be suppressed for the rest of this program."
)
_INVALID_CAPSULE = (
    "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only "
    "once, so you might have already constructed a tensor from it once."
)
_said: set = set()


def warn_once(text):
    """Warn of something the first time it happens in this process."""
    if text not in _said:
        _said.add(text)
        warnings.warn(text, UserWarning, stacklevel=3)


def array_dtype(ndarray):
    """The dtype of an array whose memory a tensor can have; else TypeError or ValueError."""
    kind = ndarray.dtype
    if kind.hasobject or kind.type not in _NUMPY_TYPES:
        raise TypeError(
            f"can't convert np.ndarray of type {kind.type.__module__}.{kind.type.__name__}. "
            + _SUPPORTED
        )
    size = kind.itemsize
    if not ndarray.flags.c_contiguous:
        _check_strides(ndarray.strides, size)
    if not kind.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported."
        )
    return dt.from_numpy_dtype(kind)


def _check_strides(strides, size):
    if any(stride % size for stride in strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy "
            "array to reallocate the memory."
        )
    if any(stride < 0 for stride in strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().) "
        )


_NUMPY_TYPES = frozenset(d.np.type for d in dt.DTYPES.values())


def from_numpy(ndarray):
    """A tensor over an array's own memory: changes on either side show on the other.

    Raises TypeError for anything that is no array or has no matching dtype, ValueError for
    negative strides.
    """
    if not isinstance(ndarray, np.ndarray):
        kind = type(ndarray)
        place = "" if kind.__module__ == "builtins" else kind.__module__ + "."
        raise TypeError(f"expected np.ndarray (got {place}{kind.__name__})")
    dtype = array_dtype(ndarray)
    if not ndarray.flags.writeable:
        warn_once(
            _NOT_WRITABLE.format(
                "NumPy array", "writing to this tensor will result in undefined behavior", "array"
            )
        )
    return share_array(ndarray, dtype)


def share_array(ndarray, dtype, forever=False):
    """A tensor over an array's memory.

    Memory that NumPy itself allocated is exposed while anyone else holds an array over it. Of
    memory that came from elsewhere (`forever`, a buffer) nobody can tell who holds it.
    """
    size = ndarray.dtype.itemsize
    strides = tuple(s // size for s in ndarray.strides)
    if ndarray.size == 0:
        return _zeros(meta(dtype, ndarray.shape))
    if ndarray.flags.c_contiguous:
        flat = ndarray.reshape(-1)
    else:
        span = 1 + sum((n - 1) * s for n, s in zip(ndarray.shape, strides, strict=True))
        flat = np.lib.stride_tricks.as_strided(
            ndarray, (span,), (size,), subok=False, writeable=ndarray.flags.writeable
        )
    storage = UntypedStorage(leaf(flat, meta(dtype, flat.shape)))
    root = _owner(ndarray)
    storage.expose(None if forever or root.base is not None else root)
    return alias(storage, meta(dtype, ndarray.shape, strides))


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A one-dimensional tensor over the memory of a buffer, its bytes read as `dtype`.

    `count` elements (all, if negative) are taken from `offset` bytes on. Raises ValueError where
    the buffer is empty, too short, or not a whole number of elements.
    """
    dtype = as_dtype(dtype, "frombuffer")
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, item = view.nbytes, dtype.itemsize
    if length == 0 or count == 0:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({length} bytes) minus 1"
        )
    if count < 0:
        if (length - offset) % item:
            raise ValueError(
                f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be "
                f"a multiple of element size ({item})"
            )
        count = (length - offset) // item
    if count * item > length - offset:
        raise ValueError(
            f"requested buffer length ({count} * {item} bytes) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({length} bytes)"
        )
    if view.readonly:
        warn_once(
            _NOT_WRITABLE.format(
                "buffer",
                "you can write to the underlying (supposedly non-writable) buffer using the tensor",
                "buffer",
            )
        )
    array = np.frombuffer(view, np.uint8)[offset : offset + count * item].view(dtype.np)
    made = share_array(array, dtype, forever=True)
    if requires_grad and dtype.category < 2:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return _finish(made, requires_grad)


class _Capsule:
    """A bare DLPack capsule, as NumPy wants to see it."""

    def __init__(self, capsule):
        self._capsule = capsule

    def __dlpack__(self, **_):
        return self._capsule

    def __dlpack_device__(self):
        return (1, 0)


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor over the memory of another library's tensor, or of a DLPack capsule.

    The memory is shared unless `copy` is true. Raises RuntimeError for anything else, and for a
    capsule that has been used.
    """
    if device is not None:
        check_device(device)
    if isinstance(ext_tensor, Tensor):
        made = ext_tensor.detach()
        return made.clone() if copy else made
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise RuntimeError(_INVALID_CAPSULE)
    try:
        array = np.from_dlpack(ext_tensor)
    except (ValueError, TypeError, AttributeError):
        raise RuntimeError(_INVALID_CAPSULE) from None
    made = share_array(array, array_dtype(array), forever=True)
    return made.clone() if copy else made


def _method(function):
    setattr(Tensor, function.__name__, function)
    return function


@_method
def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):  # noqa: N807
    """A DLPack capsule over this tensor's memory. BufferError if it requires a gradient."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if stream is not None and stream != -1:
        raise BufferError("a tensor on the CPU has no stream")
    if self._meta.dtype is dt.bfloat16:
        raise BufferError("rushlight cannot export bfloat16 through DLPack")
    array = np.array(_copy(self)) if copy else self.numpy()
    if max_version is None or np.lib.NumpyVersion(np.__version__) < "2.1.0":
        return array.__dlpack__()
    return array.__dlpack__(max_version=max_version)


@_method
def __dlpack_device__(self):  # noqa: N807
    """The DLPack device: (1, 0), the CPU."""
    return (1, 0)


def _copy(tensor):
    return np.array(tensor._array(), copy=True, order="K")


@_method
def numpy(self, *, force=False):
    """The elements as a NumPy array over the same memory.

    `force=True` is ``self.detach().cpu().numpy()``. Raises RuntimeError for a tensor that requires
    a gradient, TypeError for a dtype that NumPy has not.
    """
    if self.requires_grad:
        if not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        return self.detach().numpy()
    if self._meta.dtype is dt.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    storage = self._storage
    flat = flat_memory(storage.own_array())
    if flat.size == 0 or self._meta.numel == 0:
        return np.empty(self._meta.shape, self._meta.np)
    storage.expose(_owner(flat))
    made = as_strided_array(storage.value.array, self._meta)
    owner = storage.exposed[0]
    if owner is not None:
        # The exported array's base is the owner itself, so that its reference count tells.
        made = np.ndarray(
            self._meta.shape,
            self._meta.np,
            in_memory_order(owner),
            made.__array_interface__["data"][0] - owner.__array_interface__["data"][0],
            self._meta.byte_strides,
        )
    return made


@_method
def __array__(self, dtype=None, copy=None):  # noqa: N807
    """NumPy's protocol: ``np.asarray(tensor)`` shares memory, ``np.array(tensor)`` copies."""
    if copy:
        if self.requires_grad or self._meta.dtype is dt.bfloat16:
            self.numpy()  # raises
        array = _copy(self)
    else:
        array = self.numpy()
    if dtype is None or array.dtype == dtype:
        return array
    if copy is False:
        raise ValueError(
            "Unable to avoid copy while creating an array as requested: the tensor is "
            f"{self._meta.dtype}, not {np.dtype(dtype)}."
        )
    return array.astype(dtype)


@_method
def __array_wrap__(self, array, context=None, return_scalar=False):  # noqa: N807
    """The result of a NumPy function of tensors, as a tensor."""
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    return from_numpy(np.asarray(array))


Tensor.__array_priority__ = 1000


@_method
def item(self):
    """The one element as a Python number. RuntimeError for more than one element."""
    m = self._meta
    if m.numel != 1:
        raise RuntimeError(f"a Tensor with {m.numel} elements cannot be converted to Scalar")
    array = self._array("item()").reshape(())
    return float(array) if m.dtype.half else array.item()


@_method
def tolist(self):
    """The elements as nested lists of Python numbers (a number for zero dims)."""
    array = self._array("tolist()")
    return array.astype(np.float64).tolist() if self._meta.dtype.half else array.tolist()


@_method
def __bool__(self):  # noqa: N807
    count = self._meta.numel
    if count != 1:
        which = "no values" if count == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {which} is ambiguous")
    return bool(self._array("bool()").reshape(()).item())


def _one_number(tensor):
    if tensor._meta.numel != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    if tensor.requires_grad:
        warn_of_scalar()
    return tensor.item()


def warn_of_scalar():
    """Once: a tensor that requires a gradient is made a Python number."""
    warn_once(
        "Converting a tensor with requires_grad=True to a scalar may lead to unexpected "
        "behavior.\nConsider using tensor.detach() first."
    )


def _real_number(tensor, kind):
    number = _one_number(tensor)
    if type(number) is complex:
        if number.imag:
            raise RuntimeError(f"value cannot be converted to type {kind} without overflow")
        return number.real
    return number


@_method
def __float__(self):  # noqa: N807
    return float(_real_number(self, "double"))


@_method
def __int__(self):  # noqa: N807
    return int(_real_number(self, "int64_t"))


@_method
def __complex__(self):  # noqa: N807
    return complex(_one_number(self))


@_method
def __index__(self):  # noqa: N807
    if self._meta.numel != 1 or self._meta.dtype.category > 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self.item())
