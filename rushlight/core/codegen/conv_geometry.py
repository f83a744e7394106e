"""What a convolution kernel needs to know of its problem, and how the work is cut.

Forward and input gradient are one computation, the correlation of `interpreter/kernels/
convolution.py`, in three dimensions (depth, rows, columns; the missing ones have size 1):

    y[n, o, t] = sum over c, k of  w[o, c, k] * x[n, c, t * stride + k * dilation - offset]

Note [planes]: lanes run over the result's pixels, in memory order, so results land in NCHW without
a transposition. For that a task copies its input into *planes*, one for each channel and tap
column: the input shifted (and strided) so that a plane's rows are as wide as the result's. A tap
row is then a constant distance within a plane, and the kernel is a matrix product whose inner loop
steps from plane to plane:

    plane (channel c, column tap kx) [depth tap][row][column]
    y[o, p] += w[o, c, ky, kx] * plane[c, kx][p + ky * dilation * width]

A copy costs a load and a store and serves a multiply-add for each of the result's channels. With a
stride between rows, tap rows get planes of their own.

Where the rows are long (`Blocks.by_rows`) one plane a channel is enough: padded rows, read from any
column. Vectors then do not cross rows, so the last one of a row may have idle lanes.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import NamedTuple

WORKSPACE = 256 << 10       # bytes of planes of one task (on the stack, in the level-2 cache)
SHARED = 8 << 20            # elements of planes that an earlier step may make
PAGE = 4096                 # bytes: channels that far apart are new to the hardware's prefetch
FAR = 30                    # cycles until the first elements of such a channel are there
MANY_TASKS = 16             # large problems are cut into at least so many tasks
TASK_WORK = 300_000         # multiply-adds that are worth a task of their own


class Correlation(NamedTuple):
    """One correlation. Threes are (depth, rows, columns); strides in elements: n, c, d, h, w."""

    dtype: str            # of x, w and the result in memory
    batch: int
    groups: int
    channels: int         # of x, in one group
    outs: int             # of y, in one group
    size: tuple           # of the result
    source: tuple         # of x
    kernel: tuple
    stride: tuple
    dilation: tuple
    offset: tuple
    x_strides: tuple
    w_strides: tuple      # group, o, c, kd, kh, kw

    @property
    def work(self) -> int:
        """Multiply-adds."""
        return (self.batch * self.groups * self.channels * self.outs * prod(self.size)
                * prod(self.kernel))


class Blocks(NamedTuple):
    """How a correlation is cut. See `choose`."""

    rows: int             # rows of the result in one task
    units: int            # slices (image, depth) in one task
    channels: int         # channels packed at a time
    outs: int             # result channels of one task
    tile: int             # result channels of a register tile
    vectors: int          # pixel vectors of a register tile
    by_rows: bool = False  # padded rows instead of a plane for each tap column
    source: str = "own"   # planes: a task's "own", "shared" ones of an earlier step, "direct": x
    weights: str = "packed"    # or "direct"


def ceil(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


def split(total: int, most: int) -> tuple[int, int, int]:
    """`total` as near-equal pieces of at most `most`: (size, how many, how many of size - 1)."""
    pieces = ceil(total, most)
    size = ceil(total, pieces)
    short = pieces * size - total
    return size, pieces - short, short


class Layout:
    """Sizes of a task's planes, in elements."""

    def __init__(self, problem: Correlation, blocks: Blocks, lanes: int):
        self.lanes = lanes
        depth, height, width = problem.size
        kd, kh, kw = problem.kernel
        self.unfold = problem.stride[1] > 1           # tap rows have planes of their own
        self.by_rows = blocks.by_rows
        self.row_planes = kh if self.unfold else 1
        self.row_taps = 1 if self.unfold else kh      # tap rows within a plane
        self.column_planes, self.column_taps = (1, kw) if self.by_rows else (kw, 1)
        self.planes = self.row_planes * self.column_planes             # for a channel
        self.width = width + (kw - 1) * problem.dilation[2] if self.by_rows else width
        self.plane_rows = blocks.rows + (self.row_taps - 1) * problem.dilation[1]
        self.row_step = problem.dilation[1] * self.width
        self.depth_step = self.plane_rows * self.width
        self.unit = kd * self.depth_step
        lines = max(64 // 4, lanes)
        self.plane = ceil(blocks.units * self.unit + lanes, lines) * lines
        if self.plane // lines % 2 == 0:              # not a power of two: no cache set conflicts
            self.plane += lines
        self.elements = blocks.channels * self.planes * self.plane
        if blocks.source == "direct":
            self.plane, self.elements = problem.x_strides[1], 0
        self.bands = ceil(height, blocks.rows)
        last = height - (self.bands - 1) * blocks.rows
        self.row_vectors = ceil(width, lanes)
        if self.by_rows:
            self.vectors, self.last_vectors = (n * self.row_vectors for n in (blocks.rows, last))
            self.exact = width % lanes == 0
        else:
            self.vectors = ceil(blocks.rows * width, lanes)         # of a unit's band
            self.last_vectors = ceil(last * width, lanes)
            self.exact = blocks.rows * width % lanes == 0 and last * width % lanes == 0
        self.slices = problem.batch * depth
        self.unit_blocks = ceil(self.slices, blocks.units)
        self.out_blocks = ceil(problem.outs, blocks.outs)
        self.channel_blocks = max(1, ceil(problem.channels, blocks.channels))
        self.regions = self.unit_blocks * self.bands * problem.groups
        self.tasks = self.regions * self.out_blocks

    def remainders(self, blocks: Blocks) -> list[int]:
        """Vector counts of the register tiles that some task needs besides the full one."""
        found = set()
        units = {blocks.units, self.slices - (self.unit_blocks - 1) * blocks.units}
        for per_unit in {self.vectors, self.last_vectors}:
            for count in units:
                found.add(count * per_unit % blocks.vectors)
        return sorted(found - {0})


def register_tiles(registers: int) -> list[tuple[int, int]]:
    """(channels, vectors) of register tiles that fit: accumulators, inputs, one broadcast."""
    found = []
    for vectors in (1, 2, 3, 4, 6):
        tile = min((registers - 1 - vectors) // vectors, 28)
        if tile > 0:
            found.append((tile, vectors))
    return found


def tile_cycles(tile, vectors, across=False):
    """Of one step of a register tile: multiply-add, load and issue slots, latency of the sum.

    across: vectors lie across cache lines.
    """
    loads = tile + vectors * (2 if across else 1)
    return max(tile * vectors / 2, loads / 1.6, (tile * vectors + tile + vectors + 3) / 5, 4)


def _candidates(problem, lanes):
    height, width = problem.size[1], problem.size[2]
    slices = problem.batch * problem.size[0]
    rows = {height}
    for want in (4, 8, 16, 32, 64):
        r = max(1, want * lanes // width)
        if r < height:
            rows.add(ceil(height, ceil(height, r)))
            rows.add(r)
    for r in sorted(rows):
        units = [1]
        if r == height:
            per_unit = ceil(r * width, lanes)
            units += [u for u in (2, 3, 4, 6, 8, 12, 16, 32) if u <= slices
                      and u * per_unit <= 64]
        for u in units:
            yield r, u


def _reads_directly(problem: Correlation, itemsize: int) -> bool:
    """Whether planes would be copies of x, and x's channels do not share their cache sets."""
    _, height, width = problem.size
    strides = problem.x_strides
    return (problem.kernel == (1, 1, 1) and problem.stride == (1, 1, 1)
            and problem.offset == (0, 0, 0) and problem.source == problem.size
            and problem.dtype in ("float32", "float64")
            and strides[4] == 1 and strides[3] == width and strides[1] >= height * width
            and (strides[1] * itemsize % 2048 != 0 or problem.channels <= 16))


def _weights_directly(problem: Correlation) -> bool:
    """Whether packing weights costs more than reading them in rows: few pixels use each."""
    return (problem.kernel == (1, 1, 1) and problem.dtype in ("float32", "float64")
            and problem.batch * prod(problem.size) <= 1024 and 1 in problem.w_strides[1:3])


def choose(problem: Correlation, lanes: int, registers: int, itemsize: int, kept: bool):
    """The cheapest way to cut a problem: (estimated cycles of one core, Blocks).

    Counted: register tiles' multiply-adds (with idle lanes and half-filled tiles), the copies
    into planes (with the rows that neighbouring bands copy again), reading the weights for each
    task (from farther caches when they are many), and partial sums between channel blocks. Cuts
    with fewer tasks than `MANY_TASKS` pay for idle cores when the problem is large.
    """
    best = None
    small = problem.work < TASK_WORK * 2
    readable = _reads_directly(problem, itemsize)
    weights = "direct" if not kept and _weights_directly(problem) else "packed"
    # (by rows, direct): planes for each tap column, padded rows, or x itself.
    ways = [(False, False)]
    if problem.stride[2] == 1 and problem.kernel[2] > 1:
        ways.append((True, False))
    if readable:
        ways.append((False, True))
    for (rows, units), (by_rows, direct) in product(_candidates(problem, lanes), ways):
        layout = Layout(problem, Blocks(rows, units, 1, problem.outs, 1, 1, by_rows), lanes)
        room = WORKSPACE // itemsize // (layout.planes * layout.plane)
        if room == 0 and (rows > 1 or units > 1) and not direct:
            continue
        channels = problem.channels if direct else min(problem.channels, max(room, 1))
        channels = max(1, ceil(problem.channels, ceil(max(problem.channels, 1), max(channels, 1))))
        divisions = [1]
        if not small and layout.regions < MANY_TASKS:
            divisions += [d for d in (2, 4, 8, 16) if problem.outs // d >= 8]
        for division in divisions:
            outs = ceil(problem.outs, division)
            source = "direct" if direct else "own" if division == 1 or \
                layout.regions * layout.plane * layout.planes * problem.channels > SHARED \
                else "shared"
            copies = 0 if direct else _copy_cycles(problem, layout, units, lanes)
            if source == "shared":
                copies /= ceil(problem.outs, outs)
            blocks = Blocks(rows, units, channels, outs, 1, 1, by_rows, source, weights)
            cycles, tile, vectors = _compute_cycles(problem, layout, blocks, registers, itemsize)
            tasks = layout.regions * ceil(problem.outs, outs)
            total = (cycles + copies) * tasks
            if not small and tasks < MANY_TASKS:       # idle cores at the end
                total *= ceil(tasks, 8) * 8 / tasks
            if best is None or total < best[0]:
                best = total, blocks._replace(tile=tile, vectors=vectors)
    assert best is not None
    return best


def _copy_cycles(problem, layout, units, lanes):
    """Of copying a task's planes."""
    # Stores across cache lines are slow; short rows are half vectors.
    width = problem.size[2]
    store = 2 if width % lanes == 0 or width * 2 <= lanes else 5
    return (problem.channels * layout.row_planes * units * problem.kernel[0] * layout.plane_rows
            * (4 + layout.column_planes * ceil(width, lanes) * store))


def _compute_cycles(problem, layout, blocks, registers, itemsize):
    """Of a task without its copies, with the best register tile: (cycles, tile, vectors)."""
    best = None
    taps = prod(problem.kernel)
    vectors = blocks.units * layout.vectors
    far = problem.outs * problem.channels * taps * itemsize > (1 << 20)
    rest_of_task = vectors * blocks.outs * (4.0 if layout.exact else 5.0) \
        * max(1, ceil(problem.channels, blocks.channels))
    rest_of_task += blocks.outs * problem.channels * taps * itemsize * (1 / 8 if far else 1 / 64)
    # Planes come from far once and then, for each tile of channels, from the level-2 cache.
    panel = vectors * layout.lanes * itemsize * problem.channels * taps
    again = panel * (1 / 128 if panel * blocks.channels < problem.channels << 20 else 1 / 8)
    if blocks.source != "own":
        rest_of_task += panel / problem.kernel[1] / 8
    if blocks.source == "direct" and problem.x_strides[1] * itemsize >= PAGE:
        rest_of_task += problem.channels * vectors * FAR
    for most, per_tile in register_tiles(registers):
        if per_tile > vectors and per_tile > 1:
            continue
        if blocks.weights == "direct" and problem.w_strides[1] * itemsize % 2048 == 0:
            most = min(most, 8)      # rows in one cache set: no more than it has ways
        tile, full, short = split(blocks.outs, most)
        whole, rest = divmod(vectors, per_tile)
        step = 0.0
        for t, count in ((tile, full), (tile - 1, short)):
            if count:
                step += count * (whole * tile_cycles(t, per_tile, blocks.by_rows)
                                 + (tile_cycles(t, rest, blocks.by_rows) if rest else 0))
        cycles = step * problem.channels * taps + rest_of_task + (full + short - 1) * again
        if best is None or cycles < best[0]:
            best = cycles, tile, per_tile
    assert best is not None
    return best
