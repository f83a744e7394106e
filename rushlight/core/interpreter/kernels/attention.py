"""Attention of (batch, heads, length, features), forward and backward, with NumPy."""

from __future__ import annotations

import numpy as np


def _scores(query, key, scale, causal):
    scores = query @ key.swapaxes(2, 3)
    scores *= scale
    if causal:
        scores[..., ~np.tri(*scores.shape[2:], dtype=bool)] = -np.inf
    return scores


def attention(query, key, value, scale, causal):
    """(the weighted values, the logarithm of each row's sum of exponentials)."""
    weights = _scores(query, key, scale, causal)
    top = weights.max(-1, keepdims=True)
    weights -= top
    np.exp(weights, out=weights)
    total = weights.sum(-1, keepdims=True)
    weights /= total
    return weights @ value, (top + np.log(total))[..., 0]


def attention_backward(g, query, key, value, out, total, scale, causal):
    """Gradients of query, key and value; `total` is the forward pass's second result."""
    weights = _scores(query, key, scale, causal)
    weights -= total[..., None]
    np.exp(weights, out=weights)
    g_value = weights.swapaxes(2, 3) @ g
    g_scores = g @ value.swapaxes(2, 3)
    g_scores -= (g * out).sum(-1, keepdims=True)
    g_scores *= weights
    g_scores *= scale
    return g_scores @ key, g_scores.swapaxes(2, 3) @ query, g_value
