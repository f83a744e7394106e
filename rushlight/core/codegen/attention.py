"""Attention over (batch, heads, rows, features): what `attention_kernels` is given.

Whatever a product reads by vectors is laid out in panels first: two vectors for each k.
"""

from __future__ import annotations

from typing import Any

from ..base.shapes import Meta, meta
from . import library
from .attention_kernels import Heads, panel_width
from .copying import copy_steps
from .gemm_tile import cut, register_tile
from .lowering import Operand, lowers
from .sharing import dense, row_major

TASK = 400_000          # products in a task: some 10 us
WEIGHTS = 1 << 18       # bytes of a block's weights, going back


class _Arrays:
    """The operands of one lowering as the kernels want them."""

    def __init__(self, low, query, key, value):
        self.low, self.dtype = low, query.meta.dtype
        batch, heads, queries, features = query.meta.shape
        scale, causal = low.params
        self.batch = batch
        self.heads = Heads(self.dtype.name, heads, queries, key.meta.shape[2], features,
                           value.meta.shape[3], scale, causal)
        self.width = panel_width(library.target(), self.dtype.itemsize)

    def panels(self, operand: Operand, columns: int):
        """Panels whose columns are the rows (2) or the features (3) of an operand."""
        k = 5 - columns
        batch, heads = operand.meta.shape[:2]
        count, depth, width = operand.meta.shape[columns], operand.meta.shape[k], self.width
        strides = operand.meta.strides
        full, edge = divmod(count, width)
        size = (full + (edge > 0)) * depth * width
        made = ("slot", self.low.temporary(batch * heads * size * self.dtype.itemsize))
        for blocks, first, present in ((full, 0, width), (1, full, edge)):
            copy_steps(self.low, self.dtype, (batch, heads, blocks, depth, present), operand,
                       (*strides[:2], width * strides[columns], strides[k], strides[columns]),
                       made, (heads * size, size, depth * width, width, 1),
                       first * width * strides[columns], first * depth * width)
        return made

    def rows(self, operand: Operand) -> tuple[Any, tuple]:
        """(argument, strides of batch, head and row) of an operand whose features are dense."""
        if operand.meta.strides[3] == 1:
            return operand, tuple(operand.meta.strides[:3])
        return dense(self.low, operand), row_major(operand.meta.shape)[:3]

    def result(self, output: Operand | None, like: Meta) -> tuple[Any, tuple]:
        """The same of an output; of memory to throw away where nobody needs it."""
        if output is not None:
            return output, tuple(output.meta.strides[:3])
        return self.low.output_or_spare(None, like), row_major(like.shape)[:3]


@lowers("attention")
def lower_attention(low):
    """One kernel over blocks of rows."""
    query, key, value = low.inputs
    arrays = _Arrays(low, query, key, value)
    heads = arrays.heads
    q, q_strides = arrays.rows(query)
    out, out_strides = arrays.result(low.outputs[0], meta(
        arrays.dtype, (*query.meta.shape[:3], heads.outputs)))
    count = arrays.batch * heads.heads
    total = low.outputs[1] if low.outputs[1] is not None else \
        ("slot", low.temporary(count * heads.queries * arrays.dtype.itemsize))
    tiles = cut(heads.queries, register_tile(library.target(), arrays.dtype.itemsize)[0])[0]
    work = heads.queries * heads.keys * (heads.features + heads.outputs)
    blocks = max(1, min(tiles, work // (2 if heads.causal else 1) // TASK))
    low.step("attention_kernels.forward", (heads, q_strides, out_strides, blocks),
             [q, arrays.panels(key, 2), arrays.panels(value, 3), out, total], count * blocks)
    return True


@lowers("attention_backward")
def lower_attention_backward(low):
    """One kernel; a task is a head."""
    g, query, key, value, out, total = low.inputs
    arrays = _Arrays(low, query, key, value)
    found = [arrays.rows(operand) for operand in (g, query, out)]
    found += [arrays.result(output, like.meta) for output, like in
              zip(low.outputs, (query, key, value))]
    keys = key.meta.shape[2]
    parts = -(-keys * query.meta.shape[2] * arrays.dtype.itemsize // WEIGHTS)
    block = -(-keys // (parts * arrays.width)) * arrays.width
    low.step("attention_kernels.backward",
             (arrays.heads, tuple(strides for _, strides in found), block),
             [*(array for array, _ in found), dense(low, total), arrays.panels(key, 2),
              arrays.panels(value, 2), arrays.panels(key, 3), arrays.panels(g, 3),
              arrays.panels(query, 3)], arrays.batch * arrays.heads.heads)
    return True
