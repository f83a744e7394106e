"""The correlation kernel with lanes over images: for small pictures in a batch.

Sixteen images side by side make every pixel one vector, whatever the picture's size, and each
pixel sees which of its taps fall on padding: those are skipped, a third of all for 3 x 3 taps on
4 x 4 pixels. Inputs are transposed to [row][column][channel][image] and sums to pictures again.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .body import memory_type
from .conv_geometry import MANY_TASKS, Correlation, ceil, split, tile_cycles
from .conv_pack import compute_type, first_lanes, masked_gather, masked_load, transpose
from .conv_store import Results
from .llvm_types import vector
from .repeated import Repeated

PANEL = 192 << 10       # bytes of transposed inputs, and as many of sums, of one task


class ImageBlocks(NamedTuple):
    """How the work is cut."""

    channels: int         # packed at a time
    outs: int             # result channels of a task
    tile: int             # result channels of a register tile
    vectors: int          # neighbouring pixels of a register tile; divides the row


def valid_taps(problem: Correlation, column: int, width: int) -> list[tuple[int, int]]:
    """For each column tap, which of `width` pixels from `column` it serves: (first, end)."""
    found = []
    for k in range(problem.kernel[2]):
        inside = [v for v in range(width) if 0 <= (column + v) * problem.stride[2]
                  + k * problem.dilation[2] - problem.offset[2] < problem.source[2]]
        found.append((inside[0], inside[-1] + 1) if inside else (0, 0))
    return found


def valid_rows(problem: Correlation) -> int:
    """How many (row, row tap) pairs are not on padding."""
    return sum(0 <= y * problem.stride[1] + k * problem.dilation[1] - problem.offset[1]
               < problem.source[1] for y in range(problem.size[1])
               for k in range(problem.kernel[1]))


def choose_images(problem: Correlation, lanes: int, registers: int, itemsize: int):
    """(estimated cycles, ImageBlocks), or None where another way is plainly better."""
    depth, height, width = problem.size
    if depth > 1 or problem.kernel[0] > 1 or problem.source[0] > 1 or problem.offset[0] or \
            problem.batch < lanes or height * width > 256 or problem.outs < 4 or \
            problem.channels < 4 or problem.kernel[2] > 11:
        return None
    image_blocks = ceil(problem.batch, lanes)
    panel = PANEL // (problem.source[1] * problem.source[2] * lanes * itemsize)
    if panel < 4:
        return None
    channels = ceil(problem.channels, ceil(problem.channels, panel))
    room = max(PANEL // (height * width * lanes * itemsize), 8)
    tasks = image_blocks * problem.groups
    pieces = max(ceil(problem.outs, room), ceil(MANY_TASKS, tasks) if problem.outs >= 64 else 1)
    outs = ceil(problem.outs, pieces)
    best = None
    for vectors in range(1, min(width, 8) + 1):
        most = min((registers - 1 - vectors) // vectors, 28)
        if width % vectors or most < 1:
            continue
        tile, full, short = split(outs, most)
        cycles = 0.0
        for column in range(0, width, vectors):
            for first, end in valid_taps(problem, column, vectors):
                if end > first:
                    cycles += full * tile_cycles(tile, end - first)
                    cycles += short * tile_cycles(tile - 1, end - first) if short else 0
        cycles *= valid_rows(problem) * problem.channels
        loads = ceil(problem.channels, channels) * height * width * outs * 2
        if best is None or cycles + loads < best[0]:
            best = cycles + loads, tile, vectors
    assert best is not None
    moved = problem.channels * problem.source[1] * problem.source[2] * 8 \
        + outs * height * width * 8
    total = (best[0] + moved) * ceil(problem.outs, outs) * tasks
    return total, ImageBlocks(channels, outs, best[1], best[2])


def correlate_images(module, target, problem: Correlation, blocks: ImageBlocks, per_task: int,
                     bias: bool, body, extras, outputs):
    """y = correlation(x, w) + bias, through `body`. Arguments as `conv_correlate.correlate`.

    A task: `per_task` of (image block, group, out block), the last fastest.
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    kind = compute_type(problem.dtype)
    work = _Images(module, problem, blocks, lanes, kind,
                   Results(problem, target, lanes, bias, body, extras, outputs))
    work.pack()
    work.finish()
    out_blocks = ceil(problem.outs, blocks.outs)
    taps = problem.kernel[1] * problem.kernel[2]
    sizes = sorted({min(blocks.outs, problem.outs - o)
                    for o in range(0, problem.outs, blocks.outs)}, reverse=True)
    module.scheduled = True
    b = module.kernel()
    x, weights = b.load("ptr", b.args[0]), b.load("ptr", b.element(b.args[0], 1, "i64"))
    panel, sums = b.stack(kind, work.panel_elements), b.stack(kind, work.sum_elements)
    end = b.minimum(b.args[2] * per_task,
                    ceil(problem.batch, lanes) * problem.groups * out_blocks)
    with b.loop(b.args[1] * per_task, end, unroll=False) as task:
        out_block, rest = task % out_blocks, task // out_blocks
        group, image = rest % problem.groups, rest // problem.groups * lanes
        out = out_block * blocks.outs
        outs = b.minimum(problem.outs - out, blocks.outs)
        here = b.element(weights, (group * problem.outs + out) * (problem.channels * taps), kind)
        with b.loop(0, ceil(problem.channels, blocks.channels), unroll=False) as block:
            channel = block * blocks.channels
            channels = b.minimum(problem.channels - channel, blocks.channels)
            place = (group * problem.channels + channel) * problem.x_strides[1]
            b.call("pack", "void", b.element(x, place, memory_type(problem.dtype)), panel, image,
                   channels)
            packed = b.element(here, channel * outs * taps, kind)
            for total in sizes:
                with b.when(outs.equals(total)):
                    work.tiles(b, total, panel, packed, sums, channels, block)
        b.call("finish", "void", b.args[0], sums, image, group * problem.outs + out, outs)
    b.ret(0)


