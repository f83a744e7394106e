"""What the CPU can do at most: kernels of nothing but multiply-adds in registers.

Their speed on every core is the roof that other kernels are measured against.
"""

from __future__ import annotations

import ctypes
import threading
from time import perf_counter

import numpy as np

from .gemm_parts import PRODUCTS
from .gemm_tiles import instruction, shape_tiles
from .library import has_tiles, kernel, target
from .llvm_types import vector

CHAINS = 12             # independent sums: two units of four to six cycles each are kept busy
REPEATS = 10_000        # multiply-adds of each chain in a task, about 20 us of work
TILE_REPEATS = 500      # of four products, about as long
TASKS = 200             # a measurement of a few milliseconds
ROUNDS = 15


def multiply_adds(module, wanted, chains, repeats):
    """acc = acc * x + y in `chains` registers, `repeats` times a task; x, y: vectors at args[0]."""
    lanes = wanted.lanes(4)
    kind = vector("float", lanes)
    b = module.kernel()
    memory = b.load("ptr", b.args[0])
    x = b.load(kind, memory, 4)
    y = b.load(kind, b.element(memory, lanes, "float"), 4)
    sums = [b.variable(x) for _ in range(chains)]
    with b.loop(b.args[1], b.args[2]):
        with b.loop(0, repeats, unroll=False):
            for one in sums:
                one.set(b.fma(one.get(), x, y))
    for place, one in enumerate(sums):
        b.store(one.get(), b.element(memory, (2 + place) * lanes, "float"), 4)
    b.ret(0)


def tile_products(module, wanted, repeats):
    """Products of two tile registers (AMX) into each of four others, `repeats` times a task."""
    b = module.kernel()
    shape_tiles(b)
    for register in range(8):
        instruction(b, "tilezero", register)
    with b.loop(b.args[1], b.args[2]), b.loop(0, repeats, unroll=False):
        for register in range(4):
            instruction(b, "tdpbf16ps", register, 4 + register // 2, 6 + register % 2)
    instruction(b, "tilerelease")
    b.ret(0)


def peak_flops(threads: int) -> float:
    """FLOP/s in float32 of `threads` threads that multiply and add in registers: the best seen.

    Where matrix instructions compute float32 products (`gemm_parts`), what they can do at most.
    """
    best = _best_flops("speed.multiply_adds", (CHAINS, REPEATS),
                       2 * CHAINS * REPEATS * target().lanes(4), threads)
    if has_tiles():
        products = _best_flops("speed.tile_products", (TILE_REPEATS,),
                               2 * 4 * 8192 * TILE_REPEATS, threads)
        best = max(best, products / len(PRODUCTS))
    return best


def _best_flops(generator: str, parameters: tuple, flops: int, threads: int) -> float:
    """FLOP/s of a kernel whose task makes `flops` of them, run by `threads` threads."""
    code = kernel(generator, parameters)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        code.address)
    lanes = target().lanes(4)
    memory = [np.full((2 + CHAINS) * lanes, 0.5, np.float32) for _ in range(threads)]
    arguments = [np.array([m.ctypes.data], np.int64) for m in memory]
    best = 0.0
    for _ in range(ROUNDS):
        workers = [threading.Thread(target=run, args=(a.ctypes.data, 0, TASKS))
                   for a in arguments]
        started = perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, flops * TASKS * threads / (perf_counter() - started))
    return best
