"""Walking a trace: connected parts, live outputs, structural keys."""

from __future__ import annotations

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


def foreign_inputs(trace) -> list:
    """Pending inputs of `trace` that stand in another thread's trace. Numbers the records too."""
    for i, value in enumerate(trace):
        value.mark = i
    count = len(trace)
    found = []
    for value in trace:
        for item in value.inputs:
            if type(item) is Value and item.array is None:
                mark = getattr(item, "mark", count)
                if mark >= count or trace[mark] is not item:
                    found.append(item)
    return found


def connected_parts(trace) -> list:
    """`trace` split into its independent parts, each in order of creation.

    `trace` has been numbered by `foreign_inputs`, which found none. Two pending values are in one
    part when one needs the other. Values already computed connect nothing, so stray
    work beside a training step stays a plan of its own.
    """
    root = list(range(len(trace)))
    for i, value in enumerate(trace):
        for item in value.inputs:
            if type(item) is Value and item.array is None:
                a, b = item.mark, i
                while root[a] != a:
                    root[a] = root[root[a]]
                    a = root[a]
                while root[b] != b:
                    root[b] = root[root[b]]
                    b = root[b]
                if a != b:
                    if a < b:
                        root[b] = a
                    else:
                        root[a] = b
    parts: dict = {}
    for i, value in enumerate(trace):
        a = i
        while root[a] != a:
            a = root[a]
        parts.setdefault(a, []).append(value)
    return list(parts.values())


def _probe(values):
    for value in values:
        return getrefcount(value)


class _Counted:
    pass


# What getrefcount reports inside a loop over a list for an object that only the list holds. It
# differs between CPython versions, so it is measured.
LIST_ONLY = _probe([_Counted()])


def live_outputs(part) -> list:
    """For each value of a part: does anything outside the trace still hold it?

    Note [liveness]: a pending value is held by the list it stands in, by the input tuples of the
    values that use it, and by whatever keeps it alive outside: storages, saved values, generator
    states. The first two are counted here; a reference count above that means "live". No
    reference cycle passes through values, so the count is exact and costs the hot path nothing.
    `part` must be the only list that holds the values.
    """
    # In a function of its own: a loop variable left over here would count as a holder.
    uses = uses_of(part, part)
    get = uses.get
    return [getrefcount(value) > LIST_ONLY + get(id(value), 0) for value in part]


def uses_of(values, part) -> dict:
    """How often each value (by id) stands in an input tuple of `part`."""
    uses: dict = {}
    for value in part:
        for item in value.inputs:
            if type(item) is Value:
                key = id(item)
                uses[key] = uses.get(key, 0) + 1
    return uses


def prune(part, live) -> tuple:
    """`part` and `live` without the values that nothing needs (dead code)."""
    for i, value in enumerate(part):
        value.mark = i
    needed = list(live)
    for i in range(len(part) - 1, -1, -1):
        if needed[i]:
            for item in part[i].inputs:
                if type(item) is Value and item.array is None:
                    needed[item.mark] = True
    if all(needed):
        return part, live
    return ([v for v, keep in zip(part, needed) if keep],
            [flag for flag, keep in zip(live, needed) if keep])


def structure(part, live):
    """(key, leaves, scalars): the part's structural key and its runtime inputs.

    The key names ops, static parameters, metas, and where each input comes from; values of leaves
    and of Python numbers are not in it, so a changing learning rate is the same plan.
    """
    leaves: list = []
    scalars: list = []
    slots: dict = {}
    key: list = [tuple(live)]
    add = key.append
    for i, value in enumerate(part):
        value.mark = i
        add(value.op)
        add(value.params)
        add(value.meta)
        for item in value.inputs:
            if type(item) is Value:
                if item.array is None:
                    add(item.mark)
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
    return tuple(key), leaves, scalars


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
