"""What a .pt file may hold: tensors, their types, plain containers, and what the program allows.

`Admission` answers the questions of an `Unpickler`. A global name is looked up in a table; nothing
is imported, and a function of the table checks its arguments before anything is made of them.
"""

import pickle
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np

import rushlight
import rushlight._utils
import rushlight.storage

from ..core.tensor.tensor import Parameter
from .unpickle import Policy, check_key

# The element type of a storage class is told by its name: FloatStorage, LongStorage, ...
STORAGE_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
}
_DTYPES = (
    *STORAGE_DTYPES.values(),
    *("uint16", "uint32", "uint64"),
)
# Names of PyTorch's that we know and cannot make anything of.
_MISSING = {
    "torch._utils._rebuild_sparse_tensor": "sparse tensors",
    "torch._utils._rebuild_qtensor": "quantized tensors",
    "torch._utils._rebuild_nested_tensor": "nested tensors",
    "torch._utils._rebuild_wrapper_subclass": "tensor subclasses that wrap others",
    "torch._utils._rebuild_device_tensor_from_numpy": "tensors of other devices",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "tensors of other devices",
    "torch._utils._rebuild_meta_tensor_no_storage": "tensors on the meta device",
}
_PYTHON2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}

_allowed_by_program = {}


class StorageKind:
    """What a storage class named in a pickle stands for; `dtype` is None for UntypedStorage."""

    __slots__ = ("dtype", "name")

    def __init__(self, name, dtype):
        self.name = name
        self.dtype = dtype


def _canonical(module, name):
    """The one name under which a global is looked up, whoever wrote the file."""
    module = _PYTHON2.get(module, module)
    if module == "rushlight" or module.startswith("rushlight."):
        module = "torch" + module[len("rushlight") :]
    return f"{module}.{name}"


def _name_of(item):
    if isinstance(item, tuple):
        if len(item) != 2 or not isinstance(item[1], str):
            raise ValueError(
                f"Expected tuple of (global, str of callable full path), but got: {item!r}"
            )
        module, _, name = item[1].rpartition(".")
        return _canonical(module, name), item[0]
    if not callable(item):
        raise TypeError(f"safe_globals takes classes and functions, not {item!r}")
    return _canonical(item.__module__, item.__qualname__), item


def allow(items):
    """Let files name these classes and functions, given as such or as (object, "module.name")."""
    _allowed_by_program.update(_name_of(item) for item in items)


def disallow_all():
    _allowed_by_program.clear()


def allowed():
    """The classes and functions that `allow` was given."""
    return list(_allowed_by_program.values())


def restore_allowed(items):
    _allowed_by_program.clear()
    _allowed_by_program.update(items)


def snapshot_allowed():
    return dict(_allowed_by_program)


def refusal(full_name):
    """The message for a global that is not admitted."""
    short = full_name.rpartition(".")[2]
    return (
        f"Unsupported global: GLOBAL {full_name} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{short}])` or the "
        f"`torch.serialization.safe_globals([{short}])` context manager to allowlist this global "
        "if you trust this class/function."
    )


class Admission(Policy):
    """The policy of `torch.load`.

    `storage(kind, key, location, count)` gives the storage of a persistent id. `budget` is the
    number of bytes and elements that calls may copy: a pickle refers to the same object any number
    of times, so without it a short one could ask for copies without end.
    """

    def __init__(self, storage, budget):
        self._storage = storage
        self._budget = budget
        self._globals = _builtin_globals()
        self._calls = {id(value): call for value, call in self._globals.values() if call}

    def find_global(self, module, name):
        full_name = _canonical(module, name)
        found = self._globals.get(full_name)
        if found is not None:
            return found[0]
        value = _allowed_by_program.get(full_name)
        if value is not None:
            return value
        if full_name in _MISSING:
            raise NotImplementedError(
                f"rushlight cannot read {_MISSING[full_name]} from a file ({full_name})"
            )
        raise pickle.UnpicklingError(refusal(full_name))

    def persistent_load(self, identifier):
        if type(identifier) is not tuple or len(identifier) not in (5, 6):
            raise pickle.UnpicklingError("a persistent id must be a tuple of 5 or 6 parts")
        word, kind, key, location, count = identifier[:5]
        if word not in ("storage", b"storage") or not isinstance(kind, StorageKind):
            raise pickle.UnpicklingError("a persistent id must stand for a storage")
        key, location = as_text(key), as_text(location)
        view = identifier[5] if len(identifier) == 6 else None
        return self._storage(kind, key, location, _natural(count), view)

    def call(self, function, arguments):
        call = self._calls.get(id(function))
        if call is not None:
            return call(self, *arguments)
        if _is_allowed(function):
            return function(*arguments)
        raise pickle.UnpicklingError(
            f"Trying to call reduce for unrecognized function {type(function).__name__}"
        )

    def new(self, kind, arguments, keywords):
        if kind is OrderedDict and not arguments and not keywords:
            return OrderedDict()
        if isinstance(kind, type) and _is_allowed(kind):
            return kind.__new__(kind, *arguments, **keywords)
        name = getattr(kind, "__name__", type(kind).__name__)
        raise pickle.UnpicklingError(f"Can not create new object for class {name}")

    def build(self, instance, state):
        kind = type(instance)
        if _is_allowed(kind):
            _restore_state(instance, state)
        elif kind in (OrderedDict, Counter) or isinstance(instance, rushlight.Tensor):
            set_attributes(instance, state)
        else:
            super().build(instance, state)

    def append(self, target, items):
        if type(target) is deque or _is_allowed(type(target)):
            target.extend(items)
        else:
            super().append(target, items)

    def add(self, target, items):
        if not _is_allowed(type(target)):
            super().add(target, items)
        target.update(items)

    def set_items(self, target, pairs):
        if type(target) not in (OrderedDict, Counter, defaultdict) and not _is_allowed(
            type(target)
        ):
            super().set_items(target, pairs)
        for key, value in pairs:
            target[key] = value

    def spend(self, items):
        """Count the elements that a call is about to copy; return them."""
        self._budget -= len(items)
        if self._budget < 0:
            raise pickle.UnpicklingError("the pickle copies more data than it holds")
        return items


