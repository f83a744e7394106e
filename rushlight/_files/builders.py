"""The functions and classes that a .pt file may call, each with its arguments checked.

Every function takes the `Admission` it works for, then the arguments as the file gives them. None
of them believes a size, a type or a name.
"""

import pickle
from _codecs import encode
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import numpy as np

import rushlight
import rushlight._utils
import rushlight.storage

from ..core.tensor.tensor import Parameter
from .admission import (
    DTYPES,
    STORAGE_DTYPES,
    StorageKind,
    is_allowed,
    natural,
    set_attributes,
)
from .unpickle import check_key


def _naturals(value):
    if not isinstance(value, (tuple, list)):
        raise pickle.UnpicklingError("a tensor's size and stride must be tuples")
    return tuple(natural(part) for part in value)


def _check_layout(storage, offset, size, stride, itemsize):
    """Refuse a tensor that would reach beyond its storage."""
    offset, size, stride = natural(offset), _naturals(size), _naturals(stride)
    if len(size) != len(stride) or len(size) > 64:
        raise pickle.UnpicklingError("a tensor's size and stride do not fit together")
    elements = 1
    for length in size:
        elements *= length
    if elements >= 2**63:
        raise pickle.UnpicklingError(f"a tensor of size {size} is too large")
    if elements:
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        needed = (last + 1) * itemsize
        if needed > storage.nbytes():
            raise pickle.UnpicklingError(
                f"a tensor of size {size}, stride {stride} and offset {offset} needs {needed} "
                f"bytes, its storage has {storage.nbytes()}"
            )
    return offset, size, stride


def _typed(storage):
    if not isinstance(storage, rushlight.storage.TypedStorage):
        raise pickle.UnpicklingError("a tensor must be made of a storage")
    return storage


def _tensor_v2(
    admission, storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None
):
    storage = _typed(storage)
    itemsize = storage.dtype.itemsize
    offset, size, stride = _check_layout(storage, offset, size, stride, itemsize)
    build = rushlight._utils._rebuild_tensor_v2
    tensor = build(storage, offset, size, stride, _can_learn(storage.dtype, requires_grad), hooks)
    return _with_bits(tensor, metadata)


def _tensor_v1(admission, storage, offset, size, stride):
    return _tensor_v2(admission, storage, offset, size, stride)


def _tensor_v3(
    admission, storage, offset, size, stride, requires_grad, hooks, dtype, metadata=None
):
    if not isinstance(storage, (rushlight.UntypedStorage, rushlight.storage.TypedStorage)):
        raise pickle.UnpicklingError("a tensor must be made of a storage")
    if not isinstance(dtype, rushlight.dtype):
        raise pickle.UnpicklingError("a tensor's dtype must be a dtype")
    untyped = getattr(storage, "_untyped_storage", storage)
    typed = rushlight.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)
    return _tensor_v2(admission, typed, offset, size, stride, requires_grad, hooks, metadata)


def _can_learn(dtype, requires_grad):
    if type(requires_grad) is not bool:
        raise pickle.UnpicklingError("requires_grad must be True or False")
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise pickle.UnpicklingError(f"a tensor of {dtype} cannot require gradients")
    return requires_grad


def _with_bits(tensor, metadata):
    if not metadata:
        return tensor
    if type(metadata) is not dict or not set(metadata) <= {"conj", "neg"}:
        raise pickle.UnpicklingError("a tensor's metadata can only be 'conj' and 'neg'")
    # PyTorch computes these when the elements are used; here they are computed now.
    elements = tensor.detach().numpy()
    if metadata.get("neg"):
        elements = np.negative(elements)
    if metadata.get("conj"):
        elements = np.conj(elements)
    return rushlight.from_numpy(elements.copy()).requires_grad_(tensor.requires_grad)


def _tensor(value):
    if not isinstance(value, rushlight.Tensor):
        raise pickle.UnpicklingError(f"expected a tensor, the file has a {type(value).__name__}")
    return value


def _parameter(admission, data, requires_grad, hooks, state=None):
    data = _tensor(data)
    grad = _can_learn(data.dtype, requires_grad)
    parameter = rushlight._utils._rebuild_parameter(data, grad, hooks)
    set_attributes(parameter, state)
    return parameter


def _from_type(admission, function, kind, arguments, state):
    if type(arguments) is not tuple:
        raise pickle.UnpicklingError("the arguments of a call must be a tuple")
    tensor = _tensor(admission.call(function, arguments))
    if kind is not rushlight.Tensor and kind is not type(tensor):
        if not is_allowed(kind):
            raise pickle.UnpicklingError("a tensor's class must be Tensor or Parameter")
        tensor = tensor.as_subclass(kind)
    if is_allowed(type(tensor)) and hasattr(tensor, "__setstate__"):
        tensor.__setstate__(state)
    else:
        set_attributes(tensor, state)
    return tensor


def _size(admission, sizes=()):
    return rushlight.Size(_naturals(sizes))


def _device(admission, kind, index=None):
    if type(kind) is not str or not (index is None or type(index) is int):
        raise pickle.UnpicklingError("a device has a name and a number")
    return rushlight.device(kind) if index is None else rushlight.device(kind, index)


def _layout(admission, name):
    if name != "torch.strided":
        raise NotImplementedError(f"rushlight has no layout {name!r}")
    return rushlight.strided


