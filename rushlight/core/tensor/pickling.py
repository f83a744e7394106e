"""Pickling and copying of tensors: what a tensor is made of, and how it is made again.

A tensor is a storage, a layout and a few flags. The storage is an object of its own, so tensors
that share memory go on sharing it after `pickle`, `copy.copy` and `copy.deepcopy`.
"""

import copy
import copyreg
import warnings
from collections import OrderedDict

import numpy as np

from ..base import dtypes
from ..base.shapes import contiguous_strides, meta
from ..trace.value import leaf
from .dispatch import alias
from .storage import flat_memory
from .tensor import Parameter, Tensor

# These have no storage class of their own in PyTorch; `_rebuild_tensor_v3` names the dtype.
_UNTYPED_DTYPES = frozenset((dtypes.uint16, dtypes.uint32, dtypes.uint64))
# A tensor's own bookkeeping lives in `__dict__` beside the user's attributes.
_OWN_NAMES = frozenset(name for name in vars(Tensor) if name.startswith("_")) | {"_is_param"}


class TypedStorage:
    """A storage together with the type of its elements, as files and old programs know it."""

    __slots__ = ("_untyped_storage", "dtype")

    def __init__(self, *, wrap_storage, dtype, _internal=True):
        self._untyped_storage = wrap_storage
        self.dtype = dtype

    def untyped(self):
        """The storage itself."""
        return self._untyped_storage

    def nbytes(self):
        """The size in bytes."""
        return self._untyped_storage.nbytes()

    def size(self):
        """The number of elements."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    __len__ = size

    def element_size(self):
        """Bytes per element."""
        return self.dtype.itemsize

    def data_ptr(self):
        """The address of the first byte."""
        return self._untyped_storage.data_ptr()

    def tolist(self):
        """The elements as Python numbers."""
        return self._elements().tolist()

    def clone(self):
        """A copy with memory of its own."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def is_shared(self):
        """Whether the memory is shared between processes."""
        return self._untyped_storage.is_shared()

    def cpu(self):
        """This storage: it is on the CPU already."""
        return self

    @property
    def device(self):
        """The device."""
        return self._untyped_storage.device

    @property
    def is_cuda(self):
        """Whether the memory is on a CUDA device."""
        return self.device.type == "cuda"

    def _elements(self):
        return self._untyped_storage.numpy().view(self.dtype.np)

    def __getitem__(self, index):
        found = self._elements()[index]
        return found.tolist() if isinstance(found, np.ndarray) else found.item()

    def __setitem__(self, index, value):
        self._elements()[index] = value
        self._untyped_storage.version += 1

    def __iter__(self):
        return iter(self.tolist())

    def __eq__(self, other):
        if not isinstance(other, TypedStorage):
            return NotImplemented
        return self._untyped_storage is other._untyped_storage and self.dtype is other.dtype

    def __hash__(self):
        return id(self._untyped_storage)

    def __repr__(self):
        lines = [f" {value}" for value in self.tolist()]
        facts = f"dtype={self.dtype}, device={self.device}"
        lines.append(f"[torch.storage.TypedStorage({facts}) of size {self.size()}]")
        return "\n".join(lines)

    def __reduce__(self):
        return _restore_typed, (self._untyped_storage, self.dtype)

    def __deepcopy__(self, memo):
        untyped = copy.deepcopy(self._untyped_storage, memo)
        return TypedStorage(wrap_storage=untyped, dtype=self.dtype)


def _restore_typed(untyped, dtype):
    return TypedStorage(wrap_storage=untyped, dtype=dtype)


def _user_state(tensor):
    """The attributes that a program has set on a tensor; None when there are none."""
    state = {name: value for name, value in tensor.__dict__.items() if name not in _OWN_NAMES}
    if type(tensor) is Tensor or type(tensor) is Parameter:
        return state or None
    slots = {
        name: getattr(tensor, name)
        for name in getattr(copyreg, "_slotnames")(type(tensor))  # noqa: B009
        if name not in _BASE_SLOTS and hasattr(tensor, name)
    }
    return (state, slots) if slots else state or None


_BASE_SLOTS = frozenset(Tensor.__slots__)


def _set_user_state(tensor, state):
    slots = None
    if isinstance(state, tuple):
        state, slots = state
    for name, value in (state or {}).items():
        tensor.__dict__[name] = value
    for name, value in (slots or {}).items():
        setattr(tensor, name, value)


