"""The kernels of reductions; `reduction` says what they are for.

Arguments: the inputs, the outputs, outputs (or blocks of columns) a task, the length and number of
pieces, the sizes of the axes, and every stride that the form does not know.

Sums are accurate because they are sums of sums: a vector (or row) of partial results takes at most
some hundred elements, then is added to one of a second level.
"""

from __future__ import annotations

from .body import MEMORY, emit_body, from_memory, load_number
from .pointwise import read, scatter, strided, write
from .reduction_state import State
from .words import Words

LEVEL = 256             # rows that a first-level result takes
DEPTH = 64              # vectors that one does
COLUMNS = 1024          # columns in a block


class Reader:
    """A kernel's numbers and inputs: sizes, strides, addresses along a walk, vectors."""

    def __init__(self, b, target, body, form, reduction):
        self.b, self.target, self.body, self.form = b, target, body, form
        self.lanes = form.lanes
        self.words = Words(b, target, form.lanes)
        self.axes = len(form.reduced)
        self.last = self.axes - 1
        self.kinds = [None if w is None else MEMORY[name]
                      for name, w in zip(body.inputs, form.walks)]
        self.fixed = {}
        self.pointers = []
        for i, walk in enumerate(form.walks):
            address = b.element(b.args[0], i, "i64")
            if walk is None:
                self.fixed[i] = self.words.widen(load_number(b, body.inputs[i], address))
                self.pointers.append(None)
            else:
                self.pointers.append(b.load("ptr", address))
        self.next = len(form.walks)
        self.outputs = [(b.load("ptr", b.element(b.args[0], self.next + i, "i64")), MEMORY[name])
                        for i, (_, name) in enumerate(reduction.results)]
        self.next += len(self.outputs)
        self.per, self.length, self.pieces = self.word(), self.word(), self.word()
        self.sizes = [self.word() for _ in range(self.axes)]
        self.walks = [[] if w is None else self.strides(w) for w in form.walks]
        self.out, self.position = self.strides(form.out), self.strides(form.position)

    def word(self):
        """The next argument."""
        self.next += 1
        return self.b.load("i64", self.b.element(self.b.args[0], self.next - 1, "i64"))

    def strides(self, codes):
        """A stride for each axis: a Python 0 or 1, or an argument."""
        return [self.word() if code == "s" else code for code in codes]

    def count(self, axes):
        """The number of elements over some axes."""
        found = self.b.constant("i64", 1)
        for axis in axes:
            found = found * self.sizes[axis]
        return found

    def advance(self, bases, axis, index):
        """The addresses after moving `index` along an axis."""
        found = []
        for i, pointer in enumerate(bases):
            walk = self.walks[i]
            if pointer is None or self.form.walks[i][axis] == 0:
                found.append(pointer)
            else:
                found.append(self.b.element(pointer, index * walk[axis], self.kinds[i]))
        return found

    def position_after(self, axis, index, position):
        """A position after moving along an axis."""
        if position is None or self.form.position[axis] == 0:
            return position
        return position + index * self.position[axis]

    def values(self, bases, index, mask=None):
        """The body's outputs for the vector that starts at `index` of the last axis."""
        b = self.b
        inputs = []
        for i, name in enumerate(self.body.inputs):
            if i in self.fixed:
                inputs.append(self.fixed[i])
                continue
            code, kind = self.form.walks[i][-1], self.kinds[i]
            if code == 0:
                inputs.append(self.words.widen(from_memory(b, name, b.load(kind, bases[i]))))
                continue
            step = self.walks[i][-1]
            address = b.element(bases[i], index * step, kind)
            if code == 1:
                value = read(b, kind, self.lanes, address, mask)
            else:
                value = strided(b, kind, self.lanes, address, step, mask, self.target)
            inputs.append(from_memory(b, name, value))
        return [self.words.widen(lane) for lane in emit_body(b, self.target, self.body, inputs)]

    def piece(self, task):
        """(group of outputs, {axis: (begin, end)} of the piece, number of the piece)."""
        axis = self.form.split
        if axis < 0:
            return task, {}, self.b.constant("i64", 0)
        piece = task % self.pieces
        begin = piece * self.length
        end = self.b.minimum(begin + self.length, self.sizes[axis])
        return task // self.pieces, {axis: (begin, end)}, piece

    def span(self, ranges, axis):
        """Where to run along an axis."""
        return ranges.get(axis, (self.b.constant("i64", 0), self.sizes[axis]))

    def at_output(self, kept, number, place):
        """(input addresses, place in the outputs) of output `number` of the kept axes."""
        bases = self.pointers
        for axis in reversed(kept):
            index = number
            if axis != kept[0]:
                index, number = number % self.sizes[axis], number // self.sizes[axis]
            bases = self.advance(bases, axis, index)
            place = place + index * self.out[axis]
        return bases, place

    def walk(self, axes, ranges, bases, position, visit):
        """Loops over reduced axes, the slowest outside."""
        if not axes:
            visit(bases, position)
            return
        begin, end = self.span(ranges, axes[0])
        with self.b.loop(begin, end, unroll=False) as index:
            self.walk(axes[1:], ranges, self.advance(bases, axes[0], index),
                      self.position_after(axes[0], index, position), visit)


