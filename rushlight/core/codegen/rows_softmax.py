"""softmax, log-softmax and logsumexp along an axis, and the adjoints of the first two.

Two forms. `row`: the axis is the last one; each row is swept by vectors (maximum; exponential and
sum; scaling) while it is in the first-level cache. `column`: what follows the axis is contiguous;
each lane is a line of its own and no lanes are ever combined.

Sums are of float32 (float64 for float64) in as many partial sums as a vector has lanes, times the
accumulators; float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

from math import prod

from . import vector_math
from .body import MEMORY
from .lowering import lowers
from .rows import STATIC, Line, Sweep, add, compute_lanes, greater
from .rows_loss import lower_cross_entropy_backward
from .sharing import Result, arguments, dense, floating, items, lanes_for, share


def split(shape, axis) -> tuple[int, int, int]:
    """(lines before, length, lines after) the axis; a scalar is one line of one."""
    if not shape:
        return 1, 1, 1
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1:])


@lowers("log_softmax_backward", absorbs=("nll_loss_backward",))
def lower_log_softmax_backward(low):
    """The adjoint; with that of the negative log-likelihood before it, cross entropy's."""
    return lower_softmax(low) if low.absorbed is None else lower_cross_entropy_backward(low)


@lowers("softmax", "log_softmax", "softmax_backward")
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
    _sweep(low, dtype, (before, length, after), arrays, result)
    return None


def _sweep(low, dtype, lines, arrays, result):
    """Append the kernel over rows or columns."""
    before, length, after = lines
    most = compute_lanes(dtype)
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


@lowers("logsumexp")
def lower_logsumexp(low):
    """The same sweep with one result for each line; over neighbouring axes."""
    x, = low.inputs
    dims, _ = low.params
    shape, dtype = x.meta.shape, x.meta.dtype
    dims = tuple(sorted(d % len(shape) for d in dims)) if shape else ()
    if not dims:
        dims = tuple(range(len(shape)))
    if not floating(x) or x.meta.numel == 0 or \
            dims != tuple(range(dims[0] if dims else 0, (dims[-1] if dims else -1) + 1)):
        return False
    before, length = prod(shape[:dims[0]] if dims else ()), prod(shape[d] for d in dims)
    after = prod(shape[dims[-1] + 1:] if dims else ())
    result = Result(low, low.outputs[0])
    _sweep(low, dtype, (before, length, after), [dense(low, x)], result)
    return None


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
        if name == "logsumexp":
            lines[-1] = Line(b, dtype, 1, b.element(arrays[-1], row, MEMORY[dtype]))
        _WRITERS[name](b, target, lines, _RowFold(b, sweep))
    b.ret(0)


class _RowFold:
    """How the formulas sweep a row: scalars are folded over the lanes and spread again."""

    def __init__(self, b, sweep):
        self.b, self.sweep = b, sweep
        self.write = sweep.write

    def fold(self, kind, start, function, combine):
        """All places combined, in every lane."""
        found, = self.sweep.folds(kind, lambda i, fresh: [function(i)], (start, combine))
        return self.b.splat(found, self.sweep.lanes)

    def single(self, value):
        """A folded value as what is stored once a line."""
        return self.b.extract(value, 0)

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

    def single(self, value):
        """A folded value as what is stored once a line."""
        return value

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
            if name == "logsumexp":
                place = (item // blocks) * after + b.minimum(i, after - lanes)
                lines[-1] = Line(b, dtype, lanes, b.element(arrays[-1], place, MEMORY[dtype]))
            _WRITERS[name](b, target, lines, _ColumnFold(b, length))
    b.ret(0)


def _shifted_sum(b, target, x, fold, keep=None):
    """(maximum, sum of exp(x - maximum)) of a line; `keep(value, i)` gets each exponential."""
    top = fold.fold(x.kind, float("-inf"), x.load, greater(b))

    def power(i):
        found = exponential(b, target, x.load(i) - top)
        if keep is not None:
            keep(found, i)
        return found
    return top, fold.fold(x.kind, 0.0, power, add)


def _word(name):
    def word(b, target, value):
        kind = "double" if "double" in value.type else "float"
        return vector_math.FUNCTIONS[name](b, target, kind, value)
    return word


exponential, logarithm = _word("exp"), _word("log")


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
    drop = fold.once(total, lambda value: logarithm(b, target, value))
    fold.write(out, lambda i: x.load(i) - top - drop)


def _softmax_backward(b, target, lines, fold):
    g, y, out = lines
    total = fold.fold(g.kind, 0.0, lambda i: g.load(i) * y.load(i), add)
    fold.write(out, lambda i: (g.load(i) - total) * y.load(i))


def _log_softmax_backward(b, target, lines, fold):
    g, y, out = lines
    total = fold.fold(g.kind, 0.0, g.load, add)
    fold.write(out, lambda i: g.load(i) - exponential(b, target, y.load(i)) * total)


def _logsumexp(b, target, lines, fold):
    x, out = lines
    top = fold.fold(x.kind, float("-inf"), x.load, greater(b))
    finite = b.intrinsic("fabs", x.kind, top) < float("inf")
    top = b.select(finite, top, b.constant(x.kind, 0.0))
    total = fold.fold(x.kind, 0.0, lambda i: exponential(b, target, x.load(i) - top), add)
    found = fold.once(total, lambda value: logarithm(b, target, value)) + top
    out.store(fold.single(found), b.constant("i64", 0))


_WRITERS = {"logsumexp": _logsumexp,
            "softmax": _softmax, "log_softmax": _log_softmax,
            "softmax_backward": _softmax_backward, "log_softmax_backward": _log_softmax_backward}
