"""Darknet's, COCO's and Pascal VOC's data formats, and what is said of malformed files."""

import json

import numpy as np
import pytest

from rushlight.darknet.training.coco_format import read_coco_folder
from rushlight.darknet.training.darknet_format import (
    label_path,
    read_darknet_data,
    write_darknet_data,
)
from rushlight.darknet.training.labels import DataError
from rushlight.darknet.training.voc_format import read_annotation, read_voc_folder

Image = pytest.importorskip("PIL.Image")


def picture(path, size=(40, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 20, 30)).save(path)


def darknet_folder(folder):
    for name in ("a", "b"):
        picture(folder / "images" / f"{name}.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n\n0 0.1 0.5 0.4 1\n")
    (folder / "train.txt").write_text("images/a.png\nimages/b.png\n")
    (folder / "names").write_text("ant\nbee\n")
    data = folder / "x.data"
    data.write_text("# comment\nclasses = 2\ntrain = train.txt\nvalid=train.txt\nnames = names\n")
    return data


def test_darknet(tmp_path):
    data = read_darknet_data(darknet_folder(tmp_path))
    assert data.names == ("ant", "bee")
    first, second = data.train
    np.testing.assert_allclose(
        first.pixel_boxes(40, 20), [[10, 5, 30, 15], [0, 0, 12, 20]], rtol=1e-6
    )  # the second box reaches beyond the border
    assert first.classes.tolist() == [1, 0]
    assert len(second.boxes) == 0, "no label file: no objects"
    assert len(data.test) == 2


