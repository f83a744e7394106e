"""Laws every op record obeys, checked by going through the registry.

What cannot be generated is listed here by name with the reason; a line that is no longer needed
fails.
"""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest

import rushlight
from rushlight.core.autograd.node import save_plan
from rushlight.core.interpreter.lower import _wrap_integer, cast_to, load_kernel
from rushlight.core.interpreter.words import WORDS
from rushlight.core.ops.record import EXPORTS, REGISTRY
from rushlight.core.ops.types import compute_types, pointwise_rule
from tests.laws.operands import operands
from tests.laws.tolerances import (
    BODY_ULPS,
    FIRST_ABSOLUTE,
    FIRST_RELATIVE,
    SECOND_ABSOLUTE,
    SECOND_RELATIVE,
    STEP,
    TERMS_OF_SIZE_ONE,
)

# Special functions have no body, and are registered when they are first used: see their own tests.
POINTWISE = sorted(name for name, op in REGISTRY.items() if op.family == "pointwise"
                   and not getattr(op.body, "__module__", "").endswith("special_functions"))
DTYPES = ("float32", "float64", "int64", "uint8", "bool", "complex64")
HALVES = ("float16", "bfloat16")


def seeded(*what):
    """A generator of its own for each case, the same in every process."""
    return np.random.default_rng(zlib.crc32(repr(what).encode()))


