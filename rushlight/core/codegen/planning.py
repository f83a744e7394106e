"""From units to a program: kernels with their arguments, and where every buffer lives.

A buffer lives in a leaf's memory, in memory of its own that outlives the run (a live output), with
the interpreter's objects (what a host step makes), or in the arena, where buffers that are not
needed at the same time share addresses.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any, NamedTuple

from ..base.shapes import broadcast_strides, meta, same_layout
from ..ops.core_views import UPDATE
from .body import CAST, Body
from .fusion import Unit, body_of, consumers, donated_inputs, partition
from .graph import Array, Graph, Record, Runtime
from .lowering import Absorbed, Lowering, Number, Operand, Step, rule_of
from .pointwise import lower_group

ALIGNMENT = 64
# Stand-ins for table slots until everything is placed: a buffer is its own number.
TEMPORARY, NUMBER = 1 << 40, 1 << 41


class Stage(NamedTuple):
    """What one unit became: its native steps, or (steps is None) a host step."""

    records: list
    steps: list | None
    wanted: list           # buffers that it writes and others need


class Place(NamedTuple):
    """Where a buffer lives: kind "leaf" "output" "host" "arena" "none", and which."""

    kind: str
    index: int


class Blueprint:
    """A compiled plan before its kernels are loaded."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.stages: list[Stage] = []
        self.places: dict[int, Place] = {}
        self.roots: dict[int, int] = {}         # buffer -> the buffer whose memory it takes over
        self.claims: list = []                  # (leaf, output): the output starts as that leaf
        self.output_metas: list = []            # of the memory that outlives the run
        self.arena_bytes = 0
        self.kept: list = []                    # of lowering.Kept
        self.temporary_offsets: dict[int, int] = {}
        self.intervals: dict[int, tuple] = {}   # buffer -> (first stage, last stage)


def blueprint(graph: Graph) -> Blueprint:
    """Fuse, lower and place a graph."""
    made = Blueprint(graph)
    maker = _Maker(made)
    for unit in partition(graph):
        maker.add(unit)
    _place(made, maker)
    return made


