"""Layer normalisation, and its adjoint.

Rows are the last dimensions. A row is swept three times while it is in the cache: sum, sum of
squared distances from the mean, result; so the variance is exact whatever the mean. Gradients of
the parameters are sums over rows: groups of rows (by shape alone) sum into partial results, which
a second kernel adds in order.
"""

from __future__ import annotations

from math import prod

from .llvm_types import vector
from .lowering import lowers
from .rows import (
    STATIC,
    Sweep,
    add,
    compute_lanes,
    compute_type,
    line,
    scalar,
    store_scalar,
)
from .sharing import Result, arguments, dense, floating, items, lanes_for, share

MOST_PARTIALS = 64


def names(*operands) -> tuple:
    """The dtype's name of each operand, or None."""
    return tuple(None if o is None else o.meta.dtype.name for o in operands)


def words(low, *operands) -> list:
    """Each operand in row-major order as a step argument; 0 where there is none."""
    return [0 if o is None else dense(low, o) for o in operands]


class Results:
    """All outputs of a lowering as row-major step arguments (0 where nobody needs one)."""

    def __init__(self, low):
        self.made = [None if o is None else Result(low, o) for o in low.outputs]
        self.words = [0 if r is None else r.word for r in self.made]
        self.names = names(*low.outputs)

    def finish(self):
        """Append the copies that the outputs' layouts ask for."""
        for result in self.made:
            if result is not None:
                result.finish()


def sweep_parameters(length, dtype) -> tuple:
    """(lanes, static length, ragged) of rows of this length."""
    lanes = lanes_for(length, compute_lanes(dtype))
    return lanes, length if length <= STATIC else 0, length % lanes > 0


def moments(b, sweep, x, length):
    """(mean, sum of squared distances from it) of a row, both scalars."""
    total, = sweep.folds(x.kind, lambda i, fresh: [x.load(i)], (0.0, add))
    kind = total.type
    mean = total / b.cast(length, kind)
    spread = b.splat(mean, sweep.lanes)

    def squares(i, fresh):
        distance = x.load(i) - spread
        return [distance * distance]
    squared, = sweep.folds(x.kind, squares, (0.0, add))
    return mean, squared


@lowers("native_layer_norm")
def lower_layer_norm(low):
    """One kernel over rows."""
    x, weight, bias = low.inputs
    dims, eps = low.params
    if not floating(x, weight, bias):
        return False
    shape = x.meta.shape
    length = prod(shape[len(shape) - dims:])
    rows = prod(shape[:len(shape) - dims])
    if rows * length == 0:
        return False
    results = Results(low)
    group, tasks = share(rows, 30 + 0.5 * length)
    low.step("rows_norm.layer",
             (*names(x, weight, bias), results.names, *sweep_parameters(length, x.meta.dtype), eps),
             [*words(low, x, weight, bias), *results.words, group, rows, length], tasks)
    results.finish()
    return None


def layer(module, target, dtype, weight_dtype, bias_dtype, outs, lanes, static, ragged, eps):
    """Generator: x, weight, bias, result, mean, 1 / deviation, group, rows, length."""
    b = module.kernel()
    x, weight, bias, out, mean_out, rstd_out, group, total, length = arguments(
        b, *["ptr"] * 6, *["i64"] * 3)
    kind = compute_type(dtype)
    sweep = Sweep(b, lanes, length, static, ragged)
    scale = line(b, weight_dtype, lanes, weight, 0, kind) if weight_dtype else None
    shift = line(b, bias_dtype, lanes, bias, 0, kind) if bias_dtype else None
    with items(b, group, total) as row:
        source = line(b, dtype, lanes, x, row * sweep.length)
        mean, squared = moments(b, sweep, source, sweep.length)
        rstd = deviation(b, squared / b.cast(sweep.length, kind), eps)
        if outs[1]:
            store_scalar(b, outs[1], mean, mean_out, row)
        if outs[2]:
            store_scalar(b, outs[2], rstd, rstd_out, row)
        if outs[0]:
            mean, rstd = b.splat(mean, lanes), b.splat(rstd, lanes)

            def normal(i):
                found = (source.load(i) - mean) * rstd
                found = found if scale is None else found * scale.load(i)
                return found if shift is None else found + shift.load(i)
            sweep.write(line(b, outs[0], lanes, out, row * sweep.length), normal)
    b.ret(0)


def deviation(b, variance, eps):
    """1 / sqrt(variance + eps)."""
    return b.arithmetic("fdiv", 1.0, b.intrinsic("sqrt", variance.type, variance + eps))