def rows(module, target, body, form, reduction):
    """Kernel: vectors along the last axis, which is reduced; each output is a few vectors' sum."""
    b = module.kernel()
    state = State(b, target, form.lanes, reduction)
    reader = Reader(b, target, body, form, reduction)
    kept = [a for a in range(reader.last) if not form.reduced[a]]
    loops = [a for a in range(reader.last) if form.reduced[a]]
    count = reader.count(kept)
    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        group, ranges, piece = reader.piece(task)
        first = group * reader.per
        with b.loop(first, b.minimum(first + reader.per, count), unroll=False) as number:
            bases, place = reader.at_output(kept, number, piece * count)
            level = state.variables()
            start = b.constant("i64", 0) if state.placed else None
            span = reader.span(ranges, reader.last)
            reader.walk(loops, ranges, bases, start, lambda bases, position, level=level, span=span:
                        row(reader, state, bases, position, span, level))
            found = state.finish(state.fold(level.get()))
            for (pointer, kind), value in zip(reader.outputs, found):
                b.store(value, b.element(pointer, place, kind))
    b.ret(0)


def row(reader, state, bases, position, span, level):
    """Combine the elements `span` of the last axis into `level`."""
    b, lanes, form = reader.b, reader.lanes, reader.form
    step = form.unroll * lanes

    def one(accumulator, index, mask=None):
        values = reader.values(bases, index, mask)
        accumulator.set(state.combine(accumulator.get(), state.of(
            values, index, position, mask, reader.position[-1])))

    def stretch(low, high, accumulators):
        whole = low + (high - low) // step * step
        with b.loop(low, whole, step, unroll=False) as index:
            for u, accumulator in enumerate(accumulators):
                one(accumulator, index + u * lanes)
        with b.loop(whole, high, lanes, unroll=False) as index:
            one(accumulators[0], index, b.first_lanes(lanes, b.minimum(high - index, lanes)))

    def settle(accumulators):
        values = [a.get() for a in accumulators]
        while len(values) > 1:
            half = len(values) // 2
            values = [state.combine(x, y) for x, y in zip(values[:half], values[half:])]
        level.set(state.combine(level.get(), values[0]))

    begin, end = span
    if not form.levels:
        if form.unroll == 1:
            stretch(begin, end, [level])
            return
        accumulators = [state.variables() for _ in range(form.unroll)]
        stretch(begin, end, accumulators)
        settle(accumulators)
        return
    block = step * DEPTH
    with b.loop(begin, end, block, unroll=False) as low:
        accumulators = [state.variables() for _ in range(form.unroll)]
        stretch(low, b.minimum(low + block, end), accumulators)
        settle(accumulators)


