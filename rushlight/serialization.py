"""`torch.save` and `torch.load`: PyTorch's .pt files, written and read.

PyTorch opens the files written here, also with `weights_only=True`, and files of PyTorch's that
hold tensors and plain containers are opened here. Reading never runs code, whatever
`weights_only` says; a class of the program's own is admitted by `add_safe_globals`.
"""

import contextlib
import enum
import io
import mmap as memory_map
import os
import pickle
import sys

import numpy as np

import rushlight

from ._files import admission, archive, legacy
from ._files.atomic import atomic_write
from ._files.locations import (
    default_restore_location,
    location_tag,
    register_package,
    restorer,
    validate_cuda_device,
)
from ._files.unpickle import Unpickler

__all__ = [
    "LoadEndianness",
    "SourceChangeWarning",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "validate_cuda_device",
]

DEFAULT_PROTOCOL = 2
_FORMAT_VERSION = b"1"
_ARCHIVE_VERSION = b"3\n"


class SourceChangeWarning(Warning):
    """Kept for programs that filter it; nothing here raises it."""


class LoadEndianness(enum.Enum):
    """The byte order that `load` assumes for files that do not say theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_endianness = None
_mmap_flags = getattr(memory_map, "MAP_PRIVATE", 2)


def get_default_load_endianness():
    """The byte order assumed for files that do not say theirs; None means little endian."""
    return _endianness


def set_default_load_endianness(endianness):
    """Choose a `LoadEndianness`, or None, for files that do not say their byte order."""
    global _endianness
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _endianness = endianness


def get_crc32_options():
    """Whether `save` computes checksums: always true, and `load` always checks them."""
    return True


def set_crc32_options(compute_crc32):
    """Accepted for PyTorch's sake; NotImplementedError for False: checksums are always written."""
    if not compute_crc32:
        raise NotImplementedError("rushlight always writes the checksums of a .pt file")


def get_default_mmap_options():
    """The flags with which `load(..., mmap=True)` maps a file."""
    return _mmap_flags


class set_default_mmap_options:  # noqa: N801 - PyTorch's own name
    """Set the flags with which files are mapped; only `mmap.MAP_PRIVATE` is known here."""

    def __init__(self, flags):
        if flags != _mmap_flags:
            raise NotImplementedError(
                "rushlight maps .pt files with mmap.MAP_PRIVATE only: a change to a loaded tensor "
                "never reaches the file"
            )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None


def add_safe_globals(safe_globals):
    """Let files that `load` reads name these classes and functions, and call them.

    An entry is a class or function, or a pair of one and the full name it has in the file.

    Example::

        torch.serialization.add_safe_globals([Options])
        checkpoint = torch.load("last.pt")
    """
    admission.allow(safe_globals)


def get_safe_globals():
    """The classes and functions that `add_safe_globals` was given."""
    return admission.allowed()


def clear_safe_globals():
    """Forget the classes and functions that `add_safe_globals` was given."""
    admission.disallow_all()


class safe_globals:  # noqa: N801 - PyTorch's own name
    """Context manager: `add_safe_globals` inside the block only."""

    def __init__(self, safe_globals):
        self._items = safe_globals

    def __enter__(self):
        self._before = admission.snapshot_allowed()
        admission.allow(self._items)

    def __exit__(self, *exception):
        admission.restore_allowed(self._before)


def _is_path(f):
    return isinstance(f, (str, os.PathLike))


@contextlib.contextmanager
def _opened_for_writing(f):
    if _is_path(f):
        path = os.fspath(f)
        folder = os.path.dirname(path)
        if folder and not os.path.isdir(folder):
            raise RuntimeError(f"Parent directory {folder} does not exist.")
        with atomic_write(path) as file:
            yield file
    elif hasattr(f, "write"):
        yield f
    else:
        raise AttributeError(
            f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, "
            f"not {type(f).__name__}"
        )


def save(
    obj,
    f,
    pickle_module=pickle,
    pickle_protocol=DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization=True,
    _disable_byteorder_record=False,
):
    """Write `obj` to `f`, a path or a binary file, in PyTorch's .pt format.

    Tensors that share memory are written once and share it again when loaded. A path is replaced
    only when everything is written: after an error the old file is still there.
    `_use_new_zipfile_serialization=False` writes the format of PyTorch before 1.6.

    Example::

        torch.save(net.state_dict(), "weights.pt")
        net.load_state_dict(torch.load("weights.pt"))
    """
    from ._files.pickler import pickle_object

    if pickle_module is not pickle and not hasattr(pickle_module, "dumps"):
        raise TypeError("pickle_module must be a module such as pickle")
    # The object first: one that cannot be pickled leaves no file behind.
    data, storages = pickle_object(obj, pickle_protocol, not _use_new_zipfile_serialization)
    with _opened_for_writing(f) as file:
        if not _use_new_zipfile_serialization:
            legacy.write_legacy(file, data, storages, pickle_protocol)
        else:
            root = os.path.splitext(os.path.basename(os.fspath(f)))[0] if _is_path(f) else ""
            _write_archive(file, root or "archive", data, storages, _disable_byteorder_record)
        if not _is_path(f) and hasattr(f, "flush"):
            f.flush()


def _write_archive(file, root, data, storages, without_byte_order):
    with archive.ArchiveWriter(file, root) as records:
        records.write("data.pkl", data)
        records.write(".format_version", _FORMAT_VERSION)
        records.write(".storage_alignment", str(archive.ALIGNMENT).encode())
        if not without_byte_order:
            records.write("byteorder", sys.byteorder.encode())
        for key, (storage, _) in storages.items():
            records.write(f"data/{key}", np.ascontiguousarray(storage.numpy()))
        records.write("version", _ARCHIVE_VERSION)


