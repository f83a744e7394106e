"""The correlation kernel: planes, register tiles, and what happens to a tile before its store."""

from __future__ import annotations

from contextlib import nullcontext

from ..base.dtypes import DTYPES
from .body import (
    emit_body,
    from_memory,
    load_number,
    memory_type,
    round_half,
    to_memory,
)
from .conv_geometry import Blocks, Correlation, Layout, split
from .conv_pack import compute_type, first_lanes, load_as, plane_packer
from .llvm_types import element_type, vector
from .words import Lane


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
    packer = plane_packer(module, target, problem, blocks, lanes)
    tiles = _Tiles(module, problem, blocks, layout, kind, bias, body, extras, outputs, target)
    depth, height, width = problem.size
    taps = problem.kernel[0] * problem.kernel[1] * problem.kernel[2]

    b = module.kernel()
    arguments = b.args[0]
    x = b.load("ptr", arguments)
    weights = b.load("ptr", b.element(arguments, 1, "i64"))
    work = b.stack(kind, layout.elements)
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
            else (rows * width + (lanes - 1)) // lanes
        outs = b.minimum(problem.outs - out_block * blocks.outs, blocks.outs)
        out = out_block * blocks.outs
        task_weights = b.element(weights, (group * problem.outs + out) * (problem.channels * taps),
                                 kind)
        with b.loop(0, layout.channel_blocks, unroll=False) as block:
            channel = block * blocks.channels
            channels = b.minimum(problem.channels - channel, blocks.channels)
            with b.loop(0, units, unroll=False) as u:
                image, slice_ = (first_unit + u) // depth, (first_unit + u) % depth
                place = image * problem.x_strides[0] + (group * problem.channels + channel) \
                    * problem.x_strides[1]
                b.call(packer, "void", b.element(x, place, memory_type(problem.dtype)),
                       b.element(work, u * layout.unit, kind), slice_, row, rows, channels)
            here = b.element(task_weights, channel * outs * taps, kind)
            tiles.run(b, work, here, channels, group * problem.outs + out, outs, units, vectors,
                      first_unit, row, rows, block)
    b.ret(0)


