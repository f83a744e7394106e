"""Batch normalisation in training and evaluation, and its adjoint.

Forward: each chunk of a channel (see `channels`) finds its mean and, while it is in the cache, the
sum of squared distances from that mean; chunks are combined in float64 by Chan's formula, so the
variance is sound whatever the mean. A last pass writes (x - mean) * scale + bias. Memory is read
twice and written once. Backward: chunks sum g and g * (x - mean), then one pass writes the result.

T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing
sample variances", 1979.
"""

from __future__ import annotations

from typing import Any

from .channel_epilogue import fused
from .channels import (
    Form,
    Plain,
    Shape,
    apply_to_all,
    apply_work,
    arranged,
    channel_vectors,
    reduce_chunks,
    reduce_work,
)
from .llvm_types import vector
from .lowering import lowers
from .rows import Line
from .rows_norm import deviation, names, words
from .sharing import Result, arguments, floating, items, lanes_for, share


def _memory(dtype) -> str:
    """The dtype's name of partial results and of constants."""
    return "float64" if dtype.itemsize == 8 else "float32"


@lowers("native_batch_norm", epilogue=True)
def lower_batch_norm(low):
    """Statistics, constants of each channel, and the pass that applies them."""
    x, weight, bias, running_mean, running_var = low.inputs
    training, eps = low.params
    dtype = x.meta.dtype
    if not floating(*low.inputs) or len(x.meta.shape) < 2 or x.meta.numel == 0:
        return False
    finish: Any
    extra: list = []
    if low.epilogue is None:
        size, form, (source,), out, result = arranged(low, [x], low.outputs[0])
        outputs = [out] if out else []
        finish = Plain(low.outputs[0].meta.dtype.name) if out else None
    else:
        size, form, (source,), _, result = arranged(low, [x], None)
        found = fused(low, form)
        if found is None:
            return False
        finish, extra = found
        outputs = list(low.outputs)
    memory = _memory(dtype)
    channels = size.channels
    partial = 0
    if training:
        partial = ("slot", low.temporary(2 * size.chunks * channels * (8 if memory[-2:] == "64"
                                                                       else 4)))
        group, count, tasks = reduce_work(size, form, 2)
        low.step("batch_norm.statistics", (dtype.name, form),
                 [source, partial, group, count, *size], tasks)
    table = ("slot", low.temporary(3 * channels * (8 if memory[-2:] == "64" else 4)))
    lanes = lanes_for(channels, 8)
    group, tasks = share(channels // lanes, 10 + 20 * size.chunks)
    statistics = [Result(low, o) if o is not None else None for o in low.others]
    low.step("batch_norm.constants",
             (memory, training, *names(weight, bias, running_mean, running_var),
              names(*low.others), lanes, eps),
             [partial, table, *words(low, weight, bias, running_mean, running_var),
              *[0 if s is None else s.word for s in statistics], group, channels // lanes, *size],
             tasks)
    for made in statistics:
        if made is not None:
            made.finish()
    if outputs:
        group, count, tasks = apply_work(size, form, 2 + len(extra) // 3)
        low.step("batch_norm.apply", (dtype.name, memory, finish, form),
                 [source, *_thirds(table, channels, memory), *outputs, group, count, *size, *extra],
                 tasks)
    if result is not None:
        result.finish()
    return None


def _thirds(table, channels, memory):
    """The three arrays of one temporary as step arguments."""
    step = channels * (8 if memory == "float64" else 4)
    return [("slot", table[1], n * step) for n in range(3)]


def statistics(module, target, dtype, form):
    """Generator: x to the mean and the squared distances of each chunk."""
    form = Form(*form)

    def body(chunk, x, partial):
        total, = chunk.sums(1, lambda load: [load(dtype, x)])
        mean = total / chunk.b.as_value(chunk.count, total.type)
        centre = chunk.spread(mean)

        def squares(load):
            distance = load(dtype, x) - centre
            return [distance * distance]
        squared, = chunk.sums(1, squares)
        chunk.store(partial, [mean, squared])
    reduce_chunks(module, form, dtype, 2, body)


def _chunk_counts(b, size):
    """Loop bounds and the number of values of each chunk: gives (chunk, count) to a body."""
    def each(body):
        with b.loop(0, size.batch_blocks, unroll=False) as n:
            first = n * size.batch_block
            rows = b.minimum(first + size.batch_block, size.batch) - first
            with b.loop(0, size.value_blocks, unroll=False) as v:
                start = v * size.value_block
                end = b.select(v.equals(size.value_blocks - 1), size.values,
                               start + size.value_block)
                body(n * size.value_blocks + v, b.cast(rows * (end - start), "double"))
    return each


def constants(module, target, memory, training, weight_dtype, bias_dtype, mean_dtype, var_dtype,
              outs, lanes, eps):
    """Generator: the mean, scale and shift of each channel, and the statistics asked for.

    Arguments: partial results, table (3, channels), weight, bias, running mean and variance, mean,
    1 / deviation and unbiased variance to write, group, items, sizes.
    """
    b = module.kernel()
    partial, table, weight, bias, running_mean, running_var, *wanted = arguments(
        b, *["ptr"] * 9, *["i64"] * (2 + len(Shape._fields)))
    results, (group, total) = wanted[:3], wanted[3:5]
    size = Shape(*wanted[5:])
    kind = vector("double", lanes)

    def at(dtype, pointer, start=0):
        pointer = b.element(pointer, start, "double" if dtype == "float64" else "float")
        return Line(b, dtype, lanes, pointer, kind="double")

    with items(b, group, total) as item, \
            channel_vectors(b, lanes, item, size.channels) as channel:
        if training:
            count = b.variable(b.constant("double", 0.0))
            mean, squared = b.variable(b.constant(kind, 0.0)), b.variable(b.constant(kind, 0.0))

            def combine(chunk, more):
                row = chunk * 2 * size.channels
                other = at(memory, partial, row).load(channel)
                distances = at(memory, partial, row + size.channels).load(channel)
                before = count.get()
                both = before + more
                change = other - mean.get()
                mean.add(change * b.splat(more / both, lanes))
                squared.add(distances + change * change * b.splat(before * (more / both), lanes))
                count.set(both)
            _chunk_counts(b, size)(combine)
            centre = mean.get()
            variance = squared.get() / b.splat(count.get(), lanes)
            less = count.get() - 1.0
            less = b.select(less > 1.0, less, b.constant("double", 1.0))
            unbiased = variance * b.splat(count.get() / less, lanes)
        else:
            centre = at(mean_dtype, running_mean).load(channel)
            variance = unbiased = at(var_dtype, running_var).load(channel)
        rstd = deviation(b, variance, eps)
        for dtype, pointer, value in zip(outs, results, (centre, rstd, unbiased)):
            if dtype:
                Line(b, dtype, lanes, pointer).store(value, channel)
        scale = rstd * Line(b, weight_dtype, lanes, weight, kind="double").load(channel) \
            if weight_dtype else rstd
        shift = Line(b, bias_dtype, lanes, bias, kind="double").load(channel) if bias_dtype \
            else b.constant(kind, 0.0)
        for n, value in enumerate((centre, scale, shift)):
            at(memory, table, size.channels * n).store(value, channel)
    b.ret(0)


def apply(module, target, dtype, memory, finish, form):
    """Generator: x, mean, scale, shift, results: (x - mean) * scale + shift, as `finish` says."""
    apply_to_all(module, target, Form(*form), [dtype], [memory] * 3, finish, dtype,
                 lambda b, values, constants: b.fma(values[0] - constants[0], *constants[1:]))


@lowers("native_batch_norm_backward")
def lower_batch_norm_backward(low):
    """Sums, constants of each channel, and the pass that applies them."""
    g, x, mean, rstd, weight = low.inputs
    training, = low.params
    dtype = x.meta.dtype
    if not floating(*low.inputs) or len(x.meta.shape) < 2 or x.meta.numel == 0:
        return False
    size, form, (gradient, source), out, result = arranged(low, [g, x], low.outputs[0])
    memory = _memory(dtype)
    itemsize = 8 if memory == "float64" else 4
    channels = size.channels
    sums = any(o is not None for o in low.outputs[1:]) or (training and bool(out))
    small = words(low, mean, rstd, weight)
    partial = 0
    if sums:
        partial = ("slot", low.temporary(2 * size.chunks * channels * itemsize))
        group, count, tasks = reduce_work(size, form, 2)
        low.step("batch_norm.gradient_sums",
                 (dtype.name, g.meta.dtype.name, mean.meta.dtype.name, form),
                 [gradient, source, small[0], partial, group, count, *size], tasks)
    table = ("slot", low.temporary(3 * channels * itemsize))
    lanes = lanes_for(channels, 8)
    group, tasks = share(channels // lanes, 10 + 10 * size.chunks)
    parameters = [Result(low, o) if o is not None else None for o in low.outputs[1:]]
    low.step("batch_norm.gradient_constants",
             (memory, training, sums, *names(rstd, weight), names(*low.outputs[1:]), lanes),
             [partial, table, *small[1:], *[0 if p is None else p.word for p in parameters], group,
              channels // lanes, *size], tasks)
    for made in parameters:
        if made is not None:
            made.finish()
    if out:
        group, count, tasks = apply_work(size, form, 3)
        low.step("batch_norm.gradient_apply",
                 (dtype.name, g.meta.dtype.name, memory, mean.meta.dtype.name,
                  low.outputs[0].meta.dtype.name, training, form),
                 [gradient, source, *_thirds(table, channels, memory), small[0], out, group, count,
                  *size], tasks)
    if result is not None:
        result.finish()
    return None


def gradient_sums(module, target, dtype, g_dtype, mean_dtype, form):
    """Generator: g, x, mean to the sums of g and of g * (x - mean) of each chunk."""
    def body(chunk, g, x, mean, partial):
        centre = chunk.of_channel(mean_dtype, mean)

        def both(load):
            value = load(g_dtype, g)
            return [value, value * (load(dtype, x) - centre)]
        chunk.store(partial, chunk.sums(2, both))
    reduce_chunks(module, Form(*form), dtype, 4, body)


def gradient_constants(module, target, memory, training, summed, rstd_dtype, weight_dtype, outs,
                       lanes):
    """Generator: mean of g, slope and scale of each channel; the parameters' gradients.

    Arguments: partial sums, table (3, channels), 1 / deviation, weight, gradients of weight and
    bias, group, items, sizes.
    """
    b = module.kernel()
    partial, table, rstd, weight, weight_grad, bias_grad, group, total, *rest = arguments(
        b, *["ptr"] * 6, *["i64"] * (2 + len(Shape._fields)))
    size = Shape(*rest)
    kind = vector("double", lanes)

    def at(dtype, pointer, start=0):
        pointer = b.element(pointer, start, "double" if dtype == "float64" else "float")
        return Line(b, dtype, lanes, pointer, kind="double")

    with items(b, group, total) as item, \
            channel_vectors(b, lanes, item, size.channels) as channel:
        sums = [b.variable(b.constant(kind, 0.0)) for _ in range(2)]
        if summed:
            with b.loop(0, size.batch_blocks * size.value_blocks, unroll=False) as chunk:
                for n, variable in enumerate(sums):
                    variable.add(at(memory, partial, (chunk * 2 + n) * size.channels)
                                 .load(channel))
        plain, along = (variable.get() for variable in sums)
        scale = Line(b, rstd_dtype, lanes, rstd, kind="double").load(channel)
        along = along * scale
        for dtype, pointer, value in zip(outs, (weight_grad, bias_grad), (along, plain)):
            if dtype:
                Line(b, dtype, lanes, pointer).store(value, channel)
        count = b.splat(b.cast(size.batch * size.values, "double"), lanes)
        factor = scale * Line(b, weight_dtype, lanes, weight, kind="double").load(channel) \
            if weight_dtype else scale
        for n, value in enumerate((plain / count, along * scale / count, factor)):
            at(memory, table, size.channels * n).store(value, channel)
    b.ret(0)


def gradient_apply(module, target, dtype, g_dtype, memory, mean_dtype, out_dtype, training, form):
    """Generator: g, x, mean of g, slope, scale, mean, result.

    (g - mean of g - (x - mean) * slope) * scale; in evaluation g * scale.
    """
    def formula(b, values, constants):
        average, slope, scale, centre = constants
        if not training:
            return values[0] * scale
        return (values[0] - average - (values[1] - centre) * slope) * scale
    apply_to_all(module, target, Form(*form), [g_dtype, dtype], [*[memory] * 3, mean_dtype],
                 Plain(out_dtype), dtype, formula)
