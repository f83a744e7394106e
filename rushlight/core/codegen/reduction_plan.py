"""How a reduction is cut: its axes, the form of its kernels, its tasks and pieces.

`Space` says how the axes lie. Two kernels walk it: `rows`, where a vector runs along a reduced
axis, and `columns`, where it runs along a kept one. Large reductions are cut into pieces by shape
alone, whose results a second step combines in order.
"""

from __future__ import annotations

from typing import NamedTuple

from ..base import dtypes as dt
from ..base.shapes import Meta
from .body import Body
from .library import target
from .lowering import Number
from .pointwise import instruction_cost, pick_lanes
from .reduction_kernels import COLUMNS, DEPTH, LEVEL

GRAIN = 32768           # elements of cheap arithmetic in a task
NARROW = 16             # below, a vector along the reduced axis would be mostly empty


class Space(NamedTuple):
    """Axes from the slowest to the fastest; the last is the one that vectors run along.

    reduced: which axes are reduced. walks: for each input its stride along each axis in elements
    (None for a Python number). out: the outputs' strides, 0 on reduced axes. position: the strides
    of an element's position within what is reduced, 0 on kept axes.
    """

    sizes: tuple
    reduced: tuple
    walks: tuple
    out: tuple
    position: tuple


class Reduction(NamedTuple):
    """How values combine.

    word: "add", "mul", "max", "min", or "argmax" and "argmin", which keep a position too. dtype: of
    the combined values. results: "value" or "position" and the dtype of each output. finish: what
    happens to a value at the end: (), ("divide", n), ("root",), ("divide root", n), ("nan",).
    """

    word: str
    dtype: str
    results: tuple
    finish: tuple


class Form(NamedTuple):
    """What the text of a kernel depends on; sizes and strides are arguments, so shapes share it.

    reduced: as in `Space`. walks, out, position: 0, 1 or "s" (any other stride) for each axis.
    split: the axis that is cut, or -1. lanes: elements in a vector. unroll: vectors (or rows)
    combined before they meet the result. levels: whether results have a second level. blocks:
    whether the columns fill more than one block. room: columns of a block. masked: whether the
    last vector is partly empty. along: the longest reduced axis (columns).
    """

    reduced: tuple
    walks: tuple
    out: tuple
    position: tuple
    split: int
    lanes: int
    unroll: int
    levels: bool
    blocks: bool
    room: int
    masked: bool
    along: int = 0


class Split(NamedTuple):
    """How the work becomes tasks: `per` outputs (or blocks of columns) and one piece of an axis."""

    per: int
    axis: int         # the axis that is cut; -1: none
    length: int       # of one piece
    pieces: int


def space_of(shape, order, dims, walks, out_meta, keepdim):
    """The `Space` of a reduction of `shape` over `dims`, merging axes where all walks allow.

    order: the strides by which axes are sorted. out_meta: the output's (its shape with or without
    the reduced axes).
    """
    kept_strides = iter(out_meta.strides)
    out, place, position = [], 1, [0] * len(shape)
    for axis in range(len(shape)):
        if axis in dims:
            out.append(0)
            if keepdim:
                next(kept_strides)
        else:
            out.append(next(kept_strides))
    for axis in sorted(dims, reverse=True):
        position[axis] = place
        place *= shape[axis]
    axes = sorted((a for a in range(len(shape)) if shape[a] != 1), key=lambda a: (-order[a], a))
    sizes: list[int] = []
    reduced: list[bool] = []
    steps: list[list[int]] = []
    present = [w for w in walks if w is not None]
    for axis in axes:
        n, is_reduced = shape[axis], axis in dims
        step = [*(w[axis] for w in present), out[axis], position[axis]]
        if sizes and reduced[-1] == is_reduced and all(
                before == s * n for before, s in zip(steps[-1], step)):
            sizes[-1] *= n
            steps[-1] = step
        else:
            sizes.append(n)
            reduced.append(is_reduced)
            steps.append(step)
    if not any(reduced):
        sizes.insert(0, 1)
        reduced.insert(0, True)
        steps.insert(0, [0] * (len(present) + 2))
    columns = list(zip(*steps))
    merged = iter(columns)
    walks = tuple(None if w is None else tuple(next(merged)) for w in walks)
    return Space(tuple(sizes), tuple(reduced), walks, tuple(columns[-2]), tuple(columns[-1]))


def arranged(space: Space):
    """("rows" or "columns", the space with the vectors' axis last)."""
    last = len(space.sizes) - 1
    kept = [a for a in range(last + 1) if not space.reduced[a]]
    if space.reduced[last] and (space.sizes[last] >= NARROW or not kept):
        return "rows", space
    axis = kept[-1]
    if axis == last:
        return "columns", space

    def moved(values):
        return (*values[:axis], *values[axis + 1:], values[axis])

    return "columns", Space(moved(space.sizes), moved(space.reduced),
                            tuple(None if w is None else moved(w) for w in space.walks),
                            moved(space.out), moved(space.position))


