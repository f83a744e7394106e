"""Policies that choose colour and geometry changes by themselves, drawn in torchvision's order.

Sources: AutoAugment (arXiv:1805.09501), RandAugment (arXiv:1909.13719), TrivialAugment
(arXiv:2103.10158), AugMix (arXiv:1912.02781).
"""

import math
from enum import Enum

import rushlight
from rushlight import Tensor, nn
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._modes import InterpolationMode
from rushlight.vision.transforms._policies import CIFAR10, IMAGENET, SVHN

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]


def _shear(img, along_x, along_y, interpolation, fill):
    degrees = [math.degrees(math.atan(along_x)), math.degrees(math.atan(along_y))]
    return F.affine(img, 0.0, [0, 0], 1.0, degrees, interpolation, fill, center=[0, 0])


def _move(img, x, y, interpolation, fill):
    return F.affine(img, 0.0, [int(x), int(y)], 1.0, [0.0, 0.0], interpolation, fill)


# name: (picture, magnitude, interpolation, fill) -> picture
_OPERATIONS = {
    "Identity": lambda img, m, mode, fill: img,
    "ShearX": lambda img, m, mode, fill: _shear(img, m, 0.0, mode, fill),
    "ShearY": lambda img, m, mode, fill: _shear(img, 0.0, m, mode, fill),
    "TranslateX": lambda img, m, mode, fill: _move(img, m, 0, mode, fill),
    "TranslateY": lambda img, m, mode, fill: _move(img, 0, m, mode, fill),
    "Rotate": lambda img, m, mode, fill: F.rotate(img, m, mode, fill=fill),
    "Brightness": lambda img, m, mode, fill: F.adjust_brightness(img, 1.0 + m),
    "Color": lambda img, m, mode, fill: F.adjust_saturation(img, 1.0 + m),
    "Contrast": lambda img, m, mode, fill: F.adjust_contrast(img, 1.0 + m),
    "Sharpness": lambda img, m, mode, fill: F.adjust_sharpness(img, 1.0 + m),
    "Posterize": lambda img, m, mode, fill: F.posterize(img, int(m)),
    "Solarize": lambda img, m, mode, fill: F.solarize(img, m),
    "AutoContrast": lambda img, m, mode, fill: F.autocontrast(img),
    "Equalize": lambda img, m, mode, fill: F.equalize(img),
    "Invert": lambda img, m, mode, fill: F.invert(img),
}

_COLOURS = ("Brightness", "Color", "Contrast", "Sharpness")


def _magnitudes(bins, shear, move_x, move_y, degrees, colour, bits, kept_bits=8):
    """name: (bins magnitudes from mild to strong, or None; whether the sign is drawn too)."""

    def rising(high):
        return rushlight.linspace(0.0, high, bins).tolist()

    # Posterize keeps fewer bits the stronger it is: from `kept_bits` down by `bits`.
    kept = [kept_bits - round(step / ((bins - 1) / bits)) for step in range(bins)]
    table = {
        "ShearX": (rising(shear), True),
        "ShearY": (rising(shear), True),
        "TranslateX": (rising(move_x), True),
        "TranslateY": (rising(move_y), True),
        "Rotate": (rising(degrees), True),
        "Posterize": (kept, False),
        "Solarize": (rushlight.linspace(255.0, 0.0, bins).tolist(), False),
        "Identity": (None, False),
        "AutoContrast": (None, False),
        "Equalize": (None, False),
        "Invert": (None, False),
    }
    table.update((name, (rising(colour), True)) for name in _COLOURS)
    return table


_RAND_AUGMENT_ORDER = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", *_COLOURS,
    "Posterize", "Solarize", "AutoContrast", "Equalize",
)  # fmt: skip
_AUG_MIX_ORDER = (
    "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Posterize", "Solarize",
    "AutoContrast", "Equalize",
)  # fmt: skip


def _draw(high):
    """One integer in [0, high), as a Python int."""
    return int(rushlight.randint(high, (1,)).item())


def _draw_shares(alpha, parts, count):
    """(count, parts) of positive numbers, each row a Dirichlet sample that sums to one."""
    return rushlight._sample_dirichlet(rushlight.full((count, parts), alpha))


class _Policy(nn.Module):
    """What the four share: the way of sampling, the fill, and the text of repr."""

    _shown = ("fill",)

    def __init__(self, interpolation, fill):
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def _fill_of(self, img, channels):
        if not isinstance(img, Tensor) or self.fill is None:
            return self.fill
        if isinstance(self.fill, (int, float)):
            return [float(self.fill)] * channels
        return [float(value) for value in self.fill]

    def __repr__(self):
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)
        return f"{type(self).__name__}({shown})"


