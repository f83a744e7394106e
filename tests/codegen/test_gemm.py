"""Native matrix products against float64 NumPy: shapes, transposes, strides, bias, fused bodies."""

from __future__ import annotations

from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest

from rushlight.core.base.shapes import meta
from rushlight.core.codegen import library
from rushlight.core.codegen import target as target_module
from rushlight.core.codegen.body import Body
from rushlight.core.codegen.gemm_problem import Problem
from rushlight.core.codegen.lowering import Lowering, Operand, rule_of
from rushlight.core.ops.record import REGISTRY
from tests.codegen.harness import meta_of, native, run_kernel

DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16,
          "bfloat16": ml_dtypes.bfloat16}
UNIT = {"float32": 2.0 ** -24, "float64": 2.0 ** -53, "float16": 2.0 ** -11,
        "bfloat16": 2.0 ** -8}


def numbers(shape, dtype, seed=0):
    """Random numbers of a dtype."""
    return np.random.default_rng(seed).standard_normal(shape).astype(DTYPES[dtype])


def check_product(got, a, b, dtype, added=0.0):
    """Within the rounding of sqrt(k) float32 (float64) sums, and of one store."""
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    want = wide_a @ wide_b + added
    size = np.abs(wide_a) @ np.abs(wide_b) + np.abs(added)
    sums = UNIT["float64" if dtype == "float64" else "float32"]
    bound = size * sums * (2 + 2 * a.shape[-1] ** 0.5) + np.abs(want) * UNIT[dtype] * 1.01
    assert got.dtype == a.dtype and got.shape == want.shape
    assert (np.abs(got.astype(np.float64) - want) <= bound).all()


def transposed(shape, dtype, turn, seed):
    """A matrix, stored transposed if `turn`."""
    return numbers(shape[::-1], dtype, seed).T if turn else numbers(shape, dtype, seed)


SHAPES = [(1, 1, 1), (1, 7, 5), (4, 40, 12), (5, 3, 33), (14, 16, 32), (17, 129, 47),
          (33, 20, 1), (64, 64, 64), (100, 61, 77), (3, 900, 20), (40, 1700, 9)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("turns", [(0, 0), (0, 1), (1, 0), (1, 1)], ids=["NN", "NT", "TN", "TT"])
def test_float32_products_of_all_transposes(shape, turns):
    m, k, n = shape
    a, b = transposed((m, k), "float32", turns[0], 1), transposed((k, n), "float32", turns[1], 2)
    check_product(native("mm", [a, b])[0], a, b, "float32")


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(4, 40, 12), (33, 130, 47), (1, 300, 70), (3, 2001, 5)], ids=str)
@pytest.mark.parametrize("turns", [(0, 0), (0, 1), (1, 0)], ids=["NN", "NT", "TN"])
def test_other_dtypes(shape, turns, dtype):
    m, k, n = shape
    a, b = transposed((m, k), dtype, turns[0], 1), transposed((k, n), dtype, turns[1], 2)
    check_product(native("mm", [a, b])[0], a, b, dtype)


def test_strided_operands():
    a, b = numbers((60, 90), "float32", 1)[::2, ::3], numbers((60, 90), "float32", 2)[::2, 1::2]
    check_product(native("mm", [a, b])[0], a, b, "float32")
    c, d = a[::-1, ::-1], np.broadcast_to(b[:, :1], b.shape)
    check_product(native("mm", [c, d])[0], c, d, "float32")


@pytest.mark.parametrize("shape", [(3, 5, 7, 9), (1, 33, 64, 40), (4, 1, 50, 3)], ids=str)
def test_batches(shape):
    g, m, k, n = shape
    a, b = numbers((g, m, k), "float32", 1), numbers((g, k, n), "float32", 2)
    check_product(native("bmm", [a, b])[0], a, b, "float32")
    b = numbers((g, n, k), "float32", 2).transpose(0, 2, 1)
    check_product(native("bmm", [a, b])[0], a, b, "float32")
    shared = np.broadcast_to(b[:1], b.shape)
    check_product(native("bmm", [a, shared])[0], a, shared, "float32")


def test_vectors():
    a, x, y = (numbers(s, "float32", i) for i, s in enumerate([(30, 70), (70,), (70,)]))
    check_product(native("mv", [a, x])[0], a, x, "float32")
    check_product(native("mv", [a[:, :30].T, x[:30]])[0], a[:, :30].T, x[:30], "float32")
    check_product(native("dot", [x, y])[0], x, y, "float32")
    check_product(native("dot", [x[::-2], y[::2]])[0], x[::-2], y[::2], "float32")


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("bias", [None, (21,), ()], ids=str)
def test_linear(lead, bias, dtype):
    if bias == () and lead == ():
        bias = (1,)
    x, weight = numbers((*lead, 37), dtype, 1), numbers((21, 37), dtype, 2)
    name = {0: "linear_vector", 1: "linear_matrix"}.get(len(lead), "linear_batch")
    if bias is None:
        check_product(native(name, [x, weight])[0], x, weight.T, dtype)
    else:
        b = numbers(bias, dtype, 3)
        check_product(native(name + "_bias", [b, x, weight])[0], x, weight.T, dtype,
                      b.astype(np.float64))


