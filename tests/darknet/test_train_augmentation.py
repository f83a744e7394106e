"""Cutting, mosaics, colours and batches: boxes stay with their objects, batches are repeatable."""

import colorsys

import numpy as np
import pytest

from rushlight.darknet.training import augmentation
from rushlight.darknet.training.augmentation import Augmentation
from rushlight.darknet.training.batches import DetectionBatches, PictureStore, shrunk
from rushlight.darknet.training.labels import LabelledPicture

from . import train_cases


def marked(size, box):
    """A black picture whose box is white: where the box is can be read off the pixels."""
    pixels = np.zeros((*size, 3), np.uint8)
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = 255
    return pixels


def bounds(image):
    white = image[..., 0] > 0.75  # above the grey around
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def test_cutting_at_the_same_scale_copies():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
    whole = augmentation.cut(pixels, (0, 0, 30, 20), (20, 30))
    np.testing.assert_allclose(whole, pixels / 255, atol=1e-6)
    part = augmentation.cut(pixels, (5, 3, 15, 13), (10, 10))
    np.testing.assert_allclose(part, pixels[3:13, 5:15] / 255, atol=1e-6)


def test_cutting_agrees_with_interpolation():
    import rushlight

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
    planes = rushlight.tensor(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    for size in ((24, 40), (7, 9)):
        expected = rushlight.nn.functional.interpolate(planes, size=size, mode="bilinear")
        found = augmentation.cut(pixels, (0, 0, 16, 12), size)
        np.testing.assert_allclose(found, expected[0].permute(1, 2, 0).numpy(), atol=1e-5)


def test_outside_is_grey():
    image = augmentation.cut(np.zeros((10, 10, 3), np.uint8), (-10, 0, 10, 10), (10, 20))
    assert (image[:, :10] == 0.5).all() and (image[:, 10:] == 0).all()


def test_a_window_keeps_proportions_or_not():
    x1, y1, x2, y2 = augmentation.whole_window(640, 480, (160, 160), True)
    assert (x1, x2) == (0, 640) and (y1, y2) == (-80, 560)
    assert augmentation.whole_window(640, 480, (160, 160), False) == (0, 0, 640, 480)


@pytest.mark.parametrize("keep_shape", [True, False])
@pytest.mark.parametrize("flip", ["none", "horizontal", "both"])
def test_boxes_follow_their_objects(flip, keep_shape):
    box = np.array([[20, 30, 60, 70]], np.float32)
    pixels = marked((100, 120), (20, 30, 60, 70))
    how = Augmentation(jitter=0.2, flip=flip, keep_shape=keep_shape)
    rng = np.random.default_rng(3)
    for _ in range(30):
        image, boxes, classes = augmentation.augmented(
            lambda number: (pixels, box, np.array([4])), 0, np.zeros(3, int), (64, 96), how, rng
        )
        assert image.shape == (3, 64, 96) and classes.tolist() == [4]
        np.testing.assert_allclose(boxes[0], bounds(image.transpose(1, 2, 0)), atol=1.6)


def test_mosaic_boxes_follow_their_objects():
    box = np.array([[20, 30, 80, 70]], np.float32)
    white, black = marked((100, 100), (20, 30, 80, 70)), np.zeros((100, 100, 3), np.uint8)
    rng = np.random.default_rng(0)
    seen = 0
    for turn in range(40):
        parts = [(black, np.zeros((0, 4), np.float32), np.zeros(0, int))] * 4
        parts[turn % 4] = (white, box, np.array([2]))
        image, boxes, classes = augmentation.mosaic(parts, (80, 80), turn % 2 == 0, rng)
        assert len(boxes) == len(classes) <= 1
        if len(boxes):
            seen += 1
            np.testing.assert_allclose(boxes[0], bounds(image), atol=2)
    assert seen > 15


def test_hardly_visible_boxes_are_dropped():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 100, 100], [90, 90, 100, 100]], np.float32)
    clipped, kept = augmentation.boxes_in_window(boxes, (9, 0, 89, 80), (80, 80))
    assert kept.tolist() == [False, True, False]
    np.testing.assert_array_equal(clipped[1], [0, 0, 80, 80])


@pytest.mark.parametrize("seed", range(6))
def test_colours_change_as_in_the_hsv_model(seed):
    """Against the standard library's conversions, pixel by pixel."""
    image = train_cases.numbers(60, seed).reshape(3, 4, 5).astype(np.float32)
    image[:, 0, 0], image[:, 0, 1] = 0.4, 0.0  # grey and black have no hue
    found = augmentation.distorted(image, 0.3, 1.8, 1.6, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    factor_s, factor_v = (augmentation._factor(most, rng) for most in (1.8, 1.6))
    shift = rng.uniform(-0.3, 0.3)
    for place in np.ndindex(4, 5):
        hue, saturation, value = colorsys.rgb_to_hsv(*image[(slice(None), *place)].astype(float))
        saturation = min(1.0, saturation * factor_s)
        wanted = np.array(colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)) * factor_v
        np.testing.assert_allclose(found[(slice(None), *place)], np.minimum(wanted, 1), atol=2e-5)


