"""What the functional transforms do to PIL images."""

import numpy

from rushlight.vision._pillow import is_pillow_image, pillow_image
from rushlight.vision.transforms._modes import TO_PILLOW_INTEGER


def require_image(img):
    """TypeError unless `img` is a PIL image."""
    if not is_pillow_image(img):
        raise TypeError(f"img should be PIL Image. Got {type(img)}")


def dimensions(img):
    """[channels, height, width]."""
    if not is_pillow_image(img):
        raise TypeError(f"Unexpected type {type(img)}")
    width, height = img.size
    return [len(img.getbands()), height, width]


def _transpose(img, how):
    require_image(img)
    return img.transpose(getattr(pillow_image().Transpose, how))


def hflip(img):
    return _transpose(img, "FLIP_LEFT_RIGHT")


def vflip(img):
    return _transpose(img, "FLIP_TOP_BOTTOM")


# Colour ---------------------------------------------------------------------------------------


def _enhance(img, kind, factor):
    require_image(img)
    from PIL import ImageEnhance

    return getattr(ImageEnhance, kind)(img).enhance(factor)


def adjust_brightness(img, factor):
    return _enhance(img, "Brightness", factor)


def adjust_contrast(img, factor):
    return _enhance(img, "Contrast", factor)


def adjust_saturation(img, factor):
    return _enhance(img, "Color", factor)


def adjust_sharpness(img, factor):
    return _enhance(img, "Sharpness", factor)


def adjust_hue(img, factor):
    if not -0.5 <= factor <= 0.5:
        raise ValueError(f"hue_factor ({factor}) is not in [-0.5, 0.5].")
    require_image(img)
    if img.mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    # Hue is a circle of 256 steps, so the shift wraps round as bytes do.
    shift = numpy.array(factor * 255).astype(numpy.int32).astype(numpy.uint8)
    turned = numpy.array(hue, dtype=numpy.uint8) + shift
    turned = pillow_image().frombytes("L", img.size, turned.astype(numpy.uint8).tobytes())
    return pillow_image().merge("HSV", (turned, saturation, value)).convert(img.mode)


def adjust_gamma(img, gamma, gain=1):
    require_image(img)
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    table = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)]
    return img.convert("RGB").point(table * 3).convert(img.mode)


def to_grayscale(img, num_output_channels):
    require_image(img)
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    gray = img.convert("L")
    return gray if num_output_channels == 1 else pillow_image().merge("RGB", (gray, gray, gray))


def _image_operation(img, name, *arguments):
    require_image(img)
    from PIL import ImageOps

    return getattr(ImageOps, name)(img, *arguments)


def invert(img):
    return _image_operation(img, "invert")


def posterize(img, bits):
    return _image_operation(img, "posterize", bits)


def solarize(img, threshold):
    return _image_operation(img, "solarize", threshold)


def autocontrast(img):
    return _image_operation(img, "autocontrast")


def equalize(img):
    return _image_operation(img, "equalize")


# Geometry -------------------------------------------------------------------------------------


def crop(img, top, left, height, width):
    require_image(img)
    return img.crop((left, top, left + width, top + height))


def resize(img, size, interpolation):
    """`size` is (height, width)."""
    require_image(img)
    return img.resize(tuple(size[::-1]), TO_PILLOW_INTEGER[interpolation])


def _sides(padding):
    """left, top, right, bottom from one, two or four numbers."""
    if isinstance(padding, int):
        return (padding,) * 4
    if len(padding) == 1:
        return (padding[0],) * 4
    return tuple(padding) * 2 if len(padding) == 2 else tuple(padding)


def pad(img, padding, fill, padding_mode):
    require_image(img)
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} "
            "element tuple"
        )
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    left, top, right, bottom = _sides(padding)
    if padding_mode == "constant":
        return _pad_with_colour(img, (left, top, right, bottom), fill)
    if min(left, top, right, bottom) < 0:
        width, height = img.size
        inner = (-min(left, 0), -min(top, 0), width + min(right, 0), height + min(bottom, 0))
        img = img.crop(inner)
        left, top, right, bottom = (max(side, 0) for side in (left, top, right, bottom))
    pixels = numpy.asarray(img)
    margins = ((top, bottom), (left, right)) + ((0, 0),) * (pixels.ndim - 2)
    padded = pillow_image().fromarray(numpy.pad(pixels, margins, padding_mode))
    if img.mode == "P":
        padded.putpalette(img.getpalette())
    return padded


def _pad_with_colour(img, sides, fill):
    from PIL import ImageOps

    padded = ImageOps.expand(img, border=sides, fill=_colour(fill, img))
    if img.mode == "P":
        # In a palette picture the fill is an entry's number; Pillow may have rebuilt the palette.
        padded.putpalette(img.getpalette())
    return padded


def _colour(fill, img):
    """`fill` as Pillow wants it for the bands of `img`: a number, or one number a band."""
    bands = len(img.getbands())
    number = float if img.mode == "F" else int
    if not isinstance(fill, (tuple, list)):
        fill = (0 if fill is None else fill,)
    if len(fill) == 1:
        fill = tuple(fill) * bands
    if len(fill) != bands:
        raise ValueError(
            "The number of elements in 'fill' does not match the number of channels of the "
            f"image ({len(fill)} != {bands})"
        )
    return number(fill[0]) if bands == 1 else tuple(number(value) for value in fill)


def _transform(img, size, method, coefficients, interpolation, fill):
    require_image(img)
    method = getattr(pillow_image().Transform, method)
    resample = TO_PILLOW_INTEGER[interpolation]
    return img.transform(size, method, coefficients, resample, fillcolor=_colour(fill, img))


def affine(img, matrix, interpolation, fill):
    require_image(img)
    return _transform(img, img.size, "AFFINE", matrix, interpolation, fill)


def perspective(img, coefficients, interpolation, fill):
    require_image(img)
    return _transform(img, img.size, "PERSPECTIVE", coefficients, interpolation, fill)


def rotate(img, angle, interpolation, expand, center, fill):
    require_image(img)
    resample = TO_PILLOW_INTEGER[interpolation]
    return img.rotate(angle, resample, expand, center, fillcolor=_colour(fill, img))
