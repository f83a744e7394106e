"""Safetensors files, under the names of `safetensors.torch`: a header of JSON, then raw tensors.

    8 bytes    length n of the header, little endian
    n bytes    {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
    the rest   the elements, row-major, one tensor after the other without gaps

The format holds names and tensors and nothing else, so nothing in it can run. Every number of the
header is checked against the file before memory is asked for.
"""

import io
import json
import os

import numpy as np

import rushlight

from ._files.archive import fill, size_of
from ._files.atomic import atomic_write

__all__ = [
    "SafetensorError",
    "load",
    "load_file",
    "load_model",
    "safe_open",
    "save",
    "save_file",
    "save_model",
]

_HEADER_LIMIT = 100_000_000
_DTYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
    "complex64": "C64",
}
_BY_CODE = {code: name for name, code in _DTYPES.items()}


class SafetensorError(Exception):
    """The file is not a valid safetensors file."""


def _short_name(dtype):
    return str(dtype).removeprefix("torch.")


def _check_tensors(tensors):
    if not isinstance(tensors, dict):
        raise ValueError(
            f"Expected a dict of [str, torch.Tensor] but received {type(tensors).__name__}"
        )
    owners = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, rushlight.Tensor):
            raise ValueError(
                f"Key `{name}` is invalid, expected torch.Tensor but received "
                f"{type(tensor).__name__}"
            )
        if _short_name(tensor.dtype) not in _DTYPES:
            raise SafetensorError(f"Key `{name}`: safetensors has no dtype {tensor.dtype}")
        if not tensor.is_contiguous():
            raise ValueError(
                f"You are trying to save a non contiguous tensor: `{name}` which is not allowed. "
                "It either means you are trying to save tensors which are reference of each other "
                "in which case it's recommended to save only the full tensors, and reslice at "
                "load time, or simply call `.contiguous()` on your tensor to pack it before "
                "saving."
            )
        if tensor.numel():
            owners.setdefault(id(tensor.untyped_storage()), set()).add(name)
    shared = [names for names in owners.values() if len(names) > 1]
    if shared:
        raise RuntimeError(
            "Some tensors share memory, this will lead to duplicate memory on disk and potential "
            f"differences when loading them again: {shared}.\nA potential way to correctly save "
            "your model is to use `save_model`."
        )


