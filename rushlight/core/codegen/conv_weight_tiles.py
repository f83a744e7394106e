"""The weight gradient with bfloat16 matrix instructions (AMX), see `gemm_parts` and `conv_tiles`.

    w[o, c, k] = sum over q of  g[o, q] * x[c, q + distance of tap k]

where q runs along the line of pixels of `conv_tiles`, in which g has zeros for the columns and
lines of padding. Tiles are result channels x channels, summed over 32 pixels at a time. A is g, its
words of pixels i and 16 + i of each 32. B is x, transposed, with a word of the pixels q and q + 16
for every q: any tap reads its 16 rows from there. Sums are kept for each part of the images, whose
number depends on the shape alone, and added by `combine`.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .conv_geometry import MANY_TASKS, Correlation, ceil
from .conv_tiles import Region, TileBlocks
from .conv_weight import STACK, WeightProblem
from .gemm_pack import transpose
from .gemm_parts import (
    BLOCK,
    FLOAT,
    LANES,
    PARTS,
    SQUARE,
    PartWriter,
    are_small,
    multiply_parts,
    scale_of,
)
from .gemm_tile import Source, lanes_mask
from .gemm_tiles import instruction, shape_tiles
from .llvm_types import vector

PIXELS = 384            # of a unit, about
LEAST_USEFUL = 0.75
PART = 2 << 20          # bytes of a part's sums: more are shared by several tasks


class WeightTiles(NamedTuple):
    """How the work is cut."""

    images: int             # of a unit
    rows: int               # result rows of each
    parts: int              # partial sums
    channel_blocks: int     # blocks of 32 channels of a task


class Span(NamedTuple):
    """As `conv_tiles.Axis`, of what has no padding."""

    before: int
    first: int
    count: int


def _region(problem: WeightProblem, images: int, rows: int) -> Region:
    return Region(Correlation(
        problem.dtype, problem.batch, problem.groups, problem.channels, problem.outs, problem.size,
        problem.source, problem.kernel, problem.stride, problem.dilation, problem.offset,
        problem.x_strides, ()), TileBlocks(images, rows, 1, 1, 1))


def choose_weight_tiles(problem: WeightProblem) -> WeightTiles | None:
    """The cut, or None where the kernel cannot compute it or another is faster."""
    flat = problem.size[0] == problem.source[0] == problem.kernel[0] == 1
    if not (flat and problem.dtype == "float32" and problem.stride == (1, 1, 1)
            and problem.x_strides[4] == problem.g_strides[4] == 1
            and problem.channels % BLOCK == 0 and problem.outs % BLOCK == 0
            and max(map(abs, problem.offset)) <= 64 and problem.work > 2_000_000):
        return None
    height, width = problem.size[1:]
    rows = ceil(height, ceil(height * width, PIXELS))
    images = 1
    if rows == height:
        images = max(1, min(problem.batch, PIXELS // (height * width)))
    region = _region(problem, images, rows)
    useful = width * rows * images / region.pixels      # the rest is padding
    words = problem.outs * region.row * PARTS // 2 + 2 * BLOCK * region.row * (PARTS + 1)
    if useful < LEAST_USEFUL or words * 4 > STACK:
        return None
    blocks = problem.channels // BLOCK
    part = problem.channels * problem.outs * prod(problem.kernel) * 4
    divisions = min(blocks, ceil(part, PART))
    channel_blocks = ceil(blocks, divisions)
    want = ceil(MANY_TASKS // 2, ceil(blocks, channel_blocks) * problem.groups)
    return WeightTiles(images, rows, min(want, region.units), channel_blocks)


def tasks_of(problem: WeightProblem, blocks: WeightTiles) -> int:
    """How many (part, group, channels) there are."""
    return blocks.parts * problem.groups * ceil(problem.channels // BLOCK, blocks.channel_blocks)


def weight_tiles(module, target, problem: WeightProblem, blocks: WeightTiles):
    """Partial sums [part][group][tap][result channel][channel]. Arguments: x, g, partial.

    A task: one (part, group, channels), the last fastest.
    """
    module.scheduled = True
    _Tiles(module, problem, blocks).write()


class _Tiles:
    """Writes the kernel."""

    def __init__(self, module, problem: WeightProblem, blocks: WeightTiles):
        self.b = b = module.kernel()
        self.problem, self.blocks = problem, blocks
        self.region = region = _region(problem, blocks.images, blocks.rows)
        self.x, self.g, self.partial = (b.load("ptr", b.element(b.args[0], n, "i64"))
                                        for n in range(3))
        pitch = region.columns.pitch
        self.steps = ceil(region.pixels, BLOCK)
        reach = (problem.kernel[1] - 1) * problem.dilation[1] * pitch \
            + (problem.kernel[2] - 1) * problem.dilation[2]
        self.words = ceil(self.steps * BLOCK + reach, LANES) * LANES        # pixels that are read
        # Lines are copied in whole vectors, and pairs reach 16 further.
        most = max(self.words + LANES, (region.line_count + 1) * pitch)
        self.long = (ceil(most, LANES) + 8) * LANES
        self.numbers = b.stack("float", LANES * self.long)
        self.turned = b.stack("float", (self.words + LANES) * LANES)
        self.x_words = b.stack("i32", 2 * PARTS * self.words * LANES)
        self.step_words = PARTS * 2 * SQUARE        # of 32 result channels by 32 pixels
        self.g_words = b.stack("i32", problem.outs // BLOCK * self.steps * self.step_words)
        self.writer, self.writer_g = PartWriter(b), PartWriter(b)

    def write(self) -> None:
        """The loop over tasks."""
        b, problem, blocks, region = self.b, self.problem, self.blocks, self.region
        shape_tiles(b)
        divisions = ceil(problem.channels // BLOCK, blocks.channel_blocks)
        with b.loop(b.args[1], b.args[2], unroll=False) as task:
            part = task // divisions // problem.groups
            group = task // divisions % problem.groups
            first = task % divisions * blocks.channel_blocks
            last = b.minimum(first + blocks.channel_blocks, problem.channels // BLOCK)
            size = prod(problem.kernel) * problem.outs * problem.channels
            goal = b.element(self.partial, (part * problem.groups + group) * size, "float")
            begin = part * region.units // blocks.parts
            end = (part + 1) * region.units // blocks.parts
            self.writer.largest.set(0.0)
            self.writer_g.largest.set(0.0)
            with b.loop(begin, end, unroll=False) as unit:
                image = unit // region.bands * blocks.images
                row = unit % region.bands * blocks.rows
                self.pack_g(image, row, group)
                with b.loop(first, last, unroll=False) as block:
                    self.pack_x(image, row, group * problem.channels + block * BLOCK)
                    self.multiply(b.element(goal, block * BLOCK, "float"), unit > begin)
            x, g = self.writer.found(), self.writer_g.found()
            small = are_small(b, x, g, problem.batch * prod(problem.size))
            b.store(scale_of(b, small), b.element(
                self.partial, blocks.parts * problem.groups * size + task, "float"))
            with b.unless(small):
                self.multiply_slowly(goal, group, first, last, begin, end)
        instruction(b, "tilerelease")
        b.ret(0)

    def lines(self, source, strides, axes, most, row, image, into) -> None:
        """One channel's lines of a unit as numbers, with zeros around them.

        axes: columns, lines, and the lines before the first. most: lines of a picture.
        """
        b, problem, blocks, region = self.b, self.problem, self.blocks, self.region
        columns, lines, offset = axes
        pitch = region.columns.pitch
        zero = b.constant(FLOAT, 0)

        def zeros(at, count):
            for begin in range(0, count, LANES):
                b.store(zero, b.element(into, at + begin, "float"), 4)
        with b.loop(0, region.line_count, unroll=False) as line:
            picture = b.minimum(line // region.image, blocks.images - 1)
            y = line - picture * region.image - offset
            at = line * pitch
            inside = (y + row >= lines.first) & (y + row < lines.first + lines.count) \
                & (image + picture < problem.batch) & (y < most)
            with b.unless(inside):
                zeros(at, pitch)
            with b.when(inside):
                zeros(at, columns.before)
                start = b.element(source, (image + picture) * strides[0] + (y + row) * strides[3]
                                  + columns.first, "float")
                whole = columns.count - columns.count % LANES
                with b.loop(0, whole, LANES, unroll=False) as x:
                    b.store(b.load(FLOAT, b.element(start, x, "float")),
                            b.element(into, at + columns.before + x, "float"), 4)
                if columns.count % LANES:
                    mask = lanes_mask(b, LANES, columns.count % LANES)
                    b.store(b.masked_load(FLOAT, b.element(start, whole, "float"), mask),
                            b.element(into, at + columns.before + whole, "float"), 4)
                done = columns.before + ceil(columns.count, LANES) * LANES
                zeros(at + done, pitch - done)
        end = region.line_count * pitch
        zeros(b.constant("i64", end), self.long - end - LANES)

    def pack_g(self, image, row, group) -> None:
        """All result channels of a unit: [block of 32][32 pixels][part][result channel]."""
        b, problem = self.b, self.problem
        axes = (Span(0, 0, problem.size[2]), Span(0, 0, problem.size[1]), 0)
        with b.loop(0, problem.outs, unroll=False) as o:
            channel = group * problem.outs + o
            self.lines(b.element(self.g, channel * problem.g_strides[1], "float"),
                       problem.g_strides, axes, self.blocks.rows, row, image, self.numbers)
            with b.loop(0, self.steps, unroll=False) as step:
                numbers = Source(b.element(self.numbers, step * BLOCK, "float"), "float", 0, 1)
                into = b.element(self.g_words, (o // BLOCK * self.steps + step) * self.step_words
                                 + o % BLOCK * LANES, "i32")
                self.writer_g.row(numbers, None, lambda part, into=into: b.element(
                    into, part * (2 * SQUARE), "i32"))

    def pack_x(self, image, row, channel) -> None:
        """32 channels of a unit: [block of 16][part][pixel][channel]."""
        b, problem, region = self.b, self.problem, self.region
        axes = (region.columns, region.lines, problem.offset[1])
        with b.loop(0, 2, unroll=False) as square:
            with b.loop(0, LANES, unroll=False) as c:
                place = (channel + square * LANES + c) * problem.x_strides[1]
                self.lines(b.element(self.x, place, "float"), problem.x_strides, axes,
                           region.line_count, row, image,
                           b.element(self.numbers, c * self.long, "float"))
            with b.loop(0, self.words + LANES, LANES, unroll=False) as q:
                rows = transpose(b, [b.load(FLOAT, b.element(self.numbers, q + c * self.long,
                                                             "float"), 64) for c in range(LANES)])
                for i, value in enumerate(rows):
                    b.store(value, b.element(self.turned, (q + i) * LANES, "float"), 64)
            into = b.element(self.x_words, square * (PARTS * LANES * self.words), "i32")
            with b.loop(0, self.words, unroll=False) as q:
                low, high = (b.load(FLOAT, b.element(self.turned, (q + later) * LANES, "float"), 64)
                             for later in (0, LANES))
                self.writer.write(low, high, lambda part: b.element(
                    into, (q + part * self.words) * LANES, "i32"))

    def multiply(self, goal, continued) -> None:
        """Add the unit's products to the sums of 32 channels, scaled."""
        b, problem = self.b, self.problem
        _, kh, kw = problem.kernel
        down = problem.dilation[1] * self.region.columns.pitch
        corners = [(r, c, r * 2 + c) for r in range(2) for c in range(2)]
        line, between = b.constant("i64", 4 * LANES), b.constant("i64", 4 * problem.channels)
        with b.loop(0, problem.outs // BLOCK, unroll=False) as block, \
                b.loop(0, kh, unroll=False) as y, b.loop(0, kw, unroll=False) as x:
            tap = b.element(goal, ((y * kw + x) * problem.outs + block * BLOCK) * problem.channels,
                            "float")
            places = [b.element(tap, r * LANES * problem.channels + c * LANES, "float")
                      for r, c, _ in corners]
            with b.when(continued):
                for (_, _, register), place in zip(corners, places):
                    instruction(b, "tileloadd64", register, place, between)
            with b.unless(continued):
                for _, _, register in corners:
                    instruction(b, "tilezero", register)
            pixels = b.element(self.x_words, (y * down + x * problem.dilation[2]) * LANES, "i32")
            words = b.element(self.g_words, block * (self.steps * self.step_words), "i32")
            with b.loop(0, self.steps, unroll=False) as step:
                here = b.element(words, step * self.step_words, "i32")
                other = b.element(pixels, step * (BLOCK * LANES), "i32")
                multiply_parts(
                    b, (lambda part, s: b.element(here, (part * 2 + s) * SQUARE, "i32"),
                        lambda part, s: b.element(other, (s * PARTS + part) * self.words * LANES,
                                                  "i32")), (line, line), (2, 2))
            for (_, _, register), place in zip(corners, places):
                instruction(b, "tilestored64", register, place, between)

    def multiply_slowly(self, goal, group, first, last, begin, end) -> None:
        """All of a task's sums from numbers that have no parts, or whose sums could overflow."""
        b, problem, blocks, region = self.b, self.problem, self.blocks, self.region
        xn, xc, _, xh, _ = problem.x_strides
        gn, gc, _, gh, _ = problem.g_strides
        _, kh, kw = problem.kernel
        height, width = problem.size[1:]
        with b.loop(0, kh, unroll=False) as ky, b.loop(0, kw, unroll=False) as kx, \
                b.loop(first * BLOCK, last * BLOCK, unroll=False) as c, \
                b.loop(0, problem.outs, unroll=False) as o:
            total = b.variable(b.constant(FLOAT, 0))
            with b.loop(begin, end, unroll=False) as unit:
                image = unit // region.bands * blocks.images
                row = unit % region.bands * blocks.rows
                with b.loop(image, b.minimum(image + blocks.images, problem.batch),
                            unroll=False) as n, \
                        b.loop(row, b.minimum(row + blocks.rows, height), unroll=False) as y, \
                        b.loop(0, width, LANES, unroll=False) as x:
                    line = y + ky * problem.dilation[1] - problem.offset[1]
                    column = x + kx * problem.dilation[2] - problem.offset[2]
                    lanes = b.iota("i64", LANES) + b.splat(column, LANES)
                    inside = b.splat((line >= 0) & (line < problem.source[1]), LANES) \
                        & (lanes >= 0) & (lanes < problem.source[2])
                    have = b.first_lanes(LANES, width - x)
                    g = b.masked_load(FLOAT, b.element(
                        self.g, n * gn + (group * problem.outs + o) * gc + y * gh + x, "float"),
                        have)
                    value = b.masked_load(FLOAT, b.element(
                        self.x, n * xn + (group * problem.channels + c) * xc + line * xh + column,
                        "float"), inside & have)
                    total.set(b.fma(g, value, total.get()))
            at = ((ky * kw + kx) * problem.outs + o) * problem.channels + c
            b.store(b.reduce(total.get(), lambda p, q: p + q), b.element(goal, at, "float"))


def combine(module, target, problem: WeightProblem, blocks: WeightTiles, per_task: int):
    """Add the parts and write (o, c, taps). Arguments: partial, weight gradient.

    A task: `per_task` of (group, result channel).
    """
    module.scheduled = True
    b = module.kernel()
    partial, result = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(2))
    taps, channels, outs = prod(problem.kernel), problem.channels, problem.outs
    divisions = ceil(channels // BLOCK, blocks.channel_blocks)
    size = taps * outs * channels
    room = b.stack("float", taps * LANES)
    order = b.global_address(module.table(
        "i32", [m % taps * LANES + m // taps for m in range(taps * LANES)]))
    scales = b.element(partial, blocks.parts * problem.groups * size, "float")
    end = b.minimum(b.args[2] * per_task, problem.groups * outs)
    with b.loop(b.args[1] * per_task, end, unroll=False) as task, \
            b.loop(0, channels, LANES, unroll=False) as c:
        group, o = task // outs, task % outs
        division = c // (BLOCK * blocks.channel_blocks)
        with b.loop(0, taps, unroll=False) as tap:
            total = b.variable(b.constant(FLOAT, 0))
            with b.loop(0, blocks.parts, unroll=False) as part:
                which = part * problem.groups + group
                value = b.load(FLOAT, b.element(
                    partial, which * size + (tap * outs + o) * channels + c, "float"))
                scale = b.load("float", b.element(scales, which * divisions + division, "float"))
                total.set(b.fma(value, b.splat(scale, LANES), total.get()))
            b.store(total.get(), b.element(room, tap * LANES, "float"), 64)
        with b.loop(0, taps, unroll=False) as n:
            places = b.load(vector("i32", LANES), b.element(order, n * LANES, "i32"), 64)
            b.store(b.gather(FLOAT, room, places), b.element(
                result, (task * channels + c) * taps + n * LANES, "float"))
    b.ret(0)


def partial_bytes(problem: WeightProblem, blocks: WeightTiles) -> int:
    """Of the parts' sums, and the scales of each task."""
    return 4 * (blocks.parts * problem.groups * prod(problem.kernel) * problem.outs
                * problem.channels + tasks_of(problem, blocks))
