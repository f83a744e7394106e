"""From a network and labelled pictures to the scores of its detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight
from rushlight.darknet.training.augmentation import cut, fitted_window
from rushlight.darknet.training.average_precision import (
    PictureResult,
    Scores,
    average_precision,
)
from rushlight.darknet.training.batches import shrunk
from rushlight.darknet.training.labels import LabelledPicture, open_picture
from rushlight.darknet.training.overlap import box_iou_matrix

THRESHOLD = 0.005  # Darknet's, when it measures average precision
NMS_IOU = 0.45
MOST_CANDIDATES = 1000


def evaluate(
    model: Any,
    pictures: Sequence[LabelledPicture],
    size: tuple[int, int],
    batch_size: int = 16,
    threshold: float = THRESHOLD,
    nms_iou: float = NMS_IOU,
) -> list[PictureResult]:
    """Return the detections of `model` on pictures, with the truth, in the pictures' pixels.

    `model` in eval mode maps [B, 3, H, W] to [B, N, 5 + C]: centre and size in pixels of the input,
    objectness, class probabilities. Pictures are shown whole in an input of `size` (h, w).
    """
    results = []
    model.eval()
    with rushlight.no_grad():
        for start in range(0, len(pictures), batch_size):
            some = pictures[start : start + batch_size]
            opened = [open_picture(picture) for picture in some]
            # A last batch that is smaller would be a program of its own: fill it up.
            inputs = np.full((batch_size, *size, 3), 0.5, np.float32)
            for place, pixels in enumerate(opened):
                inputs[place] = _whole(pixels, size)
            given = rushlight.tensor(np.ascontiguousarray(inputs.transpose(0, 3, 1, 2)))
            found = model(given).numpy()
            for picture, pixels, rows in zip(some, opened, found):
                results.append(_result(picture, pixels.shape, rows, size, threshold, nms_iou))
    return results


def scores_of(results: list[PictureResult], classes: int) -> Scores:
    """Return the average precisions of `evaluate`'s results."""
    return average_precision(results, classes)


def _whole(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    pixels, _ = shrunk(pixels, size)
    return cut(pixels, fitted_window(pixels.shape[1], pixels.shape[0], size), size)


def _result(
    picture: LabelledPicture, shape: tuple, rows: np.ndarray, size: tuple[int, int],
    threshold: float, nms_iou: float,
) -> PictureResult:  # fmt: skip
    boxes, classes, scores = detections(rows, threshold, nms_iou)
    high, wide = shape[:2]
    x1, y1, x2, _ = fitted_window(wide, high, size)
    scale = (x2 - x1) / size[1]
    boxes = boxes * scale + [x1, y1, x1, y1]
    boxes = np.clip(boxes, 0, [wide, high, wide, high])
    return PictureResult(
        picture.pixel_boxes(wide, high), picture.classes, boxes, classes, scores,
        picture.crowd, picture.difficult,
    )  # fmt: skip


def detections(
    rows: np.ndarray, threshold: float, nms_iou: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (corner boxes [K, 4], classes [K], scores [K]) from decoded rows [N, 5 + C].

    The score is objectness times class probability; of overlapping boxes of a class the best
    stays. Best score first.
    """
    scores = rows[:, 4:5] * rows[:, 5:]
    place, label = np.nonzero(scores > threshold)
    values = scores[place, label]
    order = np.argsort(-values, kind="stable")[:MOST_CANDIDATES]
    place, label, values = place[order], label[order], values[order].astype(np.float64)
    centres, sides = rows[place, :2].astype(np.float64), rows[place, 2:4].astype(np.float64)
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], 1)
    alive = np.ones(len(boxes), bool)
    for number in np.unique(label):
        members = np.flatnonzero(label == number)
        overlaps = box_iou_matrix(boxes[members], boxes[members]) > nms_iou
        for first in range(len(members)):
            if alive[members[first]]:
                alive[members[first + 1 :]] &= ~overlaps[first, first + 1 :]
    return boxes[alive], label[alive], values[alive]
