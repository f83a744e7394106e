"""float32 numbers as three bfloat16 parts, packed in words of two for matrix instructions (AMX).

A float32 number has 24 significant bits, which are three bfloat16 numbers of 8: x = x0 + x1 + x2,
exactly, each the nearest to what is left. Of the nine products of two such numbers the three that
are left out (x1 y2, x2 y1, x2 y2) are below 2**-26 of the whole, a quarter of float32's own
rounding; the others are exact in float32, in which the tiles sum.

A word holds two k of a line (a row of A, a column of B), i and 16 + i of a block of 32, so that two
vectors become a vector of words without being shuffled.

Note [scaled parts]: the instructions take numbers below the normal ones (2**-126) for zero, and a
part may be 2**-16 of its number. Panels therefore hold 2**24 times the numbers, and sums are scaled
back: every float32 number keeps all its bits, and what is lost of products is below 2**-174.

Note [numbers too large]: infinities have no parts (the rest would be NaN), and sums of scaled
products overflow sooner. While packing, the largest number is noted (NaN apart, which stays NaN);
where sums could overflow, tiles are computed by vector multiply-adds instead.
"""

from __future__ import annotations

from .emit import Builder, Value
from .gemm_pack import transpose
from .gemm_tile import Source, lanes_mask
from .gemm_tiles import instruction
from .llvm_types import vector

LANES = 16
BLOCK = 2 * LANES           # k of one instruction
PARTS = 3
SQUARE = LANES * LANES      # words of a tile register
SCALE = 24                  # log2 of what panels are multiplied by
# Which parts of A and B are multiplied, so ordered that one of the two stays in its registers.
PRODUCTS = ((0, 2), (0, 1), (1, 1), (1, 0), (2, 0), (0, 0))
FLOAT, WORDS = vector("float", LANES), vector("i32", LANES)


