"""Object files loaded without LLVM, and what is left to LLVM."""

from __future__ import annotations

import ctypes
import struct

import numpy as np
import pytest

from rushlight.core.codegen import image, library, pool
from rushlight.core.codegen.target import aarch64
from tests.codegen.test_runtime import run

here = pytest.mark.skipif(not image.can_place(), reason="object files of Linux on x86-64")
TEXT = """
@table = internal constant [4 x i64] [i64 3, i64 5, i64 7, i64 11], align 64
@count = internal global i64 40, align 8
@zeros = internal global [8 x i64] zeroinitializer, align 64
declare i64 @strlen(ptr)

define internal i64 @chosen(i64 %i) noinline {
  %at = getelementptr i64, ptr @table, i64 %i
  %found = load i64, ptr %at
  ret i64 %found
}
define i64 @kernel(ptr %text, i64 %i, i64 %end) {
  %old = load i64, ptr @count
  %more = add i64 %old, 1
  store i64 %more, ptr @count
  %place = getelementptr i64, ptr @zeros, i64 %i
  %seen = load i64, ptr %place
  %length = call i64 @strlen(ptr %text)
  %value = call i64 @chosen(i64 %i)
  %a = mul i64 %value, 1000
  %b = add i64 %a, %length
  %c = mul i64 %more, 1000000
  %d = add i64 %b, %c
  %e = add i64 %d, %seen
  ret i64 %e
}
"""


def compiled(text=TEXT):
    return library.compile_text(text, library.target())


def kernel(placed):
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p, ctypes.c_int64,
                            ctypes.c_int64)(placed["kernel"])


@here
def test_code_constants_variables_and_calls():
    found = image.linked(compiled())
    assert found is not None and list(found.calls) == ["strlen"]
    first, second = image.Placed(found), image.Placed(found)
    run_first, run_second = kernel(first), kernel(second)
    assert [run_first(b"abcd", i, 0) for i in range(4)] == \
        [41_003_004, 42_005_004, 43_007_004, 44_011_004]
    assert run_second(b"", 0, 0) == 41_003_000       # variables of its own


@here
def test_code_cannot_be_written():
    placed = image.Placed(image.linked(compiled()))
    address, line = placed["kernel"], ""
    with open("/proc/self/maps") as maps:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if begin <= address < end:
                break
    assert line.split()[1].startswith("r-x")


@here
def test_llvm_loads_the_same(tmp_path):
    program = """
        from rushlight.core.codegen import image
        library.can_place = image.can_place if {placed} else lambda: False
        step = make_step(torch, 8)
        print([step() for _ in range(4)])
        print(type(library.kernel("random_normal.box_muller", ())._tracker).__name__)
    """
    placed = run(program.format(placed=True), tmp_path).splitlines()
    loaded = run(program.format(placed=False), tmp_path).splitlines()
    assert placed[0] == loaded[0]
    assert placed[1] == "Placed" != loaded[1]


@here
def test_a_program_that_runs_kernels_does_not_load_llvm(tmp_path):
    shown = run("""
        import sys
        step = make_step(torch, 8)
        for _ in range(6):
            step()
            assert compiler.wait()
        print(compiler.statistics["compiled"] > 0, compiler.statistics["refused"],
              "llvmlite" in sys.modules)
    """, tmp_path, RUSHLIGHT_JIT="1").split()
    assert shown == ["True", "0", "False"]


def test_what_is_not_known_is_left_to_llvm():
    assert image.linked(b"") is None
    assert image.linked(b"MZ" + bytes(200)) is None
    arm = library.compile_text("define i64 @kernel(ptr %a, i64 %b, i64 %c) {\n  ret i64 0\n}\n",
                               aarch64())
    assert image.linked(arm) is None


@here
def test_an_unknown_relocation_is_left_to_llvm():
    code = bytearray(compiled())
    known = struct.pack("<I", image.CALL)
    start, = struct.unpack_from("<Q", code, 40)
    size, count = struct.unpack_from("<HH", code, 58)
    for i in range(count):
        fields = struct.unpack_from(image.SECTION, code, start + i * size)
        if fields[1] == image.RELOCATIONS:
            for at in range(fields[4], fields[4] + fields[5], 24):
                if code[at + 8:at + 12] == known:
                    code[at + 8:at + 12] = struct.pack("<I", 1)       # R_X86_64_64
    assert bytes(code) != compiled() and image.linked(bytes(code)) is None


@here
def test_the_pool_is_placed():
    found = image.linked(pool.compiled())
    assert found is not None
    assert {"pthread_create", "pthread_mutex_lock"} <= set(found.calls)
    assert len(found.data) and not np.frombuffer(found.data, np.uint8)[:8].any()
