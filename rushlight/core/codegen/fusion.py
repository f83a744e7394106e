"""Which records run together: units of one kernel each, in an order that respects who needs what.

A unit is a group of pointwise records over one shape, or one other record (its *anchor*), which
may take pointwise records into its epilogue (they follow it on the result still in registers) or
its prologue (they compute the element it reads). Everything else about an anchor is its lowering's
business.

Note [merging]: records are taken in order; a pointwise record joins a unit that computes one of
its operands when that makes no cycle: no other operand may depend on that unit. `ancestors` are
bit sets over units, so the check is one `and`.
"""

from __future__ import annotations

from ..base.dtypes import bool_
from ..base.shapes import broadcast_strides, meta, same_layout
from ..ops.core_views import LAYOUT, UPDATE
from ..ops.types import compute_types
from .body import CAST, MEMORY, Body, number_name, supported
from .graph import Array, Graph, Record, Runtime
from .lowering import rule_of

MOST_INPUTS = 12
MOST_INSTRUCTIONS = 48
COPIES = ("to_copy", "clone", "copy", "fill")


class Unit:
    """Records that run as one kernel, or one record that the interpreter runs.

    anchor: the record that is not pointwise, or None. pointwise: the group, or the anchor's
    epilogue. prologue: pointwise records that compute the anchor's first input, or empty.
    absorbed: another record that computes it within the anchor's kernel, or None.
    """

    __slots__ = ("number", "anchor", "rule", "pointwise", "prologue", "absorbed", "ancestors",
                 "reads", "writes", "walk", "merged")

    def __init__(self, number):
        self.number = number
        self.anchor: Record | None = None
        self.rule = None
        self.pointwise: list[Record] = []
        self.prologue: list[Record] = []
        self.absorbed: Record | None = None
        self.ancestors = 0
        self.reads: set[int] = set()
        self.writes: set[int] = set()
        self.walk = None          # the layout all pointwise results of the unit have
        self.merged = False       # became part of another unit

    @property
    def records(self) -> list[Record]:
        own = [self.anchor] if self.anchor is not None else []
        before = [self.absorbed] if self.absorbed is not None else self.prologue
        return [*before, *own, *self.pointwise]


def instruction(record: Record):
    """(name, compute dtype, result dtype) of a pointwise record, None where it is not one."""
    op = record.op
    out = record.outputs[0]
    if out is None or out.meta.dtype.name not in MEMORY:
        return None
    if any(isinstance(i, Array) and i.meta.dtype.name not in MEMORY for i in record.inputs):
        return None
    if any(isinstance(i, Runtime) and i.kind is complex for i in record.inputs):
        return None
    result = out.meta.dtype
    if op is LAYOUT:
        return CAST, result.name, result.name
    if op.name in COPIES:
        source = record.inputs[0]
        if isinstance(source, Runtime):
            # Numbers convert by rules of their own (range checks); the plain cases are native.
            if source.kind is float and result.category == 2 or \
                    source.kind is bool or (source.kind is int and result.category == 2):
                return CAST, result.name, result.name
            return None
        if source.meta.dtype.category == 2 and result.name == "uint64":
            return None
        return CAST, source.meta.dtype.name, result.name
    if op.family != "pointwise" or op.body is None:
        return None
    operands = []
    for item in record.inputs:
        if isinstance(item, Array):
            operands.append(item.meta)
        elif isinstance(item, Runtime):
            operands.append(item.kind)
        else:
            return None
    compute, declared = compute_types(op, operands)
    if op.promotion == "bool":
        compute = bool_
    # Python numbers in integer arithmetic wrap by the interpreter's own rules.
    if compute.category < 2 and any(o in (int, float) for o in operands) and \
            op.promotion != "bool":
        if float in operands:
            return None
    if not supported(op.name, compute.name, declared.name, len(operands)):
        return None
    return op.name, compute.name, declared.name


