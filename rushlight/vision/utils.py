"""Grids of pictures, files of pictures, and drawing on them. Pillow draws; grids need none."""

import math
import warnings

import numpy

import rushlight
from rushlight import Tensor
from rushlight.vision._pillow import pillow_image
from rushlight.vision._suggest import missing_attribute

__all__ = [
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]


def __getattr__(name):
    raise missing_attribute(__name__, name, __all__)


def _scaled(picture, value_range):
    """`picture` moved to [0, 1] from `value_range`, or from its own extremes."""
    low, high = value_range or (float(picture.min()), float(picture.max()))
    return picture.clamp(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))


@rushlight.no_grad()
def make_grid(
    tensor,
    nrow=8,
    padding=2,
    normalize=False,
    value_range=None,
    scale_each=False,
    pad_value=0.0,
):
    """Pictures side by side on one: (N, C, H, W), or a list of (C, H, W), gives (C, H', W').

    Args:
        nrow: pictures in a row. padding: pixels around each; `pad_value`: their value.
        normalize: move values to [0, 1], from `value_range` (low, high) or from the extremes of
            all pictures, or of each one (`scale_each`).

    One gray channel becomes three equal ones. One picture alone comes back without a border.

    Raises:
        TypeError: neither a tensor nor a list of tensors, or a range that is no tuple.

    Example:
        >>> make_grid(rushlight.zeros(5, 3, 10, 10), nrow=3).shape
        torch.Size([3, 26, 38])
    """
    if not isinstance(tensor, Tensor):
        if not isinstance(tensor, list):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        for element in tensor:
            if not isinstance(element, Tensor):
                raise TypeError(f"tensor or list of tensors expected, got a list containing "
                                f"{type(element)}")  # fmt: skip
        tensor = rushlight.stack(tensor, dim=0)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.shape[1] == 1:
        tensor = rushlight.cat((tensor, tensor, tensor), 1)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(
                "value_range has to be a tuple (min, max) if specified. min and max are numbers"
            )
        if scale_each:
            tensor = rushlight.stack([_scaled(picture, value_range) for picture in tensor])
        else:
            tensor = _scaled(tensor, value_range)
    count, channels, height, width = tensor.shape
    if count == 1:
        return tensor.squeeze(0)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    size = (channels, height * rows + padding, width * columns + padding)
    grid = tensor.new_full(size, pad_value)
    for index in range(count):
        top = index // columns * height + padding
        left = index % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = tensor[index]
    return grid


@rushlight.no_grad()
def save_image(tensor, fp, format=None, **kwargs):
    """`make_grid(tensor, **kwargs)` as a picture file.

    Args:
        tensor: values in [0, 1]. fp: a path or an open file. format: told by the name's ending
            unless given.
    """
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", rushlight.uint8)
    pixels = numpy.ascontiguousarray(pixels.numpy())
    pillow_image().fromarray(pixels).save(fp, format=format)


# Drawing --------------------------------------------------------------------------------------


