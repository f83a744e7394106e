"""Native reductions against the interpreter: shapes, axes, layouts, dtypes, special values."""

from __future__ import annotations

import itertools
import math

import ml_dtypes
import numpy as np
import pytest

import rushlight
from rushlight.core.base import dtypes as dt
from rushlight.core.codegen import library
from rushlight.core.codegen.body import Body
from rushlight.core.codegen.lowering import Lowering, Operand, rule_of
from rushlight.core.codegen.target import aarch64, limited
from rushlight.core.ops.record import REGISTRY

from .harness import interpreted, meta_of, native

assert rushlight
SHAPES = [(1,), (7,), (64,), (1000,), (3, 5), (5, 16), (33, 70), (4, 6, 5, 5), (2, 3, 4, 40),
          (1, 9, 1), (6, 1, 130)]
DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16,
          "bfloat16": ml_dtypes.bfloat16, "int64": np.int64, "int32": np.int32, "uint8": np.uint8,
          "bool": np.bool_}


def array_of(shape, name="float32", seed=0):
    """Random values; integers with many ties."""
    random = np.random.default_rng(seed)
    if name == "bool":
        return random.random(shape) < 0.5
    if name in ("int64", "int32", "uint8"):
        return random.integers(0 if name == "uint8" else -9, 9, shape).astype(DTYPES[name])
    return random.normal(size=shape).astype(DTYPES[name])


def subsets(ndim):
    """All non-empty sets of axes."""
    return [d for n in range(1, ndim + 1) for d in itertools.combinations(range(ndim), n)]


def parameters(name, x, dims, keepdim=False):
    """The static parameters of an op for these axes."""
    kind = dt.from_numpy_dtype(x.dtype)
    summed = dt.int64 if kind.category < 2 else kind
    count = math.prod(x.shape[d] for d in dims)
    return {"sum": (dims, keepdim, summed), "sum_over": (dims, keepdim, summed),
            "prod": (dims, keepdim, summed), "mean": (dims, keepdim, count),
            "amax": (dims, keepdim), "amin": (dims, keepdim), "any": (dims, keepdim),
            "all": (dims, keepdim), "count_nonzero": (dims,), "var": (dims, keepdim, 1),
            "std": (dims, keepdim, 0), "max_dim": (dims[0], keepdim),
            "min_dim": (dims[0], keepdim), "argmax": (dims[0], keepdim),
            "argmin": (None, keepdim), "max_all": (), "min_all": ()}[name]


def check(name, x, params, rtol=2e-5):
    """Both ways give the same: exactly but for sums of floats."""
    found, expected = native(name, [x], params), interpreted(name, [x], params)
    for a, b in zip(found, expected, strict=True):
        b = np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.kind in "fV" or a.dtype == ml_dtypes.bfloat16:
            tolerance = {2: 0.02, 4: rtol, 8: 1e-12}[a.dtype.itemsize]
            np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=tolerance,
                                       atol=tolerance)
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sum_over_all_sets_of_axes(shape):
    x = array_of(shape)
    for dims in subsets(len(shape)):
        check("sum", x, parameters("sum", x, dims, keepdim=sum(dims) % 2 == 0))


@pytest.mark.parametrize("name", ["mean", "prod", "amax", "amin", "any", "all", "count_nonzero",
                                  "var", "std", "max_dim", "min_dim", "argmax", "argmin",
                                  "max_all", "min_all"])
def test_every_reduction(name):
    for shape in [(7,), (33, 40), (4, 6, 5, 5), (3, 200)]:
        x = array_of(shape)
        for dims in subsets(len(shape))[:4]:
            check(name, x, parameters(name, x, dims, keepdim=dims[0] == 0))


@pytest.mark.parametrize("kind", DTYPES)
def test_every_dtype(kind):
    for name in ("sum", "amax", "amin", "argmax", "argmin", "max_dim", "count_nonzero", "any",
                 "all", "max_all", "prod"):
        if kind == "bool" and name in ("argmax", "argmin"):
            continue
        for shape, dims in (((50, 33), (1,)), ((50, 33), (0,)), ((3, 4, 5), (0, 2))):
            x = array_of(shape, kind)
            if name == "prod" and kind in ("float16", "bfloat16"):
                x = np.ones_like(x)
            check(name, x, parameters(name, x, dims))


