"""The functional transforms of colour and sharpness, for PIL images and for tensors."""

from rushlight import Tensor
from rushlight.vision._pillow import is_pillow_image
from rushlight.vision.transforms import _pil_images as _pil
from rushlight.vision.transforms import _tensor_color, _tensor_geometry
from rushlight.vision.transforms._conversion import pil_to_tensor, to_pil_image


def adjust_brightness(img, brightness_factor):
    """`brightness_factor` times as bright: 0 is black, 1 leaves `img` as it is.

    Raises:
        ValueError: a negative factor (tensors). TypeError: not a picture.
    """
    backend = _tensor_color if isinstance(img, Tensor) else _pil
    return backend.adjust_brightness(img, brightness_factor)


def adjust_contrast(img, contrast_factor):
    """Mixed with its mean gray: 0 is that gray, 1 the picture, more goes beyond it."""
    backend = _tensor_color if isinstance(img, Tensor) else _pil
    return backend.adjust_contrast(img, contrast_factor)


def adjust_saturation(img, saturation_factor):
    """Mixed with its own gray version: 0 is gray, 1 the picture, more goes beyond it."""
    backend = _tensor_color if isinstance(img, Tensor) else _pil
    return backend.adjust_saturation(img, saturation_factor)


def adjust_hue(img, hue_factor):
    """Every hue moved by `hue_factor` turns of the colour circle, in [-0.5, 0.5].

    Raises:
        ValueError: a factor outside that range.
    """
    backend = _tensor_color if isinstance(img, Tensor) else _pil
    return backend.adjust_hue(img, hue_factor)


def adjust_gamma(img, gamma, gain=1):
    """`gain * intensity ** gamma`, with intensities in [0, 1].

    Raises:
        ValueError: a negative gamma.
    """
    backend = _tensor_color if isinstance(img, Tensor) else _pil
    return backend.adjust_gamma(img, gamma, gain)


def adjust_sharpness(img, sharpness_factor):
    """Mixed with a smoothed version: 0 is smooth, 1 the picture, 2 sharper."""
    backend = _tensor_color if isinstance(img, Tensor) else _pil
    return backend.adjust_sharpness(img, sharpness_factor)


def to_grayscale(img, num_output_channels=1):
    """A PIL image in gray, with one channel or three equal ones.

    Raises:
        TypeError: not a PIL image (`rgb_to_grayscale` takes tensors too).
    """
    if not is_pillow_image(img):
        raise TypeError("Input should be PIL Image")
    return _pil.to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img, num_output_channels=1):
    """`0.2989 red + 0.587 green + 0.114 blue`, as one channel or three equal ones."""
    if isinstance(img, Tensor):
        return _tensor_color.rgb_to_grayscale(img, num_output_channels)
    return _pil.to_grayscale(img, num_output_channels)


def invert(img):
    """Full intensity minus `img`."""
    return (_tensor_color if isinstance(img, Tensor) else _pil).invert(img)


def posterize(img, bits):
    """Only the `bits` highest bits of each byte of `img` kept.

    Raises:
        ValueError: `bits` outside 0 to 8. TypeError: a tensor that is not uint8.
    """
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return (_tensor_color if isinstance(img, Tensor) else _pil).posterize(img, bits)


def solarize(img, threshold):
    """Every value at or above `threshold` inverted."""
    return (_tensor_color if isinstance(img, Tensor) else _pil).solarize(img, threshold)


def autocontrast(img):
    """Each channel stretched so that its darkest pixel is 0 and its brightest full intensity."""
    return (_tensor_color if isinstance(img, Tensor) else _pil).autocontrast(img)


def equalize(img):
    """Each channel's values spread so that their histogram is as flat as it can be."""
    return (_tensor_color if isinstance(img, Tensor) else _pil).equalize(img)


def gaussian_blur(img, kernel_size, sigma=None):
    """`img` smoothed by a Gaussian; a PIL image goes through a tensor.

    Args:
        kernel_size: odd, one number or [along x, along y].
        sigma: in pixels, likewise; `0.15 * size + 0.35` by default.

    Raises:
        TypeError, ValueError: wrong types; an even kernel; a sigma that is not positive.
    """
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(
            f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}"
        )
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(
            f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}"
        )
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        sigma = [size * 0.15 + 0.35 for size in sizes]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(
            f"sigma should be either float or sequence of floats. Got {type(sigma)}"
        )
    if isinstance(sigma, (int, float)):
        sigma = [float(sigma)] * 2
    if len(sigma) == 1:
        sigma = [sigma[0]] * 2
    if len(sigma) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigma)}")
    if any(value <= 0.0 for value in sigma):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    pixels = img
    if not isinstance(img, Tensor):
        if not is_pillow_image(img):
            raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
        pixels = pil_to_tensor(img)
    result = _tensor_geometry.gaussian_blur(pixels, sizes, sigma)
    return result if pixels is img else to_pil_image(result, mode=img.mode)