class _Images:
    """The functions of the kernel."""

    def __init__(self, module, problem, blocks, lanes, kind, results):
        self.module, self.problem, self.blocks, self.lanes = module, problem, blocks, lanes
        self.kind, self.results = kind, results
        _, self.height, self.width = problem.size
        self.pixels = self.height * self.width
        _, self.rows_in, self.columns_in = problem.source
        self.pixel_in = blocks.channels * lanes          # between input pixels of the panel
        self.panel_elements = self.rows_in * self.columns_in * self.pixel_in + lanes * lanes
        self.sum_elements = (blocks.outs * self.pixels + lanes) * lanes
        self.names: dict = {}

    def pack(self):
        """x of 16 images to [row][column][channel][image]."""
        problem, lanes, kind = self.problem, self.lanes, self.kind
        memory = memory_type(problem.dtype)
        sn, sc, _, sh, sw = problem.x_strides
        pixels, columns = self.rows_in * self.columns_in, self.columns_in
        b = self.module.function("pack", "void", [("ptr", "x"), ("ptr", "panel"), ("i64", "image"),
                                                  ("i64", "channels")], True)
        x, panel, image, channels = b.args
        flat = sw == 1 and sh == columns
        # Channels and pixels that follow each other are one sequence.
        joined = flat and sc == pixels
        outer, inner = (b.constant("i64", 1), channels * pixels) if joined else \
            (channels, b.constant("i64", pixels))
        with b.loop(0, outer, unroll=False) as c, \
                b.loop(0, inner, lanes, unroll=False) as p:
            left = b.minimum(inner - p, lanes)
            mask = first_lanes(b, left, lanes)
            index = b.iota("i64", lanes)
            if not flat:
                count = index + b.splat(p, lanes)
                index = count // b.splat(b.constant("i64", columns), lanes) * b.splat(
                    b.constant("i64", sh), lanes) + count % b.splat(
                    b.constant("i64", columns), lanes) * b.splat(b.constant("i64", sw), lanes)
            rows = []
            for lane in range(lanes):
                picture = b.minimum(image + lane, problem.batch - 1)
                start = b.element(x, picture * sn + c * sc, memory)
                value = masked_load(b, vector(memory, lanes), b.element(start, p, memory), mask) \
                    if flat else masked_gather(b, vector(memory, lanes), start, index, mask)
                rows.append(b.cast(value, vector(kind, lanes)))
            block = b.stack(kind, lanes * lanes)
            for lane, value in enumerate(transpose(b, rows)):
                b.store(value, b.element(block, lane * lanes, kind))
            with b.loop(0, left, unroll=False) as i:
                at = p + i
                pixel, channel = (at % pixels, at // pixels) if joined else (at, c)
                b.store(b.load(vector(kind, lanes), b.element(block, i * lanes, kind)),
                        b.element(panel, pixel * self.pixel_in + channel * lanes, kind))
        b.ret()

    def _tile(self, size):
        """Sums of `size` channels at `vectors` neighbouring pixels."""
        name = f"tile{size}"
        if name in self.names:
            return name
        self.names[name] = True
        problem, lanes, vectors = self.problem, self.lanes, self.blocks.vectors
        (_, kh, kw), (_, sh, sw), (_, dh, dw), (_, oh, ow) = (
            problem.kernel, problem.stride, problem.dilation, problem.offset)
        b = self.module.function(name, "void", [
            ("ptr", "panel"), ("ptr", "w"), ("ptr", "sums"), ("i64", "channels"), ("i64", "block"),
            ("i64", "row"), ("i64", "column")], True)
        panel, weights, sums, channels, block, row, column = b.args
        kind = vector(self.kind, lanes)
        totals = [[b.variable(b.constant(kind, 0)) for _ in range(vectors)] for _ in range(size)]
        places = [[b.element(sums, (t * self.pixels + v) * lanes, self.kind)
                   for v in range(vectors)] for t in range(size)]
        with b.when(block > 0):
            for total, place in zip(sum(totals, []), sum(places, [])):
                total.set(b.load(kind, place))
        # Which pixels a tap serves, for every column of tiles.
        spans = [valid_taps(problem, c, vectors) for c in range(0, self.width, vectors)]
        kinds = sorted({span for line in spans for span in line if span[1] > span[0]})
        table = None
        if len(kinds) > 1 or any(s[0] == s[1] for line in spans for s in line):
            numbers = [kinds.index(s) if s in kinds else len(kinds) for line in spans for s in line]
            table = b.global_address(self.module.table("i64", numbers))
        with b.loop(0, kh, unroll=False) as y:
            line = row * sh + y * dh - oh
            with b.when((line >= 0) & (line < self.rows_in)), b.loop(0, kw, unroll=False) as k:
                start = (line * self.columns_in + column * sw + k * dw - ow) * self.pixel_in
                here = b.element(panel, start, self.kind)
                taps = b.element(weights, (y * kw + k) * channels * size, self.kind)
                which = None if table is None else b.load("i64", b.element(
                    table, column // vectors * kw + k, "i64"))
                for n, (first, end) in enumerate(kinds):
                    if which is None:
                        self._step(b, totals, here, taps, channels, first, end)
                        continue
                    with b.when(which.equals(n)):
                        self._step(b, totals, here, taps, channels, first, end)
        for total, place in zip(sum(totals, []), sum(places, [])):
            b.store(total.get(), place)
        b.ret()
        return name

    def _step(self, b, totals, panel, weights, channels, first, end):
        """One tap of pixels first..end-1 of a tile."""
        lanes, kind = self.lanes, vector(self.kind, self.lanes)
        apart = self.problem.stride[2] * self.pixel_in
        size = len(totals)
        with b.loop(0, channels, unroll=False) as c:
            at = b.element(panel, c * lanes, self.kind)
            values = [b.load(kind, b.element(at, v * apart, self.kind))
                      for v in range(first, end)]
            here = Repeated(b, b.element(weights, c * size, self.kind), self.kind, lanes,
                            len(values))
            for t in range(size):
                here.add_products(t, t, values, totals[t][first:end])

    def tiles(self, b, outs, panel, weights, sums, channels, block):
        """All register tiles of a task that has `outs` (a Python number) channels."""
        taps = prod(self.problem.kernel)
        size, full, short = split(outs, self.blocks.tile)
        for tile, first, count in ((size, 0, full), (size - 1, full * size, short)):
            if not count:
                continue
            name = self._tile(tile)
            with b.loop(0, count, unroll=False) as i:
                before = i * tile + first
                with b.loop(0, self.height, unroll=False) as row, \
                        b.loop(0, self.width, self.blocks.vectors, unroll=False) as column:
                    place = (before * self.pixels + row * self.width + column) * self.lanes
                    b.call(name, "void", panel,
                           b.element(weights, before * channels * taps, self.kind),
                           b.element(sums, place, self.kind), channels, block, row, column)

    def finish(self):
        """Sums to pictures: transpose, then bias, body and store."""
        lanes, kind, problem = self.lanes, self.kind, self.problem
        b = self.module.function("finish", "void", [
            ("ptr", "args"), ("ptr", "sums"), ("i64", "image"), ("i64", "channel"),
            ("i64", "outs")], True)
        arguments, sums, image, channel, outs = b.args
        self.results.open(b, arguments)
        block = b.stack(kind, lanes * lanes)
        wide = vector(kind, lanes)
        images = b.minimum(problem.batch - image, lanes)
        with b.loop(0, outs, unroll=False) as o, \
                b.loop(0, self.pixels, lanes, unroll=False) as p:
            rows = [b.load(wide, b.element(sums, (o * self.pixels + p + i) * lanes, kind))
                    for i in range(lanes)]
            for lane, value in enumerate(transpose(b, rows)):
                b.store(value, b.element(block, lane * lanes, kind))
            count = b.minimum(self.pixels - p, lanes)
            mask = first_lanes(b, count, lanes) if self.pixels % lanes else None
            with b.loop(0, images, unroll=False) as i:
                self.results.write(b, b.load(wide, b.element(block, i * lanes, kind)), image + i,
                                   channel + o, p, mask)
        b.ret()
