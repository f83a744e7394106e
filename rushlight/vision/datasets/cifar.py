"""CIFAR-10 and CIFAR-100: 60,000 colour pictures of 32x32 pixels (Krizhevsky 2009)."""

import os

import numpy

from rushlight.vision._pillow import pillow_image
from rushlight.vision.datasets._safe_pickle import load_plain
from rushlight.vision.datasets.utils import check_integrity, download_and_extract_archive
from rushlight.vision.datasets.vision import VisionDataset

_PIXELS = 3 * 32 * 32


class CIFAR10(VisionDataset):
    """50,000 training and 10,000 test pictures of ten classes.

    Both published forms are read from `root`: the pickles of `cifar-10-batches-py`, without running
    any code they may hold, or else the plain bytes of `cifar-10-batches-bin`.

    Args:
        download: fetch and unpack the first form if neither is there.

    Attributes:
        data: uint8 array (N, 32, 32, 3). targets: [class number]. classes: names.
        class_to_idx: {name: number}.

    Raises:
        RuntimeError: no intact files.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    # The second form: its folder, bytes before each picture (the last is the class), its files.
    _binary_folder = "cifar-10-batches-bin"
    _binary_labels = 1
    _binary_train = [f"data_batch_{number}.bin" for number in range(1, 6)]
    _binary_test = ["test_batch.bin"]
    _binary_names = "batches.meta.txt"

    def __init__(
        self, root, train=True, transform=None, target_transform=None, download=False
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if self._check_integrity():
            self._read_pickles()
        elif self._has_binary():
            self._read_binary()
        else:
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    def _read_pickles(self):
        pictures, self.targets = [], []
        for name, _ in self.train_list if self.train else self.test_list:
            path = os.path.join(self.root, self.base_folder, name)
            entry = load_plain(path)
            data = entry.get("data")
            labels = entry["labels"] if "labels" in entry else entry.get("fine_labels")
            if not isinstance(data, numpy.ndarray) or data.shape[1:] != (_PIXELS,):
                raise RuntimeError(f"{path}: 'data' is not an array of {_PIXELS} bytes a picture")
            if not isinstance(labels, list) or len(labels) != len(data):
                raise RuntimeError(f"{path}: not one label for each of {len(data)} pictures")
            pictures.append(data)
            self.targets.extend(labels)
        self._keep(numpy.concatenate(pictures))
        path = os.path.join(self.root, self.base_folder, self.meta["filename"])
        if not check_integrity(path, self.meta["md5"]):
            raise RuntimeError(
                "Dataset metadata file not found or corrupted. You can use download=True to "
                "download it"
            )
        self.classes = load_plain(path)[self.meta["key"]]

    def _binary_paths(self):
        names = self._binary_train if self.train else self._binary_test
        return [os.path.join(self.root, self._binary_folder, name) for name in names]

    def _has_binary(self):
        return all(os.path.isfile(path) for path in self._binary_paths())

    def _read_binary(self):
        row = self._binary_labels + _PIXELS
        pictures, self.targets = [], []
        for path in self._binary_paths():
            content = numpy.fromfile(path, dtype=numpy.uint8)
            if len(content) == 0 or len(content) % row:
                raise RuntimeError(f"{path}: {len(content)} bytes are not rows of {row}")
            content = content.reshape(-1, row)
            self.targets.extend(content[:, self._binary_labels - 1].tolist())
            pictures.append(content[:, self._binary_labels :])
        self._keep(numpy.concatenate(pictures))
        path = os.path.join(self.root, self._binary_folder, self._binary_names)
        with open(path, encoding="utf-8") as file:
            self.classes = file.read().split()

    def _keep(self, rows):
        """Rows of planes (N, 3 * 32 * 32) as pictures (N, 32, 32, 3)."""
        pictures = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.data = numpy.ascontiguousarray(pictures)

    def __getitem__(self, index):
        picture = pillow_image().fromarray(self.data[index])
        return self._transformed(picture, self.targets[index])

    def __len__(self):
        return len(self.data)

    def _check_integrity(self):
        folder = os.path.join(self.root, self.base_folder)
        return all(
            check_integrity(os.path.join(folder, name), md5)
            for name, md5 in self.train_list + self.test_list
        )

    def download(self):
        """Fetch and unpack the files, unless they are there already."""
        if self._check_integrity() or self._has_binary():
            return
        download_and_extract_archive(
            self.url, self.root, filename=self.filename, md5=self.tgz_md5
        )

    def extra_repr(self):
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """As `CIFAR10`, of a hundred classes."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }

    _binary_folder = "cifar-100-binary"
    _binary_labels = 2
    _binary_train = ["train.bin"]
    _binary_test = ["test.bin"]
    _binary_names = "fine_label_names.txt"
