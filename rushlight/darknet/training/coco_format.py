"""COCO's data format: one JSON file of pictures, boxes and categories for each part."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from rushlight.darknet.training.labels import (
    DataError,
    DetectionData,
    LabelledPicture,
    read_text,
)

TRAIN_NAMES = ("instances_train*.json", "train.json", "*train*.json")
TEST_NAMES = ("instances_val*.json", "val.json", "test.json", "*val*.json", "*test*.json")


def read_coco_folder(folder: str | Path) -> DetectionData:
    """Read a folder with `annotations/*train*.json`, `annotations/*val*.json` and the pictures.

    Pictures are looked for in `train2017`, `val2017` (the words of the annotation file's name),
    `images` and the folder itself. Raises DataError for whatever is missing or malformed.

    Example:
        >>> data = read_coco_folder("coco")
        >>> len(data.names)
        80
    """
    folder = Path(folder)
    train_file, test_file = _annotation(folder, TRAIN_NAMES), _annotation(folder, TEST_NAMES)
    if train_file is None:
        raise DataError(f"{folder} has no annotations/*train*.json")
    names, train = read_coco_file(train_file, _picture_folders(folder, train_file))
    test: list[LabelledPicture] = []
    if test_file is not None and test_file != train_file:
        test_names, test = read_coco_file(test_file, _picture_folders(folder, test_file))
        if test_names != names:
            raise DataError(f"{train_file} and {test_file} have different categories")
    return DetectionData(names, train, test)


def read_coco_file(
    path: Path, picture_folders: list[Path]
) -> tuple[tuple[str, ...], list[LabelledPicture]]:
    """Return the category names, in the order of their ids, and the pictures of one JSON file.

    A picture's `identity` is its COCO id; class numbers are places in the list of names. Boxes
    without area are left out, as training can use none of them.
    """
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error})") from None
    categories = sorted(_rows(path, content, "categories"), key=lambda row: _id(path, row))
    number = {_id(path, row): place for place, row in enumerate(categories)}
    names = tuple(str(row.get("name", row["id"])) for row in categories)
    if not names:
        raise DataError(f"{path} has no categories")
    pictures: dict[int, tuple[Any, list, list, list]] = {}
    for row in _rows(path, content, "images"):
        file_name = row.get("file_name")
        if not isinstance(file_name, str):
            raise DataError(f"{path}: picture {row.get('id')!r} has no file_name")
        pictures[_id(path, row)] = (_place(picture_folders, file_name), [], [], [])
    for row in _rows(path, content, "annotations"):
        where = f"{path}: annotation {row.get('id')!r}"
        if row.get("image_id") not in pictures:
            raise DataError(f"{where} is of picture {row.get('image_id')!r}, which is not listed")
        if row.get("category_id") not in number:
            raise DataError(f"{where} has category {row.get('category_id')!r}, which is not listed")
        x, y, width, height = _box(where, row.get("bbox"))
        if width > 0 and height > 0:
            _, boxes, classes, crowd = pictures[row["image_id"]]
            boxes.append([x, y, x + width, y + height])
            classes.append(number[row["category_id"]])
            crowd.append(bool(row.get("iscrowd", 0)))
    return names, [
        LabelledPicture(place, np.array(boxes), np.array(classes), crowd, identity=identity)
        for identity, (place, boxes, classes, crowd) in pictures.items()
    ]


def _annotation(folder: Path, patterns: tuple[str, ...]) -> Path | None:
    for place in (folder / "annotations", folder):
        for pattern in patterns:
            found = sorted(place.glob(pattern))
            if found:
                return found[0]
    return None


def _picture_folders(folder: Path, annotation: Path) -> list[Path]:
    part = annotation.stem.removeprefix("instances_")
    return [folder / part, folder / "images" / part, folder / "images", folder, annotation.parent]


def _place(folders: list[Path], file_name: str) -> Path:
    name = Path(file_name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(f"the picture path {file_name!r} leaves the data folder")
    places = [folder / name for folder in folders]
    return next((place for place in places if place.exists()), places[0])


def _rows(path: Path, content: Any, key: str) -> list[dict]:
    rows = content.get(key) if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} has no list {key!r}: not a COCO annotation file")
    return rows


def _id(path: Path, row: dict) -> int:
    if not isinstance(row.get("id"), int):
        raise DataError(f"{path}: an entry has no whole number as id: {str(row)[:60]}")
    return row["id"]


def _box(where: str, box: Any) -> list[float]:
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"{where}: bbox must be [x, y, width, height], got {str(box)[:60]}")
    if not all(isinstance(side, (int, float)) and math.isfinite(side) for side in box):
        raise DataError(f"{where}: bbox must be four numbers, got {str(box)[:60]}")
    return box
