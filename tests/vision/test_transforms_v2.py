"""The second generation of transforms."""

import numpy as np
import pytest

import rushlight
from rushlight.vision import transforms as v1
from rushlight.vision.transforms import v2


def picture():
    return rushlight.arange(3 * 8 * 9, dtype=rushlight.uint8).view(3, 8, 9)


def test_the_usual_preparation():
    array = picture().numpy().transpose(1, 2, 0).copy()
    prepare = v2.Compose([v2.ToImage(), v2.ToDtype(rushlight.float32, scale=True)])
    result = prepare(array)
    assert result.dtype == rushlight.float32
    # Equal up to the last bit: this one multiplies where ToTensor divides.
    assert np.allclose(result.numpy(), v1.ToTensor()(array).numpy(), rtol=1e-6, atol=0)
    assert repr(prepare) == "Compose(\n      ToImage()\n      ToDtype(scale=True)\n)"
    with pytest.warns(UserWarning, match="`ToTensor\\(\\)` is deprecated"):
        assert rushlight.equal(v2.ToTensor()(array), v1.ToTensor()(array))


def test_pil_images_and_labels():
    Image = pytest.importorskip("PIL.Image")
    image = Image.fromarray(picture().numpy().transpose(1, 2, 0).copy())
    result, label = v2.Compose([v2.CenterCrop(4), v2.ToImage()])(image, 5)
    assert result.shape == (3, 4, 4) and label == 5
    nested = v2.Resize(4)({"image": image, "rest": [3, rushlight.zeros(3, 5, 5)]})
    assert nested["image"].size == (4, 4) and nested["rest"][1].shape == (3, 5, 5)
    with pytest.raises(NotImplementedError, match="several pictures"):
        v2.CenterCrop(4)(image, image)


def test_tensors_and_labels():
    result, label = v2.RandomCrop(4)(picture(), rushlight.tensor(3))
    assert result.shape == (3, 4, 4) and label.item() == 3
    with pytest.raises(TypeError, match="no picture among the inputs, only int, str"):
        v2.CenterCrop(4)(3, "x")


@pytest.mark.parametrize(
    "make",
    [
        lambda T: T.RandomCrop(5, padding=2),
        lambda T: T.RandomHorizontalFlip(),
        lambda T: T.RandomResizedCrop(6),
        lambda T: T.ColorJitter(0.3, 0.3, 0.3, 0.1),
        lambda T: T.RandomRotation(30),
        lambda T: T.RandomApply([T.RandomCrop(5)], 0.5),
    ],
)
def test_same_randomness_as_the_first_generation(make):
    for seed in range(4):
        rushlight.manual_seed(seed)
        first = make(v1)(picture())
        rushlight.manual_seed(seed)
        assert rushlight.equal(make(v2)(picture()), first)


def test_choice_and_order():
    rushlight.manual_seed(0)
    choice = v2.RandomChoice([v2.CenterCrop(2), v2.CenterCrop(3)], p=[0, 1])
    assert choice(picture()).shape == (3, 3, 3)
    assert v2.RandomOrder([v2.CenterCrop(6), v2.CenterCrop(4)])(picture()).shape[-1] in (4, 6)
    with pytest.raises(ValueError, match="Length of p doesn't match"):
        v2.RandomChoice([v2.Identity()], p=[1, 2])
    with pytest.raises(ValueError, match="at least one transform"):
        v2.Compose([])


def test_names_that_are_missing_say_so():
    with pytest.raises(NotImplementedError, match="v2.MixUp is not implemented"):
        v2.MixUp  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'ToImage'"):
        v2.to_image  # noqa: B018
