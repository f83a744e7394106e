"""Whole generated pictures: figures over a background among clutter, some hiding others."""

from __future__ import annotations

import numpy as np

from rushlight.darknet.training.generator.backgrounds import background, color, noise
from rushlight.darknet.training.generator.figures import (
    CLOTHES,
    DIGITS,
    NAMES,
    SHAPES,
    Figure,
    clothes_figure,
    drawn_figures,
)
from rushlight.darknet.training.labels import DetectionData, LabelledPicture

MOST_HIDDEN = 0.35  # of a figure's pixels; more, and it is not placed there
SIZES = (0.2, 0.5)  # a figure's side as a share of the picture's


def generated_data(train: int, test: int, size: int, seed: int = 0) -> DetectionData:
    """Return `train` + `test` generated pictures of `size` x `size` pixels with their boxes.

    The same arguments give the same pictures on every machine; the test pictures use other seeds
    and other garments than the training pictures.

    Example:
        >>> data = generated_data(2, 1, 96)
        >>> data.train[0].pixels.shape
        (96, 96, 3)
    """
    data = DetectionData(NAMES)
    for part, count, of_test in ((data.train, train, False), (data.test, test, True)):
        for number in range(count):
            picture = generated_picture(size, [seed, int(of_test), number], of_test)
            picture.identity = number
            part.append(picture)
    return data


def generated_picture(size: int, seed: list[int], test: bool = False) -> LabelledPicture:
    """Return one picture with two to seven figures; boxes enclose what is visible of each."""
    rng = np.random.default_rng(seed)
    picture = background(size, rng)
    for _ in range(rng.integers(0, 7)):
        _clutter(picture, rng)
    owner = np.full((size, size), -1, np.int16)  # which figure a pixel shows
    labels: list[int] = []
    areas: list[int] = []
    for _ in range(rng.integers(2, 8)):
        label = _draw_label(rng)
        for _ in range(8):  # tries to find a place
            if _place(picture, owner, areas, _figure(label, rng, test), rng):
                labels.append(label)
                break
    for _ in range(rng.integers(0, 3)):
        _thin_line(picture, rng)
    boxes = np.array([_bounds(owner == number) for number in range(len(labels))], np.float32)
    pixels = _photographed(picture, rng)
    return LabelledPicture(None, boxes, np.array(labels, np.int64), pixels=pixels)


def _draw_label(rng: np.random.Generator) -> int:
    """Each family is equally frequent."""
    family = (SHAPES, DIGITS, tuple(CLOTHES))[rng.integers(3)]
    return NAMES.index(family[rng.integers(len(family))])


def _figure(label: int, rng: np.random.Generator, test: bool) -> Figure:
    name = NAMES[label]
    if name in CLOTHES:
        return clothes_figure(name, rng, test)
    variants = drawn_figures()[name]
    return variants[rng.integers(len(variants))]


def _place(
    picture: np.ndarray, owner: np.ndarray, areas: list[int], figure: Figure,
    rng: np.random.Generator,
) -> bool:  # fmt: skip
    """Paste a figure at a random place unless it would hide another one too much."""
    size = len(picture)
    side = int(round(size * np.exp(rng.uniform(np.log(SIZES[0]), np.log(SIZES[1])))))
    left, top = (int(v) for v in rng.integers(0, size - side + 1, 2))
    window = (slice(top, top + side), slice(left, left + side))
    coverage, shading = _turned(figure, side, rng)
    solid = coverage > 0.5
    if solid.sum() < 20:
        return False
    there = owner[window]
    for number in np.unique(there[solid]):
        if number >= 0:
            left_over = (owner == number).sum() - (solid & (there == number)).sum()
            if left_over < (1 - MOST_HIDDEN) * areas[number]:
                return False
    patch = picture[window]
    tint = _contrasting(patch.mean((0, 1)), rng)
    painted = _painted(tint, shading, side, rng)
    picture[window] = patch + (painted - patch) * coverage[..., None]
    there[solid] = len(areas)
    areas.append(int(solid.sum()))
    return True


