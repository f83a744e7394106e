"""Every transform as a plain function of a PIL image or a tensor (..., C, H, W), nothing random."""

import math
import numbers

import numpy

from rushlight import Tensor
from rushlight.vision._pillow import is_pillow_image
from rushlight.vision._suggest import missing_attribute
from rushlight.vision.transforms import _pil_images as _pil
from rushlight.vision.transforms import _tensor_color, _tensor_geometry
from rushlight.vision.transforms._conversion import (
    convert_image_dtype,
    normalize,
    pil_to_tensor,
    to_pil_image,
    to_tensor,
)
from rushlight.vision.transforms._functional_color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    gaussian_blur,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_grayscale,
)
from rushlight.vision.transforms._modes import InterpolationMode, as_interpolation_mode

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]


def __getattr__(name):
    raise missing_attribute(__name__, name, __all__)


def get_dimensions(img):
    """[channels, height, width] of a PIL image or a tensor; TypeError for anything else."""
    if isinstance(img, Tensor):
        return _tensor_color.dimensions(img)
    return _pil.dimensions(img)


def get_image_size(img):
    """[width, height], in this order; TypeError for anything but a PIL image or a tensor."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img):
    """The number of channels; TypeError for anything but a PIL image or a tensor."""
    return get_dimensions(img)[0]


def hflip(img):
    """`img` mirrored left to right."""
    return _tensor_geometry.hflip(img) if isinstance(img, Tensor) else _pil.hflip(img)


def vflip(img):
    """`img` turned upside down."""
    return _tensor_geometry.vflip(img) if isinstance(img, Tensor) else _pil.vflip(img)


def _resized_size(height, width, size, max_size):
    """[height, width] after a resize: `size` is one number for the shorter side, or both sides."""
    if len(size) == 2:
        return [size[0], size[1]]
    short, long = min(height, width), max(height, width)
    new_short, new_long = size[0], int(size[0] * long / short)
    if max_size is not None:
        if max_size <= size[0]:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested "
                f"size for the smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]


def resize(img, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
    """`img` at another size.

    Args:
        size: [height, width], or one number for the shorter side, the other keeping proportion.
        interpolation: a mode, or Pillow's constant for one.
        max_size: with one number as `size`, the most the longer side may become.
        antialias: for tensors, average over the pixels that fall into one (bilinear, bicubic).
            PIL images always are antialiased.

    Raises:
        ValueError: `size` with more than two numbers; `max_size` that contradicts it.
        TypeError: an interpolation that is none.

    Example:
        >>> import rushlight
        >>> resize(rushlight.zeros(3, 20, 40), 10).shape
        torch.Size([3, 10, 20])
    """
    interpolation = as_interpolation_mode(interpolation)
    if isinstance(size, (list, tuple)):
        if len(size) not in (1, 2):
            raise ValueError(
                "Size must be an int or a 1 or 2 element tuple/list, not a "
                f"{len(size)} element tuple/list"
            )
        if max_size is not None and len(size) != 1:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, "
                "i.e. size should be an int or a sequence of length 1 in torchscript mode."
            )
    _, height, width = get_dimensions(img)
    if isinstance(size, int):
        size = [size]
    if size is None:
        raise ValueError("size must be an int or a sequence, not None")
    output = _resized_size(height, width, size, max_size)
    if output == [height, width]:
        return img
    if isinstance(img, Tensor):
        return _tensor_geometry.resize(img, output, interpolation, antialias)
    if antialias is False:
        import warnings

        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. "
            "Argument antialias is ignored.",
            stacklevel=2,
        )
    return _pil.resize(img, output, interpolation)


def pad(img, padding, fill=0, padding_mode="constant"):
    """`img` with a border.

    Args:
        padding: one number for all sides, [left/right, top/bottom], or [left, top, right, bottom];
            negative numbers crop.
        fill: the border's value (constant mode); one number a channel for PIL images.
        padding_mode: "constant", "edge", "reflect" (edge pixel not repeated) or "symmetric".

    Raises:
        TypeError: an argument of a wrong type. ValueError: a wrong length or mode.
    """
    if isinstance(img, Tensor):
        return _tensor_geometry.pad(img, padding, fill, padding_mode)
    return _pil.pad(img, padding, fill, padding_mode)


def crop(img, top, left, height, width):
    """The window of `img` at (top, left); what lies outside the picture is zero."""
    if isinstance(img, Tensor):
        return _tensor_geometry.crop(img, top, left, height, width)
    return _pil.crop(img, top, left, height, width)


def center_crop(img, output_size):
    """The middle [height, width] of `img`, with a border of zeros where it is smaller."""
    if isinstance(output_size, numbers.Real):
        output_size = (math.trunc(output_size),) * 2
    elif len(output_size) == 1:
        output_size = (output_size[0], output_size[0])
    _, height, width = get_dimensions(img)
    crop_height, crop_width = output_size
    if crop_width > width or crop_height > height:
        short_x, short_y = max(crop_width - width, 0), max(crop_height - height, 0)
        img = pad(img, [short_x // 2, short_y // 2, (short_x + 1) // 2, (short_y + 1) // 2])
        _, height, width = get_dimensions(img)
        if (crop_height, crop_width) == (height, width):
            return img
    top = round((height - crop_height) / 2.0)
    left = round((width - crop_width) / 2.0)
    return crop(img, top, left, crop_height, crop_width)


def resized_crop(
    img,
    top,
    left,
    height,
    width,
    size,
    interpolation=InterpolationMode.BILINEAR,
    antialias=True,
):
    """The window of `img` at (top, left), resized to `size`."""
    window = crop(img, top, left, height, width)
    return resize(window, size, interpolation, antialias=antialias)


def _pair_of_sides(size):
    if isinstance(size, numbers.Real):
        size = (math.trunc(size),) * 2
    elif isinstance(size, (tuple, list)) and len(size) == 1:
        size = (size[0], size[0])
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    return size


def five_crop(img, size):
    """The four corners (top left, top right, bottom left, bottom right) and the middle of `img`.

    Raises:
        ValueError: `size` has not two numbers, or is larger than the picture.
    """
    crop_height, crop_width = size = _pair_of_sides(size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        raise ValueError(
            f"Requested crop size {size} is bigger than input size {(height, width)}"
        )
    bottom, right = height - crop_height, width - crop_width
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
    windows = [crop(img, top, left, crop_height, crop_width) for top, left in corners]
    return (*windows, center_crop(img, [crop_height, crop_width]))


def ten_crop(img, size, vertical_flip=False):
    """`five_crop` of `img` and of its mirror image (upside down with `vertical_flip`)."""
    size = _pair_of_sides(size)
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


def _inverse_affine_matrix(center, angle, translate, scale, shear):
    """Six numbers: where in the input each output pixel comes from.

    Forward, the map is T(translate) C(center) R(angle) Shear(shear) S(scale) C(-center).
    """
    turn = math.radians(angle)
    shear_x, shear_y = math.radians(shear[0]), math.radians(shear[1])
    center_x, center_y = center
    # Rotation and shear, a b / c d; its determinant is 1.
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -math.cos(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(turn)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = -math.sin(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(turn)
    matrix = [value / scale for value in (d, -b, 0.0, -c, a, 0.0)]
    x, y = -center_x - translate[0], -center_y - translate[1]
    matrix[2] += matrix[0] * x + matrix[1] * y + center_x
    matrix[5] += matrix[3] * x + matrix[4] * y + center_y
    return matrix


def rotate(
    img, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=None
):
    """`img` turned counter-clockwise by `angle` degrees about `center` (x, y), or its middle.

    Args:
        expand: make the result large enough to hold the whole turned picture.
        fill: the value outside the picture; black if None.

    Raises:
        TypeError: an angle or centre of a wrong type.
    """
    interpolation = as_interpolation_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    if not isinstance(img, Tensor):
        return _pil.rotate(img, angle, interpolation, expand, center, fill)
    _, height, width = get_dimensions(img)
    middle = [0.0, 0.0]
    if center is not None:
        middle = [center[0] - width * 0.5, center[1] - height * 0.5]
    matrix = _inverse_affine_matrix(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    output = None
    if expand:
        columns, rows = _tensor_geometry.rotated_size(matrix, width, height)
        output = [rows, columns]
    return _tensor_geometry.affine_about_middle(img, matrix, interpolation, fill, output)


def affine(
    img,
    angle,
    translate,
    scale,
    shear,
    interpolation=InterpolationMode.NEAREST,
    fill=None,
    center=None,
):
    """`img` turned clockwise by `angle` degrees, sheared, scaled and moved, about its middle.

    Args:
        translate: (x, y) in pixels. shear: degrees along x, or [along x, along y].
        center: (x, y) of the fixed point, the middle by default. fill: value outside the picture.

    Raises:
        TypeError, ValueError: an argument of a wrong type or length; `scale` not positive.
    """
    interpolation = as_interpolation_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, (numbers.Real, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    if isinstance(shear, numbers.Real):
        shear = [shear, 0.0]
    elif len(shear) == 1:
        shear = [shear[0], shear[0]]
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    _, height, width = get_dimensions(img)
    if not isinstance(img, Tensor):
        middle = [width * 0.5, height * 0.5] if center is None else center
        matrix = _inverse_affine_matrix(middle, angle, translate, scale, shear)
        return _pil.affine(img, matrix, interpolation, fill)
    middle = [0.0, 0.0]
    if center is not None:
        center_x, center_y = center
        middle = [center_x - width * 0.5, center_y - height * 0.5]
    matrix = _inverse_affine_matrix(middle, angle, translate, scale, shear)
    return _tensor_geometry.affine_about_middle(img, matrix, interpolation, fill)


def _perspective_coefficients(startpoints, endpoints):
    """The eight numbers that send each end point to its start point.

    (x, y) maps to ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)).
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            "Please provide exactly four corners, got "
            f"{len(startpoints)} startpoints and {len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (to_x, to_y) in zip(endpoints, startpoints):
        rows.append([x, y, 1, 0, 0, 0, -to_x * x, -to_x * y])
        rows.append([0, 0, 0, x, y, 1, -to_y * x, -to_y * y])
    target = numpy.array(startpoints, dtype=numpy.float64).reshape(8)
    solution = numpy.linalg.lstsq(numpy.array(rows, dtype=numpy.float64), target, rcond=None)[0]
    return [float(value) for value in solution.astype(numpy.float32)]


