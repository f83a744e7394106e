"""`rushlight.compile`: a function whose calls are captured once and then replayed.

See docs/compile.md. The first call with given arguments runs as it always does, while a `Capture`
looks on; later calls with alike arguments, and with everything else that the function can reach
unchanged, run the captured plan without running the function's Python. What cannot be proven to be
replayable is called as it is written, and `Compiled.refusals` says why.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import rushlight
from rushlight.core.base.knobs import number
from rushlight.core.runtime.observe import note
from rushlight.core.tensor.capture import Capture, Refused, plain_types, thread_state
from rushlight.core.tensor.replay import CHANGED

from .code import returns_next
from .reach import PLAIN, Reach

DEBUG = number("RUSHLIGHT_DEBUG")
ATTEMPTS = 8                # captures refused in a row, after which a function is left alone
CAPTURES = 32               # captures kept; a function that needs more is left alone
_NUMBERS = (int, float)
_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_BACKENDS = ("inductor", "eager", "aot_eager", "cudagraphs", "tvm", "openxla")


class Captured:
    """One capture of a function: its replay, the state it was made in, and what it returns."""

    __slots__ = ("replay", "reach", "result")

    def __init__(self, replay, reach, result):
        self.replay, self.reach, self.result = replay, reach, result

    def __call__(self, tensors):
        changes = self.reach.changes()
        if changes != () and not self._adopt(changes):
            return CHANGED
        made = self.replay(tensors)
        if made is CHANGED:
            return CHANGED
        return self.result(*made)

    def _adopt(self, changes) -> bool:
        """Take over changed numbers of optimizers' groups; whether that was all."""
        if changes is None:
            return False
        groups = self.reach.groups
        for owner, _, old, new, _ in changes:
            if id(owner) not in groups or self.reach.reads_groups or \
                    type(old) not in _NUMBERS or type(old) is not type(new):
                return False
        known = {id(owner[1]) for _, _, owner, _ in self.replay.steps if owner is not None}
        if any(id(owner) not in known for owner, *_ in changes):
            return False
        scalars = list(self.replay.scalars)
        for first, program, owner, options in self.replay.steps:
            optimizer, group = owner
            now = optimizer._options_now(group, program, options)
            if now is None:
                return False
            values = [now[name] for name in program.option_names]
            for place, value in enumerate(
                    [v for v in values if not isinstance(v, rushlight.Tensor)], first):
                if type(scalars[place]) is not type(value):
                    return False
                scalars[place] = value
        self.replay.scalars = scalars
        for change in changes:
            self.reach.accept(change)
        return True


class Compiled:
    """What `rushlight.compile` makes of a function.

    refusals: why calls were not captured, each reason once. captures: how many captures there are.
    """

    def __init__(self, function, fullgraph=False):
        functools.update_wrapper(self, function)
        self._torchdynamo_orig_callable = function
        self.refusals: list[str] = []
        self._function = function
        self._fullgraph = fullgraph
        self._known: dict = {}
        self._refused = 0
        code = getattr(function, "__code__", None)
        self._is_last = None if code is None else lambda frame: returns_next(frame, code)

    def __repr__(self):
        return f"<compiled {self._function!r}: {self.captures} captures>"

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

    @property
    def captures(self) -> int:
        """The number of captures that are kept."""
        return sum(map(len, self._known.values()))

    def __call__(self, *args, **kwargs):
        state = thread_state()
        if state.slow or state.inference or state.autocast is not None or \
                state.capture is not None or self._refused >= ATTEMPTS:
            return self._function(*args, **kwargs)
        key: list = [state.grad, rushlight.get_default_dtype()]
        tensors: list = []
        if kwargs:
            key += kwargs
            _flatten((*args, *kwargs.values()), key, tensors)
        else:
            _flatten(args, key, tensors)
        key_ = tuple(key)
        try:
            captured = self._known.get(key_)
        except TypeError:
            return self._function(*args, **kwargs)
        if captured is not None:
            for candidate in captured:
                made = candidate(tensors)
                if made is not CHANGED:
                    return made
        return self._capture(args, kwargs, key_, tensors)

    def _capture(self, args, kwargs, key, tensors):
        """Call the function, and keep what it did if that can be replayed."""
        try:
            if self.captures >= CAPTURES:
                raise Refused(f"there are {CAPTURES} captures already")
            reach = Reach(self._function, (*args, *kwargs.values()))
            known = [t for t in reach.tensors.values() if not any(t is a for a in tensors)]
            capture = Capture(tensors, known, reach.generators.values(), self._is_last)
        except Refused as error:
            self._refuse(error)
            return self._function(*args, **kwargs)
        with capture:
            result = self._function(*args, **kwargs)
        try:
            if reach.changes() != () or reach.attaches():
                raise Refused("it changes Python state: an attribute, a variable or a container")
            found: list = []
            build = _result(result, found, capture.final is not None)
            replay = capture.finish(found)
            self._refused = 0
            self._known.setdefault(key, []).insert(0, Captured(replay, reach, build))
            if DEBUG:
                print(f"rushlight: captured {_name(self._function)}: "
                      f"{len(replay.program.part)} records", file=sys.stderr)
        except Refused as error:
            self._refuse(error)
        return result

    def _refuse(self, error):
        reason = str(error)
        self._refused += 1
        if reason not in self.refusals:
            self.refusals.append(reason)
            text = f"{_name(self._function)} was not captured: {reason}"
            note(text)
            if DEBUG:
                print(f"rushlight: {text}", file=sys.stderr)
        if self._fullgraph and self._refused >= ATTEMPTS:
            raise RuntimeError(f"torch.compile(fullgraph=True): {reason}")