def columns(module, target, body, form, reduction):
    """Kernel: vectors along the last axis, which is kept; a row of results stays in the cache."""
    b = module.kernel()
    lanes, last = form.lanes, len(form.reduced) - 1
    state = State(b, target, lanes, reduction)
    reader = Reader(b, target, body, form, reduction)
    kept = [a for a in range(last) if not form.reduced[a]]
    others = [a for a in range(last) if form.reduced[a] and a != form.along]
    width, units = reader.sizes[last], reader.count(kept)
    count = units * width
    blocks = (width + (COLUMNS - 1)) // COLUMNS
    if form.blocks:
        units = units * blocks
    results = state.memory(form.room)
    second = state.memory(form.room) if form.levels else None
    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        group, ranges, piece = reader.piece(task)
        first = group * reader.per
        with b.loop(first, b.minimum(first + reader.per, units), unroll=False) as unit:
            low, high, number = b.constant("i64", 0), width, unit
            if form.blocks:
                low = unit % blocks * COLUMNS
                high, number = b.minimum(low + COLUMNS, width), unit // blocks
            bases, place = reader.at_output(kept, number, piece * count)
            start = b.constant("i64", 0) if state.placed else None
            span = (low, high)
            for memory in (results, second):
                if memory is not None:
                    with b.loop(0, high - low, lanes, unroll=False) as index:
                        state.store(state.identity(), memory, index)

            def visit(bases, position, span=span, ranges=ranges):
                begin, stop = reader.span(ranges, form.along)
                if second is None:
                    add_rows(reader, state, results, (begin, stop), bases, position, span)
                    return
                with b.loop(begin, stop, LEVEL, unroll=False) as block:
                    limit = b.minimum(block + LEVEL, stop)
                    add_rows(reader, state, results, (block, limit), bases, position, span)
                    with b.loop(0, span[1] - span[0], lanes, unroll=False) as index:
                        sums = state.combine(state.load(second, index), state.load(results, index))
                        state.store(sums, second, index)
                        state.store(state.identity(), results, index)

            reader.walk(others, ranges, bases, start, visit)
            put(reader, state, results if second is None else second, span, place)
    b.ret(0)


def put(reader, state, results, span, place):
    """Finish a row of results and write it to the outputs."""
    b, lanes, form = reader.b, reader.lanes, reader.form
    low, high = span
    with b.loop(low, high, lanes, unroll=False) as index:
        values = state.finish(state.load(results, index - low))
        mask = b.first_lanes(lanes, b.minimum(high - index, lanes)) if form.masked else None
        step = reader.out[-1]
        for (pointer, kind), value in zip(reader.outputs, values):
            address = b.element(pointer, place + index * step, kind)
            if form.out[-1] == 1:
                write(b, value, address, mask)
            else:
                scatter(b, value, address, step, mask)


def add_rows(reader, state, results, rows_span, bases, position, span):
    """Combine rows `rows_span` of the longest reduced axis, columns `span`, into the results."""
    b, lanes, form = reader.b, reader.lanes, reader.form
    many, along = form.unroll, form.along
    begin, stop = rows_span
    low, high = span
    whole = low + (high - low) // lanes * lanes if form.masked else high

    def some(index, count):
        rows_at = [reader.advance(bases, along, index + i) for i in range(count)]
        places = [reader.position_after(along, index + i, position) for i in range(count)]

        def at(column, mask=None):
            values = [state.of(reader.values(row, column, mask), column, place, mask, 0)
                      for row, place in zip(rows_at, places)]
            while len(values) > 1:
                values = [state.combine(x, y) for x, y in zip(values[::2], values[1::2])]
            total = state.combine(state.load(results, column - low), values[0])
            state.store(total, results, column - low)

        with b.loop(low, whole, lanes, unroll=False) as column:
            at(column)
        if form.masked:
            with b.when(whole < high):
                at(whole, b.first_lanes(lanes, high - whole))

    together = begin + (stop - begin) // many * many
    with b.loop(begin, together, many, unroll=False) as index:
        some(index, many)
    if many > 1:
        with b.loop(together, stop, unroll=False) as index:
            some(index, 1)
