"""A captured call, run again: known tensors' arrays in, one plan, results bound (see `capture`)."""

from __future__ import annotations

from sys import getrefcount
from typing import Any, NamedTuple

from ..base.errors import user_line
from ..runtime.realize import realize
from ..trace.value import Value, leaf
from .dispatch import alias, new, wrap

# What a replay returns when the tensors are not as they were: another capture has to be made.
CHANGED: Any = object()


class NotReachable(Exception):
    """A captured call read a tensor that is neither an argument nor known."""


class TensorResult(NamedTuple):
    """A tensor that the call returned: a known one (`known`), or a new one.

    place: an output's number, or ~source. base: the meta of what it is a view of, or None.
    node: (its node, output number) where it hangs on a graph that has been consumed.
    """

    known: int | None
    place: Any
    meta: Any
    base: Any
    node: Any


class GradientResult(NamedTuple):
    """``.grad`` of known tensor `index`: a new tensor, or None."""

    index: int
    place: Any
    meta: Any


class Guard:
    """Whether the tensors of now are as they were when a call was captured.

    Tensors are numbered: the call's arguments, then the known ones; the generators follow. A
    place is the number of something that the call computed, or ``~i`` for the value that tensor
    or generator i had before.
    """

    def __init__(self, capture):
        before = capture.before
        self.known = [b.tensor for b in before[capture.arguments:]]
        self.storages = [b.storage for b in before[capture.arguments:]]
        self.arguments = capture.arguments
        self.metas = [b.meta for b in before]
        self.value_metas = [b.value.meta for b in before]
        self.requires_grad = [b.requires_grad for b in before]
        self.has_grad = [b.grad is not None for b in before]
        self.has_node = [b.node is not None for b in before]
        self.distinct = len({id(b.storage) for b in before})
        self.generators = capture.generators

    def check(self, arguments) -> Any:
        """(tensors, their storages, values of tensors and generators), or None."""
        tensors = arguments + self.known
        storages = [t._storage for t in tensors]
        if [t._meta for t in tensors] != self.metas or \
                storages[self.arguments:] != self.storages or \
                [t._requires_grad for t in tensors] != self.requires_grad or \
                [t._grad is not None for t in tensors] != self.has_grad or \
                [t._grad_fn is not None for t in tensors] != self.has_node:
            return None
        values = [storage.value for storage in storages]
        if [value.meta for value in values] != self.value_metas or \
                len(set(map(id, storages))) != self.distinct:
            return None
        return tensors, storages, values + [g._value for g in self.generators]


