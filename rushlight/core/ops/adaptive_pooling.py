"""Pooling to a given size: adaptive bins, and pseudo-random (fractional) windows."""

from __future__ import annotations

from ..base import dtypes as dt
from ..base.shapes import meta
from .arguments import image_meta, need_tensor, not_implemented_for
from .pooling import _result_shape, send_op
from .record import export, primitive


def _average_records(dims):
    forward = primitive(
        f"adaptive_avg_pool{dims}d", "window", "x",
        lambda x, size: image_meta(x.dtype, _result_shape(x, size), x),
        "pooling_steps.adaptive_average_pool",
        {"x": lambda g, x_meta, size: backward(g, spatial=tuple(x_meta.shape[-len(size):]))},
        params=("size",), node_name=f"AdaptiveAvgPool{dims}DBackward0")
    backward = primitive(
        f"adaptive_avg_pool{dims}d_backward", "window", "x",
        lambda x, spatial: meta(x.dtype, _result_shape(x, spatial)),
        "pooling_steps.adaptive_average_pool_backward",
        {"x": lambda g, x_meta, spatial: forward(g, size=tuple(x_meta.shape[-len(spatial):]))},
        params=("spatial",), node_name=f"AdaptiveAvgPool{dims}DBackwardBackward0")
    return forward


def _chosen_backward(g0, out1, x_meta, size):
    return send_op(g0, out1, spatial=tuple(x_meta.shape[-len(size):]), disjoint=False)


def _two_metas(x, size):
    shape = _result_shape(x, size)
    return image_meta(x.dtype, shape, x), image_meta(dt.int64, shape, x)


_AVERAGE = {dims: _average_records(dims) for dims in (1, 2, 3)}
_MAX = {
    dims: primitive(
        f"adaptive_max_pool{dims}d", "window", "x", _two_metas, "pooling_steps.adaptive_max_pool",
        {"x": _chosen_backward}, params=("size",), multi=2, non_differentiable=(1,),
        node_name=f"AdaptiveMaxPool{dims}DBackward0")
    for dims in (1, 2, 3)
}
_FRACTIONAL = {
    dims: primitive(
        f"fractional_max_pool{dims}d", "window", "x samples",
        lambda x, samples, kernel, size: _two_metas(x, size), "pooling_steps.fractional_max_pool",
        {"x": _chosen_backward}, params=("kernel", "size"), multi=2, non_differentiable=(1,),
        node_name=f"FractionalMaxPool{dims}DBackward0")
    for dims in (2, 3)
}


def _wanted_size(name, dims, x, output_size, strict):
    """output_size as a tuple; None keeps that dimension."""
    if output_size is None or not isinstance(output_size, (tuple, list)):
        size = (output_size,) * dims
    else:
        size = tuple(output_size)
        if len(size) == 1 and dims == 1:
            pass
        elif len(size) != dims:
            if dims == 1:
                raise RuntimeError(f"{name}() argument 'output_size' should contain one int (got "
                                   f"{len(size)})")
            raise RuntimeError(f"{name}: output_size must be {dims}" if strict else
                               f"{name}(): internal error: output_size.size() must be {dims}")
    return tuple(n if s is None else int(s) for s, n in zip(size, x.shape[-dims:]))


def _check_input(name, dims, x):
    if dims > 1 and len(x.shape) < dims + 1:
        raise ValueError(f"Input dimension should be at least {dims + 1}")
    if len(x.shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"{name}(): Expected {dims + 1}D or {dims + 2}D tensor, but got "
                           f"{list(x.shape)}")
    first = len(x.shape) - dims
    for axis in range(first, len(x.shape)):
        if x.shape[axis] == 0:
            raise RuntimeError(f"{name}(): Expected input to have non-zero size for non-batch "
                               f"dimensions, but input has sizes {list(x.shape)} with dimension "
                               f"{axis} being empty")


def _adaptive_average(dims, input, output_size):  # noqa: A002
    name = f"adaptive_avg_pool{dims}d"
    need_tensor(input, name, "input", 1)
    if dims > 1 and len(input.shape) < dims + 1:
        raise ValueError(f"Input dimension should be at least {dims + 1}")
    size = _wanted_size(name, dims, input, output_size, True)
    if any(n < 0 for n in size):
        text = ", ".join(map(str, size))
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0 "
                           f"but received {{{text}}}")
    _check_input(name, dims, input)
    if input.dtype.category < 2:
        raise not_implemented_for("adaptive_avg_pool2d", input.dtype)
    return _AVERAGE[dims](input, size=size)


