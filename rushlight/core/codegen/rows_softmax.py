"""softmax and log-softmax along an axis, and their adjoints.

Two forms. `row`: the axis is the last one; each row is swept by vectors (maximum; exponential and
sum; scaling) while it is in the first-level cache. `column`: what follows the axis is contiguous;
each lane is a line of its own and no lanes are ever combined.

Sums are of float32 (float64 for float64) in as many partial sums as a vector has lanes, times the
accumulators; float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

from math import prod

from . import vector_math
from .body import MEMORY, from_memory, to_memory
from .emit import Builder
from .llvm_types import vector
from .lowering import lowers
from .sharing import Result, arguments, dense, floating, items, lanes_for, share
from .words import Lane

ACCUMULATORS = 4
STATIC = 64            # rows up to this length are swept by straight code


def split(shape, axis) -> tuple[int, int, int]:
    """(lines before, length, lines after) the axis; a scalar is one line of one."""
    if not shape:
        return 1, 1, 1
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1:])


@lowers("softmax", "log_softmax", "softmax_backward", "log_softmax_backward")
def lower_softmax(low):
    """One kernel for the op, over rows or over columns."""
    if not floating(*low.inputs) or any(i.meta.dtype is not low.inputs[0].meta.dtype
                                        for i in low.inputs):
        return False
    shape, dtype = low.result.shape, low.result.dtype
    axis = low.params[0] % len(shape) if shape else 0
    before, length, after = split(shape, axis)
    if before * length * after == 0:
        return None
    arrays = [dense(low, operand) for operand in low.inputs]
    result = Result(low, low.outputs[0])
    most = library_lanes(dtype)
    if after == 1:
        lanes = lanes_for(length, most)
        group, tasks = share(before, 20 + 0.6 * length)
        low.step("rows_softmax.rows",
                 (low.op.name, dtype.name, lanes, length if length <= STATIC else 0,
                  length % lanes > 0),
                 [*arrays, result.word, group, before, length], tasks)
    else:
        lanes = lanes_for(after, most)
        blocks = after // lanes
        group, tasks = share(before * blocks, 5 + length * (10 if lanes > 1 else 5))
        low.step("rows_softmax.columns", (low.op.name, dtype.name, lanes),
                 [*arrays, result.word, group, before * blocks, length, after, blocks], tasks)
    result.finish()
    return None


def library_lanes(dtype) -> int:
    """Lanes of the compute type (float32 for 16-bit floats) on this process's target."""
    from .library import target
    return target().lanes(8 if dtype.itemsize == 8 else 4)


class Line:
    """Access to one line of an array: `load(i)` and `store(value, i)`, vectors of `lanes`.

    `step` is the distance between the line's places (1 for a row).
    """

    def __init__(self, b: Builder, dtype_name, lanes, pointer, step=1):
        self.b, self.dtype, self.lanes, self.pointer, self.step = \
            b, dtype_name, lanes, pointer, step
        self.memory = MEMORY[dtype_name]
        self.kind = vector("double" if dtype_name == "float64" else "float", lanes)

    def _at(self, i):
        return self.b.element(self.pointer, i * self.step, self.memory)

    def load(self, i):
        """The vector at place i, in the compute type."""
        found = self.b.load(vector(self.memory, self.lanes), self._at(i))
        return from_memory(self.b, self.dtype, found).value

    def store(self, value, i):
        """Write a vector of the compute type at place i."""
        from ..base.dtypes import DTYPES
        self.b.store(to_memory(self.b, Lane(value, DTYPES[self.dtype])), self._at(i))


