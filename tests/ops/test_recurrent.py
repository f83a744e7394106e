"""An LSTM layer as one record: against its composition of steps, and compiled against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.modules.rnn import RNNBase
from tests.codegen.harness import interpreted, native

OPTIONS = [{}, {"bidirectional": True}, {"bias": False}, {"num_layers": 2, "batch_first": True}]


def results(options: dict, loss, twice: bool) -> list[np.ndarray]:
    """Outputs, states and gradients (of gradients, where `twice`) of a small LSTM."""
    torch.manual_seed(3)
    layer = nn.LSTM(4, 5, **options)
    directions = (2 if options.get("bidirectional") else 1) * options.get("num_layers", 1)
    x = torch.randn(3, 3, 4, requires_grad=True)
    states = [torch.randn(directions, 3, 5, requires_grad=True) for _ in range(2)]
    output, (hidden, cell) = layer(x, tuple(states))
    found = [output, hidden, cell]
    wanted = [x, *states, *layer.parameters()]
    gradients = torch.autograd.grad(loss(output, hidden, cell), wanted, create_graph=twice,
                                    allow_unused=True)
    found += [g for g in gradients if g is not None]
    if twice:
        total = sum((g * g).sum() for g in gradients if g is not None)
        found += torch.autograd.grad(total, [x, states[0], *layer.parameters()])
    return [t.detach().numpy().copy() for t in found]


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("loss", [lambda o, h, c: (o * o).sum(), lambda o, h, c: c.exp().sum(),
                                  lambda o, h, c: (o ** 3).mean() + (h * c).sum()])
@pytest.mark.parametrize("options", OPTIONS)
def test_one_record_equals_the_composition(options, loss, twice, monkeypatch):
    found = results(options, loss, twice)
    monkeypatch.setattr(RNNBase, "_is_one_record", lambda *_: False)
    expected = results(options, loss, twice)
    # Gradients of gradients sum some hundred products of float32 in another order.
    relative, absolute = (2e-4, 2e-5) if twice else (2e-5, 2e-6)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=relative, atol=absolute)


def arrays(steps, batch, size, dtype, seed=0):
    numbers = np.random.default_rng(seed)

    def draw(*shape):
        return numbers.standard_normal(shape).astype(dtype)
    return (draw(steps, batch, 4 * size), draw(batch, size), draw(batch, size),
            draw(4 * size, size))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps, batch, size", [(1, 1, 1), (4, 3, 7), (3, 33, 20), (2, 120, 260)])
def test_compiled_layer_equals_numpy(steps, batch, size, reverse, dtype):
    projected, hidden, cell, weight = arrays(steps, batch, size, dtype)
    inputs = [projected, hidden, cell, weight]
    outputs = native("lstm_sequence", inputs, (reverse,))
    expected = interpreted("lstm_sequence", inputs, (reverse,))
    for a, b in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-5, atol=3e-6)
    g = np.random.default_rng(1).standard_normal((steps, batch, size)).astype(dtype)
    for g_cells in (None, g[::-1].copy()):
        inputs = [g, g_cells, expected[2], expected[1], cell, weight]
        found = native("lstm_sequence_backward", inputs, (reverse,))
        wanted = interpreted("lstm_sequence_backward", inputs, (reverse,))
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())
