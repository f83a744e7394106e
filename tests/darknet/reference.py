"""The networks of cfg files in PyTorch, written from the cfg format alone: what rushlight is held
against where PyTorch is installed, and what `recorded.json` was recorded with.

It shares no code with `rushlight.darknet`: own parser, own reading of weights, own decoding.
"""

import re
import struct

import numpy as np
import torch
import torch.nn.functional as F

ACTIVATIONS = {
    "linear": lambda x: x,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "revleaky": lambda x: F.leaky_relu(x, 0.1),
    "relie": lambda x: torch.where(x > 0, x, 0.01 * x),
    "logistic": torch.sigmoid,
    "relu": F.relu,
    "relu6": F.relu6,
    "mish": lambda x: x * torch.tanh(F.softplus(x)),
    "swish": lambda x: x * torch.sigmoid(x),
    "elu": lambda x: torch.where(x >= 0, x, torch.expm1(x)),
    "selu": F.selu,
    # Darknet has the constants to six digits; float32 results are the same.
    "gelu": lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
    "tanh": torch.tanh,
    "hardtan": lambda x: x.clamp(-1, 1),
    "loggy": lambda x: 2 / (1 + torch.exp(-x)) - 1,
    "ramp": lambda x: x * (x > 0) + 0.1 * x,
    "plse": lambda x: torch.where(
        x < -4, 0.01 * (x + 4), torch.where(x > 4, 0.01 * (x - 4) + 1, 0.125 * x + 0.5)
    ),
    "stair": lambda x: torch.where(
        x.floor() % 2 == 0, (x / 2).floor(), x - x.floor() + (x / 2).floor()
    ),
    "lhtan": lambda x: torch.where(
        x < 0, 0.001 * x, torch.where(x > 1, 0.001 * (x - 1) + 1, x)
    ),
    "hard_mish": lambda x: torch.where(
        x > 0, x, torch.where(x > -2, x * x / 2 + x, torch.zeros_like(x))
    ),
    "norm_chan": lambda x: x.clamp(min=0) / (x.clamp(min=0).sum(1, keepdim=True) + 1e-4),
}


def read_sections(path):
    sections = []
    for line in open(path):
        line = re.sub(r"\s", "", line).split("#")[0]
        if line.startswith("["):
            sections.append((line.strip("[]"), {}))
        elif "=" in line:
            key, value = line.split("=", 1)
            sections[-1][1].setdefault(key, value)
    return sections


LONG_NAMES = {"conv": "convolutional", "conn": "connected", "max": "maxpool"}


class Numbers:
    """The floats of a weights file, taken from the front."""

    def __init__(self, path):
        content = open(path, "rb").read()
        major, minor, _ = struct.unpack_from("<iii", content)
        self.transposed = major > 1000 or minor > 1000
        start = 20 if 10 * major + minor >= 2 else 16
        self.left = np.frombuffer(content, "<f4", offset=start)

    def take(self, *shape):
        count = int(np.prod(shape))
        part, self.left = self.left[:count], self.left[count:]
        return torch.from_numpy(part.reshape(shape).copy()).requires_grad_()


