"""How a tensor's elements are arranged: layouts and memory formats, which are names only."""

from __future__ import annotations


class layout:  # noqa: N801 - PyTorch's own name
    """The kind of storage behind a tensor. There is one: `strided`."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "torch." + self.name

    def __reduce__(self):
        return _layout_named, (self.name,)

    def __deepcopy__(self, memo):
        return self


class memory_format:  # noqa: N801 - PyTorch's own name
    """The order of a tensor's axes in memory: `contiguous_format`, `channels_last`, ..."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "torch." + self.name

    def __reduce__(self):
        return _format_named, (self.name,)

    def __deepcopy__(self, memo):
        return self


def _layout_named(name):
    return LAYOUTS[name]


def _format_named(name):
    return MEMORY_FORMATS[name]


LAYOUTS = {name: layout(name) for name in ("strided",)}
MEMORY_FORMATS = {
    name: memory_format(name)
    for name in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
}
