"""The correlation kernel with lanes over result channels, for few images.

A register tile is `tile` neighbouring pixels of a row by some vectors of result channels. Weights
are packed so that a tile's channels follow each other: they are loaded as vectors. Inputs are
broadcast, one element at a time, so a tile may begin at any pixel and no copy of the input is made
for the sake of lanes. Only padding asks for one: `pad` writes the input once with zeros around it.
Sums are [pixel][channel]; a row of them is transposed when it is done and goes through bias, body
and stores as vectors of pixels.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .body import memory_type
from .conv_geometry import FAR, PAGE, TASK_WORK, Correlation, ceil, split, tile_cycles
from .conv_pack import compute_type, copy_rows, first_lanes, transpose
from .conv_store import Results
from .llvm_types import vector
from .repeated import Repeated

NEAR = 1 << 20          # bytes that a core's level-2 cache holds beside other things
WIDEST = 2048           # pixels of a row whose sums are kept on the stack
LINE = 16               # elements: planes of a padded input begin at multiples of it


class OutputBlocks(NamedTuple):
    """How the work is cut."""

    rows: int             # of a task
    outs: int             # result channels of a task
    wide: int             # result channels of a register tile
    tile: int             # pixels of a register tile
    padded: bool          # whether the input is copied first


class Padded(NamedTuple):
    """The input with zeros around it: extents (depth, rows, columns) and a plane's elements."""

    extents: tuple
    plane: int


