"""Adding and writing at index tensors, without races and in the order of the indices.

Rows (embedding's gradient, index_add, index_put): tasks own ranges of the result's rows; each walks
all indices and takes those of its range. Elements (scatter_add): lines along the axis are
independent. How many ranges there are follows from the shape, so results do not depend on threads.

float16 and bfloat16 are added in float32 and rounded once. Indices are checked by a kernel of
their own before anything is written, since the result may share the input's memory.
"""

from __future__ import annotations

from math import prod

from ..base.dtypes import DTYPES
from .body import MEMORY
from .indexing import OUTER, index_word, row_number, usable
from .llvm_types import vector
from .lowering import Number, lowers
from .rows import Line
from .sharing import arguments, dense, items, lanes_for, row_major, share


def _ranges(places, run, rows) -> int:
    """How many ranges of rows are worth a walk over all indices."""
    if places * run < 20_000 and rows * run < 50_000:
        return 1
    return max(1, min(16, run // 32, rows))


def check_steps(low, words, index_type, sizes, places, wrap, skipped=-1):
    """Append the kernel that refuses indices out of range."""
    low.step("accumulating.checked", (index_type, len(sizes), wrap),
             [places, skipped, *sizes, *words])


def checked(module, target, index_type, count, wrap):
    """Generator: places, a row that is never written, sizes, indices."""
    b = module.kernel()
    places, _, *rest = arguments(b, "i64", "i64", *["i64"] * count, *["ptr"] * count)
    with b.loop(0, places) as i:
        row_number(b, index_type, rest[count:], rest[:count], i, wrap)
    b.ret(0)


def lower_rows(low, base, values, words, index_type, sizes, before, places, run, wrap, add=True,
               skipped=-1):
    """Append the steps that add (or write) runs of values to rows of `base`, or of zeros.

    base: an operand of the result's shape, or None; the result is (before, *sizes, run), and
    values (before, places, run), both in row-major order.
    """
    out, = low.outputs
    dtype = out.meta.dtype
    rows = prod(sizes)
    wide = dtype.half and add
    check_steps(low, words, index_type, sizes, places, wrap)
    sums = ("slot", low.temporary(4 * before * rows * run)) if wide else 0
    start = dense(low, base) if base is not None else 0
    ranges = _ranges(places, run, rows)
    group, tasks = share(before * ranges, 0.1 * rows * run / ranges + places * (
        1 + 0.15 * run / ranges))
    lanes = lanes_for(run, 16)
    low.step("accumulating.rows",
             (dtype.name, lanes, index_type, len(sizes), wrap, add, base is not None),
             [start, values, out, sums, group, before * ranges, ranges, places, run, rows, skipped,
              *sizes, *words], tasks)


def rows(module, target, dtype, lanes, index_type, count, wrap, add, based):
    """Generator: base, values, result, float32 sums, group, items, ranges, places, run, rows, row
    that gets nothing, sizes, indices."""
    b = module.kernel()
    base, values, out, sums, group, total, ranges, places, run, row_count, skipped, *rest = \
        arguments(b, *["ptr"] * 4, *["i64"] * (7 + count), *["ptr"] * count)
    sizes, pointers = rest[:count], rest[count:]
    wide = DTYPES[dtype].half and add
    own = "float32" if wide else dtype
    memory = MEMORY[own]
    with items(b, group, total) as item:
        part, lead = item % ranges, item // ranges
        first, end = part * row_count // ranges, (part + 1) * row_count // ranges
        place = lead * row_count * run
        goal = b.element(sums if wide else out, place, memory)
        _start(b, dtype, own, based, (base, goal, place), first * run, end * run)
        with b.loop(0, places, unroll=False) as i:
            row = row_number(b, index_type, pointers, sizes, i, wrap)
            mine = (row >= first) & (row < end) & row.differs(skipped)
            with b.when(mine):
                source = b.element(values, (lead * places + i) * run, MEMORY[dtype])
                cells = b.element(goal, row * run, memory)

                def step(at, width):
                    found = Line(b, dtype, width, source)
                    cell = b.element(cells, at, memory)
                    kind = vector(memory, width)
                    if wide:
                        more = found.load(at)
                    else:
                        more = b.load(kind, b.element(source, at, memory))
                    b.store(b.load(kind, cell) + more if add else more, cell)
                with b.loop(0, run - (lanes - 1), lanes) as at:
                    step(at, lanes)
                if lanes > 1:
                    with b.loop(run - (run & (lanes - 1)), run, unroll=False) as at:
                        step(at, 1)
        if wide:
            _convert(b, dtype, goal, b.element(out, place, MEMORY[dtype]), first * run, end * run)
    b.ret(0)


def _start(b, dtype, own, based, places, first, end):
    """Fill a range of the result: zeros, or the base's elements (unless it is the result)."""
    base, goal, place = places
    one = Line(b, own, 1, goal)
    zero = b.constant(MEMORY[own].replace("half", "i16").replace("bfloat", "i16"), 0)
    if not based:
        with b.loop(first, end) as i:
            b.store(zero, b.element(goal, i, MEMORY[own]))
        return
    origin = b.element(base, place, MEMORY[dtype])
    if own != dtype:
        source = Line(b, dtype, 1, origin)
        with b.loop(first, end) as i:
            one.store(source.load(i), i)
        return
    with b.unless(b.compare("eq", origin, goal)), b.loop(first, end) as i:
        b.store(b.load(MEMORY[own], b.element(origin, i, MEMORY[own])),
                b.element(goal, i, MEMORY[own]))


def _convert(b, dtype, sums, out, first, end):
    """Round a range of float32 sums into the result."""
    source, goal = Line(b, "float32", 1, sums), Line(b, dtype, 1, out)
    with b.loop(first, end) as i:
        goal.store(source.load(i), i)


def _addable(dtype) -> bool:
    return dtype.name in MEMORY and dtype.name != "bool"


def _read_twice(low) -> bool:
    """Whether what may be overwritten is also another input, as in x.index_add(0, i, x)."""
    slots = [i.slot for i in low.inputs if i is not None]
    return slots.count(slots[0]) > 1


def _broadcast(low, operand, shape):
    """An operand broadcast to a shape, in row-major order."""
    from .copying import copy_steps
    meta = operand.meta
    if meta.contiguous and meta.numel == prod(shape):
        return operand
    fill = len(shape) - len(meta.shape)
    strides = [0] * fill + [0 if n == 1 else s for n, s in zip(meta.shape, meta.strides)]
    word = ("slot", low.temporary(prod(shape) * meta.dtype.itemsize))
    copy_steps(low, meta.dtype, shape, operand, strides, word, row_major(shape))
    return word


@lowers("embedding_backward")
def lower_embedding_backward(low):
    """Rows of gradients added to zeros."""
    g, index = low.inputs
    count, skipped, scale = low.params
    dtype = g.meta.dtype
    if scale or not usable(index) or dtype.category != 2 or dtype.name not in MEMORY or \
            low.result.numel == 0 or not low.outputs[0].meta.contiguous:
        return False
    run = prod(low.result.shape[1:])
    lower_rows(low, None, dense(low, g), [dense(low, index)], index.meta.dtype.name, [count], 1,
               index.meta.numel, run, False, skipped=skipped)
    return None


@lowers("index_add", donates=True)
def lower_index_add(low):
    """Slices added at the indices along an axis."""
    x, index, source, alpha = low.inputs
    dim, = low.params
    shape = x.meta.shape
    if _read_twice(low) or not usable(index) or not _addable(x.meta.dtype) or not shape or \
            x.meta.numel == 0 or \
            not isinstance(alpha, Number) or not low.outputs[0].meta.contiguous or \
            source.meta.dtype is not x.meta.dtype or len(source.meta.shape) != len(shape):
        return False
    places = index.meta.numel
    values = dense(low, source)
    word = ("slot", low.temporary(source.meta.nbytes))
    group, tasks = share(source.meta.numel, 0.5)
    low.step("accumulating.scaled", (x.meta.dtype.name, alpha.kind.__name__),
             [values, word, alpha, group, source.meta.numel], tasks)
    lower_rows(low, x, word, [dense(low, index)], index.meta.dtype.name, [shape[dim]],
               prod(shape[:dim]), places, prod(shape[dim + 1:]), True)
    return None


def scaled(module, target, dtype, kind):
    """Generator: values times a Python number, each rounded. Source, result, number, group,
    items."""
    from .body import from_memory, load_number, to_memory
    from .words import Lane, Words
    b = module.kernel()
    source, out = arguments(b, "ptr", "ptr")
    group, total = (b.load("i64", b.element(b.args[0], n, "i64")) for n in (3, 4))
    words = Words(b, target, 1)
    factor = words.cast(load_number(b, kind, b.element(b.args[0], 2, "i64")), DTYPES[dtype])
    memory = MEMORY[dtype]
    with items(b, group, total) as i:
        lane = from_memory(b, dtype, b.load(memory, b.element(source, i, memory)))
        found = Lane(lane.value * factor.value, DTYPES[dtype])
        b.store(to_memory(b, found), b.element(out, i, memory))
    b.ret(0)


@lowers("index_put", donates=True)
def lower_index_put(low):
    """Runs written (the last one stays) or added at tuples of indices of neighbouring axes."""
    from ..base.shapes import broadcast_shapes
    x, values, *indices = low.inputs
    dims, accumulate = low.params
    indices = [i for i in indices if i is not None]
    dtype, shape = x.meta.dtype, x.meta.shape
    adjacent = bool(dims) and dims == tuple(range(dims[0], dims[0] + len(dims)))
    if not adjacent or _read_twice(low) or not usable(*indices) or dtype.name not in MEMORY or \
            (accumulate and dtype.name == "bool") or x.meta.numel == 0 or \
            not low.outputs[0].meta.contiguous or values.meta.dtype is not dtype:
        return False
    block = broadcast_shapes(*(i.meta.shape for i in indices))
    after = tuple(shape[dims[-1] + 1:])
    given = _broadcast(low, values, (*shape[:dims[0]], *block, *after))
    words = [index_word(low, i, block) for i in indices]
    lower_rows(low, x, given, words, indices[0].meta.dtype.name, [shape[d] for d in dims],
               prod(shape[:dims[0]]), prod(block), prod(after), True, add=accumulate)
    return None


@lowers("scatter_add", "scatter", donates=True)
def lower_scatter(low):
    """Elements added or written along the lines of an axis; a line is one after the other."""
    x, index, source = low.inputs
    dim, = low.params
    add = low.op.name == "scatter_add"
    shape, dtype = index.meta.shape, x.meta.dtype
    rank = len(shape)
    if _read_twice(low) or not usable(index) or dtype.name not in MEMORY or \
            (add and (not _addable(dtype) or dtype.half)) or rank == 0 or rank > OUTER + 1 or \
            rank != len(x.meta.shape) or x.meta.numel == 0 or index.meta.numel == 0 or \
            not low.outputs[0].meta.contiguous:
        return False
    if isinstance(source, Number):
        if add:
            return False
        cell, strides = ("slot", low.temporary(8)), (0,) * rank
        low.step("movement.number", (dtype.name, source.kind.__name__), [cell, source])
    elif source.meta.dtype is not dtype or len(source.meta.shape) != rank:
        return False
    else:
        cell, strides = source, source.meta.strides
    word = dense(low, index)
    check_steps(low, [word], index.meta.dtype.name, [x.meta.shape[dim]], index.meta.numel, False)
    low.step("accumulating.base", (dtype.name,), [dense(low, x), low.outputs[0], x.meta.numel])
    ours = row_major(shape)
    theirs = low.outputs[0].meta.strides
    axes = [(n, a, s, t) for d, (n, a, s, t) in enumerate(
        zip(shape, ours, strides, theirs)) if d != dim]
    axes = [(1, 0, 0, 0)] * (OUTER - len(axes)) + axes
    lines = prod(n for n, _, _, _ in axes)
    group, tasks = share(lines, 10 + 2 * shape[dim])
    low.step("accumulating.lines", (dtype.name, index.meta.dtype.name, add),
             [cell, word, low.outputs[0], group, lines, shape[dim], ours[dim], strides[dim],
              theirs[dim], x.meta.shape[dim], *(w for axis in axes for w in axis)], tasks)
    return None


def base(module, target, dtype):
    """Generator: copy an array to the result unless it is the result. x, result, elements."""
    b = module.kernel()
    x, out, count = arguments(b, "ptr", "ptr", "i64")
    memory = MEMORY[dtype]
    with b.unless(b.compare("eq", x, out)), b.loop(0, count) as i:
        b.store(b.load(memory, b.element(x, i, memory)), b.element(out, i, memory))
    b.ret(0)


def lines(module, target, dtype, index_type, add):
    """Generator: source, index, result, group, lines, length, strides along the axis of index,
    source and result, the axis' size, then (size, strides of the three) of the other axes."""
    b = module.kernel()
    source, index, out, group, total, length, *rest = arguments(
        b, *["ptr"] * 3, *["i64"] * (7 + 4 * OUTER))
    steps, size, axes = rest[:3], rest[3], [rest[4 + 4 * i: 8 + 4 * i] for i in range(OUTER)]
    memory = MEMORY[dtype]
    with items(b, group, total) as item:
        left, starts = item, [b.constant("i64", 0)] * 3
        for count, *strides in reversed(axes):
            place = left % count
            left = left // count
            starts = [start + place * s for start, s in zip(starts, strides)]
        with b.loop(0, length, unroll=False) as i:
            at = row_number(b, index_type, [index], [size], starts[0] + i * steps[0], False)
            value = b.load(memory, b.element(source, starts[1] + i * steps[1], memory))
            cell = b.element(out, starts[2] + at * steps[2], memory)
            b.store(b.load(memory, cell) + value if add else value, cell)
    b.ret(0)
