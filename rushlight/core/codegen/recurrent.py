"""A layer of LSTM cells over a sequence: for each step a product and a fused pointwise kernel.

The steps' kernels are shared (only addresses differ), and the transposed weight is laid out once.
"""

from __future__ import annotations

from ..base.shapes import broadcast_strides, meta
from ..ops.record import REGISTRY
from .body import CAST, Body
from .gemm import mm
from .lowering import Lowering, Operand, lowers
from .pointwise import lower_group


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
    """What both directions need: sizes, views of single steps, and their kernels."""

    def __init__(self, low, sequence):
        self.low = low
        self.steps, self.batch, four = sequence.meta.shape
        self.size = four // 4
        self.dtype = sequence.meta.dtype

    def at(self, operand, t, quarter=None):
        """Step `t` of a sequence, or one gate of it."""
        m = operand.meta
        shape, strides = tuple(m.shape[1:]), tuple(m.strides[1:])
        offset = m.offset + t * m.strides[0]
        if quarter is not None:
            shape = (shape[0], self.size)
            offset += quarter * self.size * strides[1]
        return Operand(operand.slot, meta(m.dtype, shape, strides, offset))

    def gates(self, operand, t):
        return [self.at(operand, t, quarter) for quarter in range(4)]

    def buffer(self, *shape):
        """A temporary array."""
        count = 1
        for n in shape:
            count *= n
        return Operand(self.low.temporary(count * self.dtype.itemsize), meta(self.dtype, shape))

    def product(self, x, y, out, body=None, extras=()) -> bool:
        """``out = body(x @ y, *extras)`` as steps of this record."""
        part = Lowering(REGISTRY["mm"], (x, y), (out,), (), self.low.new_slot,
                        epilogue=body, extras=extras,
                        result=meta(self.dtype, out.meta.shape))
        if mm(part) is False:
            return False
        self._take(part)
        return True

    def pointwise(self, body, inputs, outputs) -> None:
        """A pointwise kernel as a step of this record."""
        part = Lowering(None, (), tuple(outputs), (), self.low.new_slot)
        lower_group(part, body, inputs, outputs)
        self._take(part)

    def _take(self, part) -> None:
        self.low.steps += part.steps
        self.low.temporaries.update(part.temporaries)


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
    """projected (T, B, 4 H), hidden and cell (B, H), weight (4 H, H), bias (4 H) or None."""
    if not _suitable(low):
        return False
    projected, hidden, cell, weight, bias = low.inputs
    layer = _Layer(low, projected)
    name, batch, size = layer.dtype.name, layer.batch, layer.size
    outputs = _or_scratch(layer, low.outputs[0], size)
    cells = _or_scratch(layer, low.outputs[1], size)
    gates = _or_scratch(layer, low.outputs[2], 4 * size)
    across = layer.buffer(size, 4 * size)
    m = weight.meta
    turned = Operand(weight.slot, meta(m.dtype, (size, 4 * size), m.strides[::-1], m.offset))
    layer.pointwise(_body(("w",), name, [("copy", CAST, "w")], ("copy",)), [turned], [across])
    summed = [("all", "add", "row", "product")]
    inputs = ("product", "row")
    extras: tuple = ()
    if bias is not None:
        summed = [("biased", "add", "product", "bias"), ("all", "add", "row", "biased")]
        inputs = ("product", "row", "bias")
        extras = (Operand(bias.slot, meta(layer.dtype, (batch, 4 * size),
                                          broadcast_strides(bias.meta, (batch, 4 * size)),
                                          bias.meta.offset)),)
    sums = _body(inputs, name, summed, ("all",))
    cell_step = _body(("pi", "pf", "pg", "po", "before"), name, FORWARD,
                      ("i", "f", "g", "o", "c", "h"))
    steps = range(layer.steps - 1, -1, -1) if low.params[0] else range(layer.steps)
    for t in steps:
        if not layer.product(hidden, across, layer.at(gates, t), sums,
                             (layer.at(projected, t), *extras)):
            return False
        now = layer.gates(gates, t)
        hidden, after = layer.at(outputs, t), layer.at(cells, t)
        layer.pointwise(cell_step, [*now, cell], [*now, after, hidden])
        cell = after
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
    layer = _Layer(low, gates)
    g_gates = _or_scratch(layer, low.outputs[0], 4 * layer.size)
    g_hidden = low.outputs[1] or layer.buffer(layer.batch, layer.size)
    g_cell = low.outputs[2] or layer.buffer(layer.batch, layer.size)
    order = list(range(layer.steps))
    if low.params[0]:
        order.reverse()
    for place in range(layer.steps - 1, -1, -1):
        t = order[place]
        before = layer.at(cells, order[place - 1]) if place else cell
        inputs = [*layer.gates(gates, t), layer.at(cells, t), before, layer.at(g_output, t)]
        carried = place < layer.steps - 1
        if carried:
            inputs += [g_hidden, g_cell]
        if g_cells is not None:
            inputs.append(layer.at(g_cells, t))
        layer.pointwise(_gates_body(layer.dtype.name, carried, g_cells is not None), inputs,
                        [*layer.gates(g_gates, t), g_cell])
        if place or low.outputs[1] is not None:
            if not layer.product(layer.at(g_gates, t), weight, g_hidden):
                return False
    return True
