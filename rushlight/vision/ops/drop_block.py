"""Dropout of square regions (arXiv:1810.12890)."""

import rushlight
from rushlight import nn
from rushlight.nn import functional as nnf


def _drop_block(input, p, block_size, inplace, eps, training, rank, pool):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != rank + 2:
        raise ValueError(f"input should be {rank + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    batch, channels, *sides = input.shape
    block = min(block_size, *sides)
    # A seed anywhere in the inner part drops a block; this many seeds drop a share p of all.
    gamma = p
    for side in sides:
        gamma *= side
    for side in sides:
        gamma /= (side - block + 1) * block
    inner = [batch, channels] + [side - block + 1 for side in sides]
    seeds = rushlight.empty(inner, dtype=input.dtype, device=input.device).bernoulli_(gamma)
    seeds = nnf.pad(seeds, [block // 2] * (2 * rank), value=0)
    dropped = pool(seeds, stride=1, kernel_size=block, padding=block // 2)
    kept = 1 - dropped
    scale = kept.numel() / (eps + kept.sum())
    return input.mul_(kept).mul_(scale) if inplace else input * kept * scale


def drop_block2d(input, p, block_size, inplace=False, eps=1e-6, training=True):
    """`input` (N, C, H, W) with squares zeroed, a share `p` of it, and the rest scaled up.

    Raises:
        ValueError: `p` outside [0, 1], or not four dimensions.
    """
    return _drop_block(input, p, block_size, inplace, eps, training, 2, nnf.max_pool2d)


def drop_block3d(input, p, block_size, inplace=False, eps=1e-6, training=True):
    """`input` (N, C, D, H, W) with cubes zeroed, a share `p` of it, and the rest scaled up."""
    return _drop_block(input, p, block_size, inplace, eps, training, 3, nnf.max_pool3d)


class DropBlock2d(nn.Module):
    """`drop_block2d` as a layer, active while training."""

    function = staticmethod(drop_block2d)

    def __init__(self, p, block_size, inplace=False, eps=1e-6):
        super().__init__()
        self.p = p
        self.block_size = block_size
        self.inplace = inplace
        self.eps = eps

    def forward(self, input):
        return self.function(
            input, self.p, self.block_size, self.inplace, self.eps, self.training
        )

    def __repr__(self):
        return (
            f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, "
            f"inplace={self.inplace})"
        )


class DropBlock3d(DropBlock2d):
    """`drop_block3d` as a layer, active while training."""

    function = staticmethod(drop_block3d)
