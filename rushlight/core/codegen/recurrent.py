"""A layer of LSTM cells over a sequence: one kernel for each step, see `recurrent_cells`.

The steps' kernels are shared (only addresses differ), and the weight is laid out once.
"""

from __future__ import annotations

from typing import Any

from ..base.shapes import meta
from ..ops.record import REGISTRY
from . import library
from .body import Body
from .copying import copy_steps
from .gemm import mm
from .lowering import Lowering, Operand, lowers
from .recurrent_cells import blocks_of
from .sharing import dense


def _body(inputs, dtype, lines, outputs) -> Body:
    """A body from lines (name, operands, ...); operands are input or line names."""
    place = {name: k for k, name in enumerate(inputs)}
    code = []
    for made, op, *operands in lines:
        code.append((op, tuple(place[o] for o in operands), dtype, dtype))
        place[made] = len(inputs) + len(code) - 1
    return Body((dtype,) * len(inputs), tuple(code), tuple(place[o] for o in outputs))


FORWARD = [
    ("i", "sigmoid", "pi"), ("f", "sigmoid", "pf"), ("g", "tanh", "pg"), ("o", "sigmoid", "po"),
    ("kept", "mul", "f", "before"), ("new", "mul", "i", "g"), ("c", "add", "kept", "new"),
    ("bent", "tanh", "c"), ("h", "mul", "o", "bent")]

BACKWARD = [
    ("bent", "tanh", "c"), ("gh", "add", "gn", "gy"),
    ("bent2", "mul", "bent", "bent"), ("ho", "mul", "gh", "o"), ("hob", "mul", "ho", "bent2"),
    ("inner", "sub", "ho", "hob"), ("gc0", "add", "gk", "inner"),
    # then, with or without a gradient of the cells: "gc"
]
GATES = [
    ("cg", "mul", "gc", "g"), ("cgi", "mul", "cg", "i"), ("cgii", "mul", "cgi", "i"),
    ("di", "sub", "cgi", "cgii"),
    ("cb", "mul", "gc", "before"), ("cbf", "mul", "cb", "f"), ("cbff", "mul", "cbf", "f"),
    ("df", "sub", "cbf", "cbff"),
    ("ci", "mul", "gc", "i"), ("cig", "mul", "ci", "g"), ("cigg", "mul", "cig", "g"),
    ("dg", "sub", "ci", "cigg"),
    ("hb", "mul", "gh", "bent"), ("hbo", "mul", "hb", "o"), ("hboo", "mul", "hbo", "o"),
    ("do", "sub", "hbo", "hboo"),
    ("carried", "mul", "gc", "f")]


class _Layer:
    """What both directions need: sizes, views of single steps, the weight's panels."""

    def __init__(self, low, sequence, forward):
        self.low, self.forward = low, forward
        self.steps, self.batch, four = sequence.meta.shape
        self.size = four // 4
        self.dtype = sequence.meta.dtype
        target, itemsize = library.target(), self.dtype.itemsize
        self.lanes = target.lanes(itemsize)
        self.row_blocks, self.unit_blocks = blocks_of(target, itemsize, self.batch, self.size,
                                                      forward)

    def at(self, operand, t):
        """Step `t` of a sequence."""
        m = operand.meta
        return Operand(operand.slot, meta(m.dtype, tuple(m.shape[1:]), tuple(m.strides[1:]),
                                          m.offset + t * m.strides[0]))

    def buffer(self, *shape):
        """A temporary array."""
        count = 1
        for n in shape:
            count *= n
        return Operand(self.low.temporary(count * self.dtype.itemsize), meta(self.dtype, shape))

    def dense(self, operand):
        """An input in row-major order."""
        found: Any = dense(self.low, operand)
        return operand if found is operand else \
            Operand(found[1], meta(self.dtype, operand.meta.shape))

    def panels(self, weight):
        """The weight in `recurrent_cells`' panels, two vectors for each k.

        Forward: of each vector of units the gates i and f, then g and o; k are the units before.
        Backward: of each two vectors of units, k are the gates. What pads the last is not stored.
        """
        size, lanes = self.size, self.lanes
        row, column = weight.meta.strides
        panel = 2 * lanes
        if self.forward:
            shape, source = (2, size, 2), (2 * size * row, column, size * row)
            goal, unit, units = (size * panel, panel, lanes), row, lanes
        else:
            shape, source, goal, unit, units = (4 * size,), (row,), (panel,), column, panel
        made = self.buffer(self.unit_blocks, 4 * size * units)
        full, edge = divmod(size, units)
        for blocks, first, present in ((full, 0, units), (1, full, edge)):
            copy_steps(self.low, self.dtype, (blocks, *shape, present), weight,
                       (units * unit, *source, unit), made, (4 * size * units, *goal, 1),
                       first * units * unit, first * 4 * size * units)
        return made

    def step(self, generator, parameters, arguments) -> None:
        """The kernel of one time step."""
        self.low.step(f"recurrent_cells.{generator}",
                      (self.dtype.name, (self.batch, self.size), self.row_blocks, *parameters),
                      arguments, self.row_blocks * self.unit_blocks)


