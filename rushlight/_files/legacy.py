"""The .pt format before the zip archive: five pickles in a row, then the bytes of the storages.

    magic number, protocol version, facts of the machine, the object, the storages' keys,
    and for each key, in that order, the number of elements (int64) and the elements

The size of an element is told by the object's pickle alone, which comes before the bytes. So the
object is read twice: first to learn the sizes and where it ends, then to make it.
"""

import pickle
import struct
import sys

import numpy as np

import rushlight

from .admission import Admission, StorageKind, Survey, as_text
from .unpickle import Policy, Unpickler

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
_COUNT = struct.Struct("<q")


def write_legacy(file, data, storages, protocol):
    """Write the pickle `data` and `storages`, {key: (storage, dtype)}, to `file`."""
    facts = {
        "protocol_version": PROTOCOL,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    for part in (MAGIC, PROTOCOL, facts):
        pickle.dump(part, file, protocol=protocol)
    file.write(data)
    keys = sorted(storages)
    pickle.dump(keys, file, protocol=protocol)
    for key in keys:
        storage, dtype = storages[key]
        size = storage.nbytes()
        file.write(_COUNT.pack(size if dtype is None else size // dtype.itemsize))
        file.write(np.ascontiguousarray(storage.numpy()).data.cast("B"))


def wrapped(kind, untyped):
    """The storage as the pickle names it: with its element type, or as bytes."""
    if kind.dtype is None:
        return untyped
    return rushlight.storage.TypedStorage(wrap_storage=untyped, dtype=kind.dtype, _internal=True)


def item_size(kind):
    """Bytes per element of a storage class."""
    return 1 if kind.dtype is None else kind.dtype.itemsize


class _Sizes(Survey):
    """The first reading of the object: makes nothing, notes the size of each storage's elements."""

    def __init__(self):
        super().__init__()
        self.items = {}

    def persistent_load(self, identifier):
        if type(identifier) is tuple and len(identifier) >= 3:
            kind, key = identifier[1:3]
            if isinstance(kind, StorageKind):
                self.items[as_text(key)] = item_size(kind)
        return super().persistent_load(identifier)


class _Storages:
    """The second reading: makes the storages from their bytes, each once."""

    def __init__(self, data, spans, restore, swap):
        self._data = data
        self._spans = spans
        self._restore = restore
        self._swap = swap
        self._made = {}

    def load(self, kind, key, location, count, view):
        if view is not None:
            raise NotImplementedError(
                "rushlight cannot read storages that are views of others (written by PyTorch "
                "before 0.4); load and save the file again with a newer PyTorch"
            )
        if key not in self._spans:
            raise pickle.UnpicklingError(f"the file has no bytes for the storage {key}")
        start, elements = self._spans[key]
        if elements != count:
            raise pickle.UnpicklingError(
                f"the storage {key} has {elements} elements where the object says {count}"
            )
        made = self._made.get(key)
        if made is None:
            size = count * item_size(kind)
            data = np.frombuffer(self._data[start : start + size], dtype=np.uint8).copy()
            swap_bytes(data, kind, self._swap)
            storage = rushlight.UntypedStorage.from_numpy(data)
            made = self._made[key] = self._restore(storage, location)
        return wrapped(kind, made)


def swap_bytes(data, kind, swap):
    """Turn the elements of another byte order into this machine's, in place."""
    if not swap or data.size <= 1:
        return
    if kind.dtype is None:
        raise NotImplementedError(
            "rushlight cannot swap the bytes of an untyped storage of the other byte order"
        )
    part = kind.dtype.itemsize // (2 if kind.dtype.is_complex else 1)
    if part > 1:
        data.view(f"u{part}").byteswap(inplace=True)


def read_legacy(data, restore, encoding="utf-8"):
    """Return the object in `data`, the bytes of a whole legacy file."""
    data = memoryview(data)
    if len(data) == 0:
        raise EOFError("Ran out of input")

    def read(start, policy):
        reader = Unpickler(data, policy, start, encoding)
        return reader.load(), reader.position

    plain = Policy()
    magic, position = read(0, plain)
    if type(magic) is not int or magic != MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version, position = read(position, plain)
    if version != PROTOCOL:
        raise RuntimeError(f"Invalid protocol version: {version!r}")
    facts, start = read(position, plain)
    if type(facts) is not dict:
        raise pickle.UnpicklingError("malformed legacy file: no facts of the machine")
    swap = bool(facts.get("little_endian", True)) != (sys.byteorder == "little")
    sizes = _Sizes()
    _, position = read(start, sizes)
    keys, position = read(position, plain)
    spans = _spans(data, position, keys, sizes.items)
    storages = _Storages(data, spans, restore, swap)
    return read(start, Admission(storages.load, len(data)))[0]


def _spans(data, position, keys, items):
    """Where the bytes of every storage are: {key: (first byte, number of elements)}."""
    if type(keys) is not list:
        raise pickle.UnpicklingError("malformed legacy file: the storages' keys are no list")
    spans = {}
    for key in map(as_text, keys):
        if key in spans or key not in items:
            raise pickle.UnpicklingError(f"malformed legacy file: the key {key!r} is unknown")
        if len(data) - position < _COUNT.size:
            raise EOFError("Ran out of input")
        (count,) = _COUNT.unpack_from(data, position)
        position += _COUNT.size
        spans[key] = (position, count)
        position += count * items[key]
        if count < 0 or position > len(data):
            raise pickle.UnpicklingError(
                f"malformed legacy file: it ends before the {count} elements of the storage {key}"
            )
    return spans