class PartWriter:
    """Packs lines of float32 numbers; remembers the largest."""

    def __init__(self, b: Builder):
        self.b = b
        self.largest = b.variable(b.constant(FLOAT, 0))

    def larger(self, x: Value, y: Value) -> Value:
        """The larger of |x| and |y|, the number where the other is a (quiet) NaN."""
        name, b = "llvm.x86.avx512.mask.range.ps.512", self.b
        b.module.declarations.setdefault(
            name, f"declare {FLOAT} @{name}({FLOAT}, {FLOAT}, i32, {FLOAT}, i16, i32)")
        return b.emit(FLOAT, f"call {FLOAT} @{name}({FLOAT} {x.ref}, {FLOAT} {y.ref}, i32 11, "
                             f"{FLOAT} zeroinitializer, i16 -1, i32 4)")

    def found(self) -> Value:
        """2**24 times the largest number packed since `largest` was set to zero."""
        return self.b.reduce(self.largest.get(), lambda x, y: self.b.select(x > y, x, y))

    def parts(self, number: Value) -> list:
        """Three vectors of bits whose high halves are the parts; the low halves are zero."""
        b = self.b
        rest = number * 2.0 ** SCALE
        self.largest.set(self.larger(rest, self.largest.get()))
        found = []
        for _ in range(PARTS - 1):
            high = (b.bitcast(rest, WORDS) + 0x8000) & -0x10000
            found.append(high)
            rest = rest - b.bitcast(high, FLOAT)
        return [*found, b.bitcast(rest, WORDS)]

    def write(self, low: Value, high: Value, place, aligned=64) -> None:
        """The words of 16 pairs; `place(part)` is where they go."""
        b = self.b
        for part, (first, second) in enumerate(zip(self.parts(low), self.parts(high))):
            b.store(b.logical_shift_right(first, LANES) | second, place(part), aligned)

    def load(self, pointer: Value, stride, mask=None) -> Value:
        """16 numbers `stride` apart; masked ones are zero."""
        b = self.b
        if stride == 1:
            return b.load(FLOAT, pointer) if mask is None else b.masked_load(FLOAT, pointer, mask)
        steps = b.iota("i64", LANES) * stride
        if mask is not None:
            steps = b.select(mask, steps, b.constant(steps.type, 0))
        found = b.gather(FLOAT, pointer, steps)
        return found if mask is None else b.select(mask, found, b.constant(FLOAT, 0))

    def row(self, source: Source, count, place) -> None:
        """32 k of one row from source (0, 0) on; from `count` on (None: all are there) zeros."""
        b = self.b
        low, high = (self.load(source.at(0, half), source.second,
                               None if count is None else b.first_lanes(LANES, count - half))
                     for half in (0, LANES))
        self.write(low, high, place)

    def turned(self, source: Source, lines, count, into: Value, apart, along_k: bool) -> None:
        """32 k of 16 lines, transposed: (line, k) of `source`, of which `lines` and `count` exist.

        along_k: lines lie side by side, and a vector of words becomes 32 k of a line; of later k
        the last is repeated. Else k lie side by side, and a vector of words becomes one k (two) of
        the lines; of later lines the last is repeated. Vectors are `apart` words from part to part.
        """
        b = self.b
        name = "turned_rows" if along_k else "turned_columns"
        if all(f.name != name for f in b.module.functions):
            self._write_turned(name, source.second if along_k else source.first, along_k)
        arguments = [source.pointer, into, *(b.as_value(n, "i64") for n in (apart, lines, count))]
        found = b.call(name, FLOAT, *arguments)
        assert found is not None
        self.largest.set(self.larger(found, self.largest.get()))

    def _write_turned(self, name: str, stride: int, along_k: bool) -> None:
        b = self.b.module.function(name, FLOAT, [
            ("ptr", "source"), ("ptr", "into"), ("i64", "apart"), ("i64", "lines"),
            ("i64", "count")], True)
        source, into, apart, lines, count = b.args
        writer = PartWriter(b)
        halves = []
        for half in (0, LANES):
            mask = b.first_lanes(LANES, lines if along_k else count - half)
            last, start = (count - 1, half) if along_k else (lines - 1, 0)
            base = source if along_k else b.element(source, half, "float")
            halves.append(transpose(b, [b.masked_load(FLOAT, b.element(
                base, b.minimum(start + i, last) * stride, "float"), mask) for i in range(LANES)]))
        for i, (low, high) in enumerate(zip(*halves)):
            writer.write(low, high, lambda part, i=i: b.element(
                into, apart * part + i * LANES, "i32"))
        b.ret(writer.largest.get())

    def columns(self, source: Source, columns: int, count: int, into: Value, apart: int) -> None:
        """32 k of at most 16 columns: (k, column) of `source`; `count` k are there, then zeros.

        The words of the k's i and 16 + i are the vector i; parts are `apart` words apart.
        """
        b = self.b
        if source.first == 1 and source.second != 1:
            lines = source._replace(first=source.second, second=1)
            self.turned(lines, columns, count, into, apart, False)
            return
        zero = b.constant(FLOAT, 0)
        across = lanes_mask(b, LANES, columns)

        def place(part, i):
            return b.element(into, b.as_value(i, "i64") * LANES + part * apart, "i32")

        def pairs(begin, end, both):
            with b.loop(begin, end, unroll=False) as i:
                low = self.load(source.at(i, 0), source.second, across)
                high = self.load(source.at(i + LANES, 0), source.second, across) if both else zero
                b.prefetch(source.at(i + BLOCK, 0), locality=2)
                b.prefetch(source.at(i + (BLOCK + LANES), 0), locality=2)
                self.write(low, high, lambda part: place(part, i))
        both = max(0, count - LANES)
        pairs(0, both, True)
        if both < LANES:
            pairs(both, min(count, LANES), False)
            for i in range(count, LANES):
                for part in range(PARTS):
                    b.store(b.constant(WORDS, 0), place(part, i), 64)


def are_small(b: Builder, x: Value, y: Value, terms: int) -> Value:
    """Whether no sum of `terms` products can overflow; x, y: the largest numbers, scaled."""
    return (x * y < 2.0 ** 126 / terms) & (x < 2.0 ** 126) & (y < 2.0 ** 126)


def scale_of(b: Builder, small: Value) -> Value:
    """What takes the scale out of sums: of products of parts, or else of the numbers themselves."""
    return b.select(small, b.constant("float", 2.0 ** (-2 * SCALE)), b.constant("float", 1.0))


def multiply_parts(b: Builder, places: tuple, steps: tuple, squares: tuple, after=None) -> None:
    """Add the products of 32 k to the tiles of C in the registers 0 to 3 (row * 2 + column).

    For A and for B: ``place(part, square)``, the address of a tile; the bytes from row to row; how
    many tiles there are (1 or 2). ``after(turn)`` is written after each pair of parts.
    """
    held: list = [None, None]
    for turn, pair in enumerate(PRODUCTS):
        for side in range(2):
            if held[side] != pair[side]:
                held[side] = pair[side]
                for s in range(squares[side]):
                    instruction(b, "tileloadd64", 4 + 2 * side + s, places[side](pair[side], s),
                                steps[side])
        for r in range(squares[0]):
            for c in range(squares[1]):
                instruction(b, "tdpbf16ps", r * 2 + c, 4 + r, 6 + c)
        if after is not None:
            after(turn)
