"""Copies that precede a convolution's arithmetic: weights into tiles, inputs into planes."""

from __future__ import annotations

import functools
from typing import NamedTuple

from .body import from_memory, memory_type
from .conv_geometry import Blocks, Correlation, Layout, split
from .emit import Value
from .llvm_types import element_type, lanes_of, natural_alignment, suffix, vector

AHEAD = 4      # channels between a row's prefetch and its copy


def compute_type(dtype: str) -> str:
    """LLVM's type in which a dtype's sums are computed."""
    return "double" if dtype == "float64" else "float"


def load_as(b, dtype: str, pointer, lanes=1):
    """Consecutive elements of memory in the compute type."""
    if dtype == "bfloat16" and lanes == 1:      # some targets cannot move one bfloat
        bits = b.cast(b.load("i16", pointer), "i32", unsigned=True)
        return b.bitcast(bits << 16, "float")
    return from_memory(b, dtype, b.load(vector(memory_type(dtype), lanes), pointer)).value


def lane_mask(b, flags) -> Value:
    """A constant mask from Python truth values."""
    text = ", ".join(f"i1 {'true' if f else 'false'}" for f in flags)
    return Value(b, f"<{len(flags)} x i1>", f"<{text}>")


def first_lanes(b, count, lanes) -> Value:
    """The mask of the first `count` lanes (an i64 value)."""
    return b.compare("lt", b.iota("i32", lanes), b.splat(b.cast(count, "i32"), lanes))


def as_bits(kind: str) -> str:
    """`kind` with integers for 16-bit floats, whose single lanes some targets cannot move."""
    return kind.replace("bfloat", "i16").replace("half", "i16")


def masked_load(b, kind, pointer, mask) -> Value:
    """Lanes where `mask` holds from memory, zeros elsewhere."""
    return b.bitcast(b.masked_load(as_bits(kind), pointer, mask), kind) \
        if as_bits(kind) != kind else b.masked_load(kind, pointer, mask)


def masked_store(b, value, pointer, mask) -> None:
    """Store the lanes where `mask` holds."""
    kind = as_bits(value.type)
    b.masked_store(value if kind == value.type else b.bitcast(value, kind), pointer, mask)


def masked_gather(b, kind, pointer, indices, mask) -> Value:
    """Elements at vector `indices` of an array where `mask` holds, zeros elsewhere."""
    if as_bits(kind) != kind:
        return b.bitcast(masked_gather(b, as_bits(kind), pointer, indices, mask), kind)
    element, lanes = element_type(kind), lanes_of(kind)
    pointers = b.emit(f"<{lanes} x ptr>", f"getelementptr {element}, ptr {pointer.ref}, "
                                          f"{indices.type} {indices.ref}")
    name = f"llvm.masked.gather.{suffix(kind)}.v{lanes}p0"
    b.module.declarations.setdefault(
        name, f"declare {kind} @{name}(<{lanes} x ptr>, i32, <{lanes} x i1>, {kind})")
    return b.emit(kind, f"call {kind} @{name}(<{lanes} x ptr> {pointers.ref}, i32 "
                        f"{natural_alignment(element)}, {mask.type} {mask.ref}, "
                        f"{kind} zeroinitializer)")


class WeightOrder(NamedTuple):
    """How a kernel reads its weights: blocks, and which tap loops are inside the channel loop."""

    channels: int
    outs: int
    tile: int
    rows_inside: bool
    columns_inside: bool


