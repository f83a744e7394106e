"""Sampling images at the points of a grid, and grids of affine transformations."""

from __future__ import annotations

from ..base.shapes import meta
from .arguments import image_meta, need_tensor, not_implemented_for
from .record import export, primitive

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _no_second_derivative(name):
    def derivative(g):
        raise RuntimeError(f"derivative for aten::{name} is not implemented")
    return derivative


def _records(dims):
    name = f"grid_sampler_{dims}d"
    forward = primitive(
        name, "gather", "x grid",
        lambda x, grid, mode, padding, align_corners: image_meta(
            x.dtype, (*x.shape[:2], *grid.shape[1:-1]), x),
        "grid.grid_sample",
        {("x", "grid"): lambda g, x, grid, mode, padding, align_corners: backward(
            g, x, grid, mode=mode, padding=padding, align_corners=align_corners)},
        params=("mode", "padding", "align_corners"), node_name=f"GridSampler{dims}DBackward0")
    never = _no_second_derivative(name + "_backward")
    backward = primitive(
        name + "_backward", "scatter", "y x grid",
        lambda y, x, grid, mode, padding, align_corners: (
            meta(x.dtype, x.shape), meta(grid.dtype, grid.shape)),
        "grid.grid_sample_backward",
        {"y": lambda g0: never(g0), "x": lambda g0: never(g0), "grid": lambda g0: never(g0)},
        params=("mode", "padding", "align_corners"), multi=2,
        node_name=f"GridSampler{dims}DBackwardBackward0")
    return forward


_SAMPLERS = {2: _records(2), 3: _records(3)}


def _sample(input, grid, mode, padding, align_corners):  # noqa: A002
    """mode and padding by PyTorch's numbers."""
    need_tensor(input, "grid_sampler", "input", 1)
    need_tensor(grid, "grid_sampler", "grid", 2)
    if input.dtype is not grid.dtype:
        raise RuntimeError("grid_sampler(): expected input and grid to have same dtype, but input "
                           f"has {input.dtype.name} and grid has {grid.dtype.name}")
    shape, points = tuple(input.shape), tuple(grid.shape)
    if not shape or not points or shape[0] != points[0]:
        raise RuntimeError("grid_sampler(): expected grid and input to have same batch size, but "
                           f"got input with sizes {list(shape)} and grid with sizes "
                           f"{list(points)}")
    dims = len(shape) - 2
    if points[-1] != dims:
        raise RuntimeError(f"grid_sampler(): expected grid to have size {dims} in last dimension, "
                           f"but got grid with sizes {list(points)}")
    for axis in range(2, len(shape)):
        if shape[axis] <= 0:
            raise RuntimeError("grid_sampler(): expected input to have non-empty spatial "
                               f"dimensions, but input has sizes {list(shape)} with dimension "
                               f"{axis} being empty")
    if dims not in (2, 3) or len(points) != len(shape):
        raise RuntimeError("grid_sampler(): expected 4D or 5D input and grid with same number of "
                           f"dimensions, but got input with sizes {list(shape)} and grid with "
                           f"sizes {list(points)}")
    if dims == 3 and _MODES[mode] == "bicubic":
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype.category != 2:
        raise not_implemented_for(f"grid_sampler{dims}d_cpu", input.dtype)
    return _SAMPLERS[dims](input, grid, mode=_MODES[mode], padding=_PADDINGS[padding],
                           align_corners=bool(align_corners))


@export("torch")
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):  # noqa: A002
    """`torch.nn.functional.grid_sample` with numbers for the modes."""
    return _sample(input, grid, interpolation_mode, padding_mode, align_corners)


@export("torch")
def grid_sampler_2d(input, grid, interpolation_mode, padding_mode, align_corners):  # noqa: A002
    """`grid_sampler` of images."""
    return _sample(input, grid, interpolation_mode, padding_mode, align_corners)


@export("torch")
def grid_sampler_3d(input, grid, interpolation_mode, padding_mode, align_corners):  # noqa: A002
    """`grid_sampler` of volumes."""
    return _sample(input, grid, interpolation_mode, padding_mode, align_corners)


@export("nn.functional")
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros",  # noqa: A002
                align_corners=None):
    """Values of images (N, C, H, W) at points (N, H', W', 2) given as (x, y) in [-1, 1].

    For volumes (N, C, D, H, W) the points are (N, D', H', W', 3). padding_mode says what lies
    outside: "zeros", the "border" pixels, or a "reflection". Differentiable in both, once.
    """
    if mode not in _MODES:
        raise ValueError("nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' "
                         f"or 'bicubic', but got: '{mode}'")
    if padding_mode not in _PADDINGS:
        raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', "
                         f"'border', or 'reflection', but got: '{padding_mode}'")
    if align_corners is None:
        import warnings
        warnings.warn("Default grid_sample and affine_grid behavior has changed to "
                      "align_corners=False since 1.3.0. Please specify align_corners=True if the "
                      "old behavior is desired. See the documentation of grid_sample for details.",
                      UserWarning, stacklevel=3)
        align_corners = False
    return _sample(input, grid, _MODES.index(mode), _PADDINGS.index(padding_mode), align_corners)


def _base_rule(theta, spatial, align_corners):
    count = 1
    for n in spatial:
        count *= n
    return meta(theta.dtype, (count, len(spatial) + 1))


_base_grid_op = primitive("affine_base_grid", "creation", "theta", _base_rule,
                          "grid.affine_base_grid_like", None, params=("spatial", "align_corners"))


@export("torch")
def affine_grid_generator(theta, size, align_corners):
    """Points (N, *size[2:], dims) of the affine maps theta (N, dims, dims + 1)."""
    spatial = tuple(int(n) for n in size[2:])
    base = _base_grid_op(theta.detach(), spatial=spatial, align_corners=bool(align_corners))
    points = base.expand(theta.shape[0], *base.shape).bmm(theta.transpose(1, 2))
    return points.reshape(theta.shape[0], *spatial, len(spatial))


@export("nn.functional")
def affine_grid(theta, size, align_corners=None):
    """The grid for `grid_sample` of affine maps theta (N, 2, 3) or (N, 3, 4), for images of `size`.
    """
    if align_corners is None:
        import warnings
        warnings.warn("Default grid_sample and affine_grid behavior has changed to "
                      "align_corners=False since 1.3.0. Please specify align_corners=True if the "
                      "old behavior is desired. See the documentation of grid_sample for details.",
                      UserWarning, stacklevel=3)
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError("Expected theta to have floating point type, but got "
                         f"{theta.dtype!r}")
    if len(size) not in (4, 5):
        raise NotImplementedError("affine_grid only supports 4D and 5D sizes, for 2D and 3D affine "
                                  f"transforms, respectively. Got size {size}.")
    dims = len(size) - 2
    if len(theta.shape) != 3 or tuple(theta.shape[-2:]) != (dims, dims + 1):
        raise ValueError(f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1}"
                         f" for size {size}. Got {theta.shape}.")
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return affine_grid_generator(theta, size, align_corners)