def _require_picture(image, channels, complaint, name="The image must be a tensor"):
    if not isinstance(image, Tensor):
        raise TypeError(f"{name}, got {type(image)}")
    if not (image.dtype == rushlight.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.ndim != 3:
        raise ValueError("Pass individual images, not batches")
    if image.shape[0] not in channels:
        raise ValueError(complaint)


def _as_bytes(image):
    from rushlight.vision.transforms.functional import convert_image_dtype

    return convert_image_dtype(image, rushlight.uint8) if image.is_floating_point() else image


def _like(drawing, image):
    """A PIL image as a tensor of the dtype of `image`."""
    from rushlight.vision.transforms.functional import pil_to_tensor

    pixels = pil_to_tensor(drawing)
    return pixels.to(image.dtype).mul_(1.0 / 255) if image.is_floating_point() else pixels


def _palette(count):
    """`count` colours, each far from the ones before it."""
    steps = (2**25 - 1, 2**15 - 1, 2**21 - 1)
    return [tuple(index * step % 255 for step in steps) for index in range(count)]


def _colours(colors, count):
    """One (red, green, blue) for each of `count` objects, from a name, a tuple, or a list."""
    if colors is None:
        chosen = _palette(count)
    elif isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(
                "Number of colors must be equal or larger than the number of objects, but got "
                f"{len(colors)} < {count}."
            )
        chosen = colors
    elif isinstance(colors, (str, tuple)):
        chosen = [colors] * count
    else:
        raise ValueError(
            f"colors must be a tuple or a string, or a list thereof, but got {colors}."
        )
    for colour in chosen:
        if isinstance(colour, tuple) and len(colour) != 3:
            raise ValueError(
                f"If passed as tuple, colors should be an RGB triplet, but got {colour}."
            )
    from PIL import ImageColor

    return [
        ImageColor.getrgb(colour) if isinstance(colour, str) else colour for colour in chosen
    ]


@rushlight.no_grad()
def draw_bounding_boxes(
    image,
    boxes,
    labels=None,
    colors=None,
    fill=False,
    width=1,
    font=None,
    font_size=None,
    label_colors=None,
    label_background_colors=None,
    fill_labels=False,
):
    """`image` (C, H, W) with boxes (N, 4) drawn on it, corners (x1, y1, x2, y2).

    Args:
        labels: a text for each box, or None. colors: one, or a list of names or (r, g, b).
        fill: tint the inside. width: of the lines. font: a TrueType file, of `font_size`.
        label_colors: of the texts; the boxes' by default. fill_labels: a background behind them,
            of `label_background_colors` or the boxes' colours.

    Returns:
        A copy with three channels, of the dtype of `image` (bytes, or floats in [0, 1]).

    Raises:
        TypeError, ValueError: arguments that do not fit each other.
    """
    complaint = "Only grayscale and RGB images are supported"
    _require_picture(image, (1, 3), complaint, "Tensor expected")
    if len(boxes) and ((boxes[:, 0] > boxes[:, 2]).any() or (boxes[:, 1] > boxes[:, 3]).any()):
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert "
            "to convert them"
        )
    count = boxes.shape[0]
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    if labels is None:
        labels = [None] * count
    elif len(labels) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify "
            "labels for each box."
        )
    from PIL import ImageDraw, ImageFont

    from rushlight.vision.transforms.functional import to_pil_image

    colours = _colours(colors, count)
    text_colours = colours if label_colors is None else _colours(label_colors, count)
    backgrounds = (
        colours if label_background_colors is None else _colours(label_background_colors, count)
    )
    if font is None:
        if font_size is not None:
            warnings.warn(
                "Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=2
            )
        typeface = ImageFont.load_default()
    else:
        typeface = ImageFont.truetype(font=font, size=font_size or 10)
    picture = _as_bytes(image)
    if picture.shape[0] == 1:
        picture = picture.expand(3, -1, -1)
    drawing = to_pil_image(picture)
    pen = ImageDraw.Draw(drawing, "RGBA" if fill else None)
    margin = width + 1
    for box, label, colour, text_colour, background in zip(
        boxes.to(rushlight.int64).tolist(), labels, colours, text_colours, backgrounds
    ):
        inside = (*colour, 100) if fill else None
        pen.rectangle(box, width=width, outline=colour, fill=inside)
        if label is None:
            continue
        place = (box[0] + margin, box[1] + margin)
        if fill_labels:
            left, top, right, bottom = pen.textbbox(place, label, font=typeface)
            pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=background)
        pen.text(place, label, fill=text_colour, font=typeface)
    return _like(drawing, image)


@rushlight.no_grad()
def draw_segmentation_masks(image, masks, alpha=0.8, colors=None):
    """`image` (3, H, W) tinted where one of the boolean `masks` (N, H, W) or (H, W) is True.

    Pixels of several masks are tinted black.

    Args:
        alpha: 0 leaves the picture, 1 covers it. colors: one, or a list of names or (r, g, b).

    Raises:
        TypeError, ValueError: arguments that do not fit each other.
    """
    _require_picture(image, (3,), "Pass an RGB image. Other Image formats are not supported")
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != rushlight.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if tuple(masks.shape[-2:]) != tuple(image.shape[-2:]):
        raise ValueError("The image and the masks must have the same height and width")
    if masks.shape[0] == 0:
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    painted = image.detach().clone()
    for mask, colour in zip(masks, _colours(colors, masks.shape[0])):
        paint = rushlight.tensor(colour, dtype=rushlight.uint8, device=image.device)
        if image.is_floating_point():
            paint = paint.to(image.dtype) / 255
        painted = rushlight.where(mask[None], paint[:, None, None], painted)
    contested = masks.sum(dim=0) > 1
    painted = rushlight.where(contested[None], rushlight.zeros_like(painted), painted)
    return (image * (1 - alpha) + painted * alpha).to(image.dtype)


