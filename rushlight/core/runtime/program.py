"""A trace that is kept, to be run again on other arrays without being traced again."""

from __future__ import annotations

from typing import Any

from ..base.errors import describe_line
from ..interpreter.plan import StepFailed, build
from ..trace.value import Value
from ..trace.walk import structure
from . import realize as runtime
from .observe import OBSERVERS, begin

_STANDS_FOR_A_LEAF = ()


def needed_records(records, outputs) -> list:
    """Those of `records` that `outputs` need, in order."""
    needed = {id(value) for value in outputs}
    for value in reversed(records):
        if id(value) in needed:
            needed.update(id(item) for item in value.inputs
                          if type(item) is Value and item.array is None)
    return [value for value in records if id(value) in needed]


class Program:
    """The records that some outputs need, and their plan.

    records: pending values of a trace, in order. outputs: those whose arrays are wanted. The
    records are copied, so nothing of the trace is held. `leaves` are the trace's computed values
    that the records read, in the order in which `run` takes their arrays; `scalars` the Python
    numbers. The plan is the one that the same trace would run with, had it the same outputs.
    """

    __slots__ = ("part", "live", "leaves", "scalars", "plan", "key", "positions", "stand_ins",
                 "numbers_of")
    part: list[Value]
    live: tuple[bool, ...]
    leaves: list[Value]
    scalars: list[Any]
    plan: Any
    positions: list[int]
    numbers_of: dict[int, int]

    def __init__(self, records, outputs):
        records = needed_records(records, outputs)
        copies: dict = {}
        originals: dict = {}
        self.part = []
        for value in records:
            copy = copies[id(value)] = _copy(value, copies, originals)
            self.part.append(copy)
        found = structure(self.part)
        if found is None:
            raise ValueError("a record needs a value of another trace")
        self.key, self.stand_ins, self.scalars = found
        self.leaves = [originals[id(leaf)] for leaf in self.stand_ins]
        wanted = {copies[id(value)].mark for value in outputs}
        self.live = tuple([i in wanted for i in range(len(self.part))])
        order = {mark: k for k, mark in enumerate(sorted(wanted))}
        self.positions = [order[copies[id(value)].mark] for value in outputs]
        self.numbers_of = {}         # id of an original record: where its numbers begin
        first = 0
        for value in records:
            self.numbers_of[id(value)] = first
            first += sum([item is not None and type(item) is not Value for item in value.inputs])
        with runtime._lock:
            known = runtime._structures.get(self.key)
            if known is None:
                known = runtime.Structure(self.part, self.stand_ins, False)
                runtime._structures[self.key] = known
                if len(runtime._structures) > runtime.PLAN_LIMIT:
                    runtime._structures.popitem(last=False)
            self.plan = known.plans.get(self.live)
            if self.plan is None:
                structure(self.part)         # numbers the values, for `build`
                self.plan = build(self.part, self.live, self.stand_ins, self.scalars)
                known.plans[self.live] = self.plan
                runtime.statistics["plans"] += 1

    def run(self, arrays, scalars, restore, values) -> list:
        """The arrays of the live outputs (see `positions`), from the leaves' arrays.

        Arrays that nobody else holds may be overwritten; the list `arrays` is emptied. `restore`
        is called with the leaves' arrays if a step fails. values: the leaves' (None where an array
        is no value's).
        """
        with runtime._lock:
            plan = self.plan
            runner = plan
            if runtime.COMPILES:
                runner = runtime._native(plan, self.part, self.live, self.stand_ins,
                                         values) or plan
            statistics = runtime.statistics
            statistics["hits"] += 1
            statistics["runs"] += 1
            statistics["records"] += len(self.part)
            watched = seconds = None
            if OBSERVERS:
                watched = begin((self.live, self.key), runner, self.part, self.live, True,
                                "a compiled call")
                seconds = []
            try:
                outputs = runner.run(arrays, [*scalars, None], seconds, values)
            except StepFailed as failure:
                count = len(self.part)
                restore([failure.env[count + i] for i in range(len(self.stand_ins))])
                error = failure.error
                line = getattr(self.part[failure.index], "line", None)
                if line is not None:
                    error.args = (f"{error} (the operation was recorded at "
                                  f"{describe_line(line)})", *error.args[1:])
                raise error from None
            if watched is not None:
                watched.finish(seconds)
            return outputs


def _copy(value, copies, originals):
    inputs = []
    for item in value.inputs:
        if type(item) is not Value:
            inputs.append(item)
        elif item.array is None:
            inputs.append(copies[id(item)])
        else:
            stand_in = copies.get(id(item))
            if stand_in is None:
                stand_in = copies[id(item)] = Value(None, (), None, item.meta)
                stand_in.array = _STANDS_FOR_A_LEAF
                originals[id(stand_in)] = item
            inputs.append(stand_in)
    copy = Value(value.op, tuple(inputs), value.params, value.meta)
    line = getattr(value, "line", None)
    if line is not None:
        copy.line = line
    return copy