def partials(rows, length) -> tuple[int, int]:
    """(rows summed into one partial result, partial results), by shape alone."""
    count = max(1, min(MOST_PARTIALS, rows * length // 8192))
    group = -(-rows // count)
    return group, -(-rows // group)


@lowers("native_layer_norm_backward")
def lower_layer_norm_backward(low):
    """Rows to the gradient and partial sums; then the sums of the parameters' gradients."""
    g, x, mean, rstd, weight = low.inputs
    dims, = low.params
    if not floating(g, x, mean, rstd, weight):
        return False
    shape = x.meta.shape
    length = prod(shape[len(shape) - dims:])
    rows = prod(shape[:len(shape) - dims])
    if rows * length == 0:
        return False
    results = Results(low)
    needed = (results.made[1] is not None, results.made[2] is not None)
    each, count = partials(rows, length)
    size = 8 if x.meta.dtype.itemsize == 8 else 4
    sums = ("slot", low.temporary(2 * count * length * size)) if any(needed) else 0
    group, tasks = share(count, each * (30 + 0.8 * length))
    low.step("rows_norm.layer_backward",
             (*names(g, x, mean, rstd, weight), results.names[0], needed,
              *sweep_parameters(length, x.meta.dtype)),
             [*words(low, g, x, mean, rstd, weight), results.words[0], sums, group, count, length,
              rows, each], tasks)
    add_partials(low, sums, count, length, x.meta.dtype, results)
    results.finish()
    return None


def layer_backward(module, target, g_dtype, dtype, mean_dtype, rstd_dtype, weight_dtype, out_dtype,
                   needed, lanes, static, ragged):
    """Generator: groups of rows to gradients and partial sums of g * normal and of g.

    Arguments: g, x, mean, rstd, weight, result, partial sums, group, items, length, rows, rows of
    an item.
    """
    b = module.kernel()
    g, x, mean, rstd, weight, out, sums, group, total, length, rows, each = arguments(
        b, *["ptr"] * 7, *["i64"] * 5)
    kind = compute_type(dtype)
    sweep = Sweep(b, lanes, length, static, ragged)
    length = sweep.length
    memory = "float64" if kind == "double" else "float32"
    parameter = line(b, weight_dtype, lanes, weight, 0, kind) if weight_dtype else None
    with items(b, group, total) as item:
        kept = [line(b, memory, lanes, sums, (item * 2 + n) * length) if needed[n] else None
                for n in range(2)]
        for partial in kept:
            if partial is not None:
                sweep.write(partial, lambda i: b.constant(vector(kind, lanes), 0.0))
        with b.loop(item * each, b.minimum(item * each + each, rows), unroll=False) as row:
            grad = line(b, g_dtype, lanes, g, row * length, kind)
            source = line(b, dtype, lanes, x, row * length)
            centre = b.splat(scalar(b, mean_dtype, mean, row, kind), lanes)
            scale = b.splat(scalar(b, rstd_dtype, rstd, row, kind), lanes)

            def scaled(i):
                found = grad.load(i)
                return found if parameter is None else found * parameter.load(i)

            def both(i, fresh):
                normal = (source.load(i) - centre) * scale
                value = grad.load(i)
                for partial, more in zip(kept, (value * normal, value)):
                    if partial is not None:
                        partial.store(partial.load(i) + fresh(more), i)
                weighted = value if parameter is None else value * parameter.load(i)
                return [weighted * normal, weighted]
            along, plain = sweep.folds(source.kind, both, (0.0, add), (0.0, add))
            if out_dtype:
                count = b.cast(length, kind)
                along, plain = (b.splat(v / count, lanes) for v in (along, plain))
                sweep.write(line(b, out_dtype, lanes, out, row * length), lambda i: (
                    scaled(i) - plain - (source.load(i) - centre) * scale * along) * scale)
    b.ret(0)


def add_partials(low, sums, count, length, dtype, results, first=1):
    """Append the kernel that adds partial sums (count, 2, length) into two outputs, in order."""
    needed = tuple(name is not None for name in results.names[first: first + 2])
    if not any(needed):
        return
    lanes = lanes_for(length, compute_lanes(dtype))
    group, tasks = share(length // lanes, 2 * count)
    low.step("rows_norm.added",
             ("float64" if dtype.itemsize == 8 else "float32", results.names[first: first + 2],
              lanes),
             [sums, *results.words[first: first + 2], group, length // lanes, length, count],
             tasks)


def added(module, target, dtype, outs, lanes):
    """Generator: partial sums, two results, group, items, length, partial sums of each."""
    b = module.kernel()
    sums, *results, group, total, length, count = arguments(b, *["ptr"] * 3, *["i64"] * 4)
    with items(b, group, total) as item:
        end = b.select(item.equals(total - 1), length, item * lanes + lanes)
        with b.loop(item * lanes, end, lanes, unroll=False) as i:
            place = b.minimum(i, length - lanes)
            found = [b.variable(b.constant(vector(compute_type(dtype), lanes), 0.0)) if out
                     else None for out in outs]
            with b.loop(0, count) as n:
                for which, variable in enumerate(found):
                    if variable is not None:
                        variable.add(line(b, dtype, lanes, sums, (n * 2 + which) * length)
                                     .load(place))
            for out, pointer, variable in zip(outs, results, found):
                if variable is not None:
                    line(b, out, lanes, pointer, 0).store(variable.get(), place)
    b.ret(0)


