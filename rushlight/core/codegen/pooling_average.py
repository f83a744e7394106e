"""Average pooling, adaptive average pooling, and their adjoints.

Windows are `pooling`'s (see Note [window kernels]). Where all adaptive bins have one size they are
windows; a single bin is the mean of a row. Bins of several sizes go one by one.
"""

from __future__ import annotations

from math import prod

from ..base.dtypes import DTYPES
from .body import MEMORY
from .emit import Builder
from .llvm_types import vector
from .lowering import lowers
from .pooling import Window, window_loads
from .rows import STATIC, Line, Sweep, add, compute_lanes, compute_type, line, store_scalar
from .sharing import Result, arguments, dense, floating, items, lanes_for, share


def _planes(meta, dims):
    return prod(meta.shape[:len(meta.shape) - dims]), tuple(meta.shape[len(meta.shape) - dims:])


def divisors(window: Window, count_include_pad) -> list:
    """For each axis, by how many places each of its windows counts."""
    found = []
    for n, k, s, p, count in zip(window.spatial, window.kernel, window.stride, window.padding,
                                 window.size):
        lengths = []
        for i in range(count):
            start, stop = i * s - p, min(i * s - p + k, n + p)
            if not count_include_pad:
                start, stop = max(start, 0), min(stop, n)
            lengths.append(stop - start)
        found.append(lengths)
    return found


def _reciprocal(b: Builder, kind, tables, divisor, places, lanes):
    """What the sums of `lanes` windows are divided by, as a value or vector."""
    if divisor is not None:
        return b.constant(vector(kind, lanes), divisor)
    if all(len(set(lengths)) == 1 for lengths in tables):
        return b.constant(vector(kind, lanes), prod(lengths[0] for lengths in tables))
    found = None
    for axis, (lengths, place) in enumerate(zip(tables, places)):
        if len(set(lengths)) == 1:
            value = b.constant(vector(kind, lanes), lengths[0])
        else:
            table = b.global_address(b.module.table(kind, lengths))
            wide = lanes if axis == 2 else 1
            value = b.load(vector(kind, wide), b.element(table, place, kind))
            value = value if wide == lanes else b.splat(value, lanes)
        found = value if found is None else found * value
    return found


@lowers("avg_pool1d", "avg_pool2d", "avg_pool3d")
def lower_average(low):
    """One kernel over planes."""
    x, = low.inputs
    kernel, stride, padding, size, include, divisor = low.params
    return _average(low, x, kernel, stride, padding, size, include, divisor)


def _average(low, x, kernel, stride, padding, size, include, divisor):
    if not floating(x) or low.outputs[0].meta.dtype is not x.meta.dtype:
        return False
    planes, spatial = _planes(x.meta, len(kernel))
    if planes * prod(size) == 0:
        return None
    out = Result(low, low.outputs[0])
    group, tasks = share(planes, prod(size) * (2 + 0.15 * prod(kernel)))
    low.step("pooling_average.average",
             (x.meta.dtype.name, spatial, kernel, stride, padding, size, include, divisor),
             [dense(low, x), out.word, group, planes], tasks)
    out.finish()
    return None


