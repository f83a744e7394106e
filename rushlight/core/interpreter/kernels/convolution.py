"""Convolution in one, two and three dimensions, and its two adjoints.

All three are one computation, a correlation that reads zeros outside its input:

    y[n, o, t] = sum over c, k of  w[o, c, k] * x[n, c, t * stride + k * dilation - offset]

The forward pass is that with offset = padding.  The gradient of the input splits into `stride`
phases per dimension, each a stride-1 correlation of the gradient with every stride-th tap of
the flipped kernel.  Transposed convolution is the input gradient.

Note [sliding over the first dimension]
A full im2col copies every input value once per kernel tap.  Here only the taps of the inner
dimensions are copied out, into a buffer (n, groups, channels * inner taps, rows, inner outputs).
For one tap of the first spatial dimension the rows it needs are then a contiguous range of columns,
so a plain slice of the buffer is the right-hand side of a matrix product: a 5 x 5 kernel copies 5
times instead of 25 and does 5 products whose results land in NCHW order.
Work goes in pieces (a few images, a band of rows) small enough for the buffer to stay in the cache.
"""

from math import gcd, prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

_BUFFER_BYTES = 1 << 19  # of the unfolded buffer of one piece: half of a common L2 cache


def convolution(x, w, bias, stride, padding, dilation, groups=1, size=None):
    """Return the convolution of x (N, C, *S) with w (O, C / groups, *K), plus bias (O,) or None.

    size: the result's spatial shape where it is not the largest one that fits.
    """
    if size is None:
        size = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(
                x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True
            )
        )
    return _correlate(x, w, bias, size, stride, dilation, padding, groups)


def transposed_convolution(g, w, bias, stride, padding, dilation, groups, size):
    """Return the transposed convolution of g (N, O, *T) with w (O, C / groups, *K), plus bias."""
    y = convolution_input_gradient(g, w, size, stride, padding, dilation, groups)
    if bias is not None:
        y += bias.reshape((-1,) + (1,) * len(size))
    return y


def convolution_input_gradient(g, w, input_spatial, stride, padding, dilation, groups=1):
    """Return the adjoint of `convolution` in x: (N, O, *T) -> (N, C, *input_spatial).

    This is also transposed convolution, with w of shape (in, out / groups, *K).
    """
    kernel = w.shape[2:]
    w = _swap_channels(w, groups)
    if all(s == 1 for s in stride):
        offset = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True))
        flipped = w[(slice(None),) * 2 + (slice(None, None, -1),) * len(kernel)]
        return _correlate(g, flipped, None, input_spatial, stride, dilation, offset, groups)
    result = np.zeros((g.shape[0], w.shape[0]) + tuple(input_spatial), np.result_type(g, w))
    per_dimension = [
        _phases(*sizes)
        for sizes in zip(input_spatial, kernel, stride, padding, dilation, strict=True)
    ]
    for phases in _product(per_dimension):
        taps = tuple(phase[1] for phase in phases)
        target = tuple(phase[0] for phase in phases)
        count, step, offset = zip(*(phase[2:] for phase in phases), strict=True)
        part = _correlate(
            g, w[(slice(None),) * 2 + taps], None, count, (1,) * len(kernel), step, offset, groups
        )
        result[(slice(None),) * 2 + target] = part
    return result


