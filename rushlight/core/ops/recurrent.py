"""A layer of LSTM cells over a whole sequence: one record instead of some forty a step.

The gates i, f, g, o are the quarters of ``projected_t + h W^T``, where `projected` holds the
input's part and all biases:

    c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g),   h_t = sigmoid(o) tanh(c_t)

(Hochreiter and Schmidhuber 1997, with forget gate). The backward pass runs the steps in the other
order; the gradients of the weights are then single products over all steps. A second derivative
takes the same formulas with public ops.
"""

from __future__ import annotations

from typing import Any

from ..base.shapes import meta
from .contraction import matmul
from .joining import cat, stack
from .record import export, primitive
from .unary import sigmoid, tanh


def _forward_rule(projected, hidden, cell, weight, reverse):
    steps, batch, four = projected.shape
    size = four // 4
    return (meta(projected.dtype, (steps, batch, size)),
            meta(projected.dtype, (steps, batch, size)),
            meta(projected.dtype, (steps, batch, four)))


def _backward_rule(g_output, g_cells, gates, cells, cell, weight, reverse):
    steps, batch, four = gates.shape
    state = meta(gates.dtype, (batch, four // 4))
    return meta(gates.dtype, gates.shape), state, state


def _gradients(g0, g1, out0, out1, out2, projected, hidden, cell, weight, reverse, needs):
    import rushlight
    if rushlight.is_grad_enabled():
        g_gates, g_hidden, g_cell, before = _differentiable(
            g0, g1, projected, hidden, cell, weight, reverse)
    else:
        if g0 is None:
            g0 = out0.new_zeros(out0.shape)
        g_gates, g_hidden, g_cell = lstm_backward(g0, g1, out2, out1, cell, weight,
                                                  reverse=reverse)
        edge = hidden.unsqueeze(0)
        before = cat([out0[1:], edge]) if reverse else cat([edge, out0[:-1]])
    rows = g_gates.reshape(-1, g_gates.shape[-1])
    g_weight = matmul(rows.t(), before.reshape(-1, before.shape[-1])) if needs[3] else None
    return g_gates, g_hidden, g_cell, g_weight


def _differentiable(g_output, g_cells, projected, hidden, cell, weight, reverse) -> Any:
    """The backward pass as a function of all it depends on, for higher derivatives."""
    steps = range(projected.shape[0] - 1, -1, -1) if reverse else range(projected.shape[0])
    before, gates, cells = [], {}, {}
    h, c = hidden, cell
    for t in steps:
        before.append(h)
        summed = projected[t] + matmul(h, weight.t())
        i, f, g, o = summed.chunk(4, -1)
        i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
        gates[t] = i, f, g, o, c
        c = f * c + i * g
        cells[t] = tanh(c)
        h = o * cells[t]
    if reverse:
        before.reverse()
    found: dict = {}
    g_h = g_c = None
    for t in reversed(steps):
        i, f, g, o, c = gates[t]
        bent = cells[t]
        if g_output is not None:
            g_h = g_output[t] if g_h is None else g_h + g_output[t]
        if g_h is None:
            g_h = bent * 0
        inner = g_h * o * (1 - bent * bent)
        g_c = inner if g_c is None else g_c + inner
        if g_cells is not None:
            g_c = g_c + g_cells[t]
        found[t] = cat([g_c * g * i * (1 - i), g_c * c * f * (1 - f), g_c * i * (1 - g * g),
                        g_h * bent * o * (1 - o)], -1)
        g_h, g_c = matmul(found[t], weight), g_c * f
    return stack([found[t] for t in range(len(found))]), g_h, g_c, stack(before)


lstm_sequence = primitive(
    "lstm_sequence", "recurrent", "projected hidden cell weight", _forward_rule,
    "recurrent.lstm",
    {("projected", "hidden", "cell", "weight"): _gradients},
    params=("reverse",), multi=3, non_differentiable=(2,), undefined=True,
    node_name="MkldnnRnnLayerBackward0")

lstm_backward = primitive(
    "lstm_sequence_backward", "recurrent", "g_output g_cells? gates cells cell weight",
    _backward_rule, "recurrent.lstm_backward", params=("reverse",), multi=3)


@export("nn.functional", name="_lstm_sequence")
def lstm_layer(projected, hidden, cell, weight, reverse):
    """(outputs, cells), both (T, B, H), of a layer; `projected` is W_x x + b, (T, B, 4 H)."""
    outputs, cells, _ = lstm_sequence(projected, hidden, cell, weight, reverse=reverse)
    return outputs, cells
