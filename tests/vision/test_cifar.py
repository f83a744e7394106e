"""CIFAR from both of its forms, and pickles that are not data."""

import os
import pickle

import numpy as np
import pytest

from rushlight.vision.datasets import CIFAR10, CIFAR100
from rushlight.vision.datasets._safe_pickle import load_plain

NAMES = ["airplane", "automobile", "bird"]


class SmallCIFAR10(CIFAR10):
    """The same reader, for files with other sums."""

    train_list = [["data_batch_1", None], ["data_batch_2", None]]
    test_list = [["test_batch", None]]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": None}
    _binary_train = ["data_batch_1.bin", "data_batch_2.bin"]


class SmallCIFAR100(CIFAR100):
    train_list = [["train", None]]
    test_list = [["test", None]]
    meta = {"filename": "meta", "key": "fine_label_names", "md5": None}


def rows(count, seed):
    """Pictures as the files have them: three planes of 32x32, one row each."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def write_pickles(folder, protocol=2):
    folder.mkdir(parents=True)
    for seed, name in enumerate(["data_batch_1", "data_batch_2", "test_batch"]):
        entry = {
            b"batch_label": b"a batch",
            b"labels": [seed, 2, 1],
            b"data": rows(3, seed),
            b"filenames": [b"a.png", b"b.png", b"c.png"],
        }
        (folder / name).write_bytes(pickle.dumps(entry, protocol=protocol))
    meta = {"num_vis": 3072, "label_names": NAMES}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=protocol))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_pickles_of_every_protocol(tmp_path, protocol):
    write_pickles(tmp_path / "cifar-10-batches-py", protocol)
    data = SmallCIFAR10(tmp_path, train=True)
    assert data.data.shape == (6, 32, 32, 3) and data.data.dtype == np.uint8
    assert data.targets == [0, 2, 1, 1, 2, 1]
    assert data.classes == NAMES
    assert data.class_to_idx == {"airplane": 0, "automobile": 1, "bird": 2}
    assert len(data) == 6
    # Pixel (row 4, column 5) of the second picture: red, green and blue lie a plane apart.
    planes = rows(3, 0)[1]
    assert data.data[1, 4, 5].tolist() == [planes[k * 1024 + 4 * 32 + 5] for k in range(3)]
    assert SmallCIFAR10(tmp_path, train=False).targets == [2, 2, 1]


def test_pictures_are_pil_images_and_transforms_apply(tmp_path):
    pytest.importorskip("PIL")
    write_pickles(tmp_path / "cifar-10-batches-py")
    data = SmallCIFAR10(tmp_path, transform=np.asarray, target_transform=lambda t: t + 10)
    picture, target = data[2]
    assert target == 11
    assert np.array_equal(picture, data.data[2])
    assert SmallCIFAR10(tmp_path)[0][0].mode == "RGB"


def test_text(tmp_path):
    write_pickles(tmp_path / "cifar-10-batches-py")
    assert repr(SmallCIFAR10(tmp_path)) == (
        f"Dataset SmallCIFAR10\n    Number of datapoints: 6\n    Root location: {tmp_path}\n"
        "    Split: Train"
    )


def test_binary_form(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for seed, name in enumerate(["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]):
        labels = np.array([[2], [0], [1]], dtype=np.uint8)
        (folder / name).write_bytes(np.hstack([labels, rows(3, seed)]).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    data = SmallCIFAR10(tmp_path)
    assert data.targets == [2, 0, 1, 2, 0, 1] and data.classes == NAMES
    assert np.array_equal(data.data[4].transpose(2, 0, 1).ravel(), rows(3, 1)[1])
    (folder / "data_batch_2.bin").write_bytes(b"\0" * 3074)
    with pytest.raises(RuntimeError, match="3074 bytes are not rows of 3073"):
        SmallCIFAR10(tmp_path)


def test_cifar100_takes_fine_labels_from_both_forms(tmp_path):
    folder = tmp_path / "pickled" / "cifar-100-python"
    folder.mkdir(parents=True)
    for name in ("train", "test"):
        entry = {"fine_labels": [1, 0], "coarse_labels": [5, 6], "data": rows(2, 0)}
        (folder / name).write_bytes(pickle.dumps(entry, protocol=2))
    names = {"fine_label_names": ["apple", "bee"], "coarse_label_names": ["fruit", "insect"]}
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))
    pickled = SmallCIFAR100(tmp_path / "pickled")
    folder = tmp_path / "binary" / "cifar-100-binary"
    folder.mkdir(parents=True)
    labels = np.array([[5, 1], [6, 0]], dtype=np.uint8)
    (folder / "train.bin").write_bytes(np.hstack([labels, rows(2, 0)]).tobytes())
    (folder / "fine_label_names.txt").write_text("apple\nbee\n")
    binary = SmallCIFAR100(tmp_path / "binary")
    assert pickled.targets == binary.targets == [1, 0]
    assert pickled.classes == binary.classes == ["apple", "bee"]
    assert np.array_equal(pickled.data, binary.data)


def test_missing_or_altered_files(tmp_path):
    with pytest.raises(RuntimeError, match="not found or corrupted. You can use download=True"):
        CIFAR10(tmp_path)
    write_pickles(tmp_path / "cifar-10-batches-py")
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        CIFAR10(tmp_path)  # the published sums do not match


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_a_pickle_does_not_run(tmp_path, protocol):
    flag = tmp_path / "ran"
    for call in [
        Evil(os.mkdir, str(flag)),
        Evil(eval, f"__import__('os').mkdir({str(flag)!r})"),
        Evil(getattr, "x", "upper"),
    ]:
        path = tmp_path / "data_batch_1"
        path.write_bytes(pickle.dumps({"data": call}, protocol=protocol))
        with pytest.raises(pickle.UnpicklingError, match="which is not data"):
            load_plain(path)
        assert not flag.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        b"\x80\x02}q",
        b"\x80\x02]q\x00.",  # a list
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x00.",  # a byte array of 2**56 bytes
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.",  # bytes of 2**56 bytes
        b"\x80\x02(i__builtin__\nexec\n.",  # old-style instance
        b"\x80\x02\x82\x01.",  # extension registry
        b"\x80\x02U\x03abcQ.",  # persistent object
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R(K\x01)U\x01xK\x00U\x00tb.",
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo index of 2**31
    ],
)
def test_damaged_pickles_are_refused_cheaply(tmp_path, content):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    if content.endswith(b"\x7f."):
        assert load_plain(path) == {}  # harmless: the memo is a dictionary
        return
    with pytest.raises(pickle.UnpicklingError):
        load_plain(path)


def test_arrays_of_objects_are_refused(tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": np.array([{}, 1], dtype=object)}, protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="only arrays of bytes"):
        load_plain(path)
