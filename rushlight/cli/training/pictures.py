"""From a picture on disk to the uint8 array a network is trained on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rushlight.cli.errors import CommandError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")


@dataclass
class InputFormat:
    """How a picture becomes a network's input: the same for training and for `rushlight predict`.

    A picture is scaled so that its shorter side is `content` pixels, cropped to a square, padded
    with black to `size` pixels, and normalised per channel as (x / 255 - mean) / std.
    """

    channels: int
    content: int
    size: int
    mean: list[float]
    std: list[float]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def normalise(self, images: np.ndarray) -> np.ndarray:
        """Return float32 [N, C, H, W] for uint8 images of the same shape."""
        shift = np.asarray(self.mean, np.float32).reshape(-1, 1, 1) * np.float32(255)
        scale = np.float32(1) / (np.asarray(self.std, np.float32).reshape(-1, 1, 1) * 255)
        result = images.astype(np.float32)
        result -= shift
        result *= scale.astype(np.float32)
        return result


def pad_to(images: np.ndarray, size: int) -> np.ndarray:
    """Pad uint8 [N, C, H, W] with black on all sides to `size` x `size`."""
    missing_rows, missing_columns = size - images.shape[2], size - images.shape[3]
    if missing_rows == 0 and missing_columns == 0:
        return images
    top, left = missing_rows // 2, missing_columns // 2
    around = ((0, 0), (0, 0), (top, missing_rows - top), (left, missing_columns - left))
    return np.pad(images, around)


def with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Repeat the one channel of grey images when the network wants three."""
    return np.repeat(images, channels, axis=1) if images.shape[1] != channels else images


def read_picture(path: str | Path, channels: int, content: int) -> np.ndarray:
    """Decode one picture to uint8 [channels, content, content].

    Raises CommandError with one line naming the file when it is missing or not a whole picture.

    Example:
        >>> read_picture("cat.jpg", 3, 32).shape
        (3, 32, 32)
    """
    image = _open(path)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (content, content):
        image = _scale_and_crop(image, content)
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def picture_properties(path: str | Path) -> tuple[int, int, bool]:
    """Return (width, height, is grey) without keeping the pixels."""
    image = _open(path)
    return image.width, image.height, image.mode in ("L", "1", "I;16")


def read_pictures(
    paths: list[str],
    channels: int,
    content: int,
    threads: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Decode many pictures on several threads to uint8 [N, channels, content, content]."""
    result = np.empty((len(paths), channels, content, content), np.uint8)

    def fill(start: int) -> None:
        for index in range(start, min(start + 256, len(paths))):
            result[index] = read_picture(paths[index], channels, content)

    starts = range(0, len(paths), 256)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        futures = [pool.submit(fill, start) for start in starts]
        try:
            for start, future in zip(starts, futures):
                future.result()
                if on_progress is not None:
                    on_progress(min(start + 256, len(paths)), len(paths))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return result


def _open(path: str | Path) -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise CommandError("reading pictures needs Pillow: pip install 'rushlight[cli]'") from None
    try:
        image = Image.open(path)
        image.load()
        return image
    except FileNotFoundError:
        raise CommandError(f"no such picture: {path}") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise CommandError(f"cannot read picture {path}: {error or type(error).__name__}") from None


def _scale_and_crop(image: Any, content: int) -> Any:
    from PIL import Image

    ratio = content / min(image.size)
    width = max(content, round(image.width * ratio))
    height = max(content, round(image.height * ratio))
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - content) // 2, (height - content) // 2
    return image.crop((left, top, left + content, top + content))
