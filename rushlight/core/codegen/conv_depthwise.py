"""Depthwise convolution of a batch with lanes over images: small pictures and strides.

One channel makes one channel, so there is no matrix product: moving data decides. Pictures of
sixteen images are transposed to [pixel][image], with zeros around them, and every tap is one
multiply-add of whole vectors, whatever the stride and the width of the picture. Weights are read
where they are.
"""

from __future__ import annotations

from typing import NamedTuple

from ..base.dtypes import DTYPES
from .body import memory_type, store_lanes
from .conv_geometry import Correlation, ceil
from .conv_pack import compute_type, first_lanes, load_as, masked_gather, masked_load, transpose
from .conv_store import Results
from .llvm_types import vector
from .words import Lane

ELEMENTS = 256          # pixels of all channels handled at a time, where pictures are small
LARGEST = 1600          # pixels of a picture with its padding: 100 KB for 16 images


class DepthwiseBlocks(NamedTuple):
    """`together`: channels transposed at a time; `channels`: of one task."""

    together: int
    channels: int


def padded_size(problem: Correlation) -> tuple[int, int]:
    """Rows and columns of x that some tap reads, with those of x itself."""
    return tuple(max((problem.size[a] - 1) * problem.stride[a]
                     + (problem.kernel[a] - 1) * problem.dilation[a] + 1,
                     problem.source[a] + max(problem.offset[a], 0)) for a in (1, 2))  # type: ignore


