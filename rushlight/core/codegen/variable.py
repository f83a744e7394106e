"""Mutable values of a function that is being written: stack slots, which become registers."""

from __future__ import annotations


class Variable:
    """A mutable value: ``v.get()``, ``v.set(value)``."""

    __slots__ = ("b", "type", "pointer")

    def __init__(self, b, kind, pointer):
        self.b, self.type, self.pointer = b, kind, pointer

    def get(self):
        """The value now."""
        return self.b.load(self.type, self.pointer)

    def set(self, value) -> None:
        """Replace the value."""
        self.b.store(self.b.as_value(value, self.type), self.pointer)

    def add(self, value) -> None:
        """Add to the value."""
        self.set(self.get() + value)
