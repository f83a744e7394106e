"""Darknet's own data format: a `.data` file, lists of pictures, one text file of boxes a picture.

The `.data` file has lines `key = value`: `classes`, `train` and `valid` (lists of picture paths,
one a line) and `names`. The boxes of `images/x.jpg` are in `labels/x.txt`, or beside the picture:
lines `class x y width height`, centre and size as fractions of the picture's sides.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from rushlight.darknet.training.labels import (
    EXTENSIONS,
    DataError,
    DetectionData,
    LabelledPicture,
    read_names,
    read_text,
)


def read_darknet_data(path: str | Path) -> DetectionData:
    """Read the data set that a `.data` file describes.

    Relative paths are looked for from the working directory, as Darknet does, and then from the
    file's own folder. Raises DataError, naming file and line, for whatever is missing or malformed.

    Example:
        >>> data = read_darknet_data("cells/cells.data")
        >>> data.names, len(data.train)
        (('red', 'white', 'platelet'), 205)
    """
    path = Path(path)
    options = read_data_options(path)
    names = _names(path, options)
    train = _pictures(path, options, "train", len(names))
    test = _pictures(path, options, "valid", len(names)) if "valid" in options else []
    return DetectionData(names, train, test)


def read_data_options(path: Path) -> dict[str, str]:
    """Return the `key = value` lines of a `.data` file."""
    options = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise DataError(f"{path}, line {number}: expected `key = value`, got {text[:60]!r}")
        options[key.strip()] = value.strip()
    return options


def _names(path: Path, options: dict[str, str]) -> tuple[str, ...]:
    names = read_names(_found(path, options["names"])) if "names" in options else ()
    if "classes" not in options:
        if not names:
            raise DataError(f"{path} has neither `classes =` nor `names =`")
        return names
    try:
        count = int(options["classes"])
    except ValueError:
        raise DataError(f"{path}: classes = {options['classes']} is not a whole number") from None
    if not 1 <= count <= 100_000:
        raise DataError(f"{path}: classes = {count} is out of range")
    if names and len(names) != count:
        raise DataError(f"{path}: classes = {count}, but {options['names']} names {len(names)}")
    return names or tuple(str(number) for number in range(count))


def _found(data_file: Path, name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_absolute() or path.exists():
        return path
    return data_file.parent / path


def _pictures(data_file: Path, options: dict[str, str], key: str, classes: int):
    if key not in options:
        raise DataError(f"{data_file} has no line `{key} = ...`")
    listing = _found(data_file, options[key])
    pictures = []
    for line in read_text(listing).splitlines():
        if line.strip():
            path = _found(data_file, line.strip())
            boxes, labels = read_label_file(label_path(path), classes)
            pictures.append(
                LabelledPicture(path, boxes, labels, fractions=True, identity=len(pictures))
            )
    if not pictures:
        raise DataError(f"{listing} lists no pictures")
    return pictures


def label_path(picture: Path) -> Path:
    """Return where Darknet looks for a picture's boxes: `images` in its path becomes `labels`.

    Example:
        >>> label_path(Path("cells/images/train/7.jpg")).as_posix()
        'cells/labels/train/7.txt'
    """
    parts = ["labels" if part in ("images", "JPEGImages") else part for part in picture.parts[:-1]]
    elsewhere = Path(*parts, picture.stem + ".txt")
    beside = picture.with_suffix(".txt")
    return beside if beside.exists() and not elsewhere.exists() else elsewhere


def read_label_file(path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (corner boxes as fractions [N, 4], classes [N]); a missing file means no boxes.

    Darknet treats a picture without a label file as one without objects. Raises DataError for a
    line that is not five numbers, a class out of range or a box that has no area.
    """
    if not path.exists():
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    boxes, labels = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if len(words) != 5:
                raise ValueError
            label = int(words[0])
            x, y, width, height = (float(word) for word in words[1:])
        except ValueError:
            raise DataError(
                f"{path}, line {number}: expected `class x y width height`, got {line[:60]!r}"
            ) from None
        if not 0 <= label < classes:
            raise DataError(f"{path}, line {number}: class {label}, but there are {classes}")
        if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
            raise DataError(f"{path}, line {number}: not a box: {line[:60]!r}")
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        boxes.append([min(max(side, 0.0), 1.0) for side in box])
        labels.append(label)
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64)


def write_darknet_data(
    folder: str | Path, data: DetectionData, sizes: dict[str, list[tuple[int, int]]]
) -> Path:
    """Write label files, lists, names and the `.data` file beside pictures already on disk.

    `sizes` holds (width, height) of each picture of "train" and "test". Returns the `.data` file.
    """
    folder = Path(folder)
    lines = [f"classes = {len(data.names)}"]
    for key, part in (("train", data.train), ("valid", data.test)):
        name = "train" if key == "train" else "test"
        paths = []
        for picture, (width, height) in zip(part, sizes[name]):
            path = Path(picture.path)
            target = label_path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            boxes = picture.pixel_boxes(width, height) / [width, height, width, height]
            target.write_text("".join(_label_line(c, b) for c, b in zip(picture.classes, boxes)))
            paths.append(str(path))
        (folder / f"{name}.txt").write_text("".join(f"{one}\n" for one in paths))
        lines.append(f"{key} = {folder / f'{name}.txt'}")
    (folder / "classes.names").write_text("".join(f"{name}\n" for name in data.names))
    lines.append(f"names = {folder / 'classes.names'}")
    result = folder / "detection.data"
    result.write_text("\n".join(lines) + "\n")
    return result


def _label_line(label: int, box: np.ndarray) -> str:
    x1, y1, x2, y2 = (float(side) for side in box)
    return f"{label} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n"


def is_picture(path: Path) -> bool:
    """Whether a file's name ends as a picture's does."""
    return path.suffix.lower() in EXTENSIONS
