"""Where the pictures come from: the embedded sample, well-known data sets, folders."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rushlight.cli.errors import CommandError, UsageProblem
from rushlight.cli.training.configuration import Configuration
from rushlight.cli.training.pictures import EXTENSIONS, picture_properties, read_pictures

# Where distributions put the files of their dataset-* packages.
SYSTEM_DATA = (Path("/usr/share/datasets"), Path("/usr/local/share/datasets"))
IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DIGITS = tuple("0123456789")

Tell = Callable[[str], None]


@dataclass
class ImageData:
    """Labelled pictures in memory: uint8 [N, C, H, W] and int64 [N], for training and for test."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    augment: str = "none"


def load_data(configuration: Configuration, size_of_model: int | None, tell: Tell) -> ImageData:
    """Return the pictures that the configuration names.

    `size_of_model` is the only input size the model takes, if there is one. Raises CommandError
    or UsageProblem with one line when files are missing or malformed.
    """
    name, root = configuration.data, Path(configuration.data_dir)
    if name == "sample":
        return _load_sample()
    if name == "fashion-mnist":
        return _load_idx(_find_or_download("FashionMNIST", "fashion-mnist", root, tell), _clothes())
    if name == "mnist":
        return _load_idx(_find_or_download("MNIST", "mnist", root, tell), DIGITS)
    if name == "cifar10":
        return _load_cifar10(root, tell)
    folder = Path(name)
    if _holds_idx(folder):
        return _load_idx(folder, None)
    return _load_folder(folder, configuration, size_of_model, tell)


def _clothes() -> tuple[str, ...]:
    from rushlight.vision.datasets.sample import FASHION_MNIST_CLASSES

    return FASHION_MNIST_CLASSES


def _load_sample() -> ImageData:
    from rushlight.vision.datasets.sample import load_fashion_mnist_sample

    train_images, train_labels, test_images, test_labels = load_fashion_mnist_sample()
    return ImageData(
        train_images[:, None], train_labels, test_images[:, None], test_labels, _clothes(), "flip"
    )


# -- IDX files: MNIST and the data sets made in its image ------------------------------------


def _holds_idx(folder: Path) -> bool:
    return all(_idx_file(folder, name) is not None for name in IDX_NAMES)


