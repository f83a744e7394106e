"""Convolution and transposed convolution in one, two and three dimensions.

    y[n, o, t] = b[o] + sum over c, k of w[o, c, k] * x[n, c, t * stride + k * dilation - padding]

Three records, bilinear in their tensors and closed under differentiation: `convolution` C(x, w),
its adjoint in x, `convolution_transpose` T(y, w) (transposed convolution), and its adjoint in w,
`convolution_weight` W(x, y).
"""

from __future__ import annotations

from ..base.shapes import meta
from .arguments import (
    channels_last,
    cpp_name,
    image_meta,
    need_tensor,
    not_implemented_for,
    numbers,
    scalar_name,
)
from .record import export, primitive


def _c(x):
    return x.conj() if x.is_complex() else x


def _sum_over_all_but_channels(g):
    return g.sum((0, *range(2, len(g.shape))))


def _check_types(x, weight, bias):
    if x.dtype is not weight.dtype and (bias is None or bias.dtype is x.dtype):
        raise RuntimeError(f"expected scalar type {scalar_name(x.dtype)} but found "
                           f"{scalar_name(weight.dtype)}")
    if bias is not None and bias.dtype is not x.dtype:
        raise RuntimeError(f"Input type ({cpp_name(x.dtype)}) and bias type "
                           f"({cpp_name(bias.dtype)}) should be the same")
    if x.dtype.name == "bool":
        raise not_implemented_for("slow_conv2d_cpu", x.dtype)


def _convolution_rule(x, weight, bias, stride, padding, dilation, groups, size):
    if size is None:    # a forward call: checked here, where the answer is kept
        _check(x, weight, bias, stride, padding, dilation, groups, False)
        size = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(
            x.shape[2:], weight.shape[2:], stride, padding, dilation)]
    like = weight if channels_last(weight) else x
    return image_meta(x.dtype, (x.shape[0], weight.shape[0], *size), like)


convolution_op = primitive(
    "convolution", "contraction", "x weight bias?", _convolution_rule, "convolution.convolution",
    {"x": lambda g, x_meta, weight, stride, padding, dilation, groups: transpose_op(
        g, _c(weight), None, stride=stride, padding=padding, dilation=dilation, groups=groups,
        size=tuple(x_meta.shape[2:])),
     "weight": lambda g, x, weight_meta, stride, padding, dilation, groups: weight_op(
        _c(x), g, kernel=tuple(weight_meta.shape[2:]), stride=stride, padding=padding,
        dilation=dilation, groups=groups),
     "bias": lambda g: _sum_over_all_but_channels(g)},
    params=("stride", "padding", "dilation", "groups", "size"))

transpose_op = primitive(
    "convolution_transpose", "contraction", "y weight bias?",
    lambda y, weight, bias, stride, padding, dilation, groups, size: meta(
        y.dtype, (y.shape[0], weight.shape[1] * groups, *size)),
    "convolution.transposed_convolution",
    {"y": lambda g, y_meta, weight, stride, padding, dilation, groups: convolution_op(
        g, _c(weight), None, stride=stride, padding=padding, dilation=dilation, groups=groups,
        size=tuple(y_meta.shape[2:])),
     "weight": lambda g, y, weight_meta, stride, padding, dilation, groups: weight_op(
        g, _c(y), kernel=tuple(weight_meta.shape[2:]), stride=stride, padding=padding,
        dilation=dilation, groups=groups),
     "bias": lambda g: _sum_over_all_but_channels(g)},
    params=("stride", "padding", "dilation", "groups", "size"), node_name="ConvolutionBackward0")

