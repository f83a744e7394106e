"""What one call did to tensors, as a plan to run again: the lower half of `rushlight.compile`.

`Capture` looks on while a function runs as it always does: which records it traced, which of the
known tensors' memory they read (parameters, buffers, optimizer state, gradients, arguments, a
generator's state), and what they left behind (results, new contents of known tensors, gradients).
If that is all the function did, `finish` gives a `Replay`: it reads the known tensors' arrays, runs
the records' plan once, and puts the outputs where the function put them. Where a result's backward
is still to come it gives a `GraphReplay`, which appends the records and makes the graph again.

A capture changes nothing: the call's own records stay in the trace and run when somebody looks.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

from ..autograd.node import FREED_MARK, Node
from ..base.dtypes import get_default_dtype
from ..base.errors import user_line
from ..runtime.program import Program, needed_records
from ..runtime.realize import flush, realize
from ..trace.value import STATE, Value, leaf
from ..trace.walk import holders, live_outputs
from .dispatch import PLAIN
from .graph_replay import GraphReader, GraphReplay, Refusal
from .replay import GradientResult, Guard, NotReachable, Replay, TensorResult

_NOT_REACHABLE = ("it reads a tensor that is not among its arguments, the function's own variables "
                  "or what these hold")


class Refused(Exception):
    """A call that cannot be replayed; the text says why."""


def thread_state():
    """The running thread's modes."""
    return STATE.own


def plain_types():
    """The tensor classes that ops take without asking: Tensor and Parameter."""
    return PLAIN


class _Before:
    """A known tensor as it was when the call began."""

    __slots__ = ("tensor", "meta", "requires_grad", "node", "grad", "storage", "version", "value")

    def __init__(self, tensor):
        self.tensor, self.meta, self.storage = tensor, tensor._meta, tensor._storage
        self.requires_grad, self.node = tensor._requires_grad, tensor._grad_fn
        self.grad = tensor._grad
        self.version, self.value = self.storage.version, self.storage.value