def partition(graph: Graph) -> list[Unit]:
    """The graph's units in an order in which they can run."""
    units: list[Unit] = []
    maker: dict[int, Unit] = {}           # buffer -> the unit that computes it
    readers = consumers(graph)
    instructions: dict[int, tuple] = {}
    for record in graph.records:
        code = instruction(record)
        inputs = {i.buffer for i in record.inputs if isinstance(i, Array)}
        home = None
        if code is not None:
            instructions[record.index] = code
            for unit in candidates(record, maker):
                if home is None:
                    if can_join(unit, record, inputs, maker):
                        join(unit, record, inputs, maker, units)
                        home = unit
                elif unit is not home and can_fuse(home, unit, maker, units):
                    home = fuse(home, unit, maker, units)
        if home is None:
            home = Unit(len(units))
            units.append(home)
            if code is not None:
                home.pointwise.append(record)
                home.walk = record.outputs[0].meta
            else:
                home.anchor = record
                home.rule = rule_of(record.op.name)
                if record.op is UPDATE:
                    home.walk = None
                elif home.rule is not None and record.outputs[0] is not None and (
                        len(record.outputs) == 1 or home.rule.epilogue):
                    home.walk = record.outputs[0].meta
            home.reads |= inputs
            home.ancestors = ancestors_of(inputs, maker)
            for out in record.outputs:
                if out is not None:
                    home.writes.add(out.buffer)
                    maker[out.buffer] = home
            take_prologue(home, readers, maker, units, graph)
            absorb(home, readers, maker, graph)
    return order([u for u in units if not u.merged], graph, maker)


def consumers(graph: Graph) -> dict:
    """For each buffer: the records that read it."""
    found: dict[int, list[Record]] = {}
    for record in graph.records:
        for item in record.inputs:
            if isinstance(item, Array):
                found.setdefault(item.buffer, []).append(record)
    return found


def ancestors_of(buffers, maker) -> int:
    """All units that must run before something that reads `buffers`."""
    found = 0
    for buffer in buffers:
        unit = maker.get(buffer)
        if unit is not None:
            found |= unit.ancestors | (1 << unit.number)
    return found


def candidates(record: Record, maker):
    """Units that compute an operand of a pointwise record, as it is read, latest first."""
    found = []
    out = record.outputs[0].meta
    for item in record.inputs:
        if not isinstance(item, Array):
            continue
        unit = maker.get(item.buffer)
        if unit is None or unit in found or unit.walk is None:
            continue
        if unit.anchor is not None and not (unit.rule is not None and unit.rule.epilogue):
            continue
        walk = unit.walk
        if walk.shape == out.shape and walk.strides == out.strides and \
                item.meta.shape == out.shape and item.meta.strides == out.strides and \
                item.meta.offset == 0:
            found.append(unit)
    return sorted(found, key=lambda u: -u.number)


def can_join(unit: Unit, record: Record, inputs, maker) -> bool:
    """Whether a record may run within a unit."""
    limit = 6 if unit.anchor is not None else MOST_INPUTS
    if len(unit.reads | inputs) > limit + 2 or len(unit.pointwise) >= MOST_INSTRUCTIONS:
        return False
    bit = 1 << unit.number
    for item in record.inputs:
        if not isinstance(item, Array):
            continue
        other = maker.get(item.buffer)
        if other is None:
            continue
        if other is unit:
            # What the unit computes is at hand only element by element.
            if not same_layout_as_walk(item.meta, unit.walk):
                return False
        elif other.ancestors & bit:
            return False
    return True


def same_layout_as_walk(m, walk) -> bool:
    """Whether a layout reads the elements in the very places the unit writes them."""
    return m.shape == walk.shape and m.strides == walk.strides and m.offset == 0


def join(unit: Unit, record: Record, inputs, maker, units) -> None:
    """Put a pointwise record into a unit."""
    unit.pointwise.append(record)
    unit.reads |= inputs - unit.writes
    unit.writes.add(record.outputs[0].buffer)
    maker[record.outputs[0].buffer] = unit
    gain(unit, ancestors_of(inputs, maker) & ~(1 << unit.number), units)


def gain(unit: Unit, bits: int, units) -> None:
    """Give a unit, and all that depend on it, more ancestors."""
    if not bits & ~unit.ancestors:
        return
    unit.ancestors |= bits
    bit = 1 << unit.number
    for other in reversed(units):
        if other.ancestors & bit:
            other.ancestors |= unit.ancestors