def choose_depthwise(problem: Correlation, lanes: int, strided: bool) -> DepthwiseBlocks | None:
    """None where lanes over pixels are better, or another kernel is needed.

    strided: whether any of the passes is (rows of pixels cannot be read as vectors then).
    """
    if problem.channels != 1 or problem.outs != 1 or problem.groups == 1 or \
            problem.batch * 2 < lanes or problem.size[0] != 1 or problem.source[0] != 1 or \
            problem.kernel[0] != 1 or problem.kernel[1] * problem.kernel[2] > 25 or \
            min(problem.offset) < 0:
        return None
    rows, columns = padded_size(problem)
    if rows * columns > LARGEST or not (strided or problem.size[2] < lanes):
        return None
    pixels = max(problem.size[1] * problem.size[2], problem.source[1] * problem.source[2])
    together = min(problem.groups, max(1, ELEMENTS // pixels))
    channels = max(1, 4096 // pixels) // together * together
    return DepthwiseBlocks(together, min(max(channels, together), problem.groups))


class Pictures:
    """Sizes, and the functions that transpose pictures in."""

    def __init__(self, module, problem: Correlation, blocks: DepthwiseBlocks, lanes):
        self.module, self.problem, self.blocks, self.lanes = module, problem, blocks, lanes
        self.kind = compute_type(problem.dtype)
        self.rows, self.columns = padded_size(problem)
        self.padded = self.rows * self.columns
        _, oh, ow = problem.offset
        self.x_places = [(y + oh) * self.columns + x + ow for y in range(problem.source[1])
                         for x in range(problem.source[2])]
        self.pixels = problem.size[1] * problem.size[2]

    def buffer(self, b, pixels):
        """A workspace for `pixels` of the channels handled together."""
        return b.stack(self.kind, (self.blocks.together * pixels + self.lanes) * self.lanes)

    def clear(self, b, buffer, pixels):
        """Zeros."""
        zero = b.constant(vector(self.kind, self.lanes), 0)
        with b.loop(0, self.blocks.together * pixels, unroll=False) as i:
            b.store(zero, b.element(buffer, i * self.lanes, self.kind))

    def packer(self, name, size, strides, places, pitch):
        """A function (array, buffer, first image, first channel, channels): 16 images' pixels to
        `places` of a channel's `pitch` pixels."""
        lanes, kind, problem = self.lanes, self.kind, self.problem
        memory = memory_type(problem.dtype)
        sn, sc, _, sh, sw = strides
        _, height, width = size
        pixels = height * width
        b = self.module.function(name, "void", [
            ("ptr", "x"), ("ptr", "buffer"), ("i64", "image"), ("i64", "channel"),
            ("i64", "channels")], True)
        x, buffer, image, channel, channels = b.args
        flat = sw == 1 and sh == width
        joined = flat and sc == pixels and self.blocks.together > 1
        count = self.blocks.together if joined else 1
        table = b.global_address(self.module.table(
            "i64", [(c * pitch + p) * lanes for c in range(count) for p in places]))
        outer, inner = (1, channels * pixels) if joined else (channels, pixels)
        inner = b.as_value(inner, "i64")
        start = b.element(x, channel * sc, memory)
        with b.loop(0, outer, unroll=False) as c, b.loop(0, inner, lanes, unroll=False) as p:
            left = b.minimum(inner - p, lanes)
            mask = first_lanes(b, left, lanes)
            index = b.iota("i64", lanes)
            if not flat:
                number = index + b.splat(p, lanes)
                index = number // b.splat(b.constant("i64", width), lanes) * b.splat(
                    b.constant("i64", sh), lanes) + number % b.splat(
                    b.constant("i64", width), lanes) * b.splat(b.constant("i64", sw), lanes)
            rows = []
            for lane in range(lanes):
                picture = b.minimum(image + lane, problem.batch - 1)
                here = b.element(start, picture * sn + c * sc, memory)
                value = masked_load(b, vector(memory, lanes), b.element(here, p, memory), mask) \
                    if flat else masked_gather(b, vector(memory, lanes), here, index, mask)
                rows.append(b.cast(value, vector(kind, lanes)))
            block = b.stack(kind, lanes * lanes)
            for lane, value in enumerate(transpose(b, rows)):
                b.store(value, b.element(block, lane * lanes, kind))
            target = b.element(buffer, c * (pitch * lanes), kind)
            with b.loop(0, left, unroll=False) as i:
                place = b.load("i64", b.element(table, p + i, "i64"))
                b.store(b.load(vector(kind, lanes), b.element(block, i * lanes, kind)),
                        b.element(target, place, kind))
        b.ret()

    def weights(self, b, weights, channel):
        """The taps of a channel, each in every lane."""
        problem = self.problem
        so, *_, sh, sw = problem.w_strides
        memory = memory_type(problem.dtype)
        return [b.splat(load_as(b, problem.dtype, b.element(
            weights, channel * so + (y * sh + x * sw), memory)), self.lanes)
            for y in range(problem.kernel[1]) for x in range(problem.kernel[2])]

    def taps(self) -> list[int]:
        """Where each tap reads, in pixels from its output pixel's place."""
        problem = self.problem
        return [y * problem.dilation[1] * self.columns + x * problem.dilation[2]
                for y in range(problem.kernel[1]) for x in range(problem.kernel[2])]

    def tasks(self, b, per_task):
        """The loop over tasks: (image, first channel, channels) handled together."""
        blocks, problem = self.blocks, self.problem
        per_image = ceil(problem.groups, blocks.channels)
        end = b.minimum(b.args[2] * per_task, ceil(problem.batch, self.lanes) * per_image)
        return per_image, end


def depthwise(module, target, problem: Correlation, blocks: DepthwiseBlocks, per_task: int,
              transposed: bool, bias: bool, body, extras, outputs):
    """y = correlation(x, w) + bias, or its adjoint in x, through `body`.

    `problem` is the forward correlation's; transposed, x_strides are those of y's gradient.
    Arguments: input, weights, bias, unused, outputs, the body's further inputs. A task:
    `per_task` of (image block, channel block), the last fastest.
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    work = Pictures(module, problem, blocks, lanes)
    result = problem._replace(size=problem.source) if transposed else problem
    results = Results(result, target, lanes, bias, body, extras, outputs)
    if transposed:
        work.packer("pack", problem.size, problem.x_strides, range(work.pixels), work.pixels)
        pixels_in, pixels_out, places = work.pixels, work.padded, work.x_places
    else:
        work.packer("pack", problem.source, problem.x_strides, work.x_places, work.padded)
        pixels_in, pixels_out, places = work.padded, work.pixels, range(work.pixels)
    _channel(work, transposed)
    _unpack(work, results, len(places), places)
    module.scheduled = True
    b = module.kernel()
    x, weights = b.load("ptr", b.args[0]), b.load("ptr", b.element(b.args[0], 1, "i64"))
    source, sums = work.buffer(b, pixels_in), work.buffer(b, pixels_out)
    work.clear(b, source, pixels_in)
    per_image, end = work.tasks(b, per_task)
    with b.loop(b.args[1] * per_task, end, unroll=False) as task:
        image, first = task // per_image * lanes, task % per_image * blocks.channels
        last = b.minimum(first + blocks.channels, problem.groups)
        with b.loop(first, last, blocks.together, unroll=False) as channel:
            channels = b.minimum(last - channel, blocks.together)
            b.call("pack", "void", x, source, image, channel, channels)
            if transposed:
                work.clear(b, sums, pixels_out)
            with b.loop(0, channels, unroll=False) as c:
                b.call("channel", "void",
                       b.element(source, c * (pixels_in * lanes), work.kind),
                       b.element(sums, c * (pixels_out * lanes), work.kind), weights, channel + c)
                b.call("unpack", "void", b.args[0],
                       b.element(sums, c * (pixels_out * lanes), work.kind), image, channel + c)
    b.ret(0)


def _channel(work: Pictures, transposed):
    """All pixels of one channel: gather the taps of y, or scatter y's gradient to them."""
    problem, lanes, kind = work.problem, work.lanes, work.kind
    _, sh, sw = problem.stride
    wide = vector(kind, lanes)
    b = work.module.function("channel", "void", [("ptr", "x"), ("ptr", "sums"), ("ptr", "weights"),
                                                 ("i64", "channel")], True)
    x, sums, weights, channel = b.args
    taps = list(zip(work.weights(b, weights, channel), work.taps()))
    _, height, width = problem.size
    with b.loop(0, height, unroll=False) as row, b.loop(0, width, unroll=False) as column:
        near = (row * (sh * work.columns) + column * sw) * lanes
        pixel = (row * width + column) * lanes
        if transposed:
            value = b.load(wide, b.element(x, pixel, kind))
            for weight, offset in taps:
                place = b.element(sums, near + offset * lanes, kind)
                b.store(b.fma(weight, value, b.load(wide, place)), place)
        else:
            total = b.constant(wide, 0)
            start = b.element(x, near, kind)
            for weight, offset in taps:
                total = b.fma(weight, b.load(wide, b.element(start, offset * lanes, kind)), total)
            b.store(total, b.element(sums, pixel, kind))
    b.ret()


def _unpack(work: Pictures, results: Results, pixels, places):
    """One channel's sums to pictures."""
    problem, lanes, kind = work.problem, work.lanes, work.kind
    wide = vector(kind, lanes)
    b = work.module.function("unpack", "void", [("ptr", "args"), ("ptr", "sums"), ("i64", "image"),
                                                ("i64", "channel")], True)
    arguments, sums, image, channel = b.args
    results.open(b, arguments)
    block = b.stack(kind, lanes * lanes)
    images = b.minimum(problem.batch - image, lanes)
    padded = [*places, *[places[-1]] * (-pixels % lanes)]
    table = None if isinstance(places, range) else b.global_address(
        work.module.table("i64", [p * lanes for p in padded]))
    with b.loop(0, pixels, lanes, unroll=False) as p:
        rows = []
        for i in range(lanes):
            place = (p + i) * lanes if table is None else b.load("i64", b.element(
                table, p + i, "i64"))
            rows.append(b.load(wide, b.element(sums, place, kind)))
        for lane, value in enumerate(transpose(b, rows)):
            b.store(value, b.element(block, lane * lanes, kind))
        count = b.minimum(pixels - p, lanes)
        mask = first_lanes(b, count, lanes) if pixels % lanes else None
        with b.loop(0, images, unroll=False) as i:
            results.write(b, b.load(wide, b.element(block, i * lanes, kind)), image + i, channel, p,
                          mask)
    b.ret()


def depthwise_weight(module, target, problem: Correlation, g_strides: tuple,
                     blocks: DepthwiseBlocks, per_task: int):
    """Partial sums of the weight gradient. Arguments: x, y's gradient, partial.

    partial: [image block][channel][tap]. A task: `per_task` of (image block, channel block).
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    work = Pictures(module, problem, blocks, lanes)
    kind, wide = work.kind, vector(work.kind, lanes)
    work.packer("pack_x", problem.source, problem.x_strides, work.x_places, work.padded)
    work.packer("pack_g", problem.size, g_strides, range(work.pixels), work.pixels)
    _, height, width = problem.size
    _, sh, sw = problem.stride
    taps = work.taps()
    inner = module.function("channel", "void", [("ptr", "x"), ("ptr", "g"), ("ptr", "partial"),
                                                ("i64", "images")], True)
    b = inner
    x, g, partial, images = b.args
    totals = [b.variable(b.constant(wide, 0)) for _ in taps]
    with b.loop(0, height, unroll=False) as row, b.loop(0, width, unroll=False) as column:
        value = b.load(wide, b.element(g, (row * width + column) * lanes, kind))
        start = b.element(x, (row * (sh * work.columns) + column * sw) * lanes, kind)
        for total, offset in zip(totals, taps):
            total.set(b.fma(value, b.load(wide, b.element(start, offset * lanes, kind)),
                            total.get()))
    mask = first_lanes(b, images, lanes)       # the last images may be copies of one
    for n, total in enumerate(totals):
        found = b.select(mask, total.get(), b.constant(wide, 0))
        b.store(b.reduce(found, lambda p, q: p + q), b.element(partial, n, kind))
    b.ret()

    module.scheduled = True
    b = module.kernel()
    x, g, partial = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(3))
    x_work, g_work = work.buffer(b, work.padded), work.buffer(b, work.pixels)
    work.clear(b, x_work, work.padded)
    per_image, end = work.tasks(b, per_task)
    with b.loop(b.args[1] * per_task, end, unroll=False) as task:
        block, first = task // per_image, task % per_image * blocks.channels
        image = block * lanes
        last = b.minimum(first + blocks.channels, problem.groups)
        images = b.minimum(problem.batch - image, lanes)
        with b.loop(first, last, blocks.together, unroll=False) as channel:
            channels = b.minimum(last - channel, blocks.together)
            b.call("pack_x", "void", x, x_work, image, channel, channels)
            b.call("pack_g", "void", g, g_work, image, channel, channels)
            with b.loop(0, channels, unroll=False) as c:
                place = (block * problem.groups + channel + c) * len(taps)
                b.call("channel", "void", b.element(x_work, c * (work.padded * lanes), kind),
                       b.element(g_work, c * (work.pixels * lanes), kind),
                       b.element(partial, place, kind), images)
    b.ret(0)


def add_parts(module, target, dtype: str, parts: int, count: int):
    """The sum of `parts` arrays of `count` elements, in order. Arguments: partial, result."""
    kind, memory = compute_type(dtype), memory_type(dtype)
    module.scheduled = True
    b = module.kernel()
    partial, result = b.load("ptr", b.args[0]), b.load("ptr", b.element(b.args[0], 1, "i64"))
    with b.loop(0, count, unroll=False) as i:
        total = b.variable(b.load(kind, b.element(partial, i, kind)))
        with b.loop(1, parts, unroll=False) as part:
            total.add(b.load(kind, b.element(partial, part * count + i, kind)))
        store_lanes(b, Lane(total.get(), DTYPES[dtype]), b.element(result, i, memory))
    b.ret(0)
