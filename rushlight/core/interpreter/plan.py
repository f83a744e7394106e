"""A plan: the steps of one trace structure, with slots, run over NumPy arrays."""

from __future__ import annotations

from sys import getrefcount
from time import perf_counter
from typing import Any

import numpy as np

from ..ops.core_views import ITEM
from ..trace.value import Value
from .lower import lower


class StepFailed(Exception):
    """A kernel raised: which step it was, and the environment's computed slots."""

    def __init__(self, index, error, env):
        super().__init__(str(error))
        self.index, self.error, self.env = index, error, env


class Plan:
    """Steps of (record, function, input slots, slots to drop, donated inputs, items).

    Slots: the part's records first (in order), then leaves, then Python numbers. The items of an
    op with several outputs are no steps: they are ((slot, output number), ...) of its own step.
    """

    __slots__ = ("steps", "count", "outputs", "runs", "native")
    steps: list[tuple[Any, ...]]
    count: int
    outputs: Any
    runs: int
    native: Any          # the runtime's: the plan's compiled form

    def groups(self, part) -> list:
        """(name, positions in `part`) of each step, in the order in which `run` times them."""
        return [(part[index].op.name, (index, *[slot for slot, _ in items]))
                for index, *_, items in self.steps]

    def run(self, leaves, scalars, seconds=None, values=()) -> list:
        """The arrays of the live outputs, in order.

        leaves: the leaves' arrays. seconds: a list for the time of each step. values: the leaves
        themselves, which native plans read.
        """
        env = [None] * self.count + leaves + scalars
        # Ownership moves into env, so that getrefcount tells whether a buffer may be reused.
        leaves.clear()
        index = 0
        with np.errstate(all="ignore"):
            try:
                for index, function, inputs, drops, donated, items in self.steps:
                    if seconds is not None:
                        seconds.append(perf_counter())
                    if donated is None:
                        env[index] = function(*[env[i] for i in inputs])
                    else:
                        env[index] = _run_donating(function, inputs, donated, env)
                    if items:
                        for slot, number in items:
                            env[slot] = env[index][number]
                        env[index] = None
                    for i in drops:
                        env[i] = None
            except Exception as error:
                raise StepFailed(index, error, env) from error
        self.runs += 1
        return [env[i] for i in self.outputs]


def _run_donating(function, inputs, donated, env):
    """Call a kernel that may overwrite some inputs: those that die here and own their buffer."""
    arrays = [env[i] for i in inputs]
    owned = []
    for position in donated:
        if position is None:
            owned.append(False)
            continue
        slot = inputs[position]
        env[slot] = None
        array = arrays[position]
        owned.append(getrefcount(array) <= EXCLUSIVE and array.base is None)
        del array
    return function(*arrays, owned=owned)


def _measure_exclusive():
    def probe(arrays):
        array = arrays[0]
        return getrefcount(array)
    return probe([np.empty(1)])


EXCLUSIVE = _measure_exclusive()


def build(part, live, leaves, scalars) -> Plan:
    """The plan of a pruned part. ``value.mark`` holds each record's position."""
    count = len(part)
    leaf_slot = {id(leaf): count + i for i, leaf in enumerate(leaves)}
    next_scalar = count + len(leaves)
    steps, last_use, items_of = [], {}, {}
    for index, value in enumerate(part):
        if value.op is ITEM:
            source = value.inputs[0]
            if source.array is None and not live[source.mark]:
                items_of.setdefault(source.mark, []).append((index, value.params[0]))
                continue
        inputs, operands = [], []
        for item in value.inputs:
            if type(item) is Value:
                slot = item.mark if item.array is None else leaf_slot[id(item)]
                inputs.append(slot)
                operands.append(item.meta)
                last_use[slot] = index
            elif item is None:
                inputs.append(-1)
                operands.append(None)
            else:
                inputs.append(next_scalar)
                operands.append(type(item))
                next_scalar += 1
        donates = value.op.donates
        if callable(donates):
            donates = donates(value.params)
        steps.append((index, lower(value.op, operands, value.params or (), value.meta),
                      tuple(inputs), donates))
    total = next_scalar
    outputs = [i for i, flag in enumerate(live) if flag]
    for slot in outputs:
        last_use[slot] = count
    drops = [[] for _ in range(count + 1)]
    for slot, index in last_use.items():
        drops[index].append(slot)
    none_slot = total          # env has one more slot that stays None
    finished = []
    for index, function, inputs, donates in steps:
        inputs = tuple(none_slot if i < 0 else i for i in inputs)
        donated = None
        if donates is not None:
            # donated positions must die at this very step and be read once by it; the others
            # keep their place in what the kernel is told, as None
            dying = set(drops[index])
            donated = tuple(p if inputs[p] in dying and inputs.count(inputs[p]) == 1 else None
                            for p in donates)
        finished.append((index, function, inputs, tuple(drops[index]), donated,
                         tuple(items_of.get(index, ()))))
    plan = Plan()
    plan.steps, plan.count, plan.outputs, plan.runs = finished, count, outputs, 0
    plan.native = None
    return plan
