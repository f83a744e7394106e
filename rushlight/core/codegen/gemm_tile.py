"""The register tile of a matrix product: rows x vectors of sums, and how it is finished.

`Tile` sums over k into registers; `Finish` turns sums into results: scales, bias, the fused body,
conversion, stores. Both work on a vector of columns; the last vector of a row may be masked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..base.dtypes import DTYPES
from .body import MEMORY, emit_body, from_memory, load_number, round_half, to_memory
from .emit import Builder, Value
from .gemm_problem import Problem
from .llvm_types import lanes_of, natural_alignment, vector
from .repeated import Repeated
from .words import Lane

AHEAD = 8       # rows of a panel of B that are fetched ahead, from the second level cache
UNROLL = 4      # k of packed panels in a turn of the loop
LINE = 16       # k between two requests for memory that is needed later


def register_tile(target, itemsize) -> tuple[int, int]:
    """(rows, vectors) of the widest tile that leaves registers for B and one element of A."""
    return (target.registers - 4) // 2, 2


def cut(total: int, most: int) -> tuple[int, int, int]:
    """`total` in the fewest parts of at most `most`, as equal as possible.

    Returns (parts, size, longer): the first `longer` parts have `size`, the others one less.
    """
    parts = -(-total // most)
    size = -(-total // parts)
    return parts, size, total - parts * (size - 1)


class Source(NamedTuple):
    """A matrix in memory: address, LLVM's element type there, strides of its two axes."""

    pointer: Value
    kind: str
    first: Any
    second: Any

    def at(self, i, j) -> Value:
        """The address of an element."""
        b = self.pointer.b
        return b.element(self.pointer, b.as_value(i, "i64") * self.first
                         + b.as_value(j, "i64") * self.second, self.kind)


def lanes_mask(b: Builder, lanes: int, present: int) -> Value | None:
    """The mask of a vector's first `present` lanes; None where that is all."""
    if present >= lanes:
        return None
    text = ", ".join(f"i1 {'true' if i < present else 'false'}" for i in range(lanes))
    return Value(b, vector("i1", lanes), f"<{text}>")


def load_row(b: Builder, source: Source, pointer: Value, lanes: int, compute: str, mask=None):
    """Consecutive elements as a vector of the compute type; masked lanes are zero."""
    kind = vector(source.kind, lanes)
    found = b.load(kind, pointer) if mask is None else b.masked_load(kind, pointer, mask)
    return b.cast(found, vector(compute, lanes))


def load_one(b: Builder, source: Source, pointer: Value, compute: str) -> Value:
    """One element as the compute type."""
    return b.cast(b.load(source.kind, pointer), compute)


