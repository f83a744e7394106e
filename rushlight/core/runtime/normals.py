"""Machine code for long normal draws, as those that initialise a network's weights.

A draw is seen once, so waiting for a plan to repeat would never help; but every draw is the same
kernel. It is compiled (or found on disk) when a program has drawn a million numbers, which take as
long in NumPy as the compiler does.
"""

from __future__ import annotations

import numpy as np

from ..base import aligned
from ..ops import box_muller

WORTH = 1 << 20         # numbers drawn before the kernel is made
_drawn = [0]
_code: list = []


def normals(uniform: np.ndarray, mean, std) -> np.ndarray | None:
    """`box_muller.box_muller_blocks32`; None while too few numbers have been drawn."""
    _drawn[0] += uniform.size
    if _drawn[0] < WORTH or not uniform.flags.c_contiguous:
        return None
    from ..codegen.library import kernel
    from ..codegen.pool import pool, step_words
    from ..codegen.random_normal import BLOCK, TASK
    if not _code:
        _code.append(kernel("random_normal.box_muller", ()))
    blocks = uniform.size // BLOCK
    result, numbers = aligned.empty(uniform.size, np.float32), np.array([mean, std], np.float32)
    table = np.array([0, *(a.__array_interface__["data"][0] for a in (uniform, result, numbers))],
                     np.int64)
    words = step_words(_code[0], -(-blocks // TASK), [(1, 0), (2, 0), (3, 0), (0, blocks)])
    program, scratch = np.array(words, np.int64), np.empty(4, np.int64)
    pool().run(program.ctypes.data, 0, 1, table.ctypes.data, scratch.ctypes.data, 0)
    return result


def install() -> None:
    """Offer it to the interpreter's draws."""
    box_muller.compiled32[0] = normals
