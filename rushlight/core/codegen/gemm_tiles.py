"""bfloat16 products with matrix instructions (AMX): 16 x 16 sums of 32 products at a time.

Eight tile registers hold 2 x 2 tiles of C, two of A and two of B. A program may use them once the
system has granted it (`target.tiles_permitted`).
"""

from __future__ import annotations

from .emit import Builder, Value
from .gemm_packed import Blocks, Place
from .gemm_pairs import BLOCK, LANES, Pairs
from .gemm_problem import Problem
from .gemm_tile import lanes_mask

ROWS = 32


def instruction(b: Builder, name: str, *arguments) -> None:
    """One tile instruction; numbers are registers."""
    texts = [f"{a.type} {a.ref}" if isinstance(a, Value) else f"i8 {a}" for a in arguments]
    kinds = ", ".join(t.split(" ")[0] for t in texts)
    b.module.declarations.setdefault(name, f"declare void @llvm.x86.{name}({kinds})")
    b.line(f"call void @llvm.x86.{name}({', '.join(texts)})")


def shape_tiles(b: Builder) -> None:
    """All eight tile registers hold 16 rows of 64 bytes."""
    shape = [1] + [0] * 15 + [64, 0] * 8 + [0] * 16 + [LANES] * 8 + [0] * 8
    instruction(b, "ldtilecfg", b.global_address(b.module.table("i8", shape)))


class Tiles(Pairs):
    """The packed kernel with tile registers: C in 0..3, A in 4 and 5, B in 6 and 7."""

    in_place = False
    most_rows = ROWS
    group = 1

    def panels(self) -> None:
        """Room for whole tiles, and the shape of the tile registers."""
        super().panels()
        shape_tiles(self.b)

    def write(self) -> None:
        """The loop over tasks, then the registers are given back."""
        self.buffer = self.b.stack(self.compute, ROWS * self.blocks.width)
        super().write()

    def done(self) -> None:
        """Before the kernel returns."""
        instruction(self.b, "tilerelease")

    def kept(self, place: Place) -> tuple:
        """Sums that are not finished: whole tiles, one after another."""
        b, blocks = self.b, self.blocks
        if blocks.depth_blocks == 1:
            return self.buffer, blocks.width
        number = (b.as_value(place.batch, "i64") * blocks.row_tiles + place.row) \
            * blocks.column_tiles + place.column
        return b.element(self.pointers["scratch"], number * (ROWS * blocks.width),
                         self.compute), blocks.width

    def rows_ahead(self, rows: int, place: Place) -> tuple:
        """(the rows of A that this tile asks for ahead of their packing, how many).

        Each of a stripe's tiles asks for some of the next tile's rows, a line each 32 k.
        """
        blocks = self.blocks
        stripe = -(-blocks.column_tiles // blocks.column_blocks)
        each = -(-ROWS // stripe)
        source = self.source("a", place.batch, place.i + rows + place.column % stripe * each, 0)
        return source, each if source.second == 1 and stripe > 1 else 0

    def tile(self, rows, present, place: Place, panel_a, panel, count, first, last) -> None:
        """Up to 2 x 2 tiles of C."""
        b = self.b
        columns, groups = -(-present // LANES), -(-rows // LANES)
        kept, stride = self.kept(place)
        corners = [(r, c, r * 2 + c, b.element(kept, r * LANES * stride + c * LANES, "float"))
                   for r in range(groups) for c in range(columns)]
        step_kept = b.constant("i64", stride * 4)
        for _, _, number, _ in corners:
            instruction(self.b, "tilezero", number)
        if first is not None:
            with b.unless(first):
                for _, _, number, address in corners:
                    instruction(self.b, "tileloadd64", number, address, step_kept)
        step_a, step_b = (b.constant("i64", 4 * n) for n in (self.row_stride, columns * LANES))
        padded = b.as_value(count, "i64") + (BLOCK - 1)
        ahead, lines = self.rows_ahead(rows, place)
        with b.loop(0, padded // BLOCK, unroll=False) as k:
            for r in range(lines):
                b.prefetch(ahead.at(r, k * BLOCK), locality=2)
            for r in range(groups):
                at = b.element(panel_a.pointer, k * LANES + r * LANES * self.row_stride, "i32")
                instruction(self.b, "tileloadd64", 4 + r, at, step_a)
            for c in range(columns):
                at = b.element(panel, k * (LANES * columns * LANES) + c * LANES, "i32")
                instruction(self.b, "tileloadd64", 6 + c, at, step_b)
            for r, c, number, _ in corners:
                instruction(self.b, "tdpbf16ps", number, 4 + r, 6 + c)
        for _, _, number, address in corners:
            instruction(self.b, "tilestored64", number, address, step_kept)
        masks = [lanes_mask(b, LANES, present - v) for v in range(0, present, LANES)]
        self.finish_rows(rows, masks, place, kept, stride, last)


def tiles(module, target, problem: Problem, row_blocks: int, column_blocks: int, depth: int):
    """The kernel, as `gemm_pairs.pairs`."""
    blocks = Blocks(target, problem, row_blocks, column_blocks, depth, ROWS)
    Tiles(module.kernel(), target, problem, blocks).write()


def scratch_bytes(problem: Problem) -> int:
    """The size of `scratch` where k has several blocks."""
    row_tiles, column_tiles = -(-problem.m // ROWS), -(-problem.n // (2 * LANES))
    return problem.batch * row_tiles * column_tiles * ROWS * 2 * LANES * 4
