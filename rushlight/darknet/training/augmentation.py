"""Cutting, mosaics and colours: what Darknet does to a picture before the network sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

GREY = 0.5  # around a picture that does not fill the input, as Darknet's letterbox
LEAST_VISIBLE = 0.25  # of a box's area, for it to be kept
LEAST_SIDE = 2.0  # pixels of the input
MOSAIC_MARGIN = 0.2  # the four pictures meet at least so far from the border


@dataclass(frozen=True)
class Augmentation:
    """How strongly pictures are changed; the names are those of cfg options.

    `jitter` moves each border of the cut by up to this share of the picture. `hue` is the largest
    shift of the hue (1 is the full circle); `saturation` and `exposure` are the largest factors.
    `flip` is "none", "horizontal" or "both" (also upside down). `mosaic` is the share of inputs
    made of four pictures. `keep_shape` fits pictures in with grey beside them (`letter_box=1`)
    instead of stretching them to the input's shape.

    Example:
        >>> Augmentation.from_options({"saturation": "1.5", "hue": ".1"}, jitter=0.2).saturation
        1.5
    """

    jitter: float = 0.2
    hue: float = 0.0
    saturation: float = 1.0
    exposure: float = 1.0
    flip: str = "horizontal"
    mosaic: float = 0.0
    keep_shape: bool = False

    @classmethod
    def from_options(cls, net: dict, jitter: float = 0.2) -> Augmentation:
        """Read the options of a [net] section; `flip=0` there means none."""
        numbers = {}
        for name in ("hue", "saturation", "exposure", "mosaic"):
            if name in net:
                try:
                    numbers[name] = float(net[name])
                except ValueError:
                    raise ValueError(f"{name}={net[name]} is not a number") from None
        if numbers.get("mosaic"):
            numbers["mosaic"] = min(1.0, max(0.5, numbers["mosaic"] - 0.5))
        flip = "none" if str(net.get("flip", "1")).strip() == "0" else "horizontal"
        keep_shape = str(net.get("letter_box", "0")).strip() != "0"
        return cls(jitter=jitter, flip=flip, keep_shape=keep_shape, **numbers)


NONE = Augmentation(jitter=0.0, flip="none")


def cut(
    pixels: np.ndarray, window: tuple[float, float, float, float], size: tuple[int, int]
) -> np.ndarray:
    """Return a window (x1, y1, x2, y2) of a picture, scaled to `size` (height, width).

    uint8 [H, W, 3] in, float32 [height, width, 3] from 0 to 1 out, bilinear. Where the window
    leaves the picture the result is grey.

    Example:
        >>> cut(np.full((4, 4, 3), 255, np.uint8), (0, 0, 4, 4), (2, 2)).mean()
        1.0
    """
    high, wide = pixels.shape[:2]
    x1, y1, x2, y2 = window
    columns, across, inside_x = _samples(x1, x2, size[1], wide)
    rows, down, inside_y = _samples(y1, y2, size[0], high)
    upper, lower = pixels[rows], pixels[np.minimum(rows + 1, high - 1)]
    mixed = _between(upper, lower, down[:, None, None])
    left, right = mixed[:, columns], mixed[:, np.minimum(columns + 1, wide - 1)]
    result = _between(left, right, across[None, :, None])
    result *= np.float32(1 / 255)
    if not inside_y.all():
        result[~inside_y] = GREY
    if not inside_x.all():
        result[:, ~inside_x] = GREY
    return result


def _between(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    result = second.astype(np.float32)
    result -= first
    result *= share
    result += first
    return result


def _samples(low: float, high: float, count: int, extent: int):
    centres = low + (np.arange(count) + 0.5) * ((high - low) / count)
    inside = (centres >= 0) & (centres < extent)
    places = np.clip(centres - 0.5, 0, extent - 1)
    whole = places.astype(np.intp)
    return whole, (places - whole).astype(np.float32), inside


def whole_window(
    wide: int, high: int, size: tuple[int, int], keep_shape: bool
) -> tuple[float, float, float, float]:
    """Return the window that shows a whole picture in an input of `size` (h, w)."""
    if not keep_shape:
        return 0.0, 0.0, float(wide), float(high)
    scale = min(size[1] / wide, size[0] / high)
    shown_wide, shown_high = size[1] / scale, size[0] / scale
    left, top = (wide - shown_wide) / 2, (high - shown_high) / 2
    return left, top, left + shown_wide, top + shown_high


def jittered_window(
    wide: int, high: int, size: tuple[int, int], how: Augmentation, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return the whole window with each border moved by up to `jitter` of its length."""
    x1, y1, x2, y2 = whole_window(wide, high, size, how.keep_shape)
    left, top, right, bottom = rng.uniform(-how.jitter, how.jitter, 4).tolist()
    across, down = x2 - x1, y2 - y1
    return x1 + left * across, y1 + top * down, x2 + right * across, y2 + bottom * down