class _Tiles:
    """The loops over register tiles, and their functions."""

    def __init__(self, module, problem, blocks, layout, kind, bias, body, extras, outputs, target):
        self.module, self.problem, self.blocks, self.layout = module, problem, blocks, layout
        self.kind, self.bias, self.body, self.target = kind, bias, body, target
        self.extras, self.outputs = extras, outputs
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
                                 [*inputs, ("ptr", "w"), ("ptr", "scratch"), ("i64", "channels")],
                                 True)
        *x, weights, scratch, channels = b.args
        kind = vector(self.kind, lanes)
        sums = [[b.variable(b.constant(kind, 0)) for _ in range(vectors)] for _ in range(size)]
        count = channels * layout.planes
        with b.loop(0, problem.kernel[0], unroll=False) as z, \
                b.loop(0, layout.row_taps, unroll=False) as y:
            start = z * layout.depth_step + y * layout.row_step
            base = b.element(weights, (z * layout.row_taps + y) * count * size, self.kind)
            rows = [b.element(pointer, start, self.kind) for pointer in x]
            with b.loop(0, count, unroll=False) as k:
                values = [b.load(kind, b.element(pointer, k * layout.plane, self.kind))
                          for pointer in rows]
                for t in range(size):
                    weight = b.splat(b.load(self.kind, b.element(base, k * size + t, self.kind)),
                                     lanes)
                    for v in range(vectors):
                        sums[t][v].set(b.fma(weight, values[v], sums[t][v].get()))
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

        def word(n, kind="ptr"):
            return b.load(kind, b.element(arguments, n, "i64"))

        pixels = problem.size[0] * problem.size[1] * problem.size[2]
        dense = (problem.groups * problem.outs * pixels, pixels, 1)
        masks = [None if self.layout.exact else first_lanes(b, count, lanes)
                 for _, _, count in places]
        bias = word(2) if self.bias else None
        outputs = [word(4 + n) for n in range(len(self.outputs))]
        extras = []
        for n, strides in enumerate(self.extras):
            position = b.element(arguments, 4 + len(outputs) + n, "i64")
            extras.append(b.load("ptr", position) if strides is not None else
                          load_number(b, self.body.inputs[n + 1], position))
        with b.loop(0, size, unroll=False) as t:
            o = channel + t
            shift = None
            if bias is not None:
                shift = b.splat(load_as(b, problem.dtype,
                                        b.element(bias, o, memory_type(problem.dtype))), lanes)
            for v, (image, pixel, _) in enumerate(places):
                value = b.load(kind, b.element(scratch, (t * vectors + v) * lanes, self.kind))
                sums = b.variable(value)
                last = None
                if blocks > 1:
                    place = b.element(word(3), image * dense[0] + o * dense[1] + pixel, self.kind)
                    with b.when(block > 0):
                        sums.add(self._load(b, self.kind, place, masks[v]))
                    last = block.equals(blocks - 1)
                    with b.unless(last):
                        self._store(b, sums.get(), place, masks[v])
                with b.when(last) if last is not None else nullcontext():
                    value = sums.get()
                    if shift is not None:
                        value = value + shift
                    self._write(b, value, image, o, places[v], masks[v], outputs, extras)
        b.ret()

    def _write(self, b, value, image, o, place, mask, outputs, extras):
        """Body and stores of one vector of results."""
        _, pixel, count = place
        problem, lanes = self.problem, self.lanes
        result = DTYPES[problem.dtype]
        if result.half and self.body is not None:
            value = b.cast(round_half(b, value, result), value.type)
        found = [Lane(value, result)]
        if self.body is not None:
            for n, (strides, source) in enumerate(zip(self.extras, extras)):
                name = self.body.inputs[n + 1]
                if strides is None:
                    found.append(source)
                    continue
                kind = memory_type(name)
                place = b.element(source, image * strides[0] + o * strides[1] +
                                  (pixel if strides[2] else 0), kind)
                loaded = self._load(b, kind, place, mask) if strides[2] else b.load(kind, place)
                found.append(from_memory(b, name, loaded))
            found = emit_body(b, self.target, self.body, found)
        for lane, (name, strides), pointer in zip(found, self.outputs, outputs):
            kind = memory_type(name)
            stored = to_memory(b, lane)
            stored = b.as_value(stored, vector(kind, lanes))
            if self._flat(strides):
                place = b.element(pointer, image * strides[0] + o * strides[1] + pixel, kind)
                self._store(b, stored, place, mask)
            else:
                self._scatter(b, stored, pointer, image, o, pixel, strides, count)

    def _flat(self, strides):
        _, height, width = self.problem.size
        return strides[4] == 1 and strides[3] == width and strides[2] == width * height

    def _scatter(self, b, value, pointer, image, o, pixel, strides, count):
        """Lanes to pixels that are not neighbours in memory."""
        _, height, width = self.problem.size
        element = element_type(value.type)
        slot = b.variable(value)
        start = image * strides[0] + o * strides[1]
        with b.loop(0, count, unroll=False) as i:
            at = pixel + i
            column, line = at % width, at // width
            place = start + line // height * strides[2] + line % height * strides[3] \
                + column * strides[4]
            b.store(b.load(element, b.element(slot.pointer, i, element)),
                    b.element(pointer, place, element))

    def _load(self, b, element, place, mask):
        kind = vector(element, self.lanes)
        return b.load(kind, place) if mask is None else b.masked_load(kind, place, mask)

    def _store(self, b, value, place, mask):
        if mask is None:
            b.store(value, place)
        else:
            b.masked_store(value, place, mask)

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
        weights = b.element(weights, before * channels * taps, self.kind)

        def step(first, count):
            pointers, places = [], []
            for v in range(count):
                index = first + v
                u, i = index // vectors, index % vectors
                pointers.append(b.element(work, u * layout.unit + i * self.lanes, self.kind))
                unit = first_unit + u
                pixel = (unit % depth * height + row) * width + i * self.lanes
                left = b.minimum(rows * width - i * self.lanes, self.lanes)
                places += [unit // depth, pixel, left]
            b.call(f"tile{size}x{count}", "void", *pointers, weights, scratch, channels)
            b.call(f"finish{count}", "void", b.args[0], scratch,
                   b.constant("i64", size), out + before, block, *places)

        per_tile = self.blocks.vectors
        whole = total - total % per_tile if per_tile > 1 else total
        with b.loop(0, whole, per_tile, unroll=False) as first:
            step(first, per_tile)
        for rest in self.widths[1:]:
            with b.when((total - whole).equals(rest)):
                step(whole, rest)
