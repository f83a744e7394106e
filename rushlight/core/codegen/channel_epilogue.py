"""Pointwise operations applied to a channel-wise result before it is stored.

What a fused body reads besides the result is, along a row, either as long as the row or one value.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from ..base.dtypes import DTYPES
from .body import (
    Body,
    emit_body,
    load_lanes,
    load_number,
    memory_type,
    round_half,
    to_memory,
)
from .channels import Form, Shape
from .llvm_types import vector
from .lowering import Number
from .sharing import row_major
from .words import Lane


class Fused(NamedTuple):
    """A body to apply. `result`: the dtype of its input 0; `extras`: for each further input None
    (a number), True (as long as a row) or False (one value for each row).

    After the sizes, a kernel's arguments are, for each further input, its address or the number,
    and its strides of sample and channel.
    """

    result: str
    body: Body
    extras: tuple
    across: bool

    @property
    def outputs(self) -> int:
        """How many arrays are written."""
        return len(self.body.outputs)

    def open(self, walk, place):
        """What to make of a vector at place i of a row, and how to store that."""
        b, lanes = walk.b, walk.form.lanes
        result = DTYPES[self.result]
        first = len(walk.pointers) + 2 + len(Shape._fields)
        sources: list[Any] = []
        for n, (name, along) in enumerate(zip(self.body.inputs[1:], self.extras)):
            words = [b.element(b.args[0], first + 3 * n + k, "i64") for k in range(3)]
            if along is None:
                sources.append(load_number(b, name, words[0]))
                continue
            start = place.sample * b.load("i64", words[1])
            if not self.across:
                start = start + place.channel * b.load("i64", words[2])
            pointer = b.element(b.load("ptr", words[0]), start, memory_type(name))
            sources.append(pointer if along else load_lanes(b, name, pointer, 1))
        goals = walk.pointers[-self.outputs:]
        kinds = [memory_type(name) for name in self.body.output_dtypes()]

        def made(value, i):
            if result.half:
                value = b.cast(round_half(b, value, result), value.type)
            inputs = [Lane(value, result)]
            for name, along, source in zip(self.body.inputs[1:], self.extras, sources):
                inputs.append(source if not along else load_lanes(
                    b, name, b.element(source, i, memory_type(name)), lanes))
            return [b.as_value(to_memory(b, lane), vector(kind, lanes)) for kind, lane in
                    zip(kinds, emit_body(b, walk.target, self.body, inputs))]

        def store(values, i):
            for kind, pointer, value in zip(kinds, goals, values):
                b.store(value, b.element(pointer, place.row + i, kind))
        return made, store


def fused(low, form: Form):
    """(Fused, the extras' arguments) of a lowering's epilogue; None where it cannot be applied."""
    shape = low.result.shape
    if not all(o is not None and o.meta.contiguous for o in low.outputs):
        return None
    if form.across and len(shape) != 2 and prod(shape[2:]) != 1:
        return None           # channels-last memory
    extras, words = [], []
    for item in low.extras:
        if isinstance(item, Number):
            extras.append(None)
            words += [item, 0, 0]
            continue
        strides = item.meta.strides
        inner = [(n, s) for n, s in zip(shape[2:], strides[2:]) if n > 1]
        if form.across:
            along = {0: False, 1: True}.get(strides[1] if shape[1] > 1 else 0)
        elif not any(s for _, s in inner):
            along = False
        else:
            dense = row_major([n for n, _ in inner])
            along = True if tuple(s for _, s in inner) == dense else None
        if along is None:
            return None
        extras.append(along)
        words += [item, strides[0], strides[1]]
    return Fused(low.result.dtype.name, low.epilogue, tuple(extras), form.across), words
