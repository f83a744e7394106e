"""Pinned (page-locked) copies of a batch, for accelerators that want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import rushlight

from .containers import is_named_tuple, like_mapping, like_sequence


def pin_memory(data, device=None):
    """`data` with every tensor in it, and everything with a `pin_memory` method, pinned."""
    if isinstance(data, rushlight.Tensor) or hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return like_mapping(data, {key: pin_memory(data[key], device) for key in data})
    if is_named_tuple(data):
        return type(data)(*(pin_memory(item, device) for item in data))
    if isinstance(data, tuple):
        return type(data)(pin_memory(item, device) for item in data)
    if isinstance(data, Sequence):
        return like_sequence(data, [pin_memory(item, device) for item in data])
    return data