def convolution_weight_gradient(x, g, kernel, stride, padding, dilation, groups=1):
    """Return the adjoint of `convolution` in w: (O, C / groups, *kernel)."""
    shape = (g.shape[1], x.shape[1] // groups) + tuple(kernel)
    dtype = np.result_type(x, g)
    if 0 in g.shape or 0 in x.shape or 0 in shape:
        return np.zeros(shape, dtype)
    geometry = _Geometry(x, g.shape[2:], kernel, stride, dilation, padding, groups)
    first, inner = kernel[0], prod(kernel[1:])
    out_channels, in_channels = shape[0] // groups, shape[1]

    total = np.zeros((first, groups, out_channels, in_channels * inner), dtype)
    for piece in geometry.pieces():
        grad = g[piece[0] : piece[1], :, piece[2] : piece[3]]
        grad = grad.reshape(grad.shape[0], groups, out_channels, -1)
        for tap, columns in geometry.columns(*piece):
            total[tap] += np.matmul(grad, columns.swapaxes(-1, -2)).sum(axis=0)
    total = total.reshape((first, shape[0], in_channels) + tuple(kernel[1:]))
    return np.ascontiguousarray(np.moveaxis(total, 0, 2))


def _correlate(x, w, bias, out_spatial, stride, dilation, offset, groups):
    if x.ndim == 3:  # a row of pixels is an image of height one
        lead = lambda values, fill: (fill,) + tuple(values)  # noqa: E731
        y = _correlate(
            x[:, :, None], w[:, :, None], bias, lead(out_spatial, 1), lead(stride, 1),
            lead(dilation, 1), lead(offset, 0), groups,
        )  # fmt: skip
        return y[:, :, 0]
    shape = (x.shape[0], w.shape[0]) + tuple(out_spatial)
    dtype = np.result_type(x, w)
    if 0 in shape or 0 in x.shape or 0 in w.shape:
        y = np.zeros(shape, dtype)
        if bias is not None:
            y += bias.reshape((-1,) + (1,) * len(out_spatial))
        return y
    geometry = _Geometry(x, out_spatial, w.shape[2:], stride, dilation, offset, groups)
    # one matrix per tap of the first dimension: (first, groups, out channels, channels * taps)
    matrices = np.ascontiguousarray(np.moveaxis(w, 2, 0))
    matrices = matrices.reshape(w.shape[2], groups, w.shape[0] // groups, -1)
    y = np.empty((shape[0], groups, matrices.shape[2]) + tuple(out_spatial), dtype)
    if bias is not None:
        bias = bias.reshape((groups, -1) + (1,) * len(out_spatial))
    whole_rows = geometry.band >= out_spatial[0]

    for start, stop, top, bottom in geometry.pieces():
        target = y[start:stop, :, :, top:bottom]
        flat: Any = None
        for tap, columns in geometry.columns(start, stop, top, bottom):
            if flat is not None:
                flat += np.matmul(matrices[tap], columns)
            elif whole_rows:  # the product can land in the result
                flat = target.reshape(target.shape[:3] + (-1,))
                np.matmul(matrices[tap], columns, out=flat)
            else:
                flat = np.matmul(matrices[tap], columns)
        if not whole_rows:
            target[...] = flat.reshape(target.shape)
        if bias is not None:
            target += bias
    return y.reshape(shape)


class _Geometry:
    """Where a correlation reads its input, cut into pieces; see Note [sliding ...]."""

    def __init__(self, x, out_spatial, kernel, stride, dilation, offset, groups):
        self.x, self.groups = x, groups
        self.out_spatial, self.kernel = tuple(out_spatial), tuple(kernel)
        self.stride, self.dilation, self.offset = tuple(stride), tuple(dilation), tuple(offset)
        self.inner_extent = tuple(  # of the input values that the inner dimensions look at
            (t - 1) * s + (k - 1) * d + 1
            for t, s, k, d in zip(
                self.out_spatial[1:], self.stride[1:], self.kernel[1:], self.dilation[1:],
                strict=True,
            )
        )  # fmt: skip
        row = x.shape[1] * prod(self.kernel[1:]) * prod(self.out_spatial[1:]) * x.itemsize
        rows = (self.out_spatial[0] - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0]
        image = row * (rows + 1)
        self.images = max(1, _BUFFER_BYTES // image)
        self.band = self.out_spatial[0]
        if image > 4 * _BUFFER_BYTES:  # a band costs the overlap between bands: not too thin
            least = 4 * self.dilation[0] * self.kernel[0]
            self.band = max(least, 4 * _BUFFER_BYTES // (row * self.stride[0]))

    def pieces(self):
        """Return (first image, last image, first output row, last output row) of each piece."""
        height = self.out_spatial[0]
        return [
            (n, min(n + self.images, self.x.shape[0]), top, min(top + self.band, height))
            for n in range(0, self.x.shape[0], self.images)
            for top in range(0, height, self.band)
        ]

    def columns(self, start, stop, top, bottom):
        """Yield, for each tap of the first dimension, (tap, matrix of its inputs)."""
        stride, dilation = self.stride[0], self.dilation[0]
        extent = (bottom - top - 1) * stride + (self.kernel[0] - 1) * dilation + 1
        x = _window(
            self.x[start:stop],
            (top * stride - self.offset[0],) + tuple(-o for o in self.offset[1:]),
            (extent,) + self.inner_extent,
        )
        images, channels = x.shape[:2]
        inner_size = prod(self.out_spatial[1:])
        buffers = {}
        for tap in range(self.kernel[0]):
            phase, skip = tap * dilation % stride, tap * dilation // stride
            if phase not in buffers:
                buffers[phase] = self._unfold(x[:, :, phase::stride]).reshape(
                    images, self.groups, channels // self.groups * prod(self.kernel[1:]), -1
                )
            begin = skip * inner_size
            yield tap, buffers[phase][..., begin : begin + (bottom - top) * inner_size]

    def _unfold(self, x):
        """Copy the inner taps out: (n, c, rows, *inner) -> (n, c, *inner taps, rows, *outputs)."""
        strides = x.strides
        if all(k == 1 for k in self.kernel[1:]) and all(s == 1 for s in self.stride[1:]):
            return x
        taps = tuple(a * d for a, d in zip(strides[3:], self.dilation[1:], strict=True))
        steps = tuple(a * s for a, s in zip(strides[3:], self.stride[1:], strict=True))
        return as_strided(
            x,
            x.shape[:2] + self.kernel[1:] + x.shape[2:3] + self.out_spatial[1:],
            strides[:2] + taps + strides[2:3] + steps,
        )


def _window(x, starts, extents):
    """Return x[..., start : start + extent, ...] with zeros where that leaves the array."""
    stops = [a + e for a, e in zip(starts, extents, strict=True)]
    sizes = x.shape[2:]
    if all(a >= 0 and b <= size for a, b, size in zip(starts, stops, sizes, strict=True)):
        inside = tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))
        return x[(slice(None),) * 2 + inside]
    source, target = [slice(None)] * 2, [slice(None)] * 2
    for a, b, size in zip(starts, stops, sizes, strict=True):
        low, high = max(a, 0), max(min(b, size), 0)
        high = max(low, high)
        source.append(slice(low, high))
        target.append(slice(low - a, high - a))
    padded = np.zeros(x.shape[:2] + tuple(extents), x.dtype)
    padded[tuple(target)] = x[tuple(source)]
    return padded


def _swap_channels(w, groups):
    """Exchange the roles of input and output channels: (O, C / g, *K) -> (C, O / g, *K)."""
    if groups == 1:
        return w.swapaxes(0, 1)
    outer, inner = w.shape[0] // groups, w.shape[1]
    grouped = w.reshape((groups, outer, inner) + w.shape[2:]).swapaxes(1, 2)
    return grouped.reshape((groups * inner, outer) + w.shape[2:])


def _phases(size, kernel, stride, padding, dilation):
    """Split one dimension of the input gradient by position modulo the stride.

    Position i receives w[k] * g[(i + padding - k * dilation) / stride] from the taps k for which
    that is whole.  Returns (positions, taps in flipped order, count, dilation, offset) per phase.
    """
    common = gcd(stride, dilation)
    every, step = stride // common, dilation // common
    phases = []
    for position in range(min(stride, size)):
        matching = [k for k in range(kernel) if (position + padding - k * dilation) % stride == 0]
        if not matching:
            continue
        first, last = matching[0], matching[-1]
        taps = slice(last, first - 1 if first else None, -every)
        lowest = (position + padding - last * dilation) // stride
        count = len(range(position, size, stride))
        phases.append((slice(position, None, stride), taps, count, step, -lowest))
    return phases


def _product(choices):
    if not choices:
        yield ()
        return
    for head in choices[0]:
        for tail in _product(choices[1:]):
            yield (head,) + tail