def test_neutral_colours_change_nothing():
    image = train_cases.numbers(30).reshape(3, 2, 5).astype(np.float32)
    same = augmentation.distorted(image, 0.0, 1.0, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(same, image)


def test_options_of_the_net_section():
    how = Augmentation.from_options({"hue": ".1", "saturation": "1.5", "flip": "0"}, jitter=0.3)
    assert (how.hue, how.saturation, how.exposure, how.flip) == (0.1, 1.5, 1.0, "none")
    assert Augmentation.from_options({"mosaic": "1"}).mosaic == 0.5
    with pytest.raises(ValueError, match="hue=red is not a number"):
        Augmentation.from_options({"hue": "red"})


def store(count=5):
    pictures = [
        LabelledPicture(
            None, np.array([[10, 10, 40 + n, 50]]), np.array([n % 3]),
            pixels=marked((64, 64), (10, 10, 40 + n, 50)),
        )
        for n in range(count)
    ]  # fmt: skip
    return PictureStore(pictures, (96, 128))


def batches(**options):
    how = Augmentation(jitter=0.1, hue=0.1, saturation=1.5, mosaic=0.5)
    arguments = {"batch_size": 2, "how": how, "seed": 0, "most": 5, **options}
    return DetectionBatches(
        store(), train_cases.heads(), lambda size: [(size[0] // 32, size[1] // 32),
        (size[0] // 16, size[1] // 16)], **arguments,
    )  # fmt: skip


def flat(item):
    inputs, boxes, targets = item
    return [inputs, boxes, *(field for some in targets for field in some)]


def test_batches_are_repeatable_in_any_order():
    one, other = batches(), batches()
    first = [flat(one[0, 0]), flat(one[1, 1])]
    for wanted, found in zip(first[::-1], [flat(other[1, 1]), flat(other[0, 0])]):
        for a, b in zip(wanted, found):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert (one[0, 0][0].numpy() != one[1, 0][0].numpy()).any()
    assert (one[0, 0][0].numpy() != batches(seed=1)[0, 0][0].numpy()).any()


def test_batches_have_one_shape():
    made = batches()
    assert len(made) == 2
    shapes = {tuple(tuple(t.shape) for t in flat(made[epoch, b])) for epoch in range(5)
              for b in range(2)}  # fmt: skip
    assert len(shapes) == 1
    inputs, boxes, targets = made[0, 0]
    assert tuple(inputs.shape) == (2, 3, 96, 128) and tuple(boxes.shape) == (2, 5, 4)
    assert float(inputs.min()) >= 0 and float(inputs.max()) <= 1


def test_every_picture_is_seen_once_an_epoch():
    made = batches(batch_size=1)
    assert sorted(made._order_of(4)) == [0, 1, 2, 3, 4]
    assert (made._order_of(4) != made._order_of(5)).any()


def test_multi_scale_changes_every_ten_batches():
    made = batches(random=1.0)
    sizes = [made.size_of(epoch, batch) for epoch in range(60) for batch in range(2)]
    for start in range(0, 120, 10):
        assert len(set(sizes[start : start + 10])) == 1
    assert len(set(sizes)) > 3
    assert all(h % 32 == 0 and w % 32 == 0 and 64 <= h <= 160 for h, w in sizes)
    epoch = next(e for e in range(60) if made.size_of(e, 0) != (96, 128))
    assert tuple(made[epoch, 0][0].shape[2:]) == made.size_of(epoch, 0)


def test_small_data_sets_fill_a_batch():
    made = batches(batch_size=12)
    assert len(made) == 1 and made[0, 0][0].shape[0] == 12


def test_large_pictures_are_kept_small():
    pytest.importorskip("PIL")
    pixels = np.zeros((1000, 800, 3), np.uint8)
    small, scale = shrunk(pixels, (100, 100))
    assert small.shape == (156, 125, 3) and scale == pytest.approx(0.15625)
    same, scale = shrunk(pixels[:120, :100], (100, 100))
    assert same.shape == (120, 100, 3) and scale == 1


def test_difficult_objects_are_not_learnt():
    picture = LabelledPicture(
        None, [[0, 0, 5, 5], [1, 1, 9, 9], [2, 2, 8, 8]], [0, 1, 2], crowd=[True, False, False],
        difficult=[False, False, True], pixels=np.zeros((10, 10, 3), np.uint8),
    )  # fmt: skip
    _, boxes, classes = PictureStore([picture], (10, 10)).read(0)
    assert classes.tolist() == [1] and boxes.tolist() == [[1, 1, 9, 9]]
