"""Transforms made of other transforms."""

import random

import rushlight
from rushlight import nn


class Compose:
    """One transform after the other.

    Args:
        transforms: a list of callables.

    Example:
        >>> from rushlight.vision.transforms import CenterCrop, Compose
        >>> Compose([CenterCrop(10)])
        Compose(
            CenterCrop(size=(10, 10))
        )
    """

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, img):
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self):
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


class Lambda:
    """Any function of one picture.

    Raises:
        TypeError: the argument is not callable.
    """

    def __init__(self, lambd):
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img):
        return self.lambd(img)

    def __repr__(self):
        return f"{type(self).__name__}()"


class RandomTransforms:
    """The base of transforms that choose among a list of others.

    Raises:
        TypeError: the list is not a list or tuple.
    """

    def __init__(self, transforms):
        if not isinstance(transforms, (list, tuple)):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __call__(self, *args, **kwargs):
        raise NotImplementedError

    def __repr__(self):
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


class RandomApply(nn.Module):
    """The whole list of transforms, with probability `p`."""

    def __init__(self, transforms, p=0.5):
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img):
        if self.p < rushlight.rand(1):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self):
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}(\n    p={self.p}{lines}\n)"


class RandomOrder(RandomTransforms):
    """All the transforms, in an order drawn from Python's `random`."""

    def __call__(self, img):
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for index in order:
            img = self.transforms[index](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms, drawn from Python's `random` with the weights `p`.

    Raises:
        TypeError: `p` is not a list or tuple.
    """

    def __init__(self, transforms, p=None):
        super().__init__(transforms)
        if p is not None and not isinstance(p, (list, tuple)):
            raise TypeError("Argument p should be a sequence")
        self.p = p

    def __call__(self, *args):
        chosen = random.choices(self.transforms, weights=self.p)[0]
        return chosen(*args)

    def __repr__(self):
        return f"{super().__repr__()}(p={self.p})"