weight_op = primitive(
    "convolution_weight", "contraction", "x y",
    lambda x, y, kernel, stride, padding, dilation, groups: meta(
        x.dtype, (y.shape[1], x.shape[1] // groups, *kernel)),
    "convolution.convolution_weight_gradient",
    {"x": lambda g, y, x_meta, stride, padding, dilation, groups: transpose_op(
        _c(y), g, None, stride=stride, padding=padding, dilation=dilation, groups=groups,
        size=tuple(x_meta.shape[2:])),
     "y": lambda g, x, y_meta, stride, padding, dilation, groups: convolution_op(
        _c(x), g, None, stride=stride, padding=padding, dilation=dilation, groups=groups,
        size=tuple(y_meta.shape[2:]))},
    params=("kernel", "stride", "padding", "dilation", "groups"),
    node_name="ConvolutionBackwardBackward0")


def _per_dimension(value, dims, name):
    made = numbers(value, dims, f"conv{dims}d", name)
    if len(made) != dims:
        raise RuntimeError(f"expected {name} to be a single integer value or a list of {dims} "
                           f"values to match the convolution dimensions, but got {name}="
                           f"{list(made)}")
    return made


def _check(x, weight, bias, stride, padding, dilation, groups, transposed):
    """PyTorch's checks, in its order, on a batched input."""
    dims = len(weight.shape)
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if dims < 3:
        raise RuntimeError("weight should have at least three dimensions")
    _check_types(x, weight, bias)
    if any(p < 0 for p in padding):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError("dilation should be greater than zero")
    if len(x.shape) != dims:
        raise RuntimeError(f"Expected {dims}-dimensional input for {dims}-dimensional weight"
                           f"{list(weight.shape)}, but got {len(x.shape)}-dimensional input of "
                           f"size {list(x.shape)} instead")
    shape = list(weight.shape)
    if shape[0] < groups:
        raise RuntimeError(f"Given groups={groups}, expected weight to be at least {groups} at "
                           f"dimension 0, but got weight of size {shape} instead")
    if shape[0] % groups:
        raise RuntimeError(f"Given groups={groups}, expected weight to be divisible by {groups} "
                           f"at dimension 0, but got weight of size {shape} instead")
    channels = shape[0] if transposed else shape[1] * groups
    if x.shape[1] != channels:
        head = f"Given transposed={int(transposed)}" if transposed else f"Given groups={groups}"
        hint = ""
        if dims == 4 and channels in tuple(x.shape[2:]):
            hint = (f". Dimension {2 + tuple(x.shape[2:]).index(channels)} has size {channels}: "
                    "a picture of H x W x C becomes C x H x W by permute(2, 0, 1) (in NumPy "
                    "transpose((2, 0, 1)))")
        raise RuntimeError(f"{head}, weight of size {shape}, expected input{list(x.shape)} to "
                           f"have {channels} channels, but got {x.shape[1]} channels instead{hint}")
    outs = shape[1] * groups if transposed else shape[0]
    if bias is not None and tuple(bias.shape) != (outs,):
        head = f"Given transposed={int(transposed)}" if transposed else f"Given groups={groups}"
        raise RuntimeError(f"{head}, weight of size {shape}, expected bias to be 1-dimensional "
                           f"with {outs} elements, but got bias of size {list(bias.shape)} "
                           "instead")
    if not transposed:
        padded = [n + 2 * p for n, p in zip(x.shape[2:], padding)]
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, shape[2:])]
        if any(n < r for n, r in zip(padded, reach)):
            raise RuntimeError(
                f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). "
                f"Kernel size: ({' x '.join(map(str, reach))}). Kernel size can't be greater than "
                "actual input size")


def _convolve(x, weight, bias, stride, padding, dilation, groups):
    """Any padding; x is batched."""
    dims = max(len(weight.shape) - 2, 1)
    if isinstance(padding, str):
        return _with_named_padding(x, weight, bias, stride, padding, dilation, groups)
    stride = _per_dimension(stride, dims, "stride")
    padding = _per_dimension(padding, dims, "padding")
    dilation = _per_dimension(dilation, dims, "dilation")
    return convolution_op(x, weight, bias, stride=stride, padding=padding, dilation=dilation,
                          groups=groups, size=None)