class AutoAugmentPolicy(Enum):
    """The data set a policy was learned on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


class AutoAugment(_Policy):
    """One of the 25 pairs of changes that were found to help on a data set, drawn at random.

    Pictures are PIL images or uint8 tensors. Each change has its own probability and strength.

    Raises:
        ValueError: `policy` is not an `AutoAugmentPolicy`.
    """

    _shown = ("policy", "fill")

    def __init__(
        self,
        policy=AutoAugmentPolicy.IMAGENET,
        interpolation=InterpolationMode.NEAREST,
        fill=None,
    ):
        super().__init__(interpolation, fill)
        tables = {
            AutoAugmentPolicy.IMAGENET: IMAGENET,
            AutoAugmentPolicy.CIFAR10: CIFAR10,
            AutoAugmentPolicy.SVHN: SVHN,
        }
        if policy not in tables:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy = policy
        self.policies = tables[policy]

    @staticmethod
    def get_params(transform_num):
        """(which pair, two probabilities, two signs)."""
        chosen = _draw(transform_num)
        return chosen, rushlight.rand((2,)), rushlight.randint(2, (2,))

    def forward(self, img):
        channels, height, width = F.get_dimensions(img)
        fill = self._fill_of(img, channels)
        chosen, draws, signs = self.get_params(len(self.policies))
        draws, signs = draws.tolist(), signs.tolist()
        table = _magnitudes(
            10, 0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0, 0.9, bits=4
        )
        for position, (name, probability, level) in enumerate(self.policies[chosen]):
            if draws[position] > probability:
                continue
            magnitudes, signed = table[name]
            magnitude = float(magnitudes[level]) if level is not None else 0.0
            if signed and signs[position] == 0:
                magnitude = -magnitude
            img = _OPERATIONS[name](img, magnitude, self.interpolation, fill)
        return img


class RandAugment(_Policy):
    """`num_ops` changes drawn at random, all of the same strength.

    Args:
        magnitude: the strength, an index below `num_magnitude_bins`.
    """

    _shown = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_ops=2,
        magnitude=9,
        num_magnitude_bins=31,
        interpolation=InterpolationMode.NEAREST,
        fill=None,
    ):
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img):
        channels, height, width = F.get_dimensions(img)
        fill = self._fill_of(img, channels)
        bins = self.num_magnitude_bins
        table = _magnitudes(
            bins, 0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0, 0.9, bits=4
        )
        for _ in range(self.num_ops):
            name = _RAND_AUGMENT_ORDER[_draw(len(_RAND_AUGMENT_ORDER))]
            magnitudes, signed = table[name]
            magnitude = float(magnitudes[self.magnitude]) if magnitudes is not None else 0.0
            if signed and _draw(2):
                magnitude = -magnitude
            img = _OPERATIONS[name](img, magnitude, self.interpolation, fill)
        return img


class TrivialAugmentWide(_Policy):
    """One change drawn at random, of a random strength from a wide range."""

    _shown = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None
    ):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img):
        fill = self._fill_of(img, F.get_dimensions(img)[0])
        table = _magnitudes(self.num_magnitude_bins, 0.99, 32.0, 32.0, 135.0, 0.99, bits=6)
        name = _RAND_AUGMENT_ORDER[_draw(len(_RAND_AUGMENT_ORDER))]
        magnitudes, signed = table[name]
        magnitude = float(magnitudes[_draw(len(magnitudes))]) if magnitudes is not None else 0.0
        if signed and _draw(2):
            magnitude = -magnitude
        return _OPERATIONS[name](img, magnitude, self.interpolation, fill)


class AugMix(_Policy):
    """A random mixture of the picture and `mixture_width` chains of changes to it.

    Args:
        severity: strongest magnitude to draw, 1 to 10.
        chain_depth: changes in a chain, or -1 for one to three at random.
        alpha: of the Dirichlet distributions the mixture's weights come from.
        all_ops: also change brightness, colour, contrast and sharpness.

    Raises:
        ValueError: a severity outside 1 to 10.
    """

    _shown = (
        "severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill",
    )  # fmt: skip

    def __init__(
        self,
        severity=3,
        mixture_width=3,
        chain_depth=-1,
        alpha=1.0,
        all_ops=True,
        interpolation=InterpolationMode.BILINEAR,
        fill=None,
    ):
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def forward(self, orig_img):
        channels, height, width = F.get_dimensions(orig_img)
        img, fill = orig_img, self.fill
        if isinstance(orig_img, Tensor):
            fill = self._fill_of(orig_img, channels)
        else:
            img = F.pil_to_tensor(orig_img)
        batch = img.view((1,) * max(4 - img.ndim, 0) + tuple(img.shape))
        per_picture = (batch.shape[0],) + (1,) * (batch.ndim - 1)

        # How much of the original stays, then how the rest is shared among the chains.
        shares = _draw_shares(self.alpha, 2, batch.shape[0])
        weights = _draw_shares(self.alpha, self.mixture_width, batch.shape[0])
        weights = weights * shares[:, 1].view(-1, 1)
        mixed = shares[:, 0].view(per_picture) * batch
        names = _AUG_MIX_ORDER + (_COLOURS if self.all_ops else ())
        table = _magnitudes(
            10, 0.3, width / 3.0, height / 3.0, 30.0, 0.9, bits=4, kept_bits=4
        )
        for chain in range(self.mixture_width):
            changed = batch
            depth = self.chain_depth if self.chain_depth > 0 else 1 + _draw(3)
            for _ in range(depth):
                name = names[_draw(len(names))]
                magnitudes, signed = table[name]
                magnitude = 0.0
                if magnitudes is not None:
                    magnitude = float(magnitudes[_draw(self.severity)])
                if signed and _draw(2):
                    magnitude = -magnitude
                changed = _OPERATIONS[name](changed, magnitude, self.interpolation, fill)
            mixed = mixed + weights[:, chain].view(per_picture) * changed
        mixed = mixed.view(img.shape).to(img.dtype)
        return mixed if img is orig_img else F.to_pil_image(mixed)
