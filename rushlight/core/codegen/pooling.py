"""Maximum pooling with or without indices, and moving gradients to the chosen positions.

Note [window kernels]: one item is one plane, swept output row by output row. Vectors run along the
last axis: the taps of `lanes` neighbouring windows are one load (stride 1), two loads and a shuffle
(stride 2) or a gather. Columns whose window leaves the plane on the left or right are done one by
one; rows of taps outside are left out of the loops. Nothing outside the plane is read.

The choice is PyTorch's and the interpreter's: taps in row-major order, replaced where a value is
greater or NaN, so the first of equal values and the last NaN; a window of nothing but the lowest
value has its first place inside the plane.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ..base.dtypes import DTYPES
from .body import MEMORY, from_memory, to_memory
from .emit import Builder
from .llvm_types import vector
from .lowering import lowers
from .sharing import Result, arguments, dense, items, lanes_for, share
from .words import Lane

UNROLLED = 16          # taps along the last axis written out


class Window:
    """The geometry of pooling as three spatial axes (leading ones of size 1), all Python numbers.

    `inside`: the first output along the last axis whose window is whole, and the first after.
    """

    def __init__(self, spatial, kernel, stride, padding, dilation, size):
        fill = 3 - len(spatial)
        self.spatial = (1,) * fill + tuple(spatial)
        self.kernel = (1,) * fill + tuple(kernel)
        self.stride = (1,) * fill + tuple(stride)
        self.padding = (0,) * fill + tuple(padding)
        self.dilation = (1,) * fill + tuple(dilation)
        self.size = (1,) * fill + tuple(size)
        n, k, s, p, d, count = (a[2] for a in (self.spatial, self.kernel, self.stride,
                                               self.padding, self.dilation, self.size))
        low = min(-(-p // s), count)
        reach = n + p - d * (k - 1) - 1
        self.inside = (low, max(low, min(count, reach // s + 1 if reach >= 0 else 0)))

    def taps(self, b: Builder, axis, place):
        """(first tap, end of taps, start) inside the plane of the window at an output place.

        The start is the coordinate of tap 0 and may lie outside; constants where they can be.
        """
        n, k, s, p, d, count = (a[axis] for a in (self.spatial, self.kernel, self.stride,
                                                  self.padding, self.dilation, self.size))
        start = place * s - p
        first, end = b.constant("i64", 0), b.constant("i64", k)
        if p > 0:
            first = b.select(start < 0, (d - 1 - start) // d, first)
        if (count - 1) * s - p + d * (k - 1) >= n:
            end = b.minimum(end, (n + d - 1 - start) // d)
        return first, end, start


def window_loads(b: Builder, pointer, dtype_name, lanes, stride):
    """`lanes` elements, `stride` apart, as a value of the compute type.

    Nothing beyond the last of them is read.
    """
    memory = MEMORY[dtype_name]
    kind = vector(memory, lanes)
    if lanes == 1 or stride == 1:
        found = b.load(kind, pointer)
    elif stride == 2:
        low = b.load(kind, pointer)
        high = b.load(kind, b.element(pointer, lanes - 1, memory))
        found = b.shuffle(low, high, [i if i < lanes else i + 1 for i in range(0, 2 * lanes, 2)])
    else:
        found = b.constant(vector({"half": "i16", "bfloat": "i16"}.get(memory, memory), lanes), 0)
        found = b.bitcast(found, kind) if found.type != kind else found
        for i in range(lanes):
            found = b.insert(found, b.load(memory, b.element(pointer, i * stride, memory)), i)
    return from_memory(b, dtype_name, found).value


def _lowest(dtype):
    return float("-inf") if dtype.category == 2 else int(np.iinfo(dtype.np).min)


def _planes(meta, dims):
    return prod(meta.shape[:len(meta.shape) - dims])


@lowers("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices",
        "max_pool")
def lower_max_pool(low):
    """One kernel over planes."""
    x, = low.inputs
    kernel, stride, padding, dilation, size = low.params
    dtype = x.meta.dtype
    if dtype.name not in MEMORY or dtype.name == "bool":
        return False
    dims = len(kernel)
    planes = _planes(x.meta, dims)
    if planes * prod(size) == 0:
        return None
    values = Result(low, low.outputs[0]) if low.outputs[0] is not None else None
    index = Result(low, low.outputs[1]) if len(low.outputs) > 1 and low.outputs[1] is not None \
        else None
    spatial = tuple(x.meta.shape[len(x.meta.shape) - dims:])
    cost = prod(size) * (2 + 0.15 * prod(kernel))
    group, tasks = share(planes, cost)
    low.step("pooling.maximum",
             (dtype.name, spatial, kernel, stride, padding, dilation, size, values is not None,
              index is not None),
             [dense(low, x), values.word if values else 0, index.word if index else 0, group,
              planes], tasks)
    for result in (values, index):
        if result is not None:
            result.finish()
    return None


def maximum(module, target, dtype_name, spatial, kernel, stride, padding, dilation, size, valued,
            indexed):
    """Generator: see Note [window kernels]. Arguments: x, values, indices, group, planes."""
    b = module.kernel()
    x, values, index, group, planes = arguments(b, "ptr", "ptr", "ptr", "i64", "i64")
    dtype = DTYPES[dtype_name]
    window = Window(spatial, kernel, stride, padding, dilation, size)
    low, high = window.inside
    wide = lanes_for(high - low, target.lanes(8 if dtype.itemsize == 8 else 4))
    memory = MEMORY[dtype_name]
    depth, height, width = window.spatial
    rows_in, rows_out = depth * height, window.size[0] * window.size[1]
    with items(b, group, planes) as plane, \
            b.loop(0, window.size[0], unroll=False) as out_depth, \
            b.loop(0, window.size[1], unroll=False) as out_row:
        row = plane * rows_out + out_depth * window.size[1] + out_row
        spans = [window.taps(b, 0, out_depth), window.taps(b, 1, out_row)]
        source = b.element(x, plane * (rows_in * width), memory)
        place = (spans[0][2] * height + spans[1][2]) * width

        def write(column, best, chosen, lanes):
            at = row * window.size[2] + column
            if valued:
                b.store(to_memory(b, Lane(best, dtype)), b.element(values, at, memory))
            if indexed:
                b.store(b.cast(chosen, vector("i64", lanes)), b.element(index, at, "i64"))

        def one(column):
            first, end, start = window.taps(b, 2, column)
            write(column, *_best(b, source, dtype, window, place + start,
                                 [*spans, (first, end, start)], 1), 1)

        if low > 0:
            with b.loop(0, low, unroll=False) as column:
                one(column)
        if high > low:
            whole = (b.constant("i64", 0), b.constant("i64", window.kernel[2]), None)
            with b.loop(low, high, wide, unroll=False) as i:
                column = i if (high - low) % wide == 0 else b.minimum(i, high - wide)
                start = column * window.stride[2] - window.padding[2]
                write(column, *_best(b, source, dtype, window, place + start, [*spans, whole],
                                     wide), wide)
        if high < window.size[2]:
            with b.loop(high, window.size[2], unroll=False) as column:
                one(column)
    b.ret(0)


def _best(b: Builder, source, dtype, window, place, spans, lanes):
    """(greatest value, its flat position) of `lanes` windows whose tap 0 is at `place`, ...

    `spans`: (first tap, end of taps, _) of each axis.
    """
    from .words import Words
    kind = vector(Words.compute_type(dtype), lanes)
    height, width = window.spatial[1:]
    step = (window.dilation[0] * height * width, window.dilation[1] * width, window.dilation[2])
    signed = dtype.category != 1 or dtype.is_signed
    unsigned = dtype.category == 0 or not signed
    best = b.variable(b.constant(kind, _lowest(dtype)))
    first = spans[0][0] * step[0] + spans[1][0] * step[1] + spans[2][0] * step[2]
    chosen = b.variable(b.splat(b.cast(first, "i32"), lanes))

    def tap(number, offset):
        value = window_loads(b, b.element(source, place + offset, MEMORY[dtype.name]), dtype.name,
                             lanes, window.stride[2])
        now = best.get()
        better = b.compare("gt", value, now, unsigned)
        if dtype.category == 2:
            better = better | b.unordered(value, value)
        best.set(b.select(better, value, now))
        chosen.set(b.select(better, b.splat(b.cast(offset, "i32"), lanes), chosen.get()))

    def along(axis, offset):
        begin, end, _ = spans[axis]
        if begin.number is not None and end.number is not None and end.number <= (
                UNROLLED if axis == 2 else 4):
            for k in range(begin.number, end.number):
                visit(axis, offset + k * step[axis])
        else:
            with b.loop(begin, end, unroll=False) as k:
                visit(axis, offset + k * step[axis])

    def visit(axis, offset):
        if axis == 2:
            tap(None, offset)
        else:
            along(axis + 1, offset)

    along(0, b.constant("i64", 0))
    found = chosen.get() + b.splat(b.cast(place, "i32"), lanes)
    if lanes > 1:
        found = found + b.iota("i32", lanes) * window.stride[2]
    return best.get(), found


@lowers("max_pool_backward")
def lower_max_pool_backward(low):
    """Zeros in each plane, then the gradients in order; 16-bit ones are added in float32."""
    g, index = low.inputs
    spatial, disjoint = low.params
    dtype = g.meta.dtype
    if dtype.category != 2 or dtype.name not in MEMORY or index.meta.dtype.name != "int64":
        return False
    dims = len(spatial)
    planes, size = _planes(g.meta, dims), prod(spatial)
    count = prod(g.meta.shape[len(g.meta.shape) - dims:])
    if planes * size == 0:
        return None
    out = Result(low, low.outputs[0])
    wide = dtype.half and not disjoint
    sums = ("slot", low.temporary(4 * planes * size)) if wide else 0
    group, tasks = share(planes, 0.15 * size + 1.5 * count)
    low.step("pooling.sent", (dtype.name, lanes_for(size, 16), disjoint),
             [dense(low, g), dense(low, index), out.word, sums, group, planes, count, size], tasks)
    out.finish()
    return None


def sent(module, target, dtype_name, lanes, disjoint):
    """Generator: add gradients at positions of zeros, plane by plane.

    Arguments: g, positions, result, float32 sums (16-bit dtypes that may meet), group, planes,
    values and places of a plane.
    """
    b = module.kernel()
    g, index, out, sums, group, planes, count, size = arguments(b, *["ptr"] * 4, *["i64"] * 4)
    dtype = DTYPES[dtype_name]
    memory = MEMORY[dtype_name]
    wide = dtype.half and not disjoint
    goal, kind = (sums, "float") if wide else (out, memory)
    with items(b, group, planes) as plane:
        place = b.element(goal, plane * size, kind)
        bits = b.constant(vector({"half": "i16", "bfloat": "i16"}.get(kind, kind), lanes), 0)
        with b.loop(0, size - (lanes - 1), lanes) as i:
            b.store(bits, b.element(place, i, kind))
        if lanes > 1:
            b.store(bits, b.element(place, size - lanes, kind))
        with b.loop(0, count, unroll=False) as i:
            at = b.load("i64", b.element(index, plane * count + i, "i64"))
            b.fail_when(b.compare("ge", at, size, unsigned=True))
            cell = b.element(place, at, kind)
            value = b.load(memory, b.element(g, plane * count + i, memory))
            if not disjoint:
                value = b.cast(value, kind) + b.load(kind, cell)
            b.store(value, cell)
        if wide:
            final = b.element(out, plane * size, memory)

            def narrow(i):
                found = b.load(vector(kind, lanes), b.element(place, i, kind))
                b.store(to_memory(b, Lane(found, dtype)), b.element(final, i, memory))
            with b.loop(0, size - (lanes - 1), lanes) as i:
                narrow(i)
            if lanes > 1:
                narrow(size - lanes)
    b.ret(0)


@lowers("max_pool_pick")
def lower_max_pool_pick(low):
    """Values at positions of their plane."""
    x, index = low.inputs
    dims, = low.params
    if x.meta.dtype.name not in MEMORY or index.meta.dtype.name != "int64":
        return False
    planes, count = _planes(x.meta, dims), prod(low.result.shape[len(low.result.shape) - dims:])
    size = prod(x.meta.shape[len(x.meta.shape) - dims:])
    if planes * count == 0:
        return None
    out = Result(low, low.outputs[0])
    group, tasks = share(planes, 1.5 * count)
    low.step("pooling.picked", (x.meta.dtype.itemsize,),
             [dense(low, x), dense(low, index), out.word, group, planes, count, size], tasks)
    out.finish()
    return None


def picked(module, target, itemsize):
    """Generator. Arguments: x, positions, result, group, planes, positions and size of a plane."""
    b = module.kernel()
    x, index, out, group, planes, count, size = arguments(b, *["ptr"] * 3, *["i64"] * 4)
    kind = f"i{8 * itemsize}"
    with items(b, group, planes) as plane, b.loop(0, count) as i:
        at = b.load("i64", b.element(index, plane * count + i, "i64"))
        b.fail_when(b.compare("ge", at, size, unsigned=True))
        b.store(b.load(kind, b.element(x, plane * size + at, kind)),
                b.element(out, plane * count + i, kind))
    b.ret(0)


