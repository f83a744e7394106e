"""Watching what runs: the events of the runtime, for whoever explains or counts it.

`OBSERVERS` is empty unless somebody watches, and then the runtime does nothing but look at that
list. An observer is told, in the thread that runs the plan:

===================================  ============================================================
``plan_run(record, run)``            a plan has run: why, in which tier, seconds in all and by step
===================================  ============================================================

A `PlanRecord` describes a plan once: its trace as text, the structural key, and one `StepRecord`
for each thing the plan times, with FLOPs and bytes on paper (see `work`). A plan says what its
steps are through ``groups(part)``: (name, positions of the records it computes), in the order in
which ``run(..., seconds)`` notes when each begins. A fused kernel is one group of many records, and
only what enters or leaves the group counts as bytes.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from ..base.shapes import Meta
from ..trace.value import Value
from ..trace.walk import text
from .work import bytes_of, flops_of, is_free

OBSERVERS: list[Any] = []
RECORDS = 1024               # plans remembered while somebody watches
_records: dict = {}          # structural key -> PlanRecord


class Observer:
    """What an observer may implement; each method does nothing here."""

    def plan_run(self, record, run) -> None:
        """A plan has run to its end (`PlanRun`)."""

    def note(self, text) -> None:
        """Something worth telling that is no run: a call that `compile` could not capture."""


class StepRecord:
    """One timed step: `name`, `operations`, `shape` of its largest result, `flops`, `bytes`."""

    __slots__ = ("name", "operations", "shape", "flops", "bytes")

    def __init__(self, name, operations, shape, flops, bytes_):
        self.name, self.operations, self.shape = name, operations, shape
        self.flops, self.bytes = flops, bytes_


class PlanRecord:
    """A plan as observers see it.

    names, params, metas, live, operands: of each record of its trace, in order; an operand is its
    Meta, the type of a Python number, or None. `outputs` counts the live ones.
    """

    __slots__ = ("key", "names", "params", "metas", "live", "operands", "outputs", "text", "tier",
                 "steps", "plan")

    def __init__(self, key, part, live):
        self.key = key
        self.names = [value.op.name for value in part]
        self.params = [value.params for value in part]
        self.metas = [value.meta for value in part]
        self.live = tuple(live)
        self.operands = [_operands(value) for value in part]
        self.outputs = sum(live)
        self.text = text(part, live)
        self.plan: Any = None
        self.tier, self.steps = "", []

    def describe(self, plan, part, live):
        """Take the steps of `plan`, which may have replaced another tier's."""
        self.plan = plan
        self.tier = getattr(plan, "tier", "interpreter")
        groups = plan.groups(part)
        leaving = _leaving(groups, part, live)
        self.steps = [_step(name, members, part, leaving) for name, members in groups]


class PlanRun:
    """One run of a plan: `why`, `known` (found by its structure), `tier`, `seconds`, `steps`."""

    __slots__ = ("record", "why", "known", "tier", "started", "seconds", "steps")

    def __init__(self, record, why, known):
        self.record, self.why, self.known, self.tier = record, why, known, record.tier
        self.started = perf_counter()
        self.seconds, self.steps = 0.0, []

    def finish(self, starts) -> None:
        """Tell the observers. `starts`: when each step began (empty where the plan did not say)."""
        now = perf_counter()
        self.seconds = now - self.started
        self.steps = [end - begin for begin, end in zip(starts, [*starts[1:], now])]
        for observer in list(OBSERVERS):
            observer.plan_run(self.record, self)


def watch(observer) -> None:
    """Have `observer` told from now on."""
    OBSERVERS.append(observer)


def unwatch(observer) -> None:
    """Stop telling `observer`."""
    OBSERVERS.remove(observer)
    if not OBSERVERS:
        _records.clear()


def note(text) -> None:
    """Tell the observers that listen to notes something that is no plan's run."""
    for observer in list(OBSERVERS):
        observer.note(text)


def begin(key, plan, part, live, known, why) -> PlanRun:
    """A plan is about to run: `part` still holds its ops. Called only while somebody watches."""
    record = _records.get(key)
    if record is None:
        record = _records[key] = PlanRecord(key, part, live)
        if len(_records) > RECORDS:
            _records.pop(next(iter(_records)))
    if record.plan is not plan:
        record.describe(plan, part, live)
    return PlanRun(record, why, known)


def _operands(value):
    return [item.meta if type(item) is Value else None if item is None else type(item)
            for item in value.inputs]


def _leaving(groups, part, live) -> set:
    """The positions of records whose result is live or used outside its own group."""
    group_of = {index: number for number, (_, members) in enumerate(groups) for index in members}
    found = {index for index, flag in enumerate(live) if flag}
    for index, value in enumerate(part):
        mine = group_of.get(index)
        for item in value.inputs:
            if type(item) is Value and item.array is None and group_of.get(item.mark) != mine:
                found.add(item.mark)
    return found


def _step(name, members, part, leaving_records):
    inside = set(members)
    used_outside = inside & leaving_records
    flops, entering, leaving = 0, {}, 0
    for index in members:
        value = part[index]
        flops += flops_of(value.op, _operands(value), value.params or (), value.meta)
        for item in value.inputs:
            foreign = type(item) is Value and (item.array is not None or item.mark not in inside)
            if foreign and not is_free(value.op):
                entering[id(item)] = bytes_of(item.meta)
        if index in used_outside and not is_free(value.op):
            leaving += bytes_of(value.meta)
    metas = [m for index in members for m in _several(part[index].meta)]
    made = [m for index in sorted(used_outside) for m in _several(part[index].meta)] or metas
    return StepRecord(name, tuple(part[index].op.name for index in members
                                  if part[index].op.name != "item_of"),
                      repr(max(made, key=bytes_of)), flops, sum(entering.values()) + leaving)


def _several(meta):
    return [m for m in meta if type(m) is Meta] if type(meta) is tuple else [meta]