class _Maker:
    """Lowers units one after the other."""

    def __init__(self, made: Blueprint):
        self.made, self.graph = made, made.graph
        self.readers = consumers(made.graph)
        self.temporaries: dict[int, tuple] = {}      # slot -> (bytes, stage)
        self.count = TEMPORARY
        self.shared: dict[int, int] = {}             # output buffer -> the input it may replace
        self.reusable: dict[int, list] = {}     # output buffer -> inputs read in its order
        self.steady = {k: b.leaf for k, b in enumerate(self.graph.buffers)
                       if b.leaf is not None and b.leaf in self.graph.steady}

    def operand(self, item) -> Any:
        if isinstance(item, Array):
            return Operand(item.buffer, item.meta)
        if isinstance(item, Runtime):
            return Number(NUMBER + item.number, item.kind)
        return None

    def needed(self, buffer: int, inside: set) -> bool:
        """Whether a buffer is read by a record whose id is not in `inside`, or lives on."""
        if self.graph.buffers[buffer].live:
            return True
        return any(id(r) not in inside for r in self.readers.get(buffer, ()))

    def add(self, unit: Unit) -> None:
        """Lower a unit; where its fusion is refused, its parts one by one."""
        if unit.anchor is None:
            self.group(unit.pointwise)
            return
        if unit.anchor.op is UPDATE:
            self.update(unit.anchor)
            return
        if unit.rule is not None and self.anchored(unit):
            return
        if unit.absorbed is not None:
            for record in (unit.absorbed, unit.anchor):
                alone = Unit(unit.number)
                alone.anchor, alone.rule = record, rule_of(record.op.name)
                if record is unit.anchor:
                    alone.pointwise = unit.pointwise
                self.add(alone)
        elif unit.prologue:
            self.group(unit.prologue)
            rest = Unit(unit.number)
            rest.anchor, rest.rule, rest.pointwise = unit.anchor, unit.rule, unit.pointwise
            self.add(rest)
        elif unit.pointwise:
            alone = Unit(unit.number)
            alone.anchor, alone.rule = unit.anchor, unit.rule
            self.add(alone)
            self.group(unit.pointwise)
        else:
            self.host(unit.anchor)

    def wanted(self, records) -> list:
        inside = {id(r) for r in records}
        return [o.buffer for r in records for o in r.outputs
                if o is not None and self.needed(o.buffer, inside)]

    def array(self, buffer: int) -> Operand:
        """An operand that is a whole buffer in its own layout."""
        return Operand(buffer, self.graph.buffers[buffer].meta)

    def new_slot(self) -> int:
        self.count += 1
        return self.count

    def stage(self, low: Lowering, records, wanted) -> None:
        for slot, nbytes in low.temporaries.items():
            self.temporaries[slot] = (nbytes, len(self.made.stages))
        self.made.kept += low.kept
        self.made.stages.append(Stage(records, low.steps, wanted))

    def group(self, records: list[Record]) -> None:
        """A pointwise kernel."""
        wanted = self.wanted(records)
        if not wanted:
            return
        body, inputs = body_of(records, wanted)
        outputs = tuple(self.array(b) for b in wanted)
        low = Lowering(records[0].op, (), outputs, (), self.new_slot)
        lower_group(low, body, [self.operand(i) for i in inputs], outputs)
        self.stage(low, records, wanted)
        for out in outputs:
            self.reusable[out.slot] = [
                i.buffer for i in inputs if isinstance(i, Array) and all(
                    same_layout(meta(out.meta.dtype, j.meta.shape, j.meta.strides, j.meta.offset),
                                out.meta)
                    for j in inputs if isinstance(j, Array) and j.buffer == i.buffer)]

    def anchored(self, unit: Unit) -> bool:
        anchor, rule = unit.anchor, unit.rule
        assert anchor is not None and rule is not None
        records = unit.records
        wanted = self.wanted(records)
        outputs: list = []
        for out in anchor.outputs:
            keep = out is not None and (out.buffer in wanted)
            outputs.append(self.operand(out) if keep else None)
        options: dict[str, Any] = {}
        own = {o.buffer for o in anchor.outputs[1:] if o is not None}
        final = [b for b in wanted if b not in own]
        others = tuple(outputs[1:])
        if unit.pointwise and final:
            body, extras = body_of(unit.pointwise, final, first=anchor.outputs[0])
            outputs = [self.array(b) for b in final]
            options = {"epilogue": body, "extras": tuple(self.operand(i) for i in extras[1:]),
                       "result": anchor.outputs[0].meta, "others": others}
        if not any(o is not None for o in (*outputs, *others)):
            return True        # nobody needs it
        low = Lowering(anchor.op, tuple(self.operand(i) for i in anchor.inputs), tuple(outputs),
                       anchor.params, self.new_slot, **options)
        low.steady = self.steady
        if unit.prologue:
            source = anchor.inputs[0]
            assert isinstance(source, Array)
            body, inputs = body_of(unit.prologue, [source.buffer])
            low.prologue = body
            low.prologue_inputs = tuple(self.operand(i) for i in inputs)
        if unit.absorbed is not None:
            low.absorbed = Absorbed(unit.absorbed.op.name,
                                    tuple(self.operand(i) for i in unit.absorbed.inputs),
                                    unit.absorbed.params)
        sharing = donated_inputs(anchor)
        if rule.function(low) is False:
            return False
        for out, position in zip(anchor.outputs, sharing):
            if position is None or out is None or out.buffer not in wanted:
                continue
            source = anchor.inputs[position]
            if isinstance(source, Array):
                self.shared[out.buffer] = source.buffer
        self.stage(low, records, wanted)
        return True

    def update(self, record: Record) -> None:
        """``base`` with a new value written through a layout."""
        base, new = record.inputs
        out = record.outputs[0]
        if not self.needed(out.buffer, {id(record)}):
            return
        seen = record.params[0]
        if seen.dtype is not out.meta.dtype or not isinstance(new, Array) or \
                new.meta.dtype is not seen.dtype or seen.dtype.category == 3:
            self.host(record)
            return
        source = Operand(new.buffer, meta(new.meta.dtype, seen.shape,
                                          broadcast_strides(new.meta, seen.shape),
                                          new.meta.offset))
        name = seen.dtype.name
        body = Body((name,), ((CAST, (0,), name, name),), (1,))
        target = Operand(out.buffer, seen)
        low = Lowering(record.op, (), (target,), (), self.new_slot)
        lower_group(low, body, [source], (target,))
        self.shared[out.buffer] = base.buffer
        self.stage(low, [record], [out.buffer])

    def host(self, record: Record) -> None:
        self.made.stages.append(Stage([record], None, self.wanted([record])))


