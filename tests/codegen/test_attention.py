"""Attention's kernels against NumPy, and the record against its composition."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.codegen import attention
from rushlight.nn import functional as F
from tests.codegen.harness import interpreted, native

SHAPES = [(1, 1, 1, 1, 1, 1), (2, 3, 40, 40, 16, 16), (1, 2, 33, 70, 64, 24), (1, 2, 70, 35, 5, 40)]


def heads_first(numbers, batch, heads, length, features, dtype):
    """(batch, heads, length, features), the heads side by side in memory."""
    made = numbers.standard_normal((batch, length, heads, features)).astype(dtype)
    return made.transpose(0, 2, 1, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("small", [False, True])
def test_compiled_attention_equals_numpy(shape, causal, dtype, small, monkeypatch):
    if small:       # several blocks of keys
        monkeypatch.setattr(attention, "WEIGHTS", 33 * 40 * 4)
    batch, heads, queries, keys, features, outputs = shape
    numbers = np.random.default_rng(0)
    q = heads_first(numbers, batch, heads, queries, features, dtype)
    k = heads_first(numbers, batch, heads, keys, features, dtype)
    v = numbers.standard_normal((batch, heads, keys, outputs)).astype(dtype)
    g = heads_first(numbers, batch, heads, queries, outputs, dtype)
    params = (0.3, causal)
    close = {"rtol": 2e-5, "atol": 4e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-13}
    expected = interpreted("attention", [q, k, v], params)
    for a, b in zip(native("attention", [q, k, v], params), expected, strict=True):
        np.testing.assert_allclose(a, b, **close)
    inputs = [g, q, k, v, *expected]
    wanted = interpreted("attention_backward", inputs, params)
    for a, b in zip(native("attention_backward", inputs, params), wanted, strict=True):
        np.testing.assert_allclose(a, b, **close)


@pytest.mark.parametrize("causal", [False, True])
def test_one_record_equals_the_composition(causal):
    torch.manual_seed(0)
    inputs = [torch.randn(2, 2, n, 4, dtype=torch.float64, requires_grad=True) for n in (5, 7, 7)]
    mask = torch.ones(5, 7, dtype=torch.bool)
    mask = mask.tril() if causal else mask

    def results(**options):
        out = F.scaled_dot_product_attention(*inputs, **options)
        first = torch.autograd.grad((out ** 3).sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum((g * g).sum() for g in first), inputs)
        again = F.scaled_dot_product_attention(*inputs, **options)
        plain = torch.autograd.grad((again ** 3).sum(), inputs)
        return [t.detach().numpy() for t in (out, *first, *second, *plain)]
    for a, b in zip(results(is_causal=causal), results(attn_mask=mask), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
