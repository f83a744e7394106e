"""Machine code for long normal draws, as those that initialise a network's weights.

A draw is seen once, so waiting for a plan to repeat would never help; but every draw is the same
kernel. It is asked for when a program has drawn a million numbers, and used once it is there.
"""

from __future__ import annotations

import numpy as np

from ..base import aligned
from ..ops import box_muller
from . import compiler

WORTH = 1 << 20         # numbers drawn before the kernel is asked for
_drawn = [0]
_slot = compiler.Slot(None)


def normals(uniform: np.ndarray, mean, std) -> np.ndarray | None:
    """`box_muller.box_muller_blocks32`; None while the kernel is not there."""
    _drawn[0] += uniform.size
    if _drawn[0] < WORTH or not uniform.flags.c_contiguous:
        return None
    if _slot.state == "new":
        compiler.request_kernel(_slot, compiler.Kernel("random_normal.box_muller", ()))
    if _slot.plan is None:
        return None
    from ..codegen.pool import pool, step_words
    from ..codegen.random_normal import BLOCK, TASK
    blocks = uniform.size // BLOCK
    result, numbers = aligned.empty(uniform.size, np.float32), np.array([mean, std], np.float32)
    table = np.array([0, *(a.__array_interface__["data"][0] for a in (uniform, result, numbers))],
                     np.int64)
    words = step_words(_slot.plan, -(-blocks // TASK), [(1, 0), (2, 0), (3, 0), (0, blocks)])
    program, scratch = np.array(words, np.int64), np.empty(4, np.int64)
    pool().run(program.ctypes.data, 0, 1, table.ctypes.data, scratch.ctypes.data, 0)
    return result


def install() -> None:
    """Offer it to the interpreter's draws."""
    box_muller.compiled32[0] = normals