def weight_pieces(problem: Correlation, order: WeightOrder) -> int:
    """How many (group, out block, channel block, tile) there are."""
    tiles = sum(sum(split(min(order.outs, problem.outs - o), order.tile)[1:])
                for o in range(0, problem.outs, order.outs))
    return tiles * problem.groups * -(-problem.channels // order.channels)


def pack_weights(module, target, problem: Correlation, order: WeightOrder, per_task: int):
    """Weights in the order a kernel reads them. Arguments: weights, packed.

    packed: [group][out block][channel block][tile][kd][kh'][kw'][c][kh"][kw"][channel of the
    tile]; a tap loop is before or after c. A task packs `per_task` (group, out block, channel
    block, tile).
    """
    kind = compute_type(problem.dtype)
    sg, so, sc, sd, sh, sw = problem.w_strides
    kd, kh, kw = problem.kernel
    outer_h, inner_h = (1, kh) if order.rows_inside else (kh, 1)
    outer_w, inner_w = (1, kw) if order.columns_inside else (kw, 1)
    memory = memory_type(problem.dtype)

    def writer(size):
        b = module.function(f"weights{size}", "void",
                            [("ptr", "source"), ("ptr", "packed"), ("i64", "channels")], True)
        source, packed, channels = b.args
        at = b.variable(b.constant("i64", 0))
        with b.loop(0, kd, unroll=False) as z, b.loop(0, outer_h, unroll=False) as y, \
                b.loop(0, outer_w, unroll=False) as x, b.loop(0, channels, unroll=False) as c, \
                b.loop(0, inner_h, unroll=False) as y2, b.loop(0, inner_w, unroll=False) as x2:
            start = c * sc + z * sd + (y + y2) * sh + (x + x2) * sw
            place = at.get()
            for t in range(size):
                value = load_as(b, problem.dtype, b.element(source, start + t * so, memory))
                b.store(value, b.element(packed, place + t, kind))
            at.set(place + size)
        b.ret()
        return b.name

    if problem.channels * kd * kh * kw >= 64 and _rows_of_weights(problem):
        lanes = target.lanes(8 if problem.dtype == "float64" else 4)
        writer = functools.partial(_transposing_writer, module, problem, order, lanes)
    tiles = [split(min(order.outs, problem.outs - o), order.tile)
             for o in range(0, problem.outs, order.outs)]
    writers = {s: writer(s) for s in sorted({s - k for s, *counts in tiles
                                             for k in (0, 1) if counts[k]})}
    module.scheduled = True
    b = module.kernel()
    source, packed = b.load("ptr", b.args[0]), b.load("ptr", b.element(b.args[0], 1, "i64"))
    taps = kd * kh * kw
    # A table row a piece: where it reads, where it writes, channels, tile size.
    rows = []
    place = 0
    for g in range(problem.groups):
        for i, (s, full, short) in enumerate(tiles):
            for c in range(0, problem.channels, order.channels):
                count = min(order.channels, problem.channels - c)
                o = i * order.outs
                for piece in [s] * full + [s - 1] * short:
                    rows.append((g * sg + o * so + c * sc, place, count, piece))
                    o += piece
                    place += piece * count * taps
    table = b.global_address(module.table("i64", [n for row in rows for n in row]))
    end = b.minimum(b.args[2] * per_task, len(rows))
    with b.loop(b.args[1] * per_task, end, unroll=False) as i:
        from_, to, count, piece = (b.load("i64", b.element(table, i * 4 + k, "i64"))
                                   for k in range(4))
        for s, name in writers.items():
            with b.when(piece.equals(s)):
                b.call(name, "void", b.element(source, from_, memory),
                       b.element(packed, to, kind), count)
    b.ret(0)


def _rows_of_weights(problem: Correlation) -> bool:
    """Whether a result channel's weights follow each other in memory."""
    step = 1
    for stride, size in zip(problem.w_strides[:1:-1], (*problem.kernel[::-1], problem.channels)):
        if size > 1 and stride != step:
            return False
        step *= size
    return True


def _transposing_writer(module, problem: Correlation, order: WeightOrder, lanes, size):
    """As the scalar writer of `pack_weights`, a square block of (channel, weight) at a time."""
    kind, memory = compute_type(problem.dtype), memory_type(problem.dtype)
    kd, kh, kw = problem.kernel
    taps = kd * kh * kw
    inner = (kh if order.rows_inside else 1) * (kw if order.columns_inside else 1)
    # Where a tap goes: number among the loops before c, and among those after it.
    before, after = [], []
    for z in range(kd):
        for y in range(kh):
            for x in range(kw):
                first, last = z, 0
                for tap, count, inside in ((y, kh, order.rows_inside),
                                           (x, kw, order.columns_inside)):
                    if inside:
                        last = last * count + tap
                    else:
                        first = first * count + tap
                before.append(first)
                after.append(last)
    b = module.function(f"weights{size}", "void",
                        [("ptr", "source"), ("ptr", "packed"), ("i64", "channels")], True)
    source, packed, channels = b.args
    tables = [b.global_address(module.table("i64", numbers)) for numbers in (before, after)] \
        if taps > 1 else None
    total = channels * taps
    block = b.stack(kind, lanes * lanes)
    wide = vector(memory, lanes)
    with b.loop(0, total, lanes, unroll=False) as j:
        left = b.minimum(total - j, lanes)
        mask = first_lanes(b, left, lanes)
        for t in range(0, size, lanes):
            count = min(lanes, size - t)
            rows = [b.cast(masked_load(b, wide, b.element(
                source, j + (t + i) * problem.w_strides[1], memory), mask), vector(kind, lanes))
                for i in range(count)]
            rows += [rows[-1]] * (lanes - count)
            for i, value in enumerate(transpose(b, rows)):
                b.store(value, b.element(block, i * lanes, kind))
            keep = None if count == lanes else lane_mask(b, [i < count for i in range(lanes)])
            with b.loop(0, left, unroll=False) as i:
                c, place = j + i, j + i
                if tables is not None:
                    c, tap = (j + i) // taps, (j + i) % taps
                    first, last = (b.load("i64", b.element(table, tap, "i64"))
                                   for table in tables)
                    place = (first * channels + c) * inner + last
                value = b.load(vector(kind, lanes), b.element(block, i * lanes, kind))
                target = b.element(packed, place * size + t, kind)
                if keep is None:
                    b.store(value, target)
                else:
                    masked_store(b, value, target, keep)
    b.ret()
    return b.name


def plane_packer(module, target, problem: Correlation, blocks: Blocks, lanes: int) -> str:
    """A function copying one unit's band into planes: (x of the image and channel, planes, depth
    index, first row, rows, channels)."""
    layout = Layout(problem, blocks, lanes)
    memory, kind = memory_type(problem.dtype), compute_type(problem.dtype)
    _, sc, sd, sh, sw = problem.x_strides
    kd, _, kw = problem.kernel
    (dd, dh, dw), (od, oh, ow) = problem.dilation, problem.offset
    (std, sth, stw), (depth_in, height_in, width_in) = problem.stride, problem.source
    width = layout.width
    b = module.function("planes", "void", [("ptr", "x"), ("ptr", "work"), ("i64", "depth"),
                                           ("i64", "row"), ("i64", "rows"), ("i64", "channels")],
                        True)
    x, work, depth, row, rows, channels = b.args
    # Rows that follow each other in x and in the plane are copied as one.
    columns = (kw, dw, layout.plane) if not layout.by_rows else (1, 0, 0)
    flat = kw == 1 and stw == 1 and ow == 0 and width == width_in and sw == 1 \
        and sh == width and sth == 1
    count = rows + (layout.row_taps - 1) * dh
    with b.loop(0, channels, unroll=False) as c, b.loop(0, kd, unroll=False) as z, \
            b.loop(0, layout.row_planes, unroll=False) as q:
        plane = b.element(work, (c * layout.row_planes + q) * columns[0] * layout.plane
                          + z * layout.depth_step, kind)
        deep = depth * std + z * dd - od
        inside = (deep >= 0) & (deep < depth_in)
        slice_ = b.element(x, c * sc + deep * sd, memory)
        if flat:
            first = row + q * dh - oh
            low = b.minimum(b.maximum(first, 0), height_in)
            high = b.minimum(b.maximum(first + count, low), height_in)
            high = b.select(inside, high, low)
            before, span = (low - first) * width, (high - low) * width
            before = b.maximum(b.minimum(before, count * width), 0)
            _zeros(b, plane, before, kind, lanes)
            _copy(b, problem.dtype, slice_, low * width, plane, before, span, lanes)
            after = before + span
            _zeros(b, b.element(plane, after, kind), count * width - after, kind, lanes)
        else:
            with b.loop(0, count, unroll=False) as r:
                line = (row + r) * sth + q * dh - oh
                target_row = b.element(plane, r * width, kind)
                valid = inside & (line >= 0) & (line < height_in)
                with b.when(valid):
                    source = b.element(slice_, line * sh, memory)
                    if sw == 1:     # a later channel's row: its page is new to the hardware
                        for i in range(0, width_in, 16):
                            b.prefetch(b.element(source, AHEAD * sc + i, memory))
                    copy_rows(b, problem.dtype, source, target_row, width, columns, stw,
                              ow, width_in, sw, lanes)
                with b.unless(valid), b.loop(0, columns[0], unroll=False) as k:
                    _zeros(b, b.element(target_row, k * layout.plane, kind), width, kind, lanes)
    b.ret()
    return b.name


def _zeros(b, pointer, count, kind, lanes):
    """Zeros, in whole vectors (what is beyond `count` is written later)."""
    zero = b.constant(vector(kind, lanes), 0)
    with b.loop(0, count, lanes, unroll=False) as i:
        b.store(zero, b.element(pointer, i, kind))


def _copy(b, dtype, source, start, plane, place, count, lanes):
    """`count` consecutive elements; stores whole vectors, loads no element beyond the last."""
    memory, kind = memory_type(dtype), compute_type(dtype)
    whole = count - count % lanes
    with b.loop(0, whole, lanes, unroll=False) as i:
        value = load_as(b, dtype, b.element(source, start + i, memory), lanes)
        b.store(value, b.element(plane, place + i, kind))
    with b.loop(whole, count, unroll=False) as i:
        value = load_as(b, dtype, b.element(source, start + i, memory))
        b.store(value, b.element(plane, place + i, kind))


def copy_rows(b, dtype, source, row, width, taps, stride, offset, width_in, step, lanes):
    """One input row into the planes of every column tap.

    `taps`: (how many, dilation, distance of their planes); result column i of tap k is input
    column i * stride + k * dilation - offset, zero outside `width_in`; `step`: between input
    columns in memory. Whole vectors are stored: what follows a row must be written later.
    """
    while lanes > 4 and lanes // 2 >= width:
        lanes //= 2
    count, dilation, plane = taps
    chunks = [(k, x) for k in range(count) for x in range(0, width, lanes)]
    if len(chunks) > 24:
        _copy_rows_in_loops(b, dtype, source, row, width, taps, stride, offset, width_in, step,
                            lanes)
        return
    if step == 1 and stride <= 2 and (count > 1 or stride == 2):
        _copy_shifted(b, dtype, source, row, chunks, taps, stride, offset, width_in, lanes)
        return
    for k, x in chunks:
        place = b.element(row, k * plane + x, compute_type(dtype))
        columns = [(x + i) * stride + k * dilation - offset for i in range(lanes)]
        valid = [0 <= column < width_in and x + i < width for i, column in enumerate(columns)]
        _chunk(b, dtype, source, place, columns[0], valid, stride, step, lanes)


def _copy_shifted(b, dtype, source, row, chunks, taps, stride, offset, width_in, lanes):
    """`copy_rows` that loads the input row once and shifts it in registers.

    (Loads among so many stores are often held back: a store to the same place within its page
    looks like a dependence.)
    """
    memory, kind = memory_type(dtype), compute_type(dtype)
    _, dilation, plane = taps
    zero = b.constant(vector(kind, lanes), 0)
    whole = []
    for x in range(0, width_in, lanes):
        place = b.element(source, x, memory)
        value = b.load(vector(memory, lanes), place) if x + lanes <= width_in else \
            masked_load(b, vector(memory, lanes), place,
                        lane_mask(b, [x + i < width_in for i in range(lanes)]))
        whole.append(from_memory(b, dtype, value).value)

    def at(sequence, i):
        return sequence[i] if 0 <= i < len(sequence) else zero

    phases = [whole]         # the columns of each remainder by the stride
    if stride == 2:
        phases = [[b.shuffle(at(whole, i), at(whole, i + 1), range(p, 2 * lanes, 2))
                   for i in range(0, len(whole), 2)] for p in range(2)]
    for k, x in chunks:
        first = k * dilation - offset
        start = x + (first - first % stride) // stride
        sequence = phases[first % stride]
        i, shift = divmod(start, lanes)
        low, high = at(sequence, i), at(sequence, i + 1)
        value = low if shift == 0 or low is high else \
            b.shuffle(low, high, range(shift, shift + lanes))
        b.store(value, b.element(row, k * plane + x, kind))


def _chunk(b, dtype, source, place, column, valid, stride, step, lanes):
    """One vector of a plane's row: input columns `column`, `column` + stride, ..."""
    memory = memory_type(dtype)
    kind = vector(memory, lanes)
    start = b.element(source, column * step, memory)
    if not any(valid):
        value = b.constant(vector(compute_type(dtype), lanes), 0)
        b.store(value, place)
        return
    if stride * step == 1:
        value = b.load(kind, start) if all(valid) else \
            masked_load(b, kind, start, lane_mask(b, valid))
    elif stride * step == 2:
        spread = [v for flag in valid for v in (flag, False)]
        low = masked_load(b, kind, start, lane_mask(b, spread[:lanes]))
        high = masked_load(b, kind, b.element(start, lanes, memory), lane_mask(b, spread[lanes:]))
        value = b.shuffle(low, high, range(0, 2 * lanes, 2))
    else:
        indices = b.iota("i64", lanes) * b.splat(b.constant("i64", stride * step), lanes)
        value = masked_gather(b, kind, start, indices, lane_mask(b, valid))
    b.store(from_memory(b, dtype, value).value, place)


def _copy_rows_in_loops(b, dtype, source, row, width, taps, stride, offset, width_in, step, lanes):
    """`copy_rows` for wide rows or many taps: masks are computed."""
    memory = memory_type(dtype)
    kind = vector(memory, lanes)
    lane = b.iota("i32", lanes)
    taps, dilation, plane = taps
    with b.loop(0, taps, unroll=False) as k:
        target = b.element(row, k * plane, compute_type(dtype))
        first = k * dilation - offset
        with b.loop(0, width, lanes, unroll=False) as x:
            column = x * stride + first
            lanes_in = lane * b.splat(b.constant("i32", stride), lanes) \
                + b.splat(b.cast(column, "i32"), lanes)
            mask = b.compare("lt", lanes_in, width_in, unsigned=True)
            if width % lanes:
                mask = mask & b.compare("lt", lane, b.splat(b.cast(width - x, "i32"), lanes))
            start = b.element(source, column * step, memory)
            if stride * step == 1:
                value = masked_load(b, kind, start, mask)
            else:
                indices = b.iota("i64", lanes) * b.splat(b.constant("i64", stride * step), lanes)
                value = masked_gather(b, kind, start, indices, mask)
            b.store(from_memory(b, dtype, value).value, b.element(target, x, compute_type(dtype)))


def transpose(b, rows: list) -> list:
    """A square block of vectors, transposed: log2(lanes) rounds of interleaving."""
    lanes = len(rows)
    low = [v for i in range(lanes // 2) for v in (i, i + lanes)]
    high = [v + lanes // 2 for v in low]
    for _ in range(lanes.bit_length() - 1):
        half = lanes // 2
        rows = [b.shuffle(rows[i], rows[i + half], order)
                for i in range(half) for order in (low, high)]
    return rows
