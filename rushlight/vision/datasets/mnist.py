"""MNIST and the data sets in its format."""

import os
import string
import warnings

import numpy

import rushlight
from rushlight.vision._pillow import pillow_image
from rushlight.vision.datasets._archives import open_compressed
from rushlight.vision.datasets.utils import (
    check_integrity,
    download_and_extract_archive,
    download_url,
    extract_archive,
    verify_str_arg,
)
from rushlight.vision.datasets.vision import VisionDataset

_IDX_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def _read_idx(path):
    """The array in an IDX file, compressed or not.

    An IDX file starts with two zero bytes, one for the dtype and one for the number of dimensions;
    then come the dimensions, four bytes each, and the values, all with the highest byte first.

    Raises:
        RuntimeError: not such a file, or of another length than it says.
    """
    compression = os.path.splitext(path)[1][1:]
    is_packed = compression in ("gz", "bz2", "xz")
    with open_compressed(path, compression) if is_packed else open(path, "rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_DTYPES or not head[3]:
            raise RuntimeError(f"{path}: not an IDX file (it starts with {head.hex()})")
        dtype = numpy.dtype(_IDX_DTYPES[head[2]])
        sides = file.read(4 * head[3])
        if len(sides) < 4 * head[3]:
            raise RuntimeError(f"{path}: the file ends within its header")
        shape = tuple(int(side) for side in numpy.frombuffer(sides, dtype=">u4"))
        expected = dtype.itemsize
        for side in shape:
            expected *= side
        limit = os.path.getsize(path) * (1040 if is_packed else 1)  # deflate's largest expansion
        content = file.read(expected + 1) if expected <= limit else b""
    if len(content) != expected:
        raise RuntimeError(f"{path}: {expected} bytes of {shape} expected, the file has not these")
    return numpy.frombuffer(content, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))


def read_sn3_pascalvincent_tensor(path, strict=True):
    """The tensor in an IDX file (`strict` is accepted; a wrong length always is an error)."""
    return rushlight.from_numpy(_read_idx(path))


def read_label_file(path):
    """The labels (N,) in an IDX file, as int64."""
    labels = _read_idx(path)
    if labels.dtype != numpy.uint8 or labels.ndim != 1:
        raise ValueError(f"{path}: labels should be one row of bytes, not {labels.shape}")
    return rushlight.from_numpy(labels.astype(numpy.int64))


def read_image_file(path):
    """The pictures (N, H, W) in an IDX file, as uint8."""
    pictures = _read_idx(path)
    if pictures.dtype != numpy.uint8 or pictures.ndim != 3:
        raise ValueError(f"{path}: pictures should be bytes (N, H, W), not {pictures.shape}")
    return rushlight.from_numpy(pictures)


