"""Operations that only move elements: cat, stack, flip, roll, repeat, padding by a constant.

Each is a handful of strided copies (see `copying`): where the source's strides say all that an
operation does, no kernel of its own is needed.
"""

from __future__ import annotations

from itertools import product
from math import prod

from ..base.dtypes import DTYPES
from .body import MEMORY, load_number, to_memory
from .copying import copy_steps
from .llvm_types import vector
from .lowering import Number, lowers
from .rows_softmax import split
from .sharing import Result, arguments, dense, items, lanes_for, share
from .words import Words


def _same_dtype(low, *operands) -> bool:
    dtype = low.result.dtype
    return dtype.itemsize in (1, 2, 4, 8, 16) and all(o.meta.dtype is dtype for o in operands)


@lowers("cat")
def lower_cat(low):
    """One copy for each tensor, into its part of the result."""
    dim, = low.params
    out = low.outputs[0]
    kept = [i for i in low.inputs if i.meta.numel]
    if not _same_dtype(low, *kept):
        return False
    strides, start = out.meta.strides, 0
    for operand in kept:
        copy_steps(low, out.meta.dtype, operand.meta.shape, operand, operand.meta.strides, out,
                   strides, target_start=start * strides[dim])
        start += operand.meta.shape[dim]
    return None


@lowers("stack")
def lower_stack(low):
    """One copy for each tensor, at its place of the new axis."""
    dim, = low.params
    out = low.outputs[0]
    if not _same_dtype(low, *low.inputs):
        return False
    strides = out.meta.strides[:dim] + out.meta.strides[dim + 1:]
    for n, operand in enumerate(low.inputs):
        copy_steps(low, out.meta.dtype, operand.meta.shape, operand, operand.meta.strides, out,
                   strides, target_start=n * out.meta.strides[dim])
    return None


@lowers("flip")
def lower_flip(low):
    """A copy with negative strides."""
    x, = low.inputs
    dims, = low.params
    out = low.outputs[0]
    if not _same_dtype(low, x):
        return False
    strides, start = list(x.meta.strides), 0
    for d in dims:
        start += (x.meta.shape[d] - 1) * strides[d]
        strides[d] = -strides[d]
    copy_steps(low, out.meta.dtype, x.meta.shape, x, strides, out, out.meta.strides,
               source_start=start)
    return None


@lowers("roll")
def lower_roll(low):
    """Two parts along each rolled axis, in all combinations."""
    x, = low.inputs
    shifts, dims = low.params
    out = low.outputs[0]
    meta = x.meta
    if not _same_dtype(low, x) or not out.meta.contiguous:
        return False
    shape, strides = meta.shape, meta.strides
    if not dims:
        if not meta.contiguous:
            return False
        shape, strides, dims = (meta.numel,), (1,), (0,)
    if meta.numel == 0:
        return None
    moves = [0] * len(shape)
    for shift, d in zip(shifts, dims):
        moves[d] += shift
    goal = out.meta.strides if len(shape) == len(out.meta.shape) else (1,)
    parts = []
    for n, move in zip(shape, moves):
        move %= n
        # (size, first place in the source, first place in the result)
        parts.append([(n, 0, 0)] if move == 0 else [(n - move, 0, move), (move, n - move, 0)])
    for chosen in product(*parts):
        copy_steps(low, meta.dtype, [c[0] for c in chosen], x, strides, out, goal,
                   sum(c[1] * s for c, s in zip(chosen, strides)),
                   sum(c[2] * s for c, s in zip(chosen, goal)))
    return None


@lowers("repeat")
def lower_repeat(low):
    """A copy that reads each axis several times (stride 0)."""
    x, = low.inputs
    repeats, = low.params
    out = low.outputs[0]
    if not _same_dtype(low, x):
        return False
    extra = len(repeats) - len(x.meta.shape)
    shape, source, goal = [], [], []
    sizes = (1,) * extra + tuple(x.meta.shape)
    strides = (0,) * extra + tuple(x.meta.strides)
    for count, n, s, t in zip(repeats, sizes, strides, out.meta.strides):
        shape += [count, n]
        source += [0, s]
        goal += [n * t, t]
    copy_steps(low, out.meta.dtype, shape, x, source, out, goal)
    return None


