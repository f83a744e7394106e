"""Axis-aligned boxes, (x1, y1, x2, y2) unless said otherwise, as tensors (..., 4)."""

import math

import numpy

import rushlight


def _widened(tensor):
    """`tensor` in a dtype where products of its values do not overflow."""
    if tensor.is_floating_point():
        return tensor if tensor.dtype in (rushlight.float32, rushlight.float64) else tensor.float()
    return tensor if tensor.dtype in (rushlight.int32, rushlight.int64) else tensor.int()


def nms(boxes, scores, iou_threshold):
    """Indices of the boxes left, best score first, when each removes those it overlaps.

    A box goes when its intersection over union with a better one exceeds `iou_threshold`.

    Shapes: boxes (N, 4), scores (N,). Returns int64 (K,). Not differentiable.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.

    Example:
        >>> boxes = rushlight.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]])
        >>> nms(boxes, rushlight.tensor([0.5, 0.9, 0.1]), 0.5)
        tensor([1, 2])
    """
    if boxes.ndim != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {boxes.ndim}D")
    if boxes.shape[1] != 4:
        raise RuntimeError(
            f"boxes should have 4 elements in dimension 1, got {boxes.shape[1]}"
        )
    if scores.ndim != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.ndim}D")
    if boxes.shape[0] != scores.shape[0]:
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, got "
            f"{boxes.shape[0]} and {scores.shape[0]}"
        )
    if boxes.dtype != scores.dtype:
        raise RuntimeError("dets should have the same type as scores")
    corners = boxes.detach().cpu().numpy()
    order = numpy.argsort(-scores.detach().cpu().numpy(), kind="stable")
    x1, y1, x2, y2 = (corners[order, column] for column in range(4))
    area = (x2 - x1) * (y2 - y1)
    alive = numpy.ones(len(order), dtype=bool)
    kept = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(order[i])
        rest = slice(i + 1, None)
        width = numpy.minimum(x2[i], x2[rest]) - numpy.maximum(x1[i], x1[rest])
        height = numpy.minimum(y2[i], y2[rest]) - numpy.maximum(y1[i], y1[rest])
        overlap = numpy.maximum(width, 0) * numpy.maximum(height, 0)
        with numpy.errstate(divide="ignore", invalid="ignore"):
            alive[rest] &= ~(overlap / (area[i] + area[rest] - overlap) > iou_threshold)
    return rushlight.tensor(
        numpy.array(kept, dtype=numpy.int64), device=boxes.device, dtype=rushlight.int64
    )


def batched_nms(boxes, scores, idxs, iou_threshold):
    """`nms` within each class: boxes of different `idxs` (N,) never remove each other."""
    if boxes.numel() == 0:
        return rushlight.empty((0,), dtype=rushlight.int64, device=boxes.device)
    # Classes are moved apart, each to its own stretch of the plane.
    offsets = idxs.to(boxes) * (boxes.max() + 1)
    return nms(boxes + offsets[:, None], scores, iou_threshold)


