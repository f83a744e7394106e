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
    made of four pictures.

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
        return cls(jitter=jitter, flip=flip, **numbers)


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


def fitted_window(wide: int, high: int, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the window that shows a whole picture undistorted in an input of `size` (h, w)."""
    scale = min(size[1] / wide, size[0] / high)
    shown_wide, shown_high = size[1] / scale, size[0] / scale
    left, top = (wide - shown_wide) / 2, (high - shown_high) / 2
    return left, top, left + shown_wide, top + shown_high


def jittered_window(
    wide: int, high: int, size: tuple[int, int], jitter: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return the fitted window with each border moved by up to `jitter` of its length."""
    x1, y1, x2, y2 = fitted_window(wide, high, size)
    left, top, right, bottom = rng.uniform(-jitter, jitter, 4).tolist()
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
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one input made of four (pixels, boxes, classes), each shown in a part of it.

    The pictures meet at a random point and keep their proportions; each is shown at 0.6 to 1.2
    times the scale it would have alone.

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
        scale = min(width / wide, height / high) * rng.uniform(0.6, 1.2)
        window = _random_window(wide, high, part[1] / scale, part[0] / scale, rng)
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
    image: np.ndarray, hue: float, saturation: float, exposure: float, rng: np.random.Generator
) -> np.ndarray:
    """Change hue, saturation and value of float32 [..., 3] from 0 to 1, as in the HSV model.

    The hue moves by up to `hue` (1 is the full circle); the factors of saturation and value lie
    between 1 / s and s. Half of all factors are below 1.
    """
    factor_s, factor_v = _factor(saturation, rng), _factor(exposure, rng)
    shift = rng.uniform(-hue, hue) if hue else 0.0
    if (factor_s, factor_v, shift) == (1.0, 1.0, 0.0):
        return image
    value = image.max(-1, keepdims=True)
    # In HSV a channel is value * (1 - saturation * k), where k depends on the hue alone.
    below = value - image
    if shift:
        below = _shifted_hue(below, shift)
    if factor_s != 1.0:
        most = below.max(-1, keepdims=True)
        below = below * np.minimum(factor_s, value / np.maximum(most, 1e-6))
    return np.minimum((value - below) * np.float32(factor_v), 1.0)


def _factor(most: float, rng: np.random.Generator) -> float:
    if most <= 1.0:
        return 1.0
    factor = rng.uniform(1, most)
    return 1 / factor if rng.random() < 0.5 else factor


def _shifted_hue(below: np.ndarray, shift: float) -> np.ndarray:
    """Move the hue, given the distances of the channels from the largest one.

    With m the largest distance, red's is m k(h), green's m k(h - 1/3) and blue's m k(h - 2/3),
    where k is 0 within 1/6 of 0, 1 beyond 1/3, and linear between.
    """
    most = below.max(-1)
    share = below / np.maximum(most, 1e-6)[..., None]
    red, green, blue = share[..., 0], share[..., 1], share[..., 2]
    # The sixth of the circle follows from which channel is the largest (its distance is 0).
    hue = np.where(red <= 0, blue - green, np.where(green <= 0, 2 + red - blue, 4 + green - red))
    hue = hue / 6 + np.float32(shift)
    result = np.empty_like(below)
    for channel in range(3):
        turned = (hue - channel / 3 + 0.5) % 1 - 0.5
        result[..., channel] = most * np.clip(np.abs(turned) * 6 - 1, 0, 1)
    return result


Read = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]


def augmented(
    read: Read, number: int, others: np.ndarray, size: tuple[int, int], how: Augmentation,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return one training input: (float32 [H, W, 3], boxes in its pixels [N, 4], classes [N]).

    `read(n)` gives picture n: its pixels, boxes in those pixels, and classes. `others` are three
    numbers of pictures for a mosaic.
    """
    if how.mosaic and rng.random() < how.mosaic:
        image, boxes, classes = mosaic([read(number), *map(read, others.tolist())], size, rng)
    else:
        pixels, boxes, classes = read(number)
        high, wide = pixels.shape[:2]
        window = jittered_window(wide, high, size, how.jitter, rng)
        image = cut(pixels, window, size)
        boxes, kept = boxes_in_window(boxes, window, size)
        boxes, classes = boxes[kept], classes[kept]
    image, boxes = flipped(image, boxes, how.flip, rng)
    return distorted(image, how.hue, how.saturation, how.exposure, rng), boxes, classes
