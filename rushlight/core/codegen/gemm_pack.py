"""Copies of matrix panels in the order in which the register tile reads them.

A panel of B holds, for each k, `width` consecutive columns: whole vectors, the last padded. A panel
of A holds a tile's rows: as rows (k consecutive) or, where the rows lie side by side in memory, as
columns. Panels hold the compute type, so conversion costs nothing more.
"""

from __future__ import annotations

from .emit import Builder, Value
from .gemm_tile import Source, lanes_mask, load_one, load_row
from .llvm_types import natural_alignment


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


def pack_columns(b: Builder, source: Source, panel: Value, count, present: int, lanes: int,
                 compute: str) -> None:
    """`count` rows of `present` columns of `source` (k, j) to a panel of whole vectors."""
    vectors = -(-present // lanes)
    width = vectors * lanes
    kind = compute
    aligned = lanes * natural_alignment(compute)

    def place(k, column):
        return b.element(panel, b.as_value(k, "i64") * width + column, kind)
    if source.second == 1:
        with b.loop(0, count, unroll=False) as k:
            for v in range(vectors):
                mask = lanes_mask(b, lanes, present - v * lanes)
                row = load_row(b, source, source.at(k, v * lanes), lanes, compute, mask)
                b.store(row, place(k, v * lanes), aligned)
        return
    begin = 0
    if source.first == 1:      # k is consecutive: squares are transposed in registers
        count = b.as_value(count, "i64")
        begin = count - count % lanes
        for v in range(vectors):
            with b.loop(0, begin, lanes, unroll=False) as k:
                rows = []
                for r in range(lanes):
                    column = min(v * lanes + r, present - 1)     # padding repeats the last
                    rows.append(load_row(b, source, source.at(k, column), lanes, compute))
                for r, row in enumerate(transpose(b, rows)):
                    b.store(row, place(k + r, v * lanes), aligned)
    with b.loop(begin, count, unroll=False) as k:
        with b.loop(0, width, unroll=False) as column:
            inside = b.minimum(column, present - 1)
            b.store(load_one(b, source, source.at(k, inside), compute), place(k, column))


def panel_strides(source_strides, rows: int, depth: int, lanes: int, itemsize: int) -> tuple:
    """(row stride, k stride, elements) of a panel of A of at most `rows` x `depth`."""
    if source_strides[0] == 1 and source_strides[1] != 1:
        width = -(-rows // lanes) * lanes
        return 1, width, width * depth
    line = 64 // itemsize
    stride = -(-depth // line) * line
    stride += line if (stride // line) % 2 == 0 else 0    # rows fall into different cache sets
    return stride, 1, stride * rows


def pack_rows(b: Builder, source: Source, panel: Value, strides, rows: int, count, lanes: int,
              compute: str) -> None:
    """`rows` rows of `count` elements of `source` (i, k) to a panel with `strides`."""
    aligned = lanes * natural_alignment(compute)
    if strides[0] == 1:
        with b.loop(0, count, unroll=False) as k:
            for begin in range(0, rows, lanes):
                mask = lanes_mask(b, lanes, rows - begin)
                row = load_row(b, source, source.at(begin, k), lanes, compute, mask)
                b.store(row, b.element(panel, k * strides[1] + begin, compute), aligned)
        return
    with b.loop(0, rows, unroll=False) as r:
        begin = 0
        into = b.element(panel, r * strides[0], compute)
        if source.second == 1:
            count = b.as_value(count, "i64")
            begin = count - count % lanes
            with b.loop(0, begin, lanes, unroll=False) as k:
                row = load_row(b, source, source.at(r, k), lanes, compute)
                b.store(row, b.element(into, k, compute), aligned)
        with b.loop(begin, count, unroll=False) as k:
            b.store(load_one(b, source, source.at(r, k), compute), b.element(into, k, compute))
