"""What a reduction keeps while it runs: a vector of values, or of values and positions."""

from __future__ import annotations

import math

from ..base.dtypes import DTYPES
from .body import to_memory
from .llvm_types import lanes_of, vector
from .words import Lane, Words

NOWHERE = (1 << 62)         # the position of the identity, after all others


class Slots:
    """A state in variables."""

    def __init__(self, variables):
        self.variables = variables

    def get(self):
        """The state now."""
        return [v.get() for v in self.variables]

    def set(self, values):
        """Replace the state."""
        for variable, value in zip(self.variables, values):
            variable.set(value)


class State:
    """A reduction's values in `lanes` lanes; a state is a list: value, and position if any."""

    def __init__(self, b, target, lanes, reduction):
        self.b, self.target, self.lanes, self.reduction = b, target, lanes, reduction
        self.word = reduction.word
        self.placed = self.word.startswith("arg")
        self.dtype = DTYPES[reduction.dtype]
        self.element = Words.compute_type(self.dtype)
        self.floating = self.dtype.category == 2
        self.exact = not self.floating or self.word in ("max", "min") or self.placed
        self.kinds = [self.element, "i64"] if self.placed else [self.element]

    def identity(self):
        """What combines with any value to that value."""
        if self.word in ("add", "mul"):
            first = float(self.word == "mul") if self.floating else int(self.word == "mul")
        else:
            low = self.word.endswith("max")
            if self.floating:
                first = -math.inf if low else math.inf
            else:
                bits = self.dtype.itemsize * 8
                signed = self.dtype.is_signed
                smallest = -(1 << bits - 1) if signed else 0
                largest = (1 << bits - 1) - 1 if signed else (1 << bits) - 1
                first = smallest if low else largest
        found = [self.b.constant(vector(self.element, self.lanes), first)]
        if self.placed:
            found.append(self.b.constant(vector("i64", self.lanes), NOWHERE))
        return found

    def of(self, values, index, position, mask, step):
        """A state of the body's outputs, where `mask` holds.

        position: of the elements before the vector's axis; `index` along that axis counts `step`.
        A body with a second output brings the positions itself.
        """
        b = self.b
        found = [values[0].value]
        if self.placed:
            if len(values) > 1:
                found.append(values[1].value)
            else:
                first = position + index * step if step else position
                place = b.splat(first, self.lanes)
                if step:
                    place = place + b.iota("i64", self.lanes) * step
                found.append(place)
        if mask is not None:
            found = [b.select(mask, v, i) for v, i in zip(found, self.identity())]
        return found

    def combine(self, one, other):
        """Two states as one; equal values keep the smaller position, NaN wins over numbers."""
        b = self.b
        lanes = lanes_of(one[0].type)
        words = Words(b, self.target, lanes)
        first, second = Lane(one[0], self.dtype), Lane(other[0], self.dtype)
        if self.word == "add":
            return [words.add(first, second).value]
        if self.word == "mul":
            return [words.mul(first, second).value]
        if not self.placed:
            word = words.maximum if self.word == "max" else words.minimum
            return [word(first, second).value]
        better = (words.gt if self.word == "argmax" else words.lt)(second, first).value
        same = words.eq(second, first).value
        if self.floating:
            nan_first = b.unordered(one[0], one[0])
            nan_second = b.unordered(other[0], other[0])
            better = b.select(nan_first, b.constant(better.type, False), better | nan_second)
            same = same | (nan_first & nan_second)
        take = better | (same & (other[1] < one[1]))
        return [b.select(take, y, x) for x, y in zip(one, other)]

    def fold(self, state):
        """The lanes of a state combined, halves with halves."""
        b = self.b
        lanes = self.lanes
        while lanes > 1:
            half = lanes // 2
            if half == 1:
                low = [b.extract(v, 0) for v in state]
                high = [b.extract(v, 1) for v in state]
            else:
                low = [b.shuffle(v, None, range(half)) for v in state]
                high = [b.shuffle(v, None, range(half, lanes)) for v in state]
            state = self.combine(low, high)
            lanes = half
        return state

    def finish(self, state):
        """The results as they are stored."""
        b = self.b
        value = state[0]
        lanes = lanes_of(value.type)
        words = Words(b, self.target, lanes)
        finish = self.reduction.finish
        if finish:
            if finish[0] == "nan":
                value = b.constant(value.type, math.nan)
            if finish[0].startswith("divide"):
                value = value / finish[1]
            if finish[0].endswith("root"):
                value = b.intrinsic("sqrt", value.type, value)
        found = []
        for kind, name in self.reduction.results:
            if kind == "position":
                found.append(state[1])
            elif name == "bool":
                found.append(value)
            else:
                lane = words.cast(Lane(value, self.dtype), DTYPES[name])
                found.append(to_memory(b, lane, exact=True))
        return found

    # where states are kept
    def variables(self) -> Slots:
        """Variables that hold the identity."""
        return Slots([self.b.variable(v) for v in self.identity()])

    def memory(self, count):
        """An array of `count` states."""
        return [(self.b.stack(kind, count), kind) for kind in self.kinds]

    def load(self, memory, index):
        """The states from `index` on."""
        return [self.b.load(vector(kind, self.lanes), self.b.element(pointer, index, kind))
                for pointer, kind in memory]

    def store(self, state, memory, index):
        """Write states from `index` on."""
        for value, (pointer, kind) in zip(state, memory):
            self.b.store(value, self.b.element(pointer, index, kind))


__all__ = ["Slots", "State"]
