"""Overlap of boxes: IoU, GIoU, DIoU and CIoU of boxes given by centre and size.

Two families: differentiable functions of tensors, elementwise over leading dimensions (the box
loss), and `box_iou_matrix` of NumPy arrays (anchors, evaluation).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import rushlight

# Keeps a division of two empty boxes finite; boxes are fractions of the picture's sides.
TINY = 1e-9

KINDS = ("iou", "giou", "diou", "ciou")


def overlap(first: Any, second: Any, kind: str = "iou") -> Any:
    """Return the overlap of boxes of equal shape [..., 4], as (x, y, w, h) of centre and size.

    With I the intersection, U the union, C the smallest box around both, d the distance of the
    centres and c the diagonal of C:

        iou  = I / U                    giou = iou - (C - U) / C
        diou = iou - d^2 / c^2          ciou = diou - a v

    where v = 4 / pi^2 (atan(w2 / h2) - atan(w1 / h1))^2 and a = v / (1 - iou + v) is a constant
    for the gradient. Differentiable in both arguments. Raises ValueError for another `kind`.

    Example:
        >>> box = rushlight.tensor([0.5, 0.5, 0.2, 0.2])
        >>> overlap(box, box, "giou").item()
        1.0

    Source: arXiv:1902.09630 (GIoU), arXiv:1911.08287 (DIoU, CIoU).
    """
    if kind not in KINDS:
        raise ValueError(f"unknown overlap {kind!r}: one of {', '.join(KINDS)}")
    x1, y1, w1, h1 = first.unbind(-1)
    x2, y2, w2, h2 = second.unbind(-1)
    left, right = _interval(x1, w1, x2, w2)
    top, bottom = _interval(y1, h1, y2, h2)
    wide = (rushlight.minimum(*right) - rushlight.maximum(*left)).clamp(min=0)
    high = (rushlight.minimum(*bottom) - rushlight.maximum(*top)).clamp(min=0)
    shared = wide * high
    union = w1 * h1 + w2 * h2 - shared
    iou = shared / (union + TINY)
    if kind == "iou":
        return iou
    hull_wide = rushlight.maximum(*right) - rushlight.minimum(*left)
    hull_high = rushlight.maximum(*bottom) - rushlight.minimum(*top)
    if kind == "giou":
        hull = hull_wide * hull_high
        return iou - (hull - union) / (hull + TINY)
    diagonal = hull_wide * hull_wide + hull_high * hull_high
    distance = (x1 - x2) * (x1 - x2) + (y1 - y2) * (y1 - y2)
    diou = iou - distance / (diagonal + TINY)
    if kind == "diou":
        return diou
    turn = rushlight.atan(w2 / (h2 + TINY)) - rushlight.atan(w1 / (h1 + TINY))
    unlike = (4 / math.pi**2) * turn * turn
    weight = (unlike / (1 - iou + unlike + TINY)).detach()
    return diou - weight * unlike


def _interval(centre1: Any, size1: Any, centre2: Any, size2: Any) -> tuple[tuple, tuple]:
    low = (centre1 - size1 / 2, centre2 - size2 / 2)
    return low, (centre1 + size1 / 2, centre2 + size2 / 2)


def box_iou_matrix(first: np.ndarray, second: np.ndarray, crowd: Any = None) -> np.ndarray:
    """Return the IoU of every pair of corner boxes (x1, y1, x2, y2): [N, 4], [M, 4] -> [N, M].

    Where `crowd` [M] is true, the union is the first box alone: a region of many objects covers a
    detection when the detection lies within it (COCO's rule).

    Example:
        >>> box_iou_matrix(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0]]))
        array([[0.33333333]])
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(high - low, 0)
    shared = sides[..., 0] * sides[..., 1]
    area1 = (first[:, 2] - first[:, 0]) * (first[:, 3] - first[:, 1])
    area2 = (second[:, 2] - second[:, 0]) * (second[:, 3] - second[:, 1])
    union = area1[:, None] + area2[None, :] - shared
    if crowd is not None:
        union = np.where(np.asarray(crowd, bool)[None, :], area1[:, None], union)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def shape_iou(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Return the IoU of boxes with one centre: sizes [N, 2] and anchors [A, 2] -> [N, A]."""
    shared = np.minimum(sizes[:, None, 0], anchors[None, :, 0]) * np.minimum(
        sizes[:, None, 1], anchors[None, :, 1]
    )
    union = sizes.prod(1)[:, None] + anchors.prod(1)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