class Capture:
    """Looks on while a function runs once.

    arguments: the call's tensors. known: the other tensors that the function can reach.
    generators: the streams of random numbers that it can draw from. is_last_read: a function of a
    frame that tells whether the value read there is what the captured function returns.
    Raises Refused where a tensor is of a kind that cannot be replayed.
    """

    def __init__(self, arguments, known, generators, is_last_read=None):
        self.state = STATE.own
        self.modes = self._modes()
        self.arguments = len(arguments)
        tensors = [*arguments, *known]
        self.generators = list(generators)
        self.is_last_read = is_last_read
        flush("a call is captured")
        if self.state.trace:
            raise Refused("values of another thread are pending")
        self._check(tensors, arguments)
        self.before = [_Before(tensor) for tensor in tensors]
        self.streams = [generator._value for generator in self.generators]
        self.constants: list[Value] = []       # values made from Python data while looking on
        self.steps: list[Any] = []             # optimizers' steps: (value, owner, options)
        self.program: Any = None
        self.final: Any = None
        self.sync_why: str | None = None
        self.reads = self.state.reads

    def _modes(self):
        state = self.state
        return (state.grad, state.inference, state.slow, state.autocast, get_default_dtype())

    def _check(self, tensors, arguments):
        values: dict = {}
        storages: dict = {}
        for i, tensor in enumerate(tensors):
            if type(tensor) not in PLAIN:
                raise Refused(f"a tensor of the class {type(tensor).__name__}")
            storage = tensor._storage
            if tensor._base is not None:
                tensor._refresh_view()
            if tensor._grad_fn is not None and i >= len(arguments):
                raise Refused("a tensor in reach is part of a graph: pass it as an argument")
            if storage.exposed is not None and storage.still_exposed():
                raise Refused("a tensor shares its memory with NumPy or other processes")
            if storage.version != storage.version:
                raise Refused("a tensor of inference mode")
            realize(storage.value, "a call is captured")
            if i < len(arguments) and id(storage) in storages:
                raise Refused("two arguments share memory")
            if i >= len(arguments) and storages.get(id(storage), i) < len(arguments):
                raise Refused("an argument shares memory with a tensor in reach")
            storages.setdefault(id(storage), i)
            # Copies share their value until one is written; here each needs one of its own.
            if values.setdefault(id(storage.value), storage) is not storage:
                value = storage.value
                storage.value = leaf(value.array, value.meta)

    # -- while the function runs -----------------------------------------------------------------

    def __enter__(self):
        self.state.capture = self
        return self

    def __exit__(self, *_):
        self.state.capture = None

    def sync(self, value) -> None:
        """`value`'s elements are asked for: that is the end, unless they are what is returned."""
        if self.sync_why is None and self.final is None and self.is_last_read is not None and \
                self.state.reads == self.reads + 1 and type(value.meta) is not tuple and \
                value.meta.numel == 1 and self.is_last_read(sys._getframe(2)):
            self.state.capture = None
            try:
                self._describe([value])
                self.final = value.meta
            except Refused as error:
                self.sync_why = str(error)
            finally:
                self.state.capture = self
            return
        if self.sync_why is None:
            line = user_line()
            where = "" if line is None else f" ({line[0]}:{line[1]})"
            self.sync_why = "it looks at a tensor's elements while it runs" + where

    # -- afterwards ------------------------------------------------------------------------------

    def finish(self, results) -> Any:
        """What the call did, as a Replay or GraphReplay. results: the tensors it returned."""
        self.state.capture = None
        if self.sync_why is not None:
            raise Refused(self.sync_why)
        if self._modes() != self.modes:
            raise Refused("it leaves another mode of autograd or another default dtype behind")
        if self.final is not None:
            if self.state.reads != self.reads + 1 or self.state.trace or results or \
                    self._changes() != self.changes:
                raise Refused("it goes on after looking at a tensor's elements")
            alive = [v for v in (reference() for reference in self.alive) if v is not None]
            if any(id(v) not in self.explained for v in alive):
                raise Refused("it keeps a tensor that it does not return")
            return self.replay
        if self.state.reads != self.reads:
            raise Refused("it looks at a tensor's elements while it runs")
        self._describe([], results)
        return self.replay

    def _changes(self):
        """The known tensors' contents and gradients, and the generators' states, by identity."""
        return ([id(b.storage.value) for b in self.before],
                [id(b.tensor._grad) for b in self.before],
                [id(generator._value) for generator in self.generators])

    def _describe(self, final, results=()):
        """Make `self.replay` of what has been recorded so far."""
        records = list(self.state.trace)
        self.steps = [(id(value), *rest) for value, *rest in self.steps]    # held no longer
        for b in self.before:
            t = b.tensor
            if t._storage is not b.storage or t._meta is not b.meta or \
                    t._requires_grad != b.requires_grad or t._grad_fn is not b.node:
                raise Refused("it gives a tensor in reach other memory, another shape or a graph")
        if any(value.array is not None for value in records):
            raise Refused("something was computed while it ran")
        pending = {id(value) for value in records}
        sources = {id(b.value): i for i, b in enumerate(self.before)}
        count = len(self.before)
        sources.update((id(v), count + i) for i, v in enumerate(self.streams))
        outputs: list[Value] = []

        def place(value, what):
            """Where a value is to be found in a replay: an output's number, or ~source."""
            if id(value) in pending:
                outputs.append(value)
                return len(outputs) - 1
            if id(value) in sources:
                return ~sources[id(value)]
            raise Refused(f"{what} is not computed from what the call is given")

        writes, gradients = [], []
        written: set = set()
        for i, b in enumerate(self.before):
            if b.storage.value is not b.value and id(b.storage) not in written:
                written.add(id(b.storage))
                writes.append((i, place(b.storage.value, "the new content of a tensor"),
                               b.storage.value.meta, b.storage.version - b.version))
            if b.tensor._grad is not b.grad:
                gradients.append(self._gradient(i, b.tensor._grad, place))
        streams = [(i, place(g._value, "a generator's state"))
                   for i, g in enumerate(self.generators) if g._value is not self.streams[i]]
        guard = Guard(self)
        if any(out._grad_fn is not None and not _is_consumed(out._grad_fn) for out in results):
            if gradients:
                raise Refused("it runs a backward and leaves another to be run")
            self.replay = self._graph_replay(guard, records, outputs, place, results, writes,
                                             streams, sources)
            return
        for b in self.before:
            if b.tensor._hooks or b.tensor._post_hooks or b.tensor._accumulate is not None:
                raise Refused("a tensor has hooks")
            if b.node is not None:
                raise Refused("an argument is part of a graph")
        made = [self._result(out, place) for out in results]
        last = [place(value, "what is returned") for value in final]
        self.explained = {id(value) for value in outputs}
        if not final:
            self._check_nothing_else_lives(records)
        else:
            self.alive = [weakref.ref(value) for value in records]
            self.changes = self._changes()
        if not outputs:
            raise Refused("it computes nothing")
        try:
            self.replay = Replay(self, guard, Program(records, outputs), sources, writes,
                                 gradients, streams, made, last[0] if final else None)
        except NotReachable:
            raise Refused(_NOT_REACHABLE) from None

    def _graph_replay(self, guard, records, outputs, place, results, writes, streams, sources):
        """A replay that makes the graph of the results again."""
        reader = GraphReader(self.before, place)
        try:
            references = reader.read(results)
        except Refusal as refusal:
            raise Refused(str(refusal)) from None
        self.explained = {id(value) for value in outputs}
        self._check_nothing_else_lives(records)
        needed = needed_records(records, outputs)
        kept: list[Any] = []
        place_of = dict(sources)
        constants: dict = {}
        count = len(self.before) + len(self.streams)
        made = {id(value): value for value in self.constants}
        for value in needed:
            for item in value.inputs:
                name = id(item) if type(item) is Value else (type(item), item)
                if type(item) is not Value:
                    constants.setdefault(name, item)
                elif item.array is not None and name not in sources:
                    if name not in made and item.params is None:
                        raise Refused(_NOT_REACHABLE)
                    constants.setdefault(name, item)
        place_of.update((name, count + i) for i, name in enumerate(constants))
        first = count + len(constants)
        place_of.update((id(value), first + i) for i, value in enumerate(needed))
        for value in needed:
            places = tuple([place_of[id(item) if type(item) is Value else (type(item), item)]
                            for item in value.inputs])
            kept.append((value.op, value.params, value.meta, places,
                         getattr(value, "line", None)))
        weight = sum([v.meta.weight for v in needed if type(v.meta) is not tuple])
        where = [place_of[id(value)] for value in outputs]
        return GraphReplay(guard, kept, list(constants.values()), weight, reader, references,
                           where, [(i, p, bump) for i, p, _, bump in writes], streams)

    def _check_nothing_else_lives(self, records):
        held = [count + 1 for count in holders(records)]     # the trace's list and `records`
        for value, alive in zip(records, live_outputs(records, held)):
            if alive and id(value) not in self.explained:
                raise Refused("it keeps a tensor that it does not return")

    def _gradient(self, i, grad, place):
        if grad is None:
            return GradientResult(i, None, None)
        if type(grad) not in PLAIN or grad._grad_fn is not None or grad._requires_grad or \
                grad._base is not None or grad._storage.value.meta is not grad._meta:
            raise Refused("a gradient is not a plain tensor")
        return GradientResult(i, place(grad._storage.value, "a gradient"), grad._meta)

    def _result(self, out, place):
        for i, b in enumerate(self.before):
            if out is b.tensor:
                return TensorResult(i, None, None, None, None)
        if type(out) not in PLAIN:
            raise Refused(f"it returns a tensor of the class {type(out).__name__}")
        if any(out._storage is b.storage for b in self.before):
            raise Refused("it returns a view of a tensor in reach")
        node = out._grad_fn
        if node is None and out._requires_grad:
            raise Refused("it returns a new leaf that requires grad")
        base = None if out._base is None else out._base._meta
        return TensorResult(None, place(out._storage.value, "a result"), out._meta, base,
                            None if node is None else (node, out._output_nr))


def _is_consumed(node) -> bool:
    """Whether nothing that a backward from here would need is there any more, or any is needed."""
    seen, stack = set(), [node]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.hooks is not None or node.plan is None or \
                (node.saved and node.saved is not FREED_MARK):
            return False
        for edge in node.edges:
            target = edge[0] if type(edge) is tuple else edge
            if isinstance(target, Node):
                stack.append(target)
    return True

