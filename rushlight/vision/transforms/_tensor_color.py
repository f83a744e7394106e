"""What the functional transforms do to the colours of tensor images (..., C, H, W)."""

import rushlight
from rushlight import Tensor
from rushlight.nn import functional as nnf
from rushlight.vision.transforms._conversion import convert_image_dtype, maximum_value
from rushlight.vision.transforms._tensor_casts import as_float_batch, from_float_batch


def require_tensor(img):
    """TypeError unless `img` is a tensor with at least two dimensions."""
    if not isinstance(img, Tensor) or img.ndim < 2:
        raise TypeError("Tensor is not a torch image.")


def dimensions(img):
    """[channels, height, width]; one channel for a tensor of two dimensions."""
    require_tensor(img)
    channels = 1 if img.ndim == 2 else img.shape[-3]
    return [channels, img.shape[-2], img.shape[-1]]


def require_channels(img, permitted):
    """TypeError unless the number of channels is one of `permitted`."""
    channels = dimensions(img)[0]
    if channels not in permitted:
        raise TypeError(
            f"Input image tensor permitted channel values are {permitted}, but found {channels}"
        )


def require_picture_rank(img):
    """TypeError unless `img` is (..., C, H, W)."""
    if img.ndim < 3:
        raise TypeError(
            f"Input image tensor should have at least 3 dimensions, but found {img.ndim}"
        )


def _blend(first, second, ratio):
    """`ratio * first + (1 - ratio) * second`, kept inside the dtype's intensities."""
    ratio = float(ratio)
    mixed = ratio * first + (1.0 - ratio) * second
    return mixed.clamp(0, maximum_value(first.dtype)).to(first.dtype)


def rgb_to_grayscale(img, num_output_channels=1):
    require_picture_rank(img)
    require_channels(img, [1, 3])
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if img.shape[-3] == 1:
        return img.clone()
    red, green, blue = img.unbind(dim=-3)
    gray = (0.2989 * red + 0.587 * green + 0.114 * blue).to(img.dtype).unsqueeze(dim=-3)
    if num_output_channels == 3:
        return gray.expand(img.shape)
    return gray


def adjust_brightness(img, factor):
    if factor < 0:
        raise ValueError(f"brightness_factor ({factor}) is not non-negative.")
    require_tensor(img)
    require_channels(img, [1, 3])
    return _blend(img, rushlight.zeros_like(img), factor)


def adjust_contrast(img, factor):
    if factor < 0:
        raise ValueError(f"contrast_factor ({factor}) is not non-negative.")
    require_tensor(img)
    require_channels(img, [3, 1])
    gray = rgb_to_grayscale(img) if dimensions(img)[0] == 3 else img
    gray = gray if gray.is_floating_point() else gray.to(rushlight.float32)
    return _blend(img, gray.mean(dim=(-3, -2, -1), keepdim=True), factor)


def adjust_saturation(img, factor):
    if factor < 0:
        raise ValueError(f"saturation_factor ({factor}) is not non-negative.")
    require_tensor(img)
    require_channels(img, [1, 3])
    if dimensions(img)[0] == 1:
        return img
    return _blend(img, rgb_to_grayscale(img), factor)


def adjust_hue(img, factor):
    if not -0.5 <= factor <= 0.5:
        raise ValueError(f"hue_factor ({factor}) is not in [-0.5, 0.5].")
    require_tensor(img)
    require_channels(img, [1, 3])
    if dimensions(img)[0] == 1:
        return img
    hue, saturation, value = _rgb_to_hsv(convert_image_dtype(img, rushlight.float32))
    rgb = _hsv_to_rgb((hue + factor) % 1.0, saturation, value)
    return convert_image_dtype(rgb, img.dtype)


def _rgb_to_hsv(img):
    """Hue (in turns), saturation and value of a float RGB image.

    With M the largest channel and m the least: value M, saturation (M - m) / M, and the hue is the
    sixth of the circle that the largest channel owns, moved by the other two's difference.
    """
    red, green, blue = img.unbind(dim=-3)
    largest = rushlight.amax(img, dim=-3)
    spread = largest - rushlight.amin(img, dim=-3)
    gray = spread == 0
    one = rushlight.ones_like(largest)
    saturation = spread / rushlight.where(gray, one, largest)
    divisor = rushlight.where(gray, one, spread)
    from_red = (largest - red) / divisor
    from_green = (largest - green) / divisor
    from_blue = (largest - blue) / divisor
    red_leads = largest == red
    green_leads = (largest == green) & ~red_leads
    blue_leads = ~(red_leads | (largest == green))
    sixths = (
        red_leads * (from_blue - from_green)
        + green_leads * (2.0 + from_red - from_blue)
        + blue_leads * (4.0 + from_green - from_red)
    )
    return rushlight.fmod(sixths / 6.0 + 1.0, 1.0), saturation, largest


