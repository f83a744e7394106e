"""The weight gradient: a reduction over images and pixels, in parts that a second step adds.

    w[o, c, k] = sum over n, t of  g[n, o, t] * x[n, c, t * stride + k * dilation - offset]

Lanes run over the result channels o: a task transposes its share of g to [pixel][o], copies its
share of x with the zeros around it, and a register tile is (channels or taps) x (vectors of o),
with x broadcast. Sums are kept as partial[part][group][tap][c][o]; the number of parts depends on
the shape alone and they are added in order.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from ..base.dtypes import DTYPES
from .body import memory_type, to_memory
from .conv_geometry import MANY_TASKS, TASK_WORK, ceil, register_tiles, split
from .conv_pack import (
    compute_type,
    copy_rows,
    first_lanes,
    masked_gather,
    masked_load,
    masked_store,
    transpose,
)
from .llvm_types import vector
from .repeated import Repeated
from .words import Lane


class WeightProblem(NamedTuple):
    """As `Correlation`; `x_strides`, `g_strides`: n, c, d, h, w."""

    dtype: str
    batch: int
    groups: int
    channels: int
    outs: int
    size: tuple
    source: tuple
    kernel: tuple
    stride: tuple
    dilation: tuple
    offset: tuple
    x_strides: tuple
    g_strides: tuple

    @property
    def work(self) -> int:
        """Multiply-adds."""
        return (self.batch * self.groups * self.channels * self.outs * prod(self.size)
                * prod(self.kernel))


class Cut(NamedTuple):
    """How the work is cut. See `choose_cut`."""

    parts: int            # partial sums
    units: int            # slices packed at a time
    rows: int             # rows of g packed at a time
    channels: int         # channels of x in a task
    tile: int             # channels or taps of a register tile
    vectors: int          # vectors of o of a register tile
    by_taps: bool         # a tile is taps of one channel, else channels at one tap


STACK = 3 << 20           # bytes that a task's packed blocks may take


def choose_cut(problem: WeightProblem, lanes: int, registers: int) -> Cut:
    """Blocks of about 128 pixels stay in the level-1 cache while all tiles pass over them."""
    pixels = max(16, min(192, (1 << 18) // problem.outs))
    _, height, width = problem.size
    slices = problem.batch * problem.size[0]
    rows = ceil(height, ceil(height * width, pixels)) if height * width > pixels else height
    taps = prod(problem.kernel)
    by_taps = problem.channels < 8 and 1 < taps <= 128
    items = taps if by_taps else problem.channels
    out_vectors = ceil(problem.outs, lanes)
    best = None
    for most, vectors in register_tiles(registers):
        if vectors > 4 or vectors > out_vectors:
            continue
        tile = split(items, most)[0]
        wide = split(out_vectors, vectors)[0]
        tiles = ceil(items, tile) * ceil(out_vectors, wide)
        cycles = tiles * max(tile * wide / 2, (tile + wide) / 2, (tile * wide + tile + wide) / 5, 4)
        if best is None or cycles < best[0]:
            best = cycles, tile, wide
    assert best is not None
    _, tile, wide = best
    channels = min(problem.channels, 64)
    if not by_taps and channels < problem.channels:
        channels = ceil(channels, tile) * tile
    blocks = ceil(problem.channels, channels)
    units = 1
    if rows == height:
        units = max(1, min(slices, pixels // (height * width)))
    want = ceil(MANY_TASKS, blocks * problem.groups)
    enough = max(1, problem.work // TASK_WORK)
    parts = max(1, min(want, ceil(slices, units), enough))
    return Cut(parts, units, rows, channels, tile, wide, by_taps)


class WeightLayout:
    """Sizes derived from a cut, in elements."""

    def __init__(self, problem: WeightProblem, cut: Cut, lanes: int):
        self.lanes = lanes
        (kd, kh, kw), (_, sh, sw), (_, dh, dw) = problem.kernel, problem.stride, problem.dilation
        self.slices = problem.batch * problem.size[0]
        self.per_part = ceil(self.slices, cut.parts)
        self.bands = ceil(problem.size[1], cut.rows)
        self.out_vectors = ceil(problem.outs, lanes)
        self.padded = self.out_vectors * lanes
        self.taps = kd * kh * kw
        self.blocks = ceil(problem.channels, cut.channels)
        self.pixels = cut.rows * problem.size[2]               # of a band
        self.row = (problem.size[2] - 1) * sw + (kw - 1) * dw + 1
        self.rows = (cut.rows - 1) * sh + (kh - 1) * dh + 1
        self.slice = self.rows * self.row
        self.unit = kd * self.slice
        lines = max(16, lanes)
        self.plane = ceil(cut.units * self.unit + lanes, lines) * lines
        if self.plane // lines % 2 == 0:
            self.plane += lines
        self.x_elements = cut.channels * self.plane
        self.g_elements = (cut.units * self.pixels + lanes) * self.padded
        self.group = self.taps * problem.channels * self.padded
        self.part = problem.groups * self.group
        self.tasks = cut.parts * problem.groups * self.blocks

    def tap_offset(self, problem, tap):
        """Where a tap (its number, a Python int or an IR value) reads, from its pixel's place."""
        _, kh, kw = problem.kernel
        _, dh, dw = problem.dilation
        return tap // (kh * kw) * self.slice + tap // kw % kh * (dh * self.row) + tap % kw * dw


