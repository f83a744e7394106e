"""A part of a trace as plain data: what the compiler works on after the trace's values are gone.

Records in order; an operand is `Array(buffer, meta)` (a buffer seen through a layout), `Runtime`
(a Python number known when the plan runs) or None. Views and items of multi-output ops are
resolved here: they are other layouts of the same buffers, not records.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..base.shapes import OPAQUE, Meta, meta
from ..ops.core_views import ITEM, VIEW
from ..trace.value import Value


class Array(NamedTuple):
    """A buffer read through a layout."""

    buffer: int
    meta: Meta


class Runtime(NamedTuple):
    """The `number`-th Python number of a run."""

    number: int
    kind: type


class Record(NamedTuple):
    """One op to run: `outputs` are buffers (None where an output has no meta)."""

    index: int            # its place in the trace
    op: Any
    params: tuple
    inputs: tuple
    outputs: tuple        # of Array or None


class Buffer:
    """The memory of one value. `leaf`: which leaf it is; None for what the plan computes."""

    __slots__ = ("meta", "leaf", "record", "live")

    def __init__(self, meta, leaf=None, record=None):
        self.meta, self.leaf, self.record = meta, leaf, record
        self.live = False          # somebody outside holds it after the run

    @property
    def opaque(self):
        """A generator's state: passed between host steps as an object."""
        return self.meta is OPAQUE


class Graph:
    """Records, buffers, and for each live output of the trace the array that is its value."""

    def __init__(self):
        self.records: list[Record] = []
        self.buffers: list[Buffer] = []
        self.outputs: list[Array] = []        # in the order of the part's live values
        self.leaves: list[Meta] = []
        self.steady: frozenset = frozenset()  # leaves that were the same value in earlier runs
        self.numbers: list[type] = []
        self.count = 0                        # records of the trace, views and items included
        self.arrays: dict[int, Array] = {}    # trace index -> where its value is


class Unsuitable(Exception):
    """A trace that the compiler does not take; it stays with the interpreter."""


def describe(part, live, leaves) -> Graph:
    """The graph of a numbered part (``value.mark``) before it runs."""
    graph = Graph()
    graph.count = len(part)
    leaf_array = {}
    for k, item in enumerate(leaves):
        m = item.meta
        if type(m) is tuple:
            raise Unsuitable("a computed record of several outputs")
        if m.offset:        # a view computed earlier: its array begins where the view begins
            m = meta(m.dtype, m.shape, m.strides)
        leaf_array[id(item)] = Array(len(graph.buffers), m)
        graph.buffers.append(Buffer(m, leaf=k))
        graph.leaves.append(m)
    several: dict[int, tuple] = {}     # index of a multi-output record -> its arrays
    for index, value in enumerate(part):
        inputs = []
        for item in value.inputs:
            if type(item) is Value:
                if item.array is not None:
                    inputs.append(leaf_array[id(item)])
                elif item.mark in several:
                    inputs.append(several[item.mark])
                else:
                    inputs.append(graph.arrays[item.mark])
            elif item is None:
                inputs.append(None)
            else:
                inputs.append(Runtime(len(graph.numbers), type(item)))
                graph.numbers.append(type(item))
        if value.op is ITEM:
            graph.arrays[index] = inputs[0][value.params[0]]
        elif value.op is VIEW:
            source = inputs[0]
            if not source.meta.dense:
                raise Unsuitable("a view of a strided value")
            graph.arrays[index] = Array(source.buffer, value.meta)
        else:
            metas = value.meta if type(value.meta) is tuple else (value.meta,)
            outputs = []
            for m in metas:
                if m is None:
                    outputs.append(None)
                    continue
                if not (m.dense or m is OPAQUE):
                    raise Unsuitable("a strided result")
                outputs.append(Array(len(graph.buffers), m))
                graph.buffers.append(Buffer(m, record=len(graph.records)))
            if type(value.meta) is tuple:
                several[index] = tuple(outputs)
            else:
                graph.arrays[index] = outputs[0]
            graph.records.append(Record(index, value.op, value.params or (), tuple(inputs),
                                        tuple(outputs)))
    for index, flag in enumerate(live):
        if flag:
            if index in several:
                raise Unsuitable("a live record of several outputs")
            found = graph.arrays[index]
            graph.outputs.append(found)
            graph.buffers[found.buffer].live = True
    return graph