def _reads(stage: Stage) -> set:
    inside = {o.buffer for r in stage.records for o in r.outputs if o is not None}
    return {i.buffer for r in stage.records for i in r.inputs if isinstance(i, Array)} - inside


def _place(made: Blueprint, maker: _Maker) -> None:
    """Decide where every buffer lives."""
    graph, stages = made.graph, made.stages
    end = len(stages)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for k, buffer in enumerate(graph.buffers):
        if buffer.leaf is not None:
            first[k] = -1
        if buffer.live:
            last[k] = end
    for s, stage in enumerate(stages):
        for buffer in stage.wanted:
            first[buffer] = s
            last.setdefault(buffer, s)
        for buffer in _reads(stage):
            if last.get(buffer, -1) < s:
                last[buffer] = s
    hosted = {b for stage in stages if stage.steps is None for b in stage.wanted}
    copies: dict[int, list] = {}       # stage -> copies (source, output) to make before it
    claimed: set[int] = set()
    for s, stage in enumerate(stages):
        reads = [i.buffer for r in stage.records for i in r.inputs if isinstance(i, Array)]
        for buffer in stage.wanted:
            source = maker.shared.get(buffer)
            if source is None or stage.steps is None:
                continue
            root = _root(made, source)
            # The old value must die here, be read once, and its memory be ours to overwrite.
            free = last.get(source, -1) <= s and source not in hosted and \
                reads.count(source) == 1 and (source in made.roots or source not in claimed)
            if free and graph.buffers[source].meta.nbytes == graph.buffers[buffer].meta.nbytes \
                    and last.get(root, -1) <= s:
                made.roots[buffer] = root
                last[root] = max(last.get(root, -1), last[buffer])
                if graph.buffers[root].leaf is not None:
                    claimed.add(root)
            else:
                copies.setdefault(s, []).append((source, buffer))
    for s, stage in enumerate(stages):
        taken: set[int] = set()
        for buffer in stage.wanted:
            for source in maker.reusable.get(buffer, ()):
                root = _root(made, source)
                if buffer not in made.roots and root not in taken and last.get(source) == s and \
                        last.get(root) == s and source not in hosted and \
                        graph.buffers[root].leaf is None and \
                        graph.buffers[source].meta.nbytes == graph.buffers[buffer].meta.nbytes:
                    made.roots[buffer] = root
                    last[root] = last[buffer]
                    taken.add(root)
    for s, pairs in copies.items():
        made.stages[s] = _with_copies(made, maker, stages[s], pairs)
    _assign(made, maker, first, last, hosted, claimed)


def _root(made: Blueprint, buffer: int) -> int:
    while buffer in made.roots:
        buffer = made.roots[buffer]
    return buffer


