"""FakeData, whose pictures depend on their index alone."""

import numpy as np
import pytest

import rushlight
from rushlight.vision import transforms
from rushlight.vision.datasets import FakeData

pytest.importorskip("PIL")


def test_items_are_torchvisions():
    data = FakeData(size=3, image_size=(3, 4, 5), num_classes=10)
    rushlight.manual_seed(1)
    before = rushlight.get_rng_state()
    picture, target = data[1]
    assert rushlight.equal(before, rushlight.get_rng_state())
    assert picture.mode == "RGB" and picture.size == (5, 4)
    # Recorded from torchvision 0.28.
    assert np.asarray(picture)[0, 0].tolist() == [123, 220, 228] and target == 5
    assert np.array_equal(np.asarray(FakeData(3, (3, 4, 5), random_offset=1)[0][0]), picture)


def test_length_and_text():
    data = FakeData(size=2, transform=transforms.ToTensor(), target_transform=str)
    assert len(data) == 2 and data[0][0].shape == (3, 224, 224) and isinstance(data[0][1], str)
    with pytest.raises(IndexError, match="FakeData index out of range"):
        data[2]
    assert repr(data) == (
        "Dataset FakeData\n    Number of datapoints: 2\n    StandardTransform\n"
        "Transform: ToTensor()\nTarget transform: <class 'str'>"
    )
