"""The second step of a sum over k that was cut in parts: add the parts in order, and finish."""

from __future__ import annotations

from .gemm_problem import Problem
from .gemm_tile import Finish, argument_pointers, lanes_mask
from .llvm_types import vector

BLOCK = 4096                # elements of a task


def tasks_of(problem: Problem) -> int:
    """Tasks of the kernel: blocks of rows, or of one row's columns."""
    if problem.n >= BLOCK:
        return problem.m * -(-problem.n // BLOCK)
    return -(-problem.m // (BLOCK // problem.n))


def combine(module, target, problem: Problem, parts: int):
    """The kernel; tasks: `tasks_of`. Arguments: the problem's, the parts (parts, m, n)."""
    b = module.kernel()
    lanes = target.lanes(problem.itemsize)
    pointers = argument_pointers(b, problem, ("parts",))
    finish = Finish(b, target, problem, pointers)
    blocks = -(-problem.n // BLOCK)
    kind = vector(problem.compute, lanes)

    def some(i, j, mask=None):
        total = b.constant(kind, 0)
        for part in range(parts):
            at = b.element(pointers["parts"], (i + part * problem.m) * problem.n + j,
                           problem.compute)
            total = total + (b.load(kind, at) if mask is None else b.masked_load(kind, at, mask))
        finish.vector(total, 0, i, j, mask)

    def row(i, begin):
        end = b.minimum(begin + BLOCK, problem.n)
        whole = end - end % lanes
        with b.loop(begin, whole, lanes, unroll=False) as j:
            some(i, j)
        if problem.n % lanes:
            with b.when(end > whole):
                some(i, whole, lanes_mask(b, lanes, problem.n % lanes))
    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        if problem.n >= BLOCK:
            row(task // blocks, task % blocks * BLOCK)
        else:
            rows = BLOCK // problem.n
            with b.loop(task * rows, b.minimum(task * rows + rows, problem.m)) as i:
                row(i, b.constant("i64", 0))
    b.ret(0)
