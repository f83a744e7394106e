"""`optimizer_step`: one kernel updates all parameters of a group.

The step program's array instructions become one loop body over vectors. Parameters lie end to end
in an imagined array; a task is a fixed piece of it, so many small parameters make one task and a
large one makes many. Sizes and addresses are arguments, so one kernel serves every model that an
optimizer with these options trains. The scalar instructions (step counts, bias corrections) run
once for each set of scalar state, in double precision, and leave their results in a small table.

Arguments, in words: number of parameters, elements a task, table, number of sets; the options; for
each set the addresses of its state and of its new state; then for each parameter a record::

    first element (in the imagined array), bytes to its set's row of the table,
    p and state, gradient, new p and new state (addresses)

and last the number of all elements.
"""

from __future__ import annotations

from ..base import dtypes as dt
from ..base.dtypes import DTYPES
from ..base.shapes import with_dtype
from .body import MEMORY, from_memory, to_memory
from .copying import copy_steps
from .emit import Value
from .llvm_types import vector
from .lowering import Number, lowers
from .words import Lane, Words

REAL = {"complex64": "float32", "complex128": "float64"}   # a complex number is two reals
ONE_TASK = 30_000         # elements that one thread updates as fast as two
CHUNK = 16384             # elements a task: about 30 us where memory is the limit
HEADER = 4

SCALAR = {"add", "sub", "mul", "div", "neg", "abs", "sqrt", "maximum", "minimum", "gt", "lt", "eq",
          "select", "pow"}
ARRAY = (SCALAR | {"sign", "copy"}) - {"pow"}