def _hsv_to_rgb(hue, saturation, value):
    """The float RGB image of a hue in [0, 1), a saturation and a value."""
    sixth = rushlight.floor(hue * 6.0)
    within = hue * 6.0 - sixth
    sixth = sixth.to(rushlight.int32) % 6
    low = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    falling = (value * (1.0 - saturation * within)).clamp(0.0, 1.0)
    rising = (value * (1.0 - (saturation * (1.0 - within)))).clamp(0.0, 1.0)
    # One row per sixth of the circle: where red, green and blue come from there.
    channels = (
        (value, falling, low, low, rising, value),
        (rising, value, value, falling, low, low),
        (low, low, rising, value, value, falling),
    )
    index = sixth.unsqueeze(0).to(rushlight.int64)
    picked = [rushlight.stack(row).gather(0, index).squeeze(0) for row in channels]
    return rushlight.stack(picked, dim=-3)


def adjust_gamma(img, gamma, gain=1):
    if not isinstance(img, Tensor):
        raise TypeError("Input img should be a Tensor.")
    require_channels(img, [1, 3])
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    intensity = img if img.is_floating_point() else convert_image_dtype(img, rushlight.float32)
    return convert_image_dtype((gain * intensity**gamma).clamp(0, 1), img.dtype)


def adjust_sharpness(img, factor):
    if factor < 0:
        raise ValueError(f"sharpness_factor ({factor}) is not non-negative.")
    require_tensor(img)
    require_channels(img, [1, 3])
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    return _blend(img, _softened(img), factor)


def _softened(img):
    """`img` with its interior smoothed by a 3x3 kernel of ones with 5 in the middle, over 13."""
    dtype = img.dtype if img.is_floating_point() else rushlight.float32
    kernel = rushlight.ones((3, 3), dtype=dtype, device=img.device)
    kernel[1, 1] = 5.0
    kernel /= kernel.sum()
    kernel = kernel.expand(img.shape[-3], 1, 3, 3)
    batch, restore = as_float_batch(img, [dtype])
    smooth = from_float_batch(nnf.conv2d(batch, kernel, groups=batch.shape[-3]), restore)
    result = img.clone()
    result[..., 1:-1, 1:-1] = smooth
    return result


def invert(img):
    require_tensor(img)
    require_picture_rank(img)
    require_channels(img, [1, 3])
    return maximum_value(img.dtype) - img


def posterize(img, bits):
    require_tensor(img)
    require_picture_rank(img)
    if img.dtype != rushlight.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    require_channels(img, [1, 3])
    return img & (256 - 2 ** (8 - bits))


def solarize(img, threshold):
    require_tensor(img)
    require_picture_rank(img)
    require_channels(img, [1, 3])
    if threshold > maximum_value(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return rushlight.where(img >= threshold, invert(img), img)


def autocontrast(img):
    require_tensor(img)
    require_picture_rank(img)
    require_channels(img, [1, 3])
    largest = maximum_value(img.dtype)
    pixels = img if img.is_floating_point() else img.to(rushlight.float32)
    low = pixels.amin(dim=(-2, -1), keepdim=True)
    high = pixels.amax(dim=(-2, -1), keepdim=True)
    scale = largest / (high - low)
    flat = ~rushlight.isfinite(scale)
    low = rushlight.where(flat, rushlight.zeros_like(low), low)
    scale = rushlight.where(flat, rushlight.ones_like(scale), scale)
    return ((pixels - low) * scale).clamp(0, largest).to(img.dtype)


def equalize(img):
    require_tensor(img)
    if not 3 <= img.ndim <= 4:
        raise TypeError(f"Input image tensor should have 3 or 4 dimensions, but found {img.ndim}")
    if img.dtype != rushlight.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    require_channels(img, [1, 3])
    planes = img.reshape((-1,) + tuple(img.shape[-2:]))
    return rushlight.stack([_equalize_plane(plane) for plane in planes]).reshape(img.shape)


def _equalize_plane(plane):
    """One channel (H, W) of bytes through the table that flattens its histogram."""
    counts = rushlight.bincount(plane.reshape(-1).to(rushlight.int64), minlength=256)
    present = counts[counts != 0]
    step = int(present[:-1].sum().item()) // 255
    if step == 0:
        return plane
    table = (rushlight.cumsum(counts, 0) + step // 2) // step
    table = nnf.pad(table, [1, 0])[:-1].clamp(0, 255)
    return table[plane.to(rushlight.int64)].to(rushlight.uint8)
