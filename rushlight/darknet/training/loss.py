"""The loss of YOLOv3 and YOLOv4 heads, as Darknet defines it by its gradients.

Darknet writes down derivatives ("deltas"), not a loss. This is the function they belong to:

    objectness    logistic: every place says 1 where it answers for a box (see `targets`), else 0;
                  places whose box overlaps some true box more than `ignore_thresh` are left alone
    classes       logistic per class, at the answering places
    box           "mse": logistic for the place within the cell, squares for log sizes, weighed by
                  2 - w h; or 1 - IoU, GIoU, DIoU, CIoU

each times its normalizer, summed over the batch and divided by its size. Two differences: the
gradient of an IoU loss passes through the logistic function as well (Darknet leaves that factor
out), and a place is left alone whatever classes it predicts, as in the YOLOv3 paper.

Source: arXiv:1804.02767, arXiv:2004.10934, Darknet's yolo_layer.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rushlight
from rushlight.darknet.training.overlap import overlap
from rushlight.darknet.training.targets import HeadTargets
from rushlight.nn import functional as F

# Options of [yolo] that change the loss and are not implemented, with their neutral values.
NEUTRAL = {
    "truth_thresh": 1.0,
    "focal_loss": False,
    "objectness_smooth": False,
    "iou_thresh_kind": "iou",
    "delta_normalizer": 1.0,
    "max_delta": float("inf"),
    "counters_per_class": (),
}


@dataclass
class LossParts:
    """Scalars: the loss and its three parts."""

    total: Any
    box: Any
    objectness: Any
    classes: Any


def check_heads(heads: Sequence[Any]) -> None:
    """Raise NotImplementedError for what cannot be trained: [region], and options of NEUTRAL."""
    if not heads:
        raise ValueError("the network has no [yolo] section: nothing to train a detector with")
    for head in heads:
        if getattr(head, "kind", "yolo") != "yolo":
            raise NotImplementedError(f"training a [{head.kind}] section")
        for name, neutral in NEUTRAL.items():
            value = getattr(head, name, neutral)
            if value != neutral and not (neutral == () and not value):
                raise NotImplementedError(f"training with {name}={value} in [yolo]")


class YoloLoss:
    """The loss of all heads of a network.

    Each head has the attributes `classes`, `mask`, `anchors` (pixels) and those options of [yolo]:
    `ignore_thresh`, `scale_x_y`, `new_coords`, `iou_loss`, `iou_normalizer`, `obj_normalizer`,
    `cls_normalizer`, `label_smooth_eps`.

    Raises NotImplementedError for heads or options that cannot be trained.

    Example:
        >>> loss = YoloLoss(model.heads)
        >>> parts = loss(model(pictures, raw=True), targets, boxes, (416, 416))
        >>> parts.total.backward()
    """

    def __init__(self, heads: Sequence[Any]):
        check_heads(heads)
        self.heads = list(heads)

    def __call__(
        self,
        raw: Sequence[Any],
        targets: Sequence[HeadTargets],
        boxes: Any,
        size: tuple[int, int],
    ) -> LossParts:
        """Return the loss of raw maps [B, A * (5 + C), H, W], one a head.

        `targets` hold tensors; `boxes` is the tensor [B, T, 4] of all true boxes (fractions; zeros
        are padding), `size` the input's (height, width).
        """
        sums = [
            self._of_head(head, one, target, boxes, size)
            for head, one, target in zip(self.heads, raw, targets)
        ]
        count = boxes.shape[0]
        box, objectness, classes = (sum(parts) / count for parts in zip(*sums))
        return LossParts(box + objectness + classes, box, objectness, classes)

    def _of_head(
        self, head: Any, raw: Any, target: HeadTargets, boxes: Any, size: tuple[int, int]
    ) -> tuple[Any, Any, Any]:
        batch, _, rows, columns = raw.shape
        # [B, A, H, W, 5 + C]: a place's values lie together.
        planes = raw.reshape(batch, len(head.mask), 5 + head.classes, rows, columns)
        with rushlight.no_grad():
            near = self._overlapping(head, planes.detach(), boxes, size)
            weight = rushlight.maximum(target.objects, 1 - near)
        objectness = (_logistic(head, planes[:, :, 4], target.objects) * weight).sum()
        flat = planes.permute(0, 1, 3, 4, 2).reshape(-1, 5 + head.classes)
        answers = flat.index_select(0, target.rows)
        wanted = target.classes
        if head.label_smooth_eps:
            wanted = wanted * (1 - head.label_smooth_eps) + 0.5 * head.label_smooth_eps
        classes = (_logistic(head, answers[:, 5:], wanted) * target.used[:, None]).sum()
        if head.iou_loss == "mse":
            box = _squares(head, answers, target, (rows, columns))
        else:
            found = _boxes(head, answers, target, (rows, columns))
            box = 1 - overlap(found, target.boxes, head.iou_loss)
        box = (box * target.used).sum()
        return (
            box * head.iou_normalizer,
            objectness * head.obj_normalizer,
            classes * head.cls_normalizer,
        )

    def _overlapping(self, head: Any, planes: Any, boxes: Any, size: tuple[int, int]) -> Any:
        """1.0 at the places whose box overlaps some true one more than ignore_thresh."""
        batch, count, _, rows, columns = planes.shape
        column = rushlight.arange(columns, dtype=planes.dtype).reshape(1, 1, 1, columns)
        row = rushlight.arange(rows, dtype=planes.dtype).reshape(1, 1, rows, 1)
        anchors = rushlight.tensor([list(map(float, a)) for a in head.anchors], dtype=planes.dtype)
        wide = (anchors[:, 0] / size[1]).reshape(1, count, 1, 1)
        high = (anchors[:, 1] / size[0]).reshape(1, count, 1, 1)
        x = (column + _inside(head, planes[:, :, 0])) / columns
        y = (row + _inside(head, planes[:, :, 1])) / rows
        w = _size(head, planes[:, :, 2], wide)
        h = _size(head, planes[:, :, 3], high)
        x, y, w, h = (side.reshape(batch, -1, 1) for side in (x, y, w, h))
        tx, ty, tw, th = (side.unsqueeze(1) for side in boxes.unbind(-1))  # [B, 1, T]
        shared_wide = (
            rushlight.minimum(x + w / 2, tx + tw / 2) - rushlight.maximum(x - w / 2, tx - tw / 2)
        ).clamp(min=0)
        shared_high = (
            rushlight.minimum(y + h / 2, ty + th / 2) - rushlight.maximum(y - h / 2, ty - th / 2)
        ).clamp(min=0)
        shared = shared_wide * shared_high
        # shared / (areas - shared) > t, without the division
        threshold = head.ignore_thresh
        near = shared * (1 + threshold) > threshold * (w * h + tw * th)
        return near.any(-1).reshape(batch, count, rows, columns).to(planes.dtype)


def _logistic(head: Any, said: Any, wanted: Any) -> Any:
    """Cross entropy of logits; for new_coords, where the map holds probabilities, half squares."""
    if head.new_coords:
        return 0.5 * (said - wanted) * (said - wanted)
    return F.binary_cross_entropy_with_logits(said, wanted, reduction="none")


def _inside(head: Any, said: Any) -> Any:
    """The place within the cell, in cells."""
    share = said if head.new_coords else said.sigmoid()
    return share * head.scale_x_y - (head.scale_x_y - 1) / 2


def _size(head: Any, said: Any, anchor: Any) -> Any:
    return (4 * said * said if head.new_coords else said.exp()) * anchor


def _boxes(head: Any, answers: Any, target: HeadTargets, grid: tuple[int, int]) -> Any:
    """The boxes [P, 4] that the answering places give, as fractions of the picture."""
    rows, columns = grid
    x = (target.cells[:, 0] + _inside(head, answers[:, 0])) / columns
    y = (target.cells[:, 1] + _inside(head, answers[:, 1])) / rows
    w = _size(head, answers[:, 2], target.anchors[:, 0])
    h = _size(head, answers[:, 3], target.anchors[:, 1])
    return rushlight.stack([x, y, w, h], -1)


def _squares(head: Any, answers: Any, target: HeadTargets, grid: tuple[int, int]) -> Any:
    """Darknet's first box loss [P]: its gradient is `said - wanted` in x, y, log w and log h."""
    rows, columns = grid
    scale = head.scale_x_y
    wanted_x = target.boxes[:, 0] * columns - target.cells[:, 0]
    wanted_y = target.boxes[:, 1] * rows - target.cells[:, 1]
    total = 0.0
    for place, wanted in ((0, wanted_x), (1, wanted_y)):
        share = (wanted + (scale - 1) / 2) / scale
        total = total + _logistic(head, answers[:, place], share) * scale
    for place in (0, 1):
        ratio = target.boxes[:, 2 + place] / target.anchors[:, place]
        log_size = rushlight.sqrt(ratio) / 2 if head.new_coords else rushlight.log(ratio)
        error = answers[:, 2 + place] - log_size
        total = total + 0.5 * error * error
    return total * (2 - target.boxes[:, 2] * target.boxes[:, 3])
