"""Folders of class folders."""

import numpy as np
import pytest

from rushlight.vision import datasets
from rushlight.vision.datasets import folder

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def root(tmp_path):
    for name, colour in [("dog/1.png", 10), ("cat/z.JPG", 20), ("cat/sub/a.bmp", 30)]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), colour).save(path)
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "loose.png").write_bytes(b"")
    return tmp_path


def test_image_folder(root):
    data = datasets.ImageFolder(root)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    names = [path[len(str(root)) + 1 :].replace("\\", "/") for path, _ in data.samples]
    assert names == ["cat/z.JPG", "cat/sub/a.bmp", "dog/1.png"]
    assert data.targets == [0, 0, 1] and data.imgs is data.samples and len(data) == 3
    picture, target = data[2]
    assert picture.mode == "RGB" and picture.getpixel((0, 0)) == (10, 10, 10) and target == 1
    assert repr(data).splitlines()[0] == "Dataset ImageFolder"


def test_transforms(root):
    data = datasets.ImageFolder(root, transform=np.asarray, target_transform=str)
    picture, target = data[0]
    assert picture.shape == (2, 3, 3) and target == "0"
    assert repr(data).splitlines()[3:] == [
        "    StandardTransform",
        "Transform: " + repr(np.asarray),
        "Target transform: <class 'str'>",
    ]


def test_own_loader_and_filter(root):
    data = datasets.DatasetFolder(
        root, loader=lambda path: path[-5:], is_valid_file=lambda path: "sub" in path,
        allow_empty=True,
    )  # fmt: skip
    assert [data[i] for i in range(len(data))] == [("a.bmp", 0)]


def test_errors(root, tmp_path):
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in"):
        datasets.ImageFolder(root / "dog")
    with pytest.raises(FileNotFoundError, match="no valid file for the classes cat, dog. Supp"):
        datasets.DatasetFolder(root, loader=open, extensions=(".wav",))
    with pytest.raises(ValueError, match="Both extensions and is_valid_file"):
        datasets.DatasetFolder(root, loader=open)
    with pytest.raises(ValueError, match="at least one entry"):
        folder.make_dataset(root, {}, extensions=".png")
    (root / "dog" / "bad.png").write_bytes(b"not a picture")
    data = datasets.ImageFolder(root)
    with pytest.raises(OSError, match="cannot identify image file"):
        [data[i] for i in range(len(data))]


def test_names():
    assert folder.is_image_file("x.JPEG") and not folder.is_image_file("x.gif")
    assert folder.has_file_allowed_extension("x.a", ".a")


def test_names_that_are_missing_say_so():
    with pytest.raises(NotImplementedError, match="rushlight.vision.datasets.CelebA"):
        datasets.CelebA  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'CIFAR10'"):
        datasets.Cifar10  # noqa: B018


def test_vision_dataset():
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        datasets.VisionDataset("x", transforms=abs, transform=abs)
    with pytest.raises(NotImplementedError):
        datasets.VisionDataset("x")[0]
