"""The things on generated pictures: shapes and digits drawn from formulas, photographed clothes.

Each is a `Figure`: coverage (0 outside, 1 inside) and shading on a square grid, from which
`scenes` cuts turned and scaled copies.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from rushlight.vision.datasets.sample import load_fashion_mnist_sample

GRID = 64  # pixels of a drawn figure's sides
STROKES = (0.13, 0.18, 0.24)  # half widths of a digit's lines, its height being 2

SHAPES = ("circle", "square", "triangle", "star")
DIGITS = tuple("0123456789")
# Clothes that differ in outline, with their Fashion-MNIST classes: at this size nobody tells a
# shirt from a coat.
CLOTHES = {"t-shirt": 0, "trouser": 1, "dress": 3, "sneaker": 7, "bag": 8, "boot": 9}

NAMES = (*SHAPES, *DIGITS, *CLOTHES)


@dataclass
class Figure:
    """Coverage and shading, float32 [S, S] from 0 to 1, and how far it may be turned (degrees)."""

    coverage: np.ndarray
    shading: np.ndarray
    turn: float


def _grid() -> tuple[np.ndarray, np.ndarray]:
    axis = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID * 2.4 - 1.2
    return np.meshgrid(axis, axis)


def _smooth(distance: np.ndarray) -> np.ndarray:
    """Coverage from a signed distance, negative inside: the edge is one pixel wide."""
    return np.clip(0.5 - distance * (GRID / 2.4), 0, 1).astype(np.float32)


def _polygon(corners: np.ndarray) -> np.ndarray:
    """Coverage of a polygon: distance to its edges, signed by the even-odd rule."""
    x, y = _grid()
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0)):
        if ay != by:
            crosses = (ay > y) != (by > y)
            inside ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    distance = _line_distance([np.vstack([corners, corners[:1]])])
    return _smooth(np.where(inside, -distance, distance))


def _line_distance(lines: list[np.ndarray]) -> np.ndarray:
    """Distance of each grid point to the nearest of several polylines [P, 2]."""
    x, y = _grid()
    nearest = np.full(x.shape, np.inf)
    for line in lines:
        for (ax, ay), (bx, by) in zip(line[:-1], line[1:]):
            length = (bx - ax) ** 2 + (by - ay) ** 2
            along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1)
            apart = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
            nearest = np.minimum(nearest, apart)
    return nearest


def _arc(x: float, y: float, wide: float, high: float, start: float, end: float) -> np.ndarray:
    """An elliptic arc as a polyline; angles in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, max(4, int(abs(end - start) / 15) + 1)))
    return np.stack([x + wide * np.cos(angles), y + high * np.sin(angles)], 1)


def _digit_lines(digit: int) -> list[np.ndarray]:
    """The strokes of a digit between -1 and 1, y downwards."""
    if digit == 0:
        return [_arc(0, 0, 0.55, 0.88, 0, 360)]
    if digit == 1:
        return [np.array([[-0.4, -0.5], [0.05, -0.88], [0.05, 0.88]])]
    if digit == 2:
        return [np.vstack([_arc(0, -0.4, 0.5, 0.48, 190, 395), [[-0.55, 0.88], [0.6, 0.88]]])]
    if digit == 3:
        lower = _arc(-0.05, 0.42, 0.55, 0.46, 270, 520)
        return [np.vstack([_arc(-0.05, -0.45, 0.48, 0.43, 200, 450), lower])]
    if digit == 4:
        return [np.array([[0.28, 0.88], [0.28, -0.88], [-0.6, 0.35], [0.62, 0.35]])]
    if digit == 5:
        bow = _arc(-0.02, 0.32, 0.56, 0.56, 230, 510)
        return [np.vstack([[[0.5, -0.88], [-0.4, -0.88], [-0.45, -0.05]], bow])]
    if digit == 6:
        return [_arc(0, 0.36, 0.52, 0.52, 0, 360), _arc(0.42, 0.36, 0.94, 1.26, 180, 262)]
    if digit == 7:
        return [np.array([[-0.55, -0.88], [0.58, -0.88], [-0.1, 0.88]])]
    if digit == 8:
        return [_arc(0, -0.45, 0.42, 0.42, 0, 360), _arc(0, 0.42, 0.52, 0.46, 0, 360)]
    return [-line for line in _digit_lines(6)]


def _shape(name: str) -> np.ndarray:
    x, y = _grid()
    if name == "circle":
        return _smooth(np.hypot(x, y) - 0.95)
    if name == "square":
        return _smooth(np.maximum(abs(x), abs(y)) - 0.8)
    if name == "triangle":
        angles = np.radians([-90, 30, 150])
        return _polygon(np.stack([np.cos(angles), np.sin(angles)], 1) + [0, 0.2])
    angles = np.radians(np.arange(10) * 36 - 90)
    radius = np.where(np.arange(10) % 2 == 0, 1.05, 0.45)
    return _polygon(np.stack([radius * np.cos(angles), radius * np.sin(angles)], 1))


@functools.cache
def drawn_figures() -> dict[str, list[Figure]]:
    """Return the shapes and digits by name, a digit in several widths of stroke."""
    plain = np.ones((GRID, GRID), np.float32)
    result = {
        name: [Figure(_shape(name), plain, 180.0 if name == "circle" else 20.0)] for name in SHAPES
    }
    for digit, name in enumerate(DIGITS):
        distance = _line_distance(_digit_lines(digit))
        result[name] = [Figure(_smooth(distance - half), plain, 12.0) for half in STROKES]
    return result


@functools.cache
def _clothes_pictures(test: bool) -> dict[str, np.ndarray]:
    train_images, train_labels, test_images, test_labels = load_fashion_mnist_sample()
    images, labels = (test_images, test_labels) if test else (train_images, train_labels)
    return {name: images[labels == label] for name, label in CLOTHES.items()}


def clothes_figure(name: str, rng: np.random.Generator, test: bool) -> Figure:
    """Return one garment of the embedded Fashion-MNIST sample, its outline filled.

    `test` draws from the sample's test pictures, which training never shows.
    """
    pictures = _clothes_pictures(test)[name]
    picture = pictures[rng.integers(len(pictures))].astype(np.float32) / 255
    shown = picture > 0.06
    # Dark cloth is as black as the background: fill between the first and last light pixel of
    # each column, where it is also between those of its row.
    rows = np.maximum.accumulate(shown, 1) & np.maximum.accumulate(shown[:, ::-1], 1)[:, ::-1]
    columns = np.maximum.accumulate(shown, 0) & np.maximum.accumulate(shown[::-1], 0)[::-1]
    gap = name in ("trouser", "bag")  # between the legs, under the handle
    coverage = shown if gap else rows & columns
    return Figure(coverage.astype(np.float32), 0.5 + 0.5 * picture, 15.0)
