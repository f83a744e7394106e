"""What every collection of pictures has: a root, transforms, and its text."""

import os
from typing import Any

from rushlight.utils.data import Dataset


class VisionDataset(Dataset):
    """A collection below a folder `root`, with transforms of pictures and targets.

    Args:
        transforms: a function of (picture, target); or, instead of it,
        transform, target_transform: one function of each.

    Raises:
        ValueError: both ways at once.
    """

    _repr_indent = 4

    def __init__(self, root=None, transforms=None, transform=None, target_transform=None):
        if isinstance(root, (str, bytes)):
            root = os.path.expanduser(root)
        self.root: Any = root
        has_separate = transform is not None or target_transform is not None
        if transforms is not None and has_separate:
            raise ValueError(
                "Only transforms or transform/target_transform can be passed as argument"
            )
        self.transform = transform
        self.target_transform = target_transform
        if has_separate:
            transforms = StandardTransform(transform, target_transform)
        self.transforms = transforms

    def __getitem__(self, index):
        raise NotImplementedError

    def __len__(self):
        raise NotImplementedError

    def _transformed(self, picture, target):
        if self.transform is not None:
            picture = self.transform(picture)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return picture, target

    def __repr__(self):
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            body.append(repr(self.transforms))
        lines = [f"Dataset {type(self).__name__}"]
        return "\n".join(lines + [" " * self._repr_indent + line for line in body])

    def extra_repr(self):
        """Further lines of the text, such as the split."""
        return ""


class StandardTransform:
    """A transform of pictures and one of targets, as one function of both."""

    def __init__(self, transform=None, target_transform=None):
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input, target):
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self):
        lines = [type(self).__name__]
        for title, transform in (
            ("Transform: ", self.transform),
            ("Target transform: ", self.target_transform),
        ):
            if transform is not None:
                first, *rest = repr(transform).splitlines()
                lines.append(title + first)
                lines += [" " * len(title) + line for line in rest]
        return "\n".join(lines)
