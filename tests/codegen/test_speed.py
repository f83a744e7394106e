"""The kernel of multiply-adds: that it computes them, in registers, on every target."""

import ctypes

import numpy as np
import pytest

from rushlight.core.codegen import library
from rushlight.core.codegen.speed import CHAINS, REPEATS


def test_it_multiplies_and_adds_as_often_as_counted():
    code = library.kernel("speed.multiply_adds", (3, 5))
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        code.address)
    lanes = library.target().lanes(4)
    memory = np.zeros(5 * lanes, np.float32)
    memory[:lanes], memory[lanes:2 * lanes] = 1.0, 2.0      # acc * 1 + 2, from 1
    table = np.array([memory.ctypes.data], np.int64)
    assert run(table.ctypes.data, 0, 4) == 0
    assert (memory[2 * lanes:] == 1 + 2 * 5 * 4).all()


@pytest.mark.parametrize("level", ["avx2", "avx512"])
def test_the_sums_stay_in_registers(level):
    wanted = library.limited(level)
    if not wanted.triple.startswith("x86_64"):
        pytest.skip("x86-64 assembly is read here")
    text = library.generate("speed.multiply_adds", (CHAINS, REPEATS), wanted)
    assembly = library.compile_text(text, wanted, assembly=True)
    assert assembly.count("vfmadd") >= CHAINS
    assert "rsp" not in assembly


def test_tile_products_are_counted():
    wanted = library.target()
    if not wanted.has("amx-bf16"):
        pytest.skip("this CPU has no matrix instructions")
    text = library.generate("speed.tile_products", (10,), wanted)
    assembly = library.compile_text(text, wanted, assembly=True)
    products = assembly.count("tdpbf16ps")      # the loop over tasks may be unrolled
    assert products and products % 4 == 0 and "tileloadd" not in assembly
