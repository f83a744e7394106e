"""A few rows times a large matrix whose columns lie side by side: at the speed of memory.

The matrix is read once, two rows of it at a time, in long runs, while the next two are asked for.
The sums of a stripe of columns wait in the first level cache; elements of A are in registers.
"""

from __future__ import annotations

from .emit import Builder
from .gemm_direct import source_of
from .gemm_problem import Problem
from .gemm_tile import Finish, argument_pointers, lanes_mask, load_one, load_row
from .llvm_types import natural_alignment, vector

GROUP = 2       # rows read together
RUN = 8192      # bytes of a row that are long enough for the speed of memory


def pieces(problem: Problem) -> int:
    """In how many pieces to cut k, rather than the rows into short runs."""
    size = problem.n * problem.itemsize
    return 4 if size <= RUN // 2 else 2 if size <= RUN else 1


def stripe_of(problem: Problem, workers: int) -> int:
    """Columns of a task: a task for each worker; the sums fill half of a small cache at most."""
    stripes = max(1, workers // problem.batch)
    width = -(-problem.n // stripes)
    most = 16384 // problem.itemsize // problem.m // 64 * 64
    return max(64, min(-(-width // 64) * 64, most))


def stream(module, target, problem: Problem, stripe: int):
    """The kernel; tasks: batch * ceil(n / stripe)."""
    b = module.kernel()
    lanes = target.lanes(problem.itemsize)
    pointers = argument_pointers(b, problem)
    finish = Finish(b, target, problem, pointers)
    stripes = -(-problem.n // stripe)
    sums = b.stack(problem.compute, problem.m * stripe)
    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        batch, begin = task // stripes, task % stripes * stripe
        width = b.minimum(problem.n - begin, stripe)
        a = source_of(b, problem, pointers, "a", batch)
        other = source_of(b, problem, pointers, "b", batch)
        other = other._replace(pointer=other.at(0, begin))
        _sum(b, problem, a, other, sums, stripe, width, lanes)
        whole = width - width % lanes
        kind = vector(problem.compute, lanes)
        with b.loop(0, problem.m, unroll=False) as i:
            def place(column, row=i):
                return b.element(sums, row * stripe + column, problem.compute)
            with b.loop(0, whole, lanes, unroll=False) as column:
                finish.vector(b.load(kind, place(column)), batch, i, begin + column)
            if problem.n % lanes:
                with b.when(width > whole):
                    finish.vector(b.load(kind, place(whole)), batch, i, begin + whole,
                                  lanes_mask(b, lanes, problem.n % lanes))
    b.ret(0)


def _sum(b: Builder, problem, a, other, sums, stripe, width, lanes) -> None:
    """All of k, `GROUP` rows of B at a time."""
    m, compute = problem.m, problem.compute
    kind, aligned = vector(compute, lanes), lanes * natural_alignment(compute)
    group = min(GROUP, problem.k)
    with b.loop(0, stripe * m, lanes, unroll=False) as at:
        b.store(b.constant(kind, 0), b.element(sums, at, compute), aligned)

    def some(k, count):
        ones = [[b.splat(load_one(b, a, a.at(i, k + g), compute), lanes) for g in range(count)]
                for i in range(m)]
        rows = [other.at(k + g, 0) for g in range(count)]

        def step(column, mask=None):
            places = [b.element(sums, column + i * stripe, compute) for i in range(m)]
            totals = [b.load(kind, place, aligned) for place in places]
            for g in range(count):
                b.prefetch(b.element(rows[g], column + GROUP * other.first, other.kind))
                row = load_row(b, other, b.element(rows[g], column, other.kind), lanes, compute,
                               mask)
                totals = [b.fma(ones[i][g], row, totals[i]) for i in range(m)]
            for place, total in zip(places, totals):
                b.store(total, place, aligned)
        whole = width - width % lanes
        with b.loop(0, whole, lanes, unroll=False) as column:
            step(column)
        if problem.n % lanes:
            with b.when(width > whole):
                step(whole, lanes_mask(b, lanes, problem.n % lanes))
    whole = problem.k - problem.k % group
    with b.loop(0, whole, group, unroll=False) as k:
        some(k, group)
    if problem.k > whole:
        some(b.as_value(whole, "i64"), problem.k - whole)
