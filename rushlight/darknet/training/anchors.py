"""Anchors that fit a data set's boxes: k-means with 1 - IoU of shapes as the distance."""

from __future__ import annotations

import numpy as np

from rushlight.darknet.training.overlap import shape_iou


def fit_anchors(sizes: np.ndarray, count: int, seed: int = 0, rounds: int = 100) -> np.ndarray:
    """Return `count` (width, height) pairs, the smallest area first, for box sizes [N, 2].

    The result is in the units of `sizes`. Raises ValueError when there are no boxes.

    Example:
        >>> fit_anchors(np.array([[8.0, 8], [9, 9], [30, 40], [32, 42]]), 2).round().tolist()
        [[8.0, 8.0], [31.0, 41.0]]

    Source: arXiv:1612.08242, section 2, "Dimension Clusters".
    """
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    if not len(sizes):
        raise ValueError("no boxes to fit anchors to")
    rng = np.random.default_rng(seed)
    # Start from quantiles of the area, jittered: no cluster starts empty.
    by_area = sizes[np.argsort(sizes.prod(1), kind="stable")]
    places = ((np.arange(count) + 0.5) / count * len(sizes)).astype(int)
    centres = by_area[np.minimum(places, len(sizes) - 1)] * rng.uniform(0.99, 1.01, (count, 2))
    assigned = np.full(len(sizes), -1)
    for _ in range(rounds):
        nearest = shape_iou(sizes, centres).argmax(1)
        if (nearest == assigned).all():
            break
        assigned = nearest
        for number in range(count):
            members = sizes[assigned == number]
            if len(members):
                centres[number] = np.median(members, 0)
    return centres[np.argsort(centres.prod(1), kind="stable")]
