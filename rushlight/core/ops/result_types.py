"""``torch.return_types``: the named tuples that some functions return."""

from __future__ import annotations

from typing import Any

RETURN_TYPES: dict = {}


class ReturnType(tuple):
    """A tuple whose fields also have names; printed as PyTorch prints it."""

    __slots__ = ()
    _fields: tuple = ()

    def __new__(cls, values):
        return tuple.__new__(cls, values)

    @property
    def _name(self):
        return type(self).__name__

    def __repr__(self):
        inner = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self))
        return f"torch.return_types.{type(self).__name__}(\n{inner})"

    def __reduce__(self):
        return (_rebuild, (type(self).__name__, tuple(self)))


def _rebuild(name, values):
    return RETURN_TYPES[name](values)


def result_type(name, fields):
    """The named tuple type ``torch.return_types.name``."""
    found = RETURN_TYPES.get(name)
    if found is None:
        members: dict[str, Any] = {
            "__slots__": (), "_fields": tuple(fields), "__module__": "torch.return_types",
            "n_fields": len(fields), "n_sequence_fields": len(fields)}
        for i, field in enumerate(fields):
            members[field] = property(lambda self, _i=i: tuple.__getitem__(self, _i))
        found = RETURN_TYPES[name] = type(name, (ReturnType,), members)
    return found
