"""One time step of a layer of LSTM cells: a product and all that follows it.

The weight is laid out once for the whole sequence, in panels of two vectors for each k. A task is a
block of units times a block of rows of the batch: a part of a panel stays in the first level cache
while all its rows pass; the sums wait in a buffer of the task's own, and nothing but the new states
and gates is written.
"""

from __future__ import annotations

from ..base.dtypes import DTYPES
from .body import MEMORY, Body, emit_body
from .gemm_tile import LINE, Source, Tile, cut, lanes_mask, load_row, register_tile
from .llvm_types import vector
from .sharing import arguments
from .words import Lane

TASK = 400_000      # products in a task: some 10 us
GATES = 4
PANEL = 2           # vectors of a panel
DEPTH = 1024        # bytes of k in a part of a panel
MOST_TILES = 8      # row tiles of a task


def units_of(target, itemsize: int, forward: bool) -> int:
    """Units of a task: of each four gates (forward), or one gradient."""
    return target.lanes(itemsize) * (1 if forward else PANEL)


def blocks_of(target, itemsize: int, batch: int, size: int, forward: bool) -> tuple[int, int]:
    """(row blocks, unit blocks) of a step: what its tasks are."""
    units = units_of(target, itemsize, forward)
    tiles = cut(batch, register_tile(target, itemsize)[0])[0]
    parts = max(batch * GATES * size * min(units, size) // TASK, -(-tiles // MOST_TILES))
    return max(1, min(tiles, parts)), -(-size // units)


class _Step:
    """Writes the kernel of one time step: loops over tasks, panels, row tiles and rows."""

    def __init__(self, b, target, dtype: str, sizes: tuple, row_blocks: int, forward: bool):
        self.b, self.target, self.dtype = b, target, dtype
        self.kind, itemsize = MEMORY[dtype], DTYPES[dtype].itemsize
        self.lanes = target.lanes(itemsize)
        batch, self.size = sizes
        self.tiles, self.rows, self.longer = cut(batch, register_tile(target, itemsize)[0])
        self.row_blocks, self.units = row_blocks, units_of(target, itemsize, forward)
        self.width = PANEL * self.lanes
        self.panels = GATES // PANEL if forward else 1
        self.together = PANEL if forward else 1      # gates in a pass over the rows
        self.row = self.panels * self.width             # of sums
        self.k = self.size if forward else GATES * self.size
        self.parts, self.depth, self.deeper = cut(self.k, DEPTH // itemsize)
        most = -(-self.tiles // row_blocks)
        self.sums = b.stack(self.kind, most * self.rows * self.row)

    def write(self, a, panels, cells, rows) -> None:
        """`a`: the product's rows, or None where nothing is multiplied; ``cells(r, i, j, mask)``.

        i: a row of the batch; r: its place in the task's sums (an address); j: a vector's unit.
        rows: what `cells` reads and writes, as (array, columns, written); their lines
        lie far apart, so they are asked for while the product runs.
        """
        b = self.b
        blocks = -(-self.size // self.units)
        full, edge = divmod(self.size, self.units)
        with b.loop(b.args[1], b.args[2], unroll=False) as task:
            block, row_block = task % blocks, task // blocks
            begin = row_block * self.tiles // self.row_blocks
            end = (row_block + 1) * self.tiles // self.row_blocks
            if a is not None:
                self._product(a, b.element(panels, block * (self.k * self.row), self.kind),
                              begin, end, block * self.units, rows)
            first, last = self._first_row(begin), self._first_row(end)
            with b.loop(first, last, unroll=False) as i:
                sums = b.element(self.sums, (i - first) * self.row, self.kind)
                for present, here in ((self.units, block < full), (edge, block >= full)):
                    if not present or (present == self.units and not full):
                        continue
                    with b.when(here):
                        for v in range(0, present, self.lanes):
                            cells(b.element(sums, v, self.kind), i, block * self.units + v,
                                  lanes_mask(b, self.lanes, present - v))
        b.ret(0)

    def _first_row(self, tile):
        return tile * (self.rows - 1) + self.b.minimum(tile, self.longer)

    def _product(self, a, panels, begin, end, unit, arrays) -> None:
        b, kind = self.b, self.kind
        first = self._first_row(begin)

        def ask(i, rows, turn, k):
            # A row each LINE k; arrays of four gates a gate or two each pass over the rows.
            row = i + b.minimum(k // LINE, rows - 1)
            for array, columns, written in arrays:
                source = Source(array, kind, columns, 1)
                many = columns > self.size
                for gate in range(self.together if many else 1):
                    which = (turn * self.together + gate) % GATES if many else 0
                    for v in range(0, self.units, self.lanes):
                        b.prefetch(source.at(row, which * self.size + unit + v), write=written)

        def tiles(panel, part, rows, start, stop):
            deep = part < self.deeper
            k = part * (self.depth - 1) + b.minimum(part, self.deeper)
            other = Source(b.element(panels, (panel * self.k + k) * self.width, kind), kind,
                           self.width, 1)
            with b.loop(b.maximum(begin, start), b.minimum(end, stop), unroll=False) as t:
                i = self._first_row(t)
                tile = Tile(b, kind, self.lanes, rows, [None] * PANEL)
                room = b.element(self.sums, (i - first) * self.row + panel * self.width, kind)
                if self.parts > 1:
                    with b.when(part > 0):
                        tile.load(room, self.row)
                count = b.select(deep, self.depth, b.constant("i64", self.depth - 1))
                turn = panel if self.together > 1 else part
                tile.add_products(a._replace(pointer=a.at(i, k)), other, count, packed=True,
                                  ahead=lambda begin: ask(i, rows, turn, begin))
                tile.store(room, self.row)
        with b.loop(0, self.panels, unroll=False) as panel, \
                b.loop(0, self.parts, unroll=False) as part:
            tiles(panel, part, self.rows, 0, self.longer)
            if self.longer < self.tiles:
                tiles(panel, part, self.rows - 1, self.longer, self.tiles)

    def load(self, pointer, columns, i, j, mask) -> Lane:
        """A vector of row i of an array (batch, columns)."""
        b = self.b
        source = Source(pointer, self.kind, columns, 1)
        return Lane(load_row(b, source, source.at(i, j), self.lanes, self.kind, mask),
                    DTYPES[self.dtype])

    def store(self, value, pointer, columns, i, j, mask) -> None:
        """A vector to row i of an array (batch, columns)."""
        place = Source(pointer, self.kind, columns, 1).at(i, j)
        if mask is None:
            self.b.store(value, place)
        else:
            self.b.masked_store(value, place, mask)


def forward(module, target, dtype: str, sizes: tuple, row_blocks: int, body: Body):
    """Generator. Arguments: hidden state, panels, projected inputs, cells before; activated gates,
    cells, hidden state of this step.

    sizes: (batch, units). body: a cell's sums of i, f, g, o and its state before, to what is
    stored.
    """
    b = module.kernel()
    hidden, panels, projected, before, gates, cells, outputs = arguments(b, *["ptr"] * 7)
    step = _Step(b, target, dtype, sizes, row_blocks, True)
    lanes, kind, size = step.lanes, step.kind, step.size

    def cell(sums, i, j, mask):
        given = []
        for gate in range(GATES):
            total = b.load(vector(kind, lanes), b.element(sums, gate * lanes, kind))
            row = step.load(projected, GATES * size, i, j + gate * size, mask)
            given.append(Lane(row.value + total, row.dtype))
        found = emit_body(b, target, body, [*given, step.load(before, size, i, j, mask)])
        *activated, state, output = (lane.value for lane in found)
        for gate, value in enumerate(activated):
            step.store(value, gates, GATES * size, i, j + gate * size, mask)
        step.store(state, cells, size, i, j, mask)
        step.store(output, outputs, size, i, j, mask)
    step.write(Source(hidden, kind, size, 1), panels, cell,
               [(projected, GATES * size, False), (before, size, False),
                (gates, GATES * size, True), (cells, size, True), (outputs, size, True)])


def backward(module, target, dtype: str, sizes: tuple, row_blocks: int, body: Body, carried: bool,
             with_cells: bool):
    """Generator. Arguments: gates' gradients of the step after, panels, activated gates, cells,
    cells before, gradients of the outputs and of the cells; gates' gradients, the cells' carried
    gradient (read and written).

    carried: there is a step after. body: see `recurrent`.
    """
    b = module.kernel()
    after, panels, gates, cells, before, g_output, g_cells, g_gates, g_cell = arguments(
        b, *["ptr"] * 9)
    step = _Step(b, target, dtype, sizes, row_blocks, False)
    lanes, kind, size = step.lanes, step.kind, step.size
    four = GATES * size

    def cell(sums, i, j, mask):
        given = [step.load(gates, four, i, j + gate * size, mask) for gate in range(GATES)]
        given += [step.load(array, size, i, j, mask) for array in (cells, before, g_output)]
        if carried:
            given.append(Lane(b.load(vector(kind, lanes), sums), given[0].dtype))
            given.append(step.load(g_cell, size, i, j, mask))
        if with_cells:
            given.append(step.load(g_cells, size, i, j, mask))
        *changes, state = (lane.value for lane in emit_body(b, target, body, given))
        for gate, value in enumerate(changes):
            step.store(value, g_gates, four, i, j + gate * size, mask)
        step.store(state, g_cell, size, i, j, mask)
    step.write(Source(after, kind, four, 1) if carried else None, panels, cell,
               [(gates, four, False), (cells, size, False), (before, size, False),
                (g_output, size, False), (g_gates, four, True)])
