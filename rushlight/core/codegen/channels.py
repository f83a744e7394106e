"""Walking arrays by channel: what batch normalisation's kernels share.

An array is (batch, channels, values). Two forms: `along`, the values of a channel are rows of
vectors; `across`, there is one value (batch is then all positions, as in channels-last memory)
and the lanes are channels.

Reductions over batch and values are cut into chunks by shape alone; what each chunk finds is
stored as (chunk, quantity, channel), and another kernel combines the chunks in order.
"""

from __future__ import annotations

from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple

from .emit import Builder
from .llvm_types import vector
from .rows import STATIC, Fold, Line, Sweep, add, compute_lanes, compute_type, line
from .sharing import Result, arguments, dense, items, lanes_for, row_major, share

CHUNK = 4096          # values of a channel one chunk sums, about
LONGEST = 16384       # values of a row one chunk sums


class Shape(NamedTuple):
    """The sizes: arguments of every kernel here, in this order."""

    batch: int
    channels: int
    values: int
    batch_block: int      # rows of a chunk
    batch_blocks: int
    value_block: int
    value_blocks: int

    @property
    def chunks(self) -> int:
        """Chunks of one channel."""
        return self.batch_blocks * self.value_blocks


class Form(NamedTuple):
    """What the machine code depends on. `static`: values of a row, where few; else 0."""

    across: bool
    lanes: int
    static: int
    ragged: bool


def last_axis_first(meta) -> bool:
    """Whether the channels (axis 1) are the fastest axis and nothing has gaps (channels last)."""
    shape = meta.shape
    if len(shape) < 3:
        return False
    order = (0, *range(2, len(shape)), 1)
    moved = tuple(shape[a] for a in order)
    return tuple(meta.strides[a] for a in order) == row_major(moved)


