"""Pending values and the per-thread trace they are appended to.

A `Value` is one immutable array: computed (``array`` is set), or pending (``op``, ``inputs`` and
``params`` say how to compute it). Appending one is all that a traced op does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..base.shapes import FLUSH_BYTES, Meta

FILLED = "filled"


class Value:
    """One array of a trace. `inputs` holds Values, Python numbers (runtime scalars) and None.

    A computed value has no `params`, but for one of equal elements: ``(FILLED, element)``.
    forms: set by the runtime, other orders of the elements that native kernels read (see Note
    [packed once] in runtime/native.py). Who gives a value that nobody else holds other elements
    sets `params` and `forms` to None.
    """

    __slots__ = ("op", "inputs", "params", "meta", "array", "mark", "line", "forms",
                 "__weakref__")
    op: Any
    params: Any
    array: Any
    mark: Any
    line: Any
    forms: Any

    def __init__(self, op, inputs, params, meta: Meta):
        self.op = op
        self.inputs = inputs
        self.params = params
        self.meta = meta
        self.array = None

    def __repr__(self):
        state = "pending " + self.op.name if self.array is None else "computed"
        return f"<Value {self.meta} {state}>"


class ThreadState:
    """What belongs to one thread: its pending trace, and the modes autograd reads at every op."""

    __slots__ = ("trace", "weight", "grad", "slow", "inference", "anomaly", "saved_hooks",
                 "autocast", "partial_backward", "reads", "capture")

    def __init__(self):
        self.trace: list = []  # pending Values in the order they were made
        self.weight = 0        # bytes pending, see Meta.weight
        self.grad = True       # whether autograd records
        self.slow = False      # anomaly mode, saved-tensor hooks, ...: ops take the general path
        self.inference = False
        self.anomaly: Any = None
        self.saved_hooks: list = []
        self.autocast: Any = None       # the autocast region's policy
        self.partial_backward = False   # a backward for some inputs only is running
        self.reads = 0         # how often elements were looked at
        self.capture: Any = None        # the Capture that looks on, see tensor/capture.py
        TRACES.append(self.trace)


class _PerThread(threading.local):
    """The running thread's ThreadState is `own`, and its fields are readable here as well.

    A lookup in a thread-local object costs as much as five in an ordinary one, so what runs at
    every op takes `own` once.
    """

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self):
        self.own = ThreadState()


def _forward(name):
    return property(lambda self: getattr(self.own, name),
                    lambda self, value: setattr(self.own, name, value))


for _name in ThreadState.__slots__:
    setattr(_PerThread, _name, _forward(_name))

TRACES: list = []              # every thread's trace, for values that cross threads
STATE = _PerThread()
_flush: list[Any] = [None]


def install_flush(function) -> None:
    """The runtime says here how a trace that has grown too long is run."""
    _flush[0] = function


def leaf(array, meta: Meta) -> Value:
    """A computed value over an array whose memory order is `meta`'s."""
    value = Value(None, (), None, meta)
    value.array = array
    capture = STATE.own.capture
    if capture is not None:
        capture.constants.append(value)
    return value


def append(value: Value) -> Value:
    """Put a pending value at the end of this thread's trace."""
    state = STATE.own
    state.trace.append(value)
    state.weight += value.meta.weight
    if state.weight > FLUSH_BYTES:
        _flush[0]()
    return value


def flush_long_trace() -> None:
    """Run this thread's trace because it has reached its limit."""
    _flush[0]()


def pending_inputs(value: Value):
    """The inputs of a pending value that are pending themselves."""
    for item in value.inputs:
        if type(item) is Value and item.array is None:
            yield item
