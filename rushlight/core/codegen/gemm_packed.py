"""Large products: panels of A and B copied to caches, one register tile of C after another.

A task is a block of C: `row_blocks` x `column_blocks` of them in each matrix of the batch, whole
register tiles each. It walks k in blocks; for each it packs its columns of B (sized for the second
level cache), then for each row of tiles packs A (sized for the first level cache) and runs along
the columns. Sums that continue over k blocks wait in C itself, or in `scratch` where C is not what
the sums are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .emit import Builder
from .gemm_direct import source_of, task_of
from .gemm_pack import pack_columns, pack_rows, panel_strides, rows_in_place
from .gemm_problem import Problem
from .gemm_tile import (
    LINE,
    Finish,
    Source,
    Tile,
    argument_pointers,
    cut,
    lanes_mask,
    register_tile,
)


class Place(NamedTuple):
    """A register tile of C: its matrix, its first element, its number by row and by column.

    k: where the block of k begins.
    """

    batch: Any
    i: Any
    j: Any
    row: Any
    column: Any
    k: Any


class Blocks:
    """How one problem is cut, for one target."""

    def __init__(self, target, problem: Problem, row_blocks, column_blocks, depth, most=None):
        self.lanes = target.lanes(problem.itemsize)
        # `most` rows: of panels of 16-bit numbers.
        rows, self.vectors = register_tile(target, problem.itemsize)
        rows = most or rows
        self.width = self.lanes * self.vectors
        self.row_tiles, self.rows, self.longer = cut(problem.m, rows)
        self.full_columns = problem.n // self.width
        self.edge = problem.n % self.width
        self.column_tiles = self.full_columns + (self.edge > 0)
        self.row_blocks, self.column_blocks = row_blocks, column_blocks
        self.depth = depth
        self.depth_blocks = -(-problem.k // depth)


def packed(module, target, problem: Problem, row_blocks: int, column_blocks: int, depth: int):
    """The kernel; tasks: batch * row_blocks * column_blocks. Arguments: the problem's, scratch."""
    blocks = Blocks(target, problem, row_blocks, column_blocks, depth)
    Packed(module.kernel(), target, problem, blocks).write()


