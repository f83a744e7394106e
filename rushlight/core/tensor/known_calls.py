"""Calls made before: a layer's function whose arguments have been checked is not run again.

Functions such as `conv2d` check their arguments, put them into canonical form and record one or
two ops. All of that follows from the arguments' metas, from which of them need gradients, and
from the other arguments' values. Those functions are exported with ``static=True``; the second
call with equal arguments appends the same records, and makes the same nodes, straight away.

What a call did is read off the trace and the graph (`_observe`), not declared: a call that did
anything else (a view, an in-place write, a random draw, a sync) is simply run every time.
"""

from __future__ import annotations

import functools
from typing import Any

from ..autograd.node import Node, next_sequence, node_type, save_plan
from ..base.dtypes import dtype
from ..base.errors import user_line
from ..base.shapes import FLUSH_BYTES, Meta, Size
from ..ops.core_views import ITEM, LAYOUT, UPDATE, VIEW
from ..trace.value import STATE, Value, flush_long_trace
from .dispatch import PLAIN, TENSOR, edge_of, new, read
from .storage import UntypedStorage

LIMIT = 4096                  # calls remembered per function
STATIC = frozenset((int, float, bool, str, type(None), dtype))
_LAYOUTS = (VIEW, LAYOUT, UPDATE)


class Step:
    """One record of a known call, and its node.

    positions: where its inputs are among the call's values: the arguments' tensors, then the
        call's constants, then the results of the steps before.
    outputs: (output number, meta, whether it needs a tensor) of each result; the number is None
        for an op of one output.
    node: None, or (node type, metas, out_metas, params, plan, outputs it hangs on).
    """

    __slots__ = ("op", "params", "meta", "positions", "outputs", "node", "checks")
    op: Any
    params: Any
    meta: Any
    positions: tuple[int, ...]
    outputs: tuple[tuple[Any, Meta, bool], ...]
    node: Any
    checks: bool


class Call:
    """The steps of a call, its constants (Python numbers and None), and what it returns."""

    __slots__ = ("steps", "constants", "weight", "result")
    steps: list[Step]
    constants: list[Any]
    weight: int
    result: Any


def known_calls(function, static):
    """`function`, remembering the calls it has made; `static` as `export` takes it."""
    plain, calls = PLAIN, {}
    check = None if static is True else static

    @functools.wraps(function)
    def call(*args, **kwargs):
        state = STATE.own
        if state.slow or state.inference or state.autocast is not None:
            return function(*args, **kwargs)
        grad = state.grad
        key: list = [grad]
        arguments = args
        if kwargs:
            key += kwargs
            arguments = (*args, *kwargs.values())
        tensors, values, edges = [], [], []
        for item in arguments:
            kind = type(item)
            if kind in plain:
                m = item._meta
                value = item._storage.value
                if value.meta is not m:
                    value = read(item)
                edge = None
                if grad:
                    edge = item._grad_fn
                    if item._base is not None or item._output_nr:
                        edge = edge_of(item)
                    elif edge is None and item._requires_grad:
                        edge = item
                key += (m, edge is None)
                tensors.append(item)
                values.append(value)
                edges.append(edge)
            elif kind is tuple:
                key += (tuple(map(type, item)), item)
            else:
                key += (kind, item)
        try:
            known = calls.get(tuple(key))
        except TypeError:               # a list among the arguments
            return function(*args, **kwargs)
        if known is not None:
            if check is not None:
                check(*args, **kwargs)
            return _repeat(known, state, tensors, values, edges)
        if len(calls) > LIMIT:
            calls.clear()
        trace = state.trace
        before = len(trace), trace[-1] if trace else None
        versions = [tensor._storage.version for tensor in tensors]
        result = function(*args, **kwargs)
        if all([_is_static(item) for item in arguments]) and \
                versions == [tensor._storage.version for tensor in tensors]:
            observed = _observe(before, trace, result, tensors, values, edges)
            if observed is not None:
                calls[tuple(key)] = observed
        return result
    return call