def reduce_tensor(tensor, plain_class=None):
    """What `pickle` needs to make `tensor` again: a function and its arguments.

    `plain_class` is how Tensor itself is named there: None in pickles between rushlight's
    processes, the class in a .pt file, whose writer knows PyTorch's name for it.
    """
    if tensor._hooks:
        for hook in tensor._hooks.values():
            if getattr(hook, "__torch_unserializable__", False):
                continue
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, "
                "you can decorate the function with @torch.utils.hooks.unserializable_hook to "
                "suppress this warning",
                stacklevel=3,
            )
    kind, state = type(tensor), _user_state(tensor)
    if kind is Parameter:
        arguments = (tensor.data, tensor.requires_grad, OrderedDict())
        if state is None:
            return _rebuild_parameter, arguments
        return _rebuild_parameter_with_state, (*arguments, state)
    function, arguments = _reduce_plain(tensor)
    if kind is Tensor and state is None:
        return function, arguments
    named = plain_class if kind is Tensor else kind
    return _rebuild_from_type_v2, (function, named, arguments, state or {})


def _reduce_plain(tensor):
    m, storage = tensor._meta, tensor.untyped_storage()
    layout = (m.offset, tuple(m.shape), m.strides, tensor.requires_grad, OrderedDict())
    if m.dtype in _UNTYPED_DTYPES:
        return _rebuild_tensor_v3, (storage, *layout, m.dtype)
    return _rebuild_tensor_v2, (TypedStorage(wrap_storage=storage, dtype=m.dtype), *layout)


def _over(storage, dtype, offset, size, stride):
    """A tensor over `storage`.

    A file gives bytes; the first tensor to cover all of them gives the storage its own dtype and
    shape, so that reading it later is no conversion.
    """
    size, stride = tuple(size), tuple(stride)
    contiguous = stride == contiguous_strides(size)
    wanted = meta(dtype, size, None if contiguous else stride, offset)
    value = storage.value
    fresh = value.array is not None and value.meta.dtype is dtypes.uint8
    if fresh and contiguous and not offset and wanted.nbytes == value.meta.nbytes:
        if storage.exposed is None or not storage.still_exposed():
            array = storage.value.array
            if array.ctypes.data % dtype.itemsize == 0:
                array = flat_memory(array).view(dtype.np).reshape(size)
                storage.value = leaf(array, wanted)
    return alias(storage, wanted)


def _rebuild_tensor(storage, storage_offset, size, stride):
    """A tensor over a `TypedStorage`, as PyTorch's oldest files make it."""
    untyped = storage._untyped_storage
    return _over(untyped, storage.dtype, storage_offset, size, stride)


def _rebuild_tensor_v2(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None
):
    """A tensor over a `TypedStorage`, with its `requires_grad`; hooks are not kept."""
    tensor = _rebuild_tensor(storage, storage_offset, size, stride)
    tensor.requires_grad_(requires_grad)
    return tensor


def _rebuild_tensor_v3(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None
):
    """A tensor of `dtype` over an `UntypedStorage`."""
    tensor = _over(storage, dtype, storage_offset, size, stride)
    tensor.requires_grad_(requires_grad)
    return tensor


def _rebuild_parameter(data, requires_grad, backward_hooks):
    """A Parameter over `data`."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    """A Parameter over `data` with the attributes `state`."""
    parameter = Parameter(data, requires_grad)
    _set_user_state(parameter, state)
    return parameter


def _rebuild_from_type_v2(function, kind, arguments, state):
    """A tensor of class `kind` (None: Tensor) that `function` makes, with attributes `state`."""
    tensor = function(*arguments)
    if kind is not None and type(tensor) is not kind:
        tensor = tensor.as_subclass(kind)
    restore = getattr(type(tensor), "__setstate__", None)
    if restore is not None and restore is not getattr(Tensor, "__setstate__", None):
        restore(tensor, state)
    else:
        _set_user_state(tensor, state)
    return tensor


def deepcopy_tensor(tensor, memo):
    """Copy a leaf with its memory, its gradient and its attributes; hooks are not copied.

    Raises RuntimeError for a tensor that is the result of a recorded operation.
    """
    found = memo.get(id(tensor))
    if found is not None:
        return found
    if not tensor.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment.  If you were attempting to deepcopy a module, this may be "
            "because of a torch.nn.utils.weight_norm usage, see "
            "https://github.com/pytorch/pytorch/pull/103001. Write x.detach().clone() to copy "
            "the values alone."
        )
    storage = copy.deepcopy(tensor.untyped_storage(), memo)
    made = alias(storage, tensor._meta)
    if type(tensor) is not Tensor:
        made = made.as_subclass(type(tensor))
    made.requires_grad_(tensor.requires_grad)
    memo[id(tensor)] = made
    if tensor._grad is not None:
        made._grad = copy.deepcopy(tensor._grad, memo)
    state = _user_state(tensor)
    if state is not None:
        _set_user_state(made, copy.deepcopy(state, memo))
    if tensor.__dict__.get("_is_param"):
        made._is_param = True
    return made
