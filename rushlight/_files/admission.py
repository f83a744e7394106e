"""What a .pt file may hold: tensors, their types, plain containers, and what the program allows.

`Admission` answers the questions of an `Unpickler`. A global name is looked up in a table; nothing
is imported, and a function of the table checks its arguments before anything is made of them.
"""

import pickle
from collections import Counter, OrderedDict, defaultdict, deque

import rushlight

from .unpickle import Policy

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
DTYPES = (
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


def public_path(module):
    """The module of PyTorch's or torchvision's that one of ours stands for."""
    for ours, theirs in (("rushlight.vision", "torchvision"), ("rushlight", "torch")):
        if module == ours or module.startswith(ours + "."):
            return theirs + module[len(ours) :]
    return module


def _canonical(module, name):
    """The one name under which a global is looked up, whoever wrote the file."""
    return f"{public_path(_PYTHON2.get(module, module))}.{name}"


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
        from .builders import builtin_globals

        self._globals = builtin_globals()
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
        return self._storage(kind, key, location, natural(count), view)

    def call(self, function, arguments):
        call = self._calls.get(id(function))
        if call is not None:
            return call(self, *arguments)
        if is_allowed(function):
            return function(*arguments)
        raise pickle.UnpicklingError(
            f"Trying to call reduce for unrecognized function {type(function).__name__}"
        )

    def new(self, kind, arguments, keywords):
        if kind is OrderedDict and not arguments and not keywords:
            return OrderedDict()
        if isinstance(kind, type) and is_allowed(kind):
            return kind.__new__(kind, *arguments, **keywords)
        name = getattr(kind, "__name__", type(kind).__name__)
        raise pickle.UnpicklingError(f"Can not create new object for class {name}")

    def build(self, instance, state):
        kind = type(instance)
        if is_allowed(kind):
            _restore_state(instance, state)
        elif kind in (OrderedDict, Counter) or isinstance(instance, rushlight.Tensor):
            set_attributes(instance, state)
        else:
            super().build(instance, state)

    def append(self, target, items):
        if type(target) is deque or is_allowed(type(target)):
            target.extend(items)
        else:
            super().append(target, items)

    def add(self, target, items):
        if not is_allowed(type(target)):
            super().add(target, items)
        target.update(items)

    def set_items(self, target, pairs):
        if type(target) not in (OrderedDict, Counter, defaultdict) and not is_allowed(type(target)):
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


def is_allowed(value):
    """Whether the program has allowed this very class or function."""
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


def natural(value):
    """A whole number that is not negative; anything else is refused."""
    if type(value) is not int or value < 0:
        raise pickle.UnpicklingError("a number of elements must be a whole number, 0 or more")
    return value
