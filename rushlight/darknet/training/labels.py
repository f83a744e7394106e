"""What a detector learns from: pictures, and the boxes and classes of what is on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif")


class DataError(ValueError):
    """Labelled data that cannot be used; the text is one line that names the file and place."""


@dataclass
class LabelledPicture:
    """One picture with its boxes.

    `boxes` are float32 [N, 4] corners (x1, y1, x2, y2): pixels of the original picture, or
    fractions of its sides where `fractions` is true (Darknet's files do not say the size).
    `classes` are int64 [N]. What is `crowd` [N] (COCO: a region of many) or `difficult` [N]
    (Pascal VOC) is neither learnt nor counted. `pixels`, uint8 [H, W, 3], is there for pictures
    made in memory, `path` for those on disk.

    Example:
        >>> LabelledPicture("cat.jpg", np.array([[0, 0, 9, 9.0]]), np.array([2])).difficult
        array([False])
    """

    path: Any
    boxes: np.ndarray
    classes: np.ndarray
    crowd: Any = None
    difficult: Any = None
    fractions: bool = False
    pixels: np.ndarray | None = None
    identity: int = 0

    def __post_init__(self) -> None:
        self.boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        self.classes = np.asarray(self.classes, np.int64).reshape(-1)
        count = len(self.boxes)
        self.crowd = _flags(self.crowd, count)
        self.difficult = _flags(self.difficult, count)

    def pixel_boxes(self, width: int, height: int) -> np.ndarray:
        """Return the boxes in pixels of the picture, whose size is (width, height)."""
        sides = np.array([width, height, width, height], np.float32)
        return self.boxes * sides if self.fractions else self.boxes


@dataclass
class DetectionData:
    """The classes of a data set, and its pictures to train on and to test with."""

    names: tuple[str, ...]
    train: list[LabelledPicture] = field(default_factory=list)
    test: list[LabelledPicture] = field(default_factory=list)


def _flags(values: Any, count: int) -> np.ndarray:
    return np.zeros(count, bool) if values is None else np.asarray(values, bool).reshape(-1)


def read_text(path: Path) -> str:
    """Return a text file's content. Raises DataError naming it when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot read {path}: {reason}") from None


def read_names(path: Path) -> tuple[str, ...]:
    """Return the class names of a `.names` file: one a line, empty lines ignored."""
    names = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
    if not names:
        raise DataError(f"{path} holds no class names")
    return names


def open_picture(picture: LabelledPicture) -> np.ndarray:
    """Return the pixels of a picture: uint8 [H, W, 3].

    Raises DataError naming the file when it is missing or not a whole picture.
    """
    if picture.pixels is not None:
        return picture.pixels
    return read_pixels(picture.path)


def read_pixels(path: Any) -> np.ndarray:
    """Decode a picture file to uint8 [H, W, 3]."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise DataError("reading pictures needs Pillow: pip install 'rushlight[cli]'") from None
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise DataError(f"no such picture: {path}") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read picture {path}: {error or type(error).__name__}") from None
