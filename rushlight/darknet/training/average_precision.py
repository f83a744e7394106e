"""Average precision of a detector, as COCO defines it: agrees with pycocotools to the last bits.

Detections of a class are matched, best score first, to the boxes of their picture; from the
matches over all pictures comes precision at 101 recalls, whose mean is the average precision (AP).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rushlight.darknet.training.overlap import box_iou_matrix

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = (1, 10, 100)
# Areas in pixels that COCO calls all, small, medium and large.
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass
class PictureResult:
    """The truth about a picture and what was detected on it, in pixels.

    `boxes` [N, 4] and `found_boxes` [M, 4] are corners. Boxes that are `crowd` or `difficult` are
    not counted; a crowd box may cover many detections, a difficult one covers one.
    """

    boxes: np.ndarray
    classes: np.ndarray
    found_boxes: np.ndarray
    found_classes: np.ndarray
    scores: np.ndarray
    crowd: np.ndarray | None = None
    difficult: np.ndarray | None = None
    areas: np.ndarray | None = None


@dataclass
class Scores:
    """COCO's twelve numbers (NaN where there is nothing to count), and those of each class.

    `ap` is the mean over IoU 0.5:0.05:0.95 and classes, `ap50` and `ap75` at one IoU; `ar*` are
    recalls with so many detections a picture. `class_ap` and `class_ap50` are NaN for a class that
    does not occur.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    class_ap: list[float] = field(default_factory=list)
    class_ap50: list[float] = field(default_factory=list)

    def stats(self) -> list[float]:
        """Return the twelve numbers in COCO's order."""
        return [getattr(self, name) for name in list(self.__dataclass_fields__)[:12]]


def average_precision(results: list[PictureResult], classes: int) -> Scores:
    """Return the scores of detections on many pictures, over classes 0 .. `classes` - 1.

    Example:
        >>> box = np.array([[10, 10, 50, 50.0]])
        >>> zero = np.zeros(1, int)
        >>> average_precision([PictureResult(box, zero, box, zero, np.ones(1))], 1).ap50
        1.0

    Source: https://cocodataset.org/#detection-eval
    """
    precision = np.full((len(AREAS), classes, len(IOU_THRESHOLDS), len(RECALLS)), np.nan)
    recall = np.full((len(AREAS), len(MAX_DETECTIONS), classes, len(IOU_THRESHOLDS)), np.nan)
    for label in range(classes):
        groups = [_Group(result, label) for result in results]
        groups = [group for group in groups if len(group.boxes) or len(group.found)]
        for area, bounds in enumerate(AREAS.values()):
            matched = [group.match(bounds) for group in groups]
            for place, most in enumerate(MAX_DETECTIONS):
                curves = _curves(groups, matched, most)
                if curves is not None:
                    recall[area, place, label] = curves[1]
                    if most == MAX_DETECTIONS[-1]:
                        precision[area, label] = curves[0]
    by_class = [_mean(precision[0, label]) for label in range(classes)]
    by_class50 = [_mean(precision[0, label, 0]) for label in range(classes)]
    small, medium, large = (_mean(precision[area]) for area in (1, 2, 3))
    ar1, ar10, ar100 = (_mean(recall[0, place]) for place in range(3))
    ar_small, ar_medium, ar_large = (_mean(recall[area, 2]) for area in (1, 2, 3))
    return Scores(
        _mean(precision[0]), _mean(precision[0, :, 0]), _mean(precision[0, :, 5]),
        small, medium, large, ar1, ar10, ar100, ar_small, ar_medium, ar_large,
        by_class, by_class50,
    )  # fmt: skip


