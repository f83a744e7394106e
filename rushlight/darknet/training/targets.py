"""Which anchor, in which cell, answers for which box: Darknet's rule, for a whole batch at once.

Everything is padded to sizes that depend on the batch size and the most boxes alone, so that each
training step has the same shapes, and so the same program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushlight.darknet.training.overlap import shape_iou


@dataclass
class HeadTargets:
    """What one head shall say, as arrays or tensors; P rows are the places that answer for a box.

    `rows` int64 [P]: place in the map seen as [B * A * H * W, ...]; unused rows are 0.
    `used` float32 [P]: 1, or 0 for an unused row.
    `boxes` float32 [P, 4]: centre and size as fractions of the picture.
    `cells` float32 [P, 2]: column and row of the cell. `anchors` float32 [P, 2]: as fractions.
    `classes` float32 [P, C]: 1 for each class of the boxes there.
    `objects` float32 [B, A, H, W]: 1 where a box is answered for.
    """

    rows: Any
    used: Any
    boxes: Any
    cells: Any
    anchors: Any
    classes: Any
    objects: Any

    def fields(self) -> tuple[Any, ...]:
        """Return the seven fields in order."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


def make_targets(
    heads: Sequence[Any],
    boxes: np.ndarray,
    labels: np.ndarray,
    size: tuple[int, int],
    grids: Sequence[tuple[int, int]],
) -> list[HeadTargets]:
    """Return the targets of each head for a batch.

    `boxes` are float32 [B, T, 4] (x, y, w, h as fractions of the picture) and `labels` int64
    [B, T], -1 for padding. `size` is the input's (height, width), `grids` each head's (rows,
    columns). Each head has `all_anchors` (pixels), `mask`, `classes` and `iou_thresh`.

    A box belongs to the anchor, of all anchors of all heads, whose shape overlaps its own best,
    and beyond that to every anchor whose overlap exceeds `iou_thresh`. Where several boxes claim
    one place the last wins, and the place has the classes of all.

    Source: Darknet's yolo_layer.c.
    """
    batch, most, _ = boxes.shape
    picture, slot = np.nonzero(labels >= 0)
    chosen, chosen_labels = boxes[picture, slot], labels[picture, slot]
    height, width = size
    return [
        _of_head(head, grid, picture, chosen, chosen_labels, batch, most, (width, height))
        for head, grid in zip(heads, grids)
    ]


def _of_head(
    head: Any, grid: tuple[int, int], picture: np.ndarray, boxes: np.ndarray,
    labels: np.ndarray, batch: int, most: int, sides: tuple[int, int],
) -> HeadTargets:  # fmt: skip
    rows, columns = grid
    all_anchors = np.asarray(head.all_anchors, np.float32) / np.asarray(sides, np.float32)
    mask = np.asarray(head.mask)
    count = len(mask)
    overlaps = shape_iou(boxes[:, 2:], all_anchors)
    answers = np.zeros(overlaps.shape, bool)
    if len(boxes):
        answers[np.arange(len(boxes)), overlaps.argmax(1)] = True
        if head.iou_thresh < 1:
            answers |= overlaps > head.iou_thresh
    of_box, anchor = np.nonzero(answers[:, mask])
    column = np.minimum((boxes[of_box, 0] * columns).astype(np.int64), columns - 1)
    row = np.minimum((boxes[of_box, 1] * rows).astype(np.int64), rows - 1)
    place = ((picture[of_box] * count + anchor) * rows + row) * columns + column
    # The last box at a place wins: unique() returns first occurrences, so look from the end.
    unique, backwards, inverse = np.unique(place[::-1], return_index=True, return_inverse=True)
    winner = len(place) - 1 - backwards
    capacity = batch * most * (count if head.iou_thresh < 1 else 1)
    used = len(unique)
    result = HeadTargets(
        np.zeros(capacity, np.int64),
        np.zeros(capacity, np.float32),
        np.full((capacity, 4), 0.5, np.float32),
        np.zeros((capacity, 2), np.float32),
        np.full((capacity, 2), 0.5, np.float32),
        np.zeros((capacity, head.classes), np.float32),
        np.zeros((batch, count, rows, columns), np.float32),
    )
    result.rows[:used] = unique
    result.used[:used] = 1
    result.boxes[:used] = boxes[of_box[winner]]
    result.cells[:used, 0] = column[winner]
    result.cells[:used, 1] = row[winner]
    result.anchors[:used] = all_anchors[mask[anchor[winner]]]
    result.classes[inverse[::-1], labels[of_box]] = 1
    result.objects.reshape(-1)[unique] = 1
    return result


def pad_boxes(
    boxes: Sequence[np.ndarray], labels: Sequence[np.ndarray], most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return [B, most, 4] and [B, most] from each picture's boxes, -1 marking the padding.

    Boxes beyond `most` are left out, the smallest first.
    """
    all_boxes = np.zeros((len(boxes), most, 4), np.float32)
    all_labels = np.full((len(boxes), most), -1, np.int64)
    for place, (some, numbers) in enumerate(zip(boxes, labels)):
        if len(some) > most:
            largest = np.sort(np.argsort(-some[:, 2] * some[:, 3], kind="stable")[:most])
            some, numbers = some[largest], numbers[largest]
        all_boxes[place, : len(some)] = some
        all_labels[place, : len(some)] = numbers
    return all_boxes, all_labels