@lowers("constant_pad_nd")
def lower_pad(low):
    """The input's copy, and slabs of the value around it."""
    x, value = low.inputs
    widths, = low.params
    out = low.outputs[0]
    if not _same_dtype(low, x) or not isinstance(value, Number) or \
            out.meta.dtype.name not in MEMORY:
        return False
    meta = out.meta
    if meta.numel == 0:
        return None
    first = [max(-before, 0) for before, _ in widths]
    size = [max(n - max(-before, 0) - max(-after, 0), 0)
            for n, (before, after) in zip(x.meta.shape, widths)]
    start = [max(before, 0) for before, _ in widths]
    if prod(size):
        copy_steps(low, meta.dtype, size, x, x.meta.strides, out, meta.strides,
                   sum(f * s for f, s in zip(first, x.meta.strides)),
                   sum(f * s for f, s in zip(start, meta.strides)))
    if tuple(size) == tuple(meta.shape):
        return None
    cell = ("slot", low.temporary(8))
    low.step("movement.number", (meta.dtype.name, value.kind.__name__), [cell, value])
    # Around axis d: what is before and after, over the padded sizes of the axes before it and the
    # inner sizes of the axes after it.
    for d in range(len(size)):
        for begin, end in ((0, start[d]), (start[d] + size[d], meta.shape[d])):
            box = [*size[:d], end - begin, *meta.shape[d + 1:]]
            place = [*start[:d], begin, *[0] * (len(size) - d - 1)]
            copy_steps(low, meta.dtype, box, cell, [0] * len(box), out, meta.strides,
                       target_start=sum(p * s for p, s in zip(place, meta.strides)))
    return None


def number(module, target, dtype, kind):
    """Generator: a Python number as one element of a dtype. Result, number."""
    b = module.kernel()
    words = Words(b, target, 1)
    lane = load_number(b, kind, b.element(b.args[0], 1, "i64"))
    out = b.load("ptr", b.args[0])
    b.store(to_memory(b, words.cast(lane, DTYPES[dtype])), out)
    b.ret(0)


@lowers("tril", "triu")
def lower_triangle(low):
    """Rows, with zeros on one side of the diagonal."""
    x, = low.inputs
    diagonal, = low.params
    if not _same_dtype(low, x) or x.meta.dtype.itemsize > 8:
        return False
    rows, columns = x.meta.shape[-2:]
    total = prod(x.meta.shape[:-1])
    if total * columns == 0:
        return None
    out = Result(low, low.outputs[0])
    size = x.meta.dtype.itemsize
    lanes = lanes_for(columns, 64 // size)
    group, tasks = share(total, 5 + 0.05 * size * columns)
    low.step("movement.triangle", (low.op.name, size, lanes),
             [dense(low, x), out.word, group, total, rows, columns, diagonal], tasks)
    out.finish()
    return None


def triangle(module, target, name, size, lanes):
    """Generator: x, result, group, rows of all matrices, rows and columns of one, diagonal."""
    b = module.kernel()
    x, out, group, total, rows, columns, diagonal = arguments(b, "ptr", "ptr", *["i64"] * 5)
    element = f"i{8 * size}"
    kind = vector(element, lanes)
    with items(b, group, total) as row:
        # The first column to the right of the diagonal.
        cut = b.maximum(b.minimum((row % rows) + diagonal + (1 if name == "tril" else 0), columns),
                        0)
        start = row * columns

        def write(i):
            found = b.load(kind, b.element(x, start + i, element))
            before = b.compare("lt", b.iota("i64", lanes), b.splat(cut - i, lanes))
            zero = b.constant(kind, 0)
            found = b.select(before, found, zero) if name == "tril" else \
                b.select(before, zero, found)
            b.store(found, b.element(out, start + i, element))
        with b.loop(0, columns - (lanes - 1), lanes, unroll=False) as i:
            write(i)
        if lanes > 1:
            write(columns - lanes)
    b.ret(0)


@lowers("cumsum")
def lower_cumsum(low):
    """Running sums, one after the other along each line."""
    x, = low.inputs
    dim, _ = low.params
    dtype = x.meta.dtype
    if dtype.half or dtype is not low.result.dtype or dtype.name not in MEMORY or \
            dtype.name == "bool" or x.meta.numel == 0:
        return False
    before, length, after = split(x.meta.shape, dim)
    out = Result(low, low.outputs[0])
    lanes = lanes_for(after, 64 // dtype.itemsize)
    blocks = after // lanes
    group, tasks = share(before * blocks, 5 + 1.5 * length)
    low.step("movement.running_sum", (dtype.name, lanes),
             [dense(low, x), out.word, group, before * blocks, length, after, blocks], tasks)
    out.finish()
    return None


def running_sum(module, target, dtype, lanes):
    """Generator: x, result, group, items, length, lines after, blocks of lines."""
    b = module.kernel()
    x, out, group, total, length, after, blocks = arguments(b, "ptr", "ptr", *["i64"] * 5)
    memory = MEMORY[dtype]
    kind = vector(memory, lanes)
    with items(b, group, total) as item:
        block = item % blocks
        end = b.select(block.equals(blocks - 1), after, block * lanes + lanes)
        with b.loop(block * lanes, end, lanes, unroll=False) as i:
            start = (item // blocks) * length * after + b.minimum(i, after - lanes)
            first = b.load(kind, b.element(x, start, memory))
            b.store(first, b.element(out, start, memory))
            kept = b.variable(first)
            with b.loop(1, length) as n:
                kept.add(b.load(kind, b.element(x, start + n * after, memory)))
                b.store(kept.get(), b.element(out, start + n * after, memory))
    b.ret(0)
