"""Transforms made of other transforms, for samples of any structure."""

import rushlight
from rushlight import nn


def _checked(transforms, what="transforms"):
    if not isinstance(transforms, (list, tuple, nn.ModuleList)):
        raise TypeError(f"Argument {what} should be a sequence of callables")
    if len(transforms) < 1:
        raise ValueError("Pass at least one transform")
    return transforms


class _Container(nn.Module):
    def extra_repr(self):
        return "\n".join(f"    {transform}" for transform in self.transforms)


def _through(transforms, inputs):
    several = len(inputs) > 1
    for transform in transforms:
        outputs = transform(*inputs)
        inputs = outputs if several else (outputs,)
    return inputs if several else inputs[0]


class Compose(_Container):
    """One transform after the other.

    Raises:
        TypeError: not a list. ValueError: an empty one.
    """

    def __init__(self, transforms):
        super().__init__()
        self.transforms = _checked(transforms)

    def forward(self, *inputs):
        return _through(self.transforms, inputs)


class RandomApply(_Container):
    """The whole list of transforms, with probability `p`.

    Raises:
        ValueError: `p` outside [0, 1].
    """

    def __init__(self, transforms, p=0.5):
        super().__init__()
        self.transforms = _checked(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs):
        if rushlight.rand(1).item() >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return _through(self.transforms, inputs)


class RandomChoice(_Container):
    """One of the transforms, drawn with the weights `p`.

    Raises:
        ValueError: not one weight for each transform.
    """

    def __init__(self, transforms, p=None):
        super().__init__()
        self.transforms = _checked(transforms)
        if p is None:
            p = [1] * len(transforms)
        elif len(p) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(p)} != "
                f"{len(transforms)}"
            )
        total = sum(p)
        self.p = [weight / total for weight in p]

    def forward(self, *inputs):
        chosen = int(rushlight.multinomial(rushlight.tensor(self.p), 1))
        return self.transforms[chosen](*inputs)


class RandomOrder(_Container):
    """All the transforms, in a random order."""

    def __init__(self, transforms):
        super().__init__()
        self.transforms = _checked(transforms)

    def forward(self, *inputs):
        order = rushlight.randperm(len(self.transforms)).tolist()
        return _through([self.transforms[index] for index in order], inputs)
