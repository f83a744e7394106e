"""A layer of LSTM cells over a sequence, forward and backward, with NumPy."""

from __future__ import annotations

import numpy as np


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _order(steps, reverse):
    return range(steps - 1, -1, -1) if reverse else range(steps)


def lstm(projected, hidden, cell, weight, reverse):
    """(outputs, cells, activated gates) of every step."""
    steps, batch, four = projected.shape
    size = four // 4
    outputs = np.empty((steps, batch, size), projected.dtype)
    cells, gates = np.empty_like(outputs), np.empty_like(projected, order="C")
    across = np.ascontiguousarray(weight.T)
    for t in _order(steps, reverse):
        summed = hidden @ across
        summed += projected[t]
        now = gates[t]
        now[:, :2 * size] = _sigmoid(summed[:, :2 * size])
        now[:, 2 * size:3 * size] = np.tanh(summed[:, 2 * size:3 * size])
        now[:, 3 * size:] = _sigmoid(summed[:, 3 * size:])
        i, f, g, o = (now[:, n * size:(n + 1) * size] for n in range(4))
        cell = cells[t] = f * cell + i * g
        hidden = outputs[t] = o * np.tanh(cell)
    return outputs, cells, gates


def lstm_backward(g_output, g_cells, gates, cells, cell, weight, reverse):
    """Gradients of the summed gates of every step, of the first hidden state and cell."""
    steps, batch, four = gates.shape
    size = four // 4
    g_gates = np.empty_like(gates, order="C")
    g_hidden = np.zeros((batch, size), gates.dtype)
    g_cell = np.zeros((batch, size), gates.dtype)
    order = list(_order(steps, reverse))
    for place in range(steps - 1, -1, -1):
        t = order[place]
        before = cells[order[place - 1]] if place else cell
        i, f, g, o = (gates[t][:, n * size:(n + 1) * size] for n in range(4))
        bent = np.tanh(cells[t])
        g_hidden = g_hidden + g_output[t]
        g_cell = g_cell + g_hidden * o * (1 - bent * bent)
        if g_cells is not None:
            g_cell = g_cell + g_cells[t]
        now = g_gates[t]
        now[:, :size] = g_cell * g * i * (1 - i)
        now[:, size:2 * size] = g_cell * before * f * (1 - f)
        now[:, 2 * size:3 * size] = g_cell * i * (1 - g * g)
        now[:, 3 * size:] = g_hidden * bent * o * (1 - o)
        g_hidden = now @ weight
        g_cell = g_cell * f
    return g_gates, g_hidden, g_cell
