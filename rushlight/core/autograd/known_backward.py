"""Backward passes made before: the records of a known graph are appended without running its nodes.

What a backward records follows from its graph: the ops and their order, their metas and
parameters, which values they saved, and where the edges go. `Survey` reads all of that into a key.
The first backward of a graph runs node by node (`engine`), and what it appended is kept as a
`Template` if it looked at no elements, and every input of its records is a saved value, the
gradient it started from, a Python number, or a new tensor of equal elements. The next graph with
that key gets the same records, on its own values.

Hooks, custom functions, anomaly mode, ``create_graph`` and a backward for some inputs only always
run node by node.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from ..base.dtypes import get_default_dtype
from ..base.errors import user_line
from ..trace.value import Value
from .node import FREED_MARK, Node, _tensor_room

LIMIT = 512
_templates: dict = {}          # key -> Template, or None where a graph has to run node by node
UNSEEN: Any = object()
_sequence = attrgetter("seq")
new = object.__new__


class Survey:
    """A graph's key, and what a template is applied to: its values and its leaves."""

    __slots__ = ("key", "nodes", "values", "leaves")
    key: tuple[Any, ...]
    nodes: list[Any]
    values: list[Any]
    leaves: list[Any]


class Template:
    """The records of a backward.

    records: (op, params, meta, positions, whether it remembers the user's line). A position is
        a place among the surveyed values, the constants (Python numbers, None), the new tensors
        of equal elements (`fills`: their metas and elements), then the records.
    gradients: for each leaf in the order of accumulation (its number, position, meta).
    """

    __slots__ = ("records", "constants", "fills", "weight", "gradients")
    records: list[tuple[Any, ...]]
    constants: list[Any]
    fills: list[tuple[Any, ...]]
    weight: int
    gradients: list[tuple[Any, ...]]


def survey(roots, grads) -> Survey | None:
    """The survey of a graph; None where it has to run node by node."""
    nodes = _nodes(roots)
    if nodes is None:
        return None
    plain = _tensor_room["plain"]
    found = Survey()
    values, leaves = [], []
    found.nodes, found.values, found.leaves = nodes, values, leaves
    places: dict = {}
    for i, node in enumerate(nodes):
        places[id(node)] = i
    slots: dict = {}
    key: list = [get_default_dtype()]
    for root, gradient in zip(roots, grads):
        key.append((places[id(root._grad_fn)], root._output_nr))
        if type(gradient) not in plain or \
                not _add(gradient._storage, gradient._meta, gradient, key, slots, values):
            return None
    for node in nodes:
        key += (type(node), node.plan, node.metas, node.out_metas, node.params)
        for edge in node.edges:
            place = places.get(id(edge))
            if place is not None or edge is None:
                key.append(place)
            elif type(edge) is tuple:
                key.append((places[id(edge[0])], edge[1]))
            else:
                if type(edge) not in plain or edge._hooks or edge._post_hooks or \
                        edge._accumulate is not None:
                    return None
                place = places[id(edge)] = -1 - len(leaves)
                leaves.append(edge)
                key += (place, edge._meta)
        for entry in node.saved:
            if type(entry) is not tuple:
                if entry is not None and type(entry) not in (int, float, bool, complex):
                    return None
                key.append((type(entry), entry))
                continue
            if len(entry) == 2:
                tensor, version = entry
                if type(tensor) not in plain:
                    return None
                storage, m = tensor._storage, tensor._meta
            else:
                tensor = None
                storage, m, version, _ = entry
            if storage.version != version:
                return None
            value = storage.value
            if value.meta is not m:
                if tensor is None or not _add(storage, m, tensor, key, slots, values):
                    return None
                continue
            slot = slots.get(id(value))
            if slot is None:
                slot = slots[id(value)] = len(values)
                values.append(value)
                key.append(m)
            key.append(slot)
    found.key = tuple(key)
    return found


def _nodes(roots):
    """The nodes of a graph in the order in which they run; None where one has to run itself."""
    nodes, stack, seen = [], [], set()
    for root in roots:
        node = root.grad_fn
        if node is None:
            return None
        stack.append(node)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        if node.hooks is not None or node.plan is None or node.saved is FREED_MARK:
            return None
        seen.add(node)
        nodes.append(node)
        for edge in node.edges:
            if type(edge) is tuple:
                stack.append(edge[0])
            elif isinstance(edge, Node):
                stack.append(edge)
    nodes.sort(key=_sequence, reverse=True)
    return nodes


