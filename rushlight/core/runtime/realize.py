"""Running pending values: at a sync point, at the trace's limit, or because memory is exposed."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from itertools import compress
from operator import le
from sys import getrefcount
from typing import Any

from ..base.errors import describe_line
from ..base.knobs import number
from ..base.shapes import STEP_BYTES
from ..interpreter.plan import StepFailed, build
from ..trace.value import STATE, TRACES, Value, install_flush
from ..trace.walk import (
    LIST_ONLY,
    all_needed,
    ancestors,
    connected_parts,
    holders,
    leaf_uses,
    live_outputs,
    prune,
    structure,
)
from . import compiler, random_kernels
from .observe import OBSERVERS, begin, watch

PLAN_LIMIT = 512
_structures: OrderedDict = OrderedDict()     # key -> Structure, least recently used first
_lock = threading.RLock()
statistics = {"plans": 0, "hits": 0, "runs": 0, "records": 0}
COMPILES = compiler.MODE != "0"
if COMPILES:
    random_kernels.install()
if number("RUSHLIGHT_DEBUG"):
    from .debug import Debug
    watch(Debug(number("RUSHLIGHT_DEBUG")))


class Structure:
    """What is known of a trace's structure, so that a trace seen before is walked only once.

    held: see `holders`. shared: the reference count of a leaf that others read as well is above
    this (see `leaf_uses`). connected: whether the values form one part.
    plans: {live outputs: Plan}, without those that leave values which nothing needs.
    """

    __slots__ = ("held", "shared", "connected", "plans")

    def __init__(self, part, leaves, connected):
        self.held = holders(part)
        self.shared = [LIST_ONLY + count for count in leaf_uses(part, leaves)]
        self.connected = connected
        self.plans: dict = {}


def realize(value: Value, why="a read") -> Any:
    """The array of a value; runs the independent part of the trace that it stands in."""
    state = STATE.own
    state.reads += 1
    array = value.array
    if array is not None:
        return array
    if state.capture is not None:
        state.capture.sync(value)
    with _lock:
        if value.array is not None:
            return value.array
        trace = _own_trace(value)
        if trace is None:        # made by a thread or process whose trace is gone
            part = ancestors([value])
            _run_part(part, why, keep=True)
        else:
            _run_pending(trace, value, why)
        if value.array is None:  # its part failed earlier: run what it needs, to raise again
            _run_part(ancestors([value]), why, keep=True)
        return value.array


def _own_trace(value):
    own = STATE.trace
    if value in own:
        return own
    for trace in TRACES:
        if value in trace:
            return trace
    return None


def _run_pending(trace, target, why):
    """Run the part of `trace` that holds `target` (all parts when it is None)."""
    if _run_as_before(trace, why):
        return
    pending = [v for v in trace if v.array is None]
    count = len(trace)
    parts, foreign = connected_parts(pending)
    if foreign:                # made by another thread: compute those first
        del pending, parts
        while foreign:
            realize(foreign.pop(), why)
        _run_pending(trace, target, why)
        return
    # The trace's own references must go before liveness is counted.
    del pending
    chosen, rest = [], []
    for part in parts:
        if target is None or any(v is target for v in part):
            chosen.append(part)
        else:
            rest.append(part)
    del parts
    part = None
    # Values appended meanwhile (by a thread that does not hold the lock) stay.
    newer = trace[count:]
    trace[:] = []
    # What nobody holds any more is forgotten here, or every later sync would walk it again.
    if rest:
        order = [(v.mark, i, j) for i, p in enumerate(rest) for j, v in enumerate(p)]
        held = [any(live_outputs(part, holders(part))) for part in rest]
        trace.extend(rest[i][j] for _, i, j in sorted(order) if held[i])
    trace.extend(newer)
    alone = not rest and len(chosen) == 1
    del rest, newer
    if trace is STATE.trace:
        STATE.weight = _weight(trace)
    target = None
    while chosen:
        _run_part(chosen.pop(0), why, alone=alone)


def _weight(trace) -> int:
    """The bytes pending in a trace."""
    return sum([v.meta.weight for v in trace if type(v.meta) is not tuple])


def _run_as_before(trace, why) -> bool:
    """Run a whole trace whose structure is known to be one part; whether it was."""
    part = trace.copy()
    found = structure(part)
    if found is None:
        return False
    known = _structures.get(found[0])
    if known is None or not known.connected:
        return False
    del trace[:len(part)]
    state = STATE.own
    if trace is state.trace:
        state.weight = _weight(trace) if trace else 0
    key, leaves, scalars = found
    _run_structure(part, known, key, leaves, scalars, why)
    return True


def _run_part(part, why, keep=False, alone=False):
    """Run one part; `alone`: it was its whole trace. `keep`: every value is live."""
    key, leaves, scalars = structure(part)
    known = _structures.get(key)
    if known is None:
        known = _structures[key] = Structure(part, leaves, alone)
        if len(_structures) > PLAN_LIMIT:
            _structures.popitem(last=False)
    known.connected = known.connected or alone
    _run_structure(part, known, key, leaves, scalars, why, keep)


def _run_structure(part, known, key, leaves, scalars, why, keep=False):
    live = (True,) * len(part) if keep else live_outputs(part, known.held)
    plan = known.plans.get(live)
    is_new = plan is None
    if is_new:
        if not all_needed(live, known.held):
            leaves.clear()
            prune(part, live)
            if part:
                _run_part(part, why)
            return
        plan = known.plans[live] = build(part, live, leaves, scalars)
        statistics["plans"] += 1
    else:
        if len(_structures) > PLAN_LIMIT // 2:      # else nothing is near to being forgotten
            _structures.move_to_end(key)            # hashing a long key takes its time
        statistics["hits"] += 1
    statistics["runs"] += 1
    statistics["records"] += len(part)
    runner: Any = plan
    if COMPILES and not keep:
        runner = _native(plan, part, live, leaves, leaves) or plan
    watched = begin((live, key), runner, part, live, not is_new, why) if OBSERVERS else None
    seconds = None if watched is None else []
    arrays = [v.array for v in leaves] if keep else _move_leaves(leaves, known.shared)
    try:
        outputs = runner.run(arrays, [*scalars, None], seconds, leaves)
    except StepFailed as failure:
        _keep_what_was_computed(part, leaves, failure)
        error = failure.error
        line = getattr(part[failure.index], "line", None)
        if line is not None:
            error.args = (f"{error} (the operation was recorded at {describe_line(line)})",
                          *error.args[1:])
        raise error from None
    if watched is not None:
        watched.finish(seconds)
    for index, array in zip(plan.outputs, outputs):
        value = part[index]
        value.array = array
        value.op = None
        value.inputs = ()
        value.params = None
    # Records that are not outputs are dead; drop their references to the rest of the graph.
    for value in part:
        if value.array is None:
            value.inputs = ()


def _native(plan, part, live, leaves, values):
    """The compiled form of a plan where it is ready; asks for it when the plan is seen again."""
    slot = plan.native
    if slot is None:
        slot = plan.native = compiler.Slot(plan)
    if slot.state == "new":
        if slot.seen is None and compiler.MODE != "sync":
            slot.look(values)
            return None
        compiler.request(slot, part, live, leaves, values)
    return slot.plan


def _move_leaves(leaves, shared):
    """The leaves' arrays; a leaf that only this part reads gives up its reference."""
    own = list(map(le, map(getrefcount, leaves), shared))
    arrays = [leaf.array for leaf in leaves]
    if True in own:
        for leaf in compress(leaves, own):
            leaf.array = None
    return arrays


def _keep_what_was_computed(part, leaves, failure):
    """After a failed step: computed values keep their arrays, so nothing is lost."""
    env = failure.env
    for index, value in enumerate(part):
        if env[index] is not None and type(value.meta) is not tuple:
            value.array = env[index]
    for offset, leaf in enumerate(leaves):
        if leaf.array is None:
            leaf.array = env[len(part) + offset]


def flush(why="the trace is long") -> None:
    """Run everything this thread has pending, part by part."""
    state = STATE.own
    with _lock:
        state.weight = 0
        _run_pending(state.trace, None, why)


def flush_at_boundary(why) -> None:
    """Run what is pending if it is much: called where each round of a loop ends with the same
    trace (Note [cuts of a long trace])."""
    if STATE.own.weight > STEP_BYTES:
        flush(why)


def _forked():
    # A data loader's worker must not compute what its parent had pending; a value it does need
    # is computed from its own inputs (see `realize`).
    global _lock
    _lock = threading.RLock()
    for trace in TRACES:
        trace.clear()


os.register_at_fork(after_in_child=_forked)
install_flush(flush)