def tensor(value):
    """A fresh tensor of a NumPy array; Python numbers stay themselves."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.name == "bfloat16":
        return rushlight.tensor(value.astype(np.float32)).bfloat16()
    return rushlight.tensor(value)


def made(name, dtype, shape=(3, 4)):
    """(op, operands as tensors and numbers), or None where the op refuses the dtype."""
    op = REGISTRY[name]
    values = operands(op, dtype, shape, seeded(name, dtype, shape))
    tensors = [tensor(v) for v in values]
    try:
        pointwise_rule(op, [getattr(t, "_meta", type(t)) for t in tensors])
    except (RuntimeError, TypeError, NotImplementedError):
        return None
    return op, tensors


def array(tensor_):
    """The values, bfloat16 as float32."""
    return np.asarray(tensor_.detach()._array())


def same(got, expected):
    """Bitwise the same numbers (NaN equals NaN)."""
    return got.dtype == expected.dtype and got.shape == expected.shape and np.array_equal(
        got, expected, equal_nan=got.dtype.kind in "fcV")


# ---- records --------------------------------------------------------------------------------

@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_record_is_complete(name):
    op = REGISTRY[name]
    assert op.name == name and op.inputs and len(set(op.inputs)) == len(op.inputs) \
        or op.family in ("creation", "random")
    if op.derivative:   # CopyBackwards and the like are PyTorch's own names
        assert op.node_name.endswith((*"0123456789", "Backwards", "NotImplemented"))
    assert not set(op.inputs) & set(op.params)
    if op.family == "pointwise":
        assert callable(op.body) != (name in NO_BODY)
        assert callable(op.body) or callable(op.numpy)
    elif op.family == "composite":
        assert callable(op.decompose)
    elif op.family == "view":
        assert callable(op.rule)
    elif op.family in ("layout", "optimizer"):   # the tensor room's own: it knows their Metas
        assert callable(op.numpy)
    else:
        assert callable(op.rule)
        kernel = load_kernel(op.numpy) if isinstance(op.numpy, str) else op.numpy
        assert callable(kernel)
    for output in op.non_differentiable:
        assert 0 <= output < max(op.multi, 1)


@pytest.mark.parametrize("name", sorted(n for n, op in REGISTRY.items() if op.derivative))
def test_derivative_names_resolve(name):
    op = REGISTRY[name]
    count = 2 if op.variadic else op.arity
    masks = itertools.product((False, True), repeat=min(count, 6))
    for mask in masks:
        mask = mask + (False,) * (count - len(mask))
        plan = save_plan(op, mask)
        for targets, _, function, spec in plan.steps:
            assert callable(function)
            assert targets is None or any(mask[t] for t in targets)
            assert all(isinstance(kind, int) and index >= 0 for kind, index in spec)


def test_exports_say_what_they_are():
    silent = sorted({e.name for e in EXPORTS if not (e.function.__doc__ or "").strip()})
    assert silent == []


# ---- pointwise: metadata, bodies, layouts ---------------------------------------------------

@pytest.mark.parametrize("name", POINTWISE)
def test_some_dtype_is_accepted(name):
    assert any(made(name, dtype) for dtype in DTYPES)


@pytest.mark.parametrize("name", POINTWISE)
def test_rule_says_what_comes_out(name):
    for dtype in (*DTYPES, *HALVES):
        for shape in ((3, 4), (0, 4), ()):
            case = made(name, dtype, shape)
            if case is None:
                continue
            op, tensors = case
            out = op(*tensors)
            found = out._array()
            assert found.shape == out._meta.shape == shape, (dtype, shape)
            assert found.dtype == out._meta.np, (dtype, found.dtype)
            if found.size:
                strides = tuple(s * found.itemsize for s in out.stride())
                used = [i for i, n in enumerate(shape) if n > 1]
                assert [found.strides[i] for i in used] == [strides[i] for i in used], dtype


def ulps(got, expected, least=0.0):
    """The largest distance in units in the last place (of the larger part, where complex)."""
    got, expected = np.broadcast_arrays(got, expected)
    nan = np.isnan(expected)
    assert np.array_equal(nan, np.isnan(got))
    same_ = nan | (got == expected)
    size = np.spacing(np.maximum(np.abs(expected), max(
        least, np.finfo(expected.dtype).tiny)).astype(np.abs(expected).dtype))
    with np.errstate(all="ignore"):
        return float(np.where(same_, 0, np.abs(got - expected) / np.abs(size)).max(initial=0))


@pytest.mark.parametrize("name", [n for n in POINTWISE if REGISTRY[n].numpy])
def test_body_equals_numpy_form(name):
    if name in NO_BODY:
        pytest.skip(NO_BODY[name])
    for dtype in DTYPES:
        case = made(name, dtype, (40, 5))
        if case is None:
            continue
        op, tensors = case
        compute, result = compute_types(op, [getattr(t, "_meta", type(t)) for t in tensors])
        arrays = []
        for t in tensors:
            if hasattr(t, "_meta"):
                a = t._array()
                arrays.append(a if op.promotion == "bool" or t.dtype is compute else
                              cast_to(a, compute.np) if compute.category < 2 else
                              a.astype(compute.np))
            else:
                arrays.append(_wrap_integer(compute.np)(t) if compute.category < 2 else t)
        with np.errstate(all="ignore"):
            body = np.asarray(op.body(WORDS, *arrays)).astype(result.np)
            fast = np.asarray(op.numpy(*arrays)).astype(result.np)
        if body.dtype.kind in "fc":
            least = 1.0 if name in TERMS_OF_SIZE_ONE else 0.0
            assert ulps(body, fast, least) <= op.facts.get("bound", BODY_ULPS), dtype
        else:
            assert same(body, np.broadcast_to(fast, body.shape)), dtype


# Ops without a body that could be run: the words cannot say them.
NO_BODY = {"gcd": "a loop", "lcm": "a loop"}


def rearranged(t):
    """The same numbers in other layouts: (how, tensor)."""
    if not hasattr(t, "_meta"):
        return {}
    wide = rushlight.stack([t, t], -1)
    return {"transposed": t.t().contiguous().t(), "sliced": wide[..., 1],
            "channels": t.contiguous().as_strided((3, 4), (4, 1))}


@pytest.mark.parametrize("name", POINTWISE)
def test_layout_does_not_matter(name):
    for dtype in DTYPES:
        case = made(name, dtype)
        if case is None:
            continue
        op, tensors = case
        expected = array(op(*tensors))
        for how in ("transposed", "sliced", "channels"):
            laid_out = [rearranged(t).get(how, t) for t in tensors]
            assert same(array(op(*laid_out)), expected), (dtype, how)
        rows = [t[:1].expand(3, 4) if hasattr(t, "_meta") else t for t in tensors]
        copies = [t.contiguous() if hasattr(t, "_meta") else t for t in rows]
        assert same(array(op(*rows)), array(op(*copies))), (dtype, "expanded")
        points = [t[0, 0] if hasattr(t, "_meta") else t for t in tensors]
        assert same(array(op(*points)), expected[0, 0].reshape(())) or dtype in (
            "float32", "complex64", "float64") and np.allclose(
                array(op(*points)), expected[0, 0], rtol=1e-6), (dtype, "zero-dimensional")


@pytest.mark.parametrize("name", POINTWISE)
def test_halves_are_rounded_float32(name):
    for half in HALVES:
        case = made(name, half)
        if case is None:
            continue
        op, tensors = case
        wide = [t.float() if hasattr(t, "_meta") and t.is_floating_point() else t for t in tensors]
        got, expected = op(*tensors), op(*wide)
        if got.is_floating_point():
            expected = expected.to(got.dtype)
        assert got.dtype is expected.dtype and same(array(got), array(expected)), half


INPLACE = sorted({(e.name, e.name + "_") for e in EXPORTS if e.inplace and "Tensor" in e.targets
                  and e.name in POINTWISE})


@pytest.mark.parametrize(("name", "inplace"), INPLACE)
def test_in_place_equals_out_of_place(name, inplace):
    op = REGISTRY[name]
    for dtype in DTYPES:
        case = made(name, dtype)
        if case is None or any(not hasattr(t, "_meta") for t in case[1]):
            continue
        x, *rest = case[1]
        try:
            expected = getattr(x, name)(*rest)
        except (RuntimeError, NotImplementedError, TypeError):
            continue
        changed = x.clone()
        if expected.dtype.category > x.dtype.category:
            with pytest.raises(RuntimeError, match="can't be cast"):
                getattr(changed, inplace)(*rest)
            continue
        kept = changed
        getattr(changed, inplace)(*rest)
        assert changed is kept
        assert same(array(changed), array(expected.to(x.dtype))), (op.name, dtype)


# ---- pointwise: derivatives -----------------------------------------------------------------

DIFFERENTIABLE = [n for n in POINTWISE if REGISTRY[n].derivative]
# Derivatives that are PyTorch's convention rather than the function's own.
NOT_THE_SLOPE = {
    "conj": "complex only: a real input passes unchanged",
    "nextafter": "a step function; PyTorch passes the gradient on to the first operand",
    "div_floor": "steps; the jumps lie among the operands",
    "div_trunc": "steps; the jumps lie among the operands",
    "remainder": "jumps where the quotient does",
    "fmod": "jumps where the quotient does",
}


def slopes(name):
    """(op, tensors in float64 that ask for gradients, positions of the differentiable inputs)."""
    case = made(name, "float64", (7,))
    assert case is not None, f"{name} refuses float64"
    op, tensors = case
    keys = [k for key in op.derivative for k in ((key,) if isinstance(key, str) else key)]
    where = [i for i, n in enumerate(op.inputs) if n in keys and hasattr(tensors[i], "_meta")
             and tensors[i].is_floating_point()]
    for i in where:
        tensors[i].requires_grad_()
    return op, tensors, where


def weighted(out):
    """A fixed weighted sum of the result, so that every element's gradient differs."""
    if out.is_complex():
        out = rushlight.view_as_real(out)
    weights = rushlight.arange(1, out.numel() + 1, dtype=rushlight.float64).reshape(out.shape)
    return (out * (weights / 4)).sum()


