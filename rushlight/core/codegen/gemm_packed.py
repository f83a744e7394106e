"""Large products: panels of A and B copied to caches, one register tile of C after another.

A task is a block of C: `row_blocks` x `column_blocks` of them in each matrix of the batch, whole
register tiles each. It walks k in blocks; for each it packs its columns of B (sized for the second
level cache), then for each row of tiles packs A (sized for the first level cache) and runs along
the columns. Sums that continue over k blocks wait in C itself, or in `scratch` where C is not what
the sums are.
"""

from __future__ import annotations

from .body import MEMORY
from .emit import Builder
from .gemm_pack import pack_columns, pack_rows, panel_strides
from .gemm_problem import Problem
from .gemm_tile import (
    Finish,
    Source,
    Tile,
    argument_pointers,
    cut,
    lanes_mask,
    load_row,
    register_tile,
)


class Blocks:
    """How one problem is cut, for one target."""

    def __init__(self, target, problem: Problem, row_blocks, column_blocks, depth):
        self.lanes = target.lanes(problem.itemsize)
        most, self.vectors = register_tile(target, problem.itemsize)
        self.width = self.lanes * self.vectors
        self.row_tiles, self.rows, self.longer = cut(problem.m, most)
        self.full_columns = problem.n // self.width
        self.edge = problem.n % self.width
        self.column_tiles = self.full_columns + (self.edge > 0)
        self.row_blocks, self.column_blocks = row_blocks, column_blocks
        self.depth = depth
        self.depth_blocks = -(-problem.k // depth)
        self.panel = panel_strides(problem.a[1:], self.rows, depth, self.lanes, problem.itemsize)


def packed(module, target, problem: Problem, row_blocks: int, column_blocks: int, depth: int):
    """The kernel; tasks: batch * row_blocks * column_blocks. Arguments: the problem's, scratch."""
    blocks = Blocks(target, problem, row_blocks, column_blocks, depth)
    b = module.kernel()
    Packed(b, target, problem, blocks).write()
    return b


class Packed:
    """Writes the kernel."""

    def __init__(self, b: Builder, target, problem: Problem, blocks: Blocks):
        self.b, self.target, self.problem, self.blocks = b, target, problem, blocks
        self.compute = problem.compute
        more = () if problem.plain or blocks.depth_blocks == 1 else ("scratch",)
        self.pointers = argument_pointers(b, problem, more)
        self.finish = Finish(b, target, problem, self.pointers)
        tiles = -(-blocks.column_tiles // blocks.column_blocks)
        self.panel_b = b.stack(self.compute, tiles * blocks.width * blocks.depth)
        self.panel_a = b.stack(self.compute, blocks.panel[2])
        self.buffer = b.stack(self.compute, blocks.rows * blocks.width)
        self.kernels: dict = {}

    def write(self) -> None:
        """The loop over tasks."""
        b, blocks = self.b, self.blocks
        rows, columns = blocks.row_blocks, blocks.column_blocks
        with b.loop(b.args[1], b.args[2], unroll=False) as task:
            batch = task // (rows * columns)
            row, column = task % (rows * columns) // columns, task % columns
            ends = [row * blocks.row_tiles // rows, (row + 1) * blocks.row_tiles // rows,
                    column * blocks.column_tiles // columns,
                    (column + 1) * blocks.column_tiles // columns]
            if blocks.depth_blocks == 1:
                self.block(batch, ends, 0, self.problem.k, None, None)
            else:
                with b.loop(0, blocks.depth_blocks, unroll=False) as d:
                    begin = d * blocks.depth
                    count = b.minimum(self.problem.k - begin, blocks.depth)
                    self.block(batch, ends, begin, count, b.compare("eq", d, 0),
                               b.compare("eq", d, blocks.depth_blocks - 1))
        b.ret(0)

    def source(self, name, batch, strides, i, j) -> Source:
        """A matrix of the batch from its element (i, j) on."""
        kind = MEMORY[self.problem.dtype]
        b = self.b
        whole = Source(b.element(self.pointers[name], b.as_value(batch, "i64") * strides[0], kind),
                       kind, *strides[1:])
        return whole._replace(pointer=whole.at(i, j))

    def block(self, batch, ends, begin, count, first, last) -> None:
        """One block of k of a task."""
        b, blocks, problem = self.b, self.blocks, self.problem
        row_begin, row_end, column_begin, column_end = ends
        size = blocks.width * blocks.depth
        full_end = b.minimum(column_end, blocks.full_columns)
        other = self.source("b", batch, problem.b, begin, 0)

        def panel_of(column):
            return b.element(self.panel_b, (column - column_begin) * size, self.compute)
        with b.loop(column_begin, full_end, unroll=False) as column:
            there = other._replace(pointer=other.at(0, column * blocks.width))
            pack_columns(b, there, panel_of(column), count, blocks.width, blocks.lanes,
                         self.compute)
        if blocks.edge:
            with b.when(column_end > blocks.full_columns):
                there = other._replace(pointer=other.at(0, blocks.full_columns * blocks.width))
                pack_columns(b, there, panel_of(b.as_value(blocks.full_columns, "i64")), count,
                             blocks.edge, blocks.lanes, self.compute)
        for rows, start, stop in ((blocks.rows, 0, blocks.longer),
                                  (blocks.rows - 1, blocks.longer, blocks.row_tiles)):
            if stop == start:
                continue
            with b.loop(b.maximum(row_begin, start), b.minimum(row_end, stop),
                        unroll=False) as t:
                i = t * rows + start * (blocks.rows - rows)
                pack_rows(b, self.source("a", batch, problem.a, i, begin), self.panel_a,
                          blocks.panel, rows, count, blocks.lanes, self.compute)
                with b.loop(column_begin, full_end, unroll=False) as column:
                    self.tile(rows, blocks.width, batch, i, column * blocks.width,
                              panel_of(column), count, first, last)
                if blocks.edge:
                    with b.when(column_end > blocks.full_columns):
                        column = b.as_value(blocks.full_columns, "i64")
                        self.tile(rows, blocks.edge, batch, i, column * blocks.width,
                                  panel_of(column), count, first, last)

    def tile(self, rows, present, batch, i, j, panel, count, first, last) -> None:
        """One register tile: sum, keep or finish."""
        b, blocks, problem = self.b, self.blocks, self.problem
        masks = [lanes_mask(b, blocks.lanes, present - v)
                 for v in range(0, present, blocks.lanes)]
        tile = Tile(b, self.compute, blocks.lanes, rows, masks)
        if problem.plain:
            strides = problem.outs[0]
            kept = self.source("out0", batch, strides, i, j).pointer
            stride = strides[1]
        elif first is not None:
            kept = b.element(self.pointers["scratch"],
                             (b.as_value(batch, "i64") * problem.m + i) * problem.n + j,
                             self.compute)
            stride = problem.n
        else:
            kept, stride = self.buffer, blocks.width
        if first is not None:
            with b.unless(first):
                tile.load(kept, stride)
        width = len(masks) * blocks.lanes
        tile.add_products(Source(self.panel_a, self.compute, *blocks.panel[:2]),
                          Source(panel, self.compute, width, 1), count, packed=True)
        tile.store(kept, stride)
        if problem.plain:
            return
        if last is None:
            self.finish_rows(rows, masks, batch, i, j, kept, stride)
        else:
            with b.when(last):
                self.finish_rows(rows, masks, batch, i, j, kept, stride)

    def finish_rows(self, rows, masks, batch, i, j, kept, stride) -> None:
        """Finish sums that lie in memory, a row at a time (little code for long bodies)."""
        b, lanes = self.b, self.blocks.lanes
        kept = Source(kept, self.compute, stride, 1)
        with b.loop(0, rows, unroll=False) as r:
            for v, mask in enumerate(masks):
                value = load_row(b, kept, kept.at(r, v * lanes), lanes, self.compute, mask)
                self.finish.vector(value, batch, i + r, j + v * lanes, mask)