def perspective(
    img, startpoints, endpoints, interpolation=InterpolationMode.BILINEAR, fill=None
):
    """`img` warped so that the four `startpoints` ([x, y] each) land on the four `endpoints`."""
    coefficients = _perspective_coefficients(startpoints, endpoints)
    interpolation = as_interpolation_mode(interpolation)
    if isinstance(img, Tensor):
        return _tensor_geometry.perspective(img, coefficients, interpolation, fill)
    return _pil.perspective(img, coefficients, interpolation, fill)


def elastic_transform(img, displacement, interpolation=InterpolationMode.BILINEAR, fill=None):
    """`img` with every pixel read from its own place plus `displacement` (1, H, W, 2).

    A displacement of 2 / W (or 2 / H) is one pixel. A PIL image goes through a tensor.

    Raises:
        TypeError: `displacement` is not a tensor. ValueError: its shape is not (1, H, W, 2).
    """
    interpolation = as_interpolation_mode(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    pixels = img
    if not isinstance(img, Tensor):
        if not is_pillow_image(img):
            raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
        pixels = pil_to_tensor(img)
    expected = (1, pixels.shape[-2], pixels.shape[-1], 2)
    if tuple(displacement.shape) != expected:
        raise ValueError(
            f"Argument displacement shape should be torch.Size({list(expected)}), "
            f"but given {displacement.shape}"
        )
    result = _tensor_geometry.elastic(pixels, displacement, interpolation, fill)
    return result if pixels is img else to_pil_image(result, mode=img.mode)


def erase(img, i, j, h, w, v, inplace=False):
    """A tensor image with the window of height `h` and width `w` at (i, j) set to `v`.

    Raises:
        TypeError: `img` is not a tensor.
    """
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    return _tensor_geometry.erase(img, i, j, h, w, v, inplace)
