"""The functions of the second generation: those of the first, and two conversions."""

import numpy

import rushlight
from rushlight import Tensor
from rushlight.vision._pillow import is_pillow_image
from rushlight.vision._suggest import missing_attribute
from rushlight.vision.transforms import functional as first_generation
from rushlight.vision.transforms.functional import *  # noqa: F403
from rushlight.vision.transforms.functional import convert_image_dtype, pil_to_tensor

__all__ = ["to_dtype", "to_image"]
__all__ += first_generation.__all__


def __getattr__(name):
    raise missing_attribute(__name__, name, __all__)


def to_image(inpt):
    """A PIL image or an array (H, W, C) or (H, W) as a tensor (C, H, W), not scaled.

    Raises:
        TypeError: something else.
    """
    if isinstance(inpt, numpy.ndarray):
        array = inpt[:, :, None] if inpt.ndim == 2 else inpt
        return rushlight.from_numpy(numpy.ascontiguousarray(array.transpose(2, 0, 1)))
    if is_pillow_image(inpt):
        return pil_to_tensor(inpt)
    if isinstance(inpt, Tensor):
        return inpt
    raise TypeError(
        "Input can either be a pure Tensor, a numpy array, or a PIL image, but got "
        f"{type(inpt)} instead."
    )


def to_dtype(inpt, dtype=rushlight.float32, scale=False):
    """A tensor as `dtype`; with `scale`, full intensity stays full intensity."""
    if not scale:
        return inpt.to(dtype)
    if dtype.is_floating_point and inpt.dtype == rushlight.uint8:
        # A product where the first generation divides: the last bit can differ, as in torchvision.
        return inpt.to(dtype).mul_(1.0 / 255)
    return convert_image_dtype(inpt, dtype)
