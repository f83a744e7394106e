"""Sweeping a row of memory by vectors: what the row kernels (softmax, norms, losses) share.

Note [overlapping vectors]: a row of `length` >= `lanes` elements is whole vectors from its start,
and, where the length is no multiple (`ragged`), one more that ends where the row ends. That vector
sees some elements a second time: what is stored twice is the same, and what is summed is masked.
No masked memory access is needed, so every dtype and every CPU has the same code.
"""

from __future__ import annotations

from typing import Any

from ..base.dtypes import DTYPES
from .body import MEMORY, from_memory, to_memory
from .emit import Builder
from .llvm_types import lanes_of, vector
from .words import Lane

STATIC = 64            # rows of up to this length are written out as straight code


def compute_lanes(dtype) -> int:
    """Lanes of the compute type (float32 for 16-bit floats) on this process's target."""
    from .library import target
    return target().lanes(8 if dtype.itemsize == 8 else 4)


def compute_type(dtype_name: str) -> str:
    """LLVM's element type in which a floating-point dtype is computed."""
    return "double" if dtype_name == "float64" else "float"


class Line:
    """Access to one line of an array: `load(i)` and `store(value, i)`, vectors of `lanes`.

    `step` is the distance between the line's places (1 for a row). Values are of `kind`.
    """

    def __init__(self, b: Builder, dtype_name, lanes, pointer, step: Any = 1, kind=None):
        self.b, self.dtype, self.lanes, self.pointer, self.step = \
            b, dtype_name, lanes, pointer, step
        self.memory = MEMORY[dtype_name]
        self.kind = vector(kind or compute_type(dtype_name), lanes)

    def _at(self, i):
        return self.b.element(self.pointer, i * self.step, self.memory)

    def load(self, i):
        """The vector at place i, in the compute type."""
        found = self.b.load(vector(self.memory, self.lanes), self._at(i))
        return self.b.cast(from_memory(self.b, self.dtype, found).value, self.kind)

    def store(self, value, i):
        """Write a vector at place i."""
        own = vector(compute_type(self.dtype), lanes_of(value.type))
        lane = Lane(self.b.cast(value, own), DTYPES[self.dtype])
        self.b.store(to_memory(self.b, lane), self._at(i))


def line(b: Builder, dtype_name, lanes, pointer, start, kind=None) -> Line:
    """The row of an array that starts at element `start`."""
    return Line(b, dtype_name, lanes, b.element(pointer, start, MEMORY[dtype_name]), kind=kind)


def scalar(b: Builder, dtype_name, pointer, place, kind=None):
    """One element in its compute type, or as `kind`."""
    return Line(b, dtype_name, 1, pointer, kind=kind).load(b.as_value(place, "i64"))


def store_scalar(b: Builder, dtype_name, value, pointer, place=0):
    """Write one element."""
    Line(b, dtype_name, 1, pointer).store(value, b.as_value(place, "i64"))


def greater(b: Builder):
    """The greater of two; where one is NaN the second stays (sums still carry the NaN on)."""
    return lambda a, value: b.select(value > a, value, a)


def add(a, value):
    """The sum, as a combining function."""
    return a + value


class Sweep:
    """Passes over a row by vectors; see Note [overlapping vectors].

    `static`: the length where it is a Python number and short; else 0, and `length` is a value.
    """

    def __init__(self, b: Builder, lanes, length, static, ragged):
        self.b, self.lanes, self.ragged, self.static = b, lanes, ragged, static
        self.length = b.constant("i64", static) if static else length

    def write(self, out, function) -> None:
        """Store ``function(i)`` at each place of a Line; it may read what is there."""
        self.each(function, out.store)

    def each(self, function, store) -> None:
        """``store(function(i), i)`` for each vector; function may read what store overwrites."""
        place = self.length - self.lanes
        last = function(place) if self.ragged else None     # before its neighbours are written
        if self.static:
            for n in range(0, self.static - self.lanes + 1, self.lanes):
                i = self.b.constant("i64", n)
                store(function(i), i)
        else:
            with self.b.loop(0, self.length - (self.lanes - 1), self.lanes) as i:
                store(function(i), i)
        if last is not None:
            store(last, place)

    def fresh(self, value, start=0.0):
        """A value of the last vector with `start` in the lanes that were seen before."""
        b, lanes = self.b, self.lanes
        seen = lanes - (self.length & (lanes - 1))
        old = b.compare("lt", b.iota("i32", lanes), b.splat(b.cast(seen, "i32"), lanes))
        return b.select(old, b.constant(value.type, start), value)

    def folds(self, kind, function, *folded):
        """Fold the values of ``function(i, fresh)`` over the row; see `Fold`."""
        fold = Fold(self, kind, *folded)
        fold.visit(function)
        return fold.finish()


class Fold:
    """Sums (or other folds) of values over the vectors of one row, or of several of one length.

    folded: (start, combine) for each value that the visiting function returns.
    """

    def __init__(self, sweep: Sweep, kind, *folded):
        self.sweep, self.folded = sweep, folded
        b = sweep.b
        self.width = 4 if len(folded) == 1 else 2      # vectors in flight, each with its own sums
        if sweep.static:
            self.width = min(self.width, max(1, sweep.static // sweep.lanes))
        self.kept = [[b.variable(b.constant(kind, start)) for start, _ in folded]
                     for _ in range(self.width)]

    def _advance(self, variables, values):
        for variable, (_, combine), value in zip(variables, self.folded, values):
            variable.set(combine(variable.get(), value))

    def visit(self, function) -> None:
        """Take in ``function(i, fresh)`` of each vector of a row: a list of values.

        `fresh` masks a value of the overlapping vector, for what function itself adds to memory.
        """
        sweep, width = self.sweep, self.width
        b, lanes = sweep.b, sweep.lanes

        def same(value):
            return value

        if sweep.static:
            for n, i in enumerate(range(0, sweep.static - lanes + 1, lanes)):
                self._advance(self.kept[n % width], function(b.constant("i64", i), same))
        else:
            whole = sweep.length - (sweep.length & (width * lanes - 1))
            with b.loop(0, whole, width * lanes, unroll=False) as i:
                for n, variables in enumerate(self.kept):
                    self._advance(variables, function(i + n * lanes, same))
            with b.loop(whole, sweep.length - (lanes - 1), lanes, unroll=False) as i:
                self._advance(self.kept[0], function(i, same))
        if sweep.ragged:
            values = function(sweep.length - lanes, sweep.fresh)
            self._advance(self.kept[-1], [sweep.fresh(value, start) for (start, _), value
                                          in zip(self.folded, values)])

    def finish(self) -> list:
        """The folded values, a scalar each; sums are added in pairs."""
        b = self.sweep.b
        found = []
        for n, (_, combine) in enumerate(self.folded):
            sums = [variables[n].get() for variables in self.kept]
            while len(sums) > 1:
                sums = [combine(sums[i], sums[i + 1]) if i + 1 < len(sums) else sums[i]
                        for i in range(0, len(sums), 2)]
            found.append(b.reduce(sums[0], combine) if self.sweep.lanes > 1 else sums[0])
        return found
