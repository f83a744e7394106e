"""Storage: one flat current value, its version, and whether its memory is shared with others.

Note [exposed memory]: after ``from_numpy``, ``.numpy()``, DLPack or ``data_ptr()`` somebody else
may read or write the very memory. Such a storage keeps its buffer for as long as anyone else holds
it: a read takes a snapshot of the elements it needs, and a write happens before the call returns.
The reference count of the buffer's owner tells when the last outside holder is gone.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta, same_layout
from ..ops.core_views import as_strided_array
from ..runtime.realize import realize
from ..trace.value import Value, leaf


class UntypedStorage:
    """The bytes behind one or several tensors."""

    __slots__ = ("value", "version", "writer", "exposed", "__weakref__")

    def __init__(self, value: Value | int = 0):
        if isinstance(value, int):
            value = leaf(np.zeros(value, np.uint8), meta(dt.uint8, (value,)))
        self.value: Value = value
        self.version = 0
        self.writer = None
        self.exposed: Any = None

    @classmethod
    def from_numpy(cls, array: np.ndarray) -> UntypedStorage:
        """A storage over the memory of a one-dimensional array, which it shares."""
        storage = cls(leaf(array, meta(dt.from_numpy_dtype(array.dtype), array.shape)))
        storage.expose(_owner(array))
        return storage

    @classmethod
    def from_file(cls, filename, shared=False, nbytes=0) -> UntypedStorage:
        """The first `nbytes` of a file, read when they are used.

        A change reaches the file if `shared` is true. Raises ValueError if the file is shorter.
        """
        import mmap
        with open(filename, "r+b" if shared else "rb") as file:
            if file.seek(0, 2) < nbytes:
                raise ValueError(f"{filename} has fewer than {nbytes} bytes")
            access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
            mapped = mmap.mmap(file.fileno(), nbytes, access=access) if nbytes else b""
        storage = cls.from_numpy(np.frombuffer(mapped, np.uint8))
        if shared:
            storage.expose(None)
        return storage

    def array(self) -> np.ndarray:
        """The realized value, in its own layout."""
        return realize(self.value, "a storage access")

    def numpy(self) -> np.ndarray:
        """The memory as uint8, one-dimensional; shared, not copied."""
        array = flat_memory(self.own_array())
        self.expose(_owner(array))
        return array.view(np.uint8)

    def nbytes(self) -> int:
        """The size in bytes."""
        return self.value.meta.nbytes

    size = nbytes
    __len__ = nbytes

    def data_ptr(self) -> int:
        """The address of the first byte; it stays the same from now on."""
        array = flat_memory(self.own_array())
        self.expose(None)
        return array.__array_interface__["data"][0] if array.size else 0

    def own_array(self) -> np.ndarray:
        """The realized array, made this storage's alone (others keep a copy of the old value)."""
        value = self.value
        array = realize(value, "shared memory")
        if self.exposed is not None:
            return array
        # Held by: the storage and this frame; the array by the value and this frame.
        if getrefcount(value) > _VALUE_REFS or getrefcount(array) > _ARRAY_REFS or \
                not array.flags.writeable:
            array = array.copy(order="K")
            self.value = leaf(array, value.meta)
        else:
            value.params = value.forms = None      # its elements may differ from now on
        return array

    def expose(self, owner) -> None:
        """Others may hold the memory from now on: `owner` is who counts them (None: for ever)."""
        array = self.value.array
        if self.exposed is None:
            # A Meta of its own: the hot path's identity check fails, so reads come to `snapshot`.
            self.value = leaf(array, _private(self.value.meta))
            self.exposed = (owner,)
        elif owner is None and self.exposed[0] is not None:
            self.exposed = (None,)

    def still_exposed(self) -> bool:
        """Whether anyone outside still holds the memory; forgets the exposure when not."""
        if self.exposed[0] is None:
            return True
        way, count = _owner_references(self)
        if count > _OWN_REFERENCES[way]:
            return True
        array = self.value.array
        self.exposed = None
        m = self.value.meta
        self.value = leaf(array, meta(m.dtype, m.shape, None if m.contiguous else m.strides))
        return False

    def snapshot(self, wanted) -> Value:
        """A leaf holding a copy of what `wanted` (a Meta) sees of the exposed memory now."""
        seen = as_strided_array(self.value.array, wanted)
        return leaf(np.ascontiguousarray(seen) if seen.base is None else seen.copy(),
                    meta(wanted.dtype, wanted.shape))

    # torch.UntypedStorage's own surface
    def tolist(self):
        """The bytes as a list of ints."""
        return self.numpy().tolist()

    def __getitem__(self, index):
        if isinstance(index, slice):
            return UntypedStorage.from_numpy(self.numpy()[index])
        return self.numpy()[index].item()

    def __setitem__(self, index, byte):
        self.numpy()[index] = byte
        self.version += 1

    @property
    def device(self):
        from ..base.device import CPU
        return CPU

    def is_shared(self):
        """True when the memory is shared between processes (see Tensor.share_memory_)."""
        return self.exposed is not None and len(self.exposed) > 1

    def fill_(self, byte):
        """Set every byte."""
        self.numpy()[...] = byte
        self.version += 1
        return self

    def copy_(self, source, non_blocking=None):
        """Copy the bytes of another storage of the same size. ValueError for another size."""
        if source.nbytes() != self.nbytes():
            raise ValueError(f"cannot copy {source.nbytes()} bytes to {self.nbytes()}")
        self.numpy()[...] = source.untyped().numpy()
        self.version += 1
        return self

    def untyped(self):
        """This storage."""
        return self

    def element_size(self):
        """1: the elements of an untyped storage are bytes."""
        return 1

    def cpu(self):
        """This storage: it is on the CPU already."""
        return self

    def cuda(self, device=None, non_blocking=False):
        """Raises: there is no CUDA device in this build."""
        from ..base.device import check_device
        check_device("cuda" if device is None else device)
        return self

    @property
    def is_cuda(self):
        """Whether the memory is on a CUDA device."""
        return False

    def __iter__(self):
        return iter(self.tolist())

    def __repr__(self):
        lines = [f" {byte}" for byte in self.tolist()]
        lines.append(f"[torch.storage.UntypedStorage(device={self.device}) of size "
                     f"{self.nbytes()}]")
        return "\n".join(lines)

    def __reduce__(self):
        return _over_bytes, (self.numpy(),)

    def __deepcopy__(self, memo):
        # Values never change, so a copy may share one; the first write to either parts them.
        if self.exposed is not None and self.still_exposed():
            value = leaf(self.array().copy(order="K"), self.value.meta)
        else:
            value = self.value
        made = UntypedStorage(value)
        memo[id(self)] = made
        return made

    def clone(self):
        """A copy of the bytes."""
        return self.__deepcopy__({})


