"""Resizing images: nearest, linear, cubic, area, with and without antialiasing."""

from __future__ import annotations

import math

from .arguments import image_meta, need_tensor, not_implemented_for
from .record import export, primitive

_NODES = {
    ("nearest", 1): "UpsampleNearest1D", ("nearest", 2): "UpsampleNearest2D",
    ("nearest", 3): "UpsampleNearest3D", ("nearest-exact", 1): "UpsampleNearestExact1D",
    ("nearest-exact", 2): "UpsampleNearestExact2D", ("nearest-exact", 3): "UpsampleNearestExact3D",
    ("linear", 1): "UpsampleLinear1D", ("linear", 2): "UpsampleBilinear2D",
    ("linear", 3): "UpsampleTrilinear3D", ("cubic", 2): "UpsampleBicubic2D",
}  # fmt: skip
_PARAMS = ("mode", "size", "align_corners", "factors", "antialias")


def _records(mode, dims, antialias):
    node = _NODES[mode, dims] + ("Aa" if antialias else "")
    name = f"upsample_{mode}{dims}d" + ("_aa" if antialias else "")
    forward = primitive(
        name, "gather", "x",
        lambda x, mode, size, align_corners, factors, antialias: image_meta(
            x.dtype, (*x.shape[:2], *size), x),
        "interpolation.upsample",
        {"x": lambda g, x_meta, mode, align_corners, factors, antialias: backward(
            g, mode=mode, size=tuple(x_meta.shape[2:]), align_corners=align_corners,
            factors=factors, antialias=antialias)},
        params=_PARAMS, node_name=node + "Backward0")
    backward = primitive(
        name + "_backward", "scatter", "x",
        lambda x, mode, size, align_corners, factors, antialias: image_meta(
            x.dtype, (*x.shape[:2], *size), x),
        "interpolation.upsample_backward",
        {"x": lambda g, x_meta, mode, align_corners, factors, antialias: forward(
            g, mode=mode, size=tuple(x_meta.shape[2:]), align_corners=align_corners,
            factors=factors, antialias=antialias)},
        params=_PARAMS, node_name=node + "BackwardBackward0")
    return forward


_UPSAMPLE = {(mode, dims, False): _records(mode, dims, False) for mode, dims in _NODES}
_UPSAMPLE.update({(mode, 2, True): _records(mode, 2, True) for mode in ("linear", "cubic")})

_MODES = {"nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3), "linear": (1,),
          "bilinear": (2,), "bicubic": (2,), "trilinear": (3,)}


def _target(input, size, scale_factor, recompute):  # noqa: A002
    """(size per dimension, scale factor per dimension or Nones)."""
    spatial = tuple(input.shape[2:])
    dims = len(spatial)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        if isinstance(size, (tuple, list)):
            if len(size) != dims:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got "
                    f"input with spatial dimensions of {list(spatial)} and output size of {size}. "
                    "Please provide input tensor in (N, C, d1, d2, ...,dK) format and output size "
                    "in (o1, o2, ...,oK) format.")
            return tuple(int(n) for n in size), (None,) * dims
        return (int(size),) * dims, (None,) * dims
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if isinstance(scale_factor, (tuple, list)):
        if len(scale_factor) != dims:
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got "
                f"input with spatial dimensions of {list(spatial)} and scale_factor of shape "
                f"{scale_factor}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                "scale_factor in (s1, s2, ...,sK) format.")
        factors = tuple(float(f) for f in scale_factor)
    else:
        factors = (float(scale_factor),) * dims
    size = tuple(math.floor(n * f) for n, f in zip(spatial, factors))
    return size, (None,) * dims if recompute else factors


def _check_sizes(input, size, dims):  # noqa: A002
    if len(input.shape) != dims + 2:
        return
    if any(n <= 0 for n in size) or any(n == 0 for n in input.shape[2:]):
        letters = {1: "W", 2: "HW", 3: "DHW"}[dims]

        def text(shape):
            return ", ".join(f"{a}: {n}" for a, n in zip(letters, shape))
        raise RuntimeError("Input and output sizes should be greater than 0, but got input "
                           f"({text(input.shape[2:])}) output ({text(size)})")
    if input.shape[1] == 0:
        raise RuntimeError(f"Non-empty {dims + 2}D data tensor expected but got a tensor with "
                           f"sizes {list(input.shape)}")


@export("nn.functional")
def interpolate(input, size=None, scale_factor=None, mode="nearest",  # noqa: A002
                align_corners=None, recompute_scale_factor=None, antialias=False):
    """(N, C, ...) resized to `size`, or by `scale_factor`.

    mode: "nearest" (PyTorch's old rounding), "nearest-exact", "linear" (signals), "bilinear",
    "bicubic" (images), "trilinear" (volumes), "area" (means). align_corners puts the corner
    pixels' centres, not their outer corners, on each other. antialias widens the kernel when an
    image shrinks (bilinear and bicubic). recompute_scale_factor takes the scale from the sizes.
    """
    need_tensor(input, "interpolate", "input", 1)
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: "
                             "linear | bilinear | bicubic | trilinear")
    elif align_corners is None:
        align_corners = False
    ndim = len(input.shape)
    target, factors = _target(input, size, scale_factor, recompute_scale_factor)
    if mode == "area" and not antialias:
        from . import adaptive_pooling
        if ndim in (3, 4, 5):
            pool = getattr(adaptive_pooling, f"adaptive_avg_pool{ndim - 2}d")
            return pool(input, target)
    if antialias and not (mode in ("bilinear", "bicubic") and ndim == 4):
        raise ValueError("Anti-alias option is restricted to bilinear and bicubic modes and "
                         "requires a 4-D tensor as input")
    if ndim not in (3, 4, 5) or mode not in _MODES:
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{ndim}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | "
            f"nearest-exact (got {mode})")
    if ndim - 2 not in _MODES[mode]:
        wanted = _MODES[mode][0] + 2
        raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {wanted}D input")
    return upsample_to(input, mode, target, align_corners, factors, antialias)


def upsample_to(input, mode, size, align_corners, factors, antialias=False):  # noqa: A002
    """`interpolate` with everything decided."""
    dims = len(input.shape) - 2
    _check_sizes(input, size, dims)
    short = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    if input.dtype.category < 2 and input.dtype.name != "uint8" or input.dtype.is_complex:
        raise not_implemented_for("compute_indices_weights_" + short, input.dtype)
    return _UPSAMPLE[short, dims, bool(antialias)](
        input, mode=short, size=tuple(size), align_corners=bool(align_corners), factors=factors,
        antialias=bool(antialias))
