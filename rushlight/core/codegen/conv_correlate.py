"""The correlation kernel with lanes over pixels: planes and register tiles. Note [planes]."""

from __future__ import annotations

from .body import memory_type
from .conv_geometry import Blocks, Correlation, Layout, split
from .conv_pack import compute_type, first_lanes, plane_packer
from .conv_store import Results, load_masked, store_masked
from .llvm_types import vector
from .repeated import Repeated


def correlate(module, target, problem: Correlation, blocks: Blocks, per_task: int, bias: bool,
              body, extras, outputs):
    """y = correlation(x, w) + bias, through `body`.

    Arguments: x, packed weights, bias, partial sums (n, o, pixels), then the outputs, then the
    body's further inputs. `extras`: for each of those None (a number) or its strides (n, o,
    pixels); `outputs`: for each (dtype, strides n, o, d, h, w).
    A task: `per_task` of (unit block, band, group, out block), the last fastest.
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    layout = Layout(problem, blocks, lanes)
    kind = compute_type(problem.dtype)
    packer = plane_packer(module, target, problem, blocks, lanes) if blocks.source == "own" else ""
    results = Results(problem, target, lanes, bias, body, extras, outputs)
    tiles = _Tiles(module, problem, blocks, layout, kind, results)
    depth, height, width = problem.size
    taps = problem.kernel[0] * problem.kernel[1] * problem.kernel[2]

    module.scheduled = True
    b = module.kernel()
    arguments = b.args[0]
    x = b.load("ptr", arguments)
    weights = b.load("ptr", b.element(arguments, 1, "i64"))
    own = b.stack(kind, layout.elements) if packer else None
    end = b.minimum(b.args[2] * per_task, layout.tasks)
    with b.loop(b.args[1] * per_task, end, unroll=False) as task:
        out_block = task % layout.out_blocks
        rest = task // layout.out_blocks
        group = rest % problem.groups
        rest = rest // problem.groups
        band = rest % layout.bands
        first_unit = rest // layout.bands * blocks.units
        row = band * blocks.rows
        rows = b.minimum(height - row, blocks.rows)
        units = b.minimum(layout.slices - first_unit, blocks.units)
        vectors = b.constant("i64", layout.vectors) if layout.vectors == layout.last_vectors \
            else rows * layout.row_vectors if layout.by_rows \
            else (rows * width + (lanes - 1)) // lanes
        outs = b.minimum(problem.outs - out_block * blocks.outs, blocks.outs)
        out = out_block * blocks.outs
        if blocks.weights == "direct":
            task_weights = b.element(weights, group * problem.w_strides[0]
                                     + out * problem.w_strides[1], kind)
        else:
            task_weights = b.element(weights, (group * problem.outs + out)
                                     * (problem.channels * taps), kind)
        with b.loop(0, layout.channel_blocks, unroll=False) as block:
            channel = block * blocks.channels
            channels = b.minimum(problem.channels - channel, blocks.channels)
            if own is not None:
                work = own
                emit_planes(b, packer, problem, layout, x, own, group, channel, channels,
                            first_unit, units, row, rows)
            elif blocks.source == "shared":
                region = task // layout.out_blocks * layout.channel_blocks + block
                work = b.element(x, region * layout.elements, kind)
            else:
                work = b.element(x, (group * problem.channels + channel) * problem.x_strides[1]
                                 + row * problem.x_strides[3], kind)
            here = task_weights if blocks.weights == "direct" else \
                b.element(task_weights, channel * outs * taps, kind)
            tiles.run(b, work, here, channels, group * problem.outs + out, outs, units, vectors,
                      first_unit, row, rows, block)
    b.ret(0)


def emit_planes(b, packer, problem, layout, x, work, group, channel, channels, first_unit, units,
                row, rows):
    """Copy the planes of some units, and zeros behind them."""
    depth, kind = problem.size[0], compute_type(problem.dtype)
    with b.loop(0, units, unroll=False) as u:
        image, slice_ = (first_unit + u) // depth, (first_unit + u) % depth
        place = image * problem.x_strides[0] + (group * problem.channels + channel) \
            * problem.x_strides[1]
        b.call(packer, "void", b.element(x, place, memory_type(problem.dtype)),
               b.element(work, u * layout.unit, kind), slice_, row, rows, channels)
    if not layout.exact:
        # Idle lanes read beyond the last unit: rubbish could be slow (denormal numbers).
        with b.loop(0, channels * layout.planes, unroll=False) as plane:
            b.store(b.constant(vector(kind, layout.lanes), 0), b.element(
                work, plane * layout.plane + units * layout.unit, kind))


def shared_planes(module, target, problem: Correlation, blocks: Blocks):
    """The planes that several tasks of `correlate` read. Arguments: x, planes.

    A task: one (unit block, band, group, channel block), as `correlate` numbers them.
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    layout = Layout(problem, blocks, lanes)
    packer = plane_packer(module, target, problem, blocks, lanes)
    module.scheduled = True
    b = module.kernel()
    x, planes = b.load("ptr", b.args[0]), b.load("ptr", b.element(b.args[0], 1, "i64"))
    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        region, block = task // layout.channel_blocks, task % layout.channel_blocks
        group, rest = region % problem.groups, region // problem.groups
        first_unit, row = rest // layout.bands * blocks.units, rest % layout.bands * blocks.rows
        rows = b.minimum(problem.size[1] - row, blocks.rows)
        units = b.minimum(layout.slices - first_unit, blocks.units)
        channel = block * blocks.channels
        channels = b.minimum(problem.channels - channel, blocks.channels)
        emit_planes(b, packer, problem, layout, x,
                    b.element(planes, task * layout.elements, compute_type(problem.dtype)),
                    group, channel, channels, first_unit, units, row, rows)
    b.ret(0)