def test_linear_of_transposed_sequences_and_vector_weights():
    x = numbers((6, 4, 37), "float32", 1).transpose(1, 0, 2)
    weight, bias = numbers((21, 37), "float32", 2), numbers((4, 6, 21), "float32", 3)
    check_product(native("linear_batch", [x, weight])[0], x, weight.T, "float32")
    check_product(native("linear_batch_bias", [bias, x, weight])[0], x, weight.T, "float32", bias)
    check_product(native("linear_batch", [x, weight[0]])[0], x, weight[0], "float32")


@pytest.mark.parametrize("scales", [(1, 1), (0.5, 2), (0, 3), (2.5, 0)], ids=str)
def test_addmm(scales):
    bias, a, b = numbers((9,), "float32", 0), numbers((20, 30), "float32", 1), \
        numbers((30, 9), "float32", 2)
    if scales[0] == 0:
        bias[:] = np.nan
    got = native("addmm", [bias, a, b, *scales])[0]
    added = 0.0 if scales[0] == 0 else bias.astype(np.float64) * scales[0]
    check_product(got, (a * np.float32(scales[1])), b, "float32", added)


def test_nan_and_infinity_go_through():
    a, b = numbers((5, 30), "float32", 1), numbers((30, 40), "float32", 2)
    a[1, 3], b[7, 9], b[8, 11] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        want = a @ b
    got = native("mm", [a, b])[0]
    assert (np.isnan(got) == np.isnan(want)).all()
    assert (np.isinf(got) == np.isinf(want)).all()
    assert np.isnan(got[1]).all() and np.isinf(got[0, 9])


