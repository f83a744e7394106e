"""What is known of a layer before anything is allocated: its shape, its parts and its weights.

`sections.py` makes one `Layer` of each section; `network.py` makes modules of them once the whole
file has been checked, so a hostile file costs no memory.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from rushlight.darknet.cfg import Block

__all__ = ["Layer", "Parts", "Place", "Shape", "Slot"]

# A map of 2^28 floats is a gibibyte; YOLOv3's largest at 608 x 608 is a twentieth of that.
MAXIMUM_MAP = 1 << 28

# (name, function that makes the module) for each child of a layer's Sequential.
Parts = list[tuple[str, Callable[[], Any]]]


class Shape(NamedTuple):
    """Channels, height and width of a layer's output for a picture of the size in [net]."""

    channels: int
    height: int
    width: int

    def __str__(self):
        return f"{self.channels} x {self.height} x {self.width}"


class Slot(NamedTuple):
    """Some weights of a layer, in the file's order: a parameter or buffer of the layer's module.

    `transposed` says that the file holds the matrix (first dimension, rest) the other way round:
    "always", or "by header" where the header of the file decides.
    """

    name: str
    shape: tuple[int, ...]
    transposed: str = ""

    @property
    def count(self):
        return math.prod(self.shape)


@dataclasses.dataclass
class Layer:
    """One section of the cfg file behind [net].

    Attributes:
        index: its number, 0 for the section behind [net]. block: the section.
        output: its output's Shape. parts: (name, function that makes the module).
        sources: the layers whose outputs it is given as a list; None: that of the layer before.
        slots: its weights in the order of a .weights file. head: it is [yolo] or [region].
    """

    index: int
    block: Block
    output: Shape
    parts: Parts
    sources: tuple[int, ...] | None = None
    slots: tuple[Slot, ...] = ()
    head: bool = False

    @property
    def floats(self):
        """How many floats the layer has in a .weights file."""
        return 0 if self.block.get("dontload") == "1" else sum(slot.count for slot in self.slots)


@dataclasses.dataclass
class Place:
    """Where a section stands: its index, the Shape it is given, and the layers before it."""

    index: int
    input: Shape
    layers: list[Layer]

    def sources(self, block, option, numbers):
        """Absolute indices of the layers that `numbers` name, negative ones counted from here."""
        found = []
        for number in numbers:
            index = self.index + number if number < 0 else number
            if not 0 <= index < self.index:
                raise block.error(
                    f"{option}={number} names layer {index}, and this is layer {self.index}: only "
                    "layers before it can be used",
                    option,
                )
            found.append(index)
        return tuple(found)


def checked(block, channels, height, width):
    """The Shape, or CfgError where a side is not positive or the map beyond all use."""
    if min(channels, height, width) < 1:
        raise block.error(f"the output would be {channels} x {height} x {width}: nothing is left")
    if channels * height * width > MAXIMUM_MAP:
        raise block.error(
            f"the output would be {channels} x {height} x {width}, more than {MAXIMUM_MAP} numbers"
        )
    return Shape(channels, height, width)