def _turned(figure: Figure, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return coverage and shading at `side` pixels: turned, stretched and slanted a little."""
    source = len(figure.coverage)
    angle = np.radians(rng.uniform(-figure.turn, figure.turn))
    stretch = np.exp(rng.uniform(-0.2, 0.2))
    slant = rng.uniform(-0.15, 0.15)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.array([[1, slant], [0, 1]]) @ turn / 0.95
    matrix = np.diag([max(1, stretch), max(1, 1 / stretch)]) @ matrix
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    x = (matrix[0, 0] * axis[None, :] + matrix[0, 1] * axis[:, None] + 1) / 2 * source - 0.5
    y = (matrix[1, 0] * axis[None, :] + matrix[1, 1] * axis[:, None] + 1) / 2 * source - 0.5
    return _sampled(figure.coverage, x, y), _sampled(figure.shading, x, y)


def _sampled(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear samples of a field [S, S] at pixel coordinates; zero outside."""
    padded = np.pad(field, 1)
    x = np.clip(x + 1, 0, len(padded) - 1.001)
    y = np.clip(y + 1, 0, len(padded) - 1.001)
    column, row = x.astype(np.intp), y.astype(np.intp)
    across, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
    upper = padded[row, column] * (1 - across) + padded[row, column + 1] * across
    lower = padded[row + 1, column] * (1 - across) + padded[row + 1, column + 1] * across
    return upper * (1 - down) + lower * down


def _contrasting(behind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A colour that differs clearly from the mean colour behind."""
    tint = color(rng)
    for _ in range(20):
        if np.abs(tint - behind).max() > 0.35:
            break
        tint = color(rng)
    return tint


def _painted(
    tint: np.ndarray, shading: np.ndarray, side: int, rng: np.random.Generator
) -> np.ndarray:
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    slope = rng.uniform(-0.25, 0.25, 2)
    light = 1 + slope[0] * axis[None, :] + slope[1] * axis[:, None]
    if rng.random() < 0.3:
        angle, period = rng.uniform(0, np.pi), rng.uniform(0.15, 0.5)
        phase = (np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]) / period
        light = light * (0.85 + 0.15 * np.sign(np.sin(2 * np.pi * phase)))
    return np.clip(tint * (shading * light)[..., None], 0, 1)


def _clutter(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Add something that is no labelled figure: a line, a soft blob, a patch of another texture."""
    size = len(picture)
    kind = rng.integers(3)
    if kind == 0:
        _thin_line(picture, rng)
        return
    side = int(rng.integers(size // 12, size // 3))
    left, top = (int(v) for v in rng.integers(0, size - side + 1, 2))
    patch = picture[top : top + side, left : left + side]
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    radius = np.hypot(axis[None, :], axis[:, None])
    if kind == 1:
        share = 0.7 * np.clip(1 - radius, 0, 1)
    else:
        # Ragged, so that it is never taken for a circle.
        share = 0.8 * (noise(size, rng, 0.6)[:side, :side] > 0.35 + 0.5 * radius)
    patch += (color(rng) - patch) * share[..., None].astype(np.float32)


def _thin_line(picture: np.ndarray, rng: np.random.Generator) -> None:
    """A line across a part of the picture, one to three pixels wide."""
    size = len(picture)
    start, end = rng.uniform(0, size, (2, 2))
    steps = int(max(abs(end - start))) + 1
    points = (start + (end - start) * np.linspace(0, 1, steps)[:, None]).astype(int)
    ink, width = color(rng), int(rng.integers(1, 3))
    for across in range(width):
        rows = np.clip(points[:, 0] + across, 0, size - 1)
        columns = np.clip(points[:, 1] + across, 0, size - 1)
        picture[rows, columns] = ink


def _photographed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, a little blur and sensor noise, then uint8."""
    if rng.random() < 0.4:
        picture = picture.copy()
        picture[1:-1] = 0.25 * (picture[:-2] + picture[2:]) + 0.5 * picture[1:-1]
        picture[:, 1:-1] = 0.25 * (picture[:, :-2] + picture[:, 2:]) + 0.5 * picture[:, 1:-1]
    picture = picture * rng.uniform(0.8, 1.15)
    grain = rng.standard_normal(picture.shape[:2], dtype=np.float32) * rng.uniform(0, 0.03)
    return (np.clip(picture + grain[..., None], 0, 1) * 255).astype(np.uint8)


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
