"""The transforms whose results were recorded, and the pictures they were applied to.

Each case is an expression over `T`, the transforms module; `record.py` evaluates it with
torchvision's, the tests with rushlight's.
"""

import numpy as np

RANDOM = """
T.RandomCrop(6)
T.RandomCrop(8, padding=2)
T.RandomCrop((14, 6), pad_if_needed=True, fill=3)
T.RandomHorizontalFlip()
T.RandomVerticalFlip()
T.RandomResizedCrop(6)
T.RandomResizedCrop((4, 8), scale=(0.9, 1.0), ratio=(2.0, 3.0))
T.RandomPerspective(p=0.8)
T.RandomPerspective(p=1, fill=4, interpolation=T.InterpolationMode.NEAREST)
T.RandomRotation(40)
T.RandomRotation((10, 80), T.InterpolationMode.BILINEAR, True, None, 4)
T.RandomAffine(30, (0.1, 0.2), (0.8, 1.2), 10)
T.RandomAffine((0, 40), None, (0.8, 1.2), (1, 2, 3, 4), T.InterpolationMode.BILINEAR, 7)
T.ColorJitter(0.4, 0.4, 0.4, 0.2)
T.RandomGrayscale(0.5)
T.RandomErasing(0.8)
T.RandomErasing(1, value="random")
T.RandomErasing(1, (0.5, 0.9), (0.1, 0.3), value=(1, 2, 3))
T.GaussianBlur(5)
T.GaussianBlur((3, 7), (0.5, 1.0))
T.RandomInvert()
T.RandomPosterize(2)
T.RandomSolarize(100)
T.RandomAdjustSharpness(2)
T.RandomAutocontrast()
T.RandomEqualize()
T.ElasticTransform([30.0, 20.0], [0.5, 0.4], fill=9)
T.AutoAugment()
T.AutoAugment(T.AutoAugmentPolicy.CIFAR10, fill=5)
T.AutoAugment(T.AutoAugmentPolicy.SVHN)
T.RandAugment()
T.RandAugment(4, 15, fill=[1, 2, 3])
T.TrivialAugmentWide()
T.AugMix()
T.AugMix(5, 2, 2, 0.4, False)
T.RandomApply([T.RandomCrop(5), T.ColorJitter(0.3)], 0.6)
T.RandomOrder([T.RandomCrop(5), T.ColorJitter(0.3), T.RandomRotation(3)])
T.RandomChoice([T.RandomCrop(5), T.ColorJitter(0.3), T.RandomRotation(3)], [0.2, 0.5, 0.3])
""".strip().splitlines()

FIXED = """
T.ToTensor()
T.PILToTensor()
T.Resize(6)
T.Resize((5, 14))
T.Resize((5, 14), antialias=False)
T.Resize((5, 14), T.InterpolationMode.BICUBIC)
T.Resize((20, 7), T.InterpolationMode.NEAREST)
T.Resize((20, 7), T.InterpolationMode.NEAREST_EXACT)
T.Resize(6, max_size=7)
T.CenterCrop((4, 6))
T.CenterCrop(14)
T.Pad((1, 2), 5)
T.Pad((1, 2, 3, 4), padding_mode="reflect")
T.Pad((1, 2, -3, 4), padding_mode="symmetric")
T.Pad(2, padding_mode="edge")
T.FiveCrop(4)
T.TenCrop((4, 6))
T.Grayscale()
T.Grayscale(3)
T.functional.adjust_gamma(img, 2.2, 0.5)
T.functional.adjust_hue(img, -0.3)
T.functional.adjust_saturation(img, 1.7)
T.functional.adjust_contrast(img, 0.3)
T.functional.adjust_sharpness(img, 3.0)
T.functional.rotate(img, 30.0, expand=True)
T.functional.affine(img, 20.0, [1, 2], 0.8, [10.0, 5.0], center=[2, 3])
T.functional.crop(img, -2, 3, 8, 12)
T.Compose([T.ToTensor(), T.Normalize((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))])
T.Normalize((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))
T.functional.convert_image_dtype(img, torch.uint8)
T.functional.convert_image_dtype(img, torch.int16)
T.functional.to_pil_image(img)
""".strip().splitlines()

SEEDS = (0, 1, 2)


def pixels():
    """A colour picture of 9x12 pixels: gradients with a bright patch in them."""
    y, x = np.mgrid[0:9, 0:12]
    planes = [(x * 20 + y * 3) % 256, (y * 28 + x) % 256, (x * y * 5 + 40) % 256]
    picture = np.stack(planes, axis=-1).astype(np.uint8)
    picture[2:5, 3:7] = (250, 240, 10)
    return picture


def apply(expression, T, torch, img):
    """The result of a case on one picture, or the exception it raises."""
    try:
        result = eval(expression, {"T": T, "torch": torch, "img": img})
        return result(img) if expression.startswith("T.") and "(img" not in expression else result
    except Exception as error:
        return error


def as_arrays(result):
    """NumPy arrays of a picture, a tensor, or a tuple of them."""
    if isinstance(result, tuple):
        return [array for part in result for array in as_arrays(part)]
    return [result.numpy() if hasattr(result, "numpy") else np.asarray(result)]