def _with_copies(made: Blueprint, maker: _Maker, stage: Stage, pairs) -> Stage:
    """A stage that first copies what it updates in place."""
    steps: list[Step] = []
    for source, buffer in pairs:
        m = made.graph.buffers[buffer].meta
        flat = meta(m.dtype, (m.numel,))
        name = m.dtype.name
        low = Lowering(None, (), (Operand(buffer, flat),), (), maker.new_slot)
        lower_group(low, Body((name,), ((CAST, (0,), name, name),), (1,)),
                    [Operand(source, flat)], (Operand(buffer, flat),))
        steps += low.steps
    assert stage.steps is not None
    return Stage(stage.records, steps + stage.steps, stage.wanted)


def _assign(made, maker, first, last, hosted, claimed) -> None:
    graph = made.graph
    blocks = []                     # (first, last, bytes, buffer or temporary slot)
    outputs: dict[int, int] = {}
    lives: dict[int, bool] = {}     # root -> some buffer in its memory outlives the run
    for k, buffer in enumerate(graph.buffers):
        if buffer.live:
            lives[_root(made, k)] = True
    for k, buffer in enumerate(graph.buffers):
        if k not in first and k not in last:
            continue
        made.intervals[k] = (first.get(k, -1), last.get(k, -1))
        root = _root(made, k)
        if buffer.leaf is not None:
            made.places[k] = Place("leaf", buffer.leaf)
        elif k in hosted:
            made.places[k] = Place("host", k)
        elif graph.buffers[root].leaf is not None or lives.get(root):
            if root not in outputs:
                outputs[root] = len(made.output_metas)
                made.output_metas.append(graph.buffers[root].meta)
                if graph.buffers[root].leaf is not None:
                    made.claims.append((graph.buffers[root].leaf, outputs[root]))
            made.places[k] = Place("output", outputs[root])
        elif root == k:
            blocks.append((first[k], max(last[k], first[k]), buffer.meta.nbytes, k))
    for slot, (nbytes, s) in maker.temporaries.items():
        blocks.append((s, s, nbytes, slot))
    offsets, made.arena_bytes = arrange(blocks)
    for slot, offset in offsets.items():
        if slot >= TEMPORARY:
            made.temporary_offsets[slot] = offset
        else:
            made.places[slot] = Place("arena", offset)
    for k in range(len(graph.buffers)):
        root = _root(made, k)
        if k not in made.places and root != k and root in made.places:
            made.places[k] = made.places[root]


LARGE = 400               # blocks that are placed with care


def arrange(blocks) -> tuple[dict, int]:
    """Offsets for (first, last, bytes, name) so that blocks alive together do not overlap.

    The largest blocks come first, each at the lowest place that is free all its life; the others
    are placed in a region of their own as they come and go, which takes time in proportion to
    their number. Returns (offsets by name, bytes in all).
    """
    ordered = sorted(blocks, key=lambda b: (-b[2], b[0]))
    placed: list[tuple[int, int, int, int]] = []     # offset, end, first, last
    offsets: dict = {}
    total = 0
    for begin, end, nbytes, name in ordered[:LARGE]:
        size = _rounded(nbytes)
        at = 0
        for low, high, *_ in sorted(p for p in placed if p[2] <= end and p[3] >= begin):
            if at + size <= low:
                break
            at = max(at, high)
        placed.append((at, at + size, begin, end))
        offsets[name] = at
        total = max(total, at + size)
    return offsets, _come_and_go(sorted(ordered[LARGE:], key=lambda b: b[0]), total, offsets)


def _come_and_go(blocks, base: int, offsets: dict) -> int:
    """Place blocks in order of their births above `base`; the end of what they need."""
    free: dict[int, list[int]] = {}          # rounded size -> offsets free again
    dying: list[tuple[int, int, int]] = []   # last, size, offset: a heap
    top = base
    for begin, end, nbytes, name in blocks:
        while dying and dying[0][0] < begin:
            _, size, offset = heappop(dying)
            free.setdefault(size, []).append(offset)
        size = _rounded(nbytes)
        if free.get(size):
            offsets[name] = free[size].pop()
        else:
            offsets[name] = top
            top += size
        heappush(dying, (end, size, offsets[name]))
    return top


def _rounded(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
