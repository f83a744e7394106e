"""The negative log-likelihood of classes, its gradient, and cross entropy's.

The forward reads one log-probability for each target: (batch, classes, positions) in any strides.
Partial sums are float64 whatever the dtype, so the loss is rounded once; chunks of targets are
summed on their own and combined in order. A class that does not exist makes the kernel refuse.
"""

from __future__ import annotations

from math import prod

from ..base.dtypes import DTYPES
from .body import MEMORY, from_memory, round_half, to_memory
from .emit import Builder
from .llvm_types import vector
from .lowering import lowers
from .rows import Sweep, compute_type, line
from .rows_norm import sweep_parameters
from .sharing import Result, arguments, dense, floating, items, lanes_for, share
from .vector_math import FUNCTIONS
from .words import Lane

CHUNK = 2048           # targets summed by one item


def _arranged(shape, strides):
    """(batch, classes, positions) and the strides of batch and class; positions are dense."""
    if len(shape) == 1:
        return (1, shape[0], 1), (0, strides[0], 1)
    return (shape[0], shape[1], prod(shape[2:])), (strides[0], strides[1], 1)


@lowers("nll_loss")
def lower_nll_loss(low):
    """Chunks of targets to partial sums (or losses), then one step that combines them."""
    x, target, weight = low.inputs
    reduction, ignored, _ = low.params
    dtype = x.meta.dtype
    if not floating(x, weight):
        return False
    shape = x.meta.shape
    if len(shape) > 2:
        x = dense(low, x)
        strides = (prod(shape[1:]), prod(shape[2:]))
    else:
        strides = x.meta.strides
    (batch, classes, positions), steps = _arranged(shape, strides)
    targets = dense(low, target)
    table = 0 if weight is None else dense(low, weight)
    count = batch * positions
    each = reduction == "none"
    loss, total = low.outputs
    losses = Result(low, loss) if each and loss is not None else None
    chunks = max(1, -(-count // CHUNK))
    partial = low.temporary(16 * chunks)
    group, tasks = share(chunks, 4 * min(count, CHUNK))
    names = (dtype.name, low.inputs[1].meta.dtype.name, weight is not None)
    low.step("rows_loss.picked", (*names, losses is not None),
             [x, targets, table, ("slot", partial), losses.word if losses else 0, group, chunks,
              count, classes, positions, steps[0], steps[1], ignored], tasks)
    if losses is not None:
        losses.finish()
    summed = None if each else loss
    if summed is not None or total is not None:
        low.step("rows_loss.combined",
                 (dtype.name, reduction, summed is not None, total is not None),
                 [("slot", partial), summed if summed is not None else 0,
                  total if total is not None else 0, chunks])
    return None


def _target(b: Builder, pointer, dtype_name, place):
    kind = MEMORY[dtype_name]
    found = b.load(kind, b.element(pointer, place, kind))
    return b.cast(found, "i64", unsigned=dtype_name == "uint8")


def _stored(b: Builder, dtype_name, value, pointer, place=0):
    """Write a float64 or float32 value as an element of a dtype."""
    kind = "double" if dtype_name == "float64" else "float"
    lane = Lane(b.cast(value, kind), DTYPES[dtype_name])
    b.store(to_memory(b, lane), b.element(pointer, place, MEMORY[dtype_name]))


def _read(b: Builder, dtype_name, pointer, place):
    """An element in its compute type."""
    kind = MEMORY[dtype_name]
    return from_memory(b, dtype_name, b.load(kind, b.element(pointer, place, kind))).value


def picked(module, target, dtype, target_dtype, weighted, each):
    """Generator: the losses of chunks of targets, and their sums.

    Arguments: x, target, weight, partial sums (loss, weight) of each chunk, losses, group, chunks,
    targets, classes, positions, strides of batch and class, the target that is ignored.
    """
    b = module.kernel()
    x, targets, weight, partial, losses, group, total, count, classes, positions, batch_step, \
        class_step, ignored = arguments(b, *["ptr"] * 5, *["i64"] * 8)
    with items(b, group, total) as chunk:
        loss, weights = b.variable(b.constant("double", 0)), b.variable(b.constant("double", 0))
        with b.loop(chunk * CHUNK, b.minimum(chunk * CHUNK + CHUNK, count), unroll=False) as i:
            chosen = _target(b, targets, target_dtype, i)
            kept = chosen.differs(ignored)
            b.fail_when(kept & b.compare("ge", chosen, classes, unsigned=True))
            row, position = i // positions, i % positions
            safe = b.select(kept, chosen, 0)
            place = row * batch_step + safe * class_step + position
            with b.when(kept):
                found = -_read(b, dtype, x, place)
                scale = _read(b, dtype, weight, safe) if weighted else b.constant(found.type, 1.0)
                if weighted:
                    found = found * scale
                loss.add(b.cast(found, "double"))
                weights.add(b.cast(scale, "double"))
                if each:
                    _stored(b, dtype, found, losses, i)
            if each:
                with b.unless(kept):
                    _stored(b, dtype, b.constant("float", 0.0), losses, i)
        b.store(loss.get(), b.element(partial, chunk * 2, "double"))
        b.store(weights.get(), b.element(partial, chunk * 2 + 1, "double"))
    b.ret(0)


def combined(module, target, dtype, reduction, summed, weighted):
    """Generator: the sums of all chunks to the loss and the total weight.

    Arguments: partial sums, loss, total weight, chunks.
    """
    b = module.kernel()
    partial, loss, weight, chunks = arguments(b, "ptr", "ptr", "ptr", "i64")
    sums = [b.variable(b.constant("double", 0)) for _ in range(2)]
    with b.loop(0, chunks, unroll=False) as i:
        for n, variable in enumerate(sums):
            variable.add(b.load("double", b.element(partial, i * 2 + n, "double")))
    first, second = (variable.get() for variable in sums)
    if summed:
        _stored(b, dtype, first / second if reduction == "mean" else first, loss)
    if weighted:
        _stored(b, dtype, second, weight)
    b.ret(0)


@lowers("nll_loss_backward")
def lower_nll_loss_backward(low):
    """Zeros, and one number for each target."""
    g, target, weight, total = low.inputs
    reduction, ignored, shape = low.params
    result = low.outputs[0]
    if not floating(g, weight, total) or any(
            o.meta.dtype is not result.meta.dtype for o in (g, weight, total) if o is not None):
        return False
    (batch, classes, positions), _ = _arranged(shape, (0,) * len(shape))
    if batch * classes * positions == 0:
        return None
    each = reduction == "none"
    gradient = dense(low, g) if each else g
    table = 0 if weight is None else dense(low, weight)
    targets = dense(low, target)
    out = Result(low, result)
    strip = min(positions, 1024)
    strips = positions // strip
    lanes = lanes_for(positions if strips > 1 else classes * positions, 16)
    group, tasks = share(batch * strips, 5 + 0.1 * classes * strip)
    low.step("rows_loss.spread",
             (result.meta.dtype.name, target.meta.dtype.name, weight is not None, reduction, lanes,
              positions == strip),
             [gradient, targets, table, total, out.word, group, batch * strips, classes, positions,
              strip, strips, ignored], tasks)
    out.finish()
    return None


def spread(module, target, dtype, target_dtype, weighted, reduction, lanes, whole):
    """Generator: the gradient of the log-probabilities, by strips of positions.

    `whole`: a strip is all positions. Arguments: g, target, weight, total weight, result, group,
    items, classes, positions, positions of a strip, strips, the target that is ignored.
    """
    b = module.kernel()
    g, targets, weight, total_weight, out, group, total, classes, positions, strip, strips, \
        ignored = arguments(b, *["ptr"] * 5, *["i64"] * 7)
    scale = None
    if reduction != "none":
        scale = -_read(b, dtype, g, 0)
        if reduction == "mean":
            scale = scale / _read(b, dtype, total_weight, 0)
    with items(b, group, total) as item:
        row = item // strips
        first = (item % strips) * strip
        end = b.select((item % strips).equals(strips - 1), positions, first + strip)
        start = row * classes * positions
        if whole:
            _zeros(b, dtype, lanes, b.element(out, start, MEMORY[dtype]), classes * positions)
        else:
            with b.loop(0, classes, unroll=False) as c:
                _zeros(b, dtype, lanes, b.element(out, start + c * positions + first,
                                                  MEMORY[dtype]), end - first)
        with b.loop(first, end, unroll=False) as p:
            chosen = _target(b, targets, target_dtype, row * positions + p)
            kept = chosen.differs(ignored)
            b.fail_when(kept & b.compare("ge", chosen, classes, unsigned=True))
            with b.when(kept):
                value = scale if scale is not None else -_read(b, dtype, g, row * positions + p)
                if weighted:
                    value = value * _read(b, dtype, weight, chosen)
                _stored(b, dtype, value, out, start + chosen * positions + p)
    b.ret(0)


def lower_cross_entropy_backward(low):
    """log_softmax's adjoint of `nll_loss_backward`, whose zeros are never in memory.

    A row of it has one number, at its class, so the adjoint g - exp(y) * sum(g) needs y alone.
    """
    y, axis = low.inputs[1], low.params[0]
    g, target, weight, total = low.absorbed.inputs
    reduction, ignored, shape = low.absorbed.params
    dtype = y.meta.dtype
    if len(shape) > 2 or axis % len(shape) != len(shape) - 1 or not floating(
            y, g, weight, total) or any(o.meta.dtype is not dtype for o in (g, weight, total)
                                        if o is not None) or y.meta.numel == 0:
        return False
    rows, classes = y.meta.numel // shape[-1], shape[-1]
    gradient = dense(low, g) if reduction == "none" else g
    table = 0 if weight is None else dense(low, weight)
    out = Result(low, low.outputs[0])
    group, tasks = share(rows, 20 + 0.4 * classes)
    low.step("rows_loss.cross_entropy",
             (dtype.name, target.meta.dtype.name, weight is not None, reduction,
              *sweep_parameters(classes, dtype)),
             [gradient, dense(low, target), table, total, dense(low, y), out.word, group, rows,
              classes, ignored], tasks)
    out.finish()
    return None


def cross_entropy(module, target, dtype, target_dtype, weighted, reduction, lanes, static,
                  ragged):
    """Generator: g, target, weight, total weight, y, result, group, rows, classes, the target that
    is ignored."""
    b = module.kernel()
    g, targets, weight, total_weight, y, out, group, total, classes, ignored = arguments(
        b, *["ptr"] * 6, *["i64"] * 4)
    kind = compute_type(dtype)
    sweep = Sweep(b, lanes, classes, static, ragged)
    scale = None
    if reduction != "none":
        scale = -_read(b, dtype, g, 0)
        if reduction == "mean":
            scale = scale / _read(b, dtype, total_weight, 0)
    with items(b, group, total) as row:
        chosen = _target(b, targets, target_dtype, row)
        kept = chosen.differs(ignored)
        b.fail_when(kept & b.compare("ge", chosen, sweep.length, unsigned=True))
        value = scale if scale is not None else -_read(b, dtype, g, row)
        if weighted:
            value = value * _read(b, dtype, weight, b.select(kept, chosen, 0))
        value = b.select(kept, value, b.constant(kind, 0.0))
        if DTYPES[dtype].half:      # as the gradient of the log-probabilities would be stored
            value = b.cast(round_half(b, value, DTYPES[dtype]), kind)
        start = row * sweep.length
        wide = b.splat(value, lanes)
        source, goal = (line(b, dtype, lanes, p, start) for p in (y, out))

        def spread_over(read, i, factor):
            return FUNCTIONS["exp"](b, target, kind, read.load(i)) * factor
        sweep.write(goal, lambda i: 0.0 - spread_over(source, i, wide))
        with b.when(kept):
            one, at = (line(b, dtype, 1, p, start) for p in (y, out))
            at.store(value - spread_over(one, chosen, value), chosen)
    b.ret(0)


def _zeros(b: Builder, dtype_name, lanes, pointer, count):
    """Fill a run of at least `lanes` elements with zeros."""
    memory = MEMORY[dtype_name]
    kind = {"half": "i16", "bfloat": "i16"}.get(memory, memory)
    zero = b.constant(vector(kind, lanes), 0)
    with b.loop(0, count - (lanes - 1), lanes) as i:
        b.store(zero, b.element(pointer, i, kind))
    if lanes > 1:
        b.store(zero, b.element(pointer, count - lanes, kind))