def views():
    """One array seen in many layouts."""
    x = array_of((24, 20, 36))
    return [x.transpose(2, 0, 1), x.transpose(0, 2, 1), x[::2, :, ::3], x[:, 5:6, :],
            np.broadcast_to(x[:, :1, :], (24, 20, 36)), np.broadcast_to(x[0, 0, 0], (5, 6)),
            np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1)]


@pytest.mark.parametrize("x", views(), ids=lambda x: str(x.strides))
def test_layouts(x):
    for name in ("sum", "argmax", "argmin", "var"):
        for dims in subsets(x.ndim):
            check(name, x, parameters(name, x, dims))


@pytest.mark.parametrize("shape, dims", [
    ((300000,), (0,)), ((3, 100001), (1,)), ((5000, 40), (0,)), ((2000, 300), (0,)),
    ((40, 6, 500), (0, 2)), ((64, 2000), (0,)), ((20, 5000, 3), (1,)), ((2, 2500, 40), (0,)),
    ((100, 50, 60), (0, 1))], ids=str)
def test_many_tasks(shape, dims):
    x = array_of(shape)
    for name in ("sum", "argmax", "max_dim", "std", "amin", "argmin"):
        # NumPy adds thousands of rows one after another.
        check(name, x, parameters(name, x, dims), rtol=4e-4)


def test_sums_are_as_accurate_as_numpy_s():
    x = np.random.default_rng(1).uniform(0, 1, 1 << 20).astype(np.float32)
    for shape, dims in (((1 << 20,), (0,)), ((1, 1 << 20), (1,)), ((1 << 16, 16), (0,)),
                        ((1 << 10, 1 << 10), (0,))):
        y = x.reshape(shape)
        exact = y.astype(np.float64).sum(dims)
        found, = native("sum", [y], (dims, False, dt.float32))
        assert (np.abs(found - exact) <= 1e-6 * exact).all()


def test_special_values():
    x = array_of((6, 50))
    x[0, 3] = np.nan
    x[1, 40] = np.inf
    x[2] = -np.inf
    x[3, 7] = x[3, 30] = 9.0
    x[4, 10] = x[4, 3] = np.nan
    x[5] = [0.0, -0.0] * 25
    for name in ("amax", "amin", "max_dim", "min_dim", "argmax", "sum"):
        for dims in ((1,), (0,)):
            check(name, x, parameters(name, x, dims))
    check("argmin", x, (None, False))


@pytest.mark.parametrize("order", [0, 1, 2, math.inf, -math.inf])
def test_norms(order):
    x = array_of((30, 41))
    for dims in ((0,), (1,), (0, 1)):
        check("linalg_vector_norm", x, (dims, False, float(order), dt.float32))
        check("linalg_vector_norm", x, (dims, True, float(order), dt.float64))


GELU = Body(("float32", "float32", "float"),
            (("mul", (0, 1), "float32", "float32"), ("add", (3, 2), "float32", "float32"),
             ("relu", (4,), "float32", "float32")), (5,))


@pytest.mark.parametrize("shape, dims", [((100000,), (0,)), ((40, 70), (0,)), ((40, 70), (1,))])
def test_prologue(shape, dims):
    x, y = array_of(shape), np.broadcast_to(array_of(shape[-1:], seed=1), shape)
    value = np.maximum(x * y + np.float32(1.0), 0)
    for name in ("sum", "amax", "var", "argmax"):
        params = parameters(name, x, dims)
        found = native(name, [x], params, prologue=(GELU, [x, y, 1.0]))
        expected = interpreted(name, [value], params)
        for a, b in zip(found, expected):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_what_stays_with_the_interpreter():
    with pytest.raises(LookupError):
        native("sum", [np.zeros((0, 3), np.float32)], ((0,), False, dt.float32))
    with pytest.raises(LookupError):
        native("sum", [np.zeros(3, np.complex64)], ((0,), False, dt.complex64))


@pytest.mark.parametrize("target", [limited("avx2"), aarch64()], ids=["avx2", "aarch64"])
def test_other_targets(target):
    for name, dims in (("sum", (1,)), ("argmax", (0,)), ("std", (0,))):
        x = array_of((40, 200))
        op = REGISTRY[name]
        params = parameters(name, x, dims)
        metas = op.rule(meta_of(x), *params)
        slots = iter(range(100, 200))
        low = Lowering(op, (Operand(0, meta_of(x)),), (Operand(1, metas),), params,
                       lambda slots=slots: next(slots))
        assert rule_of(name).function(low) is not False
        for step in low.steps:
            text = library.generate(step.generator, step.parameters, target)
            assert "kernel" in library.compile_text(text, target, assembly=True)
