"""Rotations and other warps at random, drawn in torchvision's order."""

import rushlight
from rushlight import nn
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._arguments import (
    fill_for,
    is_sequence,
    random_integer,
    require_sequence,
    symmetric_range,
    uniform,
)
from rushlight.vision.transforms._modes import InterpolationMode, as_interpolation_mode


def _checked_fill(fill):
    if fill is None:
        return 0
    if not isinstance(fill, (int, float)) and not is_sequence(fill):
        raise TypeError("Fill should be either a sequence or a number.")
    return fill


class RandomRotation(nn.Module):
    """Turned counter-clockwise by an angle drawn from `degrees`.

    Args:
        degrees: (low, high), or one number for (-degrees, degrees).
        expand: enlarge the result to hold the whole turned picture.
        center: (x, y) of the fixed point; the middle by default. fill: value outside the picture.

    Raises:
        TypeError, ValueError: arguments of a wrong type or length.
    """

    def __init__(
        self,
        degrees,
        interpolation=InterpolationMode.NEAREST,
        expand=False,
        center=None,
        fill=0,
    ):
        super().__init__()
        self.interpolation = as_interpolation_mode(interpolation)
        self.degrees = symmetric_range(degrees, "degrees")
        if center is not None:
            require_sequence(center, "center", (2,))
        self.center = center
        self.expand = expand
        self.fill = _checked_fill(fill)

    @staticmethod
    def get_params(degrees):
        """An angle in degrees."""
        return float(uniform(float(degrees[0]), float(degrees[1])))

    def forward(self, img):
        fill = fill_for(img, self.fill, F.get_dimensions)
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self):
        center = "" if self.center is None else f", center={self.center}"
        fill = "" if self.fill is None else f", fill={self.fill}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, "
            f"interpolation={self.interpolation.value}, expand={self.expand}{center}{fill})"
        )


class RandomAffine(nn.Module):
    """Turned, moved, scaled and sheared at random about the middle.

    Args:
        degrees: (low, high), or one number for (-degrees, degrees); 0 for no turn.
        translate: largest moves along x and y, as shares of width and height.
        scale: (low, high) of the factor.
        shear: degrees, one number, (low, high) along x, or four numbers for x and y.

    Raises:
        TypeError, ValueError: arguments of a wrong type, length or range.
    """

    def __init__(
        self,
        degrees,
        translate=None,
        scale=None,
        shear=None,
        interpolation=InterpolationMode.NEAREST,
        fill=0,
        center=None,
    ):
        super().__init__()
        self.interpolation = as_interpolation_mode(interpolation)
        self.degrees = symmetric_range(degrees, "degrees")
        if translate is not None:
            require_sequence(translate, "translate", (2,))
            if not all(0.0 <= share <= 1.0 for share in translate):
                raise ValueError("translation values should be between 0 and 1")
        self.translate = translate
        if scale is not None:
            require_sequence(scale, "scale", (2,))
            if any(factor <= 0 for factor in scale):
                raise ValueError("scale values should be positive")
        self.scale = scale
        self.shear = None if shear is None else symmetric_range(shear, "shear", (2, 4))
        self.fill = _checked_fill(fill)
        if center is not None:
            require_sequence(center, "center", (2,))
        self.center = center

    @staticmethod
    def get_params(degrees, translate, scale_ranges, shears, img_size):
        """(angle, (x, y), scale, (shear x, shear y)); `img_size` is (width, height)."""
        angle = uniform(float(degrees[0]), float(degrees[1]))
        move = (0, 0)
        if translate is not None:
            most_x, most_y = float(translate[0] * img_size[0]), float(translate[1] * img_size[1])
            move = (round(uniform(-most_x, most_x)), round(uniform(-most_y, most_y)))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = uniform(shears[2], shears[3])
        return angle, move, scale, (shear_x, shear_y)

    def forward(self, img):
        fill = fill_for(img, self.fill, F.get_dimensions)
        _, height, width = F.get_dimensions(img)
        drawn = self.get_params(
            self.degrees, self.translate, self.scale, self.shear, [width, height]
        )
        return F.affine(
            img, *drawn, interpolation=self.interpolation, fill=fill, center=self.center
        )

    def __repr__(self):
        parts = [f"degrees={self.degrees}"]
        parts += [
            f"{name}={getattr(self, name)}"
            for name in ("translate", "scale", "shear")
            if getattr(self, name) is not None
        ]
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(parts)})"


