"""Fused pointwise loops: one pass over memory for a whole group of elementwise records.

Two forms. *Flat*: every array is contiguous and of one size (or one element, repeated), so the
loop runs over a number of elements known at run time and one kernel serves every shape. *Nested*:
any strides; axes that can be merged are merged, the innermost axis runs in vectors, the shape is
part of the kernel. Where the innermost axis of an input is not contiguous its elements are
gathered.
"""

from __future__ import annotations

from ..base.dtypes import DTYPES
from .body import (
    MEMORY,
    NUMBER_TYPES,
    Body,
    emit_body,
    from_memory,
    load_number,
    to_memory,
)
from .llvm_types import lanes_of, vector
from .lowering import Number
from .words import Lane, Words

CHUNK = 1 << 16         # elements in one task of a flat loop of cheap instructions


def lower_group(low, body: Body, inputs, outputs) -> None:
    """Append the kernel of a group: `inputs` are Operands (broadcast to one shape) and Numbers."""
    shape = outputs[0].meta.shape
    if 0 in shape:
        return
    arguments = [*inputs, *outputs]
    first = outputs[0].meta
    accesses = []
    flat = all(o.meta.strides == first.strides and o.meta.dense for o in outputs)
    for item in inputs:
        if isinstance(item, Number):
            accesses.append("number")
        elif not any(s and n > 1 for s, n in zip(item.meta.strides, shape)):
            accesses.append("one")
        elif same_walk(item.meta, first):
            accesses.append("each")
        else:
            flat = False
    if flat:
        count = first.numel
        cost = 2 + sum(instruction_cost(c[0]) for c in body.code)
        chunk = max(1024, CHUNK * 8 // max(8, cost) // 1024 * 1024)
        low.step("pointwise.flat", (body, tuple(accesses), chunk), [*arguments, count],
                 tasks=-(-count // chunk))
        return
    walks = [None if isinstance(a, Number) else a.meta.strides for a in arguments]
    sizes, walks = merged_axes(shape, walks, first.strides)
    tasks, outer = split_outer(sizes)
    low.step("pointwise.nested", (body, sizes, tuple(walks), outer), arguments, tasks=tasks)


def same_walk(a, b) -> bool:
    """Whether two layouts of one shape visit memory alike (axes of size one do not count)."""
    return all(x == y or n == 1 for x, y, n in zip(a.strides, b.strides, a.shape)) and \
        a.shape == b.shape and b.dense


def instruction_cost(name: str) -> int:
    """A rough count of instructions, for the size of tasks."""
    return {"cast": 1, "add": 1, "mul": 1, "sub": 1, "gt": 1, "relu": 1}.get(name, 8)


def merged_axes(shape, walks, order):
    """Axes from the slowest to the fastest of `order`, neighbours merged where all walks allow.

    Returns (sizes, walks): None stays None among the walks.
    """
    axes = sorted((a for a in range(len(shape)) if shape[a] != 1),
                  key=lambda a: (-order[a], a))
    sizes: list[int] = []
    present = [w for w in walks if w is not None]
    steps: list[list[int]] = []         # for each merged axis: the stride of each present walk
    for axis in axes:
        n = shape[axis]
        if sizes and all(before == w[axis] * n for before, w in zip(steps[-1], present)):
            sizes[-1] *= n
            steps[-1] = [w[axis] for w in present]
        else:
            sizes.append(n)
            steps.append([w[axis] for w in present])
    if not sizes:
        sizes, steps = [1], [[1] * len(present)]
    merged = iter(zip(*steps))
    return tuple(sizes), [None if w is None else next(merged) for w in walks]


def split_outer(sizes):
    """(tasks, tasks along the first axes): how many of the outer axes' indices are tasks."""
    total = 1
    for n in sizes:
        total *= n
    if total <= CHUNK or len(sizes) == 1:
        return 1, 0
    tasks, outer = 1, 0
    while outer < len(sizes) - 1 and total // tasks > CHUNK:
        tasks *= sizes[outer]
        outer += 1
    return tasks, outer


def pick_lanes(target, body: Body) -> int:
    """How many elements a vector holds: the widest dtype fills one or two registers."""
    sizes = [DTYPES[NUMBER_TYPES.get(n, n)].itemsize if n not in NUMBER_TYPES else 1
             for n in body.inputs]
    for _, _, compute, result in body.code:
        sizes += [max(4, DTYPES[compute].itemsize) if DTYPES[compute].half
                  else DTYPES[compute].itemsize, DTYPES[result].itemsize]
    widest = max(sizes, default=4)
    return max(target.lanes(4) if widest == 8 else target.lanes(widest), 2)


def flat(module, target, body: Body, accesses: tuple, chunk: int) -> None:
    """Kernel: inputs, outputs, count; task t covers elements t*chunk .. (t+1)*chunk - 1."""
    b = module.kernel()
    words = [b.element(b.args[0], i, "i64")
             for i in range(len(accesses) + len(body.outputs) + 1)]
    lanes = pick_lanes(target, body)
    fixed: dict = {}
    pointers: dict = {}
    for i, access in enumerate(accesses):
        if access == "number":
            fixed[i] = load_number(b, body.inputs[i], words[i])
        else:
            pointers[i] = b.load("ptr", words[i])
            if access == "one":
                fixed[i] = from_memory(b, body.inputs[i],
                                       b.load(MEMORY[body.inputs[i]], pointers[i]))
    targets = [b.load("ptr", words[len(accesses) + j]) for j in range(len(body.outputs))]
    count = b.load("i64", words[-1])
    wide = Words(b, target, lanes)
    spread = {i: wide.widen(lane) for i, lane in fixed.items()}

    def element(index, mask):
        inputs = []
        for i, access in enumerate(accesses):
            if access != "each":
                inputs.append(spread[i])
                continue
            kind = MEMORY[body.inputs[i]]
            address = b.element(pointers[i], index, kind)
            inputs.append(from_memory(b, body.inputs[i], read(b, kind, lanes, address, mask)))
        for pointer, lane in zip(targets, emit_body(b, target, body, inputs)):
            value = to_memory(b, wide.widen(lane), exact=True)
            write(b, value, b.element(pointer, index, value.type), mask)

    begin = b.args[1] * chunk
    end = b.minimum(b.args[2] * chunk, count)
    whole = begin + (end - begin) // lanes * lanes
    with b.loop(begin, whole, lanes) as index:
        element(index, None)
    rest = end - whole
    with b.when(rest > 0):
        element(whole, b.first_lanes(lanes, rest))
    b.ret(0)


def read(b, kind, lanes, address, mask):
    """A vector from consecutive memory, whole or masked."""
    if mask is None:
        return b.load(vector(kind, lanes), address)
    return _as_bits(b, kind, lanes, lambda k: b.masked_load(k, address, mask))


def write(b, value, address, mask) -> None:
    """A vector to consecutive memory, whole or masked."""
    if mask is None:
        b.store(value, address)
        return
    for small, bits in (("half", "i16"), ("bfloat", "i16")):
        if small in value.type:
            value = b.bitcast(value, vector(bits, lanes_of(value.type)))
    b.masked_store(value, address, mask)


def _as_bits(b, kind, lanes, load):
    # 16-bit floats travel as integers: not every target masks them.
    if kind in ("half", "bfloat"):
        return b.bitcast(load(vector("i16", lanes)), vector(kind, lanes))
    return load(vector(kind, lanes))


def nested(module, target, body: Body, sizes: tuple, walks: tuple, outer: int) -> None:
    """Kernel: inputs, outputs; the first `outer` axes are the tasks, the rest are loops."""
    b = module.kernel()
    lanes = min(pick_lanes(target, body), power_above(sizes[-1]))
    wide = Words(b, target, lanes)
    number_of_inputs = len(body.inputs)
    pointers: list = []
    fixed: dict = {}
    for i, walk in enumerate(walks):
        address = b.element(b.args[0], i, "i64")
        if walk is None:
            fixed[i] = wide.widen(load_number(b, body.inputs[i], address))
            pointers.append(None)
        else:
            pointers.append(b.load("ptr", address))
    kinds = [None if w is None else MEMORY[name] for w, name in
             zip(walks, [*body.inputs, *body.output_dtypes()])]

    def element(bases, index, mask):
        inputs = []
        for i, name in enumerate(body.inputs):
            if walks[i] is None:
                inputs.append(fixed[i])
                continue
            step, kind = walks[i][-1], kinds[i]
            if step == 0:
                value = b.load(kind, bases[i])
                inputs.append(wide.widen(from_memory(b, name, value)))
                continue
            if step == 1:
                value = read(b, kind, lanes, b.element(bases[i], index, kind), mask)
            else:
                value = strided(b, kind, lanes, b.element(bases[i], index * step, kind), step, mask,
                                target)
            inputs.append(from_memory(b, name, value))
        for j, lane in enumerate(emit_body(b, target, body, inputs)):
            i = number_of_inputs + j
            value = to_memory(b, wide.widen(lane), exact=True)
            step = walks[i][-1]
            if step == 1:
                write(b, value, b.element(bases[i], index, kinds[i]), mask)
            else:
                scatter(b, value, b.element(bases[i], index * step, kinds[i]), step, mask)

    def inner(bases):
        whole = sizes[-1] // lanes * lanes
        if whole:
            with b.loop(0, whole, lanes) as index:
                element(bases, index, None)
        if sizes[-1] > whole:
            element(bases, b.constant("i64", whole),
                    b.first_lanes(lanes, sizes[-1] - whole) if lanes > 1 else None)

    def loops(axis, bases):
        if axis == len(sizes) - 1:
            inner(bases)
            return
        with b.loop(0, sizes[axis]) as index:
            loops(axis + 1, advance(bases, axis, index))

    def advance(bases, axis, index):
        return [None if p is None else b.element(p, index * walks[i][axis], kinds[i])
                if walks[i][axis] else p for i, p in enumerate(bases)]

    if outer == 0:
        loops(0, pointers)
    else:
        with b.loop(b.args[1], b.args[2]) as task:
            bases, rest = pointers, task
            for axis in range(outer - 1, -1, -1):
                index = rest % sizes[axis] if axis else rest
                bases = advance(bases, axis, index)
                if axis:
                    rest = rest // sizes[axis]
            loops(outer, bases)
    b.ret(0)


def power_above(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << max(n - 1, 0).bit_length()


def strided(b, kind, lanes, address, step, mask, target):
    """Elements `step` apart."""
    if lanes == 1:
        return b.load(kind, address)
    indices = b.arithmetic("mul", b.iota("i64", lanes), step)
    if mask is None and kind in ("float", "double", "i32", "i64"):
        return b.gather(vector(kind, lanes), address, indices)
    value = b.constant(vector(kind, lanes), 0) if kind not in ("half", "bfloat") else None
    bits = {"half": "i16", "bfloat": "i16"}.get(kind, kind)
    value = b.constant(vector(bits, lanes), 0)
    slot = b.variable(value)
    for lane in range(lanes):
        def one(lane=lane):
            found = b.load(bits, b.element(address, lane * step, kind))
            slot.set(b.insert(slot.get(), found, lane))
        if mask is None:
            one()
        else:
            with b.when(b.extract(mask, lane)):
                one()
    value = slot.get()
    return value if bits == kind else b.bitcast(value, vector(kind, lanes))


def scatter(b, value, address, step, mask) -> None:
    """Store lanes `step` elements apart."""
    for lane in range(lanes_of(value.type)):
        def one(lane=lane):
            b.store(b.extract(value, lane), b.element(address, lane * step, value.type))
        if mask is None or lanes_of(value.type) == 1:
            one()
        else:
            with b.when(b.extract(mask, lane)):
                one()


__all__ = ["Lane", "flat", "lower_group", "nested"]