def _pairs(admission, items):
    """The argument of a dictionary type: a dict, or a list of pairs."""
    pairs = items.items() if isinstance(items, dict) else items
    if not isinstance(items, (dict, list, tuple)):
        raise pickle.UnpicklingError("a dictionary must be made of pairs")
    pairs = [tuple(pair) for pair in pairs if isinstance(pair, (tuple, list)) and len(pair) == 2]
    if len(pairs) != len(items):
        raise pickle.UnpicklingError("a dictionary must be made of pairs")
    for key, _ in admission.spend(pairs):
        check_key(key)
    return pairs


def _ordered_dict(admission, items=()):
    return OrderedDict(_pairs(admission, items))


def _counter(admission, items=()):
    counter = Counter()
    for key, value in _pairs(admission, items):
        counter[key] = value
    return counter


def _default_dict(admission, factory=None, items=()):
    plain = (list, dict, set, int, float, str, tuple, OrderedDict, Counter)
    if factory is not None and not any(factory is kind for kind in plain):
        if not is_allowed(factory):
            raise pickle.UnpicklingError(
                "a defaultdict of a file can only make plain containers and numbers; allow its "
                "factory with torch.serialization.add_safe_globals"
            )
    return defaultdict(factory, _pairs(admission, items))


def _sequence(admission, items):
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise pickle.UnpicklingError("a container must be made of a list")
    return admission.spend(items)


def _set(admission, items=()):
    items = _sequence(admission, items)
    for item in items:
        check_key(item)
    return set(items)


def _frozenset(admission, items=()):
    return frozenset(_set(admission, items))


def _deque(admission, items=(), limit=None):
    return deque(_sequence(admission, items), None if limit is None else natural(limit))


def _complex(admission, real, imaginary=0.0):
    if type(real) not in (int, float) or type(imaginary) not in (int, float):
        raise pickle.UnpicklingError("a complex number is made of two numbers")
    return complex(real, imaginary)


def _encode(admission, text, encoding="latin1"):
    if type(text) is not str or encoding not in ("latin1", "latin-1", "utf-8", "utf8", "ascii"):
        raise pickle.UnpicklingError("bytes are written as text in latin1")
    return admission.spend(text).encode(encoding)


def _bytearray(admission, data=b"", encoding=None):
    if encoding is not None:
        data = _encode(admission, data, encoding)
    if type(data) not in (bytes, bytearray):
        raise pickle.UnpicklingError("a bytearray is made of bytes")
    return bytearray(admission.spend(data))


def _bytes(admission, data=b""):
    return bytes(_bytearray(admission, data))


def _slice(admission, start, stop=None, step=None):
    if any(part is not None and type(part) is not int for part in (start, stop, step)):
        raise pickle.UnpicklingError("a slice is made of whole numbers")
    return slice(start, stop, step)


def _no_call(admission, *arguments):
    raise pickle.UnpicklingError("a file cannot call this class")


_table = {}


def builtin_globals():
    """Name -> (value, function that makes one of checked arguments, or None)."""
    if _table:
        return _table
    utilities = rushlight._utils
    calls: dict[str, Any] = {
        "collections.OrderedDict": (OrderedDict, _ordered_dict),
        "collections.Counter": (Counter, _counter),
        "collections.defaultdict": (defaultdict, _default_dict),
        "collections.deque": (deque, _deque),
        "_codecs.encode": (encode, _encode),
        "builtins.bytearray": (bytearray, _bytearray),
        "builtins.bytes": (bytes, _bytes),
        "builtins.set": (set, _set),
        "builtins.frozenset": (frozenset, _frozenset),
        "builtins.complex": (complex, _complex),
        "builtins.slice": (slice, _slice),
        "torch.Size": (rushlight.Size, _size),
        "torch.device": (rushlight.device, _device),
        "torch.serialization._get_layout": (_layout, _layout),
        "torch.Tensor": (rushlight.Tensor, _no_call),
        "torch.nn.parameter.Parameter": (Parameter, _no_call),
        "torch._utils._rebuild_tensor": (utilities._rebuild_tensor, _tensor_v1),
        "torch._utils._rebuild_tensor_v2": (utilities._rebuild_tensor_v2, _tensor_v2),
        "torch._utils._rebuild_tensor_v3": (utilities._rebuild_tensor_v3, _tensor_v3),
        "torch._utils._rebuild_parameter": (utilities._rebuild_parameter, _parameter),
        "torch._utils._rebuild_parameter_with_state": (
            utilities._rebuild_parameter_with_state,
            _parameter,
        ),
        "torch._tensor._rebuild_from_type_v2": (utilities._rebuild_from_type_v2, _from_type),
    }
    for kind in (list, dict, int, float, str, tuple):
        calls["builtins." + kind.__name__] = (kind, None)
    for name in DTYPES:
        calls["torch." + name] = (getattr(rushlight, name), None)
    for name, dtype in STORAGE_DTYPES.items():
        kind = StorageKind(name, getattr(rushlight, dtype))
        calls["torch." + name] = calls["torch.cuda." + name] = (kind, None)
    calls["torch.storage.UntypedStorage"] = (StorageKind("UntypedStorage", None), None)
    _table.update(calls)
    return _table
