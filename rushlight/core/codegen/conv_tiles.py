"""The correlation kernel with bfloat16 matrix instructions (AMX), see `gemm_parts`.

Tiles of C are result channels x pixels, so that neither pictures nor results are transposed: A is
the weights, packed beforehand, B is the input. A task copies the rows it needs to *planes* of words
(two channels, i and 16 + i of a block of 32) with zeros around them:

    planes [channel block][part][i][line][column]

In these all pixels form one line of words, from row to row and from picture to picture, and a tap
is a constant distance. A tile is 16 x 16 words from any place on. What is computed for the columns
and lines of padding between rows and pictures is thrown away; rows share the zeros between them.

Sums of 32 result channels wait in the order of the planes; then they go through bias, body and
stores, as vectors of pixels.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .conv_geometry import Correlation, ceil
from .conv_store import Results
from .gemm_parts import (
    BLOCK,
    FLOAT,
    LANES,
    PARTS,
    SQUARE,
    WORDS,
    PartWriter,
    are_small,
    multiply_parts,
    scale_of,
)
from .gemm_tile import Source, lanes_mask
from .gemm_tiles import instruction, shape_tiles

OUTS = 32                   # result channels whose sums wait together
PIXELS = 32                 # of a tile
ROOM = 800 << 10            # bytes of planes that a core's level-2 cache holds beside weights
WEIGHTS = 400 << 10         # bytes of weights that pass together
STEP = PARTS * 2 * SQUARE   # words of 32 result channels by 32 channels
CYCLES = 430                # of such a step for 32 pixels
FEW_TASKS = 8


class TileBlocks(NamedTuple):
    """How the work is cut."""

    images: int             # of a task
    rows: int               # result rows of each (all, where there are several images)
    out_blocks: int         # blocks of 32 result channels of a task
    chunk: int              # blocks of 32 channels whose weights pass together
    maxima: int             # tasks of the packing of weights


class Axis(NamedTuple):
    """Rows or columns of a padded input: zeros, then `count` elements from `first` on, then zeros.

    `pitch` is the distance from one line (one picture) to the next: the zeros between may serve
    both. `extent`: of one alone.
    """

    before: int
    first: int
    count: int
    pitch: int
    extent: int


def axis_of(size: int, source: int, kernel: int, dilation: int, offset: int) -> Axis:
    """One dimension of a correlation of stride 1."""
    extent = size + (kernel - 1) * dilation
    after = extent - offset - source
    first, end = max(0, -offset), min(source, extent - offset)
    pitch = source + max(offset, after)
    if offset < 0 or after < 0 or pitch < size:
        pitch = extent
    return Axis(max(offset, 0), first, max(end - first, 0), pitch, extent)


class Region:
    """A task's planes, in words."""

    def __init__(self, problem: Correlation, blocks: TileBlocks):
        height, width = problem.size[1:]
        self.columns = axis_of(width, problem.source[2], problem.kernel[2], problem.dilation[2],
                               problem.offset[2])
        self.lines = axis_of(height, problem.source[1], problem.kernel[1], problem.dilation[1],
                             problem.offset[1])
        self.whole = blocks.rows == height
        band = blocks.rows + (problem.kernel[1] - 1) * problem.dilation[1]
        self.band = band                                # lines of the last image
        self.image = self.lines.pitch if self.whole else band
        self.line_count = (blocks.images - 1) * self.image + band
        pitch = self.columns.pitch
        self.pixels = ((blocks.images - 1) * self.image + blocks.rows) * pitch
        self.tiles = ceil(self.pixels, PIXELS)
        slack = (self.line_count + 1) * pitch + PIXELS + 4 * LANES
        self.row = ceil(max(slack, self.tiles * PIXELS + self.columns.extent), LANES) * LANES
        self.row += LANES if self.row // LANES % 2 == 0 else 0  # rows fall into different sets
        self.channel_blocks = ceil(problem.channels, BLOCK)
        self.words = self.channel_blocks * PARTS * LANES * self.row
        self.sums = ceil(self.tiles * PIXELS + LANES, LANES) * LANES
        self.sums += LANES if self.sums // LANES % 2 == 0 else 0
        self.bands = ceil(height, blocks.rows)
        self.units = ceil(problem.batch, blocks.images) * self.bands
        self.out_blocks = ceil(problem.outs, OUTS)
        self.tasks = self.units * problem.groups * ceil(self.out_blocks, blocks.out_blocks)


