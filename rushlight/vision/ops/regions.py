"""Pooling of the features inside boxes to one size."""

import math

import numpy

import rushlight
from rushlight import Tensor, nn


def _pair(output_size):
    if isinstance(output_size, int):
        return output_size, output_size
    return tuple(output_size) * 2 if len(output_size) == 1 else tuple(output_size)


def _rows(boxes):
    """A NumPy array (K, 5) of (picture's index, x1, y1, x2, y2) from either form of `boxes`."""
    if isinstance(boxes, (list, tuple)):
        for tensor in boxes:
            if tensor.ndim != 2 or tensor.shape[1] != 4:
                raise ValueError(
                    "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]"
                )
        parts = [
            numpy.insert(tensor.detach().cpu().numpy(), 0, index, axis=1)
            for index, tensor in enumerate(boxes)
        ]
        return numpy.concatenate(parts) if parts else numpy.zeros((0, 5), numpy.float32)
    if not isinstance(boxes, Tensor):
        raise TypeError("boxes is expected to be a Tensor[L, 5] or a List[Tensor[K, 4]]")
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError("The boxes tensor shape is not correct as Tensor[K, 5]")
    return boxes.detach().cpu().numpy()


def _averaging_weights(start, bin_size, bins, samples, length, dtype):
    """(bins, length): how much each position of one axis counts in each bin's average.

    A bin averages `samples` points, each read by linear interpolation between two positions.
    """
    step = (numpy.arange(samples, dtype=dtype) + dtype(0.5)) * bin_size / dtype(samples)
    points = start + numpy.arange(bins, dtype=dtype)[:, None] * bin_size + step
    inside = (points >= -1.0) & (points <= length)
    points = numpy.maximum(points, 0)
    low = numpy.minimum(numpy.floor(points).astype(numpy.int64), length - 1)
    high = numpy.minimum(low + 1, length - 1)
    fraction = numpy.where(low >= length - 1, 0, points - low)
    weights = numpy.zeros((bins, length), dtype=dtype)
    row = numpy.repeat(numpy.arange(bins), samples).reshape(bins, samples)
    numpy.add.at(weights, (row, low), numpy.where(inside, 1 - fraction, 0))
    numpy.add.at(weights, (row, high), numpy.where(inside, fraction, 0))
    return weights / dtype(samples)


def roi_align(
    input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False
):
    """The features inside each box, averaged over a grid of bins by bilinear interpolation.

    Interpolation along y and along x are independent, so each box is two small matrix products,
    `along_y @ input @ along_x`, and the gradient of `input` comes with them.

    Args:
        input: (N, C, H, W).
        boxes: a list of N tensors (L, 4), or one tensor (K, 5) that starts with picture indices.
        output_size: (height, width) in bins. spatial_scale: input pixels for each box unit.
        sampling_ratio: points a bin along each axis; not positive: as many as input pixels.
        aligned: shift boxes by half a pixel, so that pixel centres lie at +0.5.

    Returns:
        (K, C, height, width).

    Source: arXiv:1703.06870.
    """
    rows = _rows(boxes)
    bins_y, bins_x = _pair(output_size)
    channels, height, width = input.shape[1:]
    dtype = numpy.float64 if input.dtype == rushlight.float64 else numpy.float32
    offset = dtype(0.5 if aligned else 0.0)
    pooled = []
    for index, *corners in rows:
        x1, y1, x2, y2 = (dtype(value) * dtype(spatial_scale) - offset for value in corners)
        box_width, box_height = x2 - x1, y2 - y1
        if not aligned:
            # Degenerate boxes count as one pixel, as the first implementations had it.
            box_width, box_height = max(box_width, dtype(1)), max(box_height, dtype(1))
        bin_y, bin_x = box_height / dtype(bins_y), box_width / dtype(bins_x)
        points_y = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_y)
        points_x = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_x)
        if points_y < 1 or points_x < 1:
            pooled.append(input[int(index)].new_zeros(channels, bins_y, bins_x))
            continue
        along_y = _averaging_weights(y1, bin_y, bins_y, points_y, height, dtype)
        along_x = _averaging_weights(x1, bin_x, bins_x, points_x, width, dtype)
        along_y = rushlight.from_numpy(along_y).to(input.device)
        along_x = rushlight.from_numpy(numpy.ascontiguousarray(along_x.T)).to(input.device)
        picture = input[int(index)].to(along_y.dtype)
        pooled.append((along_y @ picture @ along_x).to(input.dtype))
    if not pooled:
        return input.new_zeros((0, channels, bins_y, bins_x))
    return rushlight.stack(pooled)


def roi_pool(input, boxes, output_size, spatial_scale=1.0):
    """The largest feature in each of a grid of bins inside each box; corners are rounded.

    Arguments as `roi_align`. Source: arXiv:1504.08083.
    """
    rows = _rows(boxes)
    bins_y, bins_x = _pair(output_size)
    channels, height, width = input.shape[1:]
    pooled = []
    for index, *corners in rows:
        # Away from zero at one half, as C rounds.
        x1, y1, x2, y2 = (
            int(math.copysign(math.floor(abs(value * spatial_scale) + 0.5), value))
            for value in map(float, corners)
        )
        spans_y = _spans(y1, max(y2 - y1 + 1, 1), bins_y, height)
        spans_x = _spans(x1, max(x2 - x1 + 1, 1), bins_x, width)
        picture = input[int(index)]
        cells = [
            picture[:, top:bottom, left:right].amax(dim=(-2, -1))
            if bottom > top and right > left
            else picture.new_zeros(channels)
            for top, bottom in spans_y
            for left, right in spans_x
        ]
        pooled.append(rushlight.stack(cells, dim=-1).view(channels, bins_y, bins_x))
    if not pooled:
        return input.new_zeros((0, channels, bins_y, bins_x))
    return rushlight.stack(pooled)


def _spans(start, size, bins, length):
    """[first, last) of each bin along one axis, kept inside it."""
    bin_size = numpy.float32(size) / numpy.float32(bins)
    spans = []
    for i in range(bins):
        first = int(math.floor(numpy.float32(i) * bin_size)) + start
        last = int(math.ceil(numpy.float32(i + 1) * bin_size)) + start
        spans.append((min(max(first, 0), length), min(max(last, 0), length)))
    return spans


class RoIAlign(nn.Module):
    """`roi_align` as a layer."""

    def __init__(self, output_size, spatial_scale, sampling_ratio, aligned=False):
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input, rois):
        return roi_align(
            input,
            rois,
            self.output_size,
            self.spatial_scale,
            self.sampling_ratio,
            self.aligned,
        )

    def __repr__(self):
        return (
            f"{type(self).__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio}, "
            f"aligned={self.aligned})"
        )


class RoIPool(nn.Module):
    """`roi_pool` as a layer."""

    def __init__(self, output_size, spatial_scale):
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input, rois):
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self):
        return (
            f"{type(self).__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale})"
        )
