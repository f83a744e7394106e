"""Copies between strided layouts: rows, repeated values, transposes in register tiles.

One kernel serves all sizes and strides of a kind, since both are arguments. Elements are moved as
bits, so any dtype works; 16-byte elements are pairs of 8.

A copy is put in the order of the destination; its last two axes are the inner block, the others
are outer. Kinds, by the strides of the inner block (source, destination):

    row         both 1 along the last axis: vectors, the last one overlapping
    repeat      source 0, destination 1: one value, stored as vectors
    transpose   source 1 along the last but one, destination 1 along the last: square tiles
    scattered   anything else: element by element
"""

from __future__ import annotations

from .emit import Builder
from .llvm_types import vector
from .sharing import arguments, items, lanes_for, share

OUTER = 4                 # outer axes a kernel knows; more are copied in several steps
BLOCK = 4096              # elements an item moves, about


def _collapsed(shape, source, target):
    """Axes as [size, source stride, target stride], in the target's order, merged where one."""
    axes = [[n, s, t] for n, s, t in zip(shape, source, target) if n != 1]
    axes.sort(key=lambda axis: (-abs(axis[2]), -abs(axis[1])))
    merged: list = []
    for axis in axes:
        if merged and merged[-1][1] == axis[0] * axis[1] and merged[-1][2] == axis[0] * axis[2]:
            merged[-1] = [merged[-1][0] * axis[0], axis[1], axis[2]]
        else:
            merged.append(axis)
    return merged