def _with_named_padding(x, weight, bias, stride, padding, dilation, groups):
    dims = max(len(weight.shape) - 2, 1)
    if padding == "valid":
        return _convolve(x, weight, bias, stride, 0, dilation, groups)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    stride = _per_dimension(stride, dims, "stride")
    dilation = _per_dimension(dilation, dims, "dilation")
    if len(weight.shape) != len(x.shape):
        _check(x, weight, bias, stride, (0,) * dims, dilation, groups, False)
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
    if any(t % 2 for t in total):  # one more on the right
        from .padding import constant_pad_nd
        widths = [w for t in reversed(total) for w in (0, t % 2)]
        x = constant_pad_nd(x, widths, 0)
    return _convolve(x, weight, bias, stride, [t // 2 for t in total], dilation, groups)


def _batched(x, dims, name):
    """x with a batch axis, and whether it was added."""
    given = len(x.shape)
    if given == dims + 2:
        return x, False
    if given != dims + 1:
        raise RuntimeError(f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to "
                           f"{name}, but got input of size: {list(x.shape)}")
    return x.unsqueeze(0), True


def _forward(name, dims, input, weight, bias, stride, padding, dilation, groups):  # noqa: A002
    need_tensor(input, name, "input", 1)
    need_tensor(weight, name, "weight", 2)
    if bias is not None:
        need_tensor(bias, name, "bias", 3)
    if len(weight.shape) < 3:
        _check(input, weight, bias, (1,), (0,), (1,), groups, False)
    x, added = _batched(input, dims, name)
    y = _convolve(x, weight, bias, stride, padding, dilation, groups)
    return y.squeeze(0) if added else y


@export("torch", "nn.functional", static=True)
def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):  # noqa: A002
    """The convolution of signals (N, C, L) or (C, L) with weight (O, C / groups, K)."""
    return _forward("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@export("torch", "nn.functional", static=True)
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):  # noqa: A002
    """The convolution of images (N, C, H, W) or (C, H, W) with weight (O, C / groups, KH, KW).

    padding: zeros on each side, per dimension, or "valid" (none) or "same" (the result keeps the
    size; stride must be 1). Each result has floor((size + 2 padding - dilation (k - 1) - 1) /
    stride) + 1 entries. RuntimeError for shapes that do not fit and for mixed dtypes.
    """
    return _forward("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@export("torch", "nn.functional", static=True)
def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):  # noqa: A002
    """The convolution of volumes (N, C, D, H, W) with weight (O, C / groups, KD, KH, KW)."""
    return _forward("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _transposed(x, weight, bias, stride, padding, output_padding, groups, dilation):
    dims = max(len(weight.shape) - 2, 1)
    stride = _per_dimension(stride, dims, "stride")
    padding = _per_dimension(padding, dims, "padding")
    dilation = _per_dimension(dilation, dims, "dilation")
    extra = _per_dimension(output_padding, dims, "output_padding")
    _check(x, weight, bias, stride, padding, dilation, groups, True)
    if any(e < 0 for e in extra):
        raise RuntimeError("negative output_padding is not supported")
    for e, s, d in zip(extra, stride, dilation):
        if e >= s and e >= d:
            raise RuntimeError("output padding must be smaller than either stride or dilation, "
                               f"but got output_padding: {list(extra)} stride: {list(stride)} "
                               f"dilation: {list(dilation)}")
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, s, p, d, k, e in zip(
        x.shape[2:], stride, padding, dilation, weight.shape[2:], extra))
    if any(n <= 0 for n in size):
        raise RuntimeError(f"Given input size per channel: ({' x '.join(map(str, x.shape[2:]))}). "
                           f"Calculated output size per channel: ({' x '.join(map(str, size))}). "
                           "Output size is too small")
    return transpose_op(x, weight, bias, stride=stride, padding=padding, dilation=dilation,
                        groups=groups, size=size)


def _backward_direction(name, dims, input, weight, bias, *how):  # noqa: A002
    need_tensor(input, name, "input", 1)
    need_tensor(weight, name, "weight", 2)
    x, added = _batched(input, dims, name)
    y = _transposed(x, weight, bias, *how)
    return y.squeeze(0) if added else y


@export("torch", "nn.functional", static=True)
def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0,  # noqa: A002
                     groups=1, dilation=1):
    """The transposed convolution of (N, C, L) with weight (C, O / groups, K)."""
    return _backward_direction("conv_transpose1d", 1, input, weight, bias, stride, padding,
                               output_padding, groups, dilation)


@export("torch", "nn.functional", static=True)
def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0,  # noqa: A002
                     groups=1, dilation=1):
    """The transposed convolution (adjoint of `conv2d`) with weight (C, O / groups, KH, KW).

    Each result has (size - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1 entries.
    """
    return _backward_direction("conv_transpose2d", 2, input, weight, bias, stride, padding,
                               output_padding, groups, dilation)


@export("torch", "nn.functional", static=True)
def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0,  # noqa: A002
                     groups=1, dilation=1):
    """The transposed convolution of (N, C, D, H, W) with weight (C, O / groups, KD, KH, KW)."""
    return _backward_direction("conv_transpose3d", 3, input, weight, bias, stride, padding,
                               output_padding, groups, dilation)


@export("torch")
def convolution(input, weight, bias, stride, padding, dilation, transposed,  # noqa: A002
                output_padding, groups):
    """Convolution or transposed convolution of a batched input, all arguments spelled out."""
    if transposed:
        return _transposed(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return _convolve(input, weight, bias, stride, padding, dilation, groups)


@export("torch", "nn.functional")
def conv_tbc(input, weight, bias, pad=0):  # noqa: A002
    """The convolution of (time, batch, channels) with weight (K, channels in, channels out)."""
    if len(input.shape) != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if len(weight.shape) != 3:
        raise RuntimeError("Weight tensor must have 3 dims: kernel_width, in_channels, "
                           "out_channels.")
    if len(bias.shape) != 1:
        raise RuntimeError("Bias must be 1-D")
    y = _convolve(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad, 1, 1)
    return y.permute(2, 0, 1).contiguous()