def boxes_in_window(
    boxes: np.ndarray, window: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return (boxes in pixels of the input, clipped; which of them are kept)."""
    x1, y1, x2, y2 = window
    scale = np.array([size[1] / (x2 - x1), size[0] / (y2 - y1)] * 2, np.float32)
    moved = (boxes - np.array([x1, y1, x1, y1], np.float32)) * scale
    limits = np.array([size[1], size[0]] * 2, np.float32)
    clipped = np.clip(moved, 0, limits)
    sides, before = clipped[:, 2:] - clipped[:, :2], moved[:, 2:] - moved[:, :2]
    kept = (sides >= LEAST_SIDE).all(1) & (sides.prod(1) >= LEAST_VISIBLE * before.prod(1))
    return clipped, kept


def mosaic(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    size: tuple[int, int],
    keep_shape: bool,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one input made of four (pixels, boxes, classes), each shown in a part of it.

    The pictures meet at a random point; each is shown at 0.6 to 1.2 times the scale it would have
    alone.

    Source: arXiv:2004.10934, section 3.3.
    """
    height, width = size
    middle_x = round(width * rng.uniform(MOSAIC_MARGIN, 1 - MOSAIC_MARGIN))
    middle_y = round(height * rng.uniform(MOSAIC_MARGIN, 1 - MOSAIC_MARGIN))
    result = np.empty((height, width, 3), np.float32)
    all_boxes, all_classes = [], []
    for place, (pixels, boxes, classes) in enumerate(parts):
        left, right = (0, middle_x) if place % 2 == 0 else (middle_x, width)
        top, bottom = (0, middle_y) if place < 2 else (middle_y, height)
        part = (bottom - top, right - left)
        high, wide = pixels.shape[:2]
        x1, y1, x2, y2 = whole_window(wide, high, size, keep_shape)
        share = 1 / rng.uniform(0.6, 1.2)
        across, down = (x2 - x1) * share / width, (y2 - y1) * share / height  # pixels per pixel
        window = _random_window(wide, high, across * part[1], down * part[0], rng)
        result[top:bottom, left:right] = cut(pixels, window, part)
        moved, kept = boxes_in_window(boxes, window, part)
        all_boxes.append(moved[kept] + np.array([left, top, left, top], np.float32))
        all_classes.append(classes[kept])
    return result, np.concatenate(all_boxes), np.concatenate(all_classes)


def _random_window(wide: int, high: int, across: float, down: float, rng: np.random.Generator):
    """A window of a given size, inside the picture where it fits."""
    left, top = rng.random() * (wide - across), rng.random() * (high - down)
    return left, top, left + across, top + down


def flipped(
    image: np.ndarray, boxes: np.ndarray, flip: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror half of the inputs, for "both" half of them also upside down."""
    height, width = image.shape[:2]
    if flip != "none" and rng.random() < 0.5:
        image = image[:, ::-1]
        boxes = boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0]
    if flip == "both" and rng.random() < 0.5:
        image = image[::-1]
        boxes = boxes[:, [0, 3, 2, 1]] * [1, -1, 1, -1] + [0, height, 0, height]
    return image, boxes.astype(np.float32)


def distorted(
    planes: np.ndarray, hue: float, saturation: float, exposure: float, rng: np.random.Generator
) -> np.ndarray:
    """Change hue, saturation and value of float32 [3, ...] from 0 to 1, as in the HSV model.

    The hue moves by up to `hue` (1 is the full circle); the factors of saturation and value lie
    between 1 / s and s. Half of all factors are below 1.
    """
    factor_s, factor_v = _factor(saturation, rng), _factor(exposure, rng)
    shift = rng.uniform(-hue, hue) if hue else 0.0
    if (factor_s, factor_v, shift) == (1.0, 1.0, 0.0):
        return planes
    value = np.maximum(np.maximum(planes[0], planes[1]), planes[2])
    # In HSV a channel is value * (1 - saturation * k), where k depends on the hue alone.
    below = value - planes
    most = np.maximum(np.maximum(below[0], below[1]), below[2])
    if shift:
        below = _shifted_hue(below, most, shift)
    if factor_s != 1.0:
        below *= np.minimum(np.float32(factor_s), value / np.maximum(most, np.float32(1e-6)))
    result = np.subtract(value, below, out=below)
    result *= np.float32(factor_v)
    return np.minimum(result, np.float32(1), out=result)


def _factor(most: float, rng: np.random.Generator) -> float:
    if most <= 1.0:
        return 1.0
    factor = rng.uniform(1, most)
    return 1 / factor if rng.random() < 0.5 else factor


def _shifted_hue(below: np.ndarray, most: np.ndarray, shift: float) -> np.ndarray:
    """Move the hue, given the distances of the channels from the largest one, and the largest
    distance m: red's is m k(h), green's m k(h - 1/3) and blue's m k(h - 2/3), where k is 0 within
    1/6 of 0, 1 beyond 1/3, and linear between.
    """
    red, green, blue = below / np.maximum(most, np.float32(1e-6))
    # The third of the circle follows from which channel is the largest (its distance is 0).
    hue = np.where(red <= 0, blue - green, np.where(green <= 0, 2 + red - blue, 4 + green - red))
    hue += np.float32(6 * shift + 9)  # in sixths, and three beyond a multiple of the circle
    result = np.empty_like(below)
    for channel in range(3):
        turned = np.mod(hue, np.float32(6), out=result[channel])
        turned -= 3
        np.abs(turned, out=turned)
        turned -= 1
        np.clip(turned, 0, 1, out=turned)
        turned *= most
        hue -= 2
    return result


Read = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]


def augmented(
    read: Read, number: int, others: np.ndarray, size: tuple[int, int], how: Augmentation,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return one training input: (float32 [3, H, W], boxes in its pixels [N, 4], classes [N]).

    `read(n)` gives picture n: its pixels, boxes in those pixels, and classes. `others` are three
    numbers of pictures for a mosaic.
    """
    if how.mosaic and rng.random() < how.mosaic:
        image, boxes, classes = mosaic(
            [read(number), *map(read, others.tolist())], size, how.keep_shape, rng
        )
    else:
        pixels, boxes, classes = read(number)
        high, wide = pixels.shape[:2]
        window = jittered_window(wide, high, size, how, rng)
        image = cut(pixels, window, size)
        boxes, kept = boxes_in_window(boxes, window, size)
        boxes, classes = boxes[kept], classes[kept]
    image, boxes = flipped(image, boxes, how.flip, rng)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return distorted(planes, how.hue, how.saturation, how.exposure, rng), boxes, classes
