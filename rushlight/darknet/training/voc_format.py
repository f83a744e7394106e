"""Pascal VOC's data format: Annotations/*.xml, JPEGImages/, ImageSets/Main/{train,val,test}.txt."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from rushlight.darknet.training.labels import (
    EXTENSIONS,
    DataError,
    DetectionData,
    LabelledPicture,
    read_text,
)

TRAIN_LISTS = ("trainval", "train")
TEST_LISTS = ("test", "val")
LARGEST_FILE = 16 << 20


def read_voc_folder(folder: str | Path, names: tuple[str, ...] | None = None) -> DetectionData:
    """Read a folder in Pascal VOC's layout.

    Trains on the list `trainval` when the test list is `test`, on `train` when it is `val`. The
    classes are those found, sorted, unless `names` gives them. VOC's pixels count from 1: a box
    from 1 to 640 fills a picture 640 wide. Objects marked difficult are kept with that mark.
    Raises DataError, naming the file, for whatever is missing or malformed.

    Example:
        >>> data = read_voc_folder("BCCD")
        >>> data.names, len(data.test)
        (('Platelets', 'RBC', 'WBC'), 72)
    """
    folder = Path(folder)
    lists = folder / "ImageSets" / "Main"
    has_test = (lists / "test.txt").exists()
    train_ids = _ids(lists, TRAIN_LISTS if has_test else ("train", "trainval"))
    test_ids = _ids(lists, TEST_LISTS if has_test else ("val",), needed=False)
    parts = [[_read(folder, name) for name in ids] for ids in (train_ids, test_ids)]
    found = sorted({name for part in parts for _, objects in part for name, *_ in objects})
    names = tuple(names or found)
    if not names:
        raise DataError(f"{folder}/Annotations: not one object in {len(train_ids)} files")
    number = {name: place for place, name in enumerate(names)}
    unknown = [name for name in found if name not in number]
    if unknown:
        raise DataError(f"{folder}: objects of class {unknown[0]!r}, which is not in the names")
    train, test = (
        [_picture(path, objects, number, place) for place, (path, objects) in enumerate(part)]
        for part in parts
    )
    return DetectionData(names, train, test)


def _ids(lists: Path, candidates: tuple[str, ...], needed: bool = True) -> list[str]:
    for name in candidates:
        path = lists / f"{name}.txt"
        if path.exists():
            # The lists of single classes have a second column: 1, -1 or 0.
            ids = [line.split()[0] for line in read_text(path).splitlines() if line.strip()]
            if not ids:
                raise DataError(f"{path} lists no pictures")
            return ids
    if needed:
        raise DataError(f"{lists} has no {' or '.join(f'{name}.txt' for name in candidates)}")
    return []


def _read(folder: Path, identity: str) -> tuple[Path, list[tuple]]:
    if "/" in identity or "\\" in identity or identity.startswith("."):
        raise DataError(f"{folder}/ImageSets: {identity[:60]!r} is not the name of a picture")
    objects = read_annotation(folder / "Annotations" / f"{identity}.xml")
    pictures = folder / "JPEGImages"
    for extension in EXTENSIONS:
        if (pictures / f"{identity}{extension}").exists():
            return pictures / f"{identity}{extension}", objects
    raise DataError(f"{pictures} has no picture {identity}")


def read_annotation(path: Path) -> list[tuple]:
    """Return (class name, x1, y1, x2, y2, difficult) of each object in one XML file.

    Boxes without area are left out. Raises DataError for a file that is not such a file; one with
    a document type is refused, since entities could expand without bound.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{path} is larger than {LARGEST_FILE >> 20} MiB: not an annotation")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{path} has a document type: not a plain annotation file")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{path}: not valid XML ({error})") from None
    objects = []
    for place, node in enumerate(root.iter("object"), 1):
        where = f"{path}: object {place}"
        name = (node.findtext("name") or "").strip()
        if not name:
            raise DataError(f"{where} has no name")
        x1, y1, x2, y2 = (_side(where, node, key) for key in ("xmin", "ymin", "xmax", "ymax"))
        difficult = (node.findtext("difficult") or "0").strip() == "1"
        if x2 > x1 - 1 and y2 > y1 - 1:
            objects.append((name, x1 - 1, y1 - 1, x2, y2, difficult))
    return objects


def _side(where: str, node: ElementTree.Element, key: str) -> float:
    text = node.findtext(f"bndbox/{key}")
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: bndbox/{key} is {text!r}, not a number")
    return value


def _picture(path: Path, objects: list[tuple], number: dict[str, int], place: int):
    boxes = np.array([one[1:5] for one in objects], np.float32).reshape(-1, 4)
    classes = np.array([number[one[0]] for one in objects], np.int64)
    difficult = [one[5] for one in objects]
    return LabelledPicture(path, np.maximum(boxes, 0), classes, None, difficult, identity=place)
