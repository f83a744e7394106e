"""Attention's kernels: rows of scores stay in a buffer of the task's own.

A register tile of queries meets the keys it may see, the softmax runs over its rows of scores, and
the weights meet the values: each product is `gemm_tile.Tile`'s. Going back a task is a head: blocks
of keys, whose weights and scores' gradients by all queries fit the second level cache.
"""

from __future__ import annotations

from typing import NamedTuple

from ..base.dtypes import DTYPES
from . import vector_math
from .body import MEMORY
from .gemm_tile import Source, Tile, cut, lanes_mask, load_row, register_tile
from .llvm_types import vector
from .rows import add, greater
from .sharing import arguments

PANEL = 2               # vectors of a panel


class Heads(NamedTuple):
    """Sizes of one attention: `features` of queries and keys, `outputs` of values."""

    dtype: str
    heads: int
    queries: int
    keys: int
    features: int
    outputs: int
    scale: float
    causal: bool


def panel_width(target, itemsize: int) -> int:
    """Columns of a panel."""
    return PANEL * target.lanes(itemsize)


class _Writer:
    """What both directions write: products of panels, rows of scores."""

    def __init__(self, b, target, heads: Heads):
        self.b, self.target, self.heads = b, target, heads
        self.kind, itemsize = MEMORY[heads.dtype], DTYPES[heads.dtype].itemsize
        self.itemsize = itemsize
        self.lanes = target.lanes(itemsize)
        self.width = panel_width(target, itemsize)
        self.rows = register_tile(target, itemsize)[0]
        self.vector = vector(self.kind, self.lanes)

    def head(self, pointer, task, strides) -> Source:
        """An array's rows of one head; strides: of batch, head and row."""
        b, count = self.b, self.heads.heads
        at = task // count * strides[0] + task % count * strides[1]
        return Source(b.element(pointer, at, self.kind), self.kind, strides[2], 1)

    def panels(self, pointer, task, columns: int, depth: int):
        """A head's panels."""
        blocks = -(-columns // self.width)
        return self.b.element(pointer, task * (blocks * depth * self.width), self.kind)

    def panel(self, panels, block, depth: int, first=0) -> Source:
        """A panel from its row `first` on."""
        at = (block * depth + first) * self.width
        return Source(self.b.element(panels, at, self.kind), self.kind, self.width, 1)

    def product(self, rows: int, a: Source, panel: Source, count, out, stride, present: int,
                more=None) -> None:
        """A register tile: rows of `a` times a panel, to `out`; `more`: whether sums are there."""
        masks = [lanes_mask(self.b, self.lanes, present - v)
                 for v in range(0, min(present, self.width), self.lanes)]
        tile = Tile(self.b, self.kind, self.lanes, rows, masks)
        if more is not None:
            with self.b.when(more):
                tile.load(out, stride)
        tile.add_products(a, panel, count, packed=True)
        tile.store(out, stride)

    def across(self, rows: int, a: Source, panels, columns: int, depth: int, count, out: Source,
               first=0, more=None) -> None:
        """Rows of `a` times all columns of panels, from the panels' row `first` on, to `out`."""
        b = self.b
        full, edge = divmod(columns, self.width)
        for blocks, start, present in ((full, 0, self.width), (1, full, edge)):
            if not present or not blocks:
                continue
            with b.loop(start, start + blocks, unroll=False) as c:
                self.product(rows, a, self.panel(panels, c, depth, first), count,
                             out.at(0, c * self.width), out.first, present, more)

    def scores(self, rows: int, a: Source, panels, depth: int, start, stop, out, stride) -> None:
        """Rows of `a` times the panels of columns start to stop (rounded up), to `out`."""
        b = self.b
        begin = start // self.width
        with b.loop(begin, (stop + (self.width - 1)) // self.width, unroll=False) as c:
            self.product(rows, a, self.panel(panels, c, depth), depth,
                         b.element(out, (c - begin) * self.width, self.kind), stride, self.width)

    def seen(self, j, limit):
        """The mask of a vector's keys before `limit`."""
        b = self.b
        left = b.cast(b.minimum(limit - j, self.lanes), "i32")
        return b.compare("lt", b.iota("i32", self.lanes), b.splat(left, self.lanes))

    def weight(self, score, offset, seen):
        """``exp(score * scale - offset)`` of the keys that are seen, else 0."""
        b = self.b
        zero = b.constant(self.vector, 0)
        power = b.select(seen, b.fma(score, self.heads.scale, zero - offset), zero)
        return b.select(seen, vector_math.exp(b, self.target, self.kind, power), zero)


def first_row(b, tile, rows: int, longer: int):
    """The first row of a register tile: the first `longer` tiles have `rows`, others one less."""
    return tile * (rows - 1) + b.minimum(tile, longer)


def forward(module, target, heads: Heads, q_strides: tuple, out_strides: tuple, blocks: int):
    """Generator; tasks: heads x blocks of their rows. Arguments: queries, panels of keys (columns:
    keys) and of values (columns: features), results, logarithms of the rows' sums."""
    b = module.kernel()
    query, keys, values, result, totals = arguments(b, *["ptr"] * 5)
    w = _Writer(b, target, heads)
    kind, lanes, width = w.kind, w.lanes, w.width
    tiles, rows, longer = cut(heads.queries, w.rows)
    stride = -(-heads.keys // width) * width
    weights = Source(b.stack(kind, rows * stride), kind, stride, 1)
    out_width = -(-heads.outputs // width) * width
    sums = Source(b.stack(kind, rows * out_width), kind, out_width, 1)
    factors = b.stack(kind, rows)

    def softmax(head, r, i, visible):
        """A row of scores to exponentials; the sum's reciprocal to `factors`."""
        limit = b.minimum(i + 1, visible) if heads.causal else visible
        top = b.variable(b.constant(w.vector, float("-inf")))
        with b.loop(0, visible, lanes, unroll=False) as j:
            score = b.load(w.vector, weights.at(r, j)) * heads.scale
            score = b.select(w.seen(j, limit), score, b.constant(w.vector, float("-inf")))
            top.set(greater(b)(top.get(), score))
        most = b.reduce(top.get(), greater(b))
        wide = b.splat(most, lanes)
        total = b.variable(b.constant(w.vector, 0))
        with b.loop(0, visible, lanes, unroll=False) as j:
            place = weights.at(r, j)
            power = w.weight(b.load(w.vector, place), wide, w.seen(j, limit))
            b.store(power, place)
            total.add(power)
        total = b.reduce(total.get(), add)
        b.store(b.arithmetic("fdiv", 1.0, total), b.element(factors, r, kind))
        logarithm = vector_math.log(b, target, kind, total) + most
        b.store(logarithm, b.element(totals, head * heads.queries + i, kind))

    def scaled(out, r, i):
        """A row of results."""
        factor = b.splat(b.load(kind, b.element(factors, r, kind)), lanes)
        for j in range(0, heads.outputs, lanes):
            mask = lanes_mask(b, lanes, heads.outputs - j)
            value = b.load(w.vector, sums.at(r, j)) * factor
            if mask is None:
                b.store(value, out.at(i, j))
            else:
                b.masked_store(value, out.at(i, j), mask)

    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        head, part = task // blocks, task % blocks
        own = w.panels(keys, head, heads.keys, heads.features)
        own_values = w.panels(values, head, heads.outputs, heads.keys)
        a, out = w.head(query, head, q_strides), w.head(result, head, out_strides)
        begin, end = part * tiles // blocks, (part + 1) * tiles // blocks
        for size, start, stop in ((rows, 0, longer), (rows - 1, longer, tiles)):
            if start == stop:
                continue
            with b.loop(b.maximum(begin, start), b.minimum(end, stop), unroll=False) as t:
                i = first_row(b, t, rows, longer)
                visible = b.as_value(heads.keys, "i64")
                if heads.causal:
                    visible = b.minimum(i + size, visible)
                w.scores(size, a._replace(pointer=a.at(i, 0)), own, heads.features,
                         b.constant("i64", 0), visible, weights.pointer, stride)
                with b.loop(0, size, unroll=False) as r:
                    softmax(head, r, i + r, visible)
                w.across(size, weights, own_values, heads.outputs, heads.keys, visible, sums)
                with b.loop(0, size, unroll=False) as r:
                    scaled(out, r, i + r)
    b.ret(0)


def backward(module, target, heads: Heads, strides: tuple, block: int):
    """Generator; a task is a head, and `block` keys at a time. Arguments: the result's gradient,
    queries, results, the gradients of queries, keys and values (`strides` of these six),
    logarithms of the rows' sums; panels with keys as columns of keys and of values, with features
    as columns of keys, of the result's gradient and of queries."""
    b = module.kernel()
    *arrays, totals, keys, values, key_rows, g_rows, query_rows = arguments(b, *["ptr"] * 12)
    w = _Writer(b, target, heads)
    kind, lanes = w.kind, w.lanes
    tiles, rows, longer = cut(heads.queries, w.rows)
    # A line more: the rows fall into different cache sets. Vectors past the seen ones are zeros.
    stride = block + 64 // w.itemsize
    weights, changes = (Source(b.stack(kind, heads.queries * stride), kind, stride, 1)
                        for _ in range(2))
    zeros = -(-w.rows // lanes) * lanes

    def row(g, out, total, r, start, visible):
        """Row r: scores to weights, and the weights' gradients to the scores'."""
        limit = b.minimum(r + 1, visible) if heads.causal else visible
        dot = b.variable(b.constant(w.vector, 0))
        for j in range(0, heads.outputs, lanes):
            mask = lanes_mask(b, lanes, heads.outputs - j)
            one, other = (load_row(b, s, s.at(r, j), lanes, kind, mask) for s in (g, out))
            dot.set(b.fma(one, other, dot.get()))
        drop = b.splat(b.reduce(dot.get(), add), lanes)
        offset = b.splat(b.load(kind, b.element(total, r, kind)), lanes)
        zero = b.constant(w.vector, 0)
        end = b.minimum(visible - start + zeros, block)
        with b.loop(0, end, lanes, unroll=False) as j:
            seen = w.seen(j, limit - start)
            weight = w.weight(b.load(w.vector, weights.at(r, j)), offset, seen)
            change = (b.load(w.vector, changes.at(r, j)) - drop) * weight * heads.scale
            b.store(weight, weights.at(r, j))
            b.store(b.select(seen, change, zero), changes.at(r, j))

    def keys_block(own, panels, total, start, length):
        g, query, out, g_query, g_key, g_value = own
        by_key, by_value, key_panels, g_panels, query_panels = panels
        for size, first, last in ((rows, 0, longer), (rows - 1, longer, tiles)):
            if first == last:
                continue
            with b.loop(first, last, unroll=False) as t:
                i = first_row(b, t, rows, longer)
                visible = start + length
                if heads.causal:
                    visible = b.minimum(i + size, visible)
                with b.when(visible > start):
                    for a, columns, depth, goal in (
                            (query, by_key, heads.features, weights),
                            (g, by_value, heads.outputs, changes)):
                        w.scores(size, a._replace(pointer=a.at(i, 0)), columns, depth, start,
                                 visible, goal.at(i, 0), stride)
                    with b.loop(i, i + size, unroll=False) as r:
                        row(g, out, total, r, start, visible)
                    w.across(size, changes._replace(pointer=changes.at(i, 0)), key_panels,
                             heads.features, heads.keys, visible - start,
                             g_query._replace(pointer=g_query.at(i, 0)), start,
                             start > 0 if block < heads.keys else None)
        size = min(w.rows, length)
        with b.loop(0, length, size, unroll=False) as at:
            at = b.minimum(at, length - size)       # the last tile ends where the block does
            j = start + at
            first = b.minimum(j, heads.queries) if heads.causal else b.constant("i64", 0)
            for source, columns, features, goal in (
                    (weights, g_panels, heads.outputs, g_value),
                    (changes, query_panels, heads.features, g_key)):
                w.across(size, Source(source.at(first, at), kind, 1, stride), columns, features,
                         heads.queries, heads.queries - first,
                         goal._replace(pointer=goal.at(j, 0)), first)

    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        own = [w.head(p, task, s) for p, s in zip(arrays, strides)]
        panels = (w.panels(keys, task, heads.keys, heads.features),
                  w.panels(values, task, heads.keys, heads.outputs),
                  w.panels(key_rows, task, heads.features, heads.keys),
                  w.panels(g_rows, task, heads.outputs, heads.queries),
                  w.panels(query_rows, task, heads.features, heads.queries))
        total = b.element(totals, task * heads.queries, kind)
        whole, rest = divmod(heads.keys, block)
        if whole:
            with b.loop(0, whole * block, block, unroll=False) as start:
                keys_block(own, panels, total, start, block)
        if rest:
            keys_block(own, panels, total, b.constant("i64", whole * block), rest)
    b.ret(0)
