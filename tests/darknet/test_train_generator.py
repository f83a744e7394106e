"""Generated pictures: repeatable, correctly labelled, varied."""

import numpy as np
import pytest

from rushlight.darknet.training.anchors import fit_anchors
from rushlight.darknet.training.generator import NAMES, generated_data, generated_picture
from rushlight.darknet.training.generator.figures import CLOTHES, DIGITS, SHAPES, drawn_figures

SIZE = 96


@pytest.fixture(scope="module")
def data():
    return generated_data(60, 20, SIZE)


def test_pictures_and_boxes(data):
    assert data.names == NAMES and len(set(NAMES)) == len(SHAPES) + 10 + len(CLOTHES)
    for picture in data.train + data.test:
        assert picture.pixels.shape == (SIZE, SIZE, 3) and picture.pixels.dtype == np.uint8
        assert 1 <= len(picture.boxes) == len(picture.classes) <= 7
        assert (picture.boxes[:, :2] >= 0).all() and (picture.boxes[:, 2:] <= SIZE).all()
        assert (picture.boxes[:, 2:] - picture.boxes[:, :2] >= 3).all()
        assert ((picture.classes >= 0) & (picture.classes < len(NAMES))).all()
        assert picture.pixels.std() > 3, "not one colour"


def test_all_classes_occur_and_overlap(data):
    classes = np.concatenate([picture.classes for picture in data.train])
    assert set(classes.tolist()) == set(range(len(NAMES)))
    families = np.bincount(np.digitize(classes, [len(SHAPES), len(SHAPES) + len(DIGITS)]))
    assert families.min() > 0.2 * len(classes)
    from rushlight.darknet.training.overlap import box_iou_matrix

    overlapping = sum(np.triu(box_iou_matrix(p.boxes, p.boxes) > 0.05, 1).sum() for p in data.train)
    assert overlapping > 5, "figures hide others"


def test_repeatable(data):
    again = generated_data(2, 1, SIZE)
    for one, other in zip(again.train + again.test, [*data.train[:2], data.test[0]]):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.boxes, other.boxes)
    assert (data.train[0].pixels != data.test[0].pixels).any()
    other_seed = generated_picture(SIZE, [1, 0, 0])
    assert (data.train[0].pixels != other_seed.pixels).any()


def test_a_box_encloses_its_figure():
    """With and without one figure, the pictures differ within that figure's box alone."""
    from rushlight.darknet.training.generator import scenes

    rng = np.random.default_rng(5)
    picture = np.zeros((SIZE, SIZE, 3), np.float32)
    owner = np.full((SIZE, SIZE), -1, np.int16)
    areas = []
    figure = drawn_figures()["star"][0]
    assert scenes._place(picture, owner, areas, figure, rng)
    x1, y1, x2, y2 = scenes._bounds(owner == 0)
    changed = picture.max(-1) > 0
    inside = changed[y1:y2, x1:x2].sum()
    assert inside >= 0.9 * changed.sum() and areas[0] == (owner == 0).sum()


def test_nothing_is_hidden_too_much():
    from rushlight.darknet.training.generator import scenes

    rng = np.random.default_rng(0)
    owner = np.full((SIZE, SIZE), -1, np.int16)
    picture = np.zeros((SIZE, SIZE, 3), np.float32)
    areas = []
    for number in range(40):
        scenes._place(picture, owner, areas, drawn_figures()[NAMES[number % 14]][0], rng)
    visible = np.bincount(owner[owner >= 0], minlength=len(areas))
    assert len(areas) > 3
    assert (visible >= (1 - scenes.MOST_HIDDEN) * np.array(areas) - 1e-9).all()


def test_digits_differ():
    """No two digits are the same drawing; each is one connected piece of fair size."""
    drawings = [drawn_figures()[name][1].coverage > 0.5 for name in DIGITS]
    for first in range(10):
        assert 0.05 < drawings[first].mean() < 0.5
        for second in range(first):
            both = (drawings[first] & drawings[second]).sum()
            either = (drawings[first] | drawings[second]).sum()
            assert both / either < 0.85, (first, second)


def test_anchors_fit():
    rng = np.random.default_rng(0)
    sizes = np.concatenate([rng.normal(c, 1, (50, 2)) for c in ((10, 20), (40, 15), (60, 70))])
    found = fit_anchors(sizes, 3)
    np.testing.assert_allclose(found, [[10, 20], [40, 15], [60, 70]], atol=1.5)
    with pytest.raises(ValueError, match="no boxes"):
        fit_anchors(np.zeros((0, 2)), 3)
    assert fit_anchors(sizes[:2], 6).shape == (6, 2)