def split_of(kind, space: Space, cost: int):
    """(`Split`, tasks) by shape alone."""
    total, units = 1, 1
    for n, reduced in zip(space.sizes, space.reduced):
        total *= n
        units *= 1 if reduced else n
    if kind == "columns":
        width = space.sizes[-1]
        units = units // width * -(-width // COLUMNS)
    grain = max(GRAIN * 4 // max(cost, 4), 2048)
    work = total // units
    if total <= 2 * grain:
        return Split(units, -1, 0, 1), 1
    if work <= 2 * grain or units >= 256:
        per = max(1, grain // max(work, 1))
        return Split(per, -1, 0, 1), -(-units // per)
    axis = along_axis(space)
    length = max(1, grain * space.sizes[axis] // work)
    if axis == len(space.sizes) - 1:
        length = -(-length // 1024) * 1024
    pieces = -(-space.sizes[axis] // length)
    return Split(1, axis, length, pieces), pieces * units


def lower_reduction(low, body, inputs, x, dims, keepdim, reduction, outputs) -> None:
    """Append the steps of a reduction of values `body` over `dims` of a meta `x`.

    inputs: the body's, each Operand broadcast to x's shape. outputs: an Operand or a temporary
    (slot, bytes to add) and its meta, for each of the reduction's results.
    """
    out_meta = outputs[0].meta
    walks = [None if isinstance(i, Number) else i.meta.strides for i in inputs]
    kind, space = arranged(space_of(x.shape, x.strides, dims, walks, out_meta, keepdim))
    cost = 4 + sum(instruction_cost(c[0]) for c in body.code)
    split, tasks = split_of(kind, space, cost)
    if split.pieces == 1:
        append(low, kind, body, space, reduction, split, [*inputs, *map(argument, outputs)], tasks)
        return
    count = out_meta.numel
    partial = reduction._replace(finish=(), results=(("value", reduction.dtype),))
    if reduction.word.startswith("arg"):
        partial = partial._replace(results=(("value", reduction.dtype), ("position", "int64")))
    memory = [low.temporary(count * split.pieces * dt.DTYPES[name].itemsize)
              for _, name in partial.results]
    append(low, kind, body, space, partial, split, [*inputs, *[("slot", m) for m in memory]], tasks)
    # The pieces lie one after another, each laid out as the output is.
    names = tuple(name for _, name in partial.results)
    second = Space((split.pieces, count), (True, False), ((count, 1),) * len(names), (0, 1), (0, 0))
    if count == 1:
        second = Space((split.pieces,), (True,), ((1,),) * len(names), (0,), (0,))
    kind = "rows" if count == 1 else "columns"
    units = 1 if count == 1 else -(-count // COLUMNS)
    per = units if split.pieces * count <= 2 * GRAIN else 1
    append(low, kind, Body(names, (), tuple(range(len(names)))), second, reduction,
           Split(per, -1, 0, 1), [*[("slot", m) for m in memory], *map(argument, outputs)],
           -(-units // per))


def append(low, kind, body, space, reduction, split, arguments, tasks) -> None:
    """Append one kernel: its form, then the numbers it is called with."""
    form = form_of(kind, body, space, reduction, split)
    numbers = [split.per, split.length, split.pieces, *space.sizes]
    for codes, strides in zip([*form.walks, form.out, form.position],
                              [*space.walks, space.out, space.position]):
        if codes is not None:
            numbers += [n for code, n in zip(codes, strides) if code == "s"]
    low.step("reduction_kernels." + kind, (body, form, reduction), [*arguments, *numbers],
             tasks=tasks)


def form_of(kind, body, space, reduction, split) -> Form:
    """The `Form` of a kernel; sizes enter as classes only."""
    def codes(strides):
        return None if strides is None else tuple(n if n in (0, 1) else "s" for n in strides)

    last = len(space.sizes) - 1
    size = space.sizes[last]
    lanes = lanes_for(body, reduction)
    cost = sum(instruction_cost(c[0]) for c in body.code)
    # A long body keeps the arithmetic units busy alone, and each copy of it costs compile time.
    unroll = 1 if reduction.word.startswith("arg") or cost >= 8 else 4 if cost <= 4 else 2
    exact = reduction.word in ("max", "min") or reduction.word.startswith("arg") or \
        dt.DTYPES[reduction.dtype].category != 2
    if kind == "rows":
        while unroll > 1 and size < unroll * lanes:
            unroll //= 2
        return Form(space.reduced, tuple(map(codes, space.walks)), codes(space.out),
                    codes(space.position), split.axis, lanes, unroll,
                    size > unroll * lanes * DEPTH, False, 0, True)
    lanes = min(lanes, 1 << max(size - 1, 1).bit_length())
    along = along_axis(space)
    rows = split.length if split.axis == along else space.sizes[along]
    if cost > 4 or rows < 4:
        unroll = 1
    room = max(lanes, min(COLUMNS, 1 << (size - 1).bit_length()))
    return Form(space.reduced, tuple(map(codes, space.walks)), codes(space.out),
                codes(space.position), split.axis, lanes, unroll,
                rows > 2 * LEVEL and not exact, size > COLUMNS, room, size % lanes != 0, along)


def along_axis(space):
    """The longest reduced axis."""
    return max((a for a in range(len(space.sizes)) if space.reduced[a]),
               key=lambda a: space.sizes[a])


def lanes_for(body, reduction) -> int:
    """Elements in one vector: at most two registers of the combined dtype."""
    wanted = target()
    return max(2, min(pick_lanes(wanted, body),
                      2 * wanted.lanes(dt.DTYPES[reduction.dtype].itemsize)))


class Place(NamedTuple):
    """A temporary as an output."""

    slot: int
    meta: Meta


def argument(output):
    """An output as a step's argument."""
    return ("slot", output.slot) if isinstance(output, Place) else output
