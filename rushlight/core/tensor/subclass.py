"""Tensor subclasses: the default ``__torch_function__`` and its off switch."""

from __future__ import annotations

from .dispatch import PLAIN, TENSOR


def plain(item):
    """`item` with subclass instances seen as plain tensors (same storage, same graph)."""
    if isinstance(item, TENSOR[0]) and type(item) not in PLAIN:
        return item.as_subclass(TENSOR[0])
    if isinstance(item, (list, tuple)) and not hasattr(item, "_fields"):
        return type(item)(plain(i) for i in item)
    return item


def default_torch_function(cls, func, types, args, kwargs):
    """Run `func` on plain tensors and give its tensor results the class `cls`."""
    if not all(issubclass(cls, t) or issubclass(t, cls) for t in types):
        return NotImplemented
    result = func(*[plain(a) for a in args], **{k: plain(v) for k, v in kwargs.items()})
    return _as(cls, result)


def _as(cls, result):
    if type(result) in PLAIN and cls is not TENSOR[0]:
        return result.as_subclass(cls)
    if isinstance(result, tuple) and not hasattr(result, "_fields"):
        return tuple(_as(cls, r) for r in result)
    return result
