"""The ways of sampling between pixels."""

from enum import Enum


class InterpolationMode(Enum):
    """How values between pixels are found. `BOX`, `HAMMING` and `LANCZOS` are for PIL images only.

    Example:
        >>> InterpolationMode.BILINEAR.value
        'bilinear'
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_FROM_PILLOW_INTEGER = {
    0: InterpolationMode.NEAREST,
    1: InterpolationMode.LANCZOS,
    2: InterpolationMode.BILINEAR,
    3: InterpolationMode.BICUBIC,
    4: InterpolationMode.BOX,
    5: InterpolationMode.HAMMING,
}

TO_PILLOW_INTEGER = {mode: number for number, mode in _FROM_PILLOW_INTEGER.items()}
TO_PILLOW_INTEGER[InterpolationMode.NEAREST_EXACT] = 0


def as_interpolation_mode(interpolation):
    """`interpolation` itself, or the mode of a Pillow constant; TypeError for anything else."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int):
        return _FROM_PILLOW_INTEGER[interpolation]
    raise TypeError(
        "Argument interpolation should be a InterpolationMode or a corresponding "
        "Pillow integer constant"
    )