@rushlight.no_grad()
def draw_keypoints(
    image, keypoints, connectivity=None, colors=None, radius=2, width=3, visibility=None
):
    """`image` (3, H, W) with the points (N, K, 2), each (x, y), drawn on it.

    Args:
        connectivity: pairs of point numbers to join by lines. colors: one colour for all.
        visibility: (N, K), True for the points to draw; all by default.

    Raises:
        TypeError, ValueError: arguments that do not fit each other.
    """
    _require_picture(image, (3,), "Pass an RGB image. Other Image formats are not supported")
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    if visibility is None:
        visibility = rushlight.ones(keypoints.shape[:-1], dtype=rushlight.bool)
    if visibility.ndim == 3:
        visibility = visibility.squeeze(-1)
    if tuple(visibility.shape) != tuple(keypoints.shape[:-1]):
        raise ValueError(
            "keypoints and visibility must have the same dimensionality for num_instances and K. "
            f"Got visibility.shape={visibility.shape} and keypoints.shape={keypoints.shape}"
        )
    from PIL import ImageDraw

    from rushlight.vision.transforms.functional import to_pil_image

    drawing = to_pil_image(_as_bytes(image))
    pen = ImageDraw.Draw(drawing)
    seen_all = visibility.to(rushlight.bool).tolist()
    for points, seen in zip(keypoints.to(rushlight.int64).tolist(), seen_all):
        for (x, y), is_seen in zip(points, seen):
            if is_seen:
                corners = [x - radius, y - radius, x + radius, y + radius]
                pen.ellipse(corners, fill=colors, outline=None, width=0)
        for first, second in connectivity or ():
            if seen[first] and seen[second]:
                pen.line((tuple(points[first]), tuple(points[second])), width=width)
    return _like(drawing, image)


def _colour_wheel():
    """(55, 3) colours around the circle of directions, as Baker et al. (2011) chose them."""
    # From which channel at full to which, and in how many steps.
    stretches = ((0, 1, 15), (1, 0, 6), (1, 2, 4), (2, 1, 11), (2, 0, 13), (0, 2, 6))
    colours = []
    for index, (first, second, steps) in enumerate(stretches):
        for step in range(steps):
            ramp = math.floor(255 * step / steps)
            colour = [0, 0, 0]
            if index % 2 == 0:
                colour[first], colour[second] = 255, ramp
            else:
                colour[first], colour[second] = 255, 255 - ramp
            colours.append(colour)
    return numpy.array(colours, dtype=numpy.float32)


@rushlight.no_grad()
def flow_to_image(flow):
    """Motion (2, H, W) or (N, 2, H, W), float32, as a picture: hue its direction, depth its speed.

    Raises:
        ValueError: another dtype or shape.
    """
    if flow.dtype != rushlight.float32:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    single = flow.ndim == 3
    batch = flow[None] if single else flow
    if batch.ndim != 4 or batch.shape[1] != 2:
        raise ValueError(
            f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {flow.shape}."
        )
    motion = batch.detach().cpu().numpy()
    speed = numpy.sqrt((motion**2).sum(axis=1))
    motion = motion / (speed.max() + numpy.finfo(numpy.float32).eps)
    x, y = motion[:, 0], motion[:, 1]
    speed = numpy.sqrt(x**2 + y**2)
    wheel = _colour_wheel()
    place = (numpy.arctan2(-y, -x) / numpy.float32(math.pi) + 1) / 2 * (len(wheel) - 1)
    low = numpy.floor(place).astype(numpy.int64)
    high = numpy.where(low + 1 == len(wheel), 0, low + 1)
    part = (place - low)[..., None]
    colour = (1 - part) * (wheel[low] / 255) + part * (wheel[high] / 255)
    colour = 1 - speed[..., None] * (1 - colour)
    pixels = numpy.floor(255 * colour).astype(numpy.uint8).transpose(0, 3, 1, 2)
    result = rushlight.from_numpy(numpy.ascontiguousarray(pixels))
    return result[0] if single else result
