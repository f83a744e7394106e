"""Inputs of the recorded comparisons; their results by PyTorch and pycocotools are in recorded/."""

from types import SimpleNamespace

import numpy as np

from rushlight.darknet.training.average_precision import PictureResult

ANCHORS = [(10, 14), (23, 27), (37, 58), (81, 82), (70, 40), (40, 90)]
SIZE = (96, 128)
GRIDS = [(3, 4), (6, 8)]


def heads(**options):
    """Two heads of three anchors and three classes."""
    defaults = {
        "kind": "yolo", "classes": 3, "all_anchors": ANCHORS, "ignore_thresh": 0.5,
        "iou_thresh": 1.0, "scale_x_y": 1.0, "new_coords": False, "iou_loss": "mse",
        "iou_normalizer": 0.75, "obj_normalizer": 1.0, "cls_normalizer": 1.0,
        "label_smooth_eps": 0.0,
    }  # fmt: skip
    return [
        SimpleNamespace(**{**defaults, **options}, mask=mask, anchors=[ANCHORS[i] for i in mask])
        for mask in ((3, 4, 5), (0, 1, 2))
    ]


def numbers(count, state=1):
    """The same numbers from 0 to 1 wherever this runs: a linear congruential generator."""
    result = np.empty(count)
    for place in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        result[place] = (state >> 40) / 2**24
    return result


def loss_inputs(probabilities=False):
    """Raw maps, boxes (fractions) and labels: two boxes share a cell, one picture has one box."""
    drawn = numbers(2 * 24 * (12 + 48))
    raws = np.split(drawn, [2 * 24 * 12])
    raws = [r.reshape(2, 24, *grid) for r, grid in zip(raws, GRIDS)]
    raws = [(r * 0.9 + 0.05 if probabilities else r * 4 - 2).astype(np.float32) for r in raws]
    labels = np.array([[0, 2, 1, 1, -1], [1, -1, -1, -1, -1]])
    boxes = np.zeros((2, 5, 4), np.float32)
    boxes[0, :4] = [
        [0.3, 0.4, 0.2, 0.3], [0.305, 0.41, 0.21, 0.3], [0.8, 0.7, 0.5, 0.5], [0.1, 0.9, 0.08, 0.12]
    ]  # fmt: skip
    boxes[1, 0] = [0.55, 0.5, 0.6, 0.8]
    return raws, boxes, labels


def detections(seed, pictures=12, classes=3, crowds=False):
    """Random truths, detections near them and elsewhere; equal scores and equal overlaps occur."""
    stream = iter(numbers(60 * pictures, seed * 7919 + 3).tolist())

    def draw(low, high):
        return low + (high - low) * next(stream)

    results = []
    for _ in range(pictures):
        boxes, labels, crowd, found, found_labels, scores = [], [], [], [], [], []
        for _ in range(int(draw(0, 5))):
            x, y, wide, high = draw(0, 300), draw(0, 300), draw(4, 150), draw(4, 150)
            box = [round(side) for side in (x, y, x + wide + 1, y + high + 1)]
            boxes.append(box)
            labels.append(int(draw(0, classes)))
            crowd.append(crowds and draw(0, 1) < 0.25)
            slip = 0.1 * min(wide, high) * draw(-1, 1)
            found.append([box[0] + slip, box[1] - slip, box[2] + slip / 2, box[3]])
            found_labels.append(labels[-1] if draw(0, 1) < 0.85 else 0)
            scores.append(round(draw(0, 1), 1))
        if boxes:  # the same detection twice
            found.append(found[0])
            found_labels.append(found_labels[0])
            scores.append(scores[0])
        results.append(
            PictureResult(
                np.array(boxes, float).reshape(-1, 4), np.array(labels, int),
                np.array(found, float).reshape(-1, 4), np.array(found_labels, int),
                np.array(scores, float), np.array(crowd, bool),
            )
        )  # fmt: skip
    return results


STEPS_CFG = """[net]
width=128
height=96
momentum=0.9
decay=0.01

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=12
size=3
stride=8
pad=1
activation=leaky

[convolutional]
filters=24
size=1
activation=linear

[yolo]
mask=0,1,2
anchors=10,14, 23,27, 37,58
classes=3
num=3
ignore_thresh=.5
iou_thresh=.3
iou_loss=ciou
scale_x_y=1.1
"""
STEPS = 5
STEPS_LR = 0.02


def steps_inputs():
    """Pictures [2, 3, 96, 128], and the shapes and values of the convolutions' weights."""
    pictures = numbers(2 * 3 * 96 * 128, 11).reshape(2, 3, 96, 128)
    shapes = [(8, 3, 3, 3), (12, 8, 3, 3), (24, 12, 1, 1)]
    drawn = [numbers(int(np.prod(shape)), 20 + n).reshape(shape) for n, shape in enumerate(shapes)]
    weights = [(w - 0.5) * 2 / np.sqrt(np.prod(w.shape[1:])) for w in drawn]
    return pictures.astype(np.float32), [w.astype(np.float32) for w in weights]
