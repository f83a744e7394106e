"""Reading at index tensors: embedding, index_select, gather, and ``x[i, j, ...]``.

Two kernels. `taken`: whole runs of elements, one for each index (or tuple of indices, one for each
of several axes). `gathered`: single elements, one for each place of an index array as large as the
result. An index out of range makes the kernel refuse; nothing outside the array is read.
"""

from __future__ import annotations

from math import prod

from ..base.shapes import broadcast_shapes
from .copying import copy_steps
from .llvm_types import vector
from .lowering import Operand, lowers
from .sharing import Result, arguments, dense, items, lanes_for, row_major, share

OUTER = 4          # outer axes of an element-wise gather
RUN = 4096         # elements of a run moved by one item, at most


def index_word(low, index: Operand, shape):
    """An index tensor broadcast to `shape`, in row-major order, as a step argument."""
    meta = index.meta
    if meta.contiguous and tuple(meta.shape) == tuple(shape):
        return index
    fill = len(shape) - len(meta.shape)
    strides = [0] * fill + [0 if n == 1 else s for n, s in zip(meta.shape, meta.strides)]
    word = ("slot", low.temporary(prod(shape) * meta.dtype.itemsize))
    copy_steps(low, meta.dtype, shape, index, strides, word, row_major(shape))
    return word


def usable(*indices) -> bool:
    """Whether all are arrays of int32 or of int64."""
    return len({i.meta.dtype.name for i in indices}) == 1 and \
        indices[0].meta.dtype.name in ("int32", "int64")