def weight_gradient(module, target, problem: WeightProblem, cut: Cut, per_task: int):
    """Partial sums of the weight gradient. Arguments: x, g, partial.

    A task: `per_task` of (part, group, channel block).
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    layout = WeightLayout(problem, cut, lanes)
    kind = compute_type(problem.dtype)
    pack_g = _pack_g(module, problem, cut, layout)
    pack_x = _pack_x(module, problem, cut, layout)
    depth, height, width = problem.size
    out_size, out_full, out_short = split(layout.out_vectors, cut.vectors)
    tiles = _Products(module, problem, cut, layout, kind)

    module.scheduled = True
    b = module.kernel()
    x, g, partial = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(3))
    x_work, g_work = b.stack(kind, layout.x_elements), b.stack(kind, layout.g_elements)
    end = b.minimum(b.args[2] * per_task, layout.tasks)
    with b.loop(b.args[1] * per_task, end, unroll=False) as task:
        block, rest = task % layout.blocks, task // layout.blocks
        group, part = rest % problem.groups, rest // problem.groups
        channel = block * cut.channels
        channels = b.minimum(problem.channels - channel, cut.channels)
        sums = b.element(partial, part * layout.part + group * layout.group
                         + channel * layout.padded, kind)
        # The first band of a part starts the sums.
        start = b.minimum(part * layout.per_part, layout.slices)
        stop = b.minimum(start + layout.per_part, layout.slices)
        fresh = b.variable(b.constant("i64", 1))
        with b.when(start >= stop):
            with b.loop(0, layout.taps, unroll=False) as tap, \
                    b.loop(0, channels, unroll=False) as c, \
                    b.loop(0, layout.padded, lanes, unroll=False) as o:
                b.store(b.constant(vector(kind, lanes), 0), b.element(
                    sums, (tap * problem.channels + c) * layout.padded + o, kind))
        with b.loop(start, stop, cut.units, unroll=False) as unit, \
                b.loop(0, layout.bands, unroll=False) as band:
            units = b.minimum(stop - unit, cut.units)
            row = band * cut.rows
            rows = b.minimum(height - row, cut.rows)
            with b.loop(0, units, unroll=False) as u:
                image, deep = (unit + u) // depth, (unit + u) % depth
                b.call(pack_x, "void", b.element(
                    x, image * problem.x_strides[0] + (group * problem.channels + channel)
                    * problem.x_strides[1], memory_type(problem.dtype)),
                    b.element(x_work, u * layout.unit, kind), deep, row, rows, channels)
            b.call(pack_g, "void", b.element(g, group * problem.outs * problem.g_strides[1],
                                             memory_type(problem.dtype)),
                   g_work, unit, units, row, rows)
            pixels = units * rows * width
            for size, first, count in ((out_size, 0, out_full),
                                       (out_size - 1, out_full, out_short)):
                if not count:
                    continue
                with b.loop(0, count, unroll=False) as i:
                    before = i * (size * lanes) + first * out_size * lanes
                    tiles.run(b, size, x_work, b.element(g_work, before * pixels, kind),
                              b.element(sums, before, kind), channels, fresh.get(), units, row,
                              rows)
            fresh.set(0)
    b.ret(0)


class _Products:
    """Register tiles over the packed blocks."""

    def __init__(self, module, problem, cut, layout, kind):
        self.module, self.problem, self.cut, self.layout = module, problem, cut, layout
        self.kind = kind
        self.names = {}

    def _tile(self, offsets: tuple, steps: tuple, vectors: int) -> str:
        """A function adding one tile: x is read at `offsets`, sums are `steps` apart.

        Rows low..high-1 and columns left..right-1 of g: the others meet padding alone.
        """
        key = offsets, steps, vectors
        if key in self.names:
            return self.names[key]
        layout, problem = self.layout, self.problem
        lanes, width = layout.lanes, problem.size[2]
        _, sh, sw = problem.stride
        name = self.names[key] = f"product{len(self.names)}"
        b = self.module.function(name, "void", [
            ("ptr", "x"), ("ptr", "g"), ("ptr", "sums"), ("i64", "fresh"), ("i64", "units"),
            ("i64", "rows"), ("i64", "low"), ("i64", "high"), ("i64", "left"), ("i64", "right")],
            True)
        x, g, sums, fresh, units, rows, low, high, left, right = b.args
        kind = vector(self.kind, lanes)
        places = [[b.element(sums, step + v * lanes, self.kind) for v in range(vectors)]
                  for step in steps]
        totals = [[b.variable(b.constant(kind, 0)) for _ in row] for row in places]
        with b.unless(fresh.differs(0)):
            for total, place in zip(sum(totals, []), sum(places, [])):
                total.set(b.load(kind, place))
        pixel = vectors * lanes
        with b.loop(0, units, unroll=False) as u, b.loop(low, high, unroll=False) as r:
            x_row = b.element(x, u * layout.unit + r * (sh * layout.row), self.kind)
            g_row = b.element(g, (u * rows + r) * (width * pixel), self.kind)
            with b.loop(left, right, unroll=False) as i:
                values = [b.load(kind, b.element(g_row, i * pixel + v * lanes, self.kind))
                          for v in range(vectors)]
                ones = Repeated(b, b.element(x_row, i * sw, self.kind), self.kind, lanes, vectors)
                for t, (offset, row) in enumerate(zip(offsets, totals)):
                    ones.add_products(t, offset, values, row)
        for total, place in zip(sum(totals, []), sum(places, [])):
            b.store(total.get(), place)
        b.ret()
        return name

    def _span(self, b, tap, axis, first, count):
        """The pixels first .. first + count - 1 of an axis that a tap meets inside x, as
        (begin, end) from `first`."""
        problem = self.problem
        stride, size = problem.stride[axis], problem.source[axis]
        start = tap * problem.dilation[axis] - problem.offset[axis]
        # stride * (first + i) + start in 0 .. size - 1
        base = first * stride + start
        low = b.maximum((b.maximum(0 - base, 0) + (stride - 1)) // stride, 0)
        high = (b.maximum(size - base, 0) + (stride - 1)) // stride
        high = b.minimum(high, count)
        return b.minimum(low, high), high

    def run(self, b, vectors, x, g, sums, channels, fresh, units, row, rows):
        """All taps and channels for one tile of o."""
        layout, problem, cut = self.layout, self.problem, self.cut
        per_tap = problem.channels * layout.padded
        rest = (fresh, units, rows)
        zero, width = b.constant("i64", 0), b.constant("i64", problem.size[2])
        if cut.by_taps:
            with b.loop(0, channels, unroll=False) as c:
                size, full, short = split(layout.taps, cut.tile)
                first = 0
                for count in [size] * full + [size - 1] * short:
                    taps = range(first, first + count)
                    name = self._tile(tuple(layout.tap_offset(problem, t) for t in taps),
                                      tuple(t * per_tap for t in taps), vectors)
                    b.call(name, "void", b.element(x, c * layout.plane, self.kind), g,
                           b.element(sums, c * layout.padded, self.kind), *rest, zero, rows,
                           zero, width)
                    first += count
            return
        with b.loop(0, layout.taps, unroll=False) as tap:
            here = b.element(x, layout.tap_offset(problem, tap), self.kind)
            _, kh, kw = problem.kernel
            low, high = self._span(b, tap // kw % kh, 1, row, rows)
            left, right = self._span(b, tap % kw, 2, zero, width)
            total = b.element(sums, tap * per_tap, self.kind)
            whole = channels - channels % cut.tile
            lasts = {min(cut.channels, problem.channels - c) % cut.tile
                     for c in range(0, problem.channels, cut.channels)} - {0}
            for size in (cut.tile, *sorted(lasts)):
                name = self._tile(tuple(c * layout.plane for c in range(size)),
                                  tuple(c * layout.padded for c in range(size)), vectors)
                begin, end = (b.constant("i64", 0), whole) if size == cut.tile else \
                    (b.select((channels - whole).equals(size), whole, channels), channels)
                with b.loop(begin, end, size, unroll=False) as c:
                    b.call(name, "void", b.element(here, c * layout.plane, self.kind), g,
                           b.element(total, c * layout.padded, self.kind), *rest, low, high, left,
                           right)


def _pack_x(module, problem, cut, layout):
    """Copy a unit's rows of x, with zeros around: [channel][unit][kd][row][column]."""
    kind, memory = compute_type(problem.dtype), memory_type(problem.dtype)
    _, sc, sd, sh, sw = problem.x_strides
    (std, sth, _), (dd, dh, _), (od, oh, ow) = problem.stride, problem.dilation, problem.offset
    b = module.function("pack_x", "void", [("ptr", "x"), ("ptr", "work"), ("i64", "depth"),
                                           ("i64", "row"), ("i64", "rows"), ("i64", "channels")],
                        True)
    x, work, depth, row, rows, channels = b.args
    count = rows * sth + ((problem.kernel[1] - 1) * dh + 1 - sth)
    with b.loop(0, channels, unroll=False) as c, \
            b.loop(0, problem.kernel[0], unroll=False) as z, \
            b.loop(0, count, unroll=False) as r:
        deep, line = depth * std + z * dd - od, row * sth + r - oh
        target = b.element(work, c * layout.plane + z * layout.slice + r * layout.row, kind)
        valid = (deep >= 0) & (deep < problem.source[0]) & (line >= 0) & (line < problem.source[1])
        with b.when(valid):
            copy_rows(b, problem.dtype, b.element(x, c * sc + deep * sd + line * sh, memory),
                      target, layout.row, (1, 0, 0), 1, ow, problem.source[2], sw, layout.lanes)
        with b.unless(valid), b.loop(0, layout.row, layout.lanes, unroll=False) as i:
            b.store(b.constant(vector(kind, layout.lanes), 0), b.element(target, i, kind))
    b.ret()
    return b.name


