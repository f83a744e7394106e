"""How independent items (rows, planes, tiles) are shared out among tasks, and kernels' arguments.

Every kernel here loops over items and receives two numbers for it: how many items a task has and
how many there are. Both follow from the shape alone, so results never depend on threads, and
neither is part of the machine code: another batch size uses the same kernel.
"""

from __future__ import annotations

from contextlib import contextmanager

from .body import MEMORY
from .lowering import Lowering, Operand

TASK_NANOSECONDS = 10_000      # of work, about: below, handing a task out costs too much of it
MOST_TASKS = 256               # more would only be handed out more often


def share(items: int, nanoseconds: float) -> tuple[int, int]:
    """(items of a task, tasks) for items that take about `nanoseconds` each."""
    if items * nanoseconds < 1.5 * TASK_NANOSECONDS:
        return max(items, 1), 1
    group = max(1, int(TASK_NANOSECONDS / max(nanoseconds, 1e-3)), -(-items // MOST_TASKS))
    return group, -(-items // group)


def arguments(b, *kinds):
    """The argument words of a kernel as values: "ptr" and "i64", in order."""
    table = b.args[0]
    return [b.load(kind, b.element(table, i, "i64")) for i, kind in enumerate(kinds)]


@contextmanager
def items(b, group, total):
    """A loop over the items of this call's tasks; gives the item's number."""
    first = b.args[1] * group
    last = b.minimum(b.args[2] * group, total)
    with b.loop(first, last, unroll=False) as item:
        yield item


def lanes_for(count: int, most: int) -> int:
    """The widest vector, a power of two up to `most`, that `count` elements fill at least once.

    A run of `count` elements is then whole vectors from the start, and one more that ends where
    the run ends: it overlaps what is done already, and nothing outside the run is touched.
    """
    lanes = most
    while lanes > max(count, 1):
        lanes //= 2
    return lanes


def floating(*operands) -> bool:
    """Whether all of these are real floating-point arrays with a native form (None counts)."""
    return all(o is None or (o.meta.dtype.category == 2 and o.meta.dtype.name in MEMORY)
               for o in operands)


def dense(low: Lowering, operand: Operand):
    """The operand in row-major order without gaps: itself, or a copy in a temporary."""
    if operand.meta.contiguous:
        return operand
    from .copying import copy_steps
    meta = operand.meta
    slot = low.temporary(meta.numel * meta.dtype.itemsize)
    copy_steps(low, meta.dtype, meta.shape, operand, meta.strides, ("slot", slot),
               row_major(meta.shape))
    return ("slot", slot)


class Result:
    """Where a kernel writes an output in row-major order; `finish` puts it into its own layout."""

    def __init__(self, low: Lowering, output: Operand):
        self.low, self.output = low, output
        meta = output.meta
        self.word = output if meta.contiguous else \
            ("slot", low.temporary(meta.numel * meta.dtype.itemsize))

    def finish(self) -> None:
        """Append the copy that the output's layout asks for, if any."""
        if self.word is self.output:
            return
        from .copying import copy_steps
        meta = self.output.meta
        copy_steps(self.low, meta.dtype, meta.shape, self.word, row_major(meta.shape),
                   self.output, meta.strides)


def row_major(shape) -> tuple:
    """The strides of a row-major array."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))
