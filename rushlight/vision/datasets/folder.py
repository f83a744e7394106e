"""Collections that are folders of class folders."""

import os

from rushlight.vision._pillow import pillow_image
from rushlight.vision.datasets.vision import VisionDataset

IMG_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
)  # fmt: skip


def has_file_allowed_extension(filename, extensions):
    """Whether the name ends in one of `extensions`, in letters of either case."""
    return filename.lower().endswith(
        extensions if isinstance(extensions, str) else tuple(extensions)
    )


def is_image_file(filename):
    """Whether the name ends as a picture's."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory):
    """(sorted names of the folders in `directory`, {name: number}).

    Raises:
        FileNotFoundError: there is none.
    """
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: number for number, name in enumerate(classes)}


def make_dataset(
    directory, class_to_idx=None, extensions=None, is_valid_file=None, allow_empty=False
):
    """The (path, class number) of every file below the class folders, in sorted order.

    Args:
        extensions: endings of names to take; or, instead, is_valid_file: a function of a path.
        allow_empty: accept classes without any file.

    Raises:
        ValueError: both or neither of these, or no classes. FileNotFoundError: an empty class.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "Both extensions and is_valid_file cannot be None or not None at the same time"
        )
    if is_valid_file is None:

        def is_valid_file(path):
            return has_file_allowed_extension(path, extensions)

    instances = []
    found = set()
    for name in sorted(class_to_idx):
        class_folder = os.path.join(directory, name)
        if not os.path.isdir(class_folder):
            continue
        for folder, _, files in sorted(os.walk(class_folder, followlinks=True)):
            paths = [os.path.join(folder, file) for file in sorted(files)]
            paths = [path for path in paths if is_valid_file(path)]
            instances += [(path, class_to_idx[name]) for path in paths]
            if paths:
                found.add(name)
    empty = set(class_to_idx) - found
    if empty and not allow_empty:
        message = f"Found no valid file for the classes {', '.join(sorted(empty))}. "
        if extensions is not None:
            listed = extensions if isinstance(extensions, str) else ", ".join(extensions)
            message += f"Supported extensions are: {listed}"
        raise FileNotFoundError(message)
    return instances


class DatasetFolder(VisionDataset):
    """Files in folders named after their classes: `root/cat/1.ext`, `root/dog/sub/2.ext`.

    Args:
        loader: path to sample. extensions, is_valid_file, allow_empty: see `make_dataset`.

    Attributes:
        classes: sorted names. class_to_idx: {name: number}. samples: [(path, number)].
        targets: [number].
    """

    def __init__(
        self,
        root,
        loader,
        extensions=None,
        transform=None,
        target_transform=None,
        is_valid_file=None,
        allow_empty=False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        classes, class_to_idx = self.find_classes(self.root)
        samples = self.make_dataset(
            self.root,
            class_to_idx=class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.loader = loader
        self.extensions = extensions
        self.classes = classes
        self.class_to_idx = class_to_idx
        self.samples = samples
        self.targets = [target for _, target in samples]

    @staticmethod
    def make_dataset(
        directory, class_to_idx, extensions=None, is_valid_file=None, allow_empty=False
    ):
        """What `samples` becomes; may be overridden. `class_to_idx` must not be None."""
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(
            directory,
            class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )

    def find_classes(self, directory):
        """What `classes` and `class_to_idx` become; may be overridden."""
        return find_classes(directory)

    def __getitem__(self, index):
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self):
        return len(self.samples)


def pil_loader(path):
    """The picture at `path`, in RGB.

    Raises:
        PIL.UnidentifiedImageError: the file is not a picture.
    """
    with open(path, "rb") as file:
        return pillow_image().open(file).convert("RGB")


def default_loader(path):
    """`pil_loader`."""
    return pil_loader(path)


class ImageFolder(DatasetFolder):
    """Pictures in folders named after their classes: `root/cat/1.png`, `root/dog/2.jpg`.

    Attributes:
        classes, class_to_idx, samples, targets: as `DatasetFolder`. imgs: samples.
    """

    def __init__(
        self,
        root,
        transform=None,
        target_transform=None,
        loader=default_loader,
        is_valid_file=None,
        allow_empty=False,
    ):
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples
