"""Crops and flips at random. Every draw comes from the library's global generator, in the order
torchvision draws, so the same seed cuts the same windows."""

import math
import warnings

import rushlight
from rushlight import nn
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._arguments import (
    is_sequence,
    pair_of_sides,
    random_integer,
    uniform,
)
from rushlight.vision.transforms._fixed import TWO_SIDES
from rushlight.vision.transforms._modes import InterpolationMode, as_interpolation_mode


class RandomHorizontalFlip(nn.Module):
    """Mirrored left to right, with probability `p`."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, img):
        return F.hflip(img) if rushlight.rand(1).item() < self.p else img

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(nn.Module):
    """Upside down, with probability `p`."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, img):
        return F.vflip(img) if rushlight.rand(1).item() < self.p else img

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


class RandomCrop(nn.Module):
    """A window of `size` anywhere in the picture.

    Args:
        size: (height, width), or one number for both.
        padding, fill, padding_mode: a border to add first; see `functional.pad`.
        pad_if_needed: also pad a picture that is smaller than the window.

    Raises:
        ValueError: the window does not fit.

    Example:
        >>> RandomCrop(32, padding=4)
        RandomCrop(size=(32, 32), padding=4)
    """

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        super().__init__()
        self.size = tuple(pair_of_sides(size, TWO_SIDES))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img, output_size):
        """(top, left, height, width) of a window drawn at random."""
        _, height, width = F.get_dimensions(img)
        crop_height, crop_width = output_size
        if height < crop_height or width < crop_width:
            raise ValueError(
                f"Required crop size {(crop_height, crop_width)} is larger than input image size "
                f"{(height, width)}"
            )
        if (height, width) == (crop_height, crop_width):
            return 0, 0, height, width
        top = random_integer(0, height - crop_height + 1)
        left = random_integer(0, width - crop_width + 1)
        return top, left, crop_height, crop_width

    def forward(self, img):
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, height, width = F.get_dimensions(img)
            if width < self.size[1]:
                img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
            if height < self.size[0]:
                img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self):
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(nn.Module):
    """A window of random area and proportion, resized to `size`.

    Args:
        scale: bounds of the window's area, as a share of the picture's.
        ratio: bounds of its width over its height, drawn evenly on a logarithmic scale.

    Raises:
        TypeError: `scale` or `ratio` is not a sequence.
    """

    def __init__(
        self,
        size,
        scale=(0.08, 1.0),
        ratio=(3.0 / 4.0, 4.0 / 3.0),
        interpolation=InterpolationMode.BILINEAR,
        antialias=True,
    ):
        super().__init__()
        self.size = pair_of_sides(size, TWO_SIDES)
        if not is_sequence(scale):
            raise TypeError("Scale should be a sequence")
        if not is_sequence(ratio):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.interpolation = as_interpolation_mode(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img, scale, ratio):
        """(top, left, height, width) of a window; the largest in the middle after ten misses."""
        _, height, width = F.get_dimensions(img)
        area = height * width
        low, high = rushlight.log(rushlight.tensor(ratio)).tolist()
        for _ in range(10):
            target = area * uniform(scale[0], scale[1])
            proportion = rushlight.exp(rushlight.empty(1).uniform_(low, high)).item()
            crop_width = round(math.sqrt(target * proportion))
            crop_height = round(math.sqrt(target / proportion))
            if 0 < crop_width <= width and 0 < crop_height <= height:
                top = random_integer(0, height - crop_height + 1)
                left = random_integer(0, width - crop_width + 1)
                return top, left, crop_height, crop_width
        proportion = float(width) / float(height)
        crop_height, crop_width = height, width
        if proportion < min(ratio):
            crop_height = round(width / min(ratio))
        elif proportion > max(ratio):
            crop_width = round(height * max(ratio))
        top, left = (height - crop_height) // 2, (width - crop_width) // 2
        return top, left, crop_height, crop_width

    def forward(self, img):
        top, left, height, width = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(
            img, top, left, height, width, self.size, self.interpolation, self.antialias
        )

    def __repr__(self):
        scale = tuple(round(bound, 4) for bound in self.scale)
        ratio = tuple(round(bound, 4) for bound in self.ratio)
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomErasing(nn.Module):
    """A rectangle of a tensor image overwritten, with probability `p`.

    Args:
        scale, ratio: bounds of its area (a share of the picture's) and of its height over width.
        value: a number, one number a channel, or "random" for normal noise.

    Raises:
        TypeError, ValueError: arguments of a wrong type or range.
    """

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False):
        super().__init__()
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if not is_sequence(scale):
            raise TypeError("Scale should be a sequence")
        if not is_sequence(ratio):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(img, scale, ratio, value=None):
        """(top, left, height, width, fill); the whole picture itself after ten misses.

        `value` is a list of numbers, or None for noise.
        """
        channels, height, width = img.shape[-3:]
        area = height * width
        low, high = rushlight.log(rushlight.tensor(ratio)).tolist()
        for _ in range(10):
            target = area * uniform(scale[0], scale[1])
            proportion = rushlight.exp(rushlight.empty(1).uniform_(low, high)).item()
            erase_height = round(math.sqrt(target * proportion))
            erase_width = round(math.sqrt(target / proportion))
            if not (erase_height < height and erase_width < width):
                continue
            if value is None:
                shape = (channels, erase_height, erase_width)
                fill = rushlight.empty(shape, dtype=rushlight.float32).normal_()
            else:
                fill = rushlight.tensor(value)[:, None, None]
            top = random_integer(0, height - erase_height + 1)
            left = random_integer(0, width - erase_width + 1)
            return top, left, erase_height, erase_width, fill
        return 0, 0, height, width, img

    def forward(self, img):
        if rushlight.rand(1).item() >= self.p:
            return img
        if isinstance(self.value, (int, float)):
            value = [float(self.value)]
        elif isinstance(self.value, str):
            value = None
        else:
            value = [float(number) for number in self.value]
        channels = img.shape[-3]
        if value is not None and len(value) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of input channels)"
            )
        top, left, height, width, erased = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, top, left, height, width, erased, self.inplace)

    def __repr__(self):
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