class Replay:
    """Runs a captured call on the tensors of now; see `Capture`."""

    def __init__(self, capture, guard, program, sources, writes, gradients, streams, results,
                 final):
        self.guard, self.program = guard, program
        constants = {id(value): value for value in capture.constants}
        self.leaves: list = []          # per leaf: a source, or the array of a constant
        count = len(capture.before)
        written = {i for i, *_ in writes}
        self.moved: list = []           # (position among the leaves, source) of what is rewritten
        for position, value in enumerate(program.leaves):
            source = sources.get(id(value))
            if source is None:
                if id(value) not in constants and value.params is None:     # see FILLED
                    raise NotReachable
                self.leaves.append((None, value.array))
                continue
            self.leaves.append((source, None))
            if source in written and source < count:
                self.moved.append((position, source))
        positions = program.positions
        self.writes = [(i, self._final_place(place, positions), m, bump)
                       for i, place, m, bump in writes]
        self.gradients = [g._replace(place=self._final_place(g.place, positions))
                          for g in gradients]
        self.streams = [(i, self._final_place(place, positions)) for i, place in streams]
        self.results = [r._replace(place=self._final_place(r.place, positions)) for r in results]
        self.final = self._final_place(final, positions)
        self.half = capture.final is not None and capture.final.dtype.half
        self.scalars = list(program.scalars)
        self.steps = [(program.numbers_of[name], *rest) for name, *rest in capture.steps
                      if name in program.numbers_of]
        # Only a tensor that requires grad can have hooks.
        self.with_hooks = [i for i, flag in enumerate(guard.requires_grad) if flag]
        self.line = user_line()

    @staticmethod
    def _final_place(place, positions):
        """A place by the numbers of the plan's outputs."""
        return place if place is None or place < 0 else positions[place]

    def __call__(self, arguments) -> Any:
        """Run on these argument tensors: (result tensors, final number), or CHANGED."""
        state = self.guard.check(arguments)
        if state is None:
            return CHANGED
        tensors, storages, everything = state
        for i in self.with_hooks:
            tensor = tensors[i]
            if tensor._hooks or tensor._post_hooks or tensor._accumulate is not None:
                return CHANGED
        for value in everything:
            if value.array is None:
                realize(value, "a compiled call")
        arrays = [array if source is None else everything[source].array
                  for source, array in self.leaves]
        del state
        own = _take(self.moved, everything)
        outputs = self._run(arrays, everything, own)
        return self._bind(outputs, tensors, storages, everything, own)

    def _run(self, arrays, everything, own):
        def restore(old):
            for position, source in self.moved:
                if everything[source].array is None:
                    everything[source].array = old[position]
        values = [None if source is None else everything[source] for source, _ in self.leaves]
        return self.program.run(arrays, self.scalars, restore, values)

    def _bind(self, outputs, tensors, storages, everything, own):
        def array_at(place):
            return outputs[place] if place >= 0 else everything[~place].array
        line = self.line
        for i, place, m, bump in self.writes:
            storage = storages[i]
            value = everything[i]
            if place >= 0 and i in own and value.meta is m:
                value.array = outputs[place]       # nobody else holds this value
                value.params = value.forms = None
            else:
                storage.value = leaf(array_at(place), m) if place >= 0 else everything[~place]
            storage.version += bump
            storage.writer = line
        for i, place, m in self.gradients:
            if place is None:
                tensors[i]._grad = None
                continue
            value = new(Value)                     # `wrap` and `leaf`, for many at every call
            value.op = value.params = None
            value.inputs, value.meta = (), m
            value.array = outputs[place] if place >= 0 else everything[~place].array
            tensors[i]._grad = wrap(value, m)
        for i, place in self.streams:
            self.guard.generators[i]._value = leaf(array_at(place),
                                                   everything[len(storages) + i].meta)
        results = [tensors[r.known] if r.known is not None else
                   _made(r, array_at(r.place)) for r in self.results]
        if self.final is None:
            return results, None
        array = array_at(self.final).reshape(())
        return results, float(array) if self.half else array.item()


def _take(moved, everything):
    """The sources whose values nobody else holds; their arrays are taken out of them."""
    own = set()
    if moved:
        counts = list(map(getrefcount, everything))
        for _, source in moved:
            if counts[source] <= _HELD_TWICE:
                everything[source].array = None
                own.add(source)
    return own


class _Holder:
    pass


def _measure():
    """What `_take` counts for a value that only its storage holds."""
    holder: Any = _Holder()
    holder.value = _Holder()
    everything = [holder.value]
    return list(map(getrefcount, everything))[0]


_HELD_TWICE = _measure()


def _made(result, array):
    """A new tensor that the call returned."""
    m = result.meta
    if result.base is not None:
        base = wrap(leaf(array, result.base), result.base)
        made = alias(base._storage, m)
        made._base, made._detached_view = base, True
        made._view = (0, False, False)
    else:
        made = wrap(leaf(array, m), m)
    if result.node is not None:
        made._grad_fn, made._output_nr = _again(result.node[0]), result.node[1]
        made._requires_grad = True
    return made


def _again(node):
    """A consumed node for another result: hooks put on one must not be seen by the other."""
    made = new(type(node))
    made.edges, made.saved, made.metas, made.params = node.edges, node.saved, node.metas, \
        node.params
    made.out_metas, made.plan, made.seq = node.out_metas, node.plan, node.seq
    made.hooks = made.line = None
    return made