def _name(function):
    return getattr(function, "__qualname__", type(function).__name__)


def _flatten(items, key, tensors) -> None:
    """Append what two calls must have in common to `key`, and the tensors to `tensors`."""
    plain = plain_types()
    for item in items:
        kind = type(item)
        if kind in plain:
            key.append(item._meta)
            tensors.append(item)
        elif kind is tuple or kind is list:
            key += (kind, len(item))
            _flatten(item, key, tensors)
        elif kind is dict:
            key += (kind, tuple(item))
            _flatten(item.values(), key, tensors)
        elif isinstance(item, PLAIN):
            key += (kind, item)
        else:
            key += (kind, id(item))


def _result(result, found, is_number):
    """A function that makes the call's result of new tensors and a number; `found`: its tensors."""
    if is_number:
        if type(result) not in (int, float, bool, complex):
            raise Refused("it goes on after looking at a tensor's elements")
        return lambda tensors, final: final
    shape = _shape(result, found)
    if shape is None:
        return lambda tensors, final: tensors[0]
    if shape[0] == "constant":
        value = shape[1]
        return lambda tensors, final: value
    return lambda tensors, final: _rebuilt(shape, tensors)


def _shape(result, found):
    kind = type(result)
    if isinstance(result, rushlight.Tensor):
        found.append(result)
        return None if len(found) == 1 else ("tensor", len(found) - 1)
    if isinstance(result, PLAIN):
        return ("constant", result)
    if kind in (tuple, list) or (isinstance(result, tuple) and hasattr(kind, "_fields")):
        return ("sequence", kind, [_shape(item, found) or ("tensor", 0) for item in result])
    if kind is dict:
        return ("dict", list(result), [_shape(v, found) or ("tensor", 0) for v in result.values()])
    raise Refused(f"it returns an object of the type {kind.__module__}.{kind.__name__}")


def _rebuilt(shape, tensors):
    if shape[0] == "tensor":
        return tensors[shape[1]]
    if shape[0] == "constant":
        return shape[1]
    if shape[0] == "dict":
        return dict(zip(shape[1], [_rebuilt(part, tensors) for part in shape[2]]))
    parts = [_rebuilt(part, tensors) for part in shape[2]]
    return shape[1](*parts) if hasattr(shape[1], "_fields") else shape[1](parts)


class OptimizedModule(rushlight.nn.Module):
    """A module whose calls are captured and replayed; `_orig_mod` is the module itself."""

    def __init__(self, module, fullgraph=False):
        super().__init__()
        self._orig_mod = module
        self.__dict__["_compiled"] = Compiled(module, fullgraph)
        self.__dict__["training"] = module.training

    def forward(self, *args, **kwargs):
        """The module's call."""
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name):
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    def __setattr__(self, name, value):
        if name == "_orig_mod" or "_orig_mod" not in self.__dict__.get("_modules", {}):
            super().__setattr__(name, value)
            return
        if name == "training":
            self.__dict__["training"] = value
        setattr(self._modules["_orig_mod"], name, value)


def compile(model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None,  # noqa: A001
            options=None, disable=False) -> Any:
    """Capture `model`'s calls (a function, or a module) and replay them without their Python.

    fullgraph: raise RuntimeError, instead of calling the function as it is, once eight calls in a
    row could not be captured. disable: return `model` itself. dynamic, backend, mode and options
    are PyTorch's: accepted, and checked for their names; shapes are always captured as they are,
    and a new shape is a new capture.

    Raises RuntimeError for a `model` that cannot be called and for an unknown mode or backend.

    >>> @torch.compile
    ... def step(images, labels):
    ...     optimizer.zero_grad()
    ...     loss = F.cross_entropy(net(images), labels)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified "
                           "at the same time.")
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if callable(backend):
        raise NotImplementedError("torch.compile with a backend of one's own: rushlight has one")
    if backend not in _BACKENDS:
        raise RuntimeError(f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` "
                           "for available backends.")
    if model is None:
        return lambda function: compile(function, fullgraph=fullgraph, dynamic=dynamic,
                                        backend=backend, mode=mode, options=options,
                                        disable=disable)
    if not callable(model):
        raise RuntimeError(f"torch.compile() expects a callable, got {type(model).__name__}")
    if disable:
        return model
    if isinstance(model, rushlight.nn.Module):
        return OptimizedModule(model, fullgraph)
    return Compiled(model, fullgraph)
