"""float32 products with bfloat16 matrix instructions (AMX): three parts a number, six products.

How numbers are split and packed is in `gemm_parts`. A tile instruction does sixteen times the work
of a vector's multiply-add, so that six of them are still faster than one. Panels hold, for each 32
k, for each part, whole tiles of A's rows or B's columns.

Tile instructions leave the vector units idle: between them, each tile of C packs a share of the
next rows of A, into the other of two panels. What a task packs without that are its columns of B
and its first rows of A.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .emit import Value
from .gemm_pack import pack_columns
from .gemm_packed import Blocks, Packed, Place
from .gemm_parts import (
    BLOCK,
    FLOAT,
    LANES,
    PARTS,
    PRODUCTS,
    SQUARE,
    PartWriter,
    are_small,
    multiply_parts,
    scale_of,
)
from .gemm_problem import Problem
from .gemm_tile import Source, Tile, lanes_mask
from .gemm_tiles import instruction, shape_tiles

ROWS = 32


class Step(NamedTuple):
    """A block of k of a task: its matrix, its first k, how many; whether it is the first, the last.

    first and last are None where there is only one block.
    """

    batch: Any
    begin: Any
    count: Any
    first: Any
    last: Any


class Share(NamedTuple):
    """What a tile packs for later: a panel, its first row of A; the tile's number in its stripe."""

    panel: Any
    i: Any
    number: Any


