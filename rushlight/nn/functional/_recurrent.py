"""The recurrent cells, and running one over a sequence. Not public in `nn.functional`.

A cell is a function (projected input, state, hidden weight, hidden bias) -> state, where the
state is a tuple whose first entry is the output. The input's projection does not depend on the
state, so it is done for all steps in one product before the loop.
"""

import rushlight

__all__ = []


def _hidden(state, weight, bias):
    product = state @ weight.t()
    return product if bias is None else product + bias


def rnn_tanh_step(projected, state, weight, bias):
    """h' = tanh(W_x x + b_x + W_h h + b_h)."""
    return ((projected + _hidden(state[0], weight, bias)).tanh(),)


def rnn_relu_step(projected, state, weight, bias):
    """h' = max(W_x x + b_x + W_h h + b_h, 0)."""
    return ((projected + _hidden(state[0], weight, bias)).relu(),)


def lstm_step(projected, state, weight, bias, projection=None):
    """c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c').

    The gates i, f, g, o are the quarters of W_x x + b_x + W_h h + b_h (Hochreiter 1997, with
    forget gate). With `projection`, h' is multiplied by it.
    """
    h, c = state
    i, f, g, o = (projected + _hidden(h, weight, bias)).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    if projection is not None:
        h = h @ projection.t()
    return h, c


def gru_step(projected, state, weight, bias):
    """n = tanh(n_x + sigmoid(r) n_h), h' = n + sigmoid(z) (h - n) (Cho 2014).

    r, z and n are the thirds of the two projections; r and z are their sums.
    """
    (h,) = state
    r_x, z_x, n_x = projected.chunk(3, -1)
    r_h, z_h, n_h = _hidden(h, weight, bias).chunk(3, -1)
    n = (n_x + (r_x + r_h).sigmoid() * n_h).tanh()
    return (n + (z_x + z_h).sigmoid() * (h - n),)


STEPS = {
    "RNN_TANH": rnn_tanh_step,
    "RNN_RELU": rnn_relu_step,
    "LSTM": lstm_step,
    "GRU": gru_step,
}


def run_layer(step, projected, state, counts, reverse, *weights):
    """Run a cell over one direction of a layer.

    projected: list of the steps' projected inputs; step t has `counts[t]` rows, which are the
    first so many rows of the batch and never more than the step before. state: the starting
    state, of `counts[0]` rows. Returns (list of outputs, final state of every row).
    """
    outputs = []
    if not reverse:
        finished = []  # final states of the rows that ended, shortest sequence first
        for rows, count in zip(projected, counts):
            if count < state[0].shape[0]:
                finished.append([part[count:] for part in state])
                state = tuple(part[:count] for part in state)
            state = step(rows, state, *weights)
            outputs.append(state[0])
        if finished:
            parts = [state, *reversed(finished)]
            state = tuple(rushlight.cat([p[i] for p in parts]) for i in range(len(state)))
        return outputs, state
    # From the last step backwards, rows join as their last step is reached.
    start = state
    state = tuple(part[: counts[-1]] for part in start)
    for rows, count in zip(reversed(projected), reversed(counts)):
        running = state[0].shape[0]
        if count > running:
            state = tuple(
                rushlight.cat([part, first[running:count]]) for part, first in zip(state, start)
            )
        state = step(rows, state, *weights)
        outputs.append(state[0])
    outputs.reverse()
    return outputs, state
