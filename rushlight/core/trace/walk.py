"""Walking a trace: connected parts, live outputs, structural keys."""

from __future__ import annotations

from itertools import compress
from operator import gt
from sys import getrefcount

from .value import Value


def ancestors(targets) -> list:
    """The pending values that `targets` need, inputs before users (iterative depth first)."""
    order, done = [], set()
    stack = [(target, False) for target in reversed(targets)]
    while stack:
        value, expanded = stack.pop()
        if expanded:
            order.append(value)
            continue
        if value.array is not None or id(value) in done:
            continue
        done.add(id(value))
        stack.append((value, True))
        for item in value.inputs:
            if type(item) is Value and item.array is None:
                stack.append((item, False))
    return order


def connected_parts(trace) -> tuple:
    """(`trace` split into its independent parts, pending inputs that stand in no part).

    Each part is in order of creation, and ``value.mark`` is a value's place in `trace`. Two
    pending values are in one part when one needs the other. Values already computed connect
    nothing, so stray work beside a training step stays a plan of its own. The second list holds
    what another thread's trace has still to compute; the parts are meaningless until it is empty.
    """
    count = len(trace)
    root = list(range(count))
    foreign = []
    for i, value in enumerate(trace):
        value.mark = i
        for item in value.inputs:
            if type(item) is Value and item.array is None:
                # Inputs are made before their users: one in this trace is numbered already.
                a, b = getattr(item, "mark", count), i
                if a >= count or trace[a] is not item:
                    foreign.append(item)
                    continue
                while root[a] != a:
                    root[a] = root[root[a]]
                    a = root[a]
                while root[b] != b:
                    root[b] = root[root[b]]
                    b = root[b]
                if a < b:
                    root[b] = a
                else:
                    root[a] = b
    parts: dict = {}
    for i, value in enumerate(trace):
        a = i
        while root[a] != a:
            a = root[a]
        root[i] = a
        if a == i:
            parts[a] = [value]
        else:
            parts[a].append(value)
    return list(parts.values()), foreign


class _Counted:
    pass


# What getrefcount reports, called as `live_outputs` calls it, for an object that only a list
# holds. It differs between CPython versions, so it is measured.
LIST_ONLY = max(map(getrefcount, [_Counted()]))


def live_outputs(part, held) -> tuple:
    """For each value of a part: does anything outside the trace still hold it?

    Note [liveness]: a pending value is held by the list it stands in, by the input tuples of the
    values that use it, and by whatever keeps it alive outside: storages, saved values, generator
    states. The first two are in `held` (see `holders`); a reference count above that means
    "live". No reference cycle passes through values, so the count is exact and costs the hot path
    nothing. `part` must be the only list that holds the values.
    """
    return tuple(map(gt, map(getrefcount, part), held))


def holders(part) -> list:
    """The reference count of each value of a part that only the trace holds. Numbers the values."""
    held = []
    for i, value in enumerate(part):
        value.mark = i
        held.append(LIST_ONLY)
        for item in value.inputs:
            if type(item) is Value and item.array is None:
                held[item.mark] += 1
    return held


def all_needed(live, held) -> bool:
    """Whether `prune` would find nothing: every value is live or used in the part."""
    return all([flag or count > LIST_ONLY for flag, count in zip(live, held)])


def prune(part, live) -> None:
    """Take the values that nothing needs (dead code) out of a part (numbered)."""
    needed = list(live)
    for i in range(len(part) - 1, -1, -1):
        if needed[i]:
            for item in part[i].inputs:
                if type(item) is Value and item.array is None:
                    needed[item.mark] = True
    part[:] = compress(part, needed)


def structure(part):
    """(key, leaves, scalars): the structural key of a part or a trace, and its runtime inputs.

    The key names ops, static parameters, metas, and where each input comes from; values of leaves
    and of Python numbers are not in it, so a changing learning rate is the same plan. Numbers the
    values. None where a pending input stands in another trace.
    """
    leaves: list = []
    scalars: list = []
    key: list = []
    try:
        complete = _read_structure(part, key, leaves, scalars)
    except AttributeError:      # an input that has no mark yet: it was in no trace walked so far
        return None
    return (tuple(key), leaves, scalars) if complete else None


def _read_structure(part, key, leaves, scalars):
    slots: dict = {}
    add = key.append
    number = 0
    for value in part:
        value.mark = number
        number += 1
        key += (value.op, value.params, value.meta)
        for item in value.inputs:
            if type(item) is Value:
                if item.array is None:
                    mark = item.mark
                    if mark >= number or part[mark] is not item:
                        return False
                    add(mark)
                else:
                    name = id(item)
                    slot = slots.get(name)
                    if slot is None:
                        slot = slots[name] = -1 - len(leaves)
                        leaves.append(item)
                        add(item.meta)
                    add(slot)
            elif item is None:
                add(None)
            else:
                add(type(item))
                scalars.append(item)
    return True


def leaf_uses(part, leaves) -> list:
    """How often each leaf stands in an input tuple of the part."""
    uses = dict.fromkeys(map(id, leaves), 0)
    for value in part:
        for item in value.inputs:
            if id(item) in uses:
                uses[id(item)] += 1
    return list(uses.values())


def text(part, live=None) -> str:
    """A trace as readable lines: ``%2 = mul(%0, %1, 0.5) -> float32[3]``."""
    names: dict = {}
    lines = []
    for value in part:
        arguments = []
        for item in value.inputs:
            if type(item) is Value:
                if id(item) not in names:
                    names[id(item)] = f"%{len(names)}"
                    lines.append(f"{names[id(item)]} = leaf -> {item.meta}")
                arguments.append(names[id(item)])
            else:
                arguments.append(repr(item))
        if value.params:
            arguments += [repr(p) for p in value.params]
        names[id(value)] = f"%{len(names)}"
        metas = value.meta if isinstance(value.meta, tuple) else (value.meta,)
        lines.append(f"{names[id(value)]} = {value.op.name}({', '.join(arguments)}) -> "
                     + ", ".join(map(repr, metas)))
    if live is not None:
        outputs = [names[id(v)] for v, flag in zip(part, live) if flag]
        lines.append("live: " + ", ".join(outputs))
    return "\n".join(lines)