class Sweep:
    """Passes over a row of `length` places by vectors; the last vector ends where the row ends."""

    def __init__(self, b: Builder, lanes, length, static, ragged):
        self.b, self.lanes, self.ragged = b, lanes, ragged
        self.length = b.constant("i64", static) if static else length
        self.static = static

    def write(self, out, function) -> None:
        """Store ``function(i)`` at each place; it may read what is there."""
        place = self.length - self.lanes
        last = function(place) if self.ragged else None     # before its neighbours are written
        if self.static:
            for n in range(0, self.static - self.lanes + 1, self.lanes):
                i = self.b.constant("i64", n)
                out.store(function(i), i)
        else:
            with self.b.loop(0, self.length - (self.lanes - 1), self.lanes) as i:
                out.store(function(i), i)
        if last is not None:
            out.store(last, place)

    def accumulate(self, kind, start, function, combine):
        """Fold ``function(i)`` of all vectors into one scalar by `combine`, from `start`.

        Each lane counts once: those of the last vector that were seen before give `start`.
        """
        b, lanes = self.b, self.lanes
        first = b.constant(kind, start)
        if self.static:
            sums = [first] * ACCUMULATORS
            for n, i in enumerate(range(0, self.static - lanes + 1, lanes)):
                sums[n % ACCUMULATORS] = combine(sums[n % ACCUMULATORS],
                                                 function(b.constant("i64", i)))
            used = min(ACCUMULATORS, max(1, self.static // lanes))
            found = sums[:used]
        else:
            kept = [b.variable(first) for _ in range(ACCUMULATORS)]
            whole = self.length - (self.length & (ACCUMULATORS * lanes - 1))
            with b.loop(0, whole, ACCUMULATORS * lanes, unroll=False) as i:
                for n, variable in enumerate(kept):
                    variable.set(combine(variable.get(), function(i + n * lanes)))
            with b.loop(whole, self.length - (lanes - 1), lanes, unroll=False) as i:
                kept[0].set(combine(kept[0].get(), function(i)))
            found = [variable.get() for variable in kept]
        if self.ragged:
            place = self.length - lanes
            value = function(place)
            fresh = self.length & (lanes - 1)
            seen = b.compare("lt", b.iota("i32", lanes),
                             b.splat(b.cast(lanes - fresh, "i32"), lanes))
            found[-1] = combine(found[-1], b.select(seen, first, value))
        while len(found) > 1:
            found = [combine(found[i], found[i + 1]) if i + 1 < len(found) else found[i]
                     for i in range(0, len(found), 2)]
        return b.reduce(found[0], combine) if lanes > 1 else found[0]


def _greater(b):
    # Where one is NaN the second stays; a NaN still reaches the sum, and so the whole line.
    return lambda a, value: b.select(value > a, value, a)


def _add(a, value):
    return a + value


def rows(module, target, name, dtype, lanes, static, ragged):
    """Generator: lines along the last axis.

    Arguments: the op's inputs, its output, group, rows, length.
    """
    b = module.kernel()
    count = 2 if name.endswith("backward") else 1
    *arrays, group, total, length = arguments(b, *["ptr"] * (count + 1), "i64", "i64", "i64")
    sweep = Sweep(b, lanes, length, static, ragged)
    with items(b, group, total) as row:
        start = row * sweep.length
        lines = [Line(b, dtype, lanes, b.element(a, start, MEMORY[dtype])) for a in arrays]
        _WRITERS[name](b, target, lines, _RowFold(b, sweep))
    b.ret(0)


class _RowFold:
    """How the formulas sweep a row: scalars are folded over the lanes and spread again."""

    def __init__(self, b, sweep):
        self.b, self.sweep = b, sweep
        self.write = sweep.write

    def fold(self, kind, start, function, combine):
        """All places combined, in every lane."""
        found = self.sweep.accumulate(kind, start, function, combine)
        return self.b.splat(found, self.sweep.lanes)

    def once(self, value, function):
        """A function of a folded value, computed for one lane only."""
        if self.sweep.lanes == 1:
            return function(value)
        return self.b.splat(function(self.b.extract(value, 0)), self.sweep.lanes)


class _ColumnFold:
    """How the formulas sweep columns: each lane has its own line."""

    def __init__(self, b, length):
        self.b, self.length = b, length

    def write(self, out, function):
        """Store ``function(i)`` at each place."""
        with self.b.loop(0, self.length, unroll=False) as i:
            out.store(function(i), i)

    def fold(self, kind, start, function, combine):
        """All places combined, lane by lane."""
        kept = self.b.variable(self.b.constant(kind, start))
        with self.b.loop(0, self.length, unroll=False) as i:
            kept.set(combine(kept.get(), function(i)))
        return kept.get()

    def once(self, value, function):
        """A function of a folded value."""
        return function(value)


def columns(module, target, name, dtype, lanes):
    """Generator: lines along an axis before others.

    Arguments: the op's inputs, its output, group, items, length, lines after, blocks of lines.
    """
    b = module.kernel()
    count = 2 if name.endswith("backward") else 1
    *arrays, group, total, length, after, blocks = arguments(
        b, *["ptr"] * (count + 1), *["i64"] * 5)
    with items(b, group, total) as item:
        block = item % blocks
        first = block * lanes
        # The last block has the rest too: its second vector ends with the last line.
        last = b.select(block.equals(blocks - 1), after, first + lanes)
        with b.loop(first, last, lanes, unroll=False) as i:
            start = (item // blocks) * length * after + b.minimum(i, after - lanes)
            lines = [Line(b, dtype, lanes, b.element(a, start, MEMORY[dtype]), after)
                     for a in arrays]
            _WRITERS[name](b, target, lines, _ColumnFold(b, length))
    b.ret(0)


def _shifted_sum(b, target, x, fold, keep=None):
    """(maximum, sum of exp(x - maximum)) of a line; `keep(value, i)` gets each exponential."""
    top = fold.fold(x.kind, float("-inf"), x.load, _greater(b))

    def power(i):
        found = exponential(b, target, x.load(i) - top)
        if keep is not None:
            keep(found, i)
        return found
    return top, fold.fold(x.kind, 0.0, power, _add)


def exponential(b, target, value):
    """exp of a vector in its own type."""
    kind = "double" if "double" in value.type else "float"
    return vector_math.FUNCTIONS["exp"](b, target, kind, value)


def logarithm(b, value):
    """log of a value."""
    return b.intrinsic("log", value.type, value)


def _softmax(b, target, lines, fold):
    x, out = lines
    exact = x.dtype in ("float32", "float64")
    # 16-bit results cannot hold the exponentials between the passes: they are computed again.
    top, total = _shifted_sum(b, target, x, fold, out.store if exact else None)
    scale = fold.once(total, lambda value: b.arithmetic("fdiv", 1.0, value))
    if exact:
        fold.write(out, lambda i: out.load(i) * scale)
    else:
        fold.write(out, lambda i: exponential(b, target, x.load(i) - top) * scale)


def _log_softmax(b, target, lines, fold):
    x, out = lines
    top, total = _shifted_sum(b, target, x, fold)
    drop = fold.once(total, lambda value: logarithm(b, value))
    fold.write(out, lambda i: x.load(i) - top - drop)


def _softmax_backward(b, target, lines, fold):
    g, y, out = lines
    total = fold.fold(g.kind, 0.0, lambda i: g.load(i) * y.load(i), _add)
    fold.write(out, lambda i: (g.load(i) - total) * y.load(i))


def _log_softmax_backward(b, target, lines, fold):
    g, y, out = lines
    total = fold.fold(g.kind, 0.0, g.load, _add)
    fold.write(out, lambda i: g.load(i) - exponential(b, target, y.load(i)) * total)


_WRITERS = {"softmax": _softmax, "log_softmax": _log_softmax,
            "softmax_backward": _softmax_backward, "log_softmax_backward": _log_softmax_backward}
