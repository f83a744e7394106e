"""Pooling over windows: maximum, average, and the inverse of maximum pooling.

Indices are PyTorch's: the flat position of the chosen value inside its plane. The adaptive and
fractional kinds are in `adaptive_pooling`.
"""

from __future__ import annotations

from functools import lru_cache

from ..base import dtypes as dt
from ..base.shapes import meta
from ..trace.value import STATE
from .arguments import flat_shape, image_meta, need_tensor, not_implemented_for, numbers
from .record import export, primitive

_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}
_AXES = {1: "W", 2: "HW", 3: "TWH"}


# The adjoint pair that all maximum pooling shares: add at positions, read at positions.
send_op = primitive(
    "max_pool_backward", "scatter", "x index",
    lambda x, index, spatial, disjoint: meta(
        x.dtype, (*x.shape[:len(x.shape) - len(spatial)], *spatial)),
    "pooling_steps.max_pool_backward",
    {"x": lambda g, index, spatial: pick_op(g, index, dims=len(spatial))},
    params=("spatial", "disjoint"), node_name="MaxPool2DWithIndicesBackwardBackward0")

pick_op = primitive(
    "max_pool_pick", "gather", "x index",
    lambda x, index, dims: meta(
        x.dtype, (*x.shape[:len(x.shape) - dims], *index.shape[len(index.shape) - dims:])),
    "pooling_steps.pick_positions",
    {"x": lambda g, x_meta, index, dims: send_op(
        g, index, spatial=tuple(x_meta.shape[-dims:]), disjoint=False)},
    params=("dims",), node_name="GatherBackward0")


def _result_shape(x, size):
    return (*x.shape[:len(x.shape) - len(size)], *size)


def _pooled_meta(dtype, x, size):
    return image_meta(dtype, _result_shape(x, size), x)


def _max_pool_backward(g0, out1, x_meta, kernel, stride, dilation):
    apart = all(s >= d * (k - 1) + 1 for s, k, d in zip(stride, kernel, dilation))
    return send_op(g0, out1, spatial=tuple(x_meta.shape[-len(kernel):]), disjoint=apart)


_PARAMS = ("kernel", "stride", "padding", "dilation", "size")
_MAX = {
    dims: primitive(
        f"max_pool{dims}d_with_indices", "window", "x",
        lambda x, kernel, stride, padding, dilation, size: (
            _pooled_meta(x.dtype, x, size), _pooled_meta(dt.int64, x, size)),
        "pooling_steps.max_pool", {"x": _max_pool_backward}, params=_PARAMS, multi=2,
        non_differentiable=(1,), node_name=f"MaxPool{dims}DWithIndicesBackward0")
    for dims in (1, 2, 3)
}
_max_values_op = primitive(
    "max_pool", "window", "x",
    lambda x, kernel, stride, padding, dilation, size: _pooled_meta(x.dtype, x, size),
    "pooling_steps.max_pool_values", None, params=_PARAMS)