def can_fuse(home: Unit, unit: Unit, maker, units) -> bool:
    """Whether two pointwise units over one layout may become one."""
    if unit.anchor is not None and home.anchor is not None:
        return False
    if unit.prologue or home.prologue:
        return False
    if home.walk is None or unit.walk is None or not same_layout_as_walk(home.walk, unit.walk):
        return False
    if len(home.reads | unit.reads) > MOST_INPUTS or \
            len(home.pointwise) + len(unit.pointwise) > MOST_INSTRUCTIONS:
        return False
    if home.anchor is not None or unit.anchor is not None:
        return False
    # A path between them through a third unit would close a cycle.
    home_bit, unit_bit = 1 << home.number, 1 << unit.number
    for other in units:
        if other is home or other is unit or other.merged:
            continue
        bit = 1 << other.number
        if other.ancestors & home_bit and unit.ancestors & bit:
            return False
        if other.ancestors & unit_bit and home.ancestors & bit:
            return False
    for record in [*home.pointwise, *unit.pointwise]:
        for item in record.inputs:
            if isinstance(item, Array) and maker.get(item.buffer) in (home, unit) and \
                    not same_layout_as_walk(item.meta, home.walk):
                return False
    return True


def fuse(home: Unit, unit: Unit, maker, units) -> Unit:
    """Merge `unit` into `home`; records keep the trace's order."""
    home.pointwise = sorted([*home.pointwise, *unit.pointwise], key=lambda r: r.index)
    home.writes |= unit.writes
    home.reads = (home.reads | unit.reads) - home.writes
    for buffer in unit.writes:
        maker[buffer] = home
    unit.merged = True
    home_bit, unit_bit = 1 << home.number, 1 << unit.number
    home.ancestors = (home.ancestors | unit.ancestors) & ~(home_bit | unit_bit)
    for other in units:
        if other is not home and other.ancestors & (unit_bit | home_bit):
            other.ancestors = (other.ancestors | home_bit | home.ancestors) & ~unit_bit
    return home


def take_prologue(home: Unit, readers, maker, units, graph) -> None:
    """Let an anchor compute its first input itself where a group serves only that."""
    rule = home.rule
    if home.anchor is None or rule is None or not rule.prologue:
        return
    source = home.anchor.inputs[0]
    if not isinstance(source, Array):
        return
    unit = maker.get(source.buffer)
    if unit is None or unit.anchor is not None or unit.prologue or unit.walk is None or \
            not same_layout_as_walk(source.meta, unit.walk):
        return
    wanted = [b for b in unit.writes
              if graph.buffers[b].live or any(r is not home.anchor and
                                              r not in unit.pointwise for r in readers.get(b, ()))]
    if wanted or readers[source.buffer].count(home.anchor) != 1:
        return
    if any(isinstance(i, Array) and i.buffer in unit.writes for i in home.anchor.inputs[1:]):
        return
    home.prologue = unit.pointwise
    take_over(home, unit, maker)


def take_over(home: Unit, unit: Unit, maker) -> None:
    """What a unit that became part of another read and wrote is that one's."""
    home.reads = (home.reads | unit.reads) - unit.writes
    home.ancestors = (home.ancestors | unit.ancestors) & ~(1 << unit.number)
    unit.merged = True
    home.writes |= unit.writes
    for buffer in unit.writes:
        maker[buffer] = home


def absorb(home: Unit, readers, maker, graph) -> None:
    """Let an anchor compute another record that serves only as its first input."""
    rule = home.rule
    if home.anchor is None or rule is None or not rule.absorbs:
        return
    source = home.anchor.inputs[0]
    unit = maker.get(source.buffer) if isinstance(source, Array) else None
    if unit is None or unit.anchor is None or unit.anchor.op.name not in rule.absorbs or \
            unit.pointwise or unit.prologue or unit.absorbed is not None or \
            graph.buffers[source.buffer].live or \
            source.meta is not graph.buffers[source.buffer].meta or \
            sum(r is not home.anchor for r in readers[source.buffer]) or \
            any(isinstance(i, Array) and i.buffer == source.buffer
                for i in home.anchor.inputs[1:]):
        return
    home.absorbed = unit.anchor
    take_over(home, unit, maker)