@lowers("optimizer_step", donates=True)
def optimizer_step(low):
    """See the module's text."""
    program, sets = low.params
    width = 1 + len(program.array_state)
    count = len(sets)
    kinds = len(program.scalar_state)
    arrays = low.inputs[:width * count]
    grads = low.inputs[width * count:(width + 1) * count]
    rest = low.inputs[(width + 1) * count:]
    first_option = len(rest) - len(program.option_names)
    state, options = rest[:first_option], rest[first_option:]
    new, new_state = low.outputs[:width * count], low.outputs[width * count:]
    form = program.form()
    scalar_code, array_code, slots = form
    if not all(item[0] in SCALAR for item in scalar_code) or \
            not all(item[0] in ARRAY for item in array_code):
        return False
    if not all(isinstance(o, Number) or o.meta.dtype.category == 2 for o in options) or \
            not all(s.meta.dtype.category == 2 for s in state):
        return False

    groups: dict = {}          # dtypes -> numbers of parameters
    for i in range(count):
        members = [*arrays[i * width:(i + 1) * width], grads[i]]
        p = members[0].meta
        names = tuple(REAL.get(m.meta.dtype.name, m.meta.dtype.name) for m in members)
        complexes = {m.meta.dtype.category == 3 for m in members}
        if len(complexes) > 1 or any(DTYPES[n].category != 2 for n in names):
            return False
        groups.setdefault(names, []).append(i)
    arrays = [in_order(low, array, arrays[i // width * width].meta)
              for i, array in enumerate(arrays)]
    grads = [in_order(low, grad, low.inputs[i * width].meta) for i, grad in enumerate(grads)]

    row = 8 * max(1, len(slots[7]))
    table = ("slot", low.temporary(row * (max(sets, default=0) + 1)))
    number_of_sets = max(sets, default=-1) + 1 if kinds else 1
    scalars = [*options]
    for number in range(number_of_sets if kinds else 0):
        place = slice(number * kinds, (number + 1) * kinds)
        scalars += [*state[place], *[low.output_or_spare(o, s.meta)
                                     for o, s in zip(new_state[place], state[place])]]
    option_names = tuple(o.kind.__name__ if isinstance(o, Number) else o.meta.dtype.name
                         for o in options)
    state_names = tuple(s.meta.dtype.name for s in state[:kinds])
    for i, s in enumerate(state):
        if s.meta.dtype.name != state_names[i % kinds]:
            return False

    plans = []
    for names, numbers in groups.items():
        records: list = []
        start = 0
        for i in numbers:
            p = low.inputs[i * width].meta
            records += [start, row * sets[i] if kinds else 0, *arrays[i * width:(i + 1) * width],
                        grads[i],
                        *[low.output_or_spare(o, a.meta)
                          for o, a in zip(new[i * width:(i + 1) * width],
                                          low.inputs[i * width:(i + 1) * width])]]
            start += p.numel * (2 if p.dtype.category == 3 else 1)
        plans.append((names, numbers, [*records, start], start))
    single = len(plans) == 1 and plans[0][3] <= ONE_TASK
    if not single:
        low.step("optimizer.step", (form, (), option_names, state_names, "scalars"),
                 [0, 0, table, number_of_sets, *scalars])
    for names, numbers, records, total in plans:
        chunk = max(total, 1) if total <= ONE_TASK else CHUNK
        low.step("optimizer.step",
                 (form, names, option_names, state_names, "both" if single else "arrays"),
                 [len(numbers), chunk, table, number_of_sets, *scalars, *records],
                 tasks=max(1, -(-total // chunk)))
    return None


def in_order(low, array, p):
    """An argument that lies in memory as the new parameter will: the array or a copy of it."""
    home = p if p.dense else with_dtype(p, p.dtype)
    m = array.meta
    if same_layout(m, home):
        return array
    copied = ("slot", low.temporary(m.numel * m.dtype.itemsize))
    copy_steps(low, m.dtype, m.shape, array, m.strides, copied, home.strides)
    return copied


def same_layout(m, p) -> bool:
    """Whether an array lies in memory as the parameter does."""
    return m.shape == p.shape and all(
        a == b for a, b, n in zip(m.strides, p.strides, m.shape) if n > 1)


def step(module, target, form, names, option_names, state_names, part):
    """The kernel; `part`: "scalars" fills the table, "arrays" updates arrays by it, or "both".

    names: dtypes of the parameter, its state and its gradient. option_names: a dtype's name for a
    0-dim array, or int, float, bool. state_names: dtypes of the scalar state.
    """
    b = module.kernel()
    args, begin, end = b.args
    options = len(option_names)
    kinds = len(state_names)
    number_of_sets = word(b, args, 3)
    if part != "arrays":
        emit_scalars(b, form, option_names, state_names, number_of_sets)
    if part != "scalars":
        records = b.element(args, number_of_sets * (2 * kinds) + (HEADER + options), "i64")
        emit_arrays(b, target, form, names, begin, end, records)
    b.ret(0)


def word(b, base, index, kind="i64") -> Value:
    """An argument word."""
    return b.load(kind, b.element(base, index, "i64"))


def emit_scalars(b, form, option_names, state_names, number_of_sets):
    """The scalar instructions, for each set."""
    code, _, (_, _, _, _, state_in, state_out, options_in, used, constants) = form
    args = b.args[0]
    kinds = len(state_names)
    known = {slot: Lane(b.constant("double", value), dt.float64) for slot, value in constants}
    for i, (slot, name) in enumerate(zip(options_in, option_names)):
        if name in ("int", "bool"):
            known[slot] = Lane(b.cast(word(b, args, HEADER + i), "double"), dt.float64)
        elif name == "float":
            known[slot] = Lane(word(b, args, HEADER + i, "double"), dt.float64)
        else:
            value = b.load(MEMORY[name], word(b, args, HEADER + i, "ptr"))
            known[slot] = Lane(b.cast(value, "double"), dt.float64)
    words = Words(b, None, 1)
    table = word(b, args, 2, "ptr")
    with b.loop(0, number_of_sets, unroll=False) as number:
        place = b.element(args, number * (2 * kinds) + (HEADER + len(option_names)), "i64")
        for i, (slot, name) in enumerate(zip(state_in, state_names)):
            value = b.load(MEMORY[name], word(b, place, i, "ptr"))
            known[slot] = Lane(b.cast(value, "double"), dt.float64)
        for name, operands, result in code:
            given = [known[slot] for slot in operands]
            if name == "pow":
                known[result] = Lane(b.intrinsic("pow", "double", *[g.value for g in given]),
                                     dt.float64)
            else:
                known[result] = getattr(words, name)(*given)
        for i, slot in enumerate(used):
            lane = words.cast(known[slot], dt.float64)
            b.store(lane.value, b.element(table, number * max(1, len(used)) + i, "double"))
        for i, (slot, name) in enumerate(zip(state_out, state_names)):
            value = b.cast(known[slot].value, MEMORY[name])
            b.store(value, word(b, place, kinds + i, "ptr"))


def truth_slots(form) -> set:
    """Which slots hold the results of comparisons."""
    found = set()
    for name, operands, result in form[0]:
        if name in ("gt", "lt", "eq") or (name == "select" and operands[1] in found):
            found.add(result)
    return found


def emit_arrays(b, target, form, names, begin, end, records):
    """The array instructions, over the part of each parameter that lies in tasks begin..end-1."""
    _, code, (p_slot, g_slot, states, outs, _, _, _, used, _) = form
    args = b.args[0]
    width = len(names) - 1
    compute = DTYPES[names[0]] if not DTYPES[names[0]].half else dt.float32
    truths = truth_slots(form)
    record_words = 3 + 2 * width
    lanes = target.lanes(compute.itemsize)
    masked = target.triple.startswith("x86") and (
        target.vector_bits == 512 or all(DTYPES[n].itemsize >= 4 for n in names))
    chunk = word(b, args, 1)
    low, high = begin * chunk, end * chunk
    with b.loop(0, word(b, args, 0), unroll=False) as number:
        place = b.element(records, number * record_words, "i64")
        start = word(b, place, 0)
        first = b.maximum(low - start, 0)
        last = b.minimum(high, word(b, place, record_words)) - start
        with b.when(first < last):
            row = b.element(word(b, args, 2, "ptr"), word(b, place, 1), "i8")
            numbers = {}
            for i, slot in enumerate(used):
                value = Lane(b.load("double", b.element(row, i, "double")), dt.float64)
                kind = dt.bool_ if slot in truths else compute
                numbers[slot] = Words(b, target, 1).cast(value, kind)
            pointers = [word(b, place, 2 + i, "ptr") for i in range(2 * width + 1)]

            def body(index, count, mask=None):
                words = Words(b, target, count)
                values = {slot: words.widen(lane) for slot, lane in numbers.items()}
                for slot, name, pointer in zip((p_slot, *states, g_slot), names, pointers):
                    kind = vector(MEMORY[name], count)
                    source = b.element(pointer, index, MEMORY[name])
                    loaded = b.load(kind, source) if mask is None else \
                        b.masked_load(kind, source, mask)
                    values[slot] = words.cast(from_memory(b, name, loaded), compute)
                for name, operands, result in code:
                    given = [values[slot] for slot in operands]
                    values[result] = given[0] if name == "copy" else \
                        getattr(words, name)(*given)
                for slot, name, pointer in zip(outs, names, pointers[width + 1:]):
                    stored = to_memory(b, words.cast(values[slot], DTYPES[name]))
                    goal = b.element(pointer, index, MEMORY[name])
                    if mask is None:
                        b.store(stored, goal)
                    else:
                        b.masked_store(stored, goal, mask)

            whole = last - (last - first) % lanes
            with b.loop(first, whole, lanes, unroll=False) as index:
                body(index, lanes)
            if masked:
                with b.when(whole < last):
                    rest = b.splat(b.cast(last - whole, "i32"), lanes)
                    body(whole, lanes, b.iota("i32", lanes) < rest)
            else:
                with b.loop(whole, last, unroll=False) as index:
                    body(index, 1)