class Tile:
    """rows x len(masks) vectors of sums in registers."""

    def __init__(self, b: Builder, compute: str, lanes: int, rows: int, masks):
        self.b, self.compute, self.lanes, self.rows = b, compute, lanes, rows
        self.masks = list(masks)
        kind = vector(compute, lanes)
        zero = b.constant(kind, 0)
        self.sums = [[b.variable(zero) for _ in self.masks] for _ in range(rows)]

    def add_products(self, a: Source, other: Source, count, packed=False, ahead=None) -> None:
        """Add ``sum_k a[i, k] * other[k, j]`` for k in range(count).

        `a` is read an element at a time, `other` a vector at a time: its second stride is 1.
        With `packed` it is padded to whole vectors and aligned, and `UNROLL` k are written in a
        row. `ahead(k)` is written once for each `LINE` k.
        """
        b = self.b
        at_once = UNROLL if packed else 1
        count = b.as_value(count, "i64")
        whole = count - count % at_once

        def some(begin, end):
            with b.loop(begin, end, at_once, unroll=False) as k:
                self._add_product(a, other, k, at_once, packed)
        if ahead is None:
            some(0, whole)
        else:
            with b.loop(0, whole, LINE, unroll=False) as begin:
                ahead(begin)
                some(begin, b.minimum(begin + LINE, whole))
        if at_once > 1 and (count.number is None or count.number % at_once):
            with b.loop(whole, count, unroll=False) as k:
                self._add_product(a, other, k, 1, packed)

    def _add_product(self, a: Source, other: Source, k, count: int, packed: bool) -> None:
        """Add the products of k .. k + count - 1."""
        b = self.b
        elements = Repeated(b, a.at(0, k), a.kind, self.lanes, len(self.masks), self.compute)
        for further in range(count):
            columns = []
            for v, mask in enumerate(self.masks):
                pointer = b.element(other.at(k + further, 0), v * self.lanes, other.kind)
                if packed:
                    b.prefetch(b.element(pointer, other.first * AHEAD, other.kind))
                    columns.append(b.load(vector(self.compute, self.lanes), pointer,
                                          self.lanes * natural_alignment(self.compute)))
                else:
                    columns.append(load_row(b, other, pointer, self.lanes, self.compute, mask))
            for r, totals in enumerate(self.sums):
                elements.add_products(r, r * a.first + further * a.second, columns, totals)

    def load(self, pointer: Value, stride) -> None:
        """Start from sums in memory (rows `stride` apart)."""
        for r, v, place in self._places(pointer, stride):
            self.sums[r][v].set(self._kept(v, place))

    def add(self, pointer: Value, stride) -> None:
        """Add sums in memory (rows `stride` apart)."""
        for r, v, place in self._places(pointer, stride):
            total = self.sums[r][v]
            total.set(self._kept(v, place) + total.get())

    def _kept(self, v: int, place: Value) -> Value:
        mask, kind = self.masks[v], vector(self.compute, self.lanes)
        return self.b.load(kind, place) if mask is None else self.b.masked_load(kind, place, mask)

    def store(self, pointer: Value, stride) -> None:
        """Sums to memory."""
        for r, v, place in self._places(pointer, stride):
            value = self.sums[r][v].get()
            if self.masks[v] is None:
                self.b.store(value, place)
            else:
                self.b.masked_store(value, place, self.masks[v])

    def _places(self, pointer, stride):
        for r in range(self.rows):
            row = self.b.element(pointer, self.b.as_value(r, "i64") * stride, self.compute)
            for v in range(len(self.masks)):
                yield r, v, self.b.element(row, v * self.lanes, self.compute)


