"""MNIST's format: pictures, labels, damage, and downloads from a mirror."""

import functools
import gzip
import hashlib
import http.server
import struct
import threading

import numpy as np
import pytest

import rushlight
from rushlight.vision.datasets import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from rushlight.vision.datasets.mnist import read_image_file, read_label_file


def idx(array):
    """An array in IDX's bytes."""
    codes = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
    head = bytes([0, 0, codes[array.dtype.name], array.ndim])
    sides = struct.pack(f">{array.ndim}I", *array.shape)
    return head + sides + array.astype(array.dtype.newbyteorder(">")).tobytes()


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def write_split(folder, split, count, packed, prefix=""):
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        f"{prefix}{split}-images-idx3-ubyte": idx(pictures(count)),
        f"{prefix}{split}-labels-idx1-ubyte": idx(np.arange(count, dtype=np.uint8) % 10),
    }
    for name, content in contents.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / name).write_bytes(content)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST, KMNIST])
def test_both_splits(tmp_path, kind, packed):
    raw = tmp_path / kind.__name__ / "raw"
    write_split(raw, "train", 7, packed)
    write_split(raw, "t10k", 3, packed)
    data = kind(tmp_path)
    assert isinstance(data.data, rushlight.Tensor) and data.data.dtype == rushlight.uint8
    assert tuple(data.data.shape) == (7, 28, 28) and data.targets.dtype == rushlight.int64
    assert data.targets.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.array_equal(data.data.numpy(), pictures(7))
    assert len(kind(tmp_path, train=False)) == 3
    assert len(data.classes) == 10 and data.class_to_idx[data.classes[9]] == 9
    assert repr(data) == (
        f"Dataset {kind.__name__}\n    Number of datapoints: 7\n    Root location: {tmp_path}\n"
        "    Split: Train"
    )


def test_items_are_pictures_and_numbers(tmp_path):
    pytest.importorskip("PIL")
    write_split(tmp_path / "MNIST" / "raw", "train", 4, False)
    write_split(tmp_path / "MNIST" / "raw", "t10k", 4, False)
    picture, target = MNIST(tmp_path)[3]
    assert picture.mode == "L" and picture.size == (28, 28) and target == 3
    assert isinstance(target, int)
    assert np.array_equal(np.asarray(picture), pictures(4)[3])
    with pytest.warns(UserWarning, match="renamed targets"):
        assert MNIST(tmp_path).train_labels.tolist() == [0, 1, 2, 3]


def test_missing(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found. You can use download=True"):
        MNIST(tmp_path)


def test_pictures_and_labels_must_agree(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    write_split(raw, "train", 4, False)
    write_split(raw, "t10k", 4, False)
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, dtype=np.uint8)))
    with pytest.raises(RuntimeError, match="4 pictures but 5 labels"):
        MNIST(tmp_path)


GOOD = idx(pictures(2))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD[:3],
        GOOD[:9],
        GOOD[:-1],
        GOOD + b"x",
        b"\1" + GOOD[1:],
        GOOD[:2] + b"\x07" + GOOD[3:],
        GOOD[:3] + b"\0",
        GOOD[:4] + b"\xff" * 12 + GOOD[16:],  # 2**96 pixels
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_files(tmp_path, content, packed):
    path = tmp_path / ("images.gz" if packed else "images")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(RuntimeError, match="images"):
        read_image_file(str(path))


def test_wrong_kind_of_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(idx(np.zeros((2, 3), dtype=np.int16)))
    with pytest.raises(ValueError, match="labels should be one row of bytes"):
        read_label_file(str(path))
    with pytest.raises(ValueError, match="pictures should be bytes"):
        read_image_file(str(path))


def test_emnist(tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    write_split(raw, "train", 5, True, prefix="emnist-letters-")
    data = EMNIST(tmp_path, "letters")
    assert len(data) == 5 and data.classes[:3] == ["N/A", "a", "b"] and len(data.classes) == 27
    assert len(EMNIST.classes_split_dict["byclass"]) == 62
    assert len(EMNIST.classes_split_dict["bymerge"]) == 47
    with pytest.raises(ValueError, match="Unknown value 'letter'"):
        EMNIST(tmp_path, "letter")


def test_qmnist(tmp_path):
    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    labels = np.arange(3 * 8, dtype=np.int32).reshape(3, 8)
    (raw / "qmnist-test-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures(3))))
    (raw / "qmnist-test-labels-idx2-int.gz").write_bytes(gzip.compress(idx(labels)))
    data = QMNIST(tmp_path, "test")
    assert data.targets.tolist() == labels.tolist()
    assert len(QMNIST(tmp_path, "test10k")) == 3 and len(QMNIST(tmp_path, "test50k")) == 0
    assert data.extra_repr() == "Split: test"


def test_download_falls_back_to_the_second_mirror(tmp_path):
    served = tmp_path / "served"
    write_split(served, "train", 4, True)
    write_split(served, "t10k", 2, True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    handler.log_message = lambda *_: None
    daemon = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=daemon.serve_forever)
    thread.start()
    try:
        names = [name for name, _ in MNIST.resources]

        class Local(MNIST):
            mirrors = ["http://127.0.0.1:9/", f"http://127.0.0.1:{daemon.server_port}/"]
            resources = [
                (name, hashlib.md5((served / name).read_bytes()).hexdigest()) for name in names
            ]

        data = Local(tmp_path / "root", download=True)
        assert len(data) == 4 and (tmp_path / "root/Local/raw" / names[0][:-3]).exists()

        class Damaged(Local):
            resources = [(name, "0" * 32) for name in names]

        with pytest.raises(RuntimeError, match="Error downloading train-images"):
            Damaged(tmp_path / "root", download=True)
    finally:
        daemon.shutdown()
        thread.join()
        daemon.server_close()