def average(module, target, dtype_name, spatial, kernel, stride, padding, size, include, divisor):
    """Generator: x, result, group, planes."""
    b = module.kernel()
    x, out, group, planes = arguments(b, "ptr", "ptr", "i64", "i64")
    window = Window(spatial, kernel, stride, padding, (1,) * len(kernel), size)
    tables = divisors(window, include)
    low, high = window.inside
    kind = compute_type(dtype_name)
    wide = lanes_for(high - low, target.lanes(8 if kind == "double" else 4))
    memory = MEMORY[dtype_name]
    _, height, width = window.spatial
    rows_out = window.size[0] * window.size[1]
    with items(b, group, planes) as plane, \
            b.loop(0, window.size[0], unroll=False) as depth, \
            b.loop(0, window.size[1], unroll=False) as row:
        spans = [window.taps(b, 0, depth), window.taps(b, 1, row)]
        source = b.element(x, plane * prod(window.spatial), memory)
        place = (spans[0][2] * height + spans[1][2]) * width
        goal = line(b, dtype_name, wide, out,
                    (plane * rows_out + depth * window.size[1] + row) * window.size[2])

        def total(start, span, lanes):
            kept = b.variable(b.constant(vector(kind, lanes), 0.0))
            with b.loop(*spans[0][:2], unroll=False) as kd, b.loop(*spans[1][:2]) as kh, \
                    b.loop(*span) as kw:
                offset = (kd * height + kh) * width + kw
                kept.add(window_loads(b, b.element(source, place + start + offset, memory),
                                      dtype_name, lanes, window.stride[2]))
            return kept.get()

        def write(column, found, lanes):
            goal.store(found / _reciprocal(b, kind, tables, divisor, (depth, row, column), lanes),
                       column)

        def edge(first, end):
            if end > first:
                with b.loop(first, end, unroll=False) as column:
                    begin, stop, start = window.taps(b, 2, column)
                    write(column, total(start, (begin, stop), 1), 1)
        edge(0, low)
        if high > low:
            with b.loop(low, high, wide, unroll=False) as i:
                column = i if (high - low) % wide == 0 else b.minimum(i, high - wide)
                start = column * window.stride[2] - window.padding[2]
                write(column, total(start, (0, window.kernel[2]), wide), wide)
        edge(high, window.size[2])
    b.ret(0)


@lowers("avg_pool1d_backward", "avg_pool2d_backward", "avg_pool3d_backward")
def lower_average_backward(low):
    """One kernel over planes; 16-bit gradients are added in float32."""
    g, = low.inputs
    spatial, kernel, stride, padding, include, divisor = low.params
    return _average_backward(low, g, spatial, kernel, stride, padding, include, divisor)


def _average_backward(low, g, spatial, kernel, stride, padding, include, divisor):
    dtype = g.meta.dtype
    if not floating(g):
        return False
    planes, size = _planes(g.meta, len(kernel))
    count = prod(spatial)
    if planes * count == 0:
        return None
    out = Result(low, low.outputs[0])
    sums = ("slot", low.temporary(4 * planes * count)) if dtype.half else 0
    group, tasks = share(planes, 0.2 * count + prod(size) * (2 + 0.6 * prod(kernel)))
    low.step("pooling_average.average_backward",
             (dtype.name, tuple(spatial), kernel, stride, padding, size, include, divisor),
             [dense(low, g), out.word, sums, group, planes], tasks)
    out.finish()
    return None


def average_backward(module, target, dtype_name, spatial, kernel, stride, padding, size, include,
                     divisor):
    """Generator: g, result, float32 sums (16-bit dtypes), group, planes."""
    b = module.kernel()
    g, out, sums, group, planes = arguments(b, "ptr", "ptr", "ptr", "i64", "i64")
    window = Window(spatial, kernel, stride, padding, (1,) * len(kernel), size)
    tables = divisors(window, include)
    kind = compute_type(dtype_name)
    half = DTYPES[dtype_name].half
    count = prod(spatial)
    lanes = lanes_for(count, target.lanes(8 if kind == "double" else 4))
    sweep = Sweep(b, lanes, b.constant("i64", count), 0, count % lanes > 0)
    _, height, width = window.spatial
    with items(b, group, planes) as plane:
        plain = "float32" if half else dtype_name
        cells = line(b, plain, lanes, sums if half else out, plane * count)
        sweep.write(cells, lambda i: b.constant(vector(kind, lanes), 0.0))
        one = Line(b, plain, 1, cells.pointer)
        with b.loop(0, window.size[0], unroll=False) as depth, \
                b.loop(0, window.size[1], unroll=False) as row:
            spans = [window.taps(b, 0, depth), window.taps(b, 1, row)]
            place = (spans[0][2] * height + spans[1][2]) * width
            source = line(b, dtype_name, 1, g, (
                (plane * window.size[0] + depth) * window.size[1] + row) * window.size[2])
            with b.loop(0, window.size[2], unroll=False) as column:
                begin, stop, start = window.taps(b, 2, column)
                share_of = source.load(column) / _reciprocal(
                    b, kind, tables, divisor, (depth, row, column), 1)
                with b.loop(*spans[0][:2], unroll=False) as kd, \
                        b.loop(*spans[1][:2], unroll=False) as kh, b.loop(begin, stop) as kw:
                    cell = place + start + (kd * height + kh) * width + kw
                    one.store(one.load(cell) + share_of, cell)
        if half:
            sweep.write(line(b, dtype_name, lanes, out, plane * count), cells.load)
    b.ret(0)


