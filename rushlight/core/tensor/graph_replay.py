"""A captured call whose backward is still to come: its records and its graph are made again.

A forward pass under autograd ends with tensors that hang on a graph, and the graph holds what the
backward will need. A replay of such a call appends the same records to the trace (nothing runs
yet, so forward, loss, backward and optimizer still become one plan) and rebuilds the tensors,
storages and nodes between the known tensors and the results, without the function's Python.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..autograd.node import FREED_MARK, Node, next_sequence
from ..base.errors import user_line
from ..base.shapes import FLUSH_BYTES
from ..trace.value import STATE, Value, flush_long_trace
from .dispatch import PLAIN, TENSOR, edge_of, new
from .storage import UntypedStorage
from .view_graph import FunctionNode


class Refusal(Exception):
    """Why a graph cannot be rebuilt."""


class TensorPart(NamedTuple):
    """A tensor inside a graph. References: a number of its own kind, or ~i for known tensor i.

    storage, base: references. node: (number, output) or None. view: None, or what `_view_state`
    keeps, its version counted back from the storage's. cached: the place of a read of the view.
    """

    storage: int
    meta: Any
    requires_grad: bool
    node: Any
    base: Any
    detached: bool
    view: Any
    cached: Any


class NodePart(NamedTuple):
    """A node: `edges` are None, ("node", number, output) or ("known", i); `saved` likewise."""

    kind: Any
    metas: Any
    out_metas: Any
    params: Any
    plan: Any
    backward: Any
    edges: tuple
    saved: tuple


class GraphReader:
    """Reads the graph between known tensors and results into parts.

    before: the known tensors as they were (see `capture`). place: a function of (value, what it
    is) that gives a value's place.
    """

    def __init__(self, before, place):
        self.place = place
        self.known = {id(b.tensor): i for i, b in enumerate(before)}
        self.known_storages = {id(b.storage): i for i, b in reversed(list(enumerate(before)))}
        self.outer = {}                       # where gradients leave the call: id of a node
        for i, b in enumerate(before):
            edge = edge_of(b.tensor)
            if edge is not None:
                key = edge if type(edge) is tuple else (edge, 0)
                self.outer[id(key[0]), key[1]] = i
        self.outer_nodes = {name for name, _ in self.outer}
        self.storages: list = []              # (place, version)
        self.tensors: list = []
        self.nodes: list = []
        self.node_objects: list = []
        self._storage_numbers: dict = {}
        self._tensor_numbers: dict = {}
        self._node_numbers: dict = {}

    def read(self, results):
        """The results' references; fills the parts."""
        references = [self.tensor(out) for out in results]
        done = 0
        while done < len(self.node_objects):      # reading a node may find more
            self.nodes.append(self._node_part(self.node_objects[done]))
            done += 1
        self.order = sorted(range(done), key=lambda i: self.node_objects[i].seq)
        del self.node_objects
        return references

    def storage(self, storage) -> int:
        """A reference to a storage."""
        known = self.known_storages.get(id(storage))
        if known is not None:
            return ~known
        number = self._storage_numbers.get(id(storage))
        if number is None:
            if storage.exposed is not None or storage.version != storage.version:
                raise Refusal("a result shares its memory")
            number = self._storage_numbers[id(storage)] = len(self.storages)
            self.storages.append((self.place(storage.value, "a value kept for the backward"),
                                  storage.version))
        return number

    def tensor(self, tensor) -> int:
        """A reference to a tensor."""
        known = self.known.get(id(tensor))
        if known is not None:
            return ~known
        number = self._tensor_numbers.get(id(tensor))
        if number is not None:
            return number
        if type(tensor) not in PLAIN or tensor._vc is not None or tensor._hooks or \
                tensor._retains or tensor._grad is not None or tensor._accumulate is not None:
            raise Refusal("a tensor of the graph is of a kind that cannot be rebuilt")
        if tensor._grad_fn is None and tensor._requires_grad:
            raise Refusal("it makes a new leaf that requires grad")
        node = tensor._grad_fn
        base = None if tensor._base is None else self.tensor(tensor._base)
        view = tensor._view
        if view is not None:
            view = (tensor._storage.version - view[0], *view[1:])
        cached = tensor._cache
        if cached is not None and cached[0] is tensor._storage.value:
            cached = self.place(cached[1], "a read of a view")
        else:
            cached = None
        part = TensorPart(
            self.storage(tensor._storage), tensor._meta, tensor._requires_grad,
            None if node is None else (self._node(node), tensor._output_nr), base,
            tensor._detached_view, view, cached)
        number = self._tensor_numbers[id(tensor)] = len(self.tensors)
        self.tensors.append(part)
        return number

    def _node(self, node) -> int:
        if id(node) in self.outer_nodes:
            raise Refusal("a result hangs on the graph of an argument")
        number = self._node_numbers.get(id(node))
        if number is None:
            number = self._node_numbers[id(node)] = len(self.node_objects)
            self.node_objects.append(node)
        return number

    def _node_part(self, node) -> NodePart:
        backward = None
        if isinstance(node, FunctionNode):
            backward = node.__dict__["backward"]
        elif node.plan is None:
            raise Refusal(f"a node of a custom function ({node.name()}) is in its graph")
        if node.hooks is not None or node.line is not None:
            raise Refusal("a node of its graph has hooks")
        edges = []
        for edge in node.edges:
            if edge is None:
                edges.append(None)
                continue
            target, number = edge if type(edge) is tuple else (edge, 0)
            outer = self.outer.get((id(target), number))
            if outer is not None:
                edges.append(("known", outer))
            elif isinstance(target, Node):
                edges.append(("node", self._node(target), number))
            else:
                raise Refusal("gradients flow to a tensor that is not in reach")
        saved = FREED_MARK if node.saved is FREED_MARK else tuple(map(self._saved, node.saved))
        return NodePart(type(node), node.metas, node.out_metas, node.params, node.plan, backward,
                        tuple(edges), saved)

    def _saved(self, entry):
        if type(entry) is not tuple:
            if isinstance(entry, (int, float, complex, type(None))):
                return ("item", entry)
            raise Refusal("a value is kept for the backward in a way of its own")
        storage = entry[0]._storage if len(entry) == 2 else entry[0]
        version = entry[1] if len(entry) == 2 else entry[2]
        if storage.version != version:
            raise Refusal("a value kept for the backward is changed afterwards")
        if len(entry) == 2:
            return ("tensor", self.tensor(entry[0]))
        return ("storage", self.storage(storage), entry[1], entry[3])


