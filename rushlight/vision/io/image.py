"""Reading and writing PNG, JPEG, GIF and WebP files."""

import io
import os
from enum import Enum

import numpy

import rushlight
from rushlight import Tensor
from rushlight.vision._pillow import pillow_image


class ImageReadMode(Enum):
    """Which channels a picture is to have when it is read."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


_PILLOW_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path):
    """The bytes of a file, as a uint8 tensor (N,).

    Raises:
        RuntimeError: it cannot be read.
    """
    try:
        return rushlight.from_numpy(numpy.fromfile(os.fspath(path), dtype=numpy.uint8))
    except OSError as error:
        raise RuntimeError(f"[Errno {error.errno}] {error.strerror}: '{path}'") from error


def write_file(filename, data):
    """Write a uint8 tensor (N,) as the bytes of a file.

    Raises:
        RuntimeError: another dtype or shape, or a file that cannot be written.
    """
    content = _bytes_of(data)
    try:
        with open(filename, "wb") as file:
            file.write(content)
    except OSError as error:
        raise RuntimeError(f"[Errno {error.errno}] {error.strerror}: '{filename}'") from error


def _bytes_of(data):
    if not isinstance(data, Tensor):
        raise TypeError(f"expected a Tensor, got {type(data)}")
    if data.dtype != rushlight.uint8:
        raise RuntimeError(f"Expected a torch.uint8 tensor, got {data.dtype}")
    if data.ndim != 1 or data.numel() == 0:
        raise RuntimeError("Expected a non empty 1-dimensional tensor")
    return data.detach().cpu().numpy().tobytes()


def _opened(data, formats):
    """The PIL image in the bytes of `data`; RuntimeError if it is none of `formats`."""
    content = _bytes_of(data)
    try:
        return pillow_image().open(io.BytesIO(content), formats=formats)
    except pillow_image().DecompressionBombError as error:
        raise RuntimeError(str(error)) from error
    except OSError as error:
        kinds = " or ".join(formats)
        raise RuntimeError(f"the bytes are not a {kinds} file that can be decoded") from error


def _upright(image):
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _mode_of(mode):
    if isinstance(mode, str):
        return ImageReadMode[mode.upper()]
    return mode


def _unchanged_mode(image):
    """The mode of eight bits a channel that holds the picture as it is."""
    if image.mode == "P":
        return "RGBA" if "transparency" in image.info else "RGB"
    if image.mode.startswith("I") or image.mode == "F":
        raise NotImplementedError(
            f"pictures of more than eight bits a channel ({image.mode}) are not implemented; "
            "read them with mode=ImageReadMode.RGB or by Pillow"
        )
    return "L" if image.mode == "1" else image.mode


def _decoded(data, mode, formats, apply_exif_orientation):
    mode = _mode_of(mode)
    image = _opened(data, formats)
    try:
        if mode is ImageReadMode.GRAY and image.format == "JPEG":
            image.draft("L", image.size)  # the luminance as it was stored
        if apply_exif_orientation:
            image = _upright(image)
        wanted = _PILLOW_MODES.get(mode) or _unchanged_mode(image)
        pixels = numpy.array(image if image.mode == wanted else image.convert(wanted))
    except NotImplementedError:
        raise
    except Exception as error:  # Pillow's readers fail in many ways on damaged files
        raise RuntimeError(f"the picture is damaged: {error}") from error
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1).transpose(2, 0, 1)
    return rushlight.from_numpy(numpy.ascontiguousarray(pixels))


def decode_image(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """The picture in the bytes of a PNG, JPEG, GIF or WebP file, as uint8 (C, H, W).

    Args:
        input: a uint8 tensor (N,) of the file's bytes, or its path.
        mode: the channels wanted, an `ImageReadMode` or its name.
        apply_exif_orientation: turn the picture as the camera was held.

    Raises:
        RuntimeError: bytes that are no such picture, or a damaged one.
    """
    if not isinstance(input, Tensor):
        input = read_file(input)
    formats = ["PNG", "JPEG", "GIF", "WEBP"]
    image = _opened(input, formats)
    if image.format == "GIF":
        return decode_gif(input)
    return _decoded(input, mode, formats, apply_exif_orientation)


def read_image(path, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """The picture in a file, as uint8 (C, H, W); see `decode_image`."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def decode_png(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """The picture in the bytes (N,) of a PNG file; see `decode_image`."""
    return _decoded(input, mode, ["PNG"], apply_exif_orientation)


def decode_jpeg(
    input, mode=ImageReadMode.UNCHANGED, device="cpu", apply_exif_orientation=False
):
    """The picture in the bytes (N,) of a JPEG file, or a list of them; see `decode_image`."""
    if isinstance(input, list):
        return [decode_jpeg(data, mode, device, apply_exif_orientation) for data in input]
    return _decoded(input, mode, ["JPEG"], apply_exif_orientation).to(device)


def decode_webp(input, mode=ImageReadMode.UNCHANGED):
    """The picture in the bytes (N,) of a WebP file; see `decode_image`."""
    return _decoded(input, mode, ["WEBP"], False)


def decode_gif(input):
    """The pictures in the bytes (N,) of a GIF file: (3, H, W), or (frames, 3, H, W) of several."""
    from PIL import ImageSequence

    image = _opened(input, ["GIF"])
    try:
        frames = [numpy.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    except Exception as error:  # Pillow's readers fail in many ways on damaged files
        raise RuntimeError(f"the picture is damaged: {error}") from error
    pixels = rushlight.from_numpy(
        numpy.ascontiguousarray(numpy.stack(frames).transpose(0, 3, 1, 2))
    )
    return pixels[0] if len(frames) == 1 else pixels


def _encoded(input, **options):
    if not isinstance(input, Tensor) or input.dtype != rushlight.uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    if input.ndim != 3:
        raise RuntimeError("Input data should be a 3-dimensional tensor")
    if input.shape[0] not in (1, 3):
        raise RuntimeError(f"The number of channels should be 1 or 3, got: {input.shape[0]}")
    pixels = input.detach().cpu().numpy().transpose(1, 2, 0)
    pixels = numpy.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    file = io.BytesIO()
    pillow_image().fromarray(pixels).save(file, **options)
    return rushlight.from_numpy(numpy.frombuffer(file.getvalue(), dtype=numpy.uint8).copy())


def encode_png(input, compression_level=6):
    """The bytes (N,) of a PNG file of a uint8 picture (1 or 3, H, W).

    Raises:
        RuntimeError: another dtype or shape, or a level outside 0 to 9.
    """
    if not 0 <= compression_level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")
    return _encoded(input, format="PNG", compress_level=compression_level)


def encode_jpeg(input, quality=75):
    """The bytes (N,) of a JPEG file of a uint8 picture (1 or 3, H, W), or of each of a list.

    Raises:
        RuntimeError: another dtype or shape. ValueError: a quality outside 1 to 100.
    """
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    if isinstance(input, list):
        return [encode_jpeg(picture, quality) for picture in input]
    return _encoded(input, format="JPEG", quality=quality)


def write_png(input, filename, compression_level=6):
    """Write a uint8 picture (1 or 3, H, W) as a PNG file; see `encode_png`."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input, filename, quality=75):
    """Write a uint8 picture (1 or 3, H, W) as a JPEG file; see `encode_jpeg`."""
    write_file(filename, encode_jpeg(input, quality))
