"""The vector functions: every float exponent densely, recorded exact values for double."""

from __future__ import annotations

import ctypes
import functools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from rushlight.core.codegen import library
from rushlight.core.codegen.emit import Module
from rushlight.core.codegen.llvm_types import vector
from rushlight.core.codegen.target import aarch64, limited
from rushlight.core.codegen.vector_math import FUNCTIONS
from rushlight.core.interpreter import special

from .harness import KERNEL

SAMPLES = json.loads((Path(__file__).parent / "vector_math_samples.json").read_text())
# Units in the last place; 2 where nothing is said. lgamma and digamma: of the larger of result and
# one, for they have zeros.
BOUND = {"erfc": 3, "lgamma": 3, "digamma": 5}
PAIRS = ("pow", "hypot", "atan2")
TARGETS = [library.target()]
if limited("avx2") != library.target():
    TARGETS.append(limited("avx2"))
REFERENCE = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2,
    "log10": np.log10, "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "erf": np.vectorize(math.erf), "erfc": np.vectorize(math.erfc), "erfinv": special.erfinv,
    "lgamma": special.lgamma, "digamma": special.digamma,
    "pow": np.power, "hypot": np.hypot, "atan2": np.arctan2,
}


def text_of(name, kind, target, lanes=0):
    """A kernel that applies a function to whole vectors."""
    module = Module()
    b = module.kernel()
    lanes = lanes or target.lanes(4 if kind == "float" else 8)
    arity = 2 if name in PAIRS else 1
    pointers = [b.load("ptr", b.element(b.args[0], i, "i64")) for i in range(arity + 1)]
    with b.loop(b.args[1], b.args[2], lanes, unroll=False) as i:
        given = [b.load(vector(kind, lanes), b.element(p, i, kind)) for p in pointers[:-1]]
        b.store(FUNCTIONS[name](b, target, kind, *given), b.element(pointers[-1], i, kind))
    b.ret(0)
    return str(module)


@functools.cache
def compiled(name, kind, target, lanes=0):
    """A function of NumPy arrays."""
    text = text_of(name, kind, target, lanes)
    code = library.load(library.compile_text(text, target), name)

    def run(*arrays):
        count = arrays[0].size
        given = [np.resize(a, -(-count // 16) * 16) for a in arrays]
        out = np.empty_like(given[0])
        block = (ctypes.c_int64 * 3)(*[a.ctypes.data for a in (*given, out)])
        assert KERNEL(code.address)(ctypes.addressof(block), 0, out.size) == 0
        return out[:count]
    return run


def float_samples():
    """Floats of every exponent and sign, more near one, and the special ones."""
    bits = np.arange(0, 1 << 32, 40009, dtype=np.uint64).astype(np.uint32)
    random = np.random.default_rng(3)
    special_ones = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, -0.5, 2, 1e-45, -1e-45, 1e30,
                    88.72, 88.73, 89.41, 89.5, -87.4, -103.9, -104.1, 1e-38]
    return np.concatenate([bits.view(np.float32), random.normal(size=20000).astype(np.float32),
                           (1 + random.normal(size=5000) * 0.01).astype(np.float32),
                           np.array(special_ones, np.float32)])


def units(found, exact, dtype):
    """Distance in units of the last place; 0 where both are the same special value."""
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
        size = np.maximum(np.abs(np.spacing(rounded)).astype(np.float64),
                          float(info.smallest_subnormal))
        distance = np.abs(found.astype(np.float64) - exact) / size
    distance = np.where(np.isnan(distance), np.inf, distance)
    return np.where(same, 0, distance)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: str(t.vector_bits))
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in PAIRS])
def test_float(name, target):
    x = float_samples()
    if name == "lgamma":      # zeros of the negative side, where no digit can be right
        x = x[~(x < 0)]
    if name == "digamma":
        x = x[~((x < 0) | (np.abs(x - 1.4616) < 0.2))]
    found = compiled(name, "float", target)(x)
    with np.errstate(all="ignore"):
        exact = REFERENCE[name](x.astype(np.float64))
    wrong = units(found, exact, np.float32)
    worst = int(np.argmax(wrong))
    assert wrong[worst] <= BOUND.get(name, 2), (x[worst], found[worst], exact[worst])
    zero = (x == 0) & (exact == 0)
    assert (np.signbit(found[zero]) == np.signbit(exact[zero])).all()


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: str(t.vector_bits))
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_double(name, target):
    rows = np.array([[float.fromhex(v) for v in row] for row in SAMPLES[name]])
    *operands, nearest, rest = rows.T
    found = compiled(name, "double", target)(*operands)
    size = np.abs(np.spacing(nearest))
    if name in ("lgamma", "digamma"):
        size = np.maximum(size, np.spacing(1.0))
    wrong = np.abs((found - nearest) - rest) / size
    worst = int(np.argmax(wrong))
    assert wrong[worst] <= BOUND.get(name, 2), (rows[worst], found[worst])


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("name", PAIRS)
def test_special_pairs(name, kind):
    dtype = np.float32 if kind == "float" else np.float64
    values = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, 2, -2, 3, -3, 1e-45, 1e38,
                       -1e38, -0.5, 1 / 3, 16777217], dtype)
    x, y = (np.ascontiguousarray(a.ravel()) for a in np.meshgrid(values, values))
    found = compiled(name, kind, TARGETS[0])(x, y)
    with np.errstate(all="ignore"):
        exact = REFERENCE[name](x.astype(np.float64), y.astype(np.float64))
        assert (units(found, exact, dtype) <= 2).all()
        settled = ~np.isnan(exact)
        assert (np.signbit(found) == np.signbit(exact))[settled].all()


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_scalars_and_vectors_agree(name, kind):
    x = np.linspace(0.01, 0.99, 64).astype(np.float32 if kind == "float" else np.float64)
    given = (x, x) if name in PAIRS else (x,)
    np.testing.assert_array_equal(compiled(name, kind, TARGETS[0])(*given),
                                  compiled(name, kind, TARGETS[0], 1)(*given))


def test_huge_angles_of_double():
    x = np.array([1e22, -1e22, 2.0 ** 1000, 1.7e308, 1e10, 2.0 ** 30, 2.0 ** 30 - 0.5])
    for name in ("sin", "cos", "tan"):
        found = compiled(name, "double", TARGETS[0])(x)
        assert (units(found, getattr(np, name)(x), np.float64) <= 2).all()


@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_gamma_left_of_zero(name):
    x = np.concatenate([np.linspace(-20, -0.01, 1000), [-1.0, -2.0, 0.0, -0.0, -np.inf, np.nan]])
    found = compiled(name, "double", TARGETS[0])(x)
    with np.errstate(all="ignore"):
        exact = REFERENCE[name](x)
        same = (found == exact) | (np.isnan(found) & np.isnan(exact))
        # Their zeros are left of zero too, so an absolute bound; the slope at x is about found**2.
        close = np.abs(found - exact) <= 1e-14 * np.maximum(1, exact * exact)
    wrong = ~(same | close)
    assert not wrong.any(), (x[wrong], found[wrong], exact[wrong])


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_aarch64_assembly(name):
    text = text_of(name, "float", aarch64())
    assert "kernel" in library.compile_text(text, aarch64(), assembly=True)
