"""Copies of matrix panels in the order in which the register tile reads them.

A panel of B holds, for each k, `width` consecutive columns: whole vectors, the last padded. A panel
of A holds a tile's rows: as rows (k consecutive) or, where the rows lie side by side in memory, as
columns. Panels hold the compute type, so conversion costs nothing more.
"""

from __future__ import annotations

import math

from .emit import Builder, Value
from .gemm_tile import Source, lanes_mask, load_one, load_row
from .llvm_types import natural_alignment

AHEAD = 8       # rows of a narrow run that are fetched ahead: each is another page
NEXT = 2        # the same for whole rows


def spread(stride: int, sets: int) -> int:
    """How many of a cache's sets the lines at multiples of `stride` bytes fall into."""
    return min(sets, sets * 64 // math.gcd(stride, sets * 64)) if stride else 1


def rows_in_place(problem) -> bool:
    """Whether A can be read where it lies: its lines do not push each other out of the caches.

    Eight ways, 64 sets in the first level and 2048 in the second: what small CPUs have too.
    """
    if problem.dtype not in ("float32", "float64"):
        return False
    _, row, k = problem.a
    if k == 1:
        return spread(row * problem.itemsize, 64) * 8 >= 14
    return (row == 1 and problem.k <= 256      # a line each k: slow where they are many
            and spread(k * problem.itemsize, 2048) * 8 >= problem.k)


def columns_in_place(problem) -> bool:
    """The same for B: whole lines of columns, few enough that fall into one set."""
    stride = problem.b[1] * problem.itemsize
    return (problem.b[2] == 1 and problem.dtype in ("float32", "float64") and stride % 64 == 0
            and spread(stride, 2048) * 8 >= problem.k)


def transpose(b: Builder, rows: list) -> list:
    """The transpose of a square of lanes, log2(lanes) rounds of pairwise exchanges."""
    lanes = len(rows)
    rows = list(rows)
    distance = lanes // 2
    while distance:
        for i in range(lanes):
            if not i & distance:
                low, high = rows[i], rows[i + distance]
                rows[i] = b.shuffle(low, high, [
                    n if not n & distance else lanes + n - distance for n in range(lanes)])
                rows[i + distance] = b.shuffle(low, high, [
                    n + distance if not n & distance else lanes + n for n in range(lanes)])
        distance //= 2
    return rows


def pack_columns(b: Builder, source: Source, panels: Value, size: int, tiles, count, present: int,
                 lanes: int, compute: str) -> None:
    """`count` rows of `tiles` x `present` columns of `source` (k, j) to panels of `size` elements.

    The panels' rows are whole vectors. A row of `source` is read in one run over the tiles.
    """
    vectors = -(-present // lanes)
    width = vectors * lanes
    aligned = lanes * natural_alignment(compute)
    count = b.as_value(count, "i64")

    def place(t, k, column):
        return b.element(panels, t * size + k * width + column, compute)
    if source.second == 1:
        with b.loop(0, count, unroll=False) as k, b.loop(0, tiles, unroll=False) as t:
            for v in range(vectors):
                mask = lanes_mask(b, lanes, present - v * lanes)
                b.prefetch(source.at(k + AHEAD, t * present + v * lanes))
                row = load_row(b, source, source.at(k, t * present + v * lanes), lanes, compute,
                               mask)
                b.store(row, place(t, k, v * lanes), aligned)
        return
    whole = count - count % lanes if source.first == 1 else b.constant("i64", 0)
    with b.loop(0, tiles, unroll=False) as t:
        if source.first == 1:      # k is consecutive: squares are transposed in registers
            with b.loop(0, vectors, unroll=False) as v, \
                    b.loop(0, whole, lanes, unroll=False) as k:
                first = source.at(k, t * present + v * lanes)
                rows = []
                for r in range(lanes):
                    at = b.as_value(r, "i64")
                    if present % lanes:
                        at = b.minimum(at, present - 1 - v * lanes)     # padding repeats the last
                    at = b.element(first, at * source.second, source.kind)
                    rows.append(load_row(b, source, at, lanes, compute))
                for r, row in enumerate(transpose(b, rows)):
                    b.store(row, place(t, k + r, v * lanes), aligned)
        with b.loop(whole, count, unroll=False) as k, b.loop(0, width, unroll=False) as column:
            inside = b.minimum(column, present - 1)
            b.store(load_one(b, source, source.at(k, t * present + inside), compute),
                    place(t, k, column))


def panel_strides(source_strides, rows: int, depth: int, lanes: int, itemsize: int) -> tuple:
    """(row stride, k stride, elements) of a panel of A of at most `rows` x `depth`."""
    if source_strides[0] == 1 and source_strides[1] != 1:
        width = -(-rows // lanes) * lanes
        return 1, width, width * (depth + 1)       # panels fall into different cache sets
    line = 64 // itemsize
    stride = -(-depth // line) * line
    stride += line if (stride // line) % 2 == 0 else 0    # rows fall into different cache sets
    return stride, 1, stride * rows


def pack_rows(b: Builder, source: Source, panels: Value, strides, size: int, rows: int, tiles,
              count, lanes: int, compute: str) -> None:
    """`tiles` x `rows` rows of `count` elements of `source` (i, k) to panels of `size` elements."""
    aligned = lanes * natural_alignment(compute)
    if strides[0] == 1:
        with b.loop(0, count, unroll=False) as k, b.loop(0, tiles, unroll=False) as t:
            b.prefetch(source.at(t * rows, k + AHEAD))
            for begin in range(0, rows, lanes):
                mask = lanes_mask(b, lanes, rows - begin)
                row = load_row(b, source, source.at(t * rows + begin, k), lanes, compute, mask)
                into = b.element(panels, t * size + k * strides[1] + begin, compute)
                b.store(row, into, aligned)
        return
    with b.loop(0, tiles, unroll=False) as t, b.loop(0, rows, unroll=False) as r:
        begin = 0
        into = b.element(panels, t * size + r * strides[0], compute)
        i = t * rows + r
        if source.second == 1:
            count = b.as_value(count, "i64")
            begin = count - count % lanes
            with b.loop(0, begin, lanes, unroll=False) as k:
                b.prefetch(source.at(i + NEXT, k))
                row = load_row(b, source, source.at(i, k), lanes, compute)
                b.store(row, b.element(into, k, compute), aligned)
        with b.loop(begin, count, unroll=False) as k:
            b.store(load_one(b, source, source.at(i, k), compute), b.element(into, k, compute))
