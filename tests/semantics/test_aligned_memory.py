"""Results of compiled plans begin at a cache line, own their memory, and outlive everything."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.base import aligned
from rushlight.core.runtime.compiler import MODE, wait

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="aligned_alloc is used on Linux")


@on_linux
@pytest.mark.parametrize("shape", [(4096,), (63, 65), (1100, 1000), (3, 5, 7, 1001)])
def test_new_arrays_are_aligned_and_own_their_memory(shape):
    kept = [aligned.empty(shape, np.float32) for _ in range(8)]
    assert all(a.ctypes.data % aligned.LINE == 0 and a.base is None and a.flags.owndata
               for a in kept)
    handler = np._core.multiarray.get_handler_name
    assert {handler(a) for a in kept} == {"rushlight_lines"}
    assert handler(np.empty(shape)) == "default_allocator"
    for number, array in enumerate(kept):
        array[...] = number
    kept[3].resize((2 * kept[3].size,), refcheck=False)       # NumPy's realloc
    assert kept[3].ravel()[:kept[4].size].tolist() == [3] * kept[4].size
    assert all((a.ravel()[:kept[4].size] == n).all() for n, a in enumerate(kept))


@on_linux
@pytest.mark.skipif(MODE == "0", reason="nothing is compiled")
def test_results_of_compiled_plans_are_aligned():
    x, y = torch.randn(130, 70), torch.randn(70, 90)
    for _ in range(4):
        z = x @ y
        torch.cpu.synchronize()
        wait()
    assert z.data_ptr() % aligned.LINE == 0
    assert torch.allclose(z, torch.from_numpy(x.numpy() @ y.numpy()), atol=1e-4)


def test_a_block_has_room_after_its_aligned_address():
    for nbytes, alignment in ((1, 64), (1000, 64), (8192, 4096)):
        memory, address = aligned.block(nbytes, alignment)
        start = memory.ctypes.data
        assert address % alignment == 0
        assert start <= address and address + nbytes <= start + memory.nbytes


def test_arrays_may_outlive_the_interpreter():
    program = ("import sys\nfrom rushlight.core.base import aligned\n"
               "sys.kept = [aligned.empty((n * 1000,), 'f4') for n in range(1, 50)]\n"
               "class Last:\n"
               "    def __del__(self): sys.kept.clear()\n"
               "sys.last = Last()\n")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
