"""Machine code for long draws: a network's first weights, the masks of dropout.

A draw is seen once, so waiting for a plan to repeat would never help; but all draws need the same
few kernels. They are asked for when a program has drawn a million words, and used once they are
there; what they give is the interpreter's, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import aligned, mt19937
from ..ops import box_muller, random_draws
from . import compiler

WORTH = 1 << 20         # words drawn before kernels are asked for
_drawn = [0]


class Wanted:
    """A kernel that is asked for by the first long draw that would use it."""

    def __init__(self, name: str):
        self.name = name
        self.slot = compiler.Slot(None)

    def code(self) -> Any:
        """The kernel, or None while it is not there."""
        if self.slot.state == "new" and _drawn[0] >= WORTH:
            compiler.request_kernel(self.slot, compiler.Kernel(f"random_{self.name}", ()))
        return self.slot.plan


BOX_MULLER, WORDS, BELOW, LOG_UNIFORM = map(Wanted, (
    "normal.box_muller", "words.words", "words.below", "words.log_uniform"))


def _run(code, tasks: int, arrays, numbers) -> None:
    """Run a kernel whose arguments are these arrays and then these integers."""
    from ..codegen.pool import pool, step_words
    table = np.array([0, *(a.__array_interface__["data"][0] for a in arrays)], np.int64)
    places = [(k + 1, 0) for k in range(len(arrays))] + [(0, number) for number in numbers]
    program, scratch = np.array(step_words(code, tasks, places), np.int64), \
        np.empty(len(places), np.int64)
    pool().run(program.ctypes.data, 0, 1, table.ctypes.data, scratch.ctypes.data, 0)


def normals(uniform: np.ndarray, mean, std) -> np.ndarray | None:
    """`box_muller.box_muller_blocks32`; None while the kernel is not there."""
    code = BOX_MULLER.code() if uniform.flags.c_contiguous else None
    if code is None:
        return None
    from ..codegen.random_normal import BLOCK, TASK
    blocks = uniform.size // BLOCK
    result = aligned.empty(uniform.size, np.float32)
    _run(code, -(-blocks // TASK), (uniform, result, np.array([mean, std], np.float32)), (blocks,))
    return result


def words(block: np.ndarray, used: int, count: int) -> tuple | None:
    """(`count` words behind the `used` ones of a block, the block then); None while not there."""
    _drawn[0] += count
    code = WORDS.code()
    if code is None:
        return None
    from ..codegen.random_words import PADDING
    after = np.empty(len(block) + PADDING, np.uint32)
    after[:len(block)] = block
    found = aligned.empty(count, np.uint32)
    _run(code, 1, (after, found), (used, count))
    return found, after[:len(block)]


def below(drawn: np.ndarray, threshold: int) -> np.ndarray | None:
    """float32: whether pairs of words make 53 bits below `threshold`; None while not there."""
    code = BELOW.code() if drawn.flags.c_contiguous else None
    if code is None:
        return None
    from ..codegen.random_words import TASK
    count = len(drawn) // 2
    result = aligned.empty(count, np.float32)
    _run(code, -(-count // TASK), (drawn, result), (threshold >> 32, threshold & 0xFFFFFFFF, count))
    return result


def log_uniform(drawn: np.ndarray) -> np.ndarray | None:
    """float64: log1p(-u) of the u in [0, 1) that pairs of words make; None while not there."""
    code = LOG_UNIFORM.code() if drawn.flags.c_contiguous else None
    if code is None:
        return None
    from ..codegen.random_words import TASK
    count = len(drawn) // 2
    result = aligned.empty(count, np.float64)
    _run(code, -(-count // TASK), (drawn, result), (count,))
    return result


def install() -> None:
    """Offer them to the interpreter's draws."""
    box_muller.compiled32[0] = normals
    mt19937.compiled[0] = words
    random_draws.compiled_below[0] = below
    random_draws.compiled_log[0] = log_uniform
