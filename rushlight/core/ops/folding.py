"""Sliding windows as columns (unfold), their sum back (fold), channel and pixel shuffles."""

from __future__ import annotations

from ..base.shapes import meta
from .arguments import need_tensor, not_implemented_for, numbers
from .record import composite, export, primitive


def _counts(spatial, kernel, stride, padding, dilation):
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1
                 for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation))


_HOW = ("kernel", "stride", "padding", "dilation")

unfold_op = primitive(
    "im2col", "window", "x",
    lambda x, kernel, stride, padding, dilation: meta(
        x.dtype, _column_shape(x, kernel, stride, padding, dilation)),
    "folding.unfold",
    {"x": lambda g, x_meta, kernel, stride, padding, dilation: fold_op(
        g, spatial=tuple(x_meta.shape[2:]), kernel=kernel, stride=stride, padding=padding,
        dilation=dilation)},
    params=_HOW, node_name="Im2ColBackward0")

fold_op = primitive(
    "col2im", "window", "x",
    lambda x, spatial, kernel, stride, padding, dilation: meta(
        x.dtype, (x.shape[0], x.shape[1] // (kernel[0] * kernel[1]), *spatial)),
    "folding.fold",
    {"x": lambda g, kernel, stride, padding, dilation: unfold_op(
        g, kernel=kernel, stride=stride, padding=padding, dilation=dilation)},
    params=("spatial", *_HOW), node_name="Col2ImBackward0")


def _column_shape(x, kernel, stride, padding, dilation):
    counts = _counts(x.shape[2:], kernel, stride, padding, dilation)
    return x.shape[0], x.shape[1] * kernel[0] * kernel[1], counts[0] * counts[1]


def _pair(value, name, what, low):
    made = numbers(value, 2, name, what)
    if len(made) != 2:
        raise RuntimeError(f"It is expected {what} equals to 2, but got size {len(made)}")
    if any(v < low for v in made):
        if low:
            shown = what.split("_")[0]
            raise RuntimeError(f"{shown} should be greater than zero, but got {shown}_height: "
                               f"{made[0]} {shown}_width: {made[1]}")
        raise RuntimeError(f"{what} should be non-negative, but got {what}_height: {made[0]} "
                           f"{what}_width: {made[1]}")
    return made


def _windows(name, kernel_size, dilation, padding, stride):
    return (_pair(kernel_size, name, "kernel_size", 1), _pair(dilation, name, "dilation", 1),
            _pair(padding, name, "padding", 0), _pair(stride, name, "stride", 1))


@export("nn.functional")
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):  # noqa: A002
    """Sliding windows of (N, C, H, W) or (C, H, W) as columns (N, C * KH * KW, windows)."""
    need_tensor(input, "unfold", "input", 1)
    kernel, dilation, padding, stride = _windows("unfold", kernel_size, dilation, padding, stride)
    shape = tuple(input.shape)
    if len(shape) not in (3, 4) or any(n == 0 for n in shape[len(shape) - 3:]):
        raise RuntimeError("Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and "
                           f"other non-zero dimensions for input, but got: {list(shape)}")
    if input.dtype.category == 1:
        raise not_implemented_for("im2col_out_cpu", input.dtype)
    counts = _counts(shape[-2:], kernel, stride, padding, dilation)
    if min(counts) < 1:
        raise RuntimeError(
            f"Given input with spatial size ({shape[-2]}, {shape[-1]}), kernel_size={kernel}, "
            f"dilation={dilation}, padding={padding}, stride={stride}, calculated shape of the "
            f"array of sliding blocks as ({counts[0]}, {counts[1]}), but its components must be at "
            "least one.")
    x = input if len(shape) == 4 else input.unsqueeze(0)
    y = unfold_op(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return y if len(shape) == 4 else y.squeeze(0)


@export("nn.functional")
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):  # noqa: A002
    """Columns (N, C * KH * KW, windows) added back into images (N, C, *output_size)."""
    need_tensor(input, "fold", "input", 1)
    size = _pair(output_size, "fold", "output_size", 1)
    kernel, dilation, padding, stride = _windows("fold", kernel_size, dilation, padding, stride)
    shape = tuple(input.shape)
    if len(shape) not in (2, 3) or any(n == 0 for n in shape[len(shape) - 2:]):
        raise RuntimeError("Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch "
                           f"size and non-zero dimensions for input, but got: {list(shape)}")
    area = kernel[0] * kernel[1]
    if shape[-2] % area:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={shape[-2]} and kernel_size=({kernel[0]}, {kernel[1]}).")
    counts = _counts(size, kernel, stride, padding, dilation)
    if counts[0] * counts[1] != shape[-1]:
        raise RuntimeError(
            f"Given output_size=({size[0]}, {size[1]}), kernel_size=({kernel[0]}, {kernel[1]}), "
            f"dilation=({dilation[0]}, {dilation[1]}), padding=({padding[0]}, {padding[1]}), "
            f"stride=({stride[0]}, {stride[1]}), expected size of input's dimension 2 to match the "
            f"calculated number of sliding blocks {counts[0]} * {counts[1]} = "
            f"{counts[0] * counts[1]}, but got input.size(2)={shape[-1]}.")
    x = input if len(shape) == 3 else input.unsqueeze(0)
    y = fold_op(x, spatial=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return y if len(shape) == 3 else y.squeeze(0)


def _shuffle(x, factor):
    if factor == 1:
        return x.clone()
    lead, (channels, height, width) = tuple(x.shape[:-3]), x.shape[-3:]
    kept = channels // (factor * factor)
    n = len(lead)
    parts = x.reshape(*lead, kept, factor, factor, height, width)
    parts = parts.permute(*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return parts.reshape(*lead, kept, height * factor, width * factor)


def _unshuffle(x, factor):
    if factor == 1:
        return x.clone()
    lead, (channels, height, width) = tuple(x.shape[:-3]), x.shape[-3:]
    high, wide, n = height // factor, width // factor, len(lead)
    parts = x.reshape(*lead, channels, high, factor, wide, factor)
    parts = parts.permute(*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return parts.reshape(*lead, channels * factor * factor, high, wide)


pixel_shuffle_op = composite(
    "pixel_shuffle", "x", _shuffle, {"x": lambda g, factor: pixel_unshuffle_op(g, factor=factor)},
    params=("factor",))
pixel_unshuffle_op = composite(
    "pixel_unshuffle", "x", _unshuffle,
    {"x": lambda g, factor: pixel_shuffle_op(g, factor=factor)}, params=("factor",))


@export("torch", "nn.functional")
def pixel_shuffle(input, upscale_factor):  # noqa: A002
    """(..., C r r, H, W) as (..., C, H r, W r): channels become pixels."""
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise RuntimeError("pixel_shuffle expects input to have at least 3 dimensions, but got "
                           f"input with {len(shape)} dimension(s)")
    if upscale_factor <= 0:
        raise RuntimeError("pixel_shuffle expects a positive upscale_factor, but got "
                           f"{upscale_factor}")
    if shape[-3] % upscale_factor ** 2:
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible "
                           "by the square of upscale_factor, but input.size(-3)="
                           f"{shape[-3]} is not divisible by {upscale_factor ** 2}")
    return pixel_shuffle_op(input, factor=int(upscale_factor))


@export("torch", "nn.functional")
def pixel_unshuffle(input, downscale_factor):  # noqa: A002
    """(..., C, H r, W r) as (..., C r r, H, W): the inverse of `pixel_shuffle`."""
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise RuntimeError("pixel_unshuffle expects input to have at least 3 dimensions, but got "
                           f"input with {len(shape)} dimension(s)")
    if downscale_factor <= 0:
        raise RuntimeError("pixel_unshuffle expects a positive downscale_factor, but got "
                           f"{downscale_factor}")
    for name, size in (("height", shape[-2]), ("width", shape[-1])):
        if size % downscale_factor:
            raise RuntimeError(f"pixel_unshuffle expects {name} to be divisible by "
                               f"downscale_factor, but input.size({-2 if name == 'height' else -1})"
                               f"={size} is not divisible by {downscale_factor}")
    return pixel_unshuffle_op(input, factor=int(downscale_factor))


@export("torch", "nn.functional", aliases=("native_channel_shuffle",))
def channel_shuffle(input, groups):  # noqa: A002
    """The channels of (N, C, ...), seen as (groups, C / groups), transposed."""
    shape = tuple(input.shape)
    if len(shape) <= 2:
        raise RuntimeError("channel_shuffle expects input with > 2 dims, but got input with sizes "
                           f"{list(shape)}")
    if groups <= 0:
        raise RuntimeError("Number of groups to divide channels in must be positive. Value of "
                           f"groups:{groups}")
    if shape[1] % groups:
        raise RuntimeError("Number of channels must be divisible by groups. Got "
                           f"{shape[1]} channels and {groups} groups.")
    if input.numel() == 0:
        return input.alias()
    parts = input.reshape(shape[0], groups, shape[1] // groups, *shape[2:])
    return parts.transpose(1, 2).reshape(shape)
