"""Losses of detectors."""

import math

import rushlight
from rushlight.nn import functional as nnf
from rushlight.vision.ops.boxes import _widened


def _reduced(loss, reduction):
    if reduction == "none":
        return loss
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(
        f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', "
        "'mean', 'sum'"
    )


def sigmoid_focal_loss(inputs, targets, alpha=0.25, gamma=2, reduction="none"):
    """Cross entropy of logits that counts easy examples less: `alpha_t (1 - p_t)^gamma * ce`.

    Shapes: inputs (logits) and targets (0 or 1), the same. `alpha` < 0 leaves classes unweighted.

    Raises:
        ValueError: `alpha` outside [0, 1] and not -1, or an unknown reduction.

    Source: arXiv:1708.02002.
    """
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 "
                         "for ignore.")  # fmt: skip
    p = rushlight.sigmoid(inputs)
    loss = nnf.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p_right = p * targets + (1 - p) * (1 - targets)
    loss = loss * ((1 - p_right) ** gamma)
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _reduced(loss, reduction)


def _pairwise(boxes1, boxes2):
    """Per pair: intersection, union, and the hull's (x1, y1, x2, y2)."""
    x1, y1, x2, y2 = boxes1.unbind(dim=-1)
    u1, v1, u2, v2 = boxes2.unbind(dim=-1)
    left, top = rushlight.max(x1, u1), rushlight.max(y1, v1)
    right, bottom = rushlight.min(x2, u2), rushlight.min(y2, v2)
    touching = (bottom > top) & (right > left)
    overlap = rushlight.where(
        touching, (right - left) * (bottom - top), rushlight.zeros_like(x1)
    )
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - overlap
    hull = (
        rushlight.min(x1, u1),
        rushlight.min(y1, v1),
        rushlight.max(x2, u2),
        rushlight.max(y2, v2),
    )
    return overlap, union, hull


def generalized_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """`1 - generalized_box_iou` of each pair of `boxes1` and `boxes2` (N, 4)."""
    boxes1, boxes2 = _widened(boxes1), _widened(boxes2)
    overlap, union, (x1, y1, x2, y2) = _pairwise(boxes1, boxes2)
    hull = (x2 - x1) * (y2 - y1)
    loss = 1 - (overlap / (union + eps) - (hull - union) / (hull + eps))
    return _reduced(loss, reduction)


def _distance_loss(boxes1, boxes2, eps):
    overlap, union, (x1, y1, x2, y2) = _pairwise(boxes1, boxes2)
    iou = overlap / (union + eps)
    diagonal = (x2 - x1) ** 2 + (y2 - y1) ** 2 + eps
    apart = (boxes1[..., :2] + boxes1[..., 2:]) / 2 - (boxes2[..., :2] + boxes2[..., 2:]) / 2
    distance = apart[..., 0] ** 2 + apart[..., 1] ** 2
    return 1 - iou + distance / diagonal, iou


def distance_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """`1 - distance_box_iou` of each pair of `boxes1` and `boxes2` (N, 4)."""
    loss, _ = _distance_loss(_widened(boxes1), _widened(boxes2), eps)
    return _reduced(loss, reduction)


def complete_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """`1 - complete_box_iou` of each pair of `boxes1` and `boxes2` (N, 4)."""
    boxes1, boxes2 = _widened(boxes1), _widened(boxes2)
    loss, iou = _distance_loss(boxes1, boxes2, eps)
    angle1 = rushlight.atan((boxes1[..., 2] - boxes1[..., 0]) / (boxes1[..., 3] - boxes1[..., 1]))
    angle2 = rushlight.atan((boxes2[..., 2] - boxes2[..., 0]) / (boxes2[..., 3] - boxes2[..., 1]))
    unlike = (4 / math.pi**2) * (angle2 - angle1) ** 2
    with rushlight.no_grad():
        weight = unlike / (1 - iou + unlike + eps)
    return _reduced(loss + weight * unlike, reduction)