def _write(file, tensors, metadata):
    _check_tensors(tensors)
    if metadata is not None and not all(
        isinstance(key, str) and isinstance(value, str) for key, value in metadata.items()
    ):
        raise TypeError("metadata must be a dict of str to str")
    # Large elements first, so that every tensor starts at a multiple of its element's size.
    rank = list(_BY_CODE)
    ordered = sorted(
        tensors.items(),
        key=lambda item: (-rank.index(_DTYPES[_short_name(item[1].dtype)]), item[0]),
    )
    header = {} if metadata is None else {"__metadata__": metadata}
    offset = 0
    for name, tensor in ordered:
        end = offset + tensor.numel() * tensor.element_size()
        code = _DTYPES[_short_name(tensor.dtype)]
        header[name] = {
            "dtype": code,
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, tensor in ordered:
        data = tensor.detach().numpy() if tensor.dtype is not rushlight.bfloat16 else None
        if data is None:
            data = tensor.detach().view(rushlight.int16).numpy()
        if data.size:
            file.write(np.ascontiguousarray(data).data.cast("B"))


def save(tensors, metadata=None):
    """Return the bytes of a safetensors file that holds the dictionary `tensors`."""
    file = io.BytesIO()
    _write(file, tensors, metadata)
    return file.getvalue()


def save_file(tensors, filename, metadata=None):
    """Write the dictionary `tensors` to `filename`; the file is replaced when all is written.

    Tensors must be contiguous and have memory of their own: ValueError and RuntimeError otherwise.
    `metadata` is a dictionary of text.
    """
    with atomic_write(filename) as file:
        _write(file, tensors, metadata)


def _read_header(file, size):
    """Return (metadata, {name: (dtype, shape, start, end)}, first byte of the data), checked."""
    if size < 8:
        raise SafetensorError("Error while deserializing header: header too small")
    length = int.from_bytes(file.read(8), "little")
    if length > _HEADER_LIMIT:
        raise SafetensorError("Error while deserializing header: header too large")
    if length > size - 8:
        raise SafetensorError("Error while deserializing header: invalid header length")
    try:
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_unique)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SafetensorError(f"Error while deserializing header: {error}") from None
    if not isinstance(header, dict):
        raise SafetensorError("Error while deserializing header: not a JSON object")
    metadata = header.pop("__metadata__", None)
    if metadata is not None and not (
        isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())
    ):
        raise SafetensorError("Error while deserializing header: metadata must be text")
    entries = {name: _entry(name, facts) for name, facts in header.items()}
    expected = 0
    for name, (_, _, start, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if start != expected:
            raise SafetensorError(f"Error while deserializing header: invalid offset for `{name}`")
        expected = end
    if expected != size - 8 - length:
        raise SafetensorError(
            f"Error while deserializing header: the tensors have {expected} bytes, the file has "
            f"{size - 8 - length}"
        )
    return metadata, entries, 8 + length


def _unique(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _entry(name, facts):
    try:
        code, shape, (start, end) = facts["dtype"], facts["shape"], facts["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise SafetensorError(f"Error while deserializing header: malformed `{name}`") from None
    numbers = [start, end, *(shape if isinstance(shape, list) else [None])]
    if any(type(number) is not int or not 0 <= number < 2**63 for number in numbers):
        raise SafetensorError(f"Error while deserializing header: malformed `{name}`")
    if not isinstance(code, str) or code not in _BY_CODE:
        raise SafetensorError(f"rushlight cannot read the dtype {code!r} of `{name}`")
    dtype = getattr(rushlight, _BY_CODE[code])
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size != end - start:
        raise SafetensorError(
            f"Error while deserializing header: `{name}` of shape {shape} needs {size} bytes, "
            f"not {end - start}"
        )
    return dtype, shape, start, end


def _read_tensor(file, base, entry):
    dtype, shape, start, end = entry
    if start == end:
        return rushlight.empty(shape, dtype=dtype)
    data = np.empty(end - start, dtype=np.uint8)
    file.seek(base + start)
    fill(file, data, "the file")
    storage = rushlight.UntypedStorage.from_numpy(data)
    strides, step = [], 1
    for length in reversed(shape):
        strides.insert(0, step)
        step *= length
    typed = rushlight.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)
    del data
    return rushlight._utils._rebuild_tensor_v2(typed, 0, tuple(shape), tuple(strides), False, None)


class safe_open:  # noqa: N801 - the name in the safetensors package
    """Context manager over a safetensors file that reads one tensor at a time.

    Example::

        with safe_open("weights.safetensors", framework="pt") as file:
            first = file.get_tensor("conv1.weight")
    """

    def __init__(self, filename, framework="pt", device="cpu"):
        if framework not in ("pt", "torch"):
            raise SafetensorError(f"rushlight reads tensors for framework 'pt', not {framework!r}")
        self._device = rushlight.device(device)
        self._file = open(filename, "rb")  # noqa: SIM115 - closed by __exit__
        try:
            size = os.fstat(self._file.fileno()).st_size
            self._metadata, self._entries, self._base = _read_header(self._file, size)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def keys(self):
        """The names of the tensors, in alphabetical order."""
        return sorted(self._entries)

    def metadata(self):
        """The file's metadata, or None."""
        return self._metadata

    def get_tensor(self, name):
        """Read one tensor; SafetensorError if there is none of that name."""
        if name not in self._entries:
            raise SafetensorError(f"File does not contain tensor {name}")
        return _read_tensor(self._file, self._base, self._entries[name]).to(self._device)


def load_file(filename, device="cpu"):
    """Read a safetensors file as a dictionary of tensors on `device`."""
    with safe_open(filename, "pt", device) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def load(data):
    """Read the bytes of a safetensors file as a dictionary of tensors."""
    file = io.BytesIO(data)
    _, entries, base = _read_header(file, size_of(file))
    return {name: _read_tensor(file, base, entries[name]) for name in sorted(entries)}


def _preferred_names(state):
    """For tensors that are the same memory, keep the alphabetically first name: {name: kept}."""
    kept, renamed = {}, {}
    for name in sorted(state):
        tensor = state[name]
        place = (id(tensor.untyped_storage()), tensor.storage_offset(), tuple(tensor.shape))
        if tensor.numel() and place in kept:
            renamed[name] = kept[place]
        else:
            kept[place] = name
    return renamed


def save_model(model, filename, metadata=None, force_contiguous=True):
    """Write a module's state_dict; weights that are shared by several names are written once."""
    state = model.state_dict()
    renamed = _preferred_names(state)
    metadata = {**(metadata or {}), **renamed} or None
    tensors = {name: tensor for name, tensor in state.items() if name not in renamed}
    if force_contiguous:
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, filename, metadata)


def load_model(model, filename, strict=True, device="cpu"):
    """Load a file of `save_model` into a module; returns (missing names, unexpected names)."""
    state = load_file(filename, device)
    renamed = _preferred_names(model.state_dict())
    for name, kept in renamed.items():
        if kept in state:
            state.setdefault(name, state[kept])
        elif name in state:
            state[kept] = state[name]
    missing, unexpected = model.load_state_dict(state, strict=False)
    if strict and (missing or unexpected):
        raise RuntimeError(
            f"Error(s) in loading state_dict for {type(model).__name__}:\n    Missing key(s) in "
            f"state_dict: {sorted(missing)}\n    Unexpected key(s) in state_dict: "
            f"{sorted(unexpected)}"
        )
    return missing, unexpected
