"""Small and thin products, read where they lie: no copies, little code, often one task.

`direct` wants B's columns side by side in memory (as in ``x @ w`` of plain matrices): one element
of A times a vector of B. `dots` wants k side by side in both (as in ``x @ w.T``): vectors along k,
whose lanes are added up at the end.
"""

from __future__ import annotations

from typing import NamedTuple

from .body import MEMORY
from .emit import Builder
from .gemm_problem import Problem
from .gemm_tile import Finish, Source, Tile, argument_pointers, cut, lanes_mask, load_row
from .llvm_types import lanes_of, vector


def direct_tile(target, problem: Problem) -> tuple[int, int, int]:
    """(rows, the first so many row tiles have them, vectors): as many sums as registers hold."""
    lanes = target.lanes(problem.itemsize)
    needed = -(-problem.n // lanes)
    most = (target.registers - 4) // 2
    if needed == 1:
        most = min(target.registers - 4, 24)
    _, rows, longer = cut(problem.m, most)
    vectors = min((target.registers - 2) // (rows + 1), 8)
    tiles = -(-needed // max(vectors, 1))
    return rows, longer, -(-needed // tiles)


def source_of(b: Builder, problem: Problem, pointers, name, batch) -> Source:
    """A matrix of the batch."""
    kind = MEMORY[problem.dtype]
    strides = problem.a if name == "a" else problem.b
    return Source(b.element(pointers[name], b.as_value(batch, "i64") * strides[0], kind),
                  kind, *strides[1:])


def direct(module, target, problem: Problem, row_blocks: int, column_blocks: int):
    """The kernel; tasks: batch * row_blocks * column_blocks, whole tiles each."""
    b = module.kernel()
    lanes = target.lanes(problem.itemsize)
    rows, longer, vectors = direct_tile(target, problem)
    pointers = argument_pointers(b, problem)
    finish = Finish(b, target, problem, pointers)
    width = vectors * lanes
    full, edge = problem.n // width, problem.n % width
    row_tiles = cut(problem.m, rows)[0]
    column_tiles = full + (edge > 0)

    def tile(batch, size, i, j, present):
        masks = [lanes_mask(b, lanes, present - v) for v in range(0, present, lanes)]
        a = source_of(b, problem, pointers, "a", batch)
        other = source_of(b, problem, pointers, "b", batch)
        found = Tile(b, problem.compute, lanes, size, masks)
        found.add_products(a._replace(pointer=a.at(i, 0)),
                           other._replace(pointer=other.at(0, j)), problem.k)
        finish.tile(found, batch, i, j)

    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        batch, row_begin, row_end, column_begin, column_end = task_of(
            b, task, row_blocks, column_blocks, row_tiles, column_tiles)
        for size, start, stop in ((rows, 0, longer), (rows - 1, longer, row_tiles)):
            if start == stop:
                continue
            with b.loop(b.maximum(row_begin, start), b.minimum(row_end, stop), unroll=False) as t:
                i = t * size + start * (rows - size)
                if full:
                    with b.loop(column_begin, b.minimum(column_end, full), unroll=False) as c:
                        tile(batch, size, i, c * width, width)
                if edge:
                    with b.when(column_end > full):
                        tile(batch, size, i, full * width, edge)
    b.ret(0)


def task_of(b: Builder, task, row_blocks, column_blocks, row_tiles, column_tiles) -> tuple:
    """(batch, first row tile, end, first column tile, end) of a task."""
    batch = task // (row_blocks * column_blocks)
    row, column = task % (row_blocks * column_blocks) // column_blocks, task % column_blocks
    return (batch, row * row_tiles // row_blocks, (row + 1) * row_tiles // row_blocks,
            column * column_tiles // column_blocks, (column + 1) * column_tiles // column_blocks)


class DotTile(NamedTuple):
    """rows x columns of dot products at a time."""

    rows: int
    columns: int


def dot_tile(target, problem: Problem) -> DotTile:
    """As many sums as fit: rows of A x columns of B, the columns a power of two."""
    if problem.n == 1:
        return DotTile(cut(problem.m, 8)[1], 1)
    lanes = target.lanes(problem.itemsize)
    for columns in (8, 4, 2):
        most = (target.registers - 2) // (columns + 1)
        if columns <= lanes and (most >= min(problem.m, 3) or columns == 2):
            return DotTile(cut(problem.m, min(most, 4))[1], columns)
    return DotTile(1, 1)


def add_lanes(b: Builder, sums: list):
    """A vector of the sums of the lanes of each of 2**i vectors, in a fixed order."""
    block = lanes = lanes_of(sums[0].type)
    while len(sums) > 1:
        block //= 2
        # Blocks of 2 * block lanes hold partial sums of one vector: fold them to `block` lanes.
        low = [i for i in range(lanes) if not i & block]
        high = [i + block for i in low]
        sums = [b.shuffle(x, y, low + [lanes + i for i in low])
                + b.shuffle(x, y, high + [lanes + i for i in high])
                for x, y in zip(sums[::2], sums[1::2])]
    found = sums[0]
    while block > 1:
        block //= 2
        size = lanes_of(found.type)
        if size == 2:
            return b.extract(found, 0) + b.extract(found, 1)
        keep = [i for i in range(size) if not i & block]
        found = b.shuffle(found, None, keep) + b.shuffle(found, None, [i + block for i in keep])
    return found


def dots(module, target, problem: Problem, column_blocks: int):
    """The kernel; tasks: batch * column_blocks, whole tiles of columns each, all rows."""
    b = module.kernel()
    lanes = target.lanes(problem.itemsize)
    shape = dot_tile(target, problem)
    row_tiles, rows, longer = cut(problem.m, shape.rows)
    pointers = argument_pointers(b, problem)
    finish = Finish(b, target, problem, pointers)
    full, edge = divmod(problem.n, shape.columns)
    kind = vector(problem.compute, lanes)
    body = problem.k - problem.k % lanes
    # A few sums would wait for each other's additions: several sets of them take turns.
    sets = 1
    while sets * rows * shape.columns < 8 and sets * lanes * 2 <= problem.k:
        sets *= 2

    def tile(batch, size, i, j, present):
        a = source_of(b, problem, pointers, "a", batch)
        other = source_of(b, problem, pointers, "b", batch)
        sums = [[[b.variable(b.constant(kind, 0)) for _ in range(shape.columns)]
                 for _ in range(size)] for _ in range(sets)]
        left = [a.at(b.as_value(i, "i64") + r, 0) for r in range(size)]
        right = [other.at(0, b.as_value(j, "i64") + min(c, present - 1))
                 for c in range(shape.columns)]

        def add(k, mask=None, turn=0):
            vectors = [load_row(b, a, b.element(p, k, a.kind), lanes, problem.compute, mask)
                       for p in left]
            for c, p in enumerate(right):
                column = load_row(b, other, b.element(p, k, other.kind), lanes, problem.compute,
                                  mask)
                for r in range(size):
                    total = sums[turn][r][c]
                    total.set(b.fma(vectors[r], column, total.get()))
        begin = body - body % (lanes * sets)
        with b.loop(0, begin, lanes * sets, unroll=False) as k:
            for turn in range(sets):
                add(k + turn * lanes, turn=turn)
        for turn, k in enumerate(range(begin, body, lanes)):
            add(b.as_value(k, "i64"), turn=turn)
        if problem.k > body:
            add(b.as_value(body, "i64"), lanes_mask(b, lanes, problem.k - body))
        for r in range(size):
            columns = []
            for c in range(shape.columns):
                parts = [sums[turn][r][c].get() for turn in range(sets)]
                while len(parts) > 1:
                    parts = [x + y for x, y in zip(parts[::2], parts[1::2])]
                columns.append(parts[0])
            total = add_lanes(b, columns)
            finish.vector(total, batch, b.as_value(i, "i64") + r, j,
                          lanes_mask(b, shape.columns, present))

    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        batch, _, _, begin, end = task_of(b, task, 1, column_blocks, row_tiles, full + (edge > 0))
        for present, first, last in ((shape.columns, begin, b.minimum(end, full)),
                                     (edge, b.maximum(begin, full), end)):
            if not present or (present == shape.columns and not full):
                continue
            with b.loop(first, last, unroll=False) as c:
                for size, start, stop in ((rows, 0, longer), (rows - 1, longer, row_tiles)):
                    if start < stop:
                        with b.loop(start, stop, unroll=False) as t:
                            tile(batch, size, t * size + start * (rows - size),
                                 c * shape.columns, present)
    b.ret(0)