def _over_bytes(data):
    """A storage over unpickled bytes."""
    return UntypedStorage.from_numpy(data if data.flags.writeable else data.copy())


def _private(m):
    from copy import copy
    made = object.__new__(type(m))
    for slot in m.__slots__:
        setattr(made, slot, getattr(m, slot))
    del copy
    return made


def _owner(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def flat_memory(array: np.ndarray) -> np.ndarray:
    """A dense array's memory as one dimension, in memory order; no copy."""
    if not array.flags.c_contiguous:
        array = array.transpose(sorted(range(array.ndim), key=lambda a: -array.strides[a]))
    return array.reshape(-1)


def _measure():
    class Holder:
        value: Value

    holder = Holder()
    holder.value = leaf(np.zeros(1), meta(dt.float64, (1,)))

    def frame(self):
        value = self.value
        array = value.array
        return getrefcount(value), getrefcount(array)
    return frame(holder)


_VALUE_REFS, _ARRAY_REFS = _measure()


def _owner_references(storage):
    """How a storage's array holds the owner of its memory, and how often the owner is held."""
    owner = storage.exposed[0]
    array = storage.value.array
    base = array.base
    if array is owner:
        way = "itself"
    elif base is owner:
        way = "base"
    elif getattr(base, "base", None) is owner:
        way = "strided"      # as_strided puts an object of its own between an array and its base
    elif getattr(getattr(base, "base", None), "base", None) is owner:
        way = "strided view"
    else:
        way = "apart"
    return way, getrefcount(owner)


def _measure_owners():
    """What `_owner_references` counts when nobody outside holds the memory.

    It differs between CPython versions, so it is measured.
    """
    def storage_over(array, owner):
        storage = UntypedStorage(leaf(array, meta(dt.float64, array.shape)))
        storage.exposed = (owner,)
        return storage

    def itself():
        array = np.zeros(2)
        return storage_over(array, array)

    def base():
        array = np.zeros(2)
        return storage_over(array[:1], array)

    def strided():
        array = np.zeros(2)
        return storage_over(np.lib.stride_tricks.as_strided(array, (1,), (8,)), array)

    def strided_view():
        array = np.zeros(2)
        return storage_over(np.lib.stride_tricks.as_strided(array[:], (1,), (8,)), array)

    def apart():
        return storage_over(np.zeros(2), np.zeros(2))

    makers = (itself, base, strided, strided_view, apart)
    return dict(_owner_references(make()) for make in makers)


_OWN_REFERENCES = _measure_owners()

__all__ = ["UntypedStorage", "flat_memory", "same_layout"]