def _pooled(name, shape, kernel, stride, padding, dilation, ceil_mode):
    """The number of windows per dimension, with PyTorch's checks of the padding."""
    size = []
    for n, k, s, p, d in zip(shape, kernel, stride, padding, dilation):
        if s == 0:
            raise RuntimeError("stride should not be zero")
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError("pad should be at most half of effective kernel size, but got "
                               f"pad={p}, kernel_size={k} and dilation={d}")
        reach = n + 2 * p - d * (k - 1) - 1
        count = (-(-reach // s) if ceil_mode else reach // s) + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        size.append(count)
    return tuple(size)


def _window(name, dims, kernel_size, stride, padding, dilation):
    """kernel, stride, padding and dilation as tuples."""
    words = _WORDS[dims]
    kernel = numbers(kernel_size, dims, name, "kernel_size")
    if len(kernel) != dims:
        raise RuntimeError(f"{name}: kernel_size must either be a single int, or a tuple of "
                           f"{words}")
    empty = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    stride = kernel if empty else numbers(stride, dims, name, "stride")
    if len(stride) != dims:
        raise RuntimeError(f"{name}: stride must either be omitted, a single int, or a tuple of "
                           f"{words}")
    padding = numbers(padding, dims, name, "padding")
    if len(padding) != dims:
        raise RuntimeError(f"{name}: padding must either be a single int, or a tuple of {words}")
    dilation = numbers(dilation, dims, name, "dilation")
    if len(dilation) != dims:
        raise RuntimeError(f"{name}: dilation must be either a single int, or a tuple of {words}")
    return kernel, stride, padding, dilation


def _check_shape(name, x, dims, kernel, stride, dilation, size):
    shape = tuple(x.shape)
    letters = _AXES[dims]
    if any(k <= 0 for k in kernel):
        text = " ".join(f"k{a}: {k}" for a, k in zip(letters, kernel))
        raise RuntimeError(f"kernel size should be greater than zero, but got {text}")
    if any(s <= 0 for s in stride):
        text = " ".join(f"d{a}: {s}" for a, s in zip(letters, stride))
        raise RuntimeError(f"stride should be greater than zero, but got {text}")
    if any(d <= 0 for d in dilation):
        text = ", ".join(f"dilation{a}: {d}" for a, d in zip(letters, dilation))
        raise RuntimeError(f"dilation should be greater than zero, but got {text}")
    batched = len(shape) == dims + 2
    inner = shape[1:] if batched else shape
    if dims == 3:
        if len(shape) not in (4, 5):
            raise RuntimeError(f"{name}: Expected 4D or 5D tensor for input, but got: "
                               f"{list(shape)}")
        for axis in range(int(batched), len(shape)):
            if shape[axis] == 0:
                raise RuntimeError(
                    f"{name}: Expected input's non-batch dimensions to have positive length, but "
                    f"input has a shape of {list(shape)} and non-batch dimension {axis} has "
                    "length zero!")
    elif len(shape) not in (dims + 1, dims + 2) or any(n == 0 for n in inner):
        raise RuntimeError(f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional "
                           f"0 dim batch size for input, but got:{list(shape)}")
    if any(n < 1 for n in size):
        raise RuntimeError(f"Given input size: ({flat_shape(inner)}). Calculated output size: "
                           f"({flat_shape((inner[0], *size))}). Output size is too small")


def _hashable(value):
    return tuple(value) if type(value) is list else value


@lru_cache(1024, typed=True)
def _max_pool_arguments(name, dims, x, kernel_size, stride, padding, dilation, ceil_mode):
    """(kernel, stride, padding, dilation, size) for an input with the meta `x`, checked."""
    kernel, stride, padding, dilation = _window(name, dims, kernel_size, stride, padding, dilation)
    if dims == 1:
        _check_one(name, x, kernel, stride, padding, dilation)
    if len(x.shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"{name}: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with "
                           f"optional 0 dim batch size for input, but got:{list(x.shape)}"
                           if dims == 1 else
                           f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for "
                           "input")
    if x.dtype.is_complex or x.dtype.name == "bool":
        raise not_implemented_for(f"max_pool{dims}d", x.dtype)
    size = _pooled(name, x.shape[-dims:], kernel, stride, padding, dilation, ceil_mode)
    if dims == 1:
        _check_one_result(name, x, size)
    else:
        kind = "max_pool3d_with_indices_out_cpu_template()" if dims == 3 else name
        _check_shape(kind, x, dims, kernel, stride, dilation, size)
    return kernel, stride, padding, dilation, size


def _max_pool(name, dims, x, kernel_size, stride, padding, dilation, ceil_mode, with_indices):
    need_tensor(x, name, "input", 1)
    kernel, stride, padding, dilation, size = _max_pool_arguments(
        name, dims, x._meta, _hashable(kernel_size), _hashable(stride), _hashable(padding),
        _hashable(dilation), bool(ceil_mode))
    if with_indices or (STATE.own.grad and x.requires_grad and x.is_floating_point()):
        return _MAX[dims](x, kernel=kernel, stride=stride, padding=padding, dilation=dilation,
                          size=size)
    return (_max_values_op(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation,
                           size=size),)


def _check_one(name, x, kernel, stride, padding, dilation):
    if kernel[0] <= 0:
        raise RuntimeError(f"{name}() kernel_size must be greater than zero, but got {kernel[0]}")
    if stride[0] <= 0:
        raise RuntimeError(f"{name}() stride must be greater than zero, but got {stride[0]}")
    if dilation[0] <= 0:
        raise RuntimeError(f"{name}() dilation must be greater than zero, but got {dilation[0]}")


def _check_one_result(name, x, size):
    inner = x.shape[1:] if len(x.shape) == 3 else x.shape
    if any(n == 0 for n in inner):
        raise RuntimeError(f"{name}: Expected 2D or 3D (batch mode) tensor with optional 0 dim "
                           f"batch size for input, but got:{list(x.shape)}")
    if size[0] <= 0:
        raise RuntimeError(f"{name}() Invalid computed output size: {size[0]}")


def _publish_max_pool(dims):
    name = f"max_pool{dims}d"

    def functional(input, kernel_size, stride=None, padding=0, dilation=1,  # noqa: A002
                   ceil_mode=False, return_indices=False):
        made = _max_pool(name, dims, input, kernel_size, stride, padding, dilation, ceil_mode,
                         return_indices)
        return made if return_indices else made[0]

    def plain(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):  # noqa: A002
        return _max_pool(name, dims, input, kernel_size, stride, padding, dilation, ceil_mode,
                         False)[0]

    def indices(input, kernel_size, stride=None, padding=0, dilation=1,  # noqa: A002
                ceil_mode=False, return_indices=True):
        return _max_pool(name, dims, input, kernel_size, stride, padding, dilation, ceil_mode,
                         True)
    functional.__doc__ = plain.__doc__ = (
        f"The largest value of each window of the last {dims} dimensions of (N, C, ...) or "
        "(C, ...).\n\n    Windows start every `stride` values (default: the kernel size), take "
        "every `dilation`-th value,\n    and see -inf in the `padding`. ceil_mode keeps a window "
        "that leaves the input on the right.\n    return_indices also gives the flat position "
        "of each value in its plane.")
    indices.__doc__ = f"`{name}` with its indices: (values, flat positions in the plane)."
    export("nn.functional", name=name, static=True)(functional)
    export("torch", name=name, static=True)(plain)
    export("nn.functional", name=name + "_with_indices", static=True)(indices)
    if dims == 1:
        export("torch", name=name + "_with_indices", static=True)(indices)


for _dims in (1, 2, 3):
    _publish_max_pool(_dims)


# Averages ------------------------------------------------------------------------------------

_AVERAGE_PARAMS = ("kernel", "stride", "padding", "size", "count_include_pad", "divisor")


def _average_records(dims):
    node = f"AvgPool{dims}DBackward0"
    forward = primitive(
        f"avg_pool{dims}d", "window", "x",
        lambda x, kernel, stride, padding, size, count_include_pad, divisor: _pooled_meta(
            x.dtype, x, size),
        "pooling_steps.average_pool",
        {"x": lambda g, x_meta, kernel, stride, padding, count_include_pad, divisor: backward(
            g, spatial=tuple(x_meta.shape[-len(kernel):]), kernel=kernel, stride=stride,
            padding=padding, count_include_pad=count_include_pad, divisor=divisor)},
        params=_AVERAGE_PARAMS, node_name=node)
    backward = primitive(
        f"avg_pool{dims}d_backward", "window", "x",
        lambda x, spatial, kernel, stride, padding, count_include_pad, divisor: meta(
            x.dtype, _result_shape(x, spatial)),
        "pooling_steps.average_pool_backward",
        {"x": lambda g, x_meta, kernel, stride, padding, count_include_pad, divisor: forward(
            g, kernel=kernel, stride=stride, padding=padding,
            size=tuple(x_meta.shape[-len(kernel):]), count_include_pad=count_include_pad,
            divisor=divisor)},
        params=("spatial", "kernel", "stride", "padding", "count_include_pad", "divisor"),
        node_name=f"AvgPool{dims}DBackwardBackward0")
    return forward


_AVERAGE = {dims: _average_records(dims) for dims in (1, 2, 3)}


def _average_pool(name, dims, x, kernel_size, stride, padding, ceil_mode, count_include_pad,
                  divisor_override):
    need_tensor(x, name, "input", 1)
    kernel, stride, padding, dilation = _window(name, dims, kernel_size, stride, padding, 1)
    if divisor_override == 0 and divisor_override is not None:
        raise RuntimeError("divisor must be not zero")
    if len(x.shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for "
                           "input" if dims == 3 else
                           f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional "
                           f"0 dim batch size for input, but got:{list(x.shape)}")
    if x.dtype.is_complex or (x.dtype.category < 2 and x.dtype.name != "int64"):
        raise not_implemented_for(f"avg_pool{min(max(dims, 2), 3)}d_out_frame", x.dtype)
    size = _pooled(name, x.shape[-dims:], kernel, stride, padding, dilation, ceil_mode)
    _check_shape(f"{name}()", x, dims, kernel, stride, dilation, size)
    if dims == 3 and any(n < k for n, k in zip(x.shape[-3:], kernel)):
        inputs = " ".join(f"{a}: {n}" for a, n in zip("THW", x.shape[-3:]))
        kernels = " ".join(f"k{a}: {k}" for a, k in zip("THW", kernel))
        raise RuntimeError(f"input image ({inputs}) smaller than kernel size ({kernels})")
    return _AVERAGE[dims](x, kernel=kernel, stride=stride, padding=padding, size=size,
                          count_include_pad=bool(count_include_pad), divisor=divisor_override)


@export("torch", "nn.functional")
def avg_pool1d(input, kernel_size, stride=(), padding=0, ceil_mode=False,  # noqa: A002
               count_include_pad=True):
    """The mean of each window of (N, C, L) or (C, L); the padding counts as zeros or not at all."""
    return _average_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode,
                         count_include_pad, None)


@export("nn.functional")
def avg_pool2d(input, kernel_size, stride=(), padding=0, ceil_mode=False,  # noqa: A002
               count_include_pad=True, divisor_override=None):
    """The mean of each window of (N, C, H, W) or (C, H, W).

    divisor_override: divide the sums by this instead of by the number of values.
    """
    return _average_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode,
                         count_include_pad, divisor_override)


