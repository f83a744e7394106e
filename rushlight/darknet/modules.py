"""What Darknet's layers compute where `rushlight.nn` has no module of that meaning.

Modules that take several feature maps (route, shortcut, scale_channels, sam) are called with a list
of tensors, the layers they name in the order of the cfg file; `Darknet.forward` gathers them. All
maps are (B, C, H, W).

Source of the rules: Darknet's src/*_layer.c and src/activations.h.
"""

import math

import rushlight
from rushlight import nn
from rushlight.nn import functional as F

__all__ = ["ACTIVATIONS", "activation"]


class Activation(nn.Module):
    """A function of Darknet's for which `rushlight.nn` has no module, by its name."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def forward(self, input):
        return _FUNCTIONS[self.name](input)

    def extra_repr(self):
        return self.name


def _stair(x):
    low = rushlight.floor(x)
    half = rushlight.floor(x / 2)
    return rushlight.where(rushlight.remainder(low, 2) == 0, half, x - low + half)


def _plse(x):
    middle = 0.125 * x + 0.5
    above = rushlight.where(x > 4, 0.01 * (x - 4) + 1, middle)
    return rushlight.where(x < -4, 0.01 * (x + 4), above)


def _lhtan(x):
    return rushlight.where(x < 0, 0.001 * x, rushlight.where(x > 1, 0.001 * (x - 1) + 1, x))


def _hard_mish(x):
    below = rushlight.where(x > -2, x * x / 2 + x, rushlight.zeros_like(x))
    return rushlight.where(x > 0, x, below)


def _norm_chan(x):
    positive = F.relu(x)
    return positive / (positive.sum(1, keepdim=True) + 0.0001)


_FUNCTIONS = {
    "loggy": lambda x: 2 * rushlight.sigmoid(x) - 1,
    "ramp": lambda x: F.relu(x) + 0.1 * x,
    "plse": _plse,
    "stair": _stair,
    "lhtan": _lhtan,
    "hard_mish": _hard_mish,
    "norm_chan": _norm_chan,
}

# The module of each activation; "linear" is none. Darknet's leaky slope is 0.1.
ACTIVATIONS = {
    "linear": None,
    "leaky": lambda: nn.LeakyReLU(0.1),
    "revleaky": lambda: nn.LeakyReLU(0.1),
    "relie": lambda: nn.LeakyReLU(0.01),
    "logistic": nn.Sigmoid,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "mish": nn.Mish,
    "swish": nn.SiLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "tanh": nn.Tanh,
    "hardtan": nn.Hardtanh,
    **{name: (lambda name=name: Activation(name)) for name in _FUNCTIONS},
}


def activation(name):
    """The module of the activation `name` of a cfg file, None for "linear".

    Raises KeyError for a name that is not in `ACTIVATIONS`.
    """
    make = ACTIVATIONS[name]
    return None if make is None else make()


class Pool(nn.Module):
    """The maximum, or the mean, over windows that may stick out of the map.

    Darknet adds `padding` pixels in all (size - 1 unless given), the smaller half in front; they
    are never chosen, nor counted in a mean. Output sides are (side + padding - size) // stride + 1,
    so a stride of 1 keeps the size.
    """

    def __init__(self, size, stride, padding, mean=False):
        super().__init__()
        self.size, self.stride, self.padding, self.mean = size, stride, padding, mean

    def forward(self, input):
        before = self.padding // 2
        after = [
            max(0, ((side + self.padding - self.size) // step) * step + self.size - before - side)
            for side, step in zip(input.shape[-2:], self.stride)
        ]
        if not self.mean and after == [before, before] and 2 * before <= self.size:
            return F.max_pool2d(input, self.size, self.stride, before)
        around = (before, after[1], before, after[0])
        if not self.mean:
            if any(around):
                input = F.pad(input, around, value=-math.inf)
            return F.max_pool2d(input, self.size, self.stride)
        inside = F.pad(rushlight.ones_like(input[:1, :1]), around)
        share = F.avg_pool2d(inside, self.size, self.stride)
        return F.avg_pool2d(F.pad(input, around), self.size, self.stride) / share

    def extra_repr(self):
        kind = "mean" if self.mean else "maximum"
        return f"{kind}, size={self.size}, stride={self.stride}, padding={self.padding}"


class Upsample(nn.Module):
    """Each pixel repeated `stride` times in both directions, times `scale`."""

    def __init__(self, stride, scale):
        super().__init__()
        self.stride, self.scale = stride, scale

    def forward(self, input):
        larger = F.interpolate(input, scale_factor=self.stride, mode="nearest")
        return larger if self.scale == 1 else larger * self.scale

    def extra_repr(self):
        return f"stride={self.stride}"


class Route(nn.Module):
    """Maps joined along the channels; with `groups`, only part `group_id` of each of them."""

    def __init__(self, groups=1, group_id=0):
        super().__init__()
        self.groups, self.group_id = groups, group_id

    def forward(self, inputs):
        if self.groups > 1:
            inputs = [each.chunk(self.groups, 1)[self.group_id] for each in inputs]
        return inputs[0] if len(inputs) == 1 else rushlight.cat(list(inputs), 1)

    def extra_repr(self):
        return f"groups={self.groups}, group_id={self.group_id}" if self.groups > 1 else ""


class Shortcut(nn.Module):
    """The sum of the first map and the others, on the channels that they share.

    With `weights` (one for each map, or for each map and channel) the sum is weighted; they are
    normalised by "relu" (w / (sum w + 0.0001) over the positive ones), "softmax", or not ("none").
    """

    def __init__(self, maps, weights="none", normalization="none", channels=1):
        super().__init__()
        self.normalization = normalization
        width = channels if weights == "per_channel" else 1
        self.weights = None if weights == "none" else nn.Parameter(rushlight.ones(maps, width))

    def _factors(self, weights):
        if self.normalization == "relu":
            weights = F.relu(weights)
            weights = weights / (weights.sum(0, keepdim=True) + 0.0001)
        elif self.normalization == "softmax":
            weights = rushlight.exp(weights - weights.amax(0, keepdim=True))
            weights = weights / (weights.sum(0, keepdim=True) + 0.0001)
        return weights[:, None, :, None, None]

    def forward(self, inputs):
        if self.weights is not None:
            inputs = [each * factor for each, factor in zip(inputs, self._factors(self.weights))]
        total = inputs[0]
        channels = total.shape[1]
        for other in inputs[1:]:
            missing = channels - other.shape[1]
            if missing > 0:
                other = F.pad(other, (0, 0, 0, 0, 0, missing))
            total = total + (other[:, :channels] if missing < 0 else other)
        return total


class ScaleChannels(nn.Module):
    """The second map times the first, which has one value per channel or one per place."""

    def forward(self, inputs):
        factors, maps = inputs
        return maps * factors


class Sam(nn.Module):
    """The product of two maps of one shape (spatial attention)."""

    def forward(self, inputs):
        return inputs[0] * inputs[1]


class GlobalAverage(nn.Module):
    """The mean of each channel, as (B, C, 1, 1)."""

    def forward(self, input):
        return input.mean((2, 3), keepdim=True)


class Flatten(nn.Module):
    """(B, C, H, W) as (B, C*H*W), in front of a connected layer."""

    def forward(self, input):
        return input.flatten(1)


class AsMap(nn.Module):
    """(B, N) as the map (B, N, 1, 1), behind a connected layer."""

    def forward(self, input):
        return input[:, :, None, None]


class Softmax(nn.Module):
    """softmax(x / temperature), over each of `groups` equal parts of a picture's values.

    With `spatial`, over the channels of each place.
    """

    def __init__(self, groups=1, temperature=1.0, spatial=False):
        super().__init__()
        self.groups, self.temperature, self.spatial = groups, temperature, spatial

    def forward(self, input):
        scaled = input if self.temperature == 1 else input / self.temperature
        if self.spatial:
            return F.softmax(scaled, 1)
        return F.softmax(scaled.reshape(len(input), self.groups, -1), 2).reshape(input.shape)


class Reorg(nn.Module):
    """Space to depth: (B, C, H, W) to (B, C s^2, H/s, W/s); `reverse` is the way back.

    [reorg3d] puts the s^2 phases of each place behind one another. [reorg], which YOLOv2's files
    use, has the sides of input and output mixed up, and the published weights are trained for that
    order (`classic`).
    """

    def __init__(self, stride, reverse=False, classic=True):
        super().__init__()
        self.stride, self.reverse, self.classic = stride, reverse, classic

    def forward(self, input):
        batch, channels, height, width = input.shape
        step = self.stride
        if self.reverse:
            fewer = channels // step**2
            phases = input.reshape(batch, step, step, fewer, height, width)
            finer = phases.permute(0, 3, 4, 1, 5, 2)
            return finer.reshape(batch, fewer, height * step, width * step)
        # Classic: the map is read as if it had 1/s^2 of its channels and s times its sides.
        c, h, w = channels, height // step, width // step
        if self.classic:
            c, h, w = channels // step**2, height, width
        phases = input.reshape(batch, c, h, step, w, step).permute(0, 3, 5, 1, 2, 4)
        return phases.reshape(batch, channels * step**2, height // step, width // step)

    def extra_repr(self):
        return f"stride={self.stride}, reverse={self.reverse}"


class Crop(nn.Module):
    """The middle (height, width) of the map; in training a random part, flipped now and then.

    Unless `noadjust`, values in [0, 1] become [-1, 1].
    """

    def __init__(self, height, width, flip=False, noadjust=False):
        super().__init__()
        self.height, self.width, self.flip, self.noadjust = height, width, flip, noadjust

    def forward(self, input):
        spare = input.shape[2] - self.height, input.shape[3] - self.width
        top, left = (side // 2 for side in spare)
        if self.training:
            top, left = (int(rushlight.randint(0, side + 1, ())) for side in spare)
        part = input[:, :, top : top + self.height, left : left + self.width]
        if self.training and self.flip and int(rushlight.randint(0, 2, ())):
            part = part.flip(3)
        return part if self.noadjust else part * 2 - 1


class DropBlock(nn.Module):
    """[dropout] with dropblock=1: nothing in eval; NotImplementedError in training."""

    def forward(self, input):
        if self.training:
            raise NotImplementedError("training with [dropout] dropblock=1 is not implemented")
        return input
