"""From a network's detections to the boxes worth showing: thresholds and suppression per class.

Boxes are corners (x1, y1, x2, y2). A box may be of several classes, each with its own score
(objectness times class probability), and boxes of different classes never remove each other, as in
Darknet.
"""

from typing import NamedTuple

import numpy as np

import rushlight
from rushlight.vision import ops

__all__ = ["Detections", "diou_nms", "select", "soft_nms", "suppress"]

SUPPRESSIONS = ("greedy", "soft", "diou", "none")


class Detections(NamedTuple):
    """What was found on one picture, best first.

    boxes: float32 (N, 4), corners. scores: float32 (N,). classes: int64 (N,).
    """

    boxes: rushlight.Tensor
    scores: rushlight.Tensor
    classes: rushlight.Tensor


def _numpy(tensor, dtype=np.float64):
    return tensor.detach().cpu().numpy().astype(dtype)


def soft_nms(boxes, scores, sigma=0.5, threshold=0.001):
    """Scores lowered by overlap instead of boxes removed: s' = s * exp(-iou^2 / sigma).

    The best box lowers all others, then the next best one left, and so on.

    Shapes: boxes (N, 4), scores (N,).

    Returns:
        (indices int64 (K,), new scores (K,)) of the boxes whose score stays above `threshold`,
        best first. Not differentiable.

    Source: N. Bodla et al., Soft-NMS, arXiv:1704.04503.
    """
    corners, left = _numpy(boxes), _numpy(scores)
    alive = left > threshold
    order, found = [], []
    while alive.any():
        best = int(np.argmax(np.where(alive, left, -np.inf)))
        order.append(best)
        found.append(left[best])
        alive[best] = False
        rest = np.flatnonzero(alive)
        overlap = _overlaps(corners[best], corners[rest])[0]
        left[rest] *= np.exp(-(overlap**2) / sigma)
        alive[rest] = left[rest] > threshold
    return (
        rushlight.tensor(np.array(order, np.int64)),
        rushlight.tensor(np.array(found, np.float64)).to(scores.dtype),
    )


def diou_nms(boxes, scores, threshold, beta=0.6):
    """`vision.ops.nms` that spares boxes with centres far apart.

    A box goes when iou - (d^2 / c^2)^beta with a better one exceeds `threshold`; d is the distance
    of the centres, c the diagonal of the least box around both.

    Shapes: boxes (N, 4), scores (N,). Returns int64 (K,), best first. Not differentiable.

    Source: Z. Zheng et al., Distance-IoU Loss, arXiv:1911.08287; `beta` is Darknet's beta_nms.
    """
    corners, values = _numpy(boxes), _numpy(scores)
    waiting = np.argsort(-values, kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        overlap, distance = _overlaps(corners[best], corners[waiting])
        waiting = waiting[~(overlap - distance**beta > threshold)]
    return rushlight.tensor(np.array(kept, np.int64))


def _overlaps(one, others):
    """(iou, squared distance of centres by squared diagonal of the hull) with each of `others`."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    sizes = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(one[2:] - one[:2])
    hull = np.maximum(one[2:], others[:, 2:]) - np.minimum(one[:2], others[:, :2])
    apart = (one[:2] + one[2:] - others[:, :2] - others[:, 2:]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        iou = np.nan_to_num(shared / (sizes - shared))
        return iou, np.nan_to_num((apart**2).sum(1) / (hull**2).sum(1))


def suppress(boxes, scores, classes, threshold=0.45, kind="greedy", beta=0.6, floor=0.001):
    """Non-maximum suppression within each class.

    Args:
        boxes: (N, 4). scores: (N,). classes: int64 (N,). threshold: on the overlap.
        kind: "greedy" (`vision.ops.nms`), "soft" (`soft_nms`), "diou" (`diou_nms`) or "none".
        beta: of "diou". floor: of "soft", the score below which a box goes.

    Returns:
        (indices int64 (K,), scores (K,)), best first; the scores differ from the given ones for
        "soft" only.

    Raises:
        ValueError: another kind.
    """
    if kind not in SUPPRESSIONS:
        raise ValueError(f"unknown suppression {kind!r}; use {', '.join(SUPPRESSIONS)}")
    numbers, values = _numpy(classes, np.int64), _numpy(scores)
    if kind == "none":
        kept = np.arange(len(values))
    else:
        parts = []
        for number in np.unique(numbers):
            members = np.flatnonzero(numbers == number)
            own = rushlight.tensor(_numpy(boxes)[members])
            own_scores = rushlight.tensor(values[members])
            if kind == "greedy":
                left = ops.nms(own, own_scores, threshold)
            elif kind == "diou":
                left = diou_nms(own, own_scores, threshold, beta)
            else:
                left, lowered = soft_nms(own, own_scores, threshold=floor)
                values[members[left.numpy()]] = lowered.numpy()
            parts.append(members[left.numpy()])
        kept = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    kept = kept[np.argsort(-values[kept], kind="stable")]
    return rushlight.tensor(kept.astype(np.int64)), rushlight.tensor(values[kept]).to(scores.dtype)


def select(found, threshold=0.25, overlap=0.45, kind="greedy", beta=0.6, maximum=300):
    """The `Detections` of one picture, in pixels of the network's input.

    Args:
        found: (N, 5 + classes) as `Darknet` gives them in eval mode: centre and size, objectness,
            class probabilities.
        threshold: the least score, objectness times class probability. overlap, kind, beta: see
            `suppress`. maximum: the most boxes to keep.

    Boxes that are not finite are left out.
    """
    values = found.detach().cpu().numpy()
    scores = values[:, 4:5] * values[:, 5:]
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(values[:, :4]).all(1) & (values[:, 2:4] >= 0).all(1)
        rows, classes = np.nonzero((scores > threshold) & usable[:, None])
    centre, half = values[rows, :2], values[rows, 2:4] / 2
    boxes = rushlight.tensor(np.concatenate([centre - half, centre + half], 1))
    scores = rushlight.tensor(scores[rows, classes])
    classes = rushlight.tensor(classes.astype(np.int64))
    kept, scores = suppress(boxes, scores, classes, overlap, kind, beta, threshold)
    kept, scores = kept[:maximum], scores[:maximum]
    return Detections(boxes[kept], scores, classes[kept])