class Split(Packed):
    """The packed kernel with tile registers: C in 0..3, parts of A in 4 and 5, of B in 6 and 7."""

    def panels(self) -> None:
        """Room for panels, and the shape of the tile registers."""
        b, blocks = self.b, self.blocks
        self.k_blocks = -(-blocks.depth // BLOCK)
        self.row_squares = -(-blocks.rows // LANES)
        self.row_block = PARTS * self.row_squares * SQUARE      # words of 32 k of a panel of A
        self.panel_kind = "i32"
        self.panel_size = self.k_blocks * PARTS * 2 * SQUARE
        stripe = -(-blocks.column_tiles // blocks.column_blocks)
        self.shares = blocks.column_tiles // blocks.column_blocks   # every task has so many tiles
        self.panel_b = b.stack("i32", stripe * self.panel_size)
        self.panel_a_size = self.k_blocks * self.row_block
        self.panel_a = b.stack("i32", 2 * self.panel_a_size)
        self.side_by_side = self.problem.a[1] == 1 and self.problem.a[2] != 1
        self.room = b.stack("float", blocks.depth * blocks.width)
        self.buffer = b.stack("float", ROWS * blocks.width)
        self.writer_a, self.writer_b = PartWriter(b), PartWriter(b)
        self.largest_b = b.variable(b.constant("float", 0))
        shape_tiles(b)

    def done(self) -> None:
        """Before the kernel returns."""
        instruction(self.b, "tilerelease")

    def block(self, batch, ends, begin, count, first, last) -> None:
        """One block of k of a task."""
        b, blocks = self.b, self.blocks
        row_begin, row_end, column_begin, _ = ends
        step = Step(batch, begin, b.as_value(count, "i64"), first, last)
        self.writer_b.largest.set(0.0)
        panel_of = self.pack_stripe(batch, ends, begin, count)
        self.largest_b.set(self.writer_b.found())
        self.writer_a.largest.set(0.0)
        with b.loop(0, (step.count + (BLOCK - 1)) // BLOCK, unroll=False) as k:
            self.pack_share(step, Share(self.panel_a, self.first_row(row_begin), 0), k, 1)
        with b.loop(row_begin, row_end, unroll=False) as group:
            i, following = self.first_row(group), self.first_row(group + 1)
            odd = (group - row_begin) % 2
            here, other = (b.element(self.panel_a, which * self.panel_a_size, "i32")
                           for which in (odd, 1 - odd))
            small = self.products_are_small()

            def tile(column, present):
                place = Place(batch, i, column * blocks.width, group, column, begin)
                share = Share(other, following, column - column_begin)
                self.part_tile(following - i, present, place, (here, panel_of(column)), step,
                               small, share)
            self.each_column(ends, tile)

    def first_row(self, group) -> Value:
        """The first row of a tile; the first `longer` tiles have a row more than the others."""
        blocks = self.blocks
        return group * blocks.rows - self.b.maximum(group - blocks.longer, 0)

    def pack_b(self, source, panels, tiles, count, present) -> None:
        """Columns of B to panels, 32 k of all tiles after another."""
        b = self.b
        squares = -(-present // LANES)

        def some(number, there):
            with b.loop(0, tiles, unroll=False) as t:
                panel = b.element(panels, t * self.panel_size
                                  + number * (PARTS * squares * SQUARE), "i32")
                for v in range(squares):
                    columns = source._replace(
                        pointer=source.at(number * BLOCK, t * present + v * LANES))
                    self.writer_b.columns(columns, min(LANES, present - v * LANES), there,
                                          b.element(panel, v * SQUARE, "i32"), squares * SQUARE)
        whole = b.as_value(count, "i64") // BLOCK
        with b.loop(0, whole, unroll=False) as number:
            some(number, BLOCK)
        if self.problem.k % BLOCK:
            with b.when(count > whole * BLOCK):
                some(whole, self.problem.k % BLOCK)

    def pack_share(self, step: Step, share: Share, k, shares: int, turn=0, turns=1) -> None:
        """One of `shares` of the k-th 32 k of a tile's rows of A; of that, one of `turns`."""
        b, problem, rows = self.b, self.problem, self.blocks.rows
        into = b.element(share.panel, k * self.row_block, "i32")
        left = step.count - k * BLOCK
        i = b.as_value(share.i, "i64")
        if self.side_by_side:
            if turn == turns - 1:
                each = -(-self.row_squares // shares)
                for one in range(each):
                    square = b.as_value(share.number, "i64") * each + one
                    with b.when(square < self.row_squares):
                        first = i + square * LANES
                        source = self.source("a", step.batch, first, step.begin + k * BLOCK)
                        self.writer_a.turned(source, problem.m - first, left,
                                             b.element(into, square * SQUARE, "i32"),
                                             self.row_squares * SQUARE, True)
                        for step_k in range(BLOCK):
                            b.prefetch(source.at(rows, b.minimum(step_k, left - 1)), locality=2)
            return
        count = left if problem.k % BLOCK else None

        def pack(r):
            row = b.minimum(i + r, problem.m - 1)
            source = self.source("a", step.batch, row, step.begin + k * BLOCK)
            self.writer_a.row(source, count, lambda part: b.element(
                into, part * self.row_squares * SQUARE + r * LANES, "i32"))
            if problem.a[2] == 1:
                further = self.source("a", step.batch, b.minimum(row + rows, problem.m - 1),
                                      step.begin + k * BLOCK)
                for half in (0, LANES):
                    b.prefetch(further.at(0, half), locality=2)
        if shares == 1:
            with b.loop(0, rows, unroll=False) as r:
                pack(r)
            return
        each = -(-rows // shares)
        for one in range(turn, each, turns):
            pack(b.minimum(share.number * each + one, rows - 1))

    def products_are_small(self) -> Value:
        """Whether the packed panels' sums cannot overflow; the next rows' maximum starts anew."""
        a = self.writer_a.found()
        self.writer_a.largest.set(0.0)
        return are_small(self.b, a, self.largest_b.get(), self.blocks.depth)

    def part_tile(self, rows, present, place: Place, panels, step: Step, small: Value,
                  share: Share) -> None:
        """Up to 2 x 2 tiles of C; see Note [numbers too large]."""
        b, width = self.b, self.blocks.width
        self.multiply_tiles(rows, present, place, panels, step, share)
        with b.unless(small):
            self.multiply_vectors(rows, present, place, step.count)
        scale = b.splat(scale_of(b, small), LANES)
        masks = [lanes_mask(b, LANES, present - v) for v in range(0, present, LANES)]
        kept, stride = self.kept(place)

        def scaled(begun):
            with b.loop(0, rows, unroll=False) as r:
                for v, mask in enumerate(masks):
                    at = b.element(kept, r * stride + v * LANES, "float")
                    value = b.load(FLOAT, b.element(self.buffer, r * width + v * LANES, "float"),
                                   64)
                    if begun:
                        old = b.load(FLOAT, at) if mask is None else b.masked_load(FLOAT, at, mask)
                        value = b.fma(value, scale, old)
                    else:
                        value = value * scale
                    if mask is None:
                        b.store(value, at)
                    else:
                        b.masked_store(value, at, mask)
        if step.first is None:
            scaled(False)
        else:
            with b.when(step.first):
                scaled(False)
            with b.unless(step.first):
                scaled(True)
        if not self.stored:
            self.finish_rows(rows, masks, place, kept, stride, step.last)

    def multiply_tiles(self, rows, present, place, panels, step: Step, share: Share) -> None:
        """Sums of scaled products to `buffer`; meanwhile, a share of the next rows of A."""
        b = self.b
        columns, groups = -(-present // LANES), self.row_squares
        corners = [(r, c, r * 2 + c) for r in range(groups) for c in range(columns)]
        line = b.constant("i64", 4 * LANES)
        for _, _, number in corners:
            instruction(b, "tilezero", number)
        with b.loop(0, (step.count + (BLOCK - 1)) // BLOCK, unroll=False) as k:
            self.ask_for_results(place, rows, columns, k)
            bases = (b.element(panels[0], k * self.row_block, "i32"),
                     b.element(panels[1], k * (PARTS * columns * SQUARE), "i32"))
            multiply_parts(
                b, (lambda part, s: b.element(bases[0], (part * groups + s) * SQUARE, "i32"),
                    lambda part, s: b.element(bases[1], (part * columns + s) * SQUARE, "i32")),
                (line, line), (groups, columns), lambda turn: self.pack_share(
                    step, share, k, self.shares, turn, len(PRODUCTS)))
        apart = b.constant("i64", 4 * self.blocks.width)
        for r, c, number in corners:
            at = b.element(self.buffer, r * LANES * self.blocks.width + c * LANES, "float")
            instruction(b, "tilestored64", number, at, apart)

    def ask_for_results(self, place: Place, rows, columns: int, k) -> None:
        """Ask for the lines of the tile's results, some of them with each 32 k."""
        b = self.b
        number, strides = next((i, s) for i, s in enumerate(self.problem.outs) if s is not None)
        kind = self.finish.kind(number)
        out = Source(b.element(self.pointers[f"out{number}"], b.as_value(place.batch, "i64")
                               * strides[0], kind), kind, *strides[1:])
        each = -(-self.blocks.rows // self.k_blocks)
        for r in range(each):
            row = place.i + b.minimum(k * each + r, rows - 1)
            for v in range(columns):
                b.prefetch(out.at(row, place.j + v * LANES), write=True)

    def multiply_vectors(self, rows, present, place: Place, count) -> None:
        """Sums of products to `buffer`, slowly."""
        b = self.b
        width = -(-present // LANES) * LANES
        pack_columns(b, self.source("b", place.batch, place.k, place.j), self.room, 0,
                     b.constant("i64", 1), count, present, LANES, "float")
        with b.loop(0, rows, unroll=False) as r:
            tile = Tile(b, "float", LANES, 1, [None] * (width // LANES))
            tile.add_products(self.source("a", place.batch, place.i + r, place.k),
                              Source(self.room, "float", width, 1), count, packed=True)
            tile.store(b.element(self.buffer, r * self.blocks.width, "float"), 0)


def split(module, target, problem: Problem, row_blocks: int, column_blocks: int, depth: int):
    """The kernel, as `gemm_packed.packed`; `depth` is a multiple of 32, or all of k."""
    blocks = Blocks(target, problem, row_blocks, column_blocks, depth, ROWS)
    Split(module.kernel(), target, problem, blocks).write()
