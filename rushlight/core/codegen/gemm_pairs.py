"""bfloat16 products with dot-product instructions: panels of pairs of consecutive k.

Both panels hold 32-bit words of two consecutive k: B's as (pairs, columns), A's as rows. They are
padded with zeros to 32 k, so that the same panels serve vectors (AVX512-BF16: a word of A times a
vector of words of B) and tiles (AMX, see `gemm_tiles`). The instructions sum in float32 and take
numbers below the normal ones for zero.
"""

from __future__ import annotations

from .emit import Builder, Value
from .gemm_pack import transpose
from .gemm_packed import Blocks, Packed
from .gemm_problem import Problem
from .gemm_tile import Source, Tile, lanes_mask
from .llvm_types import vector

LANES = 16
BLOCK = 2 * LANES       # k in a vector of pairs
WORDS = vector("i32", LANES)
HALVES = vector("i16", LANES)
DOUBLE = vector("i16", BLOCK)
DOT = "llvm.x86.avx512bf16.dpbf16ps.512"


def padded(k: int) -> int:
    """k rounded up to whole blocks."""
    return -(-k // BLOCK) * BLOCK


def interleave(b: Builder, even: Value, odd: Value) -> Value:
    """Words whose low halves are `even` and high halves `odd`."""
    order = [n for i in range(LANES) for n in (i, LANES + i)]
    return b.bitcast(b.shuffle(even, odd, order), WORDS)


def load_halves(b: Builder, pointer: Value, kind: str, mask: Value | None) -> Value:
    """Consecutive 16-bit words; masked ones are zero."""
    return b.load(kind, pointer) if mask is None else b.masked_load(kind, pointer, mask)


class PanelWriter:
    """Packs pairs; `rest` is k % 32, which only the last block of k has."""

    def __init__(self, b: Builder, rest: int):
        self.b, self.rest = b, rest

    def blocks(self, count, write) -> None:
        """``write(first k, how many)`` for each block of 32 k; the last may be shorter."""
        b = self.b
        count = b.as_value(count, "i64")
        whole = count - count % BLOCK
        with b.loop(0, whole, BLOCK, unroll=False) as k:
            write(k, BLOCK)
        if self.rest:
            with b.when(count > whole):
                write(whole, self.rest)

    def rows_side_by_side(self, source: Source, k, count: int, mask) -> list:
        """16 vectors of pairs (k, k + 1), ... of 16 elements that lie side by side."""
        b = self.b
        zero = b.constant(HALVES, 0)
        rows = [load_halves(b, source.at(k + r, 0), HALVES, mask) if r < count else zero
                for r in range(BLOCK)]
        return [interleave(b, rows[r], rows[r + 1]) for r in range(0, BLOCK, 2)]

    def k_side_by_side(self, source: Source, k, count: int, last: int) -> list:
        """16 rows of 16 pairs; rows after the `last` repeat it."""
        b = self.b
        mask = lanes_mask(b, BLOCK, count)
        return [b.bitcast(load_halves(b, source.at(min(r, last), k), DOUBLE, mask), WORDS)
                for r in range(LANES)]

    def scattered(self, source: Source, k, count: int, last: int) -> list:
        """The same from any strides."""
        b = self.b
        room = b.stack("i16", LANES * BLOCK)
        with b.loop(0, LANES, unroll=False) as r, b.loop(0, BLOCK, unroll=False) as c:
            there = source.at(b.minimum(r, last), b.minimum(k + c, k + (count - 1)))
            value = b.select(c < count, b.load("i16", there), b.constant("i16", 0))
            b.store(value, b.element(room, r * BLOCK + c, "i16"))
        return [b.load(WORDS, b.element(room, r * BLOCK, "i16"), 64) for r in range(LANES)]

    def pack_columns(self, source: Source, panel: Value, count, present: int) -> None:
        """B (k, j) to (pairs, columns): whole vectors of columns."""
        b = self.b
        vectors = -(-present // LANES)

        def write(k, some):
            for v in range(vectors):
                there = source._replace(pointer=source.at(0, v * LANES))
                turned = Source(there.pointer, there.kind, there.second, there.first)
                last = present - v * LANES - 1
                if source.second == 1:
                    words = self.rows_side_by_side(there, k, some,
                                                   lanes_mask(b, LANES, present - v * LANES))
                elif source.first == 1:
                    words = transpose(b, self.k_side_by_side(turned, k, some, last))
                else:
                    words = transpose(b, self.scattered(turned, k, some, last))
                for r, word in enumerate(words):
                    at = (k // 2 + r) * (vectors * LANES) + v * LANES
                    b.store(word, b.element(panel, at, "i32"), 64)
        self.blocks(count, write)

    def pack_rows(self, source: Source, panel: Value, stride: int, rows: int, count) -> None:
        """A (i, k) to rows of words, `stride` words apart."""
        b = self.b
        if source.second == 1:
            with b.loop(0, rows, unroll=False) as r:
                into = b.element(panel, r * stride, "i32")

                def write(k, some):
                    row = load_halves(b, source.at(r, k), DOUBLE, lanes_mask(b, BLOCK, some))
                    b.store(b.bitcast(row, WORDS), b.element(into, k // 2, "i32"), 64)
                self.blocks(count, write)
            return

        def squares(k, some):
            for begin in range(0, rows, LANES):
                there = source._replace(pointer=source.at(begin, 0))
                turned = Source(there.pointer, there.kind, there.second, there.first)
                if source.first == 1:
                    words = transpose(b, self.rows_side_by_side(
                        turned, k, some, lanes_mask(b, LANES, rows - begin)))
                else:
                    words = self.scattered(there, k, some, rows - begin - 1)
                for r, word in enumerate(words):
                    b.store(word, b.element(panel, (begin + r) * stride + k // 2, "i32"), 64)
        self.blocks(count, squares)


class Pairs(Packed):
    """The packed kernel with bfloat16 dot products of vectors."""

    most_rows = 14
    group = 4

    def panels(self) -> None:
        """Both panels hold words of pairs."""
        b, blocks = self.b, self.blocks
        depth = padded(blocks.depth)
        self.panel_kind, self.panel_size = "i32", blocks.width * depth // 2
        tiles = -(-blocks.column_tiles // blocks.column_blocks)
        self.panel_b = b.stack("i32", tiles * self.panel_size)
        lines = depth // BLOCK
        self.row_stride = (lines + 1 - lines % 2) * LANES     # rows fall into different sets
        rows = -(-blocks.rows // LANES) * LANES
        self.panel_a_size = rows * self.row_stride
        self.panel_a = b.stack("i32", self.group * self.panel_a_size)
        self.writer = PanelWriter(b, self.problem.k % BLOCK)

    def rows_of_a(self, place, begin, t) -> Source:
        """A tile's packed rows."""
        panel = self.b.element(self.panel_a, t * self.panel_a_size, "i32")
        return Source(panel, "i32", self.row_stride, 1)

    def pack_b(self, source, panels, tiles, count, present) -> None:
        """Columns of B to panels."""
        b = self.b
        source = source._replace(kind="i16")
        with b.loop(0, tiles, unroll=False) as t:
            self.writer.pack_columns(source._replace(pointer=source.at(0, t * present)),
                                     b.element(panels, t * self.panel_size, "i32"), count, present)

    def pack_a(self, source, rows, tiles, count) -> None:
        """A group of tiles' rows of A to panels."""
        source = source._replace(kind="i16")
        with self.b.loop(0, tiles, unroll=False) as t:
            panel = self.b.element(self.panel_a, t * self.panel_a_size, "i32")
            self.writer.pack_rows(source._replace(pointer=source.at(t * rows, 0)), panel,
                                  self.row_stride, rows, count)

    def add_products(self, tile: Tile, place, panel_a, panel, count) -> None:
        """A word of A times vectors of words of B, for each pair of k."""
        b, wide = self.b, vector("bfloat", BLOCK)
        sums = vector("float", LANES)
        b.module.declarations[DOT] = f"declare {sums} @{DOT}({sums}, {wide}, {wide})"
        width = len(tile.masks) * LANES
        with b.loop(0, (b.as_value(count, "i64") + 1) // 2, unroll=False) as p:
            columns = [b.load(wide, b.element(panel, p * width + v * LANES, "i32"), 64)
                       for v in range(len(tile.masks))]
            for r in range(tile.rows):
                one = b.load("i32", b.element(panel_a.pointer, p + r * self.row_stride, "i32"))
                one = b.bitcast(b.splat(one, LANES), wide)
                for v, column in enumerate(columns):
                    total = tile.sums[r][v]
                    total.set(b.emit(sums, f"call {sums} @{DOT}({sums} {total.get().ref}, "
                                           f"{wide} {one.ref}, {wide} {column.ref})"))


def pairs(module, target, problem: Problem, row_blocks: int, column_blocks: int, depth: int):
    """The kernel, as `gemm_packed.packed`; `depth` is a multiple of 32, or all of k."""
    blocks = Blocks(target, problem, row_blocks, column_blocks, depth, Pairs.most_rows)
    Pairs(module.kernel(), target, problem, blocks).write()