class RandomPerspective(nn.Module):
    """The four corners moved inwards at random, with probability `p`.

    Args:
        distortion_scale: how far a corner may move, as a share of half the picture.
    """

    def __init__(
        self,
        distortion_scale=0.5,
        p=0.5,
        interpolation=InterpolationMode.BILINEAR,
        fill=0,
    ):
        super().__init__()
        self.p = p
        self.interpolation = as_interpolation_mode(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = _checked_fill(fill)

    @staticmethod
    def get_params(width, height, distortion_scale):
        """(startpoints, endpoints): the corners and where they go, clockwise from top left."""
        reach_x = int(distortion_scale * (width // 2)) + 1
        reach_y = int(distortion_scale * (height // 2)) + 1

        def near(low):
            return random_integer(0, low)

        def far(high, reach):
            return random_integer(high - reach, high)

        top_left = [near(reach_x), near(reach_y)]
        top_right = [far(width, reach_x), near(reach_y)]
        bottom_right = [far(width, reach_x), far(height, reach_y)]
        bottom_left = [near(reach_x), far(height, reach_y)]
        corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return corners, [top_left, top_right, bottom_right, bottom_left]

    def forward(self, img):
        fill = fill_for(img, self.fill, F.get_dimensions)
        if rushlight.rand(1).item() >= self.p:
            return img
        _, height, width = F.get_dimensions(img)
        startpoints, endpoints = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, startpoints, endpoints, self.interpolation, fill)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


def _pair_of_floats(value, name):
    if not isinstance(value, float) and not is_sequence(value):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if isinstance(value, float):
        return [value, value]
    if len(value) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
    for element in value:
        if not isinstance(element, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(element)}")
    return value


class ElasticTransform(nn.Module):
    """Every pixel moved by a smooth random field, as if seen through water.

    Args:
        alpha: how far, one number or [along x, along y]; floats.
        sigma: how smooth, in pixels, likewise.

    Raises:
        TypeError, ValueError: arguments of a wrong type or length.
    """

    def __init__(
        self, alpha=50.0, sigma=5.0, interpolation=InterpolationMode.BILINEAR, fill=0
    ):
        super().__init__()
        self.alpha = _pair_of_floats(alpha, "alpha")
        self.sigma = _pair_of_floats(sigma, "sigma")
        self.interpolation = as_interpolation_mode(interpolation)
        if isinstance(fill, (int, float)):
            self.fill = [float(fill)]
        elif isinstance(fill, (list, tuple)):
            self.fill = [float(value) for value in fill]
        else:
            raise TypeError(
                f"fill should be int or float or a list or tuple of them. Got {type(fill)}"
            )

    @staticmethod
    def get_params(alpha, sigma, size):
        """A displacement (1, H, W, 2) for a picture of `size` [height, width]."""
        fields = []
        for axis in (0, 1):
            field = rushlight.rand([1, 1, *size]) * 2 - 1
            if sigma[axis] > 0.0:
                kernel = int(8 * sigma[axis] + 1) | 1  # the next odd number
                field = F.gaussian_blur(field, [kernel, kernel], list(sigma))
            fields.append(field * alpha[axis] / size[1 - axis])  # x by width, y by height
        return rushlight.cat(fields, 1).permute([0, 2, 3, 1])

    def forward(self, tensor):
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self):
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )
