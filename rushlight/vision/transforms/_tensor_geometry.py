"""What the functional transforms do to the geometry of tensor images (..., C, H, W)."""

import numpy

import rushlight
from rushlight import Tensor
from rushlight.nn import functional as nnf
from rushlight.vision.transforms._modes import InterpolationMode
from rushlight.vision.transforms._tensor_casts import as_float_batch, from_float_batch
from rushlight.vision.transforms._tensor_color import require_tensor

_FLOATS = [rushlight.float32, rushlight.float64]


def hflip(img):
    require_tensor(img)
    return img.flip(-1)


def vflip(img):
    require_tensor(img)
    return img.flip(-2)


def crop(img, top, left, height, width):
    """The window at (top, left); whatever of it lies outside the picture is zero."""
    require_tensor(img)
    rows, columns = img.shape[-2:]
    bottom, right = top + height, left + width
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if top >= 0 and left >= 0 and bottom <= rows and right <= columns:
        return inside
    # How far each edge of the window overhangs its side of the picture.
    left_margin = max(-left + min(0, right), 0)
    top_margin = max(-top + min(0, bottom), 0)
    right_margin = max(right - max(columns, left), 0)
    bottom_margin = max(bottom - max(rows, top), 0)
    return nnf.pad(inside, [left_margin, right_margin, top_margin, bottom_margin])


def resize(img, size, interpolation, antialias):
    """`size` is [height, width]."""
    require_tensor(img)
    mode = interpolation.value
    smooth = interpolation in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
    if interpolation is InterpolationMode.LANCZOS:
        raise ValueError("Interpolation mode 'lanczos' is unsupported with Tensor input")
    batch, restore = as_float_batch(img, _FLOATS)
    batch = nnf.interpolate(
        batch,
        size=list(size),
        mode=mode,
        align_corners=False if smooth else None,
        antialias=bool(antialias) and smooth,
    )
    if img.dtype == rushlight.uint8 and mode == "bicubic":
        batch = batch.clamp(min=0, max=255)  # cubic weights overshoot
    return from_float_batch(batch, restore)


def pad(img, padding, fill, padding_mode):
    require_tensor(img)
    if fill is None:
        fill = 0
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if not isinstance(fill, (int, float)):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} "
            "element tuple"
        )
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if isinstance(padding, int):
        left = top = right = bottom = padding
    elif len(padding) == 4:
        left, top, right, bottom = padding
    else:
        left, top = right, bottom = (padding[0], padding[-1])
    if padding_mode == "symmetric":
        return _pad_symmetric(img, left, top, right, bottom)
    sides = [left, right, top, bottom]
    if padding_mode == "constant":
        return nnf.pad(img, sides, value=float(fill))
    was_plane = img.ndim < 3
    batch, restore = as_float_batch(img.unsqueeze(0) if was_plane else img, _FLOATS)
    mode = "replicate" if padding_mode == "edge" else padding_mode
    result = from_float_batch(nnf.pad(batch, sides, mode=mode), restore)
    return result.squeeze(0) if was_plane else result


def _mirrored_indices(length, before, after):
    """Positions along one axis: mirrored at both ends (edges repeat), cropped where negative."""
    inner = list(range(max(-before, 0), length - max(-after, 0)))
    return (
        list(range(before - 1, -1, -1)) + inner + [length - 1 - step for step in range(after)]
    )


def _pad_symmetric(img, left, top, right, bottom):
    height, width = img.shape[-2:]
    rows = rushlight.tensor(_mirrored_indices(height, top, bottom), device=img.device)
    columns = rushlight.tensor(_mirrored_indices(width, left, right), device=img.device)
    return img.index_select(-2, rows).index_select(-1, columns)


# Sampling along a grid ------------------------------------------------------------------------


def _fill_values(fill, channels):
    """`fill` as None or a list of floats that broadcasts over the channels."""
    if fill is None:
        return None
    values = [float(value) for value in (fill if isinstance(fill, (tuple, list)) else [fill])]
    if len(values) not in (1, channels):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels "
            f"of the image ({len(values)} != {channels})"
        )
    return values


def _require_sampling_mode(interpolation, permitted):
    if interpolation.value not in permitted:
        raise ValueError(
            f"Interpolation mode '{interpolation.value}' is unsupported with Tensor input"
        )


def _sample(img, grid, interpolation, fill):
    """`img` read at `grid` (1, H, W, 2) in [-1, 1]; `fill` where the grid leaves the picture."""
    batch, restore = as_float_batch(img, [grid.dtype])
    batch_size, channels = batch.shape[:2]
    if batch_size > 1:
        grid = grid.expand(batch_size, grid.shape[1], grid.shape[2], 2)
    if fill is not None:
        # A channel of ones comes along: what is left of it after sampling says how much of each
        # output pixel was really inside.
        ones = rushlight.ones(
            (batch_size, 1) + tuple(batch.shape[-2:]), dtype=batch.dtype, device=batch.device
        )
        batch = rushlight.cat((batch, ones), dim=1)
    batch = nnf.grid_sample(
        batch, grid, mode=interpolation.value, padding_mode="zeros", align_corners=False
    )
    if fill is not None:
        inside = batch[:, -1:].expand(-1, channels, -1, -1)
        batch = batch[:, :-1]
        background = rushlight.tensor(fill, dtype=batch.dtype, device=batch.device)
        background = background.view(1, len(fill), 1, 1).expand_as(batch)
        if interpolation is InterpolationMode.NEAREST:
            batch = rushlight.where(inside < 0.5, background, batch)
        else:
            batch = batch * inside + (1.0 - inside) * background
    return from_float_batch(batch, restore)


def _pixel_centres(height, width, start_x, start_y, dtype, device):
    """(1, H * W, 3) of (x, y, 1), columns from `start_x` and rows from `start_y` in steps of 1."""
    x = rushlight.linspace(start_x, start_x + width - 1, steps=width, dtype=dtype, device=device)
    y = rushlight.linspace(start_y, start_y + height - 1, steps=height, dtype=dtype, device=device)
    x = x.view(1, width).expand(height, width)
    y = y.view(height, 1).expand(height, width)
    return rushlight.stack((x, y, rushlight.ones_like(x)), dim=-1).view(1, height * width, 3)


def _grid_dtype(img):
    return img.dtype if img.is_floating_point() else rushlight.float32


def affine_about_middle(img, matrix, interpolation, fill, output_size=None):
    """`img` under the output-to-input map `matrix` (six numbers), origin at its middle.

    `output_size` is [height, width]; by default the picture's own.
    """
    require_tensor(img)
    _require_sampling_mode(interpolation, ("nearest", "bilinear"))
    fill = _fill_values(fill, img.shape[-3] if img.ndim > 2 else 1)
    height, width = img.shape[-2:]
    rows, columns = output_size or (height, width)
    dtype = _grid_dtype(img)
    theta = rushlight.tensor(matrix, dtype=dtype, device=img.device).view(1, 2, 3)
    half = rushlight.tensor([0.5 * width, 0.5 * height], dtype=dtype, device=img.device)
    centres = _pixel_centres(
        rows, columns, 0.5 - columns * 0.5, 0.5 - rows * 0.5, dtype, img.device
    )
    grid = centres.bmm(theta.transpose(1, 2) / half).view(1, rows, columns, 2)
    return _sample(img, grid, interpolation, fill)


def rotated_size(matrix, width, height):
    """(width, height) of the upright box around a picture turned by `matrix`."""
    corners_x, corners_y = [], []
    for x, y in (
        (-0.5 * width, -0.5 * height),
        (-0.5 * width, 0.5 * height),
        (0.5 * width, 0.5 * height),
        (0.5 * width, -0.5 * height),
    ):
        corners_x.append(x * matrix[0] + y * matrix[1] + matrix[2])
        corners_y.append(x * matrix[3] + y * matrix[4] + matrix[5])
    sides = []
    step = numpy.float32(1e-3)
    for corners, offset in ((corners_x, 0.5 * width), (corners_y, 0.5 * height)):
        # Cut to thousandths first: 90 degrees must not gain a column from a cosine of 6e-17.
        span = numpy.array([min(corners), max(corners)], dtype=numpy.float32)
        low, high = numpy.trunc((span + numpy.float32(offset)) / step) * step
        sides.append(int(numpy.ceil(high) - numpy.floor(low)))
    return sides[0], sides[1]


def perspective(img, coefficients, interpolation, fill):
    """`img` read at ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1))."""
    require_tensor(img)
    _require_sampling_mode(interpolation, ("nearest", "bilinear"))
    fill = _fill_values(fill, img.shape[-3] if img.ndim > 2 else 1)
    height, width = img.shape[-2:]
    dtype, device = _grid_dtype(img), img.device
    a, b, c, d, e, f, g, h = coefficients
    above = rushlight.tensor([[[a, b, c], [d, e, f]]], dtype=dtype, device=device)
    below = rushlight.tensor([[[g, h, 1.0], [g, h, 1.0]]], dtype=dtype, device=device)
    half = rushlight.tensor([0.5 * width, 0.5 * height], dtype=dtype, device=device)
    centres = _pixel_centres(height, width, 0.5, 0.5, dtype, device)
    numerator = centres.bmm(above.transpose(1, 2) / half)
    denominator = centres.bmm(below.transpose(1, 2))
    grid = (numerator / denominator - 1.0).view(1, height, width, 2)
    return _sample(img, grid, interpolation, fill)


def elastic(img, displacement, interpolation, fill):
    """`img` read at each pixel's own place plus its `displacement` (1, H, W, 2) in [-1, 1]."""
    require_tensor(img)
    fill = _fill_values(fill, img.shape[-3] if img.ndim > 2 else 1)
    height, width = img.shape[-2:]
    x = rushlight.linspace((-width + 1) / width, (width - 1) / width, width)
    y = rushlight.linspace((-height + 1) / height, (height - 1) / height, height)
    x = x.view(1, width).expand(height, width)
    y = y.view(height, 1).expand(height, width)
    identity = rushlight.stack((x, y), dim=-1).unsqueeze(0).to(img.device)
    grid = identity + displacement.to(img.device)
    return _sample(img, grid, interpolation, fill)


# Blur -----------------------------------------------------------------------------------------


def _gaussian_weights(size, sigma, dtype, device):
    half = (size - 1) * 0.5
    x = rushlight.linspace(-half, half, steps=size, dtype=dtype, device=device)
    weights = rushlight.exp(-0.5 * (x / sigma).pow(2))
    return weights / weights.sum()


def gaussian_blur(img, kernel_size, sigma):
    """`kernel_size` and `sigma` are (x, y); the picture is mirrored at its edges."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor. Got {type(img)}")
    require_tensor(img)
    dtype = _grid_dtype(img)
    along_x = _gaussian_weights(kernel_size[0], sigma[0], dtype, img.device)
    along_y = _gaussian_weights(kernel_size[1], sigma[1], dtype, img.device)
    kernel = rushlight.mm(along_y[:, None], along_x[None, :])
    channels = img.shape[-3]
    kernel = kernel.expand(channels, 1, kernel.shape[0], kernel.shape[1])
    batch, restore = as_float_batch(img, [dtype])
    reach_x, reach_y = kernel_size[0] // 2, kernel_size[1] // 2
    batch = nnf.pad(batch, [reach_x, reach_x, reach_y, reach_y], mode="reflect")
    return from_float_batch(nnf.conv2d(batch, kernel, groups=channels), restore)


def erase(img, top, left, height, width, value, inplace):
    require_tensor(img)
    result = img if inplace else img.clone()
    result[..., top : top + height, left : left + width] = value
    return result