def _adaptive_max(dims, input, output_size):  # noqa: A002
    name = f"adaptive_max_pool{dims}d"
    need_tensor(input, name, "input", 1)
    if dims > 1 and len(input.shape) < dims + 1:
        raise ValueError(f"Input dimension should be at least {dims + 1}")
    size = _wanted_size(name, dims, input, output_size, False)
    if any(n < 0 for n in size):
        shape = list((*input.shape[:-dims], *size))
        raise RuntimeError(f"Trying to create tensor with negative dimension "
                           f"{next(n for n in size if n < 0)}: {shape}")
    _check_input(name, dims, input)
    if input.dtype.category != 2:
        raise not_implemented_for(name, input.dtype)
    return _MAX[dims](input, size=size)


@export("torch", "nn.functional")
def adaptive_avg_pool1d(input, output_size):  # noqa: A002
    """Means over output_size bins that cover (N, C, L) or (C, L)."""
    return _adaptive_average(1, input, output_size)


@export("nn.functional")
def adaptive_avg_pool2d(input, output_size):  # noqa: A002
    """Means over a grid of bins that cover (N, C, H, W); an output size of None keeps the size."""
    return _adaptive_average(2, input, output_size)


@export("nn.functional")
def adaptive_avg_pool3d(input, output_size):  # noqa: A002
    """Means over a grid of bins that cover (N, C, D, H, W); None keeps the size."""
    return _adaptive_average(3, input, output_size)


def _publish_adaptive_max(dims):
    name = f"adaptive_max_pool{dims}d"

    def functional(input, output_size, return_indices=False):  # noqa: A002
        made = _adaptive_max(dims, input, output_size)
        return made if return_indices else made[0]

    def indices(input, output_size, return_indices=True):  # noqa: A002
        return _adaptive_max(dims, input, output_size)
    functional.__doc__ = (f"The largest values of bins that cover the last {dims} dimensions; "
                          "return_indices also gives their flat positions.")
    indices.__doc__ = f"`{name}` with its indices."
    export("nn.functional", name=name)(functional)
    export("nn.functional", name=name + "_with_indices")(indices)
    if dims == 1:
        export("torch", name=name)(indices)


for _dims in (1, 2, 3):
    _publish_adaptive_max(_dims)


def _fractional(dims, x, kernel_size, output_size, output_ratio, samples):
    name = f"fractional_max_pool{dims}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")

    def spread(value):
        return tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    kernel = spread(kernel_size)
    if output_size is None:
        output_size = [int(n * r) for n, r in zip(x.shape[-dims:], spread(output_ratio))]
    size = tuple(map(int, spread(output_size)))
    if len(x.shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"{name}: Expected {dims + 1}D or {dims + 2}D tensor, but got: "
                           f"{list(x.shape)}")
    words = ("height", "width") if dims == 2 else ("time", "height", "width")
    for word, n, k, out in zip(words, x.shape[-dims:], kernel, size):
        too_large = out + k - 1 > n if dims == 2 else out + k - 1 >= n
        if too_large:
            shown = f"{word} {k}" if dims == 2 else f"{word} {k}"
            raise RuntimeError(f"{name}{'()' if dims == 2 else '_out()'}: pool {shown} too large "
                               f"relative to input {word} {n}")
    if samples is None:
        import rushlight
        batch = x.shape[0] if len(x.shape) == dims + 2 else 1
        samples = rushlight.rand(batch, x.shape[-dims - 1], dims, dtype=x.dtype)
    return _FRACTIONAL[dims](x, samples, kernel=kernel, size=size)


def _publish_fractional(dims):
    name = f"fractional_max_pool{dims}d"

    def functional(input, kernel_size, output_size=None, output_ratio=None,  # noqa: A002
                   return_indices=False, _random_samples=None):
        made = _fractional(dims, input, kernel_size, output_size, output_ratio, _random_samples)
        return made if return_indices else made[0]

    def indices(input, kernel_size, output_size=None, output_ratio=None,  # noqa: A002
                return_indices=True, _random_samples=None):
        return _fractional(dims, input, kernel_size, output_size, output_ratio, _random_samples)
    functional.__doc__ = (
        "Maximum pooling over windows whose starts are drawn at random, so that any size up to the "
        "input's can be asked for (Graham 2014).\n\n    _random_samples (N, C, dimensions) in "
        "[0, 1) fixes the draw.")
    indices.__doc__ = f"`{name}` with its indices."
    export("nn.functional", name=name)(functional)
    export("nn.functional", name=name + "_with_indices")(indices)


for _dims in (2, 3):
    _publish_fractional(_dims)
