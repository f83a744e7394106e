"""Which kernels an op becomes: the registry of native lowerings, and what a lowering is given.

A lowering is a function of one `Lowering`, registered under the names of the ops it serves:

    @lowers("softmax")
    def softmax(low):
        x, = low.inputs
        out, = low.outputs
        if not suitable(x.meta, low.params):
            return False                    # the record stays a host step (the interpreter's)
        low.step("rows.softmax", (x.meta.dtype.name, columns), [x, out], tasks=blocks)

`step` appends one kernel: generator ("module.function" of this room), parameters (hashable, their
repr says everything the text depends on: no addresses, no thread counts), arguments, tasks.

Note [kernels]: a generator is ``function(module, target, *parameters)``; it writes a function
"kernel" with ``b = module.kernel()``: ``i64 kernel(ptr args, i64 begin, i64 end)``. ``args`` holds
one 8-byte word an argument: the address of an operand's first element (its offset included), or a
number. Tasks begin..end-1 run in any order and on any thread at the same time, each writes memory
of its own. How sums are cut into tasks depends on shapes alone, so results do not depend on the
number of threads or processors. A task should take 5 us or more. Returning non-zero means "an input
that the interpreter must refuse": nothing that is read by the step may have been overwritten then;
the interpreter runs the record and raises the error.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any, NamedTuple

from ..base.shapes import Meta


class Operand(NamedTuple):
    """An array: `meta` says dtype, shape, strides (in elements); the offset is dealt with."""

    slot: int
    meta: Meta


class Number(NamedTuple):
    """A Python number known when the plan runs: an int64 word, or a float64's bits."""

    slot: int
    kind: type            # bool, int or float


class Step(NamedTuple):
    """One kernel to run. `arguments`: (slot, bytes to add); slot -1 is the number itself."""

    generator: str
    parameters: tuple
    arguments: tuple
    tasks: int


class Kept(NamedTuple):
    """A kernel that is run once for the elements of a leaf: it writes another order of them.

    slot: where its `nbytes` of result are read. leaf, offset: its source, argument 0.
    """

    slot: int
    nbytes: int
    leaf: int
    offset: int
    step: Step


class Absorbed(NamedTuple):
    """An op that another one's lowering computes itself: inputs as those of a `Lowering`."""

    name: str
    inputs: tuple
    params: tuple


class Lowering:
    """One record being lowered: its operands, and the steps it becomes.

    inputs: Operand, Number or None each, in the op's order. Operands may be strided views.
    outputs: one Operand each (None where nobody needs that output), dense as the op's rule says.
    params: the static parameters in the record's order.
    epilogue: a `Body` of pointwise instructions to apply to the result before the store, or None.
        Only lowerings registered with ``epilogue=True`` get one. Its input 0 is the op's own
        result (of `result` meta); `extras` are its other inputs: Operand or Number, each Operand
        with its meta broadcast to the result's shape (stride 0 where it repeats). `outputs` are
        then the body's outputs, and `others` the op's own outputs after the first.
    prologue: a `Body` that computes the elements of input 0 from `prologue_inputs` (Operands, each
        broadcast to input 0's shape, and Numbers), or None. Only with ``prologue=True``.
    absorbed: the op that computes input 0 (`Absorbed`) where nobody else needs its result and the
        lowering is registered as absorbing it, or None; input 0 is then in no memory.
    """

    def __init__(self, op, inputs, outputs, params, new_slot, epilogue=None, extras=(),
                 result=None, others=None):
        self.op, self.inputs, self.outputs, self.params = op, inputs, outputs, params
        self.epilogue, self.extras = epilogue, extras
        self.result = result if result is not None else outputs[0].meta if outputs[0] else None
        self.others = tuple(outputs[1:]) if others is None else others
        self.prologue: Any = None
        self.prologue_inputs: tuple = ()
        self.absorbed: Absorbed | None = None
        self.steps: list[Step] = []
        self.temporaries: dict[int, int] = {}     # slot -> bytes
        self.new_slot = new_slot
        self.steady: dict[int, int] = {}          # slot -> leaf, see `keep`
        self.kept: list[Kept] = []

    def temporary(self, nbytes: int) -> int:
        """The slot of a workspace that lives as long as these steps (64-byte aligned)."""
        slot = self.new_slot()
        self.temporaries[slot] = max(int(nbytes), 64)
        return slot

    def keep(self, generator: str, parameters: tuple, source: Operand, nbytes: int,
             tasks: int) -> tuple[str, int]:
        """The argument for what a kernel makes of `source` (arguments: source, result).

        Where `source` is a leaf that stays the same from run to run, as weights do in inference,
        the kernel runs once for it and its result is kept; else it is a step like others.
        """
        leaf = self.steady.get(source.slot)
        if leaf is None:
            made = ("slot", self.temporary(nbytes))
            self.step(generator, parameters, [source, made], tasks)
            return made
        offset = source.meta.offset * source.meta.dtype.itemsize
        slot = self.new_slot()
        step = Step(generator, parameters, (), int(tasks))
        self.kept.append(Kept(slot, max(int(nbytes), 64), leaf, offset, step))
        return "slot", slot

    def output_or_spare(self, output: Operand | None, like: Meta):
        """An output's argument; memory to throw away for one that nobody needs."""
        return output if output is not None else ("slot", self.temporary(like.nbytes))

    def step(self, generator: str, parameters: tuple, arguments, tasks: int = 1) -> None:
        """Append a kernel.

        Arguments: Operand, Number, a temporary as ``("slot", n)`` or ``("slot", n, bytes)``, or a
        Python int (passed as it is).
        """
        words = []
        for item in arguments:
            if isinstance(item, Operand):
                words.append((item.slot, item.meta.offset * item.meta.dtype.itemsize))
            elif isinstance(item, Number):
                words.append((item.slot, 0))
            elif isinstance(item, tuple):
                words.append((item[1], item[2] if len(item) > 2 else 0))
            else:
                words.append((-1, int(item)))
        self.steps.append(Step(generator, parameters, tuple(words), int(tasks)))


class Rule(NamedTuple):
    """A registered lowering; see `lowers`."""

    function: Any
    epilogue: bool
    donates: bool
    prologue: bool
    absorbs: tuple


RULES: dict[str, Rule] = {}
# The modules that register lowerings.
MODULES: tuple = (
    "attention",
    "convolution",
    "gemm",
    "indexing",
    "accumulating",
    "movement",
    "optimizer",
    "recurrent",
    "pooling",
    "pooling_average",
    "reduction",
    "resampling",
    "rows_loss",
    "rows_norm",
    "batch_norm",
    "group_norm",
    "rows_softmax",
)


def lowers(*names, epilogue=False, donates=False, prologue=False, absorbs=()):
    """Register a lowering for ops by name.

    epilogue: it can apply a fused `Body` to its result.
    prologue: it can compute its first input's elements by a fused `Body`.
    absorbs: names of ops whose result, as its first input, it can compute itself.
    donates: the op's donated inputs (`Op.donates`) share memory with the outputs of the same
        position: the kernel may find both at one address, and updates in place.
    """
    def register(function):
        for name in names:
            RULES[name] = Rule(function, epilogue, donates, prologue, tuple(absorbs))
        return function
    return register


def rule_of(name: str) -> Rule | None:
    """The native lowering of an op; None where it stays a host step."""
    _load()
    return RULES.get(name)


@functools.cache
def _load() -> None:
    for module in MODULES:
        import_module(f".{module}", __package__)
