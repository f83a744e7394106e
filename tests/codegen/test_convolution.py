"""Native convolutions against the interpreter's: shapes, strides, padding, dilation, groups."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from rushlight.core.base.shapes import meta
from rushlight.core.codegen import conv_outputs, convolution, library
from rushlight.core.codegen.body import Body
from rushlight.core.codegen.lowering import Lowering, Operand, rule_of
from rushlight.core.codegen.target import aarch64, limited
from rushlight.core.ops.record import REGISTRY

from .harness import interpreted, meta_of, native, run_kernel

# x shape, weight shape, stride, padding, dilation, groups
CASES = {
    "first layer": ((2, 3, 13, 11), (7, 3, 3, 3), 1, 1, 1, 1),
    "wide rows": ((1, 3, 5, 70), (20, 3, 3, 3), 1, 1, 1, 1),
    "seven by seven": ((1, 3, 20, 18), (17, 3, 7, 7), 2, 3, 1, 1),
    "lenet": ((4, 6, 14, 14), (16, 6, 5, 5), 1, 0, 1, 1),
    "many channels": ((2, 40, 4, 4), (56, 40, 3, 3), 1, 1, 1, 1),
    "channel blocks": ((1, 600, 6, 6), (9, 600, 3, 3), 1, 1, 1, 1),
    "one by one": ((2, 16, 7, 7), (31, 16, 1, 1), 1, 0, 1, 1),
    "one by one, stride 2": ((2, 16, 7, 8), (31, 16, 1, 1), 2, 0, 1, 1),
    "stride 2": ((2, 9, 9, 8), (20, 9, 3, 3), 2, 1, 1, 1),
    "stride 3": ((1, 2, 11, 12), (3, 2, 2, 3), 3, 1, 1, 1),
    "depthwise": ((2, 20, 9, 9), (20, 1, 3, 3), 1, 1, 1, 20),
    "depthwise, stride 2": ((2, 5, 9, 9), (10, 1, 3, 3), 2, 1, 1, 5),
    "groups": ((2, 6, 8, 8), (8, 3, 3, 3), 1, 1, 1, 2),
    "dilation": ((1, 4, 14, 13), (5, 4, 3, 3), (2, 1), (3, 2), (1, 3), 1),
    "common factors": ((1, 2, 14, 14), (3, 2, 3, 3), (2, 4), (3, 2), (2, 6), 1),
    "one pixel": ((3, 5, 1, 1), (4, 5, 1, 1), 1, 0, 1, 1),
    "padding beyond the kernel": ((1, 2, 3, 3), (3, 2, 1, 1), 1, 2, 1, 1),
    "many images": ((17, 12, 4, 4), (11, 12, 3, 3), 1, 1, 1, 1),
    "many images, groups": ((18, 20, 5, 6), (18, 10, 3, 2), (2, 1), 1, (1, 2), 2),
    "many images, channel blocks": ((16, 260, 6, 6), (70, 260, 1, 3), 1, (0, 1), 1, 1),
    "many images, few results": ((18, 4, 9, 8), (10, 2, 3, 4), (1, 2), 1, (2, 1), 2),
    "depthwise, many images": ((17, 20, 5, 6), (20, 1, 3, 3), 1, 1, 1, 20),
    "depthwise, many images, stride": ((18, 7, 9, 6), (7, 1, 3, 2), (2, 3), 1, (1, 2), 7),
    "lanes over results": ((1, 70, 13, 14), (47, 70, 3, 3), 1, 1, 1, 1),
    "lanes over results, no copy": ((2, 64, 9, 15), (40, 64, 1, 1), 1, 0, 1, 1),
    "lanes over results, stride": ((1, 33, 17, 31), (66, 33, 3, 4), (1, 2), (0, 3), 1, 1),
    "lanes over results, groups": ((1, 60, 8, 9), (80, 30, 3, 2), 1, 1, (2, 1), 2),
    "lanes over results, volume": ((1, 24, 4, 5, 7), (33, 24, 2, 3, 3), 1, (1, 0, 2), 1, 1),
    "signal": ((2, 6, 50), (8, 6, 5), 1, 2, 1, 1),
    "signal, stride 3": ((2, 6, 50), (8, 6, 5), 3, 2, 1, 1),
    "many taps": ((1, 2, 300), (3, 2, 40), 7, 5, 1, 1),
    "volume": ((2, 3, 4, 5, 6), (5, 3, 3, 2, 3), 1, 1, 1, 1),
    "volume, stride 2": ((1, 3, 5, 6, 7), (4, 3, 2, 2, 2), 2, 0, 1, 1),
}


def arrays(case, dtype=np.float32, seed=0):
    """x, weight, bias and the static parameters of a case."""
    x, w, stride, padding, dilation, groups = CASES.get(case, case)
    random = np.random.default_rng(seed)
    dims = len(x) - 2
    each = [v if isinstance(v, tuple) else (v,) * dims for v in (stride, padding, dilation)]
    made = [random.standard_normal(shape).astype(dtype) for shape in (x, w, w[:1])]
    return *made, (*each, groups)


def close(found, wanted, dtype=np.float32):
    """Equal to within rounding of sums."""
    tolerance = {2: 2e-2, 4: 3e-6, 8: 1e-14}[np.dtype(dtype).itemsize]
    scale = np.abs(wanted.astype(np.float64)).max() if wanted.size else 0
    np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64),
                               rtol=0, atol=tolerance * max(scale, 1e-30))


def check(x, w, bias, how, dtype=np.float32):
    """Forward, input gradient and weight gradient of one problem."""
    y = interpreted("convolution", [x, w, bias], (*how, None))[0]
    close(native("convolution", [x, w, bias], (*how, None))[0], y, dtype)
    size = tuple(x.shape[2:])
    wanted = interpreted("convolution_transpose", [y, w, None], (*how, size))[0]
    close(native("convolution_transpose", [y, w, None], (*how, size))[0], wanted, dtype)
    kernel = tuple(w.shape[2:])
    wanted = interpreted("convolution_weight", [x, y], (kernel, *how))[0]
    close(native("convolution_weight", [x, y], (kernel, *how))[0], wanted, dtype)


@pytest.mark.parametrize("case", CASES)
def test_convolution_and_both_gradients(case):
    check(*arrays(case))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16])
def test_other_dtypes(dtype):
    check(*arrays("stride 2", dtype), dtype)
    check(*arrays("groups", dtype), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("case", [c for c in CASES if c.startswith("lanes over results")])
def test_lanes_over_results(case, dtype, monkeypatch):
    """The kernel of few images, wherever it can be used at all."""
    used = []

    def always(*problem):
        found = conv_outputs.choose_outputs(*problem)
        used.append(found)
        return found and (0.0, found[1])
    monkeypatch.setattr(convolution, "choose_outputs", always)
    check(*arrays(case, dtype), dtype)
    assert any(used)


def test_random_configurations():
    random = np.random.default_rng(5)
    done = 0
    while done < 12:
        dims = int(random.integers(1, 4))
        groups = int(random.choice([1, 1, 2, 3]))
        kernel = random.integers(1, 4, dims)
        stride, dilation, padding = (tuple(map(int, random.integers(low, 4, dims)))
                                     for low in (1, 1, 0))
        size = random.integers(1, 12, dims)
        if any(n + 2 * p < d * (k - 1) + 1
               for n, p, d, k in zip(size, padding, dilation, kernel)):
            continue
        x = (int(random.integers(1, 4)), groups * int(random.integers(1, 10)), *map(int, size))
        w = (groups * int(random.integers(1, 40)), x[1] // groups, *map(int, kernel))
        check(*arrays((x, w, stride, padding, dilation, groups), seed=done))
        done += 1


def test_rows_too_long_for_the_stack():
    x, w, bias, how = arrays(((1, 1, 600_000), (3, 1, 10), 2, 0, 1, 1))
    close(native("convolution", [x, w, bias], (*how, None))[0],
          interpreted("convolution", [x, w, bias], (*how, None))[0])


def test_strided_operands():
    x, w, bias, how = arrays("first layer")
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    sliced = np.repeat(x, 2, axis=3)[:, :, :, ::2]
    flipped = np.ascontiguousarray(w.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    for a in (last, sliced, np.broadcast_to(x[:1, :1, :1], x.shape)):
        check(a, flipped, bias, how)
    y = np.broadcast_to(np.float32(2), (2, 7, 13, 11))       # the gradient of a sum
    for name, inputs, params in (
            ("convolution_transpose", [y, w, None], (*how, (13, 11))),
            ("convolution_weight", [x, y], ((3, 3), *how))):
        close(native(name, inputs, params)[0], interpreted(name, inputs, params)[0])


def test_bias_of_a_transposed_convolution():
    y, w, _, how = arrays("stride 3")
    w = w.swapaxes(0, 1)
    bias = np.arange(3, dtype=np.float32)
    params = (*how, (40, 40))
    close(native("convolution_transpose", [y, w, bias], params)[0],
          interpreted("convolution_transpose", [y, w, bias], params)[0])


def test_nan_and_infinity_stay_where_they_belong():
    x, w, bias, how = arrays("first layer")
    x[0, 1, 4, 5], x[1, 2, 0, 0] = np.nan, np.inf
    found = native("convolution", [x, w, bias], (*how, None))[0]
    wanted = interpreted("convolution", [x, w, bias], (*how, None))[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted))


def fused(name, inputs, params, body, extras, results):
    """Run a record with a fused body; `results`: the arrays that its outputs go to."""
    op = REGISTRY[name]
    arrays = [a for a in inputs if a is not None]
    operands = iter([Operand(i, meta_of(x)) for i, x in enumerate(arrays)])
    given = [None if a is None else next(operands) for a in inputs]
    product = op.rule(*[o and o.meta for o in given], *params)
    first = len(arrays)
    arrays += [*extras, *results]
    spread = [Operand(first + i, meta(meta_of(x).dtype, product.shape, tuple(
        s // x.itemsize for s in np.broadcast_to(x, product.shape).strides)))
        for i, x in enumerate(extras)]
    outputs = [Operand(first + len(extras) + i, meta_of(x)) for i, x in enumerate(results)]
    numbered = iter(range(1000, 2000))
    low = Lowering(op, tuple(given), tuple(outputs), params, lambda: next(numbered), body,
                   tuple(spread), product)
    rule = rule_of(name)
    assert rule is not None and rule.epilogue and rule.function(low) is not False
    memory = dict(enumerate(arrays))
    for slot, size in low.temporaries.items():
        memory[slot] = np.full(size, 255, np.uint8)
    for step in low.steps:
        words = [extra if slot == -1 else memory[slot].__array_interface__["data"][0] + extra
                 for slot, extra in step.arguments]
        run_kernel(step.generator, step.parameters, words, step.tasks)


@pytest.mark.parametrize("case", ["first layer", "wide rows", "many images", "channel blocks",
                                  "depthwise, many images", "volume", "one by one"])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_fused_scale_residual_and_relu_with_its_mask(case, dtype):
    x, w, bias, how = arrays(case, dtype)
    params = (*how, None)
    plain = native("convolution", [x, w, bias], params)[0]
    random = np.random.default_rng(9)
    residual = random.standard_normal(plain.shape).astype(dtype)
    scale = random.standard_normal((plain.shape[1],) + (1,) * (x.ndim - 2)).astype(dtype)
    kind = meta_of(plain).dtype.name
    body = Body((kind, kind, kind),
                (("mul", (0, 1), kind, kind), ("add", (3, 2), kind, kind),
                 ("relu", (4,), kind, kind), ("gt", (4, 2), kind, "bool")), (5, 6))
    results = [np.empty(plain.shape, dtype), np.empty(plain.shape, bool)]
    fused("convolution", [x, w, bias], params, body, [scale, residual], results)
    before = (plain * scale).astype(dtype) + residual
    np.testing.assert_array_equal(results[0], np.maximum(before, dtype(0)))
    np.testing.assert_array_equal(results[1], before > residual)


def test_fused_scale_of_a_strided_input_gradient():
    y, w, _, how = arrays("stride 3")
    w, params = w.swapaxes(0, 1), (*how, (40, 41))
    plain = native("convolution_transpose", [y, w, None], params)[0]
    scale = np.arange(1, 4, dtype=np.float32).reshape(3, 1, 1)
    body = Body(("float32", "float32"), (("mul", (0, 1), "float32", "float32"),), (2,))
    found = np.empty_like(plain)
    fused("convolution_transpose", [y, w, None], params, body, [scale], [found])
    np.testing.assert_array_equal(found, plain * scale)


@pytest.mark.parametrize("wanted", [limited("avx2"), aarch64()], ids=["avx2", "aarch64"])
def test_text_for_other_targets(wanted, monkeypatch):
    """The generators' text compiles for narrower vectors and another architecture."""
    from rushlight.core.codegen import convolution as lowerings
    monkeypatch.setattr(lowerings, "target", lambda: wanted)
    seen = []

    def record(generator, parameters, words, tasks, order=None):
        seen.append(generator)
        library.compile_text(library.generate(generator, parameters, wanted), wanted,
                             assembly=True)

    monkeypatch.setattr("tests.codegen.harness.run_kernel", record)
    x, w, bias, how = arrays("stride 2")
    native("convolution", [x, w, bias], (*how, None))
    native("convolution_weight", [x, np.zeros((2, 20, 5, 4), np.float32)], ((3, 3), *how))
    assert {"conv_correlate.correlate", "conv_weight.weight_gradient"} <= set(seen)