def difference(function, tensors, i):
    """Central differences of a scalar function in every element of one operand."""
    base = tensors[i].detach().numpy().copy()
    slope = np.zeros_like(base)
    for at in np.ndindex(base.shape):
        ends = []
        for side in (STEP, -STEP):
            moved = base.copy()
            moved[at] += side
            with_moved = [t.detach() if hasattr(t, "_meta") else t for t in tensors]
            with_moved[i] = rushlight.tensor(moved)
            ends.append(function(with_moved))
        slope[at] = (ends[0] - ends[1]) / (2 * STEP)
    return slope


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_first_derivative(name):
    op, tensors, where = slopes(name)
    if name in NOT_THE_SLOPE:
        pytest.skip(NOT_THE_SLOPE[name])
    assert where
    found = rushlight.autograd.grad(weighted(op(*tensors)), [tensors[i] for i in where])
    for i, gradient in zip(where, found):
        expected = difference(lambda values: weighted(op(*values)).item(), tensors, i)
        np.testing.assert_allclose(gradient.numpy(), expected, FIRST_RELATIVE, FIRST_ABSOLUTE,
                                   err_msg=op.inputs[i])


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivative(name):
    op, tensors, where = slopes(name)
    if name in NOT_THE_SLOPE:
        pytest.skip(NOT_THE_SLOPE[name])

    def slope_sum(values):
        values = [v.detach() if hasattr(v, "_meta") else v for v in values]
        asked = [values[i].requires_grad_() for i in where]
        first = rushlight.autograd.grad(weighted(op(*values)), asked, create_graph=True)
        return sum(weighted(f) for f in first), asked

    total, asked = slope_sum(tensors)
    second = rushlight.autograd.grad(total, asked, allow_unused=True) if total.requires_grad \
        else (None,) * len(asked)
    for i, gradient in zip(where, second):
        expected = difference(lambda values: slope_sum(values)[0].item(), tensors, i)
        got = np.zeros_like(expected) if gradient is None else gradient.numpy()
        np.testing.assert_allclose(got, expected, SECOND_RELATIVE, SECOND_ABSOLUTE,
                                   err_msg=op.inputs[i])


def test_lists_are_not_stale():
    for listed in (NO_BODY, NOT_THE_SLOPE, TERMS_OF_SIZE_ONE):
        assert set(listed) <= set(POINTWISE)
    assert all(reason for reason in (*NO_BODY.values(), *NOT_THE_SLOPE.values()))
    for name in NOT_THE_SLOPE:
        assert REGISTRY[name].derivative, name