def lower_taken(low, x, words, index_type, sizes, before, places, run, wrap):
    """Append the kernel that copies a run of `run` elements for each of (before, places).

    x: (before, *sizes, run) in row-major order, any dtype.
    """
    out = Result(low, low.outputs[0])
    itemsize = low.result.dtype.itemsize
    if itemsize == 16:
        itemsize, run = 8, 2 * run
    pieces = max(1, run // RUN)
    lanes = lanes_for(run if pieces == 1 else RUN, 64 // itemsize)
    count = before * places * pieces
    group, tasks = share(count, 4 + 0.06 * itemsize * (run if pieces == 1 else RUN))
    low.step("indexing.taken", (itemsize, lanes, index_type, len(sizes), wrap),
             [x, out.word, group, count, places, run, pieces, prod(sizes), *sizes, *words], tasks)
    out.finish()


def row_number(b, index_type, pointers, sizes, place, wrap):
    """The flat row that the indices at `place` name; leaves the kernel where one is out of range.

    wrap: negative indices count from the end.
    """
    kind = {"int32": "i32", "int64": "i64"}[index_type]
    row = b.constant("i64", 0)
    for pointer, size in zip(pointers, sizes):
        at = b.cast(b.load(kind, b.element(pointer, place, kind)), "i64")
        if wrap:
            at = b.select(at < 0, at + size, at)
        b.fail_when(b.compare("ge", at, size, unsigned=True))
        row = row * size + at
    return row


def taken(module, target, itemsize, lanes, index_type, count, wrap):
    """Generator: x, result, group, items, places, run, pieces of a run, rows, sizes, indices."""
    b = module.kernel()
    x, out, group, total, places, run, pieces, rows, *rest = arguments(
        b, "ptr", "ptr", *["i64"] * (6 + count), *["ptr"] * count)
    sizes, pointers = rest[:count], rest[count:]
    element = f"i{8 * itemsize}"
    kind = vector(element, lanes)
    with items(b, group, total) as item:
        piece = item % pieces
        place = item // pieces
        row = row_number(b, index_type, pointers, sizes, place % places, wrap)
        start = piece * RUN
        end = b.select(piece.equals(pieces - 1), run, start + RUN)
        read = b.element(x, ((place // places) * rows + row) * run, element)
        write = b.element(out, place * run, element)

        def move(i):
            b.store(b.load(kind, b.element(read, i, element)), b.element(write, i, element))
        with b.loop(start, end - (lanes - 1), lanes) as i:
            move(i)
        if lanes > 1:
            with b.when(((end - start) & (lanes - 1)).differs(0)):
                move(end - lanes)
    b.ret(0)


@lowers("embedding")
def lower_embedding(low):
    """A run of the table for each index."""
    weight, index = low.inputs
    if not usable(index) or low.result.numel == 0:
        return False
    rows, *rest = weight.meta.shape
    lower_taken(low, dense(low, weight), [dense(low, index)], index.meta.dtype.name, [rows], 1,
                index.meta.numel, prod(rest), False)
    return None


@lowers("index_select")
def lower_index_select(low):
    """A run of what follows the axis for each index."""
    x, index = low.inputs
    dim, = low.params
    if not usable(index) or not x.meta.shape or low.result.numel == 0:
        return False
    shape = x.meta.shape
    lower_taken(low, dense(low, x), [dense(low, index)], index.meta.dtype.name, [shape[dim]],
                prod(shape[:dim]), index.meta.numel, prod(shape[dim + 1:]), False)
    return None


def indexed_axes(low, x, indices, dims):
    """(x with the indexed axes together, axes before them, axes after, block's shape).

    Axes that are not neighbours are moved to the front, where the result has them.
    """
    shape, strides = x.meta.shape, x.meta.strides
    block = broadcast_shapes(*(i.meta.shape for i in indices))
    if dims == tuple(range(dims[0], dims[0] + len(dims))):
        start = dims[0]
        order = range(len(shape))
    else:
        start = 0
        order = (*dims, *(a for a in range(len(shape)) if a not in dims))
    moved = tuple(shape[a] for a in order)
    if tuple(order) == tuple(range(len(shape))):
        word = dense(low, x)
    else:
        word = ("slot", low.temporary(x.meta.nbytes))
        copy_steps(low, x.meta.dtype, moved, x, [strides[a] for a in order], word,
                   row_major(moved))
    return word, prod(moved[:start]), prod(moved[start + len(dims):]), block


@lowers("index")
def lower_index(low):
    """A run of what follows the indexed axes for each tuple of indices."""
    x, *indices = low.inputs
    dims, = low.params
    indices = [i for i in indices if i is not None]
    if not indices or not usable(*indices) or low.result.numel == 0:
        return False
    word, before, after, block = indexed_axes(low, x, indices, dims)
    words = [index_word(low, i, block) for i in indices]
    lower_taken(low, word, words, indices[0].meta.dtype.name, [x.meta.shape[d] for d in dims],
                before, prod(block), after, True)
    return None


@lowers("gather")
def lower_gather(low):
    """One element for each index."""
    x, index = low.inputs
    dim, = low.params
    shape = index.meta.shape
    size = x.meta.dtype.itemsize
    if not usable(index) or not x.meta.shape or len(shape) != len(x.meta.shape) or \
            index.meta.numel == 0 or size > 8 or len(shape) > OUTER + 1:
        return False
    strides = [0 if d == dim else s for d, s in enumerate(x.meta.strides)]
    axes = [(n, s) for n, s in zip(shape[:-1], strides[:-1])]
    axes = [(1, 0)] * (OUTER - len(axes)) + axes
    out = Result(low, low.outputs[0])
    rows, run = prod(shape[:-1]), shape[-1]
    group, tasks = share(rows, 10 + 1.5 * run)
    low.step("indexing.gathered", (size, index.meta.dtype.name,
                                   sum(1 for n, _ in axes if n > 1)),
             [x, dense(low, index), out.word, group, rows, run, strides[-1],
              x.meta.strides[dim], x.meta.shape[dim], *_sorted_axes(axes)], tasks)
    out.finish()
    return None


def _sorted_axes(axes) -> list:
    """Sizes and strides, those of size one first."""
    ordered = [a for a in axes if a[0] == 1] + [a for a in axes if a[0] != 1]
    return [word for axis in ordered for word in axis]


def gathered(module, target, itemsize, index_type, outer):
    """Generator: x, index, result, group, rows, run, stride along the run, along the indexed axis,
    its size, then size and stride of the outer axes (the last `outer` are longer than one)."""
    b = module.kernel()
    x, index, out, group, total, run, step, stride, size, *rest = arguments(
        b, *["ptr"] * 3, *["i64"] * (6 + 2 * OUTER))
    axes = [rest[2 * i: 2 * i + 2] for i in range(OUTER)][OUTER - outer:]
    element = f"i{8 * itemsize}"
    with items(b, group, total) as row:
        left, base = row, b.constant("i64", 0)
        for i, (count, along) in enumerate(reversed(axes)):
            place = left if i == len(axes) - 1 else left % count
            left = left // count
            base = base + place * along
        with b.loop(0, run, unroll=False) as i:
            at = row_number(b, index_type, [index], [size], row * run + i, False)
            value = b.load(element, b.element(x, base + i * step + at * stride, element))
            b.store(value, b.element(out, row * run + i, element))
    b.ret(0)
