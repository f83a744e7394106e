"""Attention as one record: softmax(Q K^T scale) V without the matrix of weights in memory.

(Vaswani et al. 2017; computed by blocks as in Dao et al. 2022.) The backward pass makes the weights
again from the logarithm of each row's sum of exponentials. A second derivative takes the same
formulas with public ops.
"""

from __future__ import annotations

import math
from typing import Any

from ..base.shapes import meta
from .contraction import matmul
from .record import export, primitive
from .softmax import softmax_backward_op, softmax_op


def _rows_first(dtype, shape):
    """(batch, heads, length, features) with each row's heads side by side in memory."""
    _, heads, length, features = shape
    return meta(dtype, shape, (length * heads * features, features, heads * features, 1))


def _forward_rule(query, key, value, scale, causal):
    shape = (*query.shape[:3], value.shape[3])
    return _rows_first(query.dtype, shape), meta(query.dtype, query.shape[:3])


def _backward_rule(g, query, key, value, out, total, scale, causal):
    return tuple(_rows_first(g.dtype, m.shape) for m in (query, key, value))


def _gradients(g0, out0, out1, query, key, value, scale, causal):
    import rushlight
    if not rushlight.is_grad_enabled():
        return attention_backward(g0, query, key, value, out0, out1, scale=scale, causal=causal)
    scores: Any = matmul(query, key.transpose(2, 3)) * scale
    if causal:
        seen = rushlight.ones(scores.shape[2:], dtype=rushlight.bool).tril()
        scores = scores.masked_fill(~seen, -math.inf)
    weights: Any = softmax_op(scores, dim=3)
    g_scores: Any = softmax_backward_op(matmul(g0, value.transpose(2, 3)), weights, dim=3) * scale
    return (matmul(g_scores, key), matmul(g_scores.transpose(2, 3), query),
            matmul(weights.transpose(2, 3), g0))


attention = primitive(
    "attention", "attention", "query key value", _forward_rule, "attention.attention",
    {("query", "key", "value"): _gradients}, params=("scale", "causal"), multi=2,
    non_differentiable=(1,), node_name="ScaledDotProductFlashAttentionForCpuBackward0")

attention_backward = primitive(
    "attention_backward", "attention", "g query key value out total", _backward_rule,
    "attention.attention_backward", params=("scale", "causal"), multi=3)

LONGEST = 2048          # rows of scores that a kernel keeps


@export("nn.functional", name="_fused_attention")
def fused_attention(query, key, value, scale, causal):
    """The attention of (B, H, L, E), (B, H, S, E), (B, H, S, Ev); None where it is no record."""
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4 or \
            query.dtype.name not in ("float32", "float64"):
        return None
    batch, heads, length, features = query.shape
    keys = key.shape[2]
    if key.shape != (batch, heads, keys, features) or value.shape[:3] != key.shape[:3] or \
            0 in (query.numel(), value.numel(), key.numel()) or max(length, keys) > LONGEST:
        return None
    return attention(query, key, value, scale=float(scale), causal=causal)[0]
