"""Leaving out whole branches at random while training (arXiv:1603.09382)."""

import rushlight
from rushlight import nn


def stochastic_depth(input, p, mode, training=True):
    """`input` zeroed with probability `p`, and divided by `1 - p` otherwise.

    Args:
        mode: "batch" zeroes all of it or none, "row" decides for each of the first dimension.

    Raises:
        ValueError: `p` outside [0, 1], or another mode.
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    kept = 1.0 - p
    first = input.shape[0] if mode == "row" else 1
    shape = [first] + [1] * (input.ndim - 1)
    noise = rushlight.empty(shape, dtype=input.dtype, device=input.device).bernoulli_(kept)
    if kept > 0.0:
        noise.div_(kept)
    return input * noise


class StochasticDepth(nn.Module):
    """`stochastic_depth` as a layer, active while training."""

    def __init__(self, p, mode):
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input):
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
