"""Colour and sharpness changed at random, drawn in torchvision's order."""

import math
import numbers

import rushlight
from rushlight import nn
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._arguments import is_sequence, uniform


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed at random, in a random order.

    Args:
        brightness, contrast, saturation: (low, high) of the factor, or one number b for
            (max(0, 1 - b), 1 + b).
        hue: (low, high) in [-0.5, 0.5], or one number h for (-h, h).

    Raises:
        TypeError, ValueError: an argument of a wrong type or range.

    Example:
        >>> ColorJitter(brightness=0.5)
        ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=None)
    """

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        super().__init__()
        self.brightness = _jitter_range(brightness, "brightness")
        self.contrast = _jitter_range(contrast, "contrast")
        self.saturation = _jitter_range(saturation, "saturation")
        self.hue = _jitter_range(hue, "hue", center=0, bound=(-0.5, 0.5), clip_at_zero=False)

    @staticmethod
    def get_params(brightness, contrast, saturation, hue):
        """(order, four factors): a permutation of 0 to 3, and None for what does not change."""
        order = rushlight.randperm(4)
        factors = [
            None if bounds is None else float(uniform(bounds[0], bounds[1]))
            for bounds in (brightness, contrast, saturation, hue)
        ]
        return (order, *factors)

    def forward(self, img):
        order, *factors = self.get_params(
            self.brightness, self.contrast, self.saturation, self.hue
        )
        adjust = (
            F.adjust_brightness,
            F.adjust_contrast,
            F.adjust_saturation,
            F.adjust_hue,
        )
        for index in order.tolist():
            if factors[index] is not None:
                img = adjust[index](img, factors[index])
        return img

    def __repr__(self):
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


def _jitter_range(value, name, center=1, bound=(0, float("inf")), clip_at_zero=True):
    """(low, high) of a factor, or None where it could only be `center`."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        low, high = center - float(value), center + float(value)
        low = max(low, 0.0) if clip_at_zero else low
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= low <= high <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {[low, high]}.")
    return None if low == high == center else (low, high)


class _WithProbability(nn.Module):
    """A fixed change, made with probability `p`."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def change(self, img):
        raise NotImplementedError

    def forward(self, img):
        return self.change(img) if rushlight.rand(1).item() < self.p else img

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


class RandomGrayscale(_WithProbability):
    """Gray, with as many channels as before, with probability `p`."""

    def __init__(self, p=0.1):
        super().__init__(p)

    def change(self, img):
        return F.rgb_to_grayscale(img, num_output_channels=F.get_dimensions(img)[0])

    def forward(self, img):
        F.get_dimensions(img)
        return super().forward(img)


class RandomInvert(_WithProbability):
    """Inverted, with probability `p`."""

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, img):
        return F.invert(img)


class RandomPosterize(_WithProbability):
    """Only the highest `bits` of each byte kept, with probability `p`."""

    def __init__(self, bits, p=0.5):
        super().__init__(p)
        self.bits = bits

    def change(self, img):
        return F.posterize(img, self.bits)

    def __repr__(self):
        return f"{type(self).__name__}(bits={self.bits},p={self.p})"


class RandomSolarize(_WithProbability):
    """Every value at or above `threshold` inverted, with probability `p`."""

    def __init__(self, threshold, p=0.5):
        super().__init__(p)
        self.threshold = threshold

    def change(self, img):
        return F.solarize(img, self.threshold)

    def __repr__(self):
        return f"{type(self).__name__}(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(_WithProbability):
    """Sharpness changed by `sharpness_factor`, with probability `p`."""

    def __init__(self, sharpness_factor, p=0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img):
        return F.adjust_sharpness(img, self.sharpness_factor)

    def __repr__(self):
        return f"{type(self).__name__}(sharpness_factor={self.sharpness_factor},p={self.p})"


class RandomAutocontrast(_WithProbability):
    """Contrast stretched to the full range, with probability `p`."""

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, img):
        return F.autocontrast(img)


class RandomEqualize(_WithProbability):
    """Histogram flattened, with probability `p`."""

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, img):
        return F.equalize(img)


class GaussianBlur(nn.Module):
    """Smoothed by a Gaussian whose sigma is drawn from (low, high), or is one fixed number.

    Raises:
        ValueError: an even kernel, or a sigma that is not positive.
    """

    def __init__(self, kernel_size, sigma=(0.1, 2.0)):
        super().__init__()
        if isinstance(kernel_size, numbers.Real):
            kernel_size = (math.trunc(kernel_size),) * 2
        if len(kernel_size) == 1 and not isinstance(kernel_size, str):
            kernel_size = (kernel_size[0], kernel_size[0])
        if isinstance(kernel_size, str) or len(kernel_size) != 2:
            raise ValueError("Kernel size should be a tuple/list of two integers")
        for size in kernel_size:
            if size <= 0 or size % 2 == 0:
                raise ValueError("Kernel size value should be an odd and positive number.")
        self.kernel_size = kernel_size
        if isinstance(sigma, numbers.Real):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif is_sequence(sigma) and len(sigma) == 2:
            if not 0.0 < sigma[0] <= sigma[1]:
                raise ValueError("sigma values should be positive and of the form (min, max).")
        else:
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min, sigma_max):
        """A sigma in pixels."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img):
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self):
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"