def padded(problem: Correlation) -> Padded:
    """The sizes of a padded input."""
    extents = tuple((n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(
        problem.size, problem.stride, problem.kernel, problem.dilation))
    plane = ceil(prod(extents) + LINE, LINE)
    return Padded(extents, (plane + 1 - plane % 2) * LINE)      # an odd number of lines


def _must_pad(problem: Correlation, itemsize: int) -> bool:
    """Whether some taps fall outside the input, or its planes share their cache sets."""
    inside = all(o <= 0 and e - o <= n for o, e, n in zip(
        problem.offset, padded(problem).extents, problem.source))
    apart = problem.x_strides[1] * itemsize % 2048 != 0 or problem.channels <= 16
    return not inside or not apart or problem.dtype not in ("float32", "float64")


def choose_outputs(problem: Correlation, lanes: int, registers: int, itemsize: int):
    """(estimated cycles of one core, OutputBlocks), or None where another way is plainly better."""
    depth, height, width = problem.size
    if problem.outs < lanes // 2 or problem.channels < 4 or width < 3 or width > WIDEST:
        return None
    steps = problem.channels * prod(problem.kernel)
    pad = _must_pad(problem, itemsize)
    bytes_in = problem.channels * prod(problem.source) * itemsize
    fixed = 0.0
    if pad:
        extents, plane = padded(problem)
        planes = problem.batch * problem.groups * problem.channels
        fixed = planes * extents[0] * extents[1] * (8 + ceil(extents[2], lanes) * 4)
        fixed += planes * plane * itemsize * (1 / 8 if planes * plane * itemsize > NEAR else 1 / 32)
    small = problem.work < TASK_WORK * 2
    units = problem.batch * depth * problem.groups
    best = None
    for vectors in range(1, 7):
        most = min((registers - 1 - vectors) // vectors, 28, width)
        if (vectors - 1) * lanes >= problem.outs or most < 1:
            break
        pixels, many, few = split(width, most)
        for pieces in (1, 2, 4, 8, 16, 32):
            outs = ceil(ceil(problem.outs, pieces), vectors * lanes) * vectors * lanes
            if pieces > 1 and outs * (pieces - 1) >= problem.outs:
                break
            outs = min(outs, problem.outs)
            size, full, short = split(outs, vectors * lanes)
            row = 0.0        # of cycles of one row of a task
            for count, wide in ((full, size), (short, size - 1)):
                per = ceil(wide, lanes)
                row += count * (many * tile_cycles(pixels, per)
                                + (few * tile_cycles(pixels - 1, per) if few else 0)) * steps
                row += count * ceil(width, lanes) * (60 * per + wide * 6)
            for rows in sorted({ceil(height, n) for n in (1, 2, 4, 8, 16, 32, 64, height)}):
                tasks = units * ceil(height, rows) * ceil(problem.outs, outs)
                weights = outs * steps * itemsize
                far = problem.outs * steps * itemsize > NEAR
                total = row * rows + weights * (1 / 8 if far else 1 / 64) \
                    + bytes_in * rows / height * (1 / 16 if bytes_in > NEAR else 1 / 64)
                # A tile's weights are read again for each run of pixels.
                total += (full + short) * rows * (many + few) * size * steps * itemsize * (
                    1 / 100 if size * steps * itemsize < NEAR else 1 / 12)
                if problem.x_strides[1] * itemsize >= PAGE and not pad:
                    total += (full + short) * rows * (many + few) * problem.channels * FAR / 3
                total *= tasks
                if not small:        # cores wait for the last task
                    total *= 1 + 1 / tasks
                if best is None or total < best[0]:
                    best = total, OutputBlocks(rows, outs, vectors * lanes, pixels, pad)
    if best is None:
        return None
    return best[0] + fixed, best[1]


def tasks_of(problem: Correlation, blocks: OutputBlocks) -> int:
    """How many (image, slice, band, group, out block) there are."""
    return problem.batch * problem.size[0] * problem.groups \
        * ceil(problem.size[1], blocks.rows) * ceil(problem.outs, blocks.outs)


def pad(module, target, problem: Correlation, per_task: int):
    """The input with zeros around it: [image][channel][depth][row][column]. Arguments: x, result.

    A task: `per_task` planes.
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    memory, kind = memory_type(problem.dtype), compute_type(problem.dtype)
    (depth, height, width), plane = padded(problem)
    sn, sc, sd, sh, sw = problem.x_strides
    module.scheduled = True
    b = module.kernel()
    x, result = b.load("ptr", b.args[0]), b.load("ptr", b.element(b.args[0], 1, "i64"))
    channels = problem.groups * problem.channels
    end = b.minimum(b.args[2] * per_task, problem.batch * channels)
    zero = b.constant(vector(kind, lanes), 0)
    with b.loop(b.args[1] * per_task, end, unroll=False) as number, \
            b.loop(0, depth, unroll=False) as z, b.loop(0, height, unroll=False) as y:
        slice_, line = z - problem.offset[0], y - problem.offset[1]
        target_row = b.element(result, number * plane + (z * height + y) * width, kind)
        valid = (slice_ >= 0) & (slice_ < problem.source[0]) & (line >= 0) \
            & (line < problem.source[1])
        with b.when(valid):
            source = b.element(x, number // channels * sn + number % channels * sc + slice_ * sd
                               + line * sh, memory)
            copy_rows(b, problem.dtype, source, target_row, width, (1, 0, 0), 1,
                      problem.offset[2], problem.source[2], sw, lanes)
        with b.unless(valid), b.loop(0, width, lanes, unroll=False) as i:
            b.store(zero, b.element(target_row, i, kind))
    b.ret(0)


def correlate_outputs(module, target, problem: Correlation, blocks: OutputBlocks, per_task: int,
                      bias: bool, body, extras, outputs):
    """y = correlation(x, w) + bias, through `body`. Arguments as `conv_correlate.correlate`, x
    being the padded one where `blocks` says so.

    A task: `per_task` of (image, slice, band, group, out block), the last fastest.
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    kind = compute_type(problem.dtype)
    work = _Rows(module, problem, blocks, lanes, kind,
                 Results(problem, target, lanes, bias, body, extras, outputs))
    depth, height, _ = problem.size
    steps = problem.channels * prod(problem.kernel)
    bands, out_blocks = ceil(height, blocks.rows), ceil(problem.outs, blocks.outs)
    sizes = sorted({min(blocks.outs, problem.outs - o)
                    for o in range(0, problem.outs, blocks.outs)}, reverse=True)
    work.functions(sizes)
    module.scheduled = True
    b = module.kernel()
    x, weights = b.load("ptr", b.args[0]), b.load("ptr", b.element(b.args[0], 1, "i64"))
    sums = b.stack(kind, (ceil(problem.size[2], lanes) * blocks.wide + 1) * lanes)
    end = b.minimum(b.args[2] * per_task, tasks_of(problem, blocks))
    with b.loop(b.args[1] * per_task, end, unroll=False) as task:
        out = task % out_blocks * blocks.outs
        rest = task // out_blocks
        group, rest = rest % problem.groups, rest // problem.groups
        row, unit = rest % bands * blocks.rows, rest // bands
        image, slice_ = unit // depth, unit % depth
        rows = b.minimum(height - row, blocks.rows)
        place = image * work.strides[0] + group * problem.channels * work.strides[1] \
            + slice_ * (problem.stride[0] * work.strides[2]) + work.origin
        here = b.element(x, place, kind)
        outs = b.minimum(problem.outs - out, blocks.outs)
        packed = b.element(weights, (group * problem.outs + out) * steps, kind)
        for total in sizes:
            with b.when(outs.equals(total)):
                work.run(b, total, here, packed, sums, image, group * problem.outs + out,
                         slice_, row, rows)
    b.ret(0)


class _Rows:
    """The functions of the kernel: register tiles, and what becomes of a row of sums."""

    def __init__(self, module, problem, blocks, lanes, kind, results):
        self.module, self.problem, self.blocks, self.lanes = module, problem, blocks, lanes
        self.kind, self.results = kind, results
        self.origin = 0
        if blocks.padded:
            (_, height, width), plane = padded(problem)
            channels = problem.groups * problem.channels
            self.strides = (channels * plane, plane, height * width, width, 1)
        else:
            self.strides = problem.x_strides
            self.origin = sum(-o * s for o, s in zip(problem.offset, self.strides[2:]))
        self.pixels = split(problem.size[2], blocks.tile)

    def functions(self, sizes):
        """Write every function that tasks of these numbers of channels call."""
        wide = set()
        for total in sizes:
            size, full, short = split(total, self.blocks.wide)
            wide |= {w for w, count in ((size, full), (size - 1, short)) if count}
        tile, many, few = self.pixels
        for w in sorted(wide):
            for pixels, count in ((tile, many), (tile - 1, few)):
                if count:
                    self._multiply(w, pixels)
        self._finish()

    def _multiply(self, wide, pixels):
        """sums[pixel][channel] of one register tile."""
        problem, lanes = self.problem, self.lanes
        kd, kh, kw = problem.kernel
        _, sc, sd, sh, sw = self.strides
        apart = problem.stride[2] * sw
        b = self.module.function(f"tile{wide}x{pixels}", "void",
                                 [("ptr", "x"), ("ptr", "w"), ("ptr", "sums")], True)
        x, weights, sums = b.args
        kind = vector(self.kind, lanes)
        vectors = ceil(wide, lanes)
        totals = [[b.variable(b.constant(kind, 0)) for _ in range(vectors)] for _ in range(pixels)]
        def step(at, line):
            taps = [b.load(kind, b.element(line, v * lanes, self.kind)) for v in range(vectors)]
            values = Repeated(b, at, self.kind, lanes, vectors)
            for p in range(pixels):
                values.add_products(p, p * apart, taps, totals[p])

        with b.loop(0, kd, unroll=False) as z, \
                b.loop(0, problem.channels, unroll=False) as c, \
                b.loop(0, kh, unroll=False) as y:
            start = b.element(x, c * sc + z * (problem.dilation[0] * sd)
                              + y * (problem.dilation[1] * sh), self.kind)
            line = b.element(weights, ((z * problem.channels + c) * kh + y) * (kw * wide),
                             self.kind)
            # (Taps written out would share broadcasts, which then spill.)
            with b.loop(0, kw, unroll=False) as k:
                step(b.element(start, k * (problem.dilation[2] * sw), self.kind),
                     b.element(line, k * wide, self.kind))
        for p in range(pixels):
            for v in range(vectors):
                b.store(totals[p][v].get(),
                        b.element(sums, p * self.blocks.wide + v * lanes, self.kind))
        b.ret()

    def _finish(self):
        """A row of sums to pictures: transpose, then bias, body and store."""
        lanes, kind, width = self.lanes, self.kind, self.problem.size[2]
        b = self.module.function("finish", "void", [
            ("ptr", "args"), ("ptr", "sums"), ("i64", "image"), ("i64", "channel"),
            ("i64", "pixel"), ("i64", "channels")], True)
        arguments, sums, image, channel, pixel, channels = b.args
        self.results.open(b, arguments)
        block = b.stack(kind, lanes * lanes)
        wide = vector(kind, lanes)
        with b.loop(0, width, lanes, unroll=False) as p, \
                b.loop(0, channels, lanes, unroll=False) as c:
            rows = [b.load(wide, b.element(sums, (p + i) * self.blocks.wide + c, kind))
                    for i in range(lanes)]
            for lane, value in enumerate(transpose(b, rows)):
                b.store(value, b.element(block, lane * lanes, kind))
            mask = first_lanes(b, b.minimum(width - p, lanes), lanes) if width % lanes else None
            with b.loop(0, b.minimum(channels - c, lanes), unroll=False) as i:
                self.results.write(b, b.load(wide, b.element(block, i * lanes, kind)), image,
                                   channel + c + i, pixel + p, mask)
        b.ret()

    def run(self, b, total, x, weights, sums, image, out, slice_, row, rows):
        """All rows of a task that has `total` (a Python number) channels."""
        problem = self.problem
        _, height, width = problem.size
        steps = problem.channels * prod(problem.kernel)
        size, full, short = split(total, self.blocks.wide)
        tile, many, few = self.pixels
        apart = problem.stride[2] * self.strides[4]
        for wide, first, count in ((size, 0, full), (size - 1, full * size, short)):
            if not count:
                continue
            with b.loop(0, count, unroll=False) as i, b.loop(0, rows, unroll=False) as r:
                before = i * wide + first
                packed = b.element(weights, before * steps, self.kind)
                line = b.element(x, (row + r) * (problem.stride[1] * self.strides[3]), self.kind)
                for pixels, begin, number in ((tile, 0, many), (tile - 1, many * tile, few)):
                    if number:
                        with b.loop(0, number, unroll=False) as k:
                            column = k * pixels + begin
                            b.call(f"tile{wide}x{pixels}", "void",
                                   b.element(line, column * apart, self.kind), packed,
                                   b.element(sums, column * self.blocks.wide, self.kind))
                b.call("finish", "void", b.args[0], sums, image, out + before,
                       (slice_ * height + row + r) * width, b.constant("i64", wide))