def _suitable(low) -> bool:
    out = next((o for o in low.outputs if o is not None), None)
    return out is not None and out.meta.dtype.name in ("float32", "float64") and \
        0 not in out.meta.shape


def _or_scratch(layer: _Layer, operand, columns: int):
    """An output, or where nobody needs it one step's memory that all steps use."""
    if operand is not None:
        return operand
    made = layer.buffer(layer.batch, columns)
    return Operand(made.slot, meta(layer.dtype, (layer.steps, layer.batch, columns),
                                   (0, columns, 1)))


@lowers("lstm_sequence")
def lstm_sequence(low):
    """projected (T, B, 4 H), hidden and cell (B, H), weight (4 H, H)."""
    if not _suitable(low):
        return False
    projected, hidden, cell, weight = low.inputs
    layer = _Layer(low, projected, True)
    projected, hidden, cell = (layer.dense(x) for x in (projected, hidden, cell))
    outputs = _or_scratch(layer, low.outputs[0], layer.size)
    cells = _or_scratch(layer, low.outputs[1], layer.size)
    gates = _or_scratch(layer, low.outputs[2], 4 * layer.size)
    panels = layer.panels(weight)
    body = _body(("pi", "pf", "pg", "po", "before"), layer.dtype.name, FORWARD,
                 ("i", "f", "g", "o", "c", "h"))
    steps = range(layer.steps - 1, -1, -1) if low.params[0] else range(layer.steps)
    for t in steps:
        now = layer.at(outputs, t), layer.at(cells, t)
        layer.step("forward", (body,), [hidden, panels, layer.at(projected, t), cell,
                                        layer.at(gates, t), now[1], now[0]])
        hidden, cell = now
    return True


def _gates_body(dtype: str, carried: bool, cells: bool) -> Body:
    """The gradients of one step's gates; `carried`: from the step after; `cells`: of the cell."""
    inputs = ["i", "f", "g", "o", "c", "before", "gy"]
    lines = [line for line in BACKWARD if carried or line[0] not in ("gh", "gc0")]
    if carried:
        inputs += ["gn", "gk"]
    last = "gc0" if carried else "inner"
    inputs += ["gcells"] if cells else []
    renamed = {"gh": "gh" if carried else "gy", "gc": "gc" if cells else last}
    if cells:
        lines.append(("gc", "add", last, "gcells"))
    lines = [(made, op, *[renamed.get(o, o) for o in operands])
             for made, op, *operands in [*lines, *GATES]]
    return _body(tuple(inputs), dtype, lines, ("di", "df", "dg", "do", "carried"))


@lowers("lstm_sequence_backward")
def lstm_sequence_backward(low):
    """g_output and g_cells (T, B, H; the second may be None), gates, cells, cell, weight."""
    if not _suitable(low):
        return False
    g_output, g_cells, gates, cells, cell, weight = low.inputs
    layer = _Layer(low, gates, False)
    g_output, gates, cells, cell = (layer.dense(x) for x in (g_output, gates, cells, cell))
    g_cells = g_cells and layer.dense(g_cells)
    g_gates = _or_scratch(layer, low.outputs[0], 4 * layer.size)
    g_cell = low.outputs[2] or layer.buffer(layer.batch, layer.size)
    panels = layer.panels(weight)
    order = list(range(layer.steps))
    if low.params[0]:
        order.reverse()
    after: Any = 0
    for place in range(layer.steps - 1, -1, -1):
        t = order[place]
        before = layer.at(cells, order[place - 1]) if place else cell
        carried = place < layer.steps - 1
        now = layer.at(g_gates, t)
        layer.step("backward",
                   (_gates_body(layer.dtype.name, carried, g_cells is not None), carried,
                    g_cells is not None),
                   [after, panels, layer.at(gates, t), layer.at(cells, t), before,
                    layer.at(g_output, t), 0 if g_cells is None else layer.at(g_cells, t), now,
                    g_cell])
        after = now
    if low.outputs[1] is not None:
        part = Lowering(REGISTRY["mm"], (after, weight), (low.outputs[1],), (), low.new_slot)
        if mm(part) is False:
            return False
        low.steps += part.steps
        low.temporaries.update(part.temporaries)
    return True