def fused(name, inputs, body, extras, results):
    """A record with a fused body; `results`: the arrays that its outputs go to."""
    op = REGISTRY[name]
    arrays = [*inputs, *extras, *results]
    operands = [Operand(i, meta_of(x)) for i, x in enumerate(arrays)]
    count, more = len(inputs), len(inputs) + len(extras)
    product = op.rule(*[o.meta for o in operands[:count]])
    numbered = iter(range(1000, 2000))
    spread = [Operand(o.slot, meta(o.meta.dtype, product.shape, tuple(
        s // x.itemsize for s in np.broadcast_to(x, product.shape).strides)))
        for o, x in zip(operands[count:more], extras)]
    low = Lowering(op, tuple(operands[:count]), tuple(operands[more:]), (),
                   lambda: next(numbered), body, tuple(spread), product)
    rule = rule_of(name)
    assert rule is not None and rule.epilogue and rule.function(low) is not False
    memory = {i: x for i, x in enumerate(arrays)}
    for slot, size in low.temporaries.items():
        memory[slot] = np.full(size, 255, np.uint8)
    for step in low.steps:
        words = [extra if slot == -1 else memory[slot].__array_interface__["data"][0] + extra
                 for slot, extra in step.arguments]
        run_kernel(step.generator, step.parameters, words, step.tasks)


@pytest.mark.parametrize("shape", [(4, 40, 12), (40, 30, 50), (20, 1300, 70), (1, 600, 300)],
                         ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fused_residual_and_relu_with_its_mask(shape, dtype):
    m, k, n = shape
    x, weight = numbers((m, k), dtype, 1), numbers((n, k), dtype, 2)
    bias, residual = numbers((n,), dtype, 3), numbers((m, n), dtype, 4)
    body = Body((dtype, dtype),
                (("add", (0, 1), dtype, dtype), ("relu", (2,), dtype, dtype),
                 ("gt", (3, 2), dtype, "bool"), ("mul", (3, 3), dtype, dtype)), (2, 3, 4))
    results = [np.empty((m, n), x.dtype), np.empty((m, n), x.dtype), np.empty((m, n), bool)]
    fused("linear_matrix_bias", [bias, x, weight], body, [residual], results)
    plain = native("linear_matrix_bias", [bias, x, weight])[0]
    before = (plain.astype(np.float32) + residual.astype(np.float32)).astype(x.dtype)
    assert (results[0] == before).all()
    assert (results[1] == np.maximum(before, 0)).all()
    assert (results[2] == (np.maximum(before, 0) > before)).all()


def test_fused_change_of_dtype_and_column_extra():
    a, b = numbers((23, 50), "float32", 1), numbers((50, 40), "float32", 2)
    column = numbers((23, 1), "float32", 3)
    body = Body(("float32", "float32"), (("mul", (0, 1), "float32", "float32"),
                                         ("cast", (2,), "float32", "bfloat16")), (3,))
    out = np.empty((23, 40), ml_dtypes.bfloat16)
    fused("mm", [a, b], body, [column], [out])
    plain = native("mm", [a, b])[0]
    assert (out == (plain * column).astype(ml_dtypes.bfloat16)).all()


def test_outputs_nobody_can_write_are_left_to_the_interpreter():
    empty = numbers((0, 4), "float32")
    with pytest.raises(LookupError):
        native("mm", [empty, numbers((4, 3), "float32")])
    with pytest.raises(LookupError):
        native("mm", [np.ones((2, 2), np.complex64), np.ones((2, 2), np.complex64)])


@pytest.fixture(params=["avx2", "no tiles", "no dot products"])
def other_target(request, monkeypatch):
    """A lesser CPU than this one: 256-bit vectors, or AVX-512 without the bfloat16 instructions."""
    host = target_module.host()
    if request.param == "avx2":
        lesser = target_module.limited("avx2")
    else:
        missing = ("amx",) if request.param == "no tiles" else ("amx", "avx512bf16")
        lesser = host._replace(features=frozenset(
            f for f in host.features if not f.startswith(missing)))
    if host.vector_bits < lesser.vector_bits or not host.triple.startswith("x86"):
        pytest.skip("this CPU has no such vectors")
    monkeypatch.setattr(library, "target", lambda: lesser)
    monkeypatch.setattr(library, "_loaded", OrderedDict())
    library.fingerprint.cache_clear()
    yield lesser
    library.fingerprint.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_lesser_targets(other_target, dtype):
    for m, k, n, turns in ((40, 75, 50, (0, 0)), (20, 1060, 20, (1, 0)), (33, 64, 70, (0, 1)),
                           (3, 50, 20, (0, 1)), (2, 300, 300, (0, 0))):
        a, b = transposed((m, k), dtype, turns[0], 1), transposed((k, n), dtype, turns[1], 2)
        check_product(native("mm", [a, b])[0], a, b, dtype)


@pytest.mark.parametrize("turns", [(0, 0), (0, 1), (1, 0), (1, 1), "strided"], ids=str)
@pytest.mark.parametrize("shape", [(16, 32, 16), (70, 100, 90), (33, 2060, 17), (20, 31, 300)],
                         ids=str)
def test_large_bfloat16(shape, turns):
    m, k, n = shape
    if turns == "strided":
        a, b = numbers((2 * m, 3 * k), "bfloat16", 1)[::2, ::3], \
            numbers((2 * k, 2 * n), "bfloat16", 2)[::2, ::2]
    else:
        a = transposed((m, k), "bfloat16", turns[0], 1)
        b = transposed((k, n), "bfloat16", turns[1], 2)
    check_product(native("mm", [a, b])[0], a, b, "bfloat16")


def test_sums_in_pieces():
    for m, k, n in ((1, 70001, 1), (2, 5003, 300), (30, 9001, 40)):
        a, b = numbers((k, m), "float32", 1).T, numbers((k, n), "float32", 2)
        check_product(native("mm", [a, b])[0], a, b, "float32")
        bias = numbers((n,), "float32", 3)
        check_product(native("addmm", [bias, a, b, 2, 1])[0], a, b, "float32", 2.0 * bias)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_kernels_reach_other_processors(dtype):
    arm = target_module.aarch64()
    strides = (0, 100, 1), (0, 50, 1)
    problem = Problem(dtype, dtype, 1, 60, 50, 100, *strides, (0, 0, 1), (), None, (),
                      ((3000, 50, 1),))
    dots = problem._replace(b=(0, 1, 100))
    for generator, parameters in (
            ("gemm_packed.packed", (problem, 2, 1, 64)), ("gemm_packed.packed", (dots, 2, 1, 64)),
            ("gemm_direct.direct", (problem, 1, 1)), ("gemm_direct.dots", (dots, 1)),
            ("gemm_stream.stream", (problem._replace(m=3), 64)),
            ("gemm_combine.combine", (problem, 3))):
        text = library.generate(generator, parameters, arm)
        assert "kernel" in library.compile_text(text, arm, assembly=True)


@pytest.mark.parametrize("generator, parameters", [
    ("gemm_packed.packed", (1, 1, 96)), ("gemm_direct.direct", (1, 1))])
def test_multiply_adds_read_elements_of_a(generator, parameters):
    """Every second row's; with an index register they would be two instructions after all."""
    wide = library.limited("avx512")
    if wide.vector_bits != 512:
        pytest.skip("memory operands that are repeated come with AVX-512")
    problem = Problem("float32", "float32", 1, 56, 32, 96, (0, 96, 1), (0, 32, 1), (0, 0, 1), (),
                      None, (), ((0, 32, 1),))
    text = library.generate(generator, (problem, *parameters), wide)
    folded = [line for line in library.compile_text(text, wide, assembly=True).splitlines()
              if "vfmadd" in line and "{1to16}" in line]
    assert len(folded) >= 14
    assert all("," not in line[line.index("("):line.index(")")] for line in folded)