def _idx_file(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def _find_or_download(class_name: str, package_name: str, root: Path, tell: Tell) -> Path:
    raw = root / class_name / "raw"
    places = [root, raw, *(system / package_name for system in SYSTEM_DATA)]
    for place in places:
        if _holds_idx(place):
            return place
    from rushlight.vision import datasets

    tell(f"downloading {class_name} to {raw}")
    _download(getattr(datasets, class_name), root, class_name)
    return raw


def _download(dataset: Callable, root: Path, name: str) -> list:
    try:
        return [dataset(str(root), train=part, download=True) for part in (True, False)]
    except (OSError, RuntimeError) as error:
        raise CommandError(
            f"{name} is not under {root} and could not be downloaded: {error}"
        ) from None


def _load_idx(folder: Path, classes: tuple[str, ...] | None) -> ImageData:
    train_images, train_labels, test_images, test_labels = (
        read_idx(_idx_file(folder, name) or folder / name) for name in IDX_NAMES
    )
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels) or not len(images):
            raise CommandError(f"{folder}: the IDX files do not hold one label per picture")
    highest = int(max(train_labels.max(), test_labels.max()))
    if classes is None:
        fashion = "fashion" in str(folder).lower() and highest == 9
        classes = _clothes() if fashion else tuple(str(i) for i in range(highest + 1))
    if highest >= len(classes):
        raise CommandError(f"{folder}: label {highest} with {len(classes)} classes")
    return ImageData(
        train_images[:, None],
        train_labels.astype(np.int64),
        test_images[:, None],
        test_labels.astype(np.int64),
        classes,
    )


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file of bytes, plain or gzipped, as a uint8 array.

    Raises CommandError when the file is cut short or its header does not fit its length.

    Example:
        >>> read_idx(Path("train-labels-idx1-ubyte.gz")).shape
        (60000,)
    """
    try:
        content = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise CommandError(f"cannot read {path}: {error}") from None
    dimensions = content[3] if len(content) >= 4 else 0
    header = 4 + 4 * dimensions
    if content[:3] != b"\0\0\x08" or not 1 <= dimensions <= 4 or len(content) < header:
        raise CommandError(f"{path} is not an IDX file of bytes")
    shape = np.frombuffer(content, ">u4", dimensions, 4).astype(int).tolist()
    expected = 1
    for extent in shape:
        expected *= extent
    if expected != len(content) - header:
        found = len(content) - header
        raise CommandError(f"{path}: {found} bytes of data, its header says {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


# -- CIFAR-10 in its own format --------------------------------------------------------------


def _load_cifar10(root: Path, tell: Tell) -> ImageData:
    from rushlight.vision import datasets

    tell(f"CIFAR-10 under {root}")
    train, test = _download(datasets.CIFAR10, root, "CIFAR10")
    parts = []
    for part in (train, test):
        parts.append(np.ascontiguousarray(np.asarray(part.data).transpose(0, 3, 1, 2)))
        parts.append(np.asarray(part.targets, np.int64))
    return ImageData(*parts, classes=tuple(train.classes), augment="flip-shift")


# -- folders of class folders ----------------------------------------------------------------


def _load_folder(
    folder: Path, configuration: Configuration, size_of_model: int | None, tell: Tell
) -> ImageData:
    train_folder = _first_folder(folder, ("train", "training"))
    test_folder = _first_folder(folder, ("test", "testing", "val", "valid", "validation"))
    if train_folder is not None and test_folder is not None:
        classes = class_folders(train_folder)
        train = labelled_files(train_folder, classes)
        unknown = [name for name in class_folders(test_folder) if name not in classes]
        if unknown:
            raise CommandError(f"{test_folder} has class {unknown[0]!r}, {train_folder} has not")
        test = labelled_files(test_folder, classes)
    else:
        classes = class_folders(folder)
        train, test = _split(labelled_files(folder, classes), configuration.seed)
        tell(f"no train/ and test/ in {folder}: every 6th picture is kept for the test")
    if len(classes) < 2:
        raise UsageProblem(f"--data {folder}: needs at least two class folders, found {classes}")
    if not train or not test:
        raise CommandError(f"--data {folder}: no pictures to {'train' if not train else 'test'} on")
    grey, content = _look_at_some(train, configuration.image_size or size_of_model)
    images = [_decode(part, grey, content, name, tell) for part, name in
              ((train, "training"), (test, "test"))]  # fmt: skip
    labels = [np.array([label for _, label in part], np.int64) for part in (train, test)]
    augment = "none" if grey else "flip-shift"
    return ImageData(images[0], labels[0], images[1], labels[1], tuple(classes), augment)


def class_folders(folder: Path) -> list[str]:
    """Return the names of the sub-folders, sorted: a class's number is its place in this list."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise CommandError(f"cannot list {folder}: {error.strerror}") from None


def labelled_files(folder: Path, classes: list[str]) -> list[tuple[str, int]]:
    """Return (path, class number) of every picture under the class folders, in sorted order."""
    found = []
    for label, name in enumerate(classes):
        for directory, _, files in sorted(os.walk(folder / name)):
            for file in sorted(files):
                if file.lower().endswith(EXTENSIONS):
                    found.append((os.path.join(directory, file), label))
    return found


def _split(files: list[tuple[str, int]], seed: int) -> tuple[list, list]:
    order = np.random.default_rng(seed).permutation(len(files)).tolist()
    test = sorted(order[::6])
    train = sorted(set(order) - set(test))
    return [files[i] for i in train], [files[i] for i in test]


def _first_folder(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _look_at_some(files: list[tuple[str, int]], size: int | None) -> tuple[bool, int]:
    """Return whether pictures are grey, and a size: the given one or the usual shorter side."""
    step = max(1, len(files) // 25)
    looks = [picture_properties(path) for path, _ in files[::step][:25]]
    grey = all(look[2] for look in looks)
    usual = sorted(min(width, height) for width, height, _ in looks)[len(looks) // 2]
    return grey, size or max(32, min(224, usual))


def _decode(part: list[tuple[str, int]], grey: bool, content: int, name: str, tell: Tell):
    threads = min(8, os.cpu_count() or 1)
    tell(f"reading {len(part):,} {name} pictures at {content}x{content}")
    return read_pictures([path for path, _ in part], 1 if grey else 3, content, threads)
