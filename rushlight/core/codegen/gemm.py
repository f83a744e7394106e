"""Matrix products as native kernels: which strategy serves which shape.

A record becomes a `Problem` of m x k times k x n (times a batch), turned so that the outputs are
written along consecutive memory. The cost model (`strategy`), first line that holds:

| shape | strategy | why |
|---|---|---|
| m * n is small, k is long (`pieces_of`) | pieces of k as a batch, then `gemm_combine` | tasks |
| m or n <= 8, k consecutive in A and in B | `gemm_direct.dots` | vectors along k, no transposes |
| m <= 8, B large, its columns consecutive | `gemm_stream` | B once, in long runs, memory speed |
| B's columns consecutive; m <= 32, few products, or m <= 128 well laid | `gemm_direct.direct` | |
| the rest | `gemm_packed`; `gemm_split` (AMX) | panels |
| the rest, bfloat16 | `gemm_pairs` (AVX512-BF16); `gemm_tiles` (AMX) | panels |

"Well laid" (`gemm_pack.rows_in_place`, `columns_in_place`) means that the lines a register tile
walks over fall into enough cache sets: strides of a power of two do not. Packing costs a pass over
B for each block of rows and, where A is not well laid, one over A for each stripe of columns, so
blocks are as wide as the second level cache allows and only as many as make two tasks for each
processor of the machine (eight to sixteen). Where A is well laid and not large, stripes may be
narrow. Sums are decided by shapes and strides, never by the number of threads or processors.

float16, and bfloat16 without instructions of its own, are converted as they are read; sums are
float32 (float64 for float64), one after another over k (or over a piece of it). The bfloat16
instructions take numbers below the normal ones for zero.
"""

from __future__ import annotations

from . import library
from .gemm_combine import tasks_of
from .gemm_direct import direct_tile, dot_tile
from .gemm_pack import columns_in_place, rows_in_place
from .gemm_problem import Problem, make
from .gemm_stream import pieces as stream_pieces
from .gemm_stream import stripe_of
from .gemm_tile import cut
from .gemm_tiles import scratch_bytes
from .lowering import Number, Operand, lowers
from .pool import processors
from .tuning import chosen


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
    strategy(low, problem, arguments)
    return True


TASK = 400_000      # products in a task: some 10 us
SPLIT_TASK = 8_000_000      # the same where tile instructions multiply: some 70 us


