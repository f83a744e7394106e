"""Average precision equals what pycocotools computes (recorded; compared where it is installed)."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from rushlight.darknet.training.average_precision import PictureResult, average_precision

from . import train_cases

RECORDED = json.loads((Path(__file__).parent / "recorded" / "average_precision.json").read_text())


def known(values):
    """pycocotools writes -1 for nothing to count."""
    return np.where(np.array(values) == -1, np.nan, values)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: f"seed {case['seed']}")
def test_equals_pycocotools(case):
    results = train_cases.detections(case["seed"], crowds=case["crowds"])
    scores = average_precision(results, 3)
    np.testing.assert_allclose(scores.stats(), known(case["stats"]), rtol=1e-14)
    np.testing.assert_allclose(scores.class_ap, known(case["class_ap"]), rtol=1e-14)


@pytest.mark.parametrize("seed", range(10, 20))
def test_equals_pycocotools_itself(seed):
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    results = train_cases.detections(seed, crowds=seed % 2 == 0)
    truths, found = [], []
    for number, result in enumerate(results):
        for box, label, crowd in zip(result.boxes, result.classes, result.crowd):
            x, y, wide, high = *box[:2], *(box[2:] - box[:2])
            truths.append({"id": len(truths) + 1, "image_id": number, "category_id": int(label),
                           "bbox": [x, y, wide, high], "area": wide * high,
                           "iscrowd": int(crowd)})  # fmt: skip
        for box, label, score in zip(result.found_boxes, result.found_classes, result.scores):
            sides = [*box[:2], *(box[2:] - box[:2])]
            found.append({"image_id": number, "category_id": int(label), "bbox": sides,
                          "score": float(score)})  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(len(results))],
            "annotations": truths,
            "categories": [{"id": i} for i in range(3)],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = average_precision(results, 3).stats()
    np.testing.assert_allclose(stats, known(evaluation.stats), rtol=1e-14)


def result(boxes, found, scores, difficult=None):
    boxes, found = np.array(boxes, float).reshape(-1, 4), np.array(found, float).reshape(-1, 4)
    return PictureResult(
        boxes, np.zeros(len(boxes), int), found, np.zeros(len(found), int), np.array(scores),
        difficult=difficult,
    )  # fmt: skip


def test_a_box_found_twice_is_once_wrong():
    box = [10, 10, 50, 50]
    once = average_precision([result([box], [box, box], [0.9, 0.8])], 1)
    assert once.ap50 == pytest.approx(1)
    # The second one comes before the other picture's: precision at full recall is 2 / 3.
    other = result([box], [box], [0.5])
    scores = average_precision([result([box], [box, box], [0.9, 0.8]), other], 1)
    assert scores.ap50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_difficult_objects_are_not_counted():
    easy, hard = [10, 10, 50, 50], [60, 60, 90, 90]
    flags = np.array([False, True])
    found_all = result([easy, hard], [easy, hard], [0.5, 0.9], flags)
    missed_it = result([easy, hard], [easy], [0.5], flags)
    assert average_precision([found_all], 1).ap == pytest.approx(1)
    assert average_precision([missed_it], 1).ap == pytest.approx(1)


def test_nothing_to_count():
    nothing = average_precision([result([], [[0, 0, 5, 5]], [0.5])], 2)
    assert np.isnan(nothing.stats()).all() and np.isnan(nothing.class_ap50).all()
    missed = average_precision([result([[0, 0, 5, 5]], [], [])], 1)
    assert missed.ap == 0 and missed.ar100 == 0
