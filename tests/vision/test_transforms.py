"""Transforms against recorded torchvision results: pixels, errors and the randomness used."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight.vision import transforms as T
from tests.vision import text_cases, transform_cases

RECORDED = Path(__file__).with_name("recorded")
TEXT = json.loads((RECORDED / "text.json").read_text())
NOTES = json.loads((RECORDED / "transforms.json").read_text())
PIXELS = np.load(RECORDED / "transforms.npz")

# One rounding step of a byte where float sums may be taken in another order.
BYTE_STEP = 1
FLOAT_TOLERANCE = 2e-5


def picture(kind):
    pixels = transform_cases.pixels()
    if kind == "pil":
        return pytest.importorskip("PIL.Image").fromarray(pixels)
    tensor = rushlight.from_numpy(pixels.transpose(2, 0, 1).copy())
    return tensor if kind == "uint8" else tensor.float() / 255


@pytest.mark.parametrize("expression", transform_cases.RANDOM + transform_cases.FIXED)
@pytest.mark.parametrize("kind", ["pil", "uint8", "float"])
def test_same_pixels_and_same_randomness(kind, expression):
    seeds = transform_cases.SEEDS if expression in transform_cases.RANDOM else (0,)
    for seed in seeds:
        image = picture(kind)
        rushlight.manual_seed(seed)
        random.seed(seed)
        result = transform_cases.apply(expression, T, rushlight, image)
        key = f"{kind}|{expression}|{seed}"
        if key in NOTES["errors"]:
            name, _ = NOTES["errors"][key]
            assert type(result).__name__ == name, f"{key}: {result!r}"
            continue
        if isinstance(result, Exception):
            raise result
        assert [rushlight.rand(1).item(), random.random()] == NOTES["after"][key], key
        for part, array in enumerate(transform_cases.as_arrays(result)):
            expected = PIXELS[f"{key}|{part}"]
            assert array.shape == expected.shape and array.dtype == expected.dtype, key
            apart = np.abs(array.astype(np.float64) - expected.astype(np.float64))
            largest = max(1.0, float(np.abs(expected).max(initial=0)))  # a fill of 9, say
            limit = FLOAT_TOLERANCE * largest if array.dtype.kind == "f" else BYTE_STEP
            assert apart.max(initial=0) <= limit, f"{key}: {apart.max()}"
            # Rounding may differ here and there, not everywhere.
            assert (apart > FLOAT_TOLERANCE).mean() <= 0.05, key


@pytest.mark.parametrize("case", text_cases.CASES)
def test_same_text_or_error(case):
    assert text_cases.answer(case, T, rushlight) == TEXT[case]


def test_interpolation_is_checked_when_the_transform_is_made():
    with pytest.raises(TypeError, match="InterpolationMode or a corresponding Pillow integer"):
        T.Resize(3, "bilinear")
    assert T.Resize(3, 3).interpolation is T.InterpolationMode.BICUBIC


def test_slips_of_the_notes():
    with pytest.raises(AttributeError, match="Did you mean 'ToTensor'"):
        T.Totensor  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'CenterCrop'"):
        T.centercrop  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'hflip'"):
        T.functional.h_flip  # noqa: B018
    assert not hasattr(T, "something_quite_different")


def test_to_tensor_does_not_share_memory():
    pixels = transform_cases.pixels()
    for dtype in (np.uint8, np.float32):
        array = pixels.astype(dtype)
        tensor = T.ToTensor()(array)
        before = tensor.clone()
        array[:] = 0
        if dtype is np.uint8:
            assert rushlight.equal(tensor, before)


def test_normalize_leaves_its_input_alone_unless_told():
    image = rushlight.ones(3, 2, 2)
    result = T.Normalize([0.5] * 3, [0.5] * 3)(image)
    assert image.mean().item() == 1.0 and result.mean().item() == 1.0
    T.Normalize([0.0] * 3, [2.0] * 3, inplace=True)(image)
    assert image.mean().item() == 0.5


def test_normalize_takes_tensors_and_one_number():
    image = rushlight.arange(12.0).view(3, 2, 2)
    by_list = T.functional.normalize(image, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    by_tensor = T.functional.normalize(image, rushlight.tensor([1.0, 2.0, 3.0]), 2.0)
    assert rushlight.equal(by_list, by_tensor)


def test_gradients_pass_through_tensor_transforms():
    image = rushlight.rand(3, 8, 8, requires_grad=True)
    result = T.Compose([T.CenterCrop(6), T.Resize(4), T.Normalize([0.5] * 3, [0.5] * 3)])(image)
    result.sum().backward()
    assert image.grad.shape == image.shape and float(image.grad[:, 0, 0].abs().sum()) == 0.0
    assert float(image.grad[:, 4, 4].sum()) > 0


def test_get_params_signatures():
    rushlight.manual_seed(3)
    image = rushlight.zeros(3, 20, 30)
    assert T.RandomCrop.get_params(image, (20, 30)) == (0, 0, 20, 30)
    top, left, height, width = T.RandomResizedCrop.get_params(image, (0.5, 0.5), (1.0, 1.0))
    assert height == width == 17 and 0 <= top <= 3 and 0 <= left <= 13
    assert -5 <= T.RandomRotation.get_params([-5.0, 5.0]) <= 5
    order, *factors = T.ColorJitter.get_params((0.5, 1.5), None, None, (-0.1, 0.1))
    assert sorted(order.tolist()) == [0, 1, 2, 3] and factors[1] is factors[2] is None


def test_crop_beyond_the_picture_is_the_same_for_pil_and_tensors():
    # torchvision's tensors come out too tall when the window ends above the picture.
    image = rushlight.ones(3, 9, 12)
    assert T.functional.crop(image, -20, 2, 5, 4).shape == (3, 5, 4)
    assert float(T.functional.crop(image, -20, 2, 5, 4).sum()) == 0.0


def test_wide_pil_modes():
    Image = pytest.importorskip("PIL.Image")
    gray = Image.fromarray(transform_cases.pixels()[..., 0])
    assert T.ToTensor()(gray.convert("I")).dtype == rushlight.int32
    assert T.ToTensor()(gray.convert("F")).dtype == rushlight.float32
    assert T.ToTensor()(gray.convert("I;16")).dtype == rushlight.int16
    ones = T.ToTensor()(gray.convert("1"))
    assert ones.dtype == rushlight.float32 and set(ones.unique().tolist()) <= {0.0, 1.0}
    for mode in ("L", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LA"):
        image = gray.convert(mode)
        back = T.ToPILImage(mode)(T.ToTensor()(image))
        assert back.mode == mode and np.array_equal(np.asarray(back), np.asarray(image))