def _repeat(known, state, tensors, values, edges):
    """Append what a known call appended, on new arguments."""
    trace = state.trace
    tensor_type = TENSOR[0]
    if known.constants:
        tensors += known.constants
        values += known.constants
        edges += (None,) * len(known.constants)
    results = []
    for step in known.steps:
        positions = step.positions
        value = new(Value)
        value.op, value.params, value.meta = step.op, step.params, step.meta
        value.inputs = tuple([values[i] for i in positions])
        value.array = None
        if step.checks:
            value.line = user_line(2)
        trace.append(value)
        made, storages = [], []
        for number, m, seen in step.outputs:
            if number is not None:
                item = new(Value)
                item.op, item.inputs, item.params, item.meta = ITEM, (value,), (number,), m
                item.array = None
                trace.append(item)
            else:
                item = value
            storage = new(UntypedStorage)
            storage.value = item
            storage.version = 0
            storage.writer = storage.exposed = None
            storages.append(storage)
            values.append(item)
            if seen:
                out = new(tensor_type)
                out._storage, out._meta, out._output_nr = storage, m, 0
                out._base = out._grad_fn = None
                out._requires_grad = False
                made.append(out)
            else:
                made.append(None)
        if step.node is not None:
            node_class, metas, out_metas, params, plan, carriers = step.node
            node = new(node_class)
            node.edges = tuple([edges[i] for i in positions])
            node.metas, node.out_metas, node.params, node.plan = metas, out_metas, params, plan
            node.seq = next_sequence()
            node.hooks = node.line = None
            saved = []
            for i in plan.inputs:
                item = tensors[positions[i]]
                saved.append((item, item._storage.version) if type(item) in PLAIN else item)
            for number in plan.outputs:
                saved.append((storages[number], step.outputs[number][1], 0, number))
            node.saved = tuple(saved)
            reached = [None] * len(made)
            for number in carriers:
                reached[number] = (node, number) if number else node
                out = made[number]
                if out is not None:
                    out._grad_fn, out._output_nr, out._requires_grad = node, number, True
            edges += reached
        else:
            edges += (None,) * len(made)
        tensors += made
        results += made
    state.weight = weight = state.weight + known.weight
    if weight > FLUSH_BYTES:
        flush_long_trace()
    result = known.result
    return results[result] if type(result) is int else tuple([results[i] for i in result])


def _is_static(item):
    kind = type(item)
    if kind is tuple or kind is Size:
        return all([type(part) in STATIC for part in item])
    return kind in PLAIN or kind in STATIC


def _observe(before, trace, result, tensors, values, edges):
    """What a call appended, as a Call; None where it did more than append records.

    before: the trace's length and last value when the call began. The candidate is tried on the
    call's own arguments, and kept only if it makes the same graph.
    """
    count, last = before
    if len(trace) <= count or (count and trace[count - 1] is not last):
        return None
    if len(set(map(id, values))) < len(values):     # one tensor twice: places would be ambiguous
        return None
    call = _read_records(trace[count:], values)
    if call is None:
        return None
    grad = STATE.own.grad
    reached = [edge is not None for edge in edges] + [False] * len(call.constants)
    metas = [tensor._meta for tensor in tensors]
    metas += [None if item is None else type(item) for item in call.constants]
    for step in call.steps:
        step.node = _predict_node(step, metas, reached) if grad else None
        carriers = step.node[-1] if step.node is not None else ()
        reached += [i in carriers for i in range(len(step.outputs))]
        metas += [m for _, m, _ in step.outputs]
    several = type(result) is tuple
    returned = result if several else (result,)
    position = {id(v): i for i, v in enumerate(_results(trace[count:]))}
    call.result = []
    for out in returned:
        if type(out) is not TENSOR[0] or out._base is not None:
            return None
        place = position.get(id(out._storage.value))
        if place is None:
            return None
        call.result.append(place)
    _drop_unseen(call, len(tensors) + len(call.constants))
    call.result = tuple(call.result) if several else call.result[0]
    end, weight = len(trace), STATE.own.weight
    again = _repeat(call, STATE.own, list(tensors), list(values), list(edges))
    del trace[end:]
    STATE.own.weight = weight
    again = again if several else (again,)
    return call if all(map(_same_tensor, returned, again)) else None


