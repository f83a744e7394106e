"""Between PIL images, NumPy arrays and tensors, and between the dtypes of a tensor's pixels."""

from functools import lru_cache

import numpy

import rushlight
from rushlight import Tensor
from rushlight.vision._pillow import is_pillow_image, pillow_image

_WIDE_PIXELS = {"I": numpy.int32, "I;16": numpy.int16, "F": numpy.float32}


def _channels_first(array):
    """(H, W, C) to a contiguous (C, H, W)."""
    return numpy.ascontiguousarray(array.transpose(2, 0, 1))


def to_tensor(pic):
    """A PIL image or an array (H, W, C) as a tensor (C, H, W); bytes become floats in [0, 1].

    Args:
        pic: a PIL image, or an array of shape (H, W) or (H, W, C).

    Returns:
        `bytes / 255` as the default float dtype for 8-bit pixels; wider pixels keep their dtype.

    Raises:
        TypeError: `pic` is neither.
        ValueError: an array that has not two or three dimensions.

    Example:
        >>> import numpy
        >>> to_tensor(numpy.full((2, 2, 3), 255, dtype=numpy.uint8)).max().item()
        1.0
    """
    if isinstance(pic, numpy.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
    elif is_pillow_image(pic):
        array = numpy.array(pic, _WIDE_PIXELS.get(pic.mode, numpy.uint8), copy=True)
        if pic.mode == "1":
            array *= 255
        array = array.reshape(pic.size[1], pic.size[0], len(pic.getbands()))
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    pixels = rushlight.from_numpy(_channels_first(array))
    if array.dtype != numpy.uint8:
        return pixels
    return pixels.to(rushlight.get_default_dtype()).div_(255)


def pil_to_tensor(pic):
    """A PIL image as a tensor (C, H, W) of its own pixel values, not scaled.

    Raises:
        TypeError: `pic` is not a PIL image.
    """
    if not is_pillow_image(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    array = numpy.array(pic, copy=True)
    return rushlight.from_numpy(_channels_first(array.reshape(*array.shape[:2], -1)))


_MODE_OF_ONE_CHANNEL = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
_MODES_OF_BYTES = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}


def to_pil_image(pic, mode=None):
    """A tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a PIL image.

    Float pixels are taken to be in [0, 1] and become bytes, unless `mode` is "F".

    Raises:
        TypeError: neither a tensor nor an array, or a dtype that no mode holds.
        ValueError: wrong number of dimensions or channels, or a mode that does not fit them.
    """
    if not isinstance(pic, (Tensor, numpy.ndarray)):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pic.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    if isinstance(pic, Tensor):
        array = pic.detach().cpu().numpy()
        array = array[:, :, None] if array.ndim == 2 else array.transpose(1, 2, 0)
    else:
        array = pic[:, :, None] if pic.ndim == 2 else pic
    channels = array.shape[-1]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    if array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(numpy.uint8)
    dtype = array.dtype.name

    if channels == 1:
        fitting = _MODE_OF_ONE_CHANNEL.get(dtype)
        if mode is not None and mode != fitting:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {numpy.dtype}. "
                f"Should be {fitting}"
            )
        array = array[:, :, 0]
    else:
        permitted = _MODES_OF_BYTES[channels]
        if mode is not None and mode not in permitted:
            raise ValueError(f"Only modes {permitted} are supported for {channels}D inputs")
        fitting = (mode or permitted[0]) if dtype == "uint8" else None
    if fitting is None:
        raise TypeError(f"Input type {dtype} is not supported")
    return _image_of_bytes(numpy.ascontiguousarray(array), fitting)


def _image_of_bytes(array, mode):
    """A PIL image of exactly these pixels (Pillow guesses the mode of an array; this does not)."""
    height, width = array.shape[:2]
    return pillow_image().frombytes(mode, (width, height), array.tobytes())


_INTEGER_MAXIMUM = {
    rushlight.uint8: 255,
    rushlight.int8: 127,
    rushlight.int16: 32767,
    rushlight.int32: 2147483647,
    rushlight.int64: 9223372036854775807,
}


def maximum_value(dtype):
    """The value of full intensity: the largest integer, or 1 for floats (and anything else)."""
    return _INTEGER_MAXIMUM.get(dtype, 1)


def convert_image_dtype(image, dtype=None):
    """`image` with pixels of `dtype`, rescaled so that full intensity stays full intensity.

    Floats are in [0, 1], integers in [0, largest]. From float to integer: `x * (largest + 0.999)`,
    truncated.

    Raises:
        TypeError: `image` is not a tensor.
        RuntimeError: float32 to int32 or int64, or float64 to int64, which would lose exactness.
    """
    dtype = rushlight.float32 if dtype is None else dtype
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        too_wide = (rushlight.int32, rushlight.int64)
        if (image.dtype == rushlight.float32 and dtype in too_wide) or (
            image.dtype == rushlight.float64 and dtype == rushlight.int64
        ):
            raise RuntimeError(
                f"The cast from {image.dtype} to {dtype} cannot be performed safely."
            )
        # 0.999 short of one more level: 1.0 must truncate to `largest`, never wrap past it.
        return image.mul(maximum_value(dtype) + 1.0 - 1e-3).to(dtype)
    largest_in, largest_out = maximum_value(image.dtype), maximum_value(dtype)
    if dtype.is_floating_point:
        return image.to(dtype).div_(largest_in)
    if largest_in > largest_out:
        levels = (largest_in + 1) // (largest_out + 1)
        return rushlight.div(image, levels, rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((largest_out + 1) // (largest_in + 1))


@lru_cache(maxsize=64)
def _channel_constant(values, dtype, device):
    """`values` as a tensor (C, 1, 1), and whether any of them is zero in that dtype."""
    constant = rushlight.tensor(values, dtype=dtype, device=device)
    has_zero = bool((constant == 0).any())
    return (constant.view(-1, 1, 1) if constant.ndim == 1 else constant), has_zero


def _as_channel_constant(values, dtype, device):
    if isinstance(values, (list, tuple)) and all(type(value) in (int, float) for value in values):
        return _channel_constant(tuple(values), dtype, device)
    constant = rushlight.as_tensor(values, dtype=dtype, device=device)
    has_zero = bool((constant == 0).any())
    return (constant.view(-1, 1, 1) if constant.ndim == 1 else constant), has_zero


def normalize(tensor, mean, std, inplace=False):
    """`(tensor - mean) / std`, channel by channel, for a float tensor (..., C, H, W).

    Raises:
        TypeError: not a tensor, or not a float tensor.
        ValueError: fewer than three dimensions, or a zero in `std`.

    Example:
        >>> normalize(rushlight.ones(3, 1, 1), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).flatten()
        tensor([1., 1., 1.])
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). "
            f"Got tensor.size() = {tensor.size()}"
        )
    mean, _ = _as_channel_constant(mean, tensor.dtype, tensor.device)
    std, has_zero = _as_channel_constant(std, tensor.dtype, tensor.device)
    if has_zero:
        raise ValueError(
            f"std evaluated to zero after conversion to {tensor.dtype}, "
            "leading to division by zero."
        )
    if inplace:
        return tensor.sub_(mean).div_(std)
    return tensor.sub(mean).div_(std)