def remove_small_boxes(boxes, min_size):
    """Indices of the boxes whose both sides are at least `min_size`."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return rushlight.where((width >= min_size) & (height >= min_size))[0]


def clip_boxes_to_image(boxes, size):
    """`boxes` (..., 4) cut to a picture of `size` (height, width)."""
    height, width = size
    x = boxes[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return rushlight.stack((x, y), dim=boxes.ndim).reshape(boxes.shape)


def _centre_to_corners(boxes):
    x, y, width, height = boxes.unbind(-1)
    half_width, half_height = 0.5 * width, 0.5 * height
    return rushlight.stack(
        (x - half_width, y - half_height, x + half_width, y + half_height), dim=-1
    )


def _corners_to_centre(boxes):
    x1, y1, x2, y2 = boxes.unbind(-1)
    return rushlight.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), dim=-1)


def _size_to_corners(boxes):
    x, y, width, height = boxes.unbind(-1)
    return rushlight.stack((x, y, x + width, y + height), dim=-1)


def _corners_to_size(boxes):
    x1, y1, x2, y2 = boxes.unbind(-1)
    return rushlight.stack((x1, y1, x2 - x1, y2 - y1), dim=-1)


_TO_CORNERS = {"xywh": _size_to_corners, "cxcywh": _centre_to_corners, "xyxy": lambda b: b}
_FROM_CORNERS = {"xywh": _corners_to_size, "cxcywh": _corners_to_centre, "xyxy": lambda b: b}


def box_convert(boxes, in_fmt, out_fmt):
    """`boxes` (..., 4) written another way.

    Ways: "xyxy" corners, "xywh" corner and size, "cxcywh" centre and size.

    Raises:
        ValueError: another name.
    """
    if in_fmt not in _TO_CORNERS or out_fmt not in _FROM_CORNERS:
        raise ValueError(f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and "
                         f"out_fmt {out_fmt}")  # fmt: skip
    if in_fmt == out_fmt:
        return boxes.clone()
    return _FROM_CORNERS[out_fmt](_TO_CORNERS[in_fmt](boxes))


def box_area(boxes, fmt="xyxy"):
    """Areas (...,) of `boxes` (..., 4)."""
    if fmt == "xyxy":
        boxes = _widened(boxes)
        return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    if fmt in ("xywh", "cxcywh"):
        boxes = _widened(boxes)
        return boxes[..., 2] * boxes[..., 3]
    raise ValueError(f"Unsupported box format {fmt}; use xyxy, xywh or cxcywh")


def _intersection_and_union(boxes1, boxes2):
    low = rushlight.max(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    high = rushlight.min(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    sides = _widened(high - low).clamp(min=0)
    overlap = sides[..., 0] * sides[..., 1]
    area1, area2 = box_area(boxes1), box_area(boxes2)
    return overlap, area1[..., :, None] + area2[..., None, :] - overlap


def box_iou(boxes1, boxes2, fmt="xyxy"):
    """Intersection over union of every pair: (..., N, 4) and (..., M, 4) give (..., N, M)."""
    if fmt != "xyxy":
        boxes1, boxes2 = box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy")
    overlap, union = _intersection_and_union(boxes1, boxes2)
    return overlap / union


def _hull(boxes1, boxes2):
    """Width and height of the least box around every pair."""
    low = rushlight.min(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    high = rushlight.max(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    return _widened(high - low).clamp(min=0)


def generalized_box_iou(boxes1, boxes2):
    """`iou - (hull - union) / hull` of every pair, hull the least box around both.

    Source: arXiv:1902.09630.
    """
    overlap, union = _intersection_and_union(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    area = sides[..., 0] * sides[..., 1]
    return overlap / union - (area - union) / area


def distance_box_iou(boxes1, boxes2, eps=1e-7):
    """`iou - (distance of centres / diagonal of the hull)^2` of every pair (arXiv:1911.08287)."""
    return _distance_iou(_widened(boxes1), _widened(boxes2), eps)[0]


def _distance_iou(boxes1, boxes2, eps):
    iou = box_iou(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    diagonal = sides[..., 0] ** 2 + sides[..., 1] ** 2 + eps
    centre1 = (boxes1[..., :2] + boxes1[..., 2:]) / 2
    centre2 = (boxes2[..., :2] + boxes2[..., 2:]) / 2
    apart = _widened(centre1[..., :, None, :] - centre2[..., None, :, :])
    distance = apart[..., 0] ** 2 + apart[..., 1] ** 2
    return iou - distance / diagonal, iou


def complete_box_iou(boxes1, boxes2, eps=1e-7):
    """`distance_box_iou` less a penalty for different proportions of every pair."""
    boxes1, boxes2 = _widened(boxes1), _widened(boxes2)
    distance_iou, iou = _distance_iou(boxes1, boxes2, eps)
    shape1 = (boxes1[..., 2] - boxes1[..., 0]) / (boxes1[..., 3] - boxes1[..., 1])
    shape2 = (boxes2[..., 2] - boxes2[..., 0]) / (boxes2[..., 3] - boxes2[..., 1])
    turn = rushlight.atan(shape1[..., :, None]) - rushlight.atan(shape2[..., None, :])
    unlike = (4 / math.pi**2) * turn**2
    with rushlight.no_grad():
        weight = unlike / (1 - iou + unlike + eps)
    return distance_iou - weight * unlike


def masks_to_boxes(masks):
    """The least boxes (N, 4) around the nonzero pixels of `masks` (N, H, W), edges included.

    An empty mask has the box (0, 0, 0, 0).
    """
    boxes = rushlight.zeros((masks.shape[0], 4), device=masks.device, dtype=rushlight.float)
    for index, mask in enumerate(masks.detach().cpu().numpy()):
        rows, columns = numpy.nonzero(mask)
        if len(rows):
            corners = [columns.min(), rows.min(), columns.max(), rows.max()]
            boxes[index] = rushlight.tensor([float(value) for value in corners])
    return boxes