class MNIST(VisionDataset):
    """60,000 training and 10,000 test pictures of handwritten digits, 28x28, gray.

    The files are read from `root/MNIST/raw`, unpacked or still compressed.

    Args:
        download: fetch them if they are not there.

    Attributes:
        data: uint8 tensor (N, 28, 28). targets: int64 tensor (N,). classes: names.

    Raises:
        RuntimeError: files that are missing or damaged.
    """

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file = "training.pt"
    test_file = "test.pt"
    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip

    def __init__(
        self, root, train=True, transform=None, target_transform=None, download=False
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        self.data, self.targets = self._load_data()

    def _load_data(self):
        split = "train" if self.train else "t10k"
        pictures = read_image_file(self._raw_file(f"{split}-images-idx3-ubyte"))
        labels = read_label_file(self._raw_file(f"{split}-labels-idx1-ubyte"))
        if len(pictures) != len(labels):
            raise RuntimeError(
                f"{self.raw_folder}: {len(pictures)} pictures but {len(labels)} labels"
            )
        return pictures, labels

    def _raw_file(self, name):
        """The path of a file, or of its compressed form if only that is there."""
        path = os.path.join(self.raw_folder, name)
        return path if check_integrity(path) or not check_integrity(path + ".gz") else path + ".gz"

    def __getitem__(self, index):
        picture = pillow_image().fromarray(self.data[index].numpy())
        return self._transformed(picture, int(self.targets[index]))

    def __len__(self):
        return len(self.data)

    @property
    def raw_folder(self):
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self):
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self):
        return {name: number for number, name in enumerate(self.classes)}

    def _check_exists(self):
        return all(
            check_integrity(self._raw_file(os.path.splitext(name)[0]))
            for name, _ in self.resources
        )

    def download(self):
        """Fetch and unpack the files, unless they are there already.

        Raises:
            RuntimeError: no mirror has them.
        """
        if self._check_exists():
            return
        for name, md5 in self.resources:
            errors = []
            for mirror in self.mirrors:
                try:
                    download_and_extract_archive(
                        f"{mirror}{name}",
                        self.raw_folder,
                        extract_root=os.path.join(self.raw_folder, os.path.splitext(name)[0]),
                        filename=name,
                        md5=md5,
                    )
                    break
                except (OSError, RuntimeError) as error:
                    errors.append(f"{mirror}: {error}")
            else:
                raise RuntimeError(f"Error downloading {name}:\n" + "\n".join(errors))

    def extra_repr(self):
        return f"Split: {'Train' if self.train is True else 'Test'}"

    @property
    def train_labels(self):
        warnings.warn("train_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def test_labels(self):
        warnings.warn("test_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def train_data(self):
        warnings.warn("train_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def test_data(self):
        warnings.warn("test_data has been renamed data", stacklevel=2)
        return self.data


class FashionMNIST(MNIST):
    """As `MNIST`, of ten kinds of clothes (arXiv:1708.07747)."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """As `MNIST`, of ten cursive Japanese characters (arXiv:1812.01718)."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


_LETTERS_ALIKE = "cijklmopsuvwxyz"  # small letters that look like their capitals
_DIGITS_AND_LETTERS = sorted(string.digits + string.ascii_letters)
_MERGED = [letter for letter in _DIGITS_AND_LETTERS if letter not in _LETTERS_ALIKE]


class EMNIST(MNIST):
    """As `MNIST`, of letters and digits in six splits (arXiv:1702.05373).

    Args:
        split: "byclass", "bymerge", "balanced", "letters", "digits" or "mnist".
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: dict[str, list[str]] = {
        "byclass": list(_DIGITS_AND_LETTERS),
        "bymerge": list(_MERGED),
        "balanced": list(_MERGED),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root, split, **kwargs):
        self.split = verify_str_arg(split, "split", self.splits)
        self.training_file = f"training_{split}.pt"
        self.test_file = f"test_{split}.pt"
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[split]

    def _name(self, what, train=None):
        train = self.train if train is None else train
        return f"emnist-{self.split}-{'train' if train else 'test'}-{what}"

    def _load_data(self):
        pictures = read_image_file(self._raw_file(self._name("images-idx3-ubyte")))
        return pictures, read_label_file(self._raw_file(self._name("labels-idx1-ubyte")))

    def _check_exists(self):
        return all(
            check_integrity(self._raw_file(self._name(what)))
            for what in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )

    def download(self):
        """Fetch the archive of all splits, unless this split is there already."""
        if self._check_exists():
            return
        download_and_extract_archive(self.url, self.raw_folder, md5=self.md5)
        packed = os.path.join(self.raw_folder, "gzip")
        for name in sorted(os.listdir(packed)):
            if name.endswith(".gz"):
                extract_archive(
                    os.path.join(packed, name), os.path.join(self.raw_folder, name[:-3])
                )


_QMNIST_AT = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """MNIST rebuilt from its source, with the 50,000 lost test pictures (arXiv:1905.10498).

    Args:
        what: "train", "test", "test10k", "test50k" or "nist"; by default what `train` says.
        compat: targets are class numbers; otherwise rows of eight numbers about each picture.
    """

    subsets = {
        "train": "train",
        "test": "test",
        "test10k": "test",
        "test50k": "test",
        "nist": "nist",
    }
    resources = {
        "train": [
            (_QMNIST_AT + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (_QMNIST_AT + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (_QMNIST_AT + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (_QMNIST_AT + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (_QMNIST_AT + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (_QMNIST_AT + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(self, root, what=None, compat=True, train=True, **kwargs):
        if what is None:
            what = "train" if train else "test"
        self.what = verify_str_arg(what, "what", tuple(self.subsets))
        self.compat = compat
        self.data_file = self.training_file = self.test_file = f"{what}.pt"
        super().__init__(root, train, **kwargs)

    def _paths(self):
        """The two files (pictures, labels), unpacked or as they were fetched."""
        paths = []
        for url, _ in self.resources[self.subsets[self.what]]:
            packed = os.path.join(self.raw_folder, os.path.basename(url))
            plain = os.path.splitext(packed)[0]
            paths.append(plain if check_integrity(plain) else packed)
        return paths

    def _check_exists(self):
        return all(check_integrity(path) for path in self._paths())

    def _load_data(self):
        pictures_path, labels_path = self._paths()
        pictures = read_image_file(pictures_path)
        labels = _read_idx(labels_path)
        if labels.ndim != 2 or labels.dtype != numpy.int32:
            raise ValueError(f"{labels_path}: labels should be rows of 32-bit numbers")
        labels = rushlight.from_numpy(labels.astype(numpy.int64))
        if self.what == "test10k":
            pictures, labels = pictures[:10000].clone(), labels[:10000].clone()
        elif self.what == "test50k":
            pictures, labels = pictures[10000:].clone(), labels[10000:].clone()
        return pictures, labels

    def download(self):
        """Fetch the two files, unless they are there already."""
        if self._check_exists():
            return
        for url, md5 in self.resources[self.subsets[self.what]]:
            download_url(url, self.raw_folder, md5=md5)

    def __getitem__(self, index):
        picture = pillow_image().fromarray(self.data[index].numpy())
        target = self.targets[index]
        return self._transformed(picture, int(target[0]) if self.compat else target)

    def extra_repr(self):
        return f"Split: {self.what}"
