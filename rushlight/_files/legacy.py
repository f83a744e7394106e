"""The .pt format before the zip archive: five pickles in a row, then the bytes of the storages.

    magic number, protocol version, facts of the machine, the object, the storages' keys,
    and for each key, in that order, the number of elements (int64) and the elements

Reading it needs the sizes of storages before their bytes are reached; they are taken from the
object's pickle, and never add up to more than the file has bytes.
"""

import pickle
import struct
import sys

import numpy as np

import rushlight

from .admission import Admission
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
        file.write(memoryview(np.ascontiguousarray(storage.numpy())).cast("B"))


class _Storages:
    """The storages that the object's pickle names; their bytes are read after it."""

    def __init__(self, limit, restore):
        self.buffers = {}  # key -> (bytes still to be filled, size of an element)
        self._limit = limit
        self._restore = restore
        self._made = {}

    def load(self, kind, key, location, count, view):
        itemsize = 1 if kind.dtype is None else kind.dtype.itemsize
        if view is not None:
            return self._load_view(kind, key, location, count, view, itemsize)
        untyped = self._make(key, location, count * itemsize, itemsize)
        return _wrapped(kind, untyped)

    def _make(self, key, location, size, itemsize):
        if key in self._made:
            made, known = self._made[key]
            if known != size:
                raise pickle.UnpicklingError(f"the storage {key} is named with two sizes")
            return made
        self._limit -= size
        if self._limit < 0:
            raise pickle.UnpicklingError(
                f"the storage {key} says it has {size} bytes, more than are left in the file"
            )
        buffer = np.zeros(size, dtype=np.uint8)
        self.buffers[key] = (buffer, itemsize)
        storage = rushlight.UntypedStorage.from_numpy(buffer)
        made = self._restore(storage, location)
        if made is not storage:
            raise NotImplementedError(
                "the legacy .pt format can only be loaded to the CPU; use map_location='cpu'"
            )
        self._made[key] = (made, size)
        return made

    def _load_view(self, kind, key, location, count, view, itemsize):
        raise NotImplementedError(
            "rushlight cannot read storages that are views of others (written by PyTorch before "
            "0.4); load and save the file again with a newer PyTorch"
        )


def _wrapped(kind, untyped):
    if kind.dtype is None:
        return untyped
    return rushlight.storage.TypedStorage(wrap_storage=untyped, dtype=kind.dtype, _internal=True)


def read_legacy(data, restore, encoding="utf-8"):
    """Return the object in `data`, the bytes of a whole legacy file."""
    data = memoryview(data)
    if len(data) == 0:
        raise EOFError("Ran out of input")
    plain = Policy()
    reader = Unpickler(data, plain, encoding=encoding)
    magic = reader.load()
    if magic != MAGIC or type(magic) is not int:
        raise RuntimeError("Invalid magic number; corrupt file?")
    reader = Unpickler(data, plain, reader.position, encoding)
    version = reader.load()
    if version != PROTOCOL:
        raise RuntimeError(f"Invalid protocol version: {version!r}")
    reader = Unpickler(data, plain, reader.position, encoding)
    facts = reader.load()
    if not isinstance(facts, dict):
        raise pickle.UnpicklingError("malformed legacy file: no facts of the machine")
    swap = bool(facts.get("little_endian", True)) != (sys.byteorder == "little")
    left = len(data) - reader.position
    storages = _Storages(left, restore)
    reader = Unpickler(data, Admission(storages.load, left), reader.position, encoding)
    result = reader.load()
    keys = Unpickler(data, plain, reader.position, encoding)
    names = keys.load()
    if not isinstance(names, list):
        raise pickle.UnpicklingError("malformed legacy file: the storages' keys are no list")
    position = keys.position
    for key in names:
        key = key.decode("ascii") if isinstance(key, bytes) else key
        position = _fill(data, position, storages.buffers.pop(key, None), key, swap)
    if storages.buffers:
        raise pickle.UnpicklingError(
            f"malformed legacy file: no bytes for the storages {sorted(storages.buffers)}"
        )
    return result


def _fill(data, position, target, key, swap):
    if target is None:
        raise pickle.UnpicklingError(f"malformed legacy file: the key {key!r} is unknown")
    buffer, itemsize = target
    if len(data) - position < _COUNT.size + buffer.size:
        raise pickle.UnpicklingError(
            f"malformed legacy file: it ends before the {buffer.size} bytes of the storage {key}"
        )
    (count,) = _COUNT.unpack_from(data, position)
    if count * itemsize != buffer.size:
        raise pickle.UnpicklingError(
            f"malformed legacy file: the storage {key} has {count} elements where the object says "
            f"{buffer.size // itemsize}"
        )
    position += _COUNT.size
    end = position + buffer.size
    buffer[:] = np.frombuffer(data[position:end], dtype=np.uint8)
    if swap and itemsize > 1:
        buffer.view(f"u{min(itemsize, 8)}").byteswap(inplace=True)
    return end