class _Tiles:
    """The loops over register tiles, and their functions."""

    def __init__(self, module, problem, blocks, layout, kind, results):
        self.module, self.problem, self.blocks, self.layout = module, problem, blocks, layout
        self.kind, self.results = kind, results
        self.lanes = layout.lanes
        self.widths = [blocks.vectors, *layout.remainders(blocks)]
        self.sizes = sorted({s - k for o in range(0, problem.outs, blocks.outs) for s, *counts in
                             [split(min(blocks.outs, problem.outs - o), blocks.tile)]
                             for k in (0, 1) if counts[k]}, reverse=True)
        for vectors in self.widths:
            for size in self.sizes:
                self._multiply(size, vectors)
            self._finish(vectors)

    def _multiply(self, size, vectors):
        """scratch[t][v] = sum over taps and channels of weight * plane."""
        layout, lanes, problem = self.layout, self.lanes, self.problem
        inputs = [("ptr", f"x{v}") for v in range(vectors)]
        b = self.module.function(f"tile{size}x{vectors}", "void",
                                 [*inputs, ("ptr", "w"), ("ptr", "scratch"), ("i64", "channels"),
                                  *[("i64", f"left{v}") for v in range(vectors)]], True)
        x, (weights, scratch, channels) = b.args[:vectors], b.args[vectors: vectors + 3]
        # Idle lanes of x itself may be beyond its end.
        masks = [None] * vectors if layout.exact or self.blocks.source != "direct" else \
            [first_lanes(b, left, lanes) for left in b.args[vectors + 3:]]
        pitch, step = (problem.w_strides[1], problem.w_strides[2]) \
            if self.blocks.weights == "direct" else (1, size)
        kind = vector(self.kind, lanes)
        sums = [[b.variable(b.constant(kind, 0)) for _ in range(vectors)] for _ in range(size)]
        count = channels * layout.planes
        with b.loop(0, problem.kernel[0], unroll=False) as z, \
                b.loop(0, layout.row_taps, unroll=False) as y, \
                b.loop(0, layout.column_taps, unroll=False) as tap:
            start = z * layout.depth_step + y * layout.row_step + tap * problem.dilation[2]
            number = (z * layout.row_taps + y) * layout.column_taps + tap
            base = b.element(weights, number * count * size, self.kind)
            rows = [b.element(pointer, start, self.kind) for pointer in x]
            with b.loop(0, count, unroll=False) as k:
                values = [load_masked(b, kind, b.element(pointer, k * layout.plane, self.kind),
                                      mask) for pointer, mask in zip(rows, masks)]
                taps = Repeated(b, b.element(base, k * step, self.kind), self.kind, lanes, vectors)
                for t in range(size):
                    taps.add_products(t, t * pitch, values, sums[t])
        for t in range(size):
            for v in range(vectors):
                b.store(sums[t][v].get(), b.element(scratch, (t * vectors + v) * lanes, self.kind))
        b.ret()

    def _finish(self, vectors):
        """Partial sums, bias, body and store of a tile's `size` rows of channels."""
        problem, lanes, module = self.problem, self.lanes, self.module
        places = [(kind, f"{name}{v}") for v in range(vectors)
                  for kind, name in (("i64", "image"), ("i64", "pixel"), ("i64", "count"))]
        b = module.function(f"finish{vectors}", "void",
                            [("ptr", "args"), ("ptr", "scratch"), ("i64", "size"),
                             ("i64", "channel"), ("i64", "block"), *places], True)
        arguments, scratch, size, channel, block = b.args[:5]
        places = [b.args[5 + 3 * v: 8 + 3 * v] for v in range(vectors)]
        kind = vector(self.kind, lanes)
        blocks = self.layout.channel_blocks

        pixels = problem.size[0] * problem.size[1] * problem.size[2]
        dense = (problem.groups * problem.outs * pixels, pixels, 1)
        masks = [None if self.layout.exact else first_lanes(b, count, lanes)
                 for _, _, count in places]
        results = self.results
        results.open(b, arguments)
        partial = b.load("ptr", b.element(arguments, 3, "i64")) if blocks > 1 else None
        with b.loop(0, size, unroll=False) as t:
            o = channel + t
            for v, ((image, pixel, _), mask) in enumerate(zip(places, masks)):
                value = b.load(kind, b.element(scratch, (t * vectors + v) * lanes, self.kind))
                if partial is None:
                    results.write(b, value, image, o, pixel, mask)
                    continue
                sums = b.variable(value)
                place = b.element(partial, image * dense[0] + o * dense[1] + pixel, self.kind)
                with b.when(block > 0):
                    sums.add(load_masked(b, kind, place, mask))
                last = block.equals(blocks - 1)
                with b.unless(last):
                    store_masked(b, sums.get(), place, mask)
                with b.when(last):
                    results.write(b, sums.get(), image, o, pixel, mask)
        b.ret()

    def run(self, b, work, weights, channels, out, outs, units, vectors, first_unit, row, rows,
            block):
        """All register tiles of a task's planes."""
        taps = self.problem.kernel[0] * self.problem.kernel[1] * self.problem.kernel[2]
        most = self.sizes[0]
        pieces = (outs + (self.blocks.tile - 1)) // self.blocks.tile
        if len({min(self.blocks.outs, self.problem.outs - o)
                for o in range(0, self.problem.outs, self.blocks.outs)}) == 1:
            size, full, short = split(min(self.blocks.outs, self.problem.outs), self.blocks.tile)
            ranges = [(size, 0, full, 0)]
            if short:
                ranges.append((size - 1, full, full + short, full))
        else:       # the last out block is smaller: sizes are found at run time
            ranges = None
        scratch = b.stack(self.kind, most * self.blocks.vectors * self.lanes)
        total = units * vectors
        if ranges is None:
            size = (outs + (pieces - 1)) // pieces
            short = size * pieces - outs
            for s in self.sizes:
                begin = b.select(size.equals(s), b.constant("i64", 0), pieces - short)
                end = b.select(size.equals(s), pieces - short, pieces)
                used = size.equals(s) | size.equals(s + 1)
                end = b.select(used, end, begin)
                with b.loop(begin, end, unroll=False) as i:
                    before = b.minimum(i, pieces - short) * size + \
                        b.maximum(i - (pieces - short), 0) * (size - 1)
                    self._vectors(b, s, before, work, weights, channels, out, total, vectors,
                                  first_unit, row, rows, block, taps, scratch)
            return
        for s, begin, end, full in ranges:
            with b.loop(begin, end, unroll=False) as i:
                before = i * s + (full if s != ranges[0][0] else 0)
                self._vectors(b, s, before, work, weights, channels, out, total, vectors,
                              first_unit, row, rows, block, taps, scratch)

    def _vectors(self, b, size, before, work, weights, channels, out, total, vectors, first_unit,
                 row, rows, block, taps, scratch):
        """One tile of result channels, all pixel vectors."""
        layout = self.layout
        depth, height, width = self.problem.size
        weights = b.element(weights, before * (
            self.problem.w_strides[1] if self.blocks.weights == "direct" else channels * taps),
            self.kind)
        direct = self.blocks.source == "direct"

        def step(first, count):
            pointers, places = [], []
            for v in range(count):
                index = first + v
                u, i = index // vectors, index % vectors
                unit = first_unit + u
                pixel = (unit % depth * height + row) * width
                if layout.by_rows:
                    line, column = i // layout.row_vectors, i % layout.row_vectors * self.lanes
                    start = line * layout.width + column
                    pixel, left = pixel + line * width + column, width - column
                else:
                    start = i * self.lanes
                    pixel, left = pixel + start, rows * width - start
                if direct:
                    start = unit // depth * self.problem.x_strides[0] \
                        + unit % depth * self.problem.x_strides[2] + start
                else:
                    start = u * layout.unit + start
                pointers.append(b.element(work, start, self.kind))
                places += [unit // depth, pixel, b.minimum(left, self.lanes)]
            self.results.prefetch(b, size, out + before, places)
            b.call(f"tile{size}x{count}", "void", *pointers, weights, scratch, channels,
                   *places[2::3])
            b.call(f"finish{count}", "void", b.args[0], scratch,
                   b.constant("i64", size), out + before, block, *places)

        per_tile = self.blocks.vectors
        whole = total - total % per_tile if per_tile > 1 else total
        with b.loop(0, whole, per_tile, unroll=False) as first:
            step(first, per_tile)
        for rest in self.widths[1:]:
            with b.when((total - whole).equals(rest)):
                step(whole, rest)