class _Unknown:
    """Stands for whatever a pickle makes of a global that is not admitted."""


class Survey(Admission):
    """Collects the globals that are not admitted, and makes nothing."""

    def __init__(self):
        super().__init__(None, 0)
        self.names = []

    def find_global(self, module, name):
        try:
            found = super().find_global(module, name)
            return found if isinstance(found, StorageKind) else _Unknown()
        except (pickle.UnpicklingError, NotImplementedError):
            full_name = _canonical(module, name)
            if full_name not in self.names:
                self.names.append(full_name)
        return _Unknown()

    def persistent_load(self, identifier):
        return _Unknown()

    def call(self, function, arguments):
        return _Unknown()

    def new(self, kind, arguments, keywords):
        return _Unknown()

    def build(self, instance, state):
        pass

    append = add = set_items = build


def _is_allowed(value):
    return any(value is item for item in _allowed_by_program.values())


def _restore_state(instance, state):
    restore = getattr(instance, "__setstate__", None)
    if restore is not None:
        restore(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        instance.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)


def set_attributes(instance, state):
    """Set plain attributes, such as a state_dict's `_metadata`; never hide one of the class."""
    if isinstance(state, tuple) and len(state) == 2 and state[1] is None:
        state = state[0]
    if state is None:
        return
    if type(state) is not dict:
        raise pickle.UnpicklingError(f"the state of a {type(instance).__name__} must be a dict")
    for name, value in state.items():
        if type(name) is not str or (hasattr(type(instance), name) and name != "_metadata"):
            raise pickle.UnpicklingError(
                f"the attribute {name!r} of a {type(instance).__name__} cannot be set by a file"
            )
        instance.__dict__[name] = value


def as_text(value):
    """The key or location of a storage; Python 2 wrote them as bytes."""
    if type(value) is bytes:
        value = value.decode("ascii")
    if type(value) is not str:
        raise pickle.UnpicklingError("the key and location of a storage must be text")
    return value


def _natural(value):
    if type(value) is not int or value < 0:
        raise pickle.UnpicklingError("a number of elements must be a whole number, 0 or more")
    return value


def _naturals(value):
    if not isinstance(value, (tuple, list)):
        raise pickle.UnpicklingError("a tensor's size and stride must be tuples")
    return tuple(_natural(part) for part in value)


# The functions and classes that a file may call, with their arguments checked.


def _check_layout(storage, offset, size, stride, itemsize):
    """Refuse a tensor that would reach beyond its storage."""
    offset, size, stride = _natural(offset), _naturals(size), _naturals(stride)
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
        if not _is_allowed(kind):
            raise pickle.UnpicklingError("a tensor's class must be Tensor or Parameter")
        tensor = tensor.as_subclass(kind)
    if _is_allowed(type(tensor)) and hasattr(tensor, "__setstate__"):
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
        if not _is_allowed(factory):
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
    return deque(_sequence(admission, items), None if limit is None else _natural(limit))


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


def _builtin_globals():
    """Name -> (value, function that makes one of checked arguments, or None)."""
    if _table:
        return _table
    from _codecs import encode

    utilities = rushlight._utils
    calls = {
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
    for name in _DTYPES:
        calls["torch." + name] = (getattr(rushlight, name), None)
    for name, dtype in STORAGE_DTYPES.items():
        kind = StorageKind(name, getattr(rushlight, dtype))
        calls["torch." + name] = calls["torch.cuda." + name] = (kind, None)
    calls["torch.storage.UntypedStorage"] = (StorageKind("UntypedStorage", None), None)
    _table.update(calls)
    return _table