_HELP = (
    "Weights only load failed. A .pt file can name any function to be called when it is read; "
    "rushlight makes tensors and plain containers only, and the classes of modules that the "
    "program has defined with `weights_only=False`.\n\t"
)
_HINT = (
    "\n\nIf you trust the file, allow the classes it needs. Better, save what they hold: "
    "`torch.save(model.state_dict(), path)` instead of `torch.save(model, path)`."
)


def _module_classes():
    """The subclasses of nn.Module that exist now: making one runs nothing but the class's own."""
    nn = sys.modules.get("rushlight.nn")
    found, waiting = {}, [] if nn is None else [nn.Module]
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found[kind] = None
            waiting += kind.__subclasses__()
    return list(found)


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **options):
    """Read an object that `save` wrote, here or in PyTorch, from `f`, a path or a binary file.

    `map_location` says where storages go: a device or its name, a dict from the names in the file
    to others, or a function of (storage, location). `mmap=True` reads the tensors of a path when
    they are used; changing them does not change the file. No code of a file is ever run: with
    `weights_only=False` the classes of modules that the program has already defined or imported
    are admitted, so that whole models are read. Other classes of the program's own are admitted
    by `torch.serialization.add_safe_globals`.

    Raises `pickle.UnpicklingError` for a file that names anything else, or that is malformed;
    `RuntimeError` for a damaged archive or a device that is not there.
    """
    encoding = options.pop("encoding", "utf-8")
    if options:
        raise TypeError(f"load() got an unexpected keyword argument '{next(iter(options))}'")
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    restore = restorer(map_location)
    if mmap and not _is_path(f):
        raise ValueError(
            f"f must be a file path in order to use the mmap argument, got a {type(f).__name__}"
        )
    admitted = _module_classes() if weights_only is False else ()
    with _opened_for_reading(f) as file, safe_globals(admitted):
        try:
            if archive.looks_like_zip(file):
                return _load_archive(file, restore, mmap, encoding)
            if mmap:
                raise RuntimeError(
                    "mmap can only be used with files saved with "
                    "`torch.save(_use_new_zipfile_serialization=True), please torch.save your "
                    "checkpoint with this option in order to use mmap."
                )
            return legacy.read_legacy(file.read(), restore, encoding)
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(f"{_HELP}{error}{_HINT}") from None


@contextlib.contextmanager
def _opened_for_reading(f):
    if _is_path(f):
        with open(f, "rb") as file:
            yield file
        return
    missing = [name for name in ("read", "seek", "tell") if not hasattr(f, name)]
    if missing:
        raise AttributeError(
            f"'{type(f).__name__}' object has no attribute '{missing[0]}'. You can only "
            "torch.load from a file that is seekable. Please pre-load the data into a buffer like "
            "io.BytesIO and try to load from it instead."
        )
    if f.tell() != 0:
        yield io.BytesIO(f.read())
        return
    yield f


class _ArchiveStorages:
    """The storages of an archive: each record is read once, and shared by all that name it."""

    def __init__(self, records, restore, mapped):
        self._records = records
        self._restore = restore
        self._mapped = mapped
        self._swap = _file_byte_order(records) != sys.byteorder
        self._made = {}

    def load(self, kind, key, location, count, view):
        made = self._made.get(key)
        size = count * legacy.item_size(kind)
        if made is None:
            made = self._made[key] = self._restore(self._read(key, size, kind), location)
        if made.nbytes() != size:
            raise pickle.UnpicklingError(f"the storage {key} is named with two sizes")
        return legacy.wrapped(kind, made)

    def _read(self, key, size, kind):
        start, length, _ = self._records.span(f"data/{key}")
        if length != size:
            raise pickle.UnpicklingError(
                f"the storage {key} should have {size} bytes, its record has {length}"
            )
        data = self._mapped_bytes(start, length)
        if data is None:
            data = self._records.read_array(f"data/{key}")
        legacy.swap_bytes(data, kind, self._swap)
        return rushlight.UntypedStorage.from_numpy(data)

    def _mapped_bytes(self, start, length):
        # An odd start cannot be mapped: elements must lie at multiples of their size.
        if self._mapped is None or self._swap or start % 16 or not length:
            return None
        return np.frombuffer(self._mapped, dtype=np.uint8, count=length, offset=start)


def _file_byte_order(records):
    if records.has("byteorder"):
        order = records.read("byteorder").decode("ascii", "replace")
        if order not in ("little", "big"):
            raise ValueError(f"Unknown endianness type: {order}")
        return order
    if _endianness is LoadEndianness.NATIVE:
        return sys.byteorder
    return "big" if _endianness is LoadEndianness.BIG else "little"


def _load_archive(file, restore, mmap, encoding):
    records = archive.ArchiveReader(file)
    if records.has("constants.pkl"):
        raise NotImplementedError(
            "rushlight cannot read TorchScript archives; save the module's state_dict() with "
            "torch.save instead"
        )
    mapped = None
    if mmap:
        mapped = memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_COPY)
    storages = _ArchiveStorages(records, restore, mapped)
    data = records.read("data.pkl")
    policy = admission.Admission(storages.load, len(data))
    return Unpickler(data, policy, encoding=encoding).load()


def get_unsafe_globals_in_checkpoint(f):
    """The full names of the classes and functions in the file `f` that `load` would refuse."""
    survey = admission.Survey()
    with _opened_for_reading(f) as file:
        if not archive.looks_like_zip(file):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        Unpickler(archive.ArchiveReader(file).read("data.pkl"), survey).load()
    return survey.names
