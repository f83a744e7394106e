"""Rebuilding a container around new contents, for collation, conversion and pinning alike."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence


def is_named_tuple(value):
    """Whether `value` is a tuple with named fields."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def like_mapping(original, items):
    """A mapping of `original`'s kind that holds the dict `items`; a dict if that cannot be made.

    A mutable one is copied and updated, since it may carry more than its items.
    """
    try:
        if isinstance(original, MutableMapping):
            clone = copy.copy(original)
            clone.update(items)
            return clone
        return type(original)(items)
    except TypeError:
        return items


def like_sequence(original, items):
    """A sequence of `original`'s kind that holds the list `items`; a list if it cannot be made."""
    try:
        if isinstance(original, MutableSequence):
            clone = copy.copy(original)
            for place, item in enumerate(items):
                clone[place] = item
            return clone
        return type(original)(items)
    except TypeError:
        return items


__all__ = ["Mapping", "is_named_tuple", "like_mapping", "like_sequence"]