def _drop_unseen(call, first):
    """Mark the results that are neither returned nor inputs of later steps: they need no tensor."""
    used = {place for step in call.steps for place in step.positions}
    used.update(first + place for place in call.result)
    for step in call.steps:
        outputs = [(number, m, first + i in used)
                   for i, (number, m, _) in enumerate(step.outputs)]
        first += len(outputs)
        step.outputs = tuple(outputs)


def _results(records):
    """The values that stand for results: of an op with several outputs, its items."""
    return [value for value in records if type(value.meta) is not tuple]


def _read_records(records, values):
    """The steps and constants of new records; None where one has no place in a Call."""
    call = Call()
    call.steps, call.constants, call.weight, call.result = [], [], 0, None
    constants: dict = {}
    mains = [value for value in records if value.op is not ITEM]
    for value in mains:         # constants stand before the results, so they come first
        if value.op in _LAYOUTS or value.array is not None:
            return None
        for item in value.inputs:
            if type(item) is not Value and (type(item), item) not in constants:
                constants[type(item), item] = len(values) + len(call.constants)
                call.constants.append(item)
    position = {id(value): i for i, value in enumerate(values)}
    following = len(values) + len(call.constants)
    for value in mains:
        step = Step()
        step.op, step.params, step.meta = value.op, value.params, value.meta
        step.checks = bool(value.op.facts.get("checks"))
        places: list = [position.get(id(item)) if type(item) is Value else
                        constants[type(item), item] for item in value.inputs]
        if None in places:
            return None
        step.positions = tuple(places)
        start = records.index(value)
        if type(value.meta) is tuple:
            outputs = records[start + 1:start + 1 + len(value.meta)]
            if [(v.op, v.inputs, v.params) for v in outputs] != \
                    [(ITEM, (value,), (i,)) for i in range(len(value.meta))]:
                return None
            step.outputs = tuple([(v.params[0], v.meta, True) for v in outputs])
        else:
            outputs = [value]
            step.outputs = ((None, value.meta, True),)
        for output in outputs:
            position[id(output)] = following
            following += 1
            call.weight += output.meta.weight
        call.steps.append(step)
    return call


def _predict_node(step, metas, reached):
    """The node that recording `step` makes when its inputs at `reached` need gradients."""
    op = step.op
    needs = tuple([reached[i] for i in step.positions])
    if not op.derivative or not any(needs):
        return None
    carriers = tuple([i for i, (_, m, _) in enumerate(step.outputs)
                      if i not in op.non_differentiable and m.dtype.category > 1])
    if not carriers:
        return None
    return (node_type(op), tuple([metas[i] for i in step.positions]), step.meta,
            step.params or (), save_plan(op, needs), carriers)


def _same_tensor(a, b):
    return a._meta is b._meta and a._requires_grad == b._requires_grad and \
        a._output_nr == b._output_nr and _same_node(a._grad_fn, b._grad_fn)


def _same_node(a, b):
    """Whether two graphs down to the same arguments are alike."""
    if a is b:
        return True
    if type(a) is not type(b) or not isinstance(a, Node):
        return False
    if (a.metas, a.out_metas, a.params, a.hooks) != (b.metas, b.out_metas, b.params, b.hooks) or \
            a.plan is not b.plan or len(a.edges) != len(b.edges):
        return False
    return all(map(_same_edge, a.edges, b.edges)) and all(map(_same_saved, a.saved, b.saved))


def _same_edge(a, b):
    if type(a) is tuple and type(b) is tuple:
        return a[1] == b[1] and _same_node(a[0], b[0])
    return _same_node(a, b)


def _same_saved(a, b):
    if type(a) is not tuple or type(b) is not tuple or len(a) != len(b):
        return a is b or (type(a) is type(b) and a == b)
    if len(a) == 2:
        return a[0] is b[0] or _same_tensor(a[0], b[0])
    return a[1:] == b[1:]