class Finish:
    """Turns sums into results and stores them, for one problem."""

    def __init__(self, b: Builder, target, problem: Problem, pointers: dict):
        self.b, self.target, self.problem = b, target, problem
        self.pointers = pointers
        self.body_dtypes = problem.body.output_dtypes() if problem.body else (problem.result,)
        self.numbers = {}
        for i, strides in enumerate(problem.extras):
            if strides is None and problem.body is not None:
                name = problem.body.inputs[i + 1]
                self.numbers[i] = load_number(b, name, pointers[f"extra{i}"])
        self.scales = []
        if problem.scales:
            for name, kind in zip(("beta", "alpha"), problem.scales):
                lane = load_number(b, kind, pointers[name])
                self.scales.append(b.cast(lane.value, problem.compute))

    def kind(self, number: int) -> str:
        """LLVM's type of an output's elements in memory."""
        return MEMORY[self.body_dtypes[number]]

    def _address(self, name, strides, kind, batch, i, j) -> Value:
        b = self.b
        at = b.as_value(batch, "i64") * strides[0] + b.as_value(i, "i64") * strides[1] \
            + b.as_value(j, "i64") * strides[2]
        return b.element(self.pointers[name], at, kind)

    def _read(self, name, strides, dtype, batch, i, j, lanes, mask) -> Lane:
        """A vector along j of an operand broadcast to the result."""
        b, kind = self.b, MEMORY[dtype]
        pointer = self._address(name, strides, kind, batch, i, j)
        if strides[2] == 0 or lanes == 1:
            return from_memory(b, dtype, b.load(kind, pointer))
        wide = vector(kind, lanes)
        if strides[2] == 1:
            value = b.load(wide, pointer) if mask is None else b.masked_load(wide, pointer, mask)
        else:
            steps = b.arithmetic("mul", b.iota("i64", lanes), strides[2])
            if mask is not None:
                steps = b.select(mask, steps, b.constant(steps.type, 0))
            value = b.gather(wide, pointer, steps)
        return from_memory(b, dtype, value)

    def rounded(self, value: Value, dtype) -> Value:
        """Sums rounded to a 16-bit dtype, with the CPU's own instruction where it has one.

        That takes numbers below the normal ones for zero, as its products do.
        """
        if dtype.name == "bfloat16" and self.target.has("avx512bf16"):
            return self.b.cast(value, vector("bfloat", lanes_of(value.type)))
        return round_half(self.b, value, dtype)

    def vector(self, value: Value, batch, i, j, mask=None) -> None:
        """Store the results of one vector of sums: row i, columns from j."""
        b, problem = self.b, self.problem
        lanes = lanes_of(value.type)
        if self.scales:
            value = value * self.scales[1]
        if problem.bias is not None:
            bias = self._read("bias", problem.bias, problem.result, batch, i, j, lanes, mask).value
            if self.scales:
                # beta = 0 ignores the bias, NaN included.
                beta = self.scales[0]
                scaled = b.splat(bias * beta if bias.type == beta.type else bias, 1) \
                    if lanes_of(bias.type) == 1 else bias * beta
                bias = b.select(beta.equals(0.0), b.constant(scaled.type, 0), scaled)
            value = value + b.as_value(bias, value.type)
        dtype = DTYPES[problem.result]
        if dtype.half and problem.body is not None:
            value = b.cast(self.rounded(value, dtype), value.type)
        results = [Lane(value, dtype)]
        if problem.body is not None:
            inputs = [results[0]]
            for e, strides in enumerate(problem.extras):
                inputs.append(self.numbers[e] if strides is None else self._read(
                    f"extra{e}", strides, problem.body.inputs[e + 1], batch, i, j, lanes, mask))
            results = emit_body(b, self.target, problem.body, inputs)
        for o, (lane, strides) in enumerate(zip(results, problem.outs)):
            if strides is None:
                continue
            stored = self.rounded(lane.value, dtype) if problem.body is None and dtype.half \
                else to_memory(b, lane)
            stored = b.as_value(stored, vector(MEMORY[lane.dtype.name], lanes))
            pointer = self._address(f"out{o}", strides, MEMORY[lane.dtype.name], batch, i, j)
            if mask is None:
                b.store(stored, pointer)
            else:
                b.masked_store(stored, pointer, mask)

    def tile(self, tile: Tile, batch, i, j) -> None:
        """All vectors of a register tile whose first element is (i, j)."""
        body = self.problem.body
        if body is not None and len(body.code) * tile.rows * len(tile.masks) > 40:
            # Long bodies are written once, in a loop over the rows.
            b, stride = self.b, tile.lanes * len(tile.masks)
            room = b.stack(tile.compute, tile.rows * stride)
            tile.store(room, stride)
            self.rows(room, stride, tile.lanes, tile.rows, tile.masks, batch, i, j)
            return
        for r in range(tile.rows):
            for v, mask in enumerate(tile.masks):
                self.vector(tile.sums[r][v].get(), batch, self.b.as_value(i, "i64") + r,
                            self.b.as_value(j, "i64") + v * tile.lanes, mask)

    def rows(self, sums: Value, stride, lanes: int, count: int, masks, batch, i, j) -> None:
        """Rows of sums in memory, `stride` apart, whose first element is (i, j)."""
        b, compute = self.b, self.problem.compute
        source = Source(sums, compute, stride, 1)
        with b.loop(0, count, unroll=False) as r:
            for v, mask in enumerate(masks):
                value = load_row(b, source, source.at(r, v * lanes), lanes, compute, mask)
                self.vector(value, batch, b.as_value(i, "i64") + r,
                            b.as_value(j, "i64") + v * lanes, mask)


def argument_pointers(b: Builder, problem: Problem, more=()) -> dict:
    """The kernel's argument words by name; numbers as the address of their word."""
    found = {}
    numbers = {"beta", "alpha"} | {f"extra{i}" for i, s in enumerate(problem.extras) if s is None}
    for position, name in enumerate([*problem.argument_names(), *more]):
        word = b.element(b.args[0], position, "i64")
        found[name] = word if name in numbers else b.load("ptr", word)
    return found