def pooled(x, size, stride, padding, mean):
    """Every window by itself: slow, and hard to get wrong."""
    sides = x.shape[2:]
    out = [(side + padding - size) // stride + 1 for side in sides]
    rows = []
    for i in range(out[0]):
        row = []
        for j in range(out[1]):
            top, left = i * stride - padding // 2, j * stride - padding // 2
            window = x[:, :, max(top, 0) : top + size, max(left, 0) : left + size]
            row.append(window.mean((2, 3)) if mean else window.amax((2, 3)))
        rows.append(torch.stack(row, 2))
    return torch.stack(rows, 2)


class Reference:
    """`weights` is a list of (layer, name, tensor that collects a gradient) in the file's order."""

    def __init__(self, cfg, weights):
        (_, self.net), *self.sections = read_sections(cfg)
        numbers = Numbers(weights)
        self.weights = []
        channels = [int(self.net.get("channels", 3))]
        shape = torch.zeros(1, channels[0], int(self.net["height"]), int(self.net["width"]))
        self.numbers = numbers
        with torch.no_grad():
            self.run(shape)  # meets the layers in order, and takes their weights
        assert not len(numbers.left), f"{len(numbers.left)} floats are left"
        self.numbers = None

    def parameter(self, layer, name, *shape, flip=False):
        for index, known, tensor in self.weights:
            if (index, known) == (layer, name):
                return tensor
        if flip:
            values = self.numbers.take(int(np.prod(shape[1:])), shape[0]).detach()
            tensor = values.T.reshape(shape).contiguous().requires_grad_()
        else:
            tensor = self.numbers.take(*shape)
        self.weights.append((layer, name, tensor))
        return tensor

    def norm(self, x, index, names):
        width = x.shape[1]
        bias, scale, mean, variance = (self.parameter(index, name, width) for name in names)
        return F.batch_norm(x, mean.detach(), variance.detach(), scale, bias, False, 0.1, 1e-5)

    def run(self, x):
        """(raw maps of the heads with their options, last output)."""
        outputs, heads = [], []
        for index, (kind, options) in enumerate(self.sections):
            kind = LONG_NAMES.get(kind, kind)
            x = self.layer(kind, options, index, x, outputs)
            if kind in ("yolo", "region"):
                heads.append((kind, options, x))
            outputs.append(x)
        return heads, x

    def layer(self, kind, options, index, x, outputs):
        def number(key, default):
            return int(options.get(key, default))

        def named(key):
            places = [int(each) for each in options[key].split(",")]
            return [outputs[place if place >= 0 else index + place] for place in places]

        act = ACTIVATIONS[options.get("activation", "linear")]
        names = ("bias", "scale", "mean", "variance")
        if kind == "convolutional":
            act = ACTIVATIONS[options.get("activation", "logistic")]
            filters, size, groups = number("filters", 1), number("size", 1), number("groups", 1)
            stride = number("stride", 1)
            strides = number("stride_y", stride), number("stride_x", stride)
            dilation = number("dilation", 1) if size > 1 else 1
            padding = size // 2 if number("pad", 0) else number("padding", 0)
            shape = (filters, x.shape[1] // groups, size, size)
            flip = bool(number("flipped", 0))
            if number("batch_normalize", 0):
                for name in names:
                    self.parameter(index, name, filters)
                kernel = self.parameter(index, "kernel", *shape, flip=flip)
                x = F.conv2d(x, kernel, None, strides, padding * dilation, dilation, groups)
                return act(self.norm(x, index, names))
            bias = self.parameter(index, "bias", filters)
            kernel = self.parameter(index, "kernel", *shape, flip=flip)
            return act(F.conv2d(x, kernel, bias, strides, padding * dilation, dilation, groups))
        if kind == "connected":
            act = ACTIVATIONS[options.get("activation", "logistic")]
            x, width = x.flatten(1), number("output", 1)
            flip = bool(self.numbers and self.numbers.transposed)
            bias = self.parameter(index, "bias", width)
            matrix = self.parameter(index, "matrix", width, x.shape[1], flip=flip)
            if number("batch_normalize", 0):
                x = self.norm(x @ matrix.T, index, names)
            else:
                x = x @ matrix.T + bias
            return act(x)[:, :, None, None]
        if kind == "batchnorm":
            return self.norm(x, index, names)
        if kind == "activation":
            return act(x)
        if kind in ("maxpool", "local_avgpool"):
            size = number("size", number("stride", 1))
            padding = number("padding", size - 1)
            return pooled(x, size, number("stride", 1), padding, kind == "local_avgpool")
        if kind == "avgpool":
            return x.mean((2, 3), keepdim=True)
        if kind == "upsample":
            step = number("stride", 2)
            larger = x.repeat_interleave(step, 2).repeat_interleave(step, 3)
            return larger * float(options.get("scale", 1))
        if kind == "route":
            groups, part = number("groups", 1), number("group_id", 0)
            return torch.cat([each.chunk(groups, 1)[part] for each in named("layers")], 1)
        if kind == "shortcut":
            return act(self.shortcut(options, index, [x, *named("from")]))
        if kind == "scale_channels":
            return act(named("from")[0] * x)
        if kind == "sam":
            return act(named("from")[0] * x)
        if kind == "softmax":
            if float(options.get("spatial", 0)):
                return x.softmax(1)
            flat = x.reshape(len(x), number("groups", 1), -1) / float(options.get("temperature", 1))
            return flat.softmax(2).reshape(x.shape)
        if kind == "crop":
            high, wide = number("crop_height", 1), number("crop_width", 1)
            top, left = (x.shape[2] - high) // 2, (x.shape[3] - wide) // 2
            x = x[:, :, top : top + high, left : left + wide]
            return x if number("noadjust", 0) else 2 * x - 1
        if kind in ("reorg", "reorg3d"):
            return reorganised(x, number("stride", 1), number("reverse", 0), kind == "reorg")
        if kind in ("yolo", "region", "dropout", "cost"):
            return x
        raise AssertionError(kind)

    def shortcut(self, options, index, maps):
        kind = options.get("weights_type", "none")
        if kind != "none":
            width = maps[0].shape[1] if kind == "per_channel" else 1
            weights = self.parameter(index, "weights", len(maps), width)
            rule = options.get("weights_normalization", "none")
            if rule == "relu":
                weights = weights.clamp(min=0) / (weights.clamp(min=0).sum(0) + 1e-4)
            elif rule == "softmax":
                weights = torch.exp(weights - weights.max(0).values)
                weights = weights / (weights.sum(0) + 1e-4)
            maps = [each * row[None, :, None, None] for each, row in zip(maps, weights)]
        total = maps[0].clone()
        for other in maps[1:]:
            shared = min(total.shape[1], other.shape[1])
            total[:, :shared] = total[:, :shared] + other[:, :shared]
        return total

    def detections(self, x):
        """(B, N, 5 + classes): centre, size in pixels of the input, objectness, classes."""
        size = x.shape[2:]
        heads, _ = self.run(x)
        return torch.cat([decoded(kind, options, raw, size) for kind, options, raw in heads], 1)


def reorganised(x, step, reverse, classic):
    """Index by index, as the formula in the source has it."""
    batch, c, h, w = x.shape
    flat = x.reshape(batch, -1)
    if classic or reverse:
        small, height, width = c // step**2, h, w
    else:
        small, height, width = c, h // step, w // step
    big = small * step**2
    order = torch.empty(big, height, width, dtype=torch.long)
    for k in range(big):
        phase, channel = divmod(k, small)
        for j in range(height):
            for i in range(width):
                row, column = j * step + phase // step, i * step + phase % step
                order[k, j, i] = column + width * step * (row + height * step * channel)
    if reverse:
        result = torch.empty_like(flat)
        result[:, order.flatten()] = flat
        return result.reshape(batch, small, h * step, w * step)
    return flat[:, order.flatten()].reshape(batch, c * step**2, h // step, w // step)


def decoded(kind, options, raw, size):
    numbers = [float(each) for each in options["anchors"].split(",")]
    pairs = list(zip(numbers[::2], numbers[1::2]))
    classes = int(options.get("classes", 20))
    if "mask" in options:
        pairs = [pairs[int(each)] for each in options["mask"].split(",")]
    batch, _, rows, columns = raw.shape
    found = []
    for number, (wide, high) in enumerate(pairs):
        planes = raw[:, number * (5 + classes) : (number + 1) * (5 + classes)]
        x, y, w, h, objectness = (planes[:, each] for each in range(5))
        scores = planes[:, 5:]
        column = torch.arange(columns).expand(rows, columns)
        row = torch.arange(rows)[:, None].expand(rows, columns)
        scale = float(options.get("scale_x_y", 1))
        if int(options.get("new_coords", 0)):
            w, h = 4 * w**2, 4 * h**2
        else:
            x, y, objectness = x.sigmoid(), y.sigmoid(), objectness.sigmoid()
            w, h = w.exp(), h.exp()
            softmax = kind == "region" and int(options.get("softmax", 0))
            scores = scores.softmax(1) if softmax else scores.sigmoid()
        cell = (size[1] / columns, size[0] / rows)
        unit = cell if kind == "region" else (1, 1)
        boxes = [
            (column + x * scale - (scale - 1) / 2) * cell[0],
            (row + y * scale - (scale - 1) / 2) * cell[1],
            w * wide * unit[0],
            h * high * unit[1],
            objectness,
        ]
        planes = torch.cat([torch.stack(boxes, 1), scores], 1)
        found.append(planes.permute(0, 2, 3, 1).reshape(batch, -1, 5 + classes))
    return torch.cat(found, 1)
