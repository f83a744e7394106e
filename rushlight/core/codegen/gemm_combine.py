"""The second step of a sum over k that was cut in parts: add the parts in order, and finish."""

from __future__ import annotations

from .gemm_problem import Problem
from .gemm_tile import Finish, argument_pointers
from .llvm_types import vector

BLOCK = 1024                # elements of a task


def tasks_of(problem: Problem) -> int:
    """Tasks of the kernel: blocks of rows, or of one row's columns."""
    if problem.n >= BLOCK:
        return problem.m * -(-problem.n // BLOCK)
    return -(-problem.m // (BLOCK // problem.n))


def combine(module, target, problem: Problem, parts: int):
    """The kernel; tasks: `tasks_of`. Arguments: the problem's, the parts (parts, m, n).

    A part's block is read in one run: the parts lie far apart, in whoever's cache made them.
    """
    b = module.kernel()
    lanes = target.lanes(problem.itemsize)
    pointers = argument_pointers(b, problem, ("parts",))
    finish = Finish(b, target, problem, pointers)
    blocks = -(-problem.n // BLOCK)
    kind = vector(problem.compute, lanes)
    sums = b.stack(problem.compute, BLOCK + lanes)

    def vectors(end, act):
        whole = end - end % lanes
        with b.loop(0, whole, lanes, unroll=False) as at:
            act(at, None)
        with b.when(whole < end):
            act(whole, b.first_lanes(lanes, end - whole))

    def run(first, count):
        """Elements `first` to `first + count` of each part, summed."""
        def add(at, mask, part):
            there = b.element(pointers["parts"], first + at + part * (problem.m * problem.n),
                              problem.compute)
            value = b.load(kind, there) if mask is None else b.masked_load(kind, there, mask)
            place = b.element(sums, at, problem.compute)
            b.store(b.load(kind, place) + value, place)
        vectors(count, lambda at, mask: b.store(b.constant(kind, 0),
                                                b.element(sums, at, problem.compute)))
        with b.loop(0, parts, unroll=False) as part:
            vectors(count, lambda at, mask: add(at, mask, part))

    def finished(i, j, from_, count):
        vectors(count, lambda at, mask: finish.vector(
            b.load(kind, b.element(sums, from_ + at, problem.compute)), 0, i, j + at, mask))

    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        if problem.n >= BLOCK:
            i, j = task // blocks, task % blocks * BLOCK
            count = b.minimum(problem.n - j, BLOCK)
            run(i * problem.n + j, count)
            finished(i, j, b.constant("i64", 0), count)
        else:
            rows = BLOCK // problem.n
            first = task * rows
            end = b.minimum(first + rows, problem.m)
            run(first * problem.n, (end - first) * problem.n)
            with b.loop(first, end, unroll=False) as i:
                finished(i, b.constant("i64", 0), (i - first) * problem.n,
                         b.constant("i64", problem.n))
    b.ret(0)