class GraphReplay:
    """Makes a captured call's records and graph again; see the module's text.

    guard: what checks that the known tensors are as they were (`replay.Guard`). records: (op,
    params, meta, positions of inputs, line?) as in `known_backward`; a position is a known
    tensor's or generator's number, then one of the `constants` (values and Python numbers), then
    a record. Places (see `replay.Guard`) number what the call computed; `where` is their position.
    """

    def __init__(self, guard, records, constants, weight, reader, references, where, writes,
                 streams):
        self.guard, self.where = guard, where
        self.records, self.constants, self.weight = records, constants, weight
        self.storages, self.tensors, self.nodes = reader.storages, reader.tensors, reader.nodes
        self.order, self.references = reader.order, references
        self.writes, self.streams = writes, streams
        self.steps: list = []
        self.scalars: list = []
        self.line = user_line()

    def __call__(self, arguments) -> Any:
        """(the call's result tensors, None) on these arguments, or CHANGED."""
        state = self.guard.check(arguments)
        if state is None:
            from .replay import CHANGED
            return CHANGED
        known, known_storages, values = state
        positions = self._append(values)

        def value_at(place):
            return positions[self.where[place]] if place >= 0 else values[~place]
        for i, place, bump in self.writes:
            storage = known_storages[i]
            storage.value = value_at(place)
            storage.version += bump
            storage.writer = self.line
        for i, place in self.streams:
            self.guard.generators[i]._value = value_at(place)
        tensors = self._rebuild(value_at, known, known_storages)
        results = [known[~r] if r < 0 else tensors[r] for r in self.references]
        if STATE.own.weight > FLUSH_BYTES:
            del positions, values, tensors, state, value_at
            flush_long_trace()
        return results, None

    def _append(self, values):
        """The values by position, after appending the records to the trace."""
        positions = values + self.constants
        state = STATE.own
        trace = state.trace
        for op, params, m, places, line in self.records:
            value = new(Value)
            value.op, value.params, value.meta = op, params, m
            value.inputs = tuple([positions[i] for i in places])
            value.array = None
            if line is not None:
                value.line = line
            trace.append(value)
            positions.append(value)
        state.weight += self.weight
        return positions

    def _rebuild(self, value_at, known, known_storages):
        storages = []
        for place, version in self.storages:
            storage = new(UntypedStorage)
            storage.value = value_at(place)
            storage.version = version
            storage.writer = storage.exposed = None
            storages.append(storage)
        nodes = [new(part.kind) for part in self.nodes]
        tensors: list = []
        for part in self.tensors:
            tensor = new(TENSOR[0])
            storage = tensor._storage = storages[part.storage] if part.storage >= 0 else \
                known_storages[~part.storage]
            tensor._meta, tensor._requires_grad = part.meta, part.requires_grad
            if part.node is None:
                tensor._grad_fn, tensor._output_nr = None, 0
            else:
                tensor._grad_fn, tensor._output_nr = nodes[part.node[0]], part.node[1]
            base = part.base
            tensor._base = None if base is None else tensors[base] if base >= 0 else known[~base]
            if part.detached:
                tensor._detached_view = True
            if part.view is not None:
                tensor._view = (storage.version - part.view[0], *part.view[1:])
            if part.cached is not None:
                tensor._cache = (storage.value, value_at(part.cached))
            tensors.append(tensor)

        def saved(entry):
            if entry[0] == "item":
                return entry[1]
            if entry[0] == "tensor":
                tensor = tensors[entry[1]] if entry[1] >= 0 else known[~entry[1]]
                return (tensor, tensor._storage.version)
            storage = storages[entry[1]] if entry[1] >= 0 else known_storages[~entry[1]]
            return (storage, entry[2], storage.version, entry[3])

        for i in self.order:
            part, node = self.nodes[i], nodes[i]
            node.metas, node.out_metas, node.params = part.metas, part.out_metas, part.params
            node.plan, node.hooks, node.line = part.plan, None, None
            if part.backward is not None:
                node.__dict__["backward"] = part.backward
            node.seq = next_sequence()
            node.edges = tuple([
                None if e is None else edge_of(known[e[1]]) if e[0] == "known" else
                (nodes[e[1]], e[2]) if e[2] else nodes[e[1]] for e in part.edges])
            node.saved = part.saved if part.saved is FREED_MARK else \
                tuple([saved(entry) for entry in part.saved])
        return tensors