def arranged(low, arrays, output):
    """(shape, form, words, word of the result, the `Result` to finish or None).

    Channels-last arrays are read and written as they are where all have that layout; else arrays
    are brought into row-major order. A word is a step argument; 0 for an output nobody needs.
    """
    meta = arrays[0].meta
    batch, channels, values = meta.shape[0], meta.shape[1], prod(meta.shape[2:])
    as_they_are = all(last_axis_first(o.meta) for o in (*arrays, output) if o is not None)
    if as_they_are or values == 1:
        batch, values = batch * values, 1
    if values == 1:
        size = Shape(batch, channels, 1, 256, -(-batch // 256), 1, 1)
        form = Form(True, lanes_for(channels, compute_lanes(meta.dtype)), 0, False)
    else:
        lanes = lanes_for(values, compute_lanes(meta.dtype))
        wide = min(values, LONGEST)
        block = max(1, CHUNK // wide)
        size = Shape(batch, channels, values, block, -(-batch // block), wide, values // wide)
        form = Form(False, lanes, values if values <= STATIC else 0, values % lanes > 0)
    if as_they_are:
        return size, form, list(arrays), 0 if output is None else output, None
    result = None if output is None else Result(low, output)
    return (size, form, [dense(low, o) for o in arrays], 0 if result is None else result.word,
            result)


def reduce_work(size: Shape, form: Form, arrays: int) -> tuple[int, int, int]:
    """(group, items, tasks) of a reduction over `arrays` arrays."""
    across = size.channels // form.lanes if form.across else size.channels
    count = across * size.chunks
    rows = min(size.batch_block, size.batch)
    cost = rows * arrays * (2 if form.across else 1 + 0.15 * size.value_block)
    group, tasks = share(count, cost)
    return group, count, tasks


def apply_work(size: Shape, form: Form, arrays: int) -> tuple[int, int, int]:
    """(group, items, tasks) of a pass over all values."""
    count = size.batch if form.across else size.batch * size.channels
    group, tasks = share(count, (size.channels if form.across else 5 + size.values) * 0.1 * arrays)
    return group, count, tasks


class _Walk:
    """The sizes as values, and the arrays' addresses, inside a kernel."""

    def __init__(self, b: Builder, form: Form, dtype, pointers, target=None):
        found = arguments(b, *["ptr"] * pointers, *["i64"] * (2 + len(Shape._fields)))
        self.b, self.form, self.target = b, form, target
        self.pointers = found[:pointers]
        self.group, self.total = found[pointers: pointers + 2]
        self.size = Shape(*found[pointers + 2:])
        self.kind = compute_type(dtype)
        self.vector = vector(self.kind, form.lanes)


class Chunk:
    """One chunk of one channel (or of a vector of channels): folds over it."""

    def __init__(self, walk: _Walk, chunk, channel):
        b = walk.b
        size = walk.size
        self.walk, self.b, self.chunk, self.channel = walk, b, chunk, channel
        self.first = (chunk // size.value_blocks) * size.batch_block
        self.end = b.minimum(self.first + size.batch_block, size.batch)
        block = chunk % size.value_blocks
        self.start = block * size.value_block
        stop = b.select(block.equals(size.value_blocks - 1), size.values,
                        self.start + size.value_block)
        form = walk.form
        if form.across:
            self.sweep, count = None, self.end - self.first
        else:
            self.sweep = Sweep(b, form.lanes, stop - self.start, form.static, form.ragged)
            count = (self.end - self.first) * (stop - self.start)
        self.count = b.cast(count, walk.kind)

    def sums(self, quantities, function) -> list:
        """Sums over the chunk of ``function(load)``'s values; ``load(dtype, pointer)``."""
        b, walk, size = self.b, self.walk, self.walk.size
        if self.sweep is None:
            kept = [b.variable(b.constant(walk.vector, 0.0)) for _ in range(quantities)]
            with b.loop(self.first, self.end, unroll=False) as n:
                def load(dtype, pointer):
                    return line(b, dtype, walk.form.lanes, pointer, n * size.channels,
                                walk.kind).load(self.channel)
                for variable, value in zip(kept, function(load)):
                    variable.add(value)
            return [variable.get() for variable in kept]
        fold = Fold(self.sweep, walk.vector, *[(0.0, add)] * quantities)
        with b.loop(self.first, self.end, unroll=False) as n:
            row = (n * size.channels + self.channel) * size.values + self.start
            fold.visit(lambda i, fresh: function(
                lambda dtype, pointer: line(b, dtype, walk.form.lanes, pointer, row,
                                            walk.kind).load(i)))
        return fold.finish()

    def spread(self, value):
        """A folded value as a vector."""
        return value if self.sweep is None else self.b.splat(value, self.walk.form.lanes)

    def of_channel(self, dtype, pointer):
        """The channel's element of a table, as a vector."""
        return self.spread(Line(self.b, dtype, self.walk.form.lanes if self.walk.form.across else 1,
                                pointer, kind=self.walk.kind).load(self.channel))

    def store(self, pointer, values) -> None:
        """Write what was found to (chunk, quantity, channel)."""
        memory = "float64" if self.walk.kind == "double" else "float32"
        for n, value in enumerate(values):
            row = (self.chunk * len(values) + n) * self.walk.size.channels
            line(self.b, memory, 1, pointer, row).store(value, self.channel)


def reduce_chunks(module, form: Form, dtype, pointers, body) -> None:
    """Write a kernel that calls ``body(chunk, *addresses)`` for each chunk of each channel."""
    b = module.kernel()
    walk = _Walk(b, form, dtype, pointers)
    size = walk.size
    with items(b, walk.group, walk.total) as item:
        chunks = size.batch_blocks * size.value_blocks
        chunk = item % chunks
        if not form.across:
            body(Chunk(walk, chunk, item // chunks), *walk.pointers)
        else:
            with channel_vectors(b, form.lanes, item // chunks, size.channels) as channel:
                body(Chunk(walk, chunk, channel), *walk.pointers)
    b.ret(0)


@contextmanager
def channel_vectors(b, lanes, block, channels):
    """A loop over the vectors of a block of channels: one; two, overlapping, in the last block."""
    first = block * lanes
    end = b.select(block.equals(channels // lanes - 1), channels, first + lanes)
    with b.loop(first, end, lanes, unroll=False) as channel:
        yield b.minimum(channel, channels - lanes)


class Plain(NamedTuple):
    """A result stored as it is; see `channel_epilogue.Fused` for what else can become of it."""

    dtype: str

    @property
    def outputs(self) -> int:
        """How many arrays are written."""
        return 1

    def open(self, walk, place):
        """What to make of a vector at place i of a row, and how to store that."""
        out = line(walk.b, self.dtype, walk.form.lanes, walk.pointers[-1], place.row, walk.kind)
        return lambda value, i: value, out.store


class Place(NamedTuple):
    """A row: its first element (of row-major arrays), its sample, its channel (across: None)."""

    row: Any
    sample: Any
    channel: Any


def apply_to_all(module, target, form: Form, arrays, tables, finish, dtype, formula) -> None:
    """Write a kernel for a result computed from each place of arrays and its channel's constants.

    arrays, tables: the dtype of each; their addresses are the first arguments, the results'
    follow. ``formula(b, values, constants)`` gives the result, computed as `dtype` is; `finish`
    (Plain or Fused) says what is stored.
    """
    pointers = len(arrays) + len(tables) + finish.outputs
    b = module.kernel()
    walk = _Walk(b, form, dtype, pointers, target)
    size, lanes = walk.size, form.lanes
    read = list(zip(arrays, walk.pointers))
    listed = list(zip(tables, walk.pointers[len(arrays):]))
    with items(b, walk.group, walk.total) as item:
        if form.across:
            sweep = Sweep(b, lanes, size.channels, 0, True)
            place = Place(item * size.channels, item, None)
        else:
            sweep = Sweep(b, lanes, size.values, form.static, form.ragged)
            place = Place(item * size.values, item // size.channels, item % size.channels)
            fixed = [b.splat(Line(b, name, 1, pointer, kind=walk.kind).load(place.channel), lanes)
                     for name, pointer in listed]
        made, store = finish.open(walk, place)

        def value(i):
            constants = fixed if not form.across else [
                Line(b, name, lanes, pointer, kind=walk.kind).load(i) for name, pointer in listed]
            values = [line(b, name, lanes, pointer, place.row, walk.kind).load(i)
                      for name, pointer in read]
            return made(formula(b, values, constants), i)
        sweep.each(value, store)
    b.ret(0)