class _Group:
    """One class on one picture: the true boxes, and the best detections with their overlaps."""

    def __init__(self, result: PictureResult, label: int):
        chosen = np.flatnonzero(result.classes == label)
        self.boxes = np.asarray(result.boxes, np.float64).reshape(-1, 4)[chosen]
        none = np.zeros(len(result.classes), bool)
        self.crowd = (none if result.crowd is None else result.crowd)[chosen]
        difficult = (none if result.difficult is None else result.difficult)[chosen]
        self.uncounted = self.crowd | difficult
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        self.areas = sides.prod(1) if result.areas is None else result.areas[chosen]
        found = np.flatnonzero(result.found_classes == label)
        order = np.argsort(-result.scores[found], kind="mergesort")[: MAX_DETECTIONS[-1]]
        self.scores = result.scores[found][order]
        self.found = np.asarray(result.found_boxes, np.float64).reshape(-1, 4)[found][order]
        self.iou = box_iou_matrix(self.found, self.boxes, self.crowd)

    def match(self, area: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, int]:
        """Return (matched [T, D], left out [T, D], number of boxes that count)."""
        ignored = self.uncounted | (self.areas < area[0]) | (self.areas > area[1])
        order = np.argsort(ignored, kind="mergesort")  # what counts comes first
        ignored, crowd, iou = ignored[order], self.crowd[order], self.iou[:, order]
        thresholds, count = len(IOU_THRESHOLDS), len(self.found)
        matched = np.zeros((thresholds, count), bool)
        left_out = np.zeros((thresholds, count), bool)
        taken = np.zeros((thresholds, len(order)), bool)
        counted = int((~ignored).sum())
        # Most detections overlap nothing well enough: leave the thresholds they cannot reach.
        highest = iou.max(1) if len(order) else np.zeros(count)
        reached = np.searchsorted(IOU_THRESHOLDS - 1e-9, highest, side="right")
        for place in range(count):
            for level, threshold in enumerate(IOU_THRESHOLDS[: reached[place]]):
                free = ~taken[level] | crowd
                box = _best(iou[place], free, min(threshold, 1 - 1e-10), counted)
                if box >= 0:
                    matched[level, place] = True
                    left_out[level, place] = ignored[box]
                    taken[level, box] = True
        sides = self.found[:, 2:] - self.found[:, :2]
        areas = sides.prod(1)
        outside = (areas < area[0]) | (areas > area[1])
        left_out |= ~matched & outside[None, :]
        return matched, left_out, counted


def _best(iou: np.ndarray, free: np.ndarray, threshold: float, counted: int) -> int:
    """Return the box with the largest overlap, the last of equals; boxes that count go before."""
    for part in (slice(0, counted), slice(counted, None)):
        values = np.where(free[part], iou[part], -1.0)
        if len(values) and values.max() >= threshold:
            last = len(values) - 1 - int(values[::-1].argmax())
            return last + (part.start or 0)
    return -1


def _curves(groups: list[_Group], matched: list, most: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return (precision [T, R], final recall [T]) with `most` detections a picture, if any."""
    counted = sum(number for _, _, number in matched)
    if counted == 0:
        return None
    scores = np.concatenate([group.scores[:most] for group in groups])
    order = np.argsort(-scores, kind="mergesort")
    hits = np.concatenate([one[:, :most] for one, _, _ in matched], 1)[:, order]
    left_out = np.concatenate([one[:, :most] for _, one, _ in matched], 1)[:, order]
    right = np.cumsum(hits & ~left_out, 1, dtype=float)
    wrong = np.cumsum(~hits & ~left_out, 1, dtype=float)
    precision = np.zeros((len(IOU_THRESHOLDS), len(RECALLS)))
    recall = np.zeros(len(IOU_THRESHOLDS))
    if len(order):
        recall[:] = right[:, -1] / counted
    for level in range(len(IOU_THRESHOLDS)):
        share = right[level] / (right[level] + wrong[level] + np.spacing(1))
        envelope = np.maximum.accumulate(share[::-1])[::-1]  # the best at this recall or beyond
        places = np.searchsorted(right[level] / counted, RECALLS, side="left")
        inside = places < len(envelope)
        precision[level, inside] = envelope[places[inside]]
    return precision, recall


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