def order(units: list[Unit], graph: Graph, maker) -> list[Unit]:
    """A topological order; units that update memory in place come after its other readers."""
    inplace(units, graph)
    waited_for = 0
    for unit in units:
        waited_for |= 1 << unit.number
    placed: list[Unit] = []
    waiting = sorted(units, key=lambda u: u.records[-1].index)
    while waiting:
        later = []
        for unit in waiting:
            if not unit.ancestors & waited_for:
                placed.append(unit)
                waited_for &= ~(1 << unit.number)
            else:
                later.append(unit)
        if len(later) == len(waiting):
            raise AssertionError("units depend on each other in a circle")
        waiting = later
    return placed


def inplace(units: list[Unit], graph: Graph) -> None:
    """Make in-place writers wait for the other readers of what they overwrite, where possible."""
    for unit in units:
        if unit.anchor is None:
            continue
        for buffer in donated(unit.anchor):
            bit = 1 << unit.number
            others = [u for u in units if u is not unit and buffer in u.reads]
            if any(o.ancestors & bit for o in others):
                continue
            bits = 0
            for other in others:
                bits |= other.ancestors | (1 << other.number)
            if bits & bit:
                continue
            gain(unit, bits, units)


def donated(record: Record) -> list[int]:
    """Buffers that a record overwrites if nobody else needs them, by output position."""
    places = donated_inputs(record)
    return [record.inputs[p].buffer for p in places
            if p is not None and isinstance(record.inputs[p], Array)]


def donated_inputs(record: Record) -> tuple:
    """For each output: the input whose memory it may take, or None."""
    donates = record.op.donates
    if donates is None:
        return ()
    if record.op is not UPDATE:
        rule = rule_of(record.op.name)
        if rule is None or not rule.donates:
            return ()
    return tuple(donates(record.params)) if callable(donates) else tuple(donates)


def body_of(records: list[Record], wanted, first=None):
    """(Body, its inputs) of pointwise records.

    wanted: buffers that must be outputs, in order. first: a buffer that is input 0 of the body, an
    anchor's result. Inputs are Array (broadcast to the group's shape) and Runtime.
    """
    walk = records[0].outputs[0].meta
    inputs: list = []
    names: list = []
    place: dict = {}          # (buffer, layout) or number -> reference
    made: dict[int, int] = {}
    if first is not None:
        inputs.append(first)
        names.append(first.meta.dtype.name)
        made[first.buffer] = 0
    code = []
    pending: list = []
    for record in records:
        references = []
        for item in record.inputs:
            if isinstance(item, Array):
                if item.buffer in made and same_layout_as_walk(item.meta, walk):
                    references.append(("value", made[item.buffer]))
                    continue
                m = meta(item.meta.dtype, walk.shape, broadcast_strides(item.meta, walk.shape),
                         item.meta.offset)
                key = (item.buffer, m)
                if key not in place:
                    place[key] = len(inputs)
                    inputs.append(Array(item.buffer, m))
                    names.append(m.dtype.name)
                references.append(("input", place[key]))
            elif isinstance(item, Runtime):
                if item not in place:
                    place[item] = len(inputs)
                    inputs.append(item)
                    names.append(number_name(item.kind))
                references.append(("input", place[item]))
        found = instruction(record)
        assert found is not None
        name, compute, result = found
        pending.append((name, references, compute, result))
        made[record.outputs[0].buffer] = -len(pending)
    count = len(inputs)

    def number(kind, n):
        return n if kind == "input" or n >= 0 else count - 1 - n

    for name, references, compute, result in pending:
        code.append((name, tuple(number(k, n) for k, n in references), compute, result))
    outputs = tuple(number("value", made[b]) for b in wanted)
    return Body(tuple(names), tuple(code), outputs), inputs


__all__ = ["Unit", "body_of", "donated_inputs", "partition", "same_layout"]