@export("nn.functional")
def avg_pool3d(input, kernel_size, stride=(), padding=0, ceil_mode=False,  # noqa: A002
               count_include_pad=True, divisor_override=None):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W)."""
    return _average_pool("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode,
                         count_include_pad, divisor_override)


# The inverse of maximum pooling --------------------------------------------------------------

_UNPOOL = {
    dims: primitive(
        f"max_unpool{dims}d", "scatter", "x index",
        lambda x, index, spatial: _pooled_meta(x.dtype, x, spatial),
        "pooling_steps.max_unpool",
        {"x": lambda g, index, spatial: pick_op(g, index, dims=len(spatial))},
        params=("spatial",), node_name=f"MaxUnpool{dims}DBackward0", checks=True)
    for dims in (1, 2, 3)
}


def _max_unpool(dims, x, index, kernel_size, stride, padding, output_size):
    name = f"max_unpool{dims}d"
    kernel, stride, padding, _ = _window(name, dims, kernel_size, stride, padding, 1)
    if index.dtype is not dt.int64:
        raise RuntimeError("elements in indices should be type int64 but got: "
                           f"{index.dtype.name}")
    if x.shape != index.shape:
        extra = (1,) if dims == 1 else ()
        raise RuntimeError("Expected shape of indices to be same as that of the input tensor "
                           f"({list((*x.shape, *extra))}) but got indices tensor with shape: "
                           f"{list((*index.shape, *extra))}")
    natural = [(n - 1) * s + k - 2 * p
               for n, s, k, p in zip(x.shape[-dims:], stride, kernel, padding)]
    if output_size is None:
        size = natural
    else:
        size = list(output_size)
        if len(size) == dims + 2:
            size = size[2:]
        if len(size) != dims:
            raise ValueError("output_size should be a sequence containing "
                             f"{dims} or {dims + 2} elements, but it has a length of "
                             f"'{len(size)}'")
        for axis in range(dims):
            low, high = natural[axis] - stride[axis], natural[axis] + stride[axis]
            if not low < size[axis] < high:
                raise ValueError(f'invalid output_size "{output_size}" (dim {axis} must be '
                                 f"between {low} and {high})")
    if len(x.shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"Input to {name} should be a {dims + 1}d or {dims + 2}d Tensor, but "
                           f"got input with {len(x.shape)} dimensions")
    return _UNPOOL[dims](x, index, spatial=tuple(size))


def _publish_unpool(dims):
    name = f"max_unpool{dims}d"

    def function(input, indices, kernel_size, stride=None, padding=0,  # noqa: A002
                 output_size=None):
        return _max_unpool(dims, input, indices, kernel_size, stride, padding, output_size)
    function.__doc__ = (f"Values put back where `max_pool{dims}d(..., return_indices=True)` found "
                        "them; zeros elsewhere.")
    export("nn.functional", name=name)(function)


for _dims in (1, 2, 3):
    _publish_unpool(_dims)