# Adaptive ------------------------------------------------------------------------------------

ADAPTIVE = ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")


def _even(spatial, size) -> bool:
    """Whether all bins have one size."""
    return all(n % count == 0 for n, count in zip(spatial, size) if count)


@lowers(*ADAPTIVE)
def lower_adaptive(low):
    """Means of rows, of windows, or of bins."""
    x, = low.inputs
    size, = low.params
    planes, spatial = _planes(x.meta, len(size))
    if not floating(x) or planes * prod(spatial) == 0 or 0 in size:
        return False
    if prod(size) == 1:
        count = prod(spatial)
        out = Result(low, low.outputs[0])
        lanes = lanes_for(count, compute_lanes(x.meta.dtype))
        group, tasks = share(planes, 10 + 0.1 * count)
        low.step("pooling_average.row_means",
                 (x.meta.dtype.name, lanes, count if count <= STATIC else 0, count % lanes > 0),
                 [dense(low, x), out.word, group, planes, count], tasks)
        out.finish()
        return None
    if _even(spatial, size):
        kernel = tuple(n // count for n, count in zip(spatial, size))
        return _average(low, x, kernel, kernel, (0,) * len(size), size, True, None)
    out = Result(low, low.outputs[0])
    group, tasks = share(planes, 3 * prod(spatial) + 10 * prod(size))
    low.step("pooling_average.bins", (x.meta.dtype.name, spatial, size),
             [dense(low, x), out.word, group, planes], tasks)
    out.finish()
    return None


def row_means(module, target, dtype, lanes, static, ragged):
    """Generator: the mean of each row. x, result, group, rows, length."""
    b = module.kernel()
    x, out, group, total, length = arguments(b, "ptr", "ptr", *["i64"] * 3)
    sweep = Sweep(b, lanes, length, static, ragged)
    with items(b, group, total) as row:
        source = line(b, dtype, lanes, x, row * sweep.length)
        found, = sweep.folds(source.kind, lambda i, fresh: [source.load(i)], (0.0, add))
        store_scalar(b, dtype, found / b.cast(sweep.length, found.type), out, row)
    b.ret(0)


def _bins(spatial, size):
    """For each of three axes the first and the end of each bin."""
    fill = 3 - len(spatial)
    found = []
    for n, count in zip((1,) * fill + tuple(spatial), (1,) * fill + tuple(size)):
        found.append(([i * n // count for i in range(count)],
                      [-(-(i + 1) * n // count) for i in range(count)]))
    return found


def _each_bin(b: Builder, spatial, size):
    """A function that runs a body for each bin: its number, spans, and count."""
    bins = _bins(spatial, size)
    tables = [[b.global_address(b.module.table("i64", t)) for t in pair] for pair in bins]

    def run(body):
        counts = [len(pair[0]) for pair in bins]
        with b.loop(0, counts[0], unroll=False) as i, b.loop(0, counts[1], unroll=False) as j, \
                b.loop(0, counts[2], unroll=False) as k:
            spans = [[b.load("i64", b.element(t, place, "i64")) for t in pair]
                     for pair, place in zip(tables, (i, j, k))]
            amount = b.constant("i64", 1)
            for first, end in spans:
                amount = amount * (end - first)
            body((i * counts[1] + j) * counts[2] + k, spans, amount)
    return run


def bins(module, target, dtype, spatial, size):
    """Generator: the mean of each bin. x, result, group, planes."""
    b = module.kernel()
    x, out, group, planes = arguments(b, "ptr", "ptr", "i64", "i64")
    _, height, width = (1,) * (3 - len(spatial)) + tuple(spatial)
    kind = compute_type(dtype)
    with items(b, group, planes) as plane:
        source = line(b, dtype, 1, x, plane * prod(spatial))
        goal = line(b, dtype, 1, out, plane * prod(size))

        def one(number, spans, amount):
            kept = b.variable(b.constant(kind, 0.0))
            with b.loop(*spans[0], unroll=False) as i, b.loop(*spans[1], unroll=False) as j, \
                    b.loop(*spans[2]) as k:
                kept.add(source.load((i * height + j) * width + k))
            goal.store(kept.get() / b.cast(amount, kind), number)
        _each_bin(b, spatial, size)(one)
    b.ret(0)


@lowers(*(name + "_backward" for name in ADAPTIVE))
def lower_adaptive_backward(low):
    """The adjoint: gradients spread over rows, windows or bins."""
    g, = low.inputs
    spatial, = low.params
    planes, size = _planes(g.meta, len(spatial))
    dtype = g.meta.dtype
    if not floating(g) or planes * prod(spatial) == 0 or 0 in size:
        return False
    if prod(size) == 1:
        count = prod(spatial)
        out = Result(low, low.outputs[0])
        lanes = lanes_for(count, 64 // dtype.itemsize)
        group, tasks = share(planes, 10 + 0.1 * count)
        low.step("pooling_average.spread", (dtype.name, lanes, count % lanes > 0),
                 [dense(low, g), out.word, group, planes, count], tasks)
        out.finish()
        return None
    if _even(spatial, size):
        kernel = tuple(n // count for n, count in zip(spatial, size))
        return _average_backward(low, g, spatial, kernel, kernel, (0,) * len(size), True, None)
    if dtype.half:
        return False
    out = Result(low, low.outputs[0])
    group, tasks = share(planes, 3 * prod(spatial) + 10 * prod(size))
    low.step("pooling_average.bins_backward", (dtype.name, tuple(spatial), size),
             [dense(low, g), out.word, group, planes], tasks)
    out.finish()
    return None


def spread(module, target, dtype, lanes, ragged):
    """Generator: each value over its row, divided by the length. g, result, group, rows, length."""
    b = module.kernel()
    g, out, group, total, length = arguments(b, "ptr", "ptr", *["i64"] * 3)
    sweep = Sweep(b, lanes, length, 0, ragged)
    with items(b, group, total) as row:
        value = line(b, dtype, 1, g, 0).load(row)
        value = b.splat(value / b.cast(length, value.type), lanes)
        sweep.write(line(b, dtype, lanes, out, row * length), lambda i: value)
    b.ret(0)


def bins_backward(module, target, dtype, spatial, size):
    """Generator: the adjoint of `bins`. g, result, group, planes."""
    b = module.kernel()
    g, out, group, planes = arguments(b, "ptr", "ptr", "i64", "i64")
    _, height, width = (1,) * (3 - len(spatial)) + tuple(spatial)
    kind = compute_type(dtype)
    with items(b, group, planes) as plane:
        source = line(b, dtype, 1, g, plane * prod(size))
        goal = line(b, dtype, 1, out, plane * prod(spatial))
        with b.loop(0, prod(spatial)) as i:
            goal.store(b.constant(kind, 0.0), i)

        def one(number, spans, amount):
            value = source.load(number) / b.cast(amount, kind)
            with b.loop(*spans[0], unroll=False) as i, b.loop(*spans[1], unroll=False) as j, \
                    b.loop(*spans[2]) as k:
                cell = (i * height + j) * width + k
                goal.store(goal.load(cell) + value, cell)
        _each_bin(b, spatial, size)(one)
    b.ret(0)
