"""Read recorded PyTorch results without PyTorch, and without trusting the file.

An archive holds one pickle per op and an `index.json`. The pickles contain built-in containers,
numbers, strings and bytes only; the reader refuses every other global, so a hostile file cannot
run code. `decode` turns the encoded leaves into NumPy arrays and small markers.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

# How each dtype's bytes lie in the file. bfloat16 is kept as its 16 bits; complex32 as two halves.
STORAGE = {
    "bool": "?",
    "uint8": "u1",
    "int8": "i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "float16": "<f2",
    "bfloat16": "<u2",
    "float32": "<f4",
    "float64": "<f8",
    "complex32": "<f2",
    "complex64": "<c8",
    "complex128": "<c16",
}


class RefusingUnpickler(pickle.Unpickler):
    """An unpickler for built-in values: any global but `complex` is an error."""

    def find_class(self, module: str, name: str) -> Any:
        """Return `complex`; refuse everything else."""
        if (module, name) == ("builtins", "complex"):
            return complex
        raise pickle.UnpicklingError(f"the archive names {module}.{name}, which is not plain data")


@dataclass(slots=True)
class Array:
    """One recorded tensor: values, dtype name, strides (None when contiguous), requires_grad."""

    values: np.ndarray
    dtype: str
    strides: tuple[int, ...] | None
    requires_grad: bool

    def comparable(self) -> np.ndarray:
        """Return the values in a dtype that NumPy can compute with."""
        if self.dtype == "bfloat16":
            return (self.values.astype(np.uint32) << 16).view(np.float32)
        if self.dtype == "complex32":
            return self.values[..., 0] + 1j * self.values[..., 1].astype(np.complex64)
        return self.values

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape (complex32 is stored with one more dimension)."""
        return self.values.shape[:-1] if self.dtype == "complex32" else self.values.shape


@dataclass(slots=True)
class Outline:
    """A result that no seed decides (uninitialised or random): only dtype and shape are known."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(slots=True)
class Named:
    """A value known by name: a dtype, layout, memory format, device or public function."""

    kind: str
    value: Any


def decode(value: Any) -> Any:
    """Turn one encoded value into arrays, markers and plain containers."""
    if type(value) is not tuple:
        return value
    tag = value[0]
    if tag == "T":
        _, dtype, shape, strides, requires_grad, data = value
        stored_shape = (*shape, 2) if dtype == "complex32" else tuple(shape)
        values = np.frombuffer(data, STORAGE[dtype]).reshape(stored_shape)
        return Array(values, dtype, strides, requires_grad)
    if tag == "S":
        return Outline(value[1], tuple(value[2]))
    if tag == "L":
        return [decode(item) for item in value[2]]
    if tag == "U":
        return tuple(decode(item) for item in value[2])
    if tag == "D":
        return {key: decode(item) for key, item in value[2]}
    if tag != "X":
        raise ValueError(f"unknown tag {tag!r} in a recorded value")
    _, kind, content = value
    if kind == "slice":
        return slice(*(decode(item) for item in content))
    if kind == "Ellipsis":
        return Ellipsis
    if kind == "Size":
        return tuple(content)
    if kind == "ndarray":
        dtype, shape, data = content
        return np.frombuffer(data, dtype).reshape(shape)
    return Named(kind, content)


class Archive:
    """One archive of recorded results for one dtype: iterate over `names`, index for a record."""

    def __init__(self, path: Any):
        self.file = zipfile.ZipFile(path)
        meta = json.loads(self.file.read("index.json"))
        self.dtype: str = meta["dtype"]
        self.version: str = meta["torch"]
        self.names: list[str] = [entry["name"] for entry in meta["ops"] if "n" in entry]

    def __getitem__(self, name: str) -> dict[str, Any]:
        return RefusingUnpickler(io.BytesIO(self.file.read(f"{name}.pkl"))).load()


def leaves(value: Any) -> list[Any]:
    """Flatten nested lists, tuples and dicts into the list of what they hold."""
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return [value]
