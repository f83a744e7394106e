"""Finding things on pictures: fit the picture to the network, run it, put the boxes back.

Example:
    >>> from PIL import Image
    >>> detector = Detector(load_network("yolov3-tiny", "yolov3-tiny.weights"))
    >>> found = detector(Image.open("dog.jpg"))
    >>> [detector.names[number] for number in found.classes.tolist()]
    ['dog', 'car', 'bicycle']
"""

from typing import NamedTuple

import numpy as np

import rushlight
from rushlight.darknet.boxes import Detections, select
from rushlight.darknet.shipped import coco_names

__all__ = ["Detector", "Fit", "fit_picture", "letterbox"]

# Darknet fills what a letterboxed picture leaves free with 0.5.
_FILL = 128


class Fit(NamedTuple):
    """How a picture of (width, height) was put into a network's input.

    A point (x, y) of the picture is at (left + x * across, top + y * down) of the input.
    """

    width: int
    height: int
    across: float
    down: float
    left: int
    top: int

    def to_picture(self, boxes):
        """Corners (N, 4) in the input as corners in the picture, cut at its edges."""
        shift = rushlight.tensor([self.left, self.top] * 2, dtype=boxes.dtype)
        scale = rushlight.tensor([self.across, self.down] * 2, dtype=boxes.dtype)
        inside = (boxes - shift) / scale
        x = inside[:, 0::2].clamp(0, self.width)
        y = inside[:, 1::2].clamp(0, self.height)
        return rushlight.stack([x, y], 2).flatten(1)


def _size_inside(width, height, size):
    """The largest (width, height) of the same shape within `size` (height, width)."""
    scale = min(size[1] / width, size[0] / height)
    return max(1, int(width * scale)), max(1, int(height * scale))


def fit_picture(picture, size, keep_shape=False, channels=3):
    """A picture as a network's input: float32 (channels, H, W) in [0, 1], and the `Fit`.

    Args:
        picture: a PIL image, or a uint8 array (height, width, 3).
        size: (H, W) of the input.
        keep_shape: scale both sides alike and fill the rest with grey (a letterbox) instead of
            stretching the picture to the input's shape.
        channels: 3 for red, green, blue; 1 for grey.
    """
    from rushlight.vision._pillow import is_pillow_image, pillow_image

    image = pillow_image()
    if not is_pillow_image(picture):
        picture = image.fromarray(np.asarray(picture))
    picture = picture.convert("L" if channels == 1 else "RGB")
    width, height = picture.size
    inner = _size_inside(width, height, size) if keep_shape else (size[1], size[0])
    left, top = (size[1] - inner[0]) // 2, (size[0] - inner[1]) // 2
    scaled = picture.resize(inner, image.Resampling.BILINEAR)
    if inner != (size[1], size[0]):
        fill = _FILL if channels == 1 else (_FILL,) * 3
        whole = image.new(picture.mode, (size[1], size[0]), fill)
        whole.paste(scaled, (left, top))
        scaled = whole
    pixels = np.asarray(scaled, dtype=np.uint8)
    pixels = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    values = rushlight.tensor(np.ascontiguousarray(pixels)).float() / 255
    return values, Fit(width, height, inner[0] / width, inner[1] / height, left, top)


def letterbox(picture, size):
    """`fit_picture` with both sides scaled alike and grey around the picture."""
    return fit_picture(picture, size, keep_shape=True)


class Detector:
    """A network with all that turns pictures into boxes.

    Args:
        model: a `Darknet` with detection heads; its batch normalisation is folded (`fold=False`
            leaves it as it is).
        names: the classes' names; by default COCO's for 80 classes, else "class 0" and so on.
        threshold: the least score. overlap: of two boxes of one class, above which the worse goes.
        suppression: "greedy", "soft", "diou", "none"; by default what the heads' nms_kind says.
        keep_shape: letterbox (True) or stretch (False); by default what letter_box in [net] says.
        size: (height, width) of the input, by default that in [net].

    Raises:
        ValueError: the network has no heads, or the names are not as many as its classes.
        CfgError: the network cannot run at `size`.
    """

    def __init__(self, model, names=None, threshold=0.25, overlap=0.45, suppression=None,
                 keep_shape=None, size=None, maximum=300, fold=True):  # fmt: skip
        if not model.heads:
            raise ValueError("this network is a classifier: it has no [yolo] or [region] section")
        head = model.heads[0]
        self.model = model.fold_batch_norm() if fold and not model.folded else model.eval()
        self.names = list(names) if names is not None else class_names(head.classes)
        if len(self.names) != head.classes:
            raise ValueError(f"{len(self.names)} names for {head.classes} classes")
        if suppression is None:
            suppression = "diou" if getattr(head, "nms_kind", "") == "diounms" else "greedy"
        self.threshold, self.overlap, self.maximum = threshold, overlap, maximum
        self.suppression, self.beta = suppression, getattr(head, "beta_nms", 0.6)
        if keep_shape is None:
            keep_shape = bool(model.net_info.integer("letter_box", 0))
        self.keep_shape = keep_shape
        self.channels = model.net_info.integer("channels", 3)
        if self.channels not in (1, 3):
            raise ValueError(f"pictures have 1 or 3 channels, and this network {self.channels}")
        if size is not None:
            model.check_input_size(*size)
        self.size = tuple(size) if size is not None else model.input_size

    def __call__(self, picture):
        """The `Detections` on one picture, in its own pixels."""
        return self.detect([picture])[0]

    def detect(self, pictures):
        """The `Detections` on each of a list of pictures (see `fit_picture`), run as one batch."""
        fitted = [
            fit_picture(each, self.size, self.keep_shape, self.channels) for each in pictures
        ]
        with rushlight.no_grad():
            found = self.model(rushlight.stack([values for values, _ in fitted]))
        results = []
        for rows, (_, fit) in zip(found, fitted):
            boxes, scores, classes = select(
                rows, self.threshold, self.overlap, self.suppression, self.beta, self.maximum
            )
            results.append(Detections(fit.to_picture(boxes), scores, classes))
        return results


def class_names(count):
    """COCO's names for 80 classes, "class 0" and so on for another number."""
    return coco_names() if count == 80 else [f"class {number}" for number in range(count)]
