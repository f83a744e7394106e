"""Group normalisation of (batch, channels, values), and its adjoint.

A row is one group of channels of one sample; it is swept as `rows_norm` sweeps its rows, then each
channel of it with that channel's weight. The parameters' gradients are kept for each sample and
channel, and added over the samples in order.
"""

from __future__ import annotations

from math import prod

from .lowering import lowers
from .rows import (
    Fold,
    Sweep,
    add,
    compute_lanes,
    compute_type,
    line,
    scalar,
    store_scalar,
)
from .rows_norm import (
    Results,
    add_partials,
    deviation,
    moments,
    names,
    sweep_parameters,
    words,
)
from .sharing import arguments, floating, items, lanes_for, share


def _sizes(x, groups):
    """(samples, groups, channels of a group, values of a channel)."""
    shape = x.meta.shape
    return shape[0], groups, shape[1] // groups, prod(shape[2:])


@lowers("native_group_norm")
def lower_group_norm(low):
    """One kernel over the groups of all samples."""
    x, weight, bias = low.inputs
    groups, eps = low.params
    if not floating(*low.inputs) or x.meta.numel == 0:
        return False
    batch, groups, channels, values = _sizes(x, groups)
    results = Results(low)
    group, tasks = share(batch * groups, 40 + channels * (10 + 0.5 * values))
    low.step("group_norm.forward",
             (*names(x, weight, bias), results.names, *sweep_parameters(values, x.meta.dtype),
              lanes_for(channels * values, compute_lanes(x.meta.dtype)), eps),
             [*words(low, x, weight, bias), *results.words, group, batch * groups, groups,
              channels, values], tasks)
    results.finish()
    return None


def forward(module, target, dtype, weight_dtype, bias_dtype, outs, lanes, static, ragged, wide,
            eps):
    """Generator: x, weight, bias, result, mean, 1 / deviation, group, rows, groups, channels of a
    group, values of a channel."""
    b = module.kernel()
    x, weight, bias, out, mean_out, rstd_out, group, total, groups, channels, values = arguments(
        b, *["ptr"] * 6, *["i64"] * 5)
    kind = compute_type(dtype)
    sweep = Sweep(b, lanes, values, static, ragged)
    length = channels * values
    whole = Sweep(b, wide, length, 0, True)
    with items(b, group, total) as row:
        mean, squared = moments(b, whole, line(b, dtype, wide, x, row * length), length)
        rstd = deviation(b, squared / b.cast(length, kind), eps)
        for name, value, pointer in ((outs[1], mean, mean_out), (outs[2], rstd, rstd_out)):
            if name:
                store_scalar(b, name, value, pointer, row)
        if outs[0]:
            with b.loop(0, channels, unroll=False) as i:
                channel = (row % groups) * channels + i
                start = row * length + i * values
                scale, shift = rstd, b.constant(kind, 0.0)
                if weight_dtype:
                    scale = scale * scalar(b, weight_dtype, weight, channel, kind)
                if bias_dtype:
                    shift = scalar(b, bias_dtype, bias, channel, kind)
                centre, scale, shift = (b.splat(v, lanes) for v in (mean, scale, shift))
                source = line(b, dtype, lanes, x, start)
                sweep.write(line(b, outs[0], lanes, out, start),
                            lambda i: b.fma(source.load(i) - centre, scale, shift))
    b.ret(0)


@lowers("native_group_norm_backward")
def lower_group_norm_backward(low):
    """Rows to the gradient and each channel's sums; then the sums over the samples."""
    g, mean_g, rstd_g, x, mean, rstd, weight = low.inputs
    groups, = low.params
    if not floating(*low.inputs) or x.meta.numel == 0:
        return False
    batch, groups, channels, values = _sizes(x, groups)
    results = Results(low)
    count = groups * channels
    sums = ("slot", low.temporary(2 * batch * count * (8 if x.meta.dtype.itemsize == 8 else 4)))
    group, tasks = share(batch * groups, 40 + channels * (20 + 0.8 * values))
    low.step("group_norm.backward",
             (*names(g, mean_g, rstd_g, x, mean, rstd, weight), results.names[0],
              *sweep_parameters(values, x.meta.dtype)),
             [*words(low, g, mean_g, rstd_g, x, mean, rstd, weight), results.words[0], sums, group,
              batch * groups, groups, channels, values], tasks)
    add_partials(low, sums, batch, count, x.meta.dtype, results)
    results.finish()
    return None


def backward(module, target, g_dtype, mean_g_dtype, rstd_g_dtype, dtype, mean_dtype, rstd_dtype,
             weight_dtype, out_dtype, lanes, static, ragged):
    """Generator: g, gradients of mean and 1 / deviation, x, mean, 1 / deviation, weight, result,
    sums (samples, 2, channels), group, rows, groups, channels of a group, values of a channel."""
    b = module.kernel()
    g, mean_g, rstd_g, x, mean, rstd, weight, out, sums, group, total, groups, channels, values = \
        arguments(b, *["ptr"] * 9, *["i64"] * 5)
    kind = compute_type(dtype)
    memory = "float64" if kind == "double" else "float32"
    sweep = Sweep(b, lanes, values, static, ragged)
    with items(b, group, total) as row:
        centre, scale = scalar(b, mean_dtype, mean, row, kind), scalar(b, rstd_dtype, rstd, row,
                                                                       kind)
        wide_centre, wide_scale = b.splat(centre, lanes), b.splat(scale, lanes)
        along, plain = b.variable(b.constant(kind, 0.0)), b.variable(b.constant(kind, 0.0))

        def channel(i):
            """(number of the channel, weight, gradient's line, input's line, first place)."""
            number = (row % groups) * channels + i
            factor = scalar(b, weight_dtype, weight, number, kind) if weight_dtype else \
                b.constant(kind, 1.0)
            start = (row * channels + i) * values
            return (number, factor, line(b, g_dtype, lanes, g, start, kind),
                    line(b, dtype, lanes, x, start), start)

        with b.loop(0, channels, unroll=False) as i:
            number, factor, grad, source, _ = channel(i)
            fold = Fold(sweep, source.kind, (0.0, add), (0.0, add))
            fold.visit(lambda i, fresh: [
                grad.load(i) * ((source.load(i) - wide_centre) * wide_scale), grad.load(i)])
            found = fold.finish()
            at = (row // groups) * 2 * groups * channels + number
            for n, (variable, value) in enumerate(zip((along, plain), found)):
                store_scalar(b, memory, value, sums, at + n * (groups * channels))
                variable.add(value * factor)
        if out_dtype:
            count = b.cast(channels * values, kind)
            through = scalar(b, mean_g_dtype, mean_g, row, kind)
            slope = -(scale * along.get() + scalar(b, rstd_g_dtype, rstd_g, row, kind)
                      * scale * scale) / count
            shift = (through - scale * plain.get()) / count
            slope, shift = b.splat(slope, lanes), b.splat(shift, lanes)
            with b.loop(0, channels, unroll=False) as i:
                _, factor, grad, source, start = channel(i)
                each = b.splat(scale * factor, lanes)
                sweep.write(line(b, out_dtype, lanes, out, start), lambda i: b.fma(
                    grad.load(i), each,
                    b.fma((source.load(i) - wide_centre) * wide_scale, slope, shift)))
    b.ret(0)