def _add(storage, m, tensor, key, slots, values) -> bool:
    """Put a tensor's value into the key: its storage's, and the read of a view, see `read`."""
    value = storage.value
    seen = [value]
    if value.meta is not m:
        key.append(m)
        cached = tensor._cache
        if cached is not None and cached[0] is value:
            seen.append(cached[1])
        if storage.exposed is not None:
            return False
    for item in seen:
        slot = slots.get(id(item))
        if slot is None:
            slot = slots[id(item)] = len(values)
            values.append(item)
            key.append(item.meta)
        key.append(slot)
    return True


def find(found) -> Any:
    """The template of a surveyed graph; None if it has none, UNSEEN if it never ran."""
    return _templates.get(found.key, UNSEEN)


def repeat(known, found, state, retain_graph) -> None:
    """Append a template's records for a surveyed graph, and accumulate the gradients."""
    values = found.values + known.constants
    trace = state.trace
    for m, fill in known.fills:
        values.append(_tensor_room["filled_leaf"](m, fill))
    for op, params, m, positions, checked in known.records:
        value = new(Value)
        value.op, value.params, value.meta = op, params, m
        value.inputs = tuple([values[i] for i in positions])
        value.array = None
        if checked:
            value.line = user_line(2)
        trace.append(value)
        values.append(value)
    if not retain_graph:
        for node in found.nodes:
            if node.saved:
                node.saved = FREED_MARK
    wrap = _tensor_room["wrap"]
    leaves = found.leaves
    for number, position, m in known.gradients:
        leaf = leaves[number]
        gradient = wrap(values[position], m)
        if leaf._grad is None:
            leaf._grad = gradient
        else:
            leaf._accumulate_grad(gradient, False)
    state.weight += known.weight


class Watch:
    """Looks at a backward that runs node by node, to make a template of it."""

    def __init__(self, found, state):
        self.found, self.state = found, state
        self.count = len(state.trace)
        self.last = state.trace[-1] if state.trace else None
        self.reads = state.reads

    def finish(self, leaves) -> None:
        """Called with the engine's leaves and gradients before they are accumulated."""
        own = _tensor_room["own"]
        for entry in leaves.values():
            entry[1] = own(entry[1], entry[0]._meta)
        if len(_templates) > LIMIT:
            _templates.clear()
        _templates[self.found.key] = self._template(leaves)

    def _template(self, leaves):
        trace, found = self.state.trace, self.found
        if self.state.reads != self.reads or len(trace) < self.count or \
                (self.count and trace[self.count - 1] is not self.last):
            return None                      # something was computed or looked at meanwhile
        records = trace[self.count:]
        known = Template()
        known.constants, known.records, known.fills, known.gradients = [], [], [], []
        constants: dict = {}
        filled: dict = {}
        given = set(map(id, found.values)) | set(map(id, records))
        for value in records:
            for item in value.inputs:
                if type(item) is not Value:
                    constants.setdefault((type(item), item), item)
                elif id(item) not in given and item.op is None and item.params is not None:
                    filled.setdefault(id(item), item)
        known.constants = list(constants.values())
        known.fills = [(item.meta, item.params[1]) for item in filled.values()]
        position: dict = {id(value): i for i, value in enumerate(
            [*found.values, *known.constants, *filled.values(), *records])}
        position.update({name: len(found.values) + i for i, name in enumerate(constants)})
        for value in records:
            places = [position.get(id(item) if type(item) is Value else (type(item), item))
                      for item in value.inputs]
            if None in places or value.array is not None:
                return None
            known.records.append((value.op, value.params, value.meta, tuple(places),
                                  hasattr(value, "line")))
        known.weight = sum([v.meta.weight for v in records if type(v.meta) is not tuple])
        numbers = {id(leaf): i for i, leaf in enumerate(found.leaves)}
        for leaf, gradient in leaves.values():
            place = position.get(id(gradient._storage.value))
            if place is None or gradient._storage.value.meta is not gradient._meta:
                return None
            known.gradients.append((numbers[id(leaf)], place, gradient._meta))
        return known

