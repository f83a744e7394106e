"""Preparing and varying pictures, for PIL images and for tensors (..., C, H, W).

Example:
    >>> from rushlight.vision import transforms
    >>> transforms.Compose([transforms.CenterCrop(10), transforms.ToTensor()])
    Compose(
        CenterCrop(size=(10, 10))
        ToTensor()
    )
"""

from rushlight.vision._suggest import missing_attribute
from rushlight.vision.transforms import autoaugment, functional, transforms
from rushlight.vision.transforms._modes import InterpolationMode
from rushlight.vision.transforms.autoaugment import *  # noqa: F403
from rushlight.vision.transforms.transforms import *  # noqa: F403

__all__ = ["InterpolationMode", "autoaugment", "functional", "transforms"]
__all__ += autoaugment.__all__
__all__ += transforms.__all__


def __getattr__(name):
    if name == "v2":
        import importlib

        return importlib.import_module(f"{__name__}.v2")
    raise missing_attribute(__name__, name, __all__)