class Packed:
    """Writes the kernel. Subclasses choose other panels and other instructions."""

    in_place = True         # sums of a plain problem are kept in C
    group = 2               # row tiles packed together: longer runs, and a panel of B is reused

    def __init__(self, b: Builder, target, problem: Problem, blocks: Blocks):
        self.b, self.target, self.problem, self.blocks = b, target, problem, blocks
        self.compute = problem.compute
        self.stored = problem.plain and self.in_place
        more = () if self.stored or blocks.depth_blocks == 1 else ("scratch",)
        self.pointers = argument_pointers(b, problem, more)
        self.finish = Finish(b, target, problem, self.pointers)
        self.buffer = b.stack(self.compute, blocks.rows * blocks.width)
        self.panels()

    def panels(self) -> None:
        """Room for a task's panels: `panel_b`, `panel_size` elements of `panel_kind` a tile."""
        blocks = self.blocks
        # A line or two more, so that panels fall into different cache sets.
        self.panel_kind, self.panel_size = self.compute, blocks.width * (blocks.depth + 1)
        tiles = -(-blocks.column_tiles // blocks.column_blocks)
        self.panel_b = self.b.stack(self.panel_kind, tiles * self.panel_size)
        self.panel_strides = panel_strides(self.problem.a[1:], blocks.rows, blocks.depth,
                                           blocks.lanes, self.problem.itemsize)
        self.in_place_a = rows_in_place(self.problem)
        if self.in_place_a:             # A stays in the first level cache by itself
            self.group = 1
            return
        if self.panel_strides[0] == 1:  # columns, which lie a page apart: longer runs of them
            self.group = 4
        self.panel_a_size = self.panel_strides[2]
        self.panel_a = self.b.stack(self.compute, self.group * self.panel_a_size)

    def write(self) -> None:
        """The loop over tasks."""
        b, blocks = self.b, self.blocks
        with b.loop(b.args[1], b.args[2], unroll=False) as task:
            batch, *ends = task_of(b, task, blocks.row_blocks, blocks.column_blocks,
                                   blocks.row_tiles, blocks.column_tiles)
            if blocks.depth_blocks == 1:
                self.block(batch, ends, 0, self.problem.k, None, None)
            else:
                with b.loop(0, blocks.depth_blocks, unroll=False) as d:
                    begin = d * blocks.depth
                    count = b.minimum(self.problem.k - begin, blocks.depth)
                    self.block(batch, ends, begin, count, b.compare("eq", d, 0),
                               b.compare("eq", d, blocks.depth_blocks - 1))
        self.done()
        b.ret(0)

    def done(self) -> None:
        """Before the kernel returns."""

    def source(self, name, batch, i, j) -> Source:
        """A or B of the batch from its element (i, j) on."""
        whole = source_of(self.b, self.problem, self.pointers, name, batch)
        return whole._replace(pointer=whole.at(i, j))

    def block(self, batch, ends, begin, count, first, last) -> None:
        """One block of k of a task."""
        b, blocks = self.b, self.blocks
        row_begin, row_end, *_ = ends
        panel_of = self.pack_stripe(batch, ends, begin, count)
        for rows, start, stop in ((blocks.rows, 0, blocks.longer),
                                  (blocks.rows - 1, blocks.longer, blocks.row_tiles)):
            if stop == start:
                continue
            row_stop = b.minimum(row_end, stop)
            with b.loop(b.maximum(row_begin, start), row_stop, self.group, unroll=False) as group:
                tiles = b.minimum(row_stop - group, self.group)
                i = group * rows + start * (blocks.rows - rows)
                self.pack_a(self.source("a", batch, i, begin), rows, tiles, count)

                def tile(column, present, rows=rows, i=i, group=group, tiles=tiles):
                    with b.loop(0, tiles, unroll=False) as t:
                        place = Place(batch, i + t * rows, column * blocks.width, group + t,
                                      column, begin)
                        panel_a = self.rows_of_a(place, begin, t)
                        self.tile(rows, present, place, panel_a, panel_of(column), count, first,
                                  last)
                self.each_column(ends, tile)

    def pack_stripe(self, batch, ends, begin, count):
        """A task's columns of B to panels; gives ``f(column)``, the panel of a column tile."""
        b, blocks = self.b, self.blocks
        _, _, column_begin, column_end = ends
        full_end, edge_column = self.whole_columns(ends)

        def panel_of(column):
            return b.element(self.panel_b, (column - column_begin) * self.panel_size,
                             self.panel_kind)

        if blocks.full_columns:
            self.pack_b(self.source("b", batch, begin, column_begin * blocks.width), self.panel_b,
                        full_end - column_begin, count, blocks.width)
        if blocks.edge:
            with b.when(column_end > blocks.full_columns):
                self.pack_b(self.source("b", batch, begin, edge_column * blocks.width),
                            panel_of(edge_column), b.constant("i64", 1), count, blocks.edge)
        return panel_of

    def whole_columns(self, ends) -> tuple:
        """Where a task's whole column tiles end, and the number of the narrower one."""
        b, blocks = self.b, self.blocks
        return b.minimum(ends[3], blocks.full_columns), b.as_value(blocks.full_columns, "i64")

    def each_column(self, ends, tile) -> None:
        """``tile(column, width)`` for each column tile of a task."""
        b, blocks = self.b, self.blocks
        _, _, column_begin, column_end = ends
        full_end, edge_column = self.whole_columns(ends)
        with b.loop(column_begin, full_end, unroll=False) as column:
            tile(column, blocks.width)
        if blocks.edge:
            with b.when(column_end > blocks.full_columns):
                tile(edge_column, blocks.edge)

    def rows_of_a(self, place: Place, begin, t) -> Source:
        """A tile's rows of A: the number `t` of the packed ones, or in place."""
        if self.in_place_a:
            return self.source("a", place.batch, place.i, begin)
        panel = self.b.element(self.panel_a, t * self.panel_a_size, self.panel_kind)
        return Source(panel, self.panel_kind, *self.panel_strides[:2])

    def pack_b(self, source, panels, tiles, count, present) -> None:
        """Columns of B to panels, one for each tile."""
        pack_columns(self.b, source, panels, self.panel_size, tiles, count, present,
                     self.blocks.lanes, self.compute)

    def pack_a(self, source, rows, tiles, count) -> None:
        """A group of tiles' rows of A to panels."""
        if self.in_place_a:
            return
        pack_rows(self.b, source, self.panel_a, self.panel_strides, self.panel_a_size, rows, tiles,
                  count, self.blocks.lanes, self.compute)

    def rows_ahead(self, rows, place: Place) -> tuple:
        """(rows of A of a later group of tiles, how many of them this tile shall ask for).

        Each tile of a stripe asks for some of the rows of the tile one group further.
        """
        blocks = self.blocks
        stripe = -(-blocks.column_tiles // blocks.column_blocks)
        each = -(-rows // stripe)
        i = place.i + self.group * rows + place.column % stripe * each
        source = self.source("a", place.batch, i, place.k)
        return source, each if source.second == 1 else 0

    def ahead(self, rows, place: Place):
        """``f(k)``: asks for lines of A and C that are needed later, once every `LINE` k."""
        b = self.b
        later, each = self.rows_ahead(rows, place)
        number, strides = next((i, s) for i, s in enumerate(self.problem.outs) if s is not None)
        at = b.as_value(place.batch, "i64") * strides[0] + place.i * strides[1] \
            + place.j * strides[2]
        kind = self.finish.kind(number)
        out = Source(b.element(self.pointers[f"out{number}"], at, kind), kind, *strides[1:])

        def ask(k):
            for r in range(each):
                b.prefetch(later.at(r, k), locality=2)
            row = b.minimum(k // LINE, rows - 1)
            for v in range(self.blocks.vectors):
                b.prefetch(out.at(row, v * self.blocks.lanes), write=True)
        return ask

    def add_products(self, tile: Tile, place, panel_a, panel, count) -> None:
        """All products of the panels."""
        width = len(tile.masks) * self.blocks.lanes
        tile.add_products(panel_a, Source(panel, self.compute, width, 1), count, packed=True,
                          ahead=None if self.in_place_a else self.ahead(tile.rows, place))

    def kept(self, place: Place) -> tuple:
        """(address, row stride) of a tile's sums while they are not finished."""
        b, blocks, problem = self.b, self.blocks, self.problem
        batch = b.as_value(place.batch, "i64")
        if self.stored:
            strides = problem.outs[0]
            at = batch * strides[0] + place.i * strides[1] + place.j * strides[2]
            return b.element(self.pointers["out0"], at, self.compute), strides[1]
        if blocks.depth_blocks > 1:
            at = (batch * problem.m + place.i) * problem.n + place.j
            return b.element(self.pointers["scratch"], at, self.compute), problem.n
        return self.buffer, blocks.width

    def tile(self, rows, present, place: Place, panel_a, panel, count, first, last) -> None:
        """One register tile: sum, keep or finish."""
        b, lanes = self.b, self.blocks.lanes
        masks = [lanes_mask(b, lanes, present - v) for v in range(0, present, lanes)]
        tile = Tile(b, self.compute, lanes, rows, masks)
        kept, stride = self.kept(place)
        self.add_products(tile, place, panel_a, panel, count)
        if first is not None:
            with b.unless(first):
                tile.add(kept, stride)
        tile.store(kept, stride)
        if not self.stored:
            self.finish_rows(rows, masks, place, kept, stride, last)

    def finish_rows(self, rows, masks, place: Place, kept, stride, last) -> None:
        """Finish sums that lie in memory, a row at a time (little code for long bodies)."""
        if last is not None:
            with self.b.when(last):
                self.finish_rows(rows, masks, place, kept, stride, None)
            return
        self.finish.rows(kept, stride, self.blocks.lanes, rows, masks, place.batch, place.i,
                         place.j)
