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


def _probe(values):
    for value in values:
        return getrefcount(value)


class _Counted:
    pass


# What getrefcount reports inside a loop over a list for an object that only the list holds. It
# differs between CPython versions, so it is measured.
LIST_ONLY = _probe([_Counted()])


def live_outputs(part) -> tuple:
    """(for each value of a part: does anything outside the trace still hold it?, all needed?)

    Note [liveness]: a pending value is held by the list it stands in, by the input tuples of the
    values that use it, and by whatever keeps it alive outside: storages, saved values, generator
    states. The first two are counted here; a reference count above that means "live". No
    reference cycle passes through values, so the count is exact and costs the hot path nothing.
    `part` must be the only list that holds the values. Numbers the values.

    "All needed" says that `prune` would find nothing: every value is live or used in the part.
    """
    # In a function of its own: a loop variable left over here would count as a holder.
    holders = _numbered_holders(part)
    live = [getrefcount(value) > holders[value.mark] for value in part]
    needed = all([flag or count > LIST_ONLY for flag, count in zip(live, holders)])
    return live, needed


def _numbered_holders(part) -> list:
    """The reference count of each value of a part that only the trace holds."""
    holders = []
    for i, value in enumerate(part):
        value.mark = i
        holders.append(LIST_ONLY)
        for item in value.inputs:
            if type(item) is Value and item.array is None:
                holders[item.mark] += 1
    return holders


def prune(part, live) -> tuple:
    """`part` (numbered) and `live` without the values that nothing needs (dead code)."""
    needed = list(live)
    for i in range(len(part) - 1, -1, -1):
        if needed[i]:
            for item in part[i].inputs:
                if type(item) is Value and item.array is None:
                    needed[item.mark] = True
    return ([v for v, keep in zip(part, needed) if keep],
            [flag for flag, keep in zip(live, needed) if keep])


def structure(part, live):
    """(key, leaves, uses, scalars): the part's structural key and its runtime inputs.

    The key names ops, static parameters, metas, and where each input comes from; values of leaves
    and of Python numbers are not in it, so a changing learning rate is the same plan. `uses` says
    how often each leaf stands in an input tuple of the part.
    """
    leaves: list = []
    uses: list = []
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
                        slot = slots[name] = len(leaves)
                        leaves.append(item)
                        uses.append(1)
                        add(item.meta)
                    else:
                        uses[slot] += 1
                    add(-1 - slot)
            elif item is None:
                add(None)
            else:
                add(type(item))
                scalars.append(item)
    return tuple(key), leaves, uses, scalars


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
