"""Writing the pickle of a .pt file, with the names under which PyTorch finds everything."""

import io
import pickle
from typing import TYPE_CHECKING, Any, cast

import rushlight
import rushlight._utils
import rushlight.storage

from ..core.tensor.pickling import reduce_tensor
from ..core.tensor.tensor import Parameter, Tensor
from .admission import STORAGE_DTYPES, public_path
from .locations import location_tag

_STORAGE_NAMES = {dtype: name for name, dtype in STORAGE_DTYPES.items()}


def _short_name(dtype):
    return str(dtype).removeprefix("torch.")


class _Named:
    """Something that is written as the global name `module.name`, whatever it is here."""

    __slots__ = ("module", "name")

    def __init__(self, module, name):
        self.module = module
        self.name = name


def _public_module(module, name, obj):
    """The module of PyTorch's in which `obj` is found under `name`."""
    if module != "torch" and not module.startswith("rushlight.core"):
        return public_path(module)
    for path, public in (("torch", rushlight), ("torch.nn.functional", rushlight.nn.functional)):
        if getattr(public, name, None) is obj:
            return path
    raise pickle.PicklingError(f"PyTorch has no public name for {obj!r}; it cannot be saved")


def _named_table():
    utilities = rushlight._utils
    table = {
        rushlight.Size: ("torch", "Size"),
        rushlight.device: ("torch", "device"),
        rushlight.Tensor: ("torch", "Tensor"),
        rushlight.dtype: ("torch", "dtype"),
        Parameter: ("torch.nn.parameter", "Parameter"),
        rushlight.UntypedStorage: ("torch.storage", "UntypedStorage"),
        rushlight.storage.TypedStorage: ("torch.storage", "TypedStorage"),
        utilities._rebuild_from_type_v2: ("torch._tensor", "_rebuild_from_type_v2"),
    }
    for name in ("tensor", "tensor_v2", "tensor_v3", "parameter", "parameter_with_state"):
        function = getattr(utilities, "_rebuild_" + name)
        table[function] = ("torch._utils", "_rebuild_" + name)
    return table


class TorchPickler(pickle._Pickler):
    """A pickler that replaces storages by persistent ids and our names by PyTorch's.

    The C pickler always imports the module it names, and there is no module named torch here; so
    this one builds on Python's own. A state_dict has few objects: the bytes of its tensors go
    elsewhere. `storages` collects them, by the key they have in the file.
    """

    if TYPE_CHECKING:  # what the standard library's stubs leave out
        def __getattr__(self, name: str) -> Any: ...

    dispatch: Any = pickle._Pickler.dispatch.copy()

    def __init__(self, file, protocol, legacy=False):
        super().__init__(file, protocol)
        self.storages = {}
        self._keys = {}
        self._kinds = {}
        self._legacy = legacy
        self._names = _named_table()
        self._named = {}

    def _as_named(self, module, name):
        """One object per name, so that a second use is a reference to the first."""
        return self._named.setdefault((module, name), _Named(module, name))

    def persistent_id(self, obj):
        if isinstance(obj, rushlight.storage.TypedStorage):
            untyped, dtype = obj._untyped_storage, obj.dtype
        elif isinstance(obj, rushlight.UntypedStorage):
            untyped, dtype = obj, None
        else:
            return None
        # Holding every storage keeps its id from being given to another object meanwhile.
        key = self._keys.get(id(untyped))
        if key is None:
            key = self._keys[id(untyped)] = str(len(self._keys))
            self.storages[key] = (untyped, dtype)
        known = self._kinds.setdefault(key, dtype)
        if known is not dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                "types"
            )
        name = None if dtype is None else _STORAGE_NAMES.get(_short_name(dtype))
        if dtype is None or name is None:
            kind, count = self._as_named("torch.storage", "UntypedStorage"), untyped.nbytes()
        else:
            kind = self._as_named("torch", name)
            count = untyped.nbytes() // dtype.itemsize
        identifier = ("storage", kind, key, location_tag(untyped), count)
        return (*identifier, None) if self._legacy else identifier

    def _write_name(self, module, name, obj):
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    def save_named(self, obj):
        self._write_name(obj.module, obj.name, obj)

    dispatch[_Named] = save_named

    def save_global(self, obj, name=None):
        """Write a class or function by name; rushlight's own under PyTorch's module path."""
        known = self._names.get(obj)
        if known is not None:
            module, public = known
            self._write_name(module, public, obj)
            return
        module = getattr(obj, "__module__", None) or ""
        if module.partition(".")[0] in ("rushlight", "torch"):
            name = name or obj.__qualname__
            self._write_name(_public_module(module, name, obj), name, obj)
            return
        cast(Any, super()).save_global(obj, name)

    # Classes and functions reach `save_global` through these two entries of the parent's table.

    def save_type(self, obj):
        if obj in (type(None), type(NotImplemented), type(...)):
            cast(Any, super()).save_type(obj)
        else:
            self.save_global(obj)

    dispatch[type] = save_type

    def save_function(self, obj):
        self.save_global(obj)

    dispatch[type(save_function)] = save_function

    def reducer_override(self, obj):
        """Tensors reduce to PyTorch's functions; a subclass's own `__reduce_ex__` is respected."""
        if isinstance(obj, Tensor) and type(obj).__reduce_ex__ is Tensor.__reduce_ex__:
            return reduce_tensor(obj, plain_class=Tensor)
        return NotImplemented

    def save_dtype(self, obj):
        self._write_name("torch", _short_name(obj), obj)

    dispatch[rushlight.dtype] = save_dtype

    def save_layout(self, obj):
        self.save(self._as_named("torch.serialization", "_get_layout"))
        self.save((str(obj),))
        self.write(pickle.REDUCE)
        self.memoize(obj)

    dispatch[rushlight.layout] = save_layout


def pickle_object(obj, protocol, legacy=False):
    """Return the pickle of `obj` and its storages: {key: (storage, dtype)}."""
    file = io.BytesIO()
    pickler = TorchPickler(file, protocol, legacy)
    pickler.dump(obj)
    return file.getvalue(), pickler.storages