def suits(problem: Correlation) -> bool:
    """Whether the kernel can compute it."""
    return (problem.dtype == "float32" and problem.stride == (1, 1, 1) and problem.size[0] == 1
            and problem.source[0] == 1 and problem.kernel[0] == 1 and problem.offset[0] == 0
            and problem.x_strides[4] == 1 and min(problem.channels, problem.outs) >= LANES
            and max(map(abs, problem.offset)) <= 64)


def weight_words(problem: Correlation) -> int:
    """Words of the packed weights, without their maxima."""
    return (problem.groups * ceil(problem.outs, OUTS) * ceil(problem.channels, BLOCK)
            * prod(problem.kernel) * STEP)


def weight_tasks(problem: Correlation) -> int:
    """Tasks of the packing of weights: some (group, block of result channels, channel block)."""
    pieces = problem.groups * ceil(problem.outs, OUTS) * ceil(problem.channels, BLOCK)
    return min(pieces, max(1, weight_words(problem) // 50_000), 64)


def choose_tiles(problem: Correlation, kept: bool):
    """(estimated cycles of one core, TileBlocks), or None where the kernel cannot."""
    if not suits(problem):
        return None
    height, width = problem.size[1:]
    taps = prod(problem.kernel)
    channel_blocks, out_blocks = ceil(problem.channels, BLOCK), ceil(problem.outs, OUTS)
    chunks = ceil(channel_blocks, max(1, WEIGHTS // (taps * STEP * 4)))
    chunk = ceil(channel_blocks, chunks)
    maxima = weight_tasks(problem)
    fixed = 0 if kept else weight_words(problem) / PARTS / LANES * 60
    best = None
    shapes = [(g, height) for g in (1, 2, 3, 4, 6, 8, 12, 16, 32) if g <= problem.batch]
    shapes += [(1, ceil(height, n)) for n in (2, 3, 4, 6, 8, 12, 16, 28, 56) if n <= height]
    for images, rows in shapes:
        for division in (1, 2, 4, 8, 16):
            if division > out_blocks:
                break
            blocks = TileBlocks(images, rows, ceil(out_blocks, division), chunk, maxima)
            region = Region(problem, blocks)
            if region.words * 4 > ROOM * 2 or region.sums * OUTS * 4 > ROOM // 2:
                continue
            steps = region.tiles * blocks.out_blocks * channel_blocks * taps
            cycles = steps * CYCLES * (1 if region.words * 4 <= ROOM else 1.5)
            cycles += channel_blocks * LANES * region.line_count \
                * (10 + ceil(region.columns.pitch, LANES) * 20)
            cycles += blocks.out_blocks * (OUTS * images * rows * (4 + ceil(width, LANES) * 8)
                                           + region.tiles * chunks * 150)
            weights = blocks.out_blocks * channel_blocks * taps * STEP * 4
            cycles += weights * (1 / 8 if weights > ROOM else 1 / 32)
            total = cycles * region.tasks
            if region.tasks < FEW_TASKS:
                total *= ceil(region.tasks, 2) * 2 / region.tasks * (1 + 1 / region.tasks)
            if best is None or total < best[0]:
                best = total, blocks
    if best is None:
        return None
    return best[0] + fixed, best[1]


def pack_weights(module, target, problem: Correlation, tasks: int):
    """Weights as words. Arguments: weights, packed.

    packed: [group][block of 32 result channels][channel block][row tap][column tap][part][result
    channel][16 words], then for each task a vector of its largest numbers.
    """
    sg, so, sc, _, sh, sw = problem.w_strides
    _, kh, kw = problem.kernel
    channel_blocks, out_blocks = ceil(problem.channels, BLOCK), ceil(problem.outs, OUTS)
    pieces = problem.groups * out_blocks * channel_blocks
    module.scheduled = True
    b = module.kernel()
    source, packed = b.load("ptr", b.args[0]), b.load("ptr", b.element(b.args[0], 1, "i64"))
    writer = PartWriter(b)
    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        writer.largest.set(0.0)
        with b.loop(task * pieces // tasks, (task + 1) * pieces // tasks, unroll=False) as piece:
            c = piece % channel_blocks * BLOCK
            rest = piece // channel_blocks
            out, group = rest % out_blocks * OUTS, rest // out_blocks
            here = b.element(source, group * sg + out * so + c * sc, "float")
            goal = b.element(packed, piece * (kh * kw * STEP), "i32")
            count = b.minimum(problem.channels - c, BLOCK)
            with b.loop(0, OUTS, unroll=False) as o:
                present = b.select(out + o < problem.outs, count, b.constant("i64", 0))
                first = b.minimum(o, problem.outs - 1 - out)
                with b.loop(0, kh, unroll=False) as y, b.loop(0, kw, unroll=False) as x:
                    row = Source(b.element(here, first * so + y * sh + x * sw, "float"), "float",
                                 so, sc)
                    into = b.element(goal, (y * kw + x) * STEP + o * LANES, "i32")
                    writer.row(row, present, lambda part, into=into: b.element(
                        into, part * (2 * SQUARE), "i32"))
        b.store(writer.largest.get(), b.element(
            packed, weight_words(problem) + task * LANES, "float"), 64)
    b.ret(0)


def correlate_tiles(module, target, problem: Correlation, blocks: TileBlocks, per_task: int,
                    bias: bool, body, extras, outputs):
    """y = correlation(x, w) + bias, through `body`. Arguments as `conv_correlate.correlate`.

    A task: `per_task` of (images or a band of rows, group, result channels), the last fastest.
    """
    module.scheduled = True
    _Tiles(module, target, problem, blocks,
           Results(problem, target, LANES, bias, body, extras, outputs)).write(per_task)


class _Tiles:
    """Writes the kernel."""

    def __init__(self, module, target, problem, blocks, results):
        self.b = b = module.kernel()
        self.problem, self.blocks, self.results = problem, blocks, results
        self.region = region = Region(problem, blocks)
        self.x, self.weights = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in (0, 1))
        self.planes = b.stack("i32", region.words)
        self.sums = b.stack("float", OUTS * region.sums)
        self.writer = PartWriter(b)
        height, width = problem.size[1:]
        self.by_rows = width % LANES == 0 or width > 12
        if not self.by_rows:
            places = [p // width * region.columns.pitch + p % width
                      for p in range(blocks.rows * width)]
            self.table = b.global_address(module.table("i32", places + [0] * LANES))

    def write(self, per_task: int) -> None:
        """The loop over tasks."""
        b, problem, blocks, region = self.b, self.problem, self.blocks, self.region
        self.results.open(b, b.args[0])
        shape_tiles(b)
        found = b.variable(b.constant(FLOAT, 0))
        with b.loop(0, blocks.maxima, unroll=False) as n:
            at = b.element(self.weights, weight_words(problem) + n * LANES, "float")
            found.set(self.writer.larger(b.load(FLOAT, at, 64), found.get()))
        largest = b.reduce(found.get(), lambda x, y: b.select(x > y, x, y))
        divisions = ceil(region.out_blocks, blocks.out_blocks)
        end = b.minimum(b.args[2] * per_task, region.tasks)
        with b.loop(b.args[1] * per_task, end, unroll=False) as task:
            first = task % divisions * blocks.out_blocks
            group, unit = task // divisions % problem.groups, task // divisions // problem.groups
            image = unit // region.bands * blocks.images
            row = unit % region.bands * blocks.rows
            images = b.minimum(problem.batch - image, blocks.images)
            rows = b.minimum(problem.size[1] - row, blocks.rows)
            self.writer.largest.set(0.0)
            self.pack(image, images, group, row)
            here = self.writer.found()
            small = are_small(b, here, largest, problem.channels * prod(problem.kernel))
            scale = b.splat(scale_of(b, small), LANES)
            tiles = (((images - 1) * region.image + blocks.rows) * region.columns.pitch
                     + (PIXELS - 1)) // PIXELS
            with b.loop(first, b.minimum(first + blocks.out_blocks, region.out_blocks),
                        unroll=False) as block:
                with b.when(small):
                    self.multiply(group * region.out_blocks + block, tiles)
                with b.unless(small):
                    self.multiply_slowly(image, images, group, row, rows, block * OUTS)
                self.finish(image, images, group, row, rows, block * OUTS, scale)
        instruction(b, "tilerelease")
        b.ret(0)

    # the input
    def pack(self, image, images, group, row) -> None:
        """The task's lines of all channels to `planes`."""
        b, problem, region = self.b, self.problem, self.region
        sn, sc, _, sh, _ = problem.x_strides
        columns, lines = region.columns, region.lines
        lines_here = (images - 1) * region.image + region.band
        zero = b.constant(WORDS, 0)
        with b.loop(0, region.channel_blocks, unroll=False) as block, \
                b.loop(0, LANES, unroll=False) as i:
            channel = block * BLOCK + i
            base = b.element(self.planes, (block * (PARTS * LANES) + i) * region.row, "i32")
            from_ = b.element(self.x, image * sn + group * (problem.channels * sc), "float")
            pair = [b.element(from_, b.minimum(channel + half, problem.channels - 1) * sc, "float")
                    for half in (0, LANES)]
            there = [None if problem.channels % BLOCK == 0 else
                     b.select(channel + half < problem.channels, b.constant("i64", columns.count),
                              b.constant("i64", 0)) for half in (0, LANES)]

            def place(part, at):
                return b.element(base, at + part * (LANES * region.row), "i32")

            def zeros(at, count):
                for begin in range(0, count, LANES):
                    for part in range(PARTS):
                        b.store(zero, place(part, at + begin), 4)

            with b.loop(0, lines_here, unroll=False) as line:
                picture = b.minimum(line // region.image, images - 1)
                y = row + line - picture * region.image - problem.offset[1]
                at = line * columns.pitch
                inside = (y >= lines.first) & (y < lines.first + lines.count)
                with b.unless(inside):
                    zeros(at, columns.pitch)
                with b.when(inside):
                    zeros(at, columns.before)
                    start = picture * sn + y * sh + columns.first
                    rows = [b.element(p, start, "float") for p in pair]

                    def vector(x, present):
                        pairs = []
                        for pointer, have in zip(rows, there):
                            mask = lanes_mask(b, LANES, present) if have is None else \
                                b.first_lanes(LANES, have - x)
                            pixel = b.element(pointer, x, "float")
                            pairs.append(b.load(FLOAT, pixel) if mask is None else
                                         b.masked_load(FLOAT, pixel, mask))
                        self.writer.write(pairs[0], pairs[1], lambda part: place(
                            part, at + columns.before + x), 4)
                    whole = columns.count - columns.count % LANES
                    with b.loop(0, whole, LANES, unroll=False) as x:
                        vector(x, LANES)
                    if columns.count % LANES:
                        vector(b.as_value(whole, "i64"), columns.count % LANES)
                    done = columns.before + ceil(columns.count, LANES) * LANES
                    zeros(at + done, columns.pitch - done)
            zeros(lines_here * columns.pitch, columns.extent - columns.pitch)

    # the sums
    def multiply(self, number, tiles) -> None:
        """Sums of a block of result channels, scaled, to `sums`."""
        b, problem, blocks, region = self.b, self.problem, self.blocks, self.region
        _, kh, kw = problem.kernel
        down = problem.dilation[1] * region.columns.pitch
        corners = [(r, c, r * 2 + c) for r in range(2) for c in range(2)]
        line, apart = (b.constant("i64", 4 * n) for n in (LANES, region.row))
        between = b.constant("i64", 4 * region.sums)
        chunks = ceil(region.channel_blocks, blocks.chunk)
        with b.loop(0, chunks, unroll=False) as chunk, b.loop(0, tiles, unroll=False) as t:
            places = [b.element(self.sums, t * PIXELS + (r * LANES * region.sums + c * LANES),
                                "float") for r, c, _ in corners]
            if chunks > 1:
                with b.when(chunk > 0):
                    for (_, _, register), place in zip(corners, places):
                        instruction(b, "tileloadd64", register, place, between)
                with b.unless(chunk > 0):
                    for _, _, register in corners:
                        instruction(b, "tilezero", register)
            else:
                for _, _, register in corners:
                    instruction(b, "tilezero", register)
            begin = chunk * blocks.chunk
            with b.loop(begin, b.minimum(begin + blocks.chunk, region.channel_blocks),
                        unroll=False) as block, \
                    b.loop(0, kh, unroll=False) as y, b.loop(0, kw, unroll=False) as x:
                step = ((number * region.channel_blocks + block) * kh + y) * kw + x
                weights = b.element(self.weights, step * STEP, "i32")
                pixels = b.element(self.planes, block * (PARTS * LANES * region.row) + t * PIXELS
                                   + y * down + x * problem.dilation[2], "i32")
                multiply_parts(
                    b, (lambda part, s: b.element(weights, (part * 2 + s) * SQUARE, "i32"),
                        lambda part, s: b.element(pixels, part * LANES * region.row + s * LANES,
                                                  "i32")), (line, apart), (2, 2))
            for (_, _, register), place in zip(corners, places):
                instruction(b, "tilestored64", register, place, between)

    def multiply_slowly(self, image, images, group, row, rows, out) -> None:
        """The same from numbers that have no parts, or whose sums could overflow; not scaled."""
        b, problem, region = self.b, self.problem, self.region
        sg, so, sc, _, sh, sw = problem.w_strides
        xn, xc, _, xh, _ = problem.x_strides
        _, kh, kw = problem.kernel
        width = problem.size[2]
        weights = b.load("ptr", b.element(b.args[0], 3, "i64"))
        with b.loop(0, b.minimum(problem.outs - out, OUTS), unroll=False) as o, \
                b.loop(0, images, unroll=False) as picture, \
                b.loop(0, rows, unroll=False) as y, b.loop(0, width, LANES, unroll=False) as x:
            total = b.variable(b.constant(FLOAT, 0))
            taps = b.element(weights, group * sg + (out + o) * so, "float")
            source = b.element(self.x, (image + picture) * xn + group * (problem.channels * xc),
                               "float")
            with b.loop(0, problem.channels, unroll=False) as c, \
                    b.loop(0, kh, unroll=False) as ky, b.loop(0, kw, unroll=False) as kx:
                line = row + y + ky * problem.dilation[1] - problem.offset[1]
                column = x + kx * problem.dilation[2] - problem.offset[2]
                lanes = b.iota("i64", LANES) + b.splat(column, LANES)
                inside = b.splat((line >= 0) & (line < problem.source[1]), LANES) \
                    & (lanes >= 0) & (lanes < problem.source[2])
                value = b.masked_load(FLOAT, b.element(source, c * xc + line * xh + column,
                                                       "float"), inside)
                tap = b.load("float", b.element(taps, c * sc + ky * sh + kx * sw, "float"))
                total.set(b.fma(b.splat(tap, LANES), value, total.get()))
            place = b.element(self.sums, o * region.sums + (picture * region.image + y)
                              * region.columns.pitch + x, "float")
            b.masked_store(total.get(), place, b.first_lanes(LANES, width - x))

    # the results
    def finish(self, image, images, group, row, rows, out, scale) -> None:
        """Sums of a block of result channels to results."""
        b, problem, region = self.b, self.problem, self.region
        width = problem.size[2]
        with b.loop(0, b.minimum(problem.outs - out, OUTS), unroll=False) as o, \
                b.loop(0, images, unroll=False) as picture:
            channel = group * problem.outs + out + o
            sums = b.element(self.sums, o * region.sums
                             + picture * (region.image * region.columns.pitch), "float")

            def put(value, pixel, mask):
                self.results.write(b, value * scale, image + picture, channel,
                                   row * width + pixel, mask)
            if not self.by_rows:
                count = rows * width
                with b.loop(0, count, LANES, unroll=False) as p:
                    places = b.load(WORDS, b.element(self.table, p, "i32"))
                    put(b.gather(FLOAT, sums, places), p, b.first_lanes(LANES, count - p))
            else:
                with b.loop(0, rows, unroll=False) as y:
                    line = b.element(sums, y * region.columns.pitch, "float")
                    whole = width - width % LANES
                    with b.loop(0, whole, LANES, unroll=False) as x:
                        put(b.load(FLOAT, b.element(line, x, "float")), y * width + x, None)
                    if width % LANES:
                        put(b.load(FLOAT, b.element(line, whole, "float")), y * width + whole,
                            lanes_mask(b, LANES, width % LANES))