def _pack_g(module, problem, cut, layout):
    """Transpose a band of g to [tile of o][pixel][o in the tile]."""
    kind, memory = compute_type(problem.dtype), memory_type(problem.dtype)
    lanes, width = layout.lanes, problem.size[2]
    depth, height, _ = problem.size
    sn, so, sd, sh, sw = problem.g_strides
    flat = sw == 1 and sh == width
    b = module.function("pack_g", "void", [("ptr", "g"), ("ptr", "work"), ("i64", "unit"),
                                           ("i64", "units"), ("i64", "row"), ("i64", "rows")],
                        True)
    g, work, unit, units, row, rows = b.args
    size, full, short = split(layout.out_vectors, cut.vectors)
    pixels = rows * width
    total = units * pixels
    for tile, first, count in ((size, 0, full), (size - 1, full, short)):
        if not count:
            continue
        with b.loop(0, count * tile, unroll=False) as i, b.loop(0, units, unroll=False) as u, \
                b.loop(0, pixels, lanes, unroll=False) as p:
            o = (first * size + i) * lanes
            slice_ = unit + u
            start = b.element(g, slice_ // depth * sn + slice_ % depth * sd + row * sh, memory)
            left = pixels - p
            mask = None if cut.rows * width % lanes == 0 and height % cut.rows == 0 else \
                first_lanes(b, left, lanes)
            vectors = []
            index = inside = b.iota("i64", lanes)
            if not flat:
                index = index + b.splat(p, lanes)
                index = index // b.splat(b.constant("i64", width), lanes) * b.splat(
                    b.constant("i64", sh), lanes) + index % b.splat(
                    b.constant("i64", width), lanes) * b.splat(b.constant("i64", sw), lanes)
                inside = first_lanes(b, left, lanes)
            for lane in range(lanes):
                line = b.element(start, b.minimum(o + lane, problem.outs - 1) * so, memory)
                if not flat:
                    loaded = masked_gather(b, vector(memory, lanes), line, index, inside)
                elif mask is None:
                    loaded = b.load(vector(memory, lanes), b.element(line, p, memory))
                else:
                    loaded = masked_load(b, vector(memory, lanes), b.element(line, p, memory), mask)
                vectors.append(b.cast(loaded, vector(kind, lanes)))
            place = (first * size + i // tile * tile) * lanes * total \
                + (u * pixels + p) * (tile * lanes) + i % tile * lanes
            for lane, value in enumerate(transpose(b, vectors)):
                b.store(value, b.element(work, place + lane * tile * lanes, kind))
    b.ret()
    return b.name


def combine(module, target, problem: WeightProblem, cut: Cut, per_task: int):
    """Add the parts and write (o, c, taps). Arguments: partial, weight gradient.

    A task: `per_task` of (group, block of as many (c, tap) as lanes).
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    layout = WeightLayout(problem, cut, lanes)
    kind, memory = compute_type(problem.dtype), memory_type(problem.dtype)
    columns = problem.channels * layout.taps
    blocks = ceil(columns, lanes)
    module.scheduled = True
    b = module.kernel()
    partial, result = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(2))
    end = b.minimum(b.args[2] * per_task, blocks * problem.groups)
    wide = vector(kind, lanes)
    with b.loop(b.args[1] * per_task, end, unroll=False) as task:
        group, column = task // blocks, task % blocks * lanes
        rows = []
        for lane in range(lanes):
            m = b.minimum(column + lane, columns - 1)
            place = (m % layout.taps * problem.channels + m // layout.taps) * layout.padded
            rows.append(b.element(partial, group * layout.group + place, kind))
        mask = first_lanes(b, columns - column, lanes) if columns % lanes else None
        with b.loop(0, layout.padded, lanes, unroll=False) as o:
            sums = [b.variable(b.load(wide, b.element(row, o, kind))) for row in rows]
            with b.loop(1, cut.parts, unroll=False) as part:
                for total, row in zip(sums, rows):
                    total.add(b.load(wide, b.element(row, part * layout.part + o, kind)))
            found = transpose(b, [total.get() for total in sums])
            for lane, value in enumerate(found):
                value = to_memory(b, Lane(value, DTYPES[problem.dtype]))
                place = b.element(result, (group * problem.outs + o + lane) * columns + column,
                                  memory)
                inside = (o + lane < problem.outs)
                with b.when(inside):
                    if mask is None:
                        b.store(value, place)
                    else:
                        masked_store(b, value, place, mask)
    b.ret(0)
