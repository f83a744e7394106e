"""The detection heads [yolo] (v3, v4) and [region] (v2): from a raw map to boxes.

A raw map is (B, A * (5 + classes), H, W) for A anchors. Its planes are, for each anchor,
x, y, w, h, objectness and one value per class. `split` views it as (B, A, 5 + classes, H, W);
`decode` gives detections (B, A * H * W, 5 + classes): centre x, centre y, width and height in
pixels of the network's input, objectness, and a probability per class.

Sources: YOLOv3 (arXiv:1804.02767) section 2.1, YOLO9000 (arXiv:1612.08242) section 2, YOLOv4
(arXiv:2004.10934); src/yolo_layer.c and src/region_layer.c of Darknet.
"""

import rushlight
from rushlight import nn
from rushlight.nn import functional as F

__all__ = ["RegionHead", "YoloHead"]


class _Head(nn.Module):
    """What both heads share: anchors, classes and the options of the section as attributes.

    Attributes:
        anchors: the (width, height) pairs of this head, in pixels for [yolo], in cells for
            [region]. all_anchors: those of the whole list; mask: which of them are `anchors`.
        classes: how many. options: every option of the section that says how to train or filter,
            as a dict; each is an attribute of the head too (head.ignore_thresh).
    """

    kind = ""

    def __init__(self, all_anchors, mask, classes, options):
        super().__init__()
        self.all_anchors = list(all_anchors)
        self.mask = tuple(mask)
        self.anchors = [self.all_anchors[index] for index in self.mask]
        self.classes = classes
        self.options = dict(options)
        for name, value in self.options.items():
            setattr(self, name, value)

    def split(self, raw):
        """View the raw map (B, A * (5 + classes), H, W) as (B, A, 5 + classes, H, W)."""
        batch, _, height, width = raw.shape
        return raw.reshape(batch, len(self.anchors), 5 + self.classes, height, width)

    def forward(self, input):
        """The map itself: decoding needs the size of the network's input, see `decode`."""
        return input

    def _grid(self, planes):
        """Column (1, 1, 1, W) and row (1, 1, H, 1) numbers, and anchors (1, A, 1, 1) twice."""
        height, width = planes.shape[-2:]
        kind = {"dtype": planes.dtype, "device": planes.device}
        columns = rushlight.arange(width, **kind).reshape(1, 1, 1, width)
        rows = rushlight.arange(height, **kind).reshape(1, 1, height, 1)
        anchors = rushlight.tensor(self.anchors, **kind)
        return columns, rows, anchors[:, 0].reshape(1, -1, 1, 1), anchors[:, 1].reshape(1, -1, 1, 1)

    def _detections(self, x, y, w, h, objectness, classes):
        boxes = rushlight.stack([x, y, w, h, objectness], 2)
        planes = rushlight.cat([boxes, classes], 2)
        batch, anchors, values, height, width = planes.shape
        return planes.permute(0, 1, 3, 4, 2).reshape(batch, anchors * height * width, values)

    def extra_repr(self):
        return f"anchors={self.anchors}, classes={self.classes}"


class YoloHead(_Head):
    """[yolo] of YOLOv3 and YOLOv4: logistic objectness and classes, anchors in pixels.

    bx = (column + s * sigmoid(tx) - (s - 1) / 2) * cell width, bw = anchor * exp(tw), with
    s = scale_x_y; with new_coords the map holds probabilities already and bw = anchor * (2 tw)^2.
    """

    kind = "yolo"

    def decode(self, raw, size):
        """Detections (B, A * H * W, 5 + classes) of a raw map; `size` is the input's (H, W)."""
        planes = self.split(raw)
        height, width = planes.shape[-2:]
        columns, rows, anchor_width, anchor_height = self._grid(planes)
        scale, shift = self.scale_x_y, (self.scale_x_y - 1) / 2
        places, sides, scores = planes[:, :, :2], planes[:, :, 2:4], planes[:, :, 4:]
        if self.new_coords:
            sides = (sides * 2) ** 2
        else:
            places, sides, scores = places.sigmoid(), sides.exp(), scores.sigmoid()
        return self._detections(
            (columns + places[:, :, 0] * scale - shift) * (size[1] / width),
            (rows + places[:, :, 1] * scale - shift) * (size[0] / height),
            sides[:, :, 0] * anchor_width,
            sides[:, :, 1] * anchor_height,
            scores[:, :, 0],
            scores[:, :, 1:],
        )


class RegionHead(_Head):
    """[region] of YOLOv2: anchors in cells, classes by softmax (logistic with softmax=0)."""

    kind = "region"

    def decode(self, raw, size):
        """Detections (B, A * H * W, 5 + classes) of a raw map; `size` is the input's (H, W)."""
        planes = self.split(raw)
        height, width = planes.shape[-2:]
        columns, rows, anchor_width, anchor_height = self._grid(planes)
        places, sides = planes[:, :, :2].sigmoid(), planes[:, :, 2:4].exp()
        classes = planes[:, :, 5:]
        return self._detections(
            (columns + places[:, :, 0]) * (size[1] / width),
            (rows + places[:, :, 1]) * (size[0] / height),
            sides[:, :, 0] * anchor_width * (size[1] / width),
            sides[:, :, 1] * anchor_height * (size[0] / height),
            planes[:, :, 4].sigmoid(),
            F.softmax(classes, 2) if self.softmax else classes.sigmoid(),
        )