def copy_steps(low, dtype, shape, source, source_strides, target, target_strides,
               source_start=0, target_start=0) -> None:
    """Append kernels that copy an array between two layouts (strides, starts in elements).

    `source` and `target` are step arguments; the memory must not overlap.
    """
    size = dtype.itemsize
    if 0 in shape:
        return
    axes = _collapsed(shape, source_strides, target_strides)
    if size == 16:
        axes = [[n, 2 * s, 2 * t] for n, s, t in axes] + [[2, 1, 1]]
        axes = _collapsed(*zip(*axes))
        source_start, target_start, size = 2 * source_start, 2 * target_start, 8
    while len(axes) < 2:
        axes.insert(0, [1, 0, 0])
    if len(axes) > OUTER + 2:
        # Rare: one step for each place of the outermost axis.
        n, s, t = axes[0]
        rest = list(zip(*axes[1:]))
        for i in range(n):
            copy_steps(low, _Bits(size), rest[0], source, rest[1], target, rest[2],
                       source_start + i * s, target_start + i * t)
        return
    last = axes.pop()
    kind = "scattered"
    if last[2] == 1 and last[1] in (0, 1):
        kind = "repeat" if last[1] == 0 else "row"
    elif last[2] == 1:
        across = next((a for a in axes if a[1] == 1 and a[0] >= 4), None)
        if across is not None and last[0] >= 4:
            axes.remove(across)
            axes.append(across)
            kind = "transpose"
    most = 64 // size
    if kind == "transpose":
        lanes = lanes_for(min(axes[-1][0], last[0]), 4 if size == 8 else 8)
        blocks = (64, 64)
    else:
        lanes = 1 if kind == "scattered" else lanes_for(last[0], most)
        wide = min(last[0], BLOCK)
        blocks = (max(1, BLOCK // wide), wide)
    before = axes.pop()
    # The last block along an axis takes the rest too, so each has a whole vector or tile.
    counts = [max(1, before[0] // blocks[0]), max(1, last[0] // blocks[1])]
    outer = [[1, 0, 0]] * (OUTER - len(axes)) + axes
    total = counts[0] * counts[1]
    for n, _, _ in outer:
        total *= n
    per_item = min(blocks[0], before[0]) * min(blocks[1], last[0])
    group, tasks = share(total, per_item * size * (0.08 if kind in ("row", "repeat") else 0.3))
    words = [_moved(source, source_start * size), _moved(target, target_start * size), group,
             total, *before, *last, *blocks, *counts]
    for axis in outer:
        words.extend(axis)
    low.step("copying.copy", (size, lanes, kind, sum(1 for n, _, _ in outer if n > 1)), words,
             tasks)


class _Bits:
    """Stands for a dtype of which only the size matters."""

    def __init__(self, itemsize):
        self.itemsize = itemsize


def _moved(word, nbytes):
    """A step argument `nbytes` further on."""
    if isinstance(word, tuple) and word[0] == "slot":
        return ("slot", word[1], (word[2] if len(word) > 2 else 0) + nbytes)
    return ("slot", word.slot, word.meta.offset * word.meta.dtype.itemsize + nbytes)


def copy(module, target, size, lanes, kind, outer):
    """Generator: see the module. `outer`: how many outer axes are longer than one (the last ones).

    Arguments: source, target, group, total, then (size, source stride, target stride) of the last
    but one axis and of the last, the block's sizes along both, the blocks along both, and the
    outer axes likewise.
    """
    b = module.kernel()
    source, goal, group, total, *rest = arguments(b, "ptr", "ptr", *["i64"] * (12 + 3 * OUTER))
    rows, row_source, row_target, columns, source_step, target_step = rest[:6]
    row_block, column_block, row_blocks, column_blocks = rest[6:10]
    axes = [rest[10 + 3 * i: 13 + 3 * i] for i in range(OUTER)][OUTER - outer:]
    element = f"i{8 * size}"
    with items(b, group, total) as item:
        block = item % column_blocks
        left = item // column_blocks
        start = block * column_block
        end = b.select(block.equals(column_blocks - 1), columns, start + column_block)
        block = left % row_blocks
        left = left // row_blocks
        row = block * row_block
        row_end = b.select(block.equals(row_blocks - 1), rows, row + row_block)
        here, there = b.constant("i64", 0), b.constant("i64", 0)
        for i, (count, s, t) in enumerate(reversed(axes)):
            place = left if i == len(axes) - 1 else left % count
            left = left // count
            here, there = here + place * s, there + place * t
        if kind == "transpose":
            _transpose(b, element, lanes, (source, goal, here, there),
                       (row, row_end, row_target), (start, end, source_step))
        else:
            with b.loop(row, row_end, unroll=False) as r:
                read = b.element(source, here + r * row_source, element)
                write = b.element(goal, there + r * row_target, element)
                if kind == "scattered":
                    _scattered(b, element, read, write, (start, end, source_step, target_step))
                else:
                    _row(b, element, lanes, read, write, start, end, kind == "repeat")
    b.ret(0)


def _scattered(b: Builder, element, read, write, run):
    start, end, source_step, target_step = run
    with b.loop(start, end) as i:
        value = b.load(element, b.element(read, i * source_step, element))
        b.store(value, b.element(write, i * target_step, element))


def _row(b: Builder, element, lanes, read, write, start, end, repeat):
    kind = vector(element, lanes)
    value = b.splat(b.load(element, read), lanes) if repeat else None

    def move(i):
        found = value if repeat else b.load(kind, b.element(read, i, element))
        b.store(found, b.element(write, i, element))

    with b.loop(start, end - (lanes - 1), lanes) as i:
        move(i)
    if lanes > 1:
        with b.when(((end - start) & (lanes - 1)).differs(0)):
            move(end - lanes)


def _transpose(b: Builder, element, lanes, places, rows, columns):
    """Tiles of lanes x lanes: read along the rows axis, written along the columns axis."""
    source, goal, here, there = places
    row, row_end, row_target = rows
    start, end, source_step = columns
    kind = vector(element, lanes)
    with b.loop(row, row_end, lanes, unroll=False) as i:
        r = b.minimum(i, row_end - lanes)
        with b.loop(start, end, lanes, unroll=False) as j:
            c = b.minimum(j, end - lanes)
            read = b.element(source, here + r + c * source_step, element)
            write = b.element(goal, there + r * row_target + c, element)
            tile = [b.load(kind, b.element(read, source_step * k, element)) for k in range(lanes)]
            for k, value in enumerate(transposed(b, tile)):
                b.store(value, b.element(write, row_target * k, element))


def transposed(b: Builder, tile: list) -> list:
    """A square of vectors with rows and columns exchanged, in log2(lanes) rounds of shuffles."""
    lanes = len(tile)
    half = lanes // 2
    low = [n for i in range(half) for n in (i, lanes + i)]
    high = [n + half for n in low]
    for _ in range(lanes.bit_length() - 1):
        tile = [b.shuffle(tile[i // 2], tile[i // 2 + half], high if i % 2 else low)
                for i in range(lanes)]
    return tile
