"""Grids and drawing."""

import io

import numpy as np
import pytest

import rushlight
from rushlight.vision import utils


def test_grid_layout():
    pictures = rushlight.arange(1.0, 6.0).view(5, 1, 1, 1).expand(5, 3, 2, 3)
    grid = utils.make_grid(pictures, nrow=3, padding=1, pad_value=9)
    assert grid.shape == (3, 7, 13)
    row = [9, 1, 1, 1, 9, 2, 2, 2, 9, 3, 3, 3, 9]
    assert grid[0, 1].tolist() == row and grid[2, 2].tolist() == row
    assert grid[0, 4].tolist() == [9, 4, 4, 4, 9, 5, 5, 5, 9, 9, 9, 9, 9]
    assert grid[0, 0].tolist() == grid[0, 3].tolist() == [9] * 13


def test_grid_of_other_shapes():
    assert utils.make_grid(rushlight.zeros(4, 5)).shape == (3, 4, 5)
    assert utils.make_grid([rushlight.zeros(3, 4, 4)] * 3).shape == (3, 8, 20)
    assert utils.make_grid(rushlight.zeros(2, 1, 4, 4)).shape == (3, 8, 14)
    byte = utils.make_grid(rushlight.zeros(2, 3, 4, 4, dtype=rushlight.uint8))
    assert byte.dtype == rushlight.uint8
    with pytest.raises(TypeError, match="tensor or list of tensors expected, got <class 'int'>"):
        utils.make_grid(3)


def test_grid_normalised():
    pictures = rushlight.tensor([0.0, 2.0, 4.0, 8.0]).view(2, 1, 1, 2)
    together = utils.make_grid(pictures, padding=0, normalize=True)
    assert together[0].tolist() == [[0.0, 0.25, 0.5, 1.0]]
    each = utils.make_grid(pictures, padding=0, normalize=True, scale_each=True)
    assert each[0].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    clipped = utils.make_grid(pictures, padding=0, normalize=True, value_range=(2, 4))
    assert clipped[0].tolist() == [[0.0, 0.0, 1.0, 1.0]]
    assert pictures.flatten().tolist() == [0.0, 2.0, 4.0, 8.0]
    with pytest.raises(TypeError, match="value_range has to be a tuple"):
        utils.make_grid(pictures, normalize=True, value_range=3)


def test_save_image(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    picture = rushlight.tensor([0.0, 0.5, 1.0, 2.0]).view(1, 2, 2).expand(3, 2, 2)
    utils.save_image(picture, tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png"))[..., 0].tolist() == [[0, 128], [255, 255]]
    file = io.BytesIO()
    utils.save_image(rushlight.zeros(4, 3, 8, 8), file, format="png", nrow=2, padding=1)
    assert Image.open(file).size == (19, 19)


def test_boxes():
    pytest.importorskip("PIL")
    image = rushlight.zeros(3, 12, 16, dtype=rushlight.uint8)
    frame = rushlight.tensor([[2, 3, 10, 8]])
    drawn = utils.draw_bounding_boxes(image, frame, colors="red")
    expected = np.zeros((12, 16), dtype=bool)
    expected[3:9, 2:11] = True
    expected[4:8, 3:10] = False
    assert np.array_equal(drawn[0].numpy() == 255, expected)
    assert int(drawn[1:].max()) == 0 and int(image.max()) == 0
    as_float = utils.draw_bounding_boxes(image.float(), frame, colors=(255, 0, 0))
    assert as_float.dtype == rushlight.float32 and float(as_float.max()) == 1.0
    tinted = utils.draw_bounding_boxes(image, frame, colors="red", fill=True)
    assert 80 < int(tinted[0, 5, 5]) < 120
    labelled = utils.draw_bounding_boxes(image[:1], frame, labels=["x"], colors="blue")
    assert int((labelled[2] > 0).sum()) > int(expected.sum())


def test_box_errors():
    pytest.importorskip("PIL")
    image, frame = rushlight.zeros(3, 9, 9), rushlight.tensor([[1, 1, 4, 4], [2, 2, 5, 5]])
    for arguments, kind, why in [
        ((3, frame), TypeError, "Tensor expected, got <class 'int'>"),
        ((image.int(), frame), ValueError, "must be uint8 or float"),
        ((image[None], frame), ValueError, "individual images, not batches"),
        ((image[:2], frame), ValueError, "Only grayscale and RGB"),
        ((image, frame[:, [2, 1, 0, 3]]), ValueError, "xmin, ymin, xmax, ymax"),
        ((image, frame, ["a"]), ValueError, r"Number of boxes \(2\) and labels \(1\) mismatch"),
        ((image, frame, None, ["red"]), ValueError, "but got 1 < 2"),
        ((image, frame, None, "no such colour"), ValueError, "unknown color specifier"),
    ]:
        with pytest.raises(kind, match=why):
            utils.draw_bounding_boxes(*arguments)
    with pytest.warns(UserWarning, match="No box was drawn"):
        assert utils.draw_bounding_boxes(image, frame[:0]) is image


def test_masks():
    pytest.importorskip("PIL")
    image = rushlight.full((3, 1, 4), 100, dtype=rushlight.uint8)
    masks = rushlight.tensor([[[1, 0, 1, 0]], [[0, 1, 1, 0]]]).bool()
    drawn = utils.draw_segmentation_masks(image, masks, 0.8, ["red", (0, 0, 255)])
    # The third pixel has both masks and turns black; the last has none.
    assert drawn[:, 0].tolist() == [[224, 20, 20, 100], [20, 20, 20, 100], [20, 224, 20, 100]]
    with pytest.raises(ValueError, match="dtype bool"):
        utils.draw_segmentation_masks(image, masks.float())
    with pytest.raises(ValueError, match="same height and width"):
        utils.draw_segmentation_masks(image, masks[..., :2])


def test_keypoints():
    pytest.importorskip("PIL")
    image = rushlight.zeros(3, 12, 12, dtype=rushlight.uint8)
    points = rushlight.tensor([[[3, 4], [9, 4]]])
    dots = utils.draw_keypoints(image, points, colors="white", radius=1)[0].numpy()
    assert dots[4].nonzero()[0].tolist() == [2, 3, 4, 8, 9, 10] and dots[3:6, 3].min() == 255
    line = utils.draw_keypoints(image, points, [(0, 1)], "white", 0, 1)
    assert line[0, 4, 3:10].tolist() == [255] * 7
    seen = rushlight.tensor([[True, False]])
    hidden = utils.draw_keypoints(image, points, [(0, 1)], "white", 1, 1, seen)[0].numpy()
    assert hidden[:, :6].sum() == dots[:, :6].sum() and hidden[:, 6:].max() == 0
    with pytest.raises(ValueError, match="num_instances, K, 2"):
        utils.draw_keypoints(image, points[0])


def test_flow():
    still = utils.flow_to_image(rushlight.zeros(2, 3, 4))
    assert still.dtype == rushlight.uint8 and int(still.min()) == 255
    right = rushlight.zeros(2, 2, 3, 4)
    right[:, 0] = 1
    red, green, blue = utils.flow_to_image(right)[0, :, 0, 0].tolist()
    assert red == 255 and green < 60 and blue < 60
    with pytest.raises(ValueError, match=r"\(2, H, W\) or \(N, 2, H, W\)"):
        utils.flow_to_image(rushlight.zeros(3, 4, 5))
