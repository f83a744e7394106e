"""From a network and labelled pictures to the scores of its detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight
from rushlight.darknet.boxes import select
from rushlight.darknet.detect import fit_picture
from rushlight.darknet.training.average_precision import (
    PictureResult,
    Scores,
    average_precision,
)
from rushlight.darknet.training.labels import LabelledPicture, open_picture

THRESHOLD = 0.005  # Darknet's, when it measures average precision
NMS_IOU = 0.45
MOST_PLACES = 500  # of the network's output, the most promising
MOST_BOXES = 100  # COCO counts no more


def evaluate(
    model: Any,
    pictures: Sequence[LabelledPicture],
    size: tuple[int, int],
    keep_shape: bool = False,
    batch_size: int = 16,
    threshold: float = THRESHOLD,
    nms_iou: float = NMS_IOU,
) -> list[PictureResult]:
    """Return the detections of `model` on pictures, with the truth, in the pictures' pixels.

    `model` in eval mode maps [B, 3, H, W] to [B, N, 5 + C]: centre and size in pixels of the input,
    objectness, class probabilities. Pictures are fitted to `size` (h, w) as `rushlight detect`
    does. The model is left in eval mode.
    """
    results = []
    model.eval()
    with rushlight.no_grad():
        for start in range(0, len(pictures), batch_size):
            some = pictures[start : start + batch_size]
            opened = [open_picture(picture) for picture in some]
            fitted = [fit_picture(pixels, size, keep_shape) for pixels in opened]
            # A last batch that is smaller would be a program of its own: fill it up.
            inputs = [values for values, _ in fitted]
            inputs += [inputs[0]] * (batch_size - len(inputs))
            found = model(rushlight.stack(inputs)).numpy()
            for picture, pixels, rows, (_, fit) in zip(some, opened, found, fitted):
                results.append(_result(picture, pixels, rows, fit, threshold, nms_iou))
    return results


def scores_of(results: list[PictureResult], classes: int) -> Scores:
    """Return the average precisions of `evaluate`'s results."""
    return average_precision(results, classes)


def _result(
    picture: LabelledPicture, pixels: np.ndarray, rows: np.ndarray, fit: Any, threshold: float,
    nms_iou: float,
) -> PictureResult:  # fmt: skip
    best = rows[:, 4] * rows[:, 5:].max(1)
    chosen = np.argsort(-best, kind="stable")[:MOST_PLACES]
    found = select(rushlight.tensor(rows[chosen]), threshold, nms_iou, maximum=MOST_BOXES)
    boxes = fit.to_picture(found.boxes) if len(found.boxes) else found.boxes
    return PictureResult(
        picture.pixel_boxes(pixels.shape[1], pixels.shape[0]), picture.classes,
        boxes.numpy(), found.classes.numpy(), found.scores.numpy(),
        picture.crowd, picture.difficult,
    )  # fmt: skip