@pytest.mark.parametrize(
    "line, message",
    [
        ("1 0.5 0.5 0.5", "line 1: expected `class x y width height`"),
        ("x 0.5 0.5 0.5 0.5", "line 1: expected"),
        ("2 0.5 0.5 0.5 0.5", "class 2, but there are 2"),
        ("-1 0.5 0.5 0.5 0.5", "class -1"),
        ("1 0.5 0.5 0 0.5", "not a box"),
        ("1 nan 0.5 0.5 0.5", "not a box"),
        ("1 0.5 inf 0.5 0.5", "not a box"),
    ],
)
def test_malformed_darknet_labels(tmp_path, line, message):
    data = darknet_folder(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text(line + "\n")
    with pytest.raises(DataError, match="a.txt.*" + message):
        read_darknet_data(data)


@pytest.mark.parametrize(
    "content, message",
    [
        ("train = train.txt\n", "neither `classes =` nor `names =`"),
        ("classes = two\ntrain = train.txt\n", "classes = two is not"),
        ("classes = 99999999\ntrain = train.txt\n", "out of range"),
        ("classes = 3\nnames = names\ntrain = train.txt\n", "classes = 3, but names names 2"),
        ("classes = 2\n", "no line `train"),
        ("classes = 2\ntrain = missing.txt\n", "cannot read .*missing.txt"),
        ("classes = 2\nwhat is this\n", "line 2: expected `key = value`"),
        ("classes = 2\ntrain = empty.txt\n", "lists no pictures"),
    ],
)
def test_malformed_data_file(tmp_path, content, message):
    data = darknet_folder(tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    data.write_text(content)
    with pytest.raises(DataError, match=message):
        read_darknet_data(data)


def test_darknet_labels_lie_beside_or_elsewhere(tmp_path):
    picture(tmp_path / "images" / "a.png")
    assert label_path(tmp_path / "images" / "a.png") == tmp_path / "labels" / "a.txt"
    (tmp_path / "images" / "a.txt").write_text("")
    assert label_path(tmp_path / "images" / "a.png") == tmp_path / "images" / "a.txt"


VOC_OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>1</xmin>
<ymin>2</ymin><xmax>{xmax}</xmax><ymax>20</ymax></bndbox></object>"""


def voc_folder(folder, **values):
    values = {"name": "cell", "difficult": 0, "xmax": 40, **values}
    for name in ("a", "b", "c"):
        picture(folder / "JPEGImages" / f"{name}.png")
        (folder / "Annotations").mkdir(exist_ok=True)
        text = f"<annotation>{VOC_OBJECT.format(**values)}</annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    for part, ids in (("train", "a"), ("trainval", "a\nb"), ("test", "c")):
        (folder / "ImageSets" / "Main" / f"{part}.txt").write_text(ids + "\n")
    return folder


def test_voc(tmp_path):
    data = read_voc_folder(voc_folder(tmp_path))
    assert data.names == ("cell",) and len(data.train) == 2 and len(data.test) == 1
    np.testing.assert_array_equal(data.test[0].boxes, [[0, 1, 40, 20]])
    assert data.test[0].path.name == "c.png"


def test_voc_difficult(tmp_path):
    data = read_voc_folder(voc_folder(tmp_path, difficult=1))
    assert data.train[0].difficult.tolist() == [True]


def test_voc_validation_list_is_not_trained_on(tmp_path):
    folder = voc_folder(tmp_path)
    (folder / "ImageSets" / "Main" / "test.txt").rename(folder / "ImageSets" / "Main" / "val.txt")
    data = read_voc_folder(folder)
    assert [p.path.stem for p in data.train] == ["a"] and [p.path.stem for p in data.test] == ["c"]


def test_voc_errors(tmp_path):
    folder = voc_folder(tmp_path / "x", xmax="wide")
    with pytest.raises(DataError, match="bndbox/xmax is 'wide'"):
        read_voc_folder(folder)
    with pytest.raises(DataError, match="ImageSets/Main has no trainval.txt or|no train.txt or"):
        read_voc_folder(tmp_path)
    with pytest.raises(DataError, match="'cell', which is not in the names"):
        read_voc_folder(voc_folder(tmp_path / "y"), names=("other",))
    (tmp_path / "y" / "JPEGImages" / "c.png").unlink()
    with pytest.raises(DataError, match="no picture c"):
        read_voc_folder(tmp_path / "y")
    (tmp_path / "y" / "ImageSets" / "Main" / "test.txt").write_text("../../secret\n")
    with pytest.raises(DataError, match="not the name of a picture"):
        read_voc_folder(tmp_path / "y")


@pytest.mark.parametrize(
    "text, message",
    [
        ("<annotation><object>", "not valid XML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", "document type"),
        ("<annotation><object/></annotation>", "object 1 has no name"),
        ("", "not valid XML"),
    ],
)
def test_malformed_annotations(tmp_path, text, message):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_annotation(path)


COCO = {
    "images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 20}],
    "categories": [{"id": 5, "name": "dog"}, {"id": 2, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 5, "bbox": [1, 2, 10, 5], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 40, 20], "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 2, "bbox": [0, 0, 0, 20]},
    ],
}


def coco_folder(folder, content):
    (folder / "annotations").mkdir()
    for part in ("train", "val"):
        (folder / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(content))
        picture(folder / f"{part}2017" / "a.png")
    return folder


def test_coco(tmp_path):
    data = read_coco_folder(coco_folder(tmp_path, COCO))
    assert data.names == ("cat", "dog")
    (one,) = data.train
    assert one.identity == 7 and one.path == tmp_path / "train2017" / "a.png"
    assert one.classes.tolist() == [1, 0] and one.crowd.tolist() == [False, True]
    np.testing.assert_array_equal(one.boxes, [[1, 2, 11, 7], [0, 0, 40, 20]])
    assert data.test[0].path == tmp_path / "val2017" / "a.png"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"images": None}, "no list 'images'"),
        ({"images": [{"id": 7}]}, "no file_name"),
        ({"images": [{"id": "7", "file_name": "a.png"}]}, "no whole number as id"),
        ({"images": [{"id": 7, "file_name": "../a.png"}]}, "leaves the data folder"),
        ({"images": []}, "annotation 1 is of picture 7"),
        ({"categories": []}, "no categories"),
        ({"categories": [{"id": 1}]}, "has category 5"),
        ({"annotations": [{"id": 1, "image_id": 7, "category_id": 5}]}, "bbox must be"),
        ({"annotations": [{"id": 1, "image_id": 7, "category_id": 5, "bbox": [1, 2, 3, "4"]}]},
         "four numbers"),
        ({"annotations": "none"}, "no list 'annotations'"),
    ],
)  # fmt: skip
def test_malformed_coco(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        read_coco_folder(coco_folder(tmp_path, {**COCO, **change}))


def test_coco_that_is_not_json(tmp_path):
    folder = coco_folder(tmp_path, COCO)
    (folder / "annotations" / "instances_train2017.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        read_coco_folder(folder)


def test_formats_agree(tmp_path):
    """Pascal VOC's boxes written as Darknet's are the same boxes."""
    data = read_voc_folder(voc_folder(tmp_path / "voc"))
    sizes = {"train": [(40, 20)] * 2, "test": [(40, 20)]}
    again = read_darknet_data(write_darknet_data(tmp_path, data, sizes))
    assert again.names == data.names
    for one, other in zip(data.train + data.test, again.train + again.test):
        np.testing.assert_allclose(one.boxes, other.pixel_boxes(40, 20), atol=1e-4)
        assert one.classes.tolist() == other.classes.tolist()
