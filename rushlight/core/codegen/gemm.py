"""Matrix products as native kernels: which strategy serves which shape."""

from __future__ import annotations

from . import library
from .gemm_packed import Blocks
from .gemm_problem import Problem, make
from .lowering import lowers


def oriented(problem: Problem) -> tuple[Problem | None, bool]:
    """The problem so turned that its outputs lie along consecutive memory; whether it is turned."""
    def along(p):
        return all(s is None or s[2] == 1 or p.n == 1 for s in p.outs)
    choices = [(problem, False), (problem.turned(), True)]
    if problem.n == 1:
        choices.reverse()
    return next((c for c in choices if along(c[0])), (None, False))


def _lower(low, found) -> bool:
    if found is None:
        return False
    problem, arguments = found
    if 0 in (problem.batch, problem.m, problem.n, problem.k):
        return False
    problem, turned = oriented(problem)
    if problem is None:
        return False
    if turned:
        arguments[:2] = arguments[1::-1]
    depth = problem.k if problem.k <= 768 else -(-problem.k // -(-problem.k // 512))
    blocks = Blocks(library.target(), problem, 1, 1, depth)
    if not problem.plain and blocks.depth_blocks > 1:
        arguments.append(("slot", low.temporary(problem.batch * problem.m * problem.n
                                                * problem.itemsize)))
    column_blocks = -(-problem.n // 256)
    row_blocks = min(blocks.row_tiles, 2)
    low.step("gemm_packed.packed", (problem, row_blocks, column_blocks, depth), arguments,
             problem.batch * row_blocks * column_blocks)
    return True


@lowers("mm", epilogue=True)
def mm(low):
    """(m, k) x (k, n)."""
    x, y = low.inputs
    return supported(x) and _lower(low, make(low, x, y, (0, 1), True))


def supported(x) -> bool:
    """Whether the generators know the dtype."""
    return x.meta.dtype.name in ("float32", "float64", "float16", "bfloat16")


@lowers("bmm", epilogue=True)
def bmm(low):
    """(batch, m, k) x (batch, k, n)."""
    x, y = low.inputs
    return supported(x) and _lower(low, make(low, x, y, (1, 2), True))


@lowers("mv", "dot", epilogue=True)
def mv(low):
    """(m, k) x (k), (k) x (k)."""
    x, y = low.inputs
    return supported(x) and _lower(low, make(low, x, y, (0, None), False))


@lowers("addmm", epilogue=True)
def addmm(low):
    """beta * bias + alpha * (m, k) x (k, n)."""
    bias, x, y, beta, alpha = low.inputs
    return supported(x) and _lower(low, make(low, x, y, (0, 1), True, bias, (beta, alpha)))


@lowers("linear_vector", "linear_vector_bias", "linear_matrix", "linear_matrix_bias",
        "linear_batch", "linear_batch_bias", epilogue=True)
def linear(low):
    """(..., k) x (n, k) transposed, or x (k); with or without a bias."""
    bias = low.inputs[0] if len(low.inputs) == 3 else None
    x, weight = low.inputs[-2:]
    if not supported(x):
        return False
    if len(weight.meta.shape) == 1:
        return _lower(low, make(low, x, weight, (0, None), False, bias))
    return _lower(low, make(low, x, weight, (1, 0), True, bias))