def strategy(low, problem: Problem, arguments: list, pieces: int = 0) -> None:
    """Append the steps of the strategy that suits the shape."""
    work = problem.m * problem.n * problem.k
    parts = max(1, min(64, cost_of(problem) // TASK))
    if not pieces and problem.batch == 1:
        pieces = pieces_of(problem)
        if pieces > 1:
            in_pieces(low, problem, arguments, pieces)
            return
    if problem.a[2] == 1 and problem.b[1] == 1 and min(problem.m, problem.n) <= 8:
        tiles = -(-problem.n // dot_tile(library.target(), problem).columns)
        blocks = min(parts, tiles)
        low.step("gemm_direct.dots", (problem, blocks), arguments, problem.batch * blocks)
    elif problem.b[2] == 1 and problem.m <= 8 and problem.n * problem.k > 200_000 \
            and problem.n >= 256:
        stripe = stripe_of(problem, processors())
        low.step("gemm_stream.stream", (problem, stripe), arguments,
                 problem.batch * -(-problem.n // stripe))
    elif (problem.b[2] == 1 or problem.n == 1) and (
            problem.m <= 32 or work < 1_000_000
            or (problem.m <= 128 and columns_in_place(problem) and rows_in_place(problem))):
        rows, _, vectors = direct_tile(library.target(), problem)
        lanes = library.target().lanes(problem.itemsize)
        parts = min(parts, 16)
        if problem.m > 32:          # a stripe of B fits the second level cache
            parts = -(-problem.n * problem.k * problem.itemsize // 400_000)
        column_blocks = min(parts, -(-problem.n // (vectors * lanes)))
        row_blocks = -(-parts // column_blocks)
        if problem.m > 32 and work * problem.batch >= 4 * TASK:
            row_blocks = max(row_blocks, rows_for(column_blocks * problem.batch))
        row_blocks = min(row_blocks, cut(problem.m, rows)[0])
        low.step("gemm_direct.direct", (problem, row_blocks, column_blocks), arguments,
                 problem.batch * row_blocks * column_blocks)
    else:
        large(low, problem, arguments)


def cost_of(problem: Problem) -> int:
    """Products of one matrix; elements that are used once or twice count as eight."""
    m, n, k = problem.m, problem.n, problem.k
    return max(m * n * k, 8 * n * k, 8 * m * k)


def pieces_of(problem: Problem) -> int:
    """In how many pieces k is cut because C alone would not make enough tasks."""
    wanted = 16
    if problem.m <= 8 and problem.n >= 256:
        wanted = stream_pieces(problem) if problem.b[2] == 1 else 16 // -(-problem.n // 32)
    elif problem.m * problem.n > 64 * 64:
        return 1
    return max(1, min(wanted, cost_of(problem) // (2 * TASK), problem.k // 256))


def in_pieces(low, problem: Problem, arguments: list, pieces: int) -> None:
    """Sums over pieces of k, side by side, then their sum in order."""
    size = -(-problem.k // pieces)
    whole, rest = divmod(problem.k, size)
    pieces = whole + (rest > 0)
    plane = problem.m * problem.n * problem.itemsize
    slot = low.temporary(pieces * plane)
    a, b = arguments[:2]
    strategy(low, problem.partial(whole, size), [a, b, ("slot", slot)], 1)
    if rest:
        def onward(operand, stride):
            skipped = operand.meta.offset + whole * size * stride
            return ("slot", operand.slot, skipped * operand.meta.dtype.itemsize)
        strategy(low, problem.partial(1, rest), [onward(a, problem.a[2]), onward(b, problem.b[1]),
                                                 ("slot", slot, whole * plane)], 1)
    low.step("gemm_combine.combine", (problem, pieces), [*arguments, ("slot", slot)],
             tasks_of(problem))


def engine_of(problem: Problem) -> str:
    """What multiplies packed panels: "packed" vectors, "pairs" or "tiles" of bfloat16."""
    target = library.target()
    if problem.dtype == "float32" and min(problem.m, problem.n) >= 48 and problem.k >= 16 \
            and library.has_tiles():
        return "split"
    if problem.dtype == "bfloat16":
        if problem.m * problem.n >= 256 and problem.k >= 16 and library.has_tiles():
            return "tiles"
        if target.has("avx512bf16") and target.vector_bits == 512:
            return "pairs"
    return "packed"


def large(low, problem: Problem, arguments: list) -> None:
    """Packed panels."""
    engine = engine_of(problem)
    depth = depth_of(problem, engine)
    ways = [(*blocks_of(problem, depth, engine), depth)]
    if engine in ("packed", "split") and \
            all(isinstance(item, (Operand, Number)) for item in arguments):
        ways = list(dict.fromkeys([*ways, *_further_ways(problem, ways[0])]))

    def emit(low, way):
        row_blocks, column_blocks, depth = way
        more = []
        if problem.k > depth and (engine == "tiles" or not problem.plain):
            size = problem.batch * problem.m * problem.n * problem.itemsize
            more.append(("slot", low.temporary(
                scratch_bytes(problem) if engine == "tiles" else size)))
        low.step(f"gemm_{engine}.{engine}", (problem, *way), [*arguments, *more],
                 problem.batch * row_blocks * column_blocks)
    emit(low, chosen(low, ("product", problem), ways, emit))


def _further_ways(problem: Problem, way: tuple) -> list:
    """Other blocks than the estimated ones, for `tuning`; k is cut alike: sums stay the same."""
    rows, columns, depth = way
    most_rows, most_columns = -(-problem.m // 64), -(-problem.n // 64)
    return [(max(1, min(most_rows, r)), max(1, min(most_columns, c)), depth)
            for r, c in ((2 * rows, columns), (rows // 2, columns), (rows, 2 * columns),
                         (rows, columns // 2), (2 * rows, columns // 2))]


def depth_of(problem: Problem, engine: str) -> int:
    """k in a block: a stripe of B's panels should fill a part of the second level cache."""
    deepest = {"packed": 2048 // problem.itemsize, "split": 512}.get(engine, 2048)
    if problem.k <= deepest * 5 // 4:
        return problem.k
    parts = -(-problem.k // deepest)
    return -(-problem.k // (parts * 32)) * 32


def blocks_of(problem: Problem, depth: int, engine: str) -> tuple[int, int]:
    """(row blocks, column blocks) of C: stripes of B are packed once for each row block."""
    if engine == "packed":
        columns = -(-problem.n // 256)
        if rows_in_place(problem):      # a stripe more costs a reading of A
            narrow = 32 if problem.m * problem.k * problem.itemsize <= 1 << 20 else 128
            columns = max(columns, min(-(-8 // problem.batch), -(-problem.n // narrow)))
        rows = rows_for(columns * problem.batch, wanted_tasks(), problem.m // 256)
    elif engine == "split":         # B's panels fill a part of the second level cache
        tasks = max(1, min(2 * processors(), problem.m * problem.n * problem.k // SPLIT_TASK))
        if problem.a[1] == 1 and problem.a[2] != 1:     # A is transposed for each stripe
            columns = -(-problem.n // max(64, (3 << 16) // depth // 32 * 32))
            most = problem.m // 192
        else:
            most = problem.m // 128
            columns = max(-(-problem.n // max(64, (1 << 17) // depth // 32 * 32)),
                          min(-(-tasks // problem.batch), problem.n // 128))
        if columns > 1 and columns * problem.batch % 2 and problem.n // (columns + 1) >= 64:
            columns += 1
        return rows_for(columns * problem.batch, tasks, max(1, most)), columns
    else:                           # matrix instructions are fast: packing A again costs more
        columns = -(-problem.n // min(512, (1 << 19) // depth // 32 * 32))
        rows = 1
    return min(-(-problem.m // 64), max(rows, rows_for(columns * problem.batch))), columns


def wanted_tasks() -> int:
    """Into how many tasks to cut a large product: enough for every processor of this machine.

    Each row of blocks packs B anew, so there are no more than needed. Sums do not depend on it.
    """
    return max(8, min(16, 2 * processors()))


def rows_for(tasks: int, wanted: int = 4, most: int = 64) -> int:
    """In how many row blocks, `most` or so, to cut so many tasks: as `wanted`, few ones evenly."""
    rows = min(-(-wanted // tasks), most)
    odd = rows * tasks % 2 and (rows > 1 or tasks < 16)     # nine tasks are bad for two threads
    return rows + 1 if odd else rows


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
