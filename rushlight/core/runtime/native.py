"""A compiled plan: its kernels' addresses, its table of memory, and how it runs.

The contract is the interpreter plan's: ``run(leaves, scalars, seconds, values)`` gives the arrays
of the live outputs. Runs happen under the runtime's lock, so all plans share one arena.

Note [table]: arguments of kernels come from a table of 64-bit words: the addresses of the leaves,
of the outputs and of what host steps made, the run's numbers, the arena's address, and a zero (to
which constants are added). A run fills it, and one native call does the rest up to the next host
step.

Note [packed once]: kernels read weights in an order of their own, and writing a large network's
weights in that order takes as long as reading them several times. Where a leaf was the same value
in two runs before the plan was compiled, the packed form is kept in the value's `forms`, of which
there are at most `FORMS`: it is shared by all plans that need it, goes when the value does, and is
made again when the weights are other values.
"""

from __future__ import annotations

import functools
import os
import struct
from sys import getrefcount
from time import perf_counter
from typing import Any

import numpy as np

from ..base import aligned
from ..codegen.graph import Array, Record, Runtime
from ..codegen.library import kernel
from ..codegen.lowering import Kept
from ..codegen.planning import NUMBER, TEMPORARY, Blueprint, Stage
from ..codegen.pool import pool, step_words
from ..interpreter.lower import lower
from ..interpreter.plan import EXCLUSIVE, StepFailed
from ..ops.core_views import as_strided_array

FORMS = 2
LONG = 2 ** 14          # bytes of an output from which it is allocated at a cache line
LARGE = 2 ** 24         # bytes of a plan's arena from which its interpreted runs filled the heap


def _return_memory() -> None:
    """Give the system what interpreted runs have freed and the C library keeps (glibc)."""
    import ctypes
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(ctypes.c_size_t(0))


class Arena:
    """Memory for what lives only within a run; grows to what the largest plan needs."""

    def __init__(self):
        self.block = np.empty(0, np.uint8)
        self.address = 0
        self.size = 0

    def reserve(self, nbytes: int) -> None:
        """Have at least this many bytes, aligned to a page."""
        if nbytes > self.size:
            self.block = np.empty(0, np.uint8)
            self.block, self.address = aligned.block(nbytes, 4096)
            self.size = nbytes

    def view(self, offset: int, m) -> np.ndarray:
        """An array over arena memory."""
        begin = self.address - self.block.__array_interface__["data"][0] + offset
        return as_strided_array(self.block[begin: begin + m.nbytes].view(m.np).reshape(-1), m)

    def holds(self, array: np.ndarray) -> bool:
        """Whether an array's memory is the arena's."""
        return np.may_share_memory(array, self.block)


ARENA = Arena()


@functools.cache
def _list_layout():
    """(offset of a list's items, offset of an array's data) in CPython, found by looking."""
    import ctypes
    array = np.zeros(1)
    data = array.__array_interface__["data"][0]
    probe = [array]
    words = ctypes.sizeof(ctypes.c_void_p)

    def word(address):
        return ctypes.c_void_p.from_address(address).value

    for data_at in range(words, 8 * words, words):
        if word(id(array) + data_at) == data:
            break
    else:
        return None
    # An empty slot of a list object is never an address that may be read: only ob_size and the
    # header stand before the items.
    header = object.__basicsize__
    items_at = header + words
    items = word(id(probe) + items_at)
    if items is None or probe.__sizeof__() < items_at or word(items) != id(array):
        return None
    return items_at, data_at


class NativePlan:
    """See the module's text. `names` are the stages', for reports."""

    tier = "native"

    def __init__(self, blueprint: Blueprint, interpreter):
        graph = blueprint.graph
        self.interpreter = interpreter
        self.blueprint = blueprint
        self.runs = 0
        leaves, outputs = len(graph.leaves), len(blueprint.output_metas)
        hosts = sorted(k for k, p in blueprint.places.items() if p.kind == "host")
        self.host_slot = {k: leaves + outputs + i for i, k in enumerate(hosts)}
        self.number_slot = leaves + outputs + len(hosts)
        self.arena_slot = self.number_slot + len(graph.numbers)
        self.zero_slot = self.arena_slot + 1
        self.kept_slot = {k.slot: self.zero_slot + 1 + i for i, k in enumerate(blueprint.kept)}
        self.table = np.zeros(self.zero_slot + 1 + len(blueprint.kept), np.int64)
        self.numbers = "=" + "".join("d" if k is float else "q" for k in graph.numbers)
        claims = {output: leaf for leaf, output in blueprint.claims}
        self.created: list = []
        for i, m in enumerate(blueprint.output_metas):
            order = None if m.contiguous else tuple(
                sorted(range(len(m.shape)), key=lambda a: -m.strides[a]))  # noqa: B023
            shape = tuple(m.shape) if order is None else tuple(m.shape[a] for a in order)
            axes = None if order is None else tuple(np.argsort(order))
            empty = aligned.empty if m.nbytes >= LONG else np.empty
            self.created.append((claims.get(i, -1), shape, m.np, axes, empty))
        self.first_output = leaves
        self.codes: list = []
        self._assemble()
        self.arena_bytes = blueprint.arena_bytes
        self.results = [self._result(a) for a in graph.outputs]
        count = leaves + outputs
        self.whole_outputs = [slot for slot, _ in self.results] if \
            all([m is None and slot < count for slot, m in self.results]) else None
        self.names = [self._name(s) for s in blueprint.stages]

    # building
    def _place(self, buffer: int) -> tuple[int, int]:
        """(slot, offset) of a buffer's first byte."""
        place = self.blueprint.places[buffer]
        if place.kind == "leaf":
            return place.index, 0
        if place.kind == "output":
            return self.first_output + place.index, 0
        if place.kind == "host":
            return self.host_slot[buffer], 0
        return self.arena_slot, place.index

    def _word(self, slot: int, add: int) -> tuple[int, int]:
        if slot == -1:
            return self.zero_slot, add
        if slot >= NUMBER:
            return self.number_slot + slot - NUMBER, add
        if slot in self.kept_slot:
            return self.kept_slot[slot], add
        if slot >= TEMPORARY:
            return self.arena_slot, self.blueprint.temporary_offsets[slot] + add
        found, offset = self._place(slot)
        return found, offset + add

    def _assemble(self) -> None:
        """Segments: [stages, program, first step of each stage]; a host stage stands alone."""
        self.segments: list = []
        words: list[int] = []
        starts: list[tuple] = []
        longest = 1
        steps = 0

        def close():
            nonlocal words, starts, steps
            if starts:
                program = np.array(words, np.int64)
                self.segments.append((program, program.ctypes.data, steps, tuple(starts)))
            words, starts, steps = [], [], 0

        for number, stage in enumerate(self.blueprint.stages):
            if stage.steps is None:
                close()
                self.segments.append((None, number, self._host(stage.records[0]), stage))
                continue
            starts.append((number, steps, len(words)))
            for step in stage.steps:
                code = kernel(step.generator, step.parameters)
                self.codes.append(code)
                words += step_words(code, step.tasks,
                                    [self._word(slot, add) for slot, add in step.arguments])
                longest = max(longest, len(step.arguments))
                steps += 1
        close()
        self.kept = [self._packing(kept) for kept in self.blueprint.kept]
        self.scratch = np.zeros(max(longest, 2), np.int64)
        self.pointers = (self.table.ctypes.data, self.scratch.ctypes.data)
        # What `run_whole` reads, for a plan that is one call: see there.
        self.at_once = 0
        layout = _list_layout()
        if layout is not None and len(self.segments) == 1 and not self.kept:
            program, address, steps, _ = self.segments[0]
            if program is not None:
                self.whole = np.array([*layout, self.first_output + len(self.created), address,
                                       steps, *self.pointers], np.int64)
                self.at_once = self.whole.ctypes.data

    def _packing(self, kept: Kept):
        """(leaf, key of the form, bytes, table slot, program) of what is packed once."""
        step, slot = kept.step, self.kept_slot[kept.slot]
        code = kernel(step.generator, step.parameters)
        words = step_words(code, step.tasks, [(kept.leaf, kept.offset), (slot, 0)])
        return kept.leaf, (code, kept.offset), kept.nbytes, slot, np.array(words, np.int64)

    def _pack(self, pooled, values) -> list:
        """Have what is packed once at hand: the arrays, to be held during the run."""
        held = []
        for leaf, key, nbytes, slot, program in self.kept:
            value = values[leaf] if values else None
            forms = getattr(value, "forms", None) or {}
            found = forms.get(key)
            if found is None:
                found = aligned.block(nbytes)
            self.table[slot] = found[1]
            if key not in forms:
                pooled.run(program.ctypes.data, 0, 1, *self.pointers, 0)
                if value is not None:
                    while len(forms) >= FORMS:
                        del forms[next(iter(forms))]
                    forms[key] = found
                    value.forms = forms
            held.append(found)
        return held

    def _name(self, stage: Stage) -> str:
        names = "+".join(r.op.name for r in stage.records)
        return names if stage.steps is not None else f"{names} (interpreted)"

    def _host(self, record: Record):
        """The interpreter's function of a record; it may overwrite none of its inputs."""
        operands = [i.meta if isinstance(i, Array) else i.kind if isinstance(i, Runtime) else None
                    for i in record.inputs]
        metas = tuple(None if o is None else o.meta for o in record.outputs)
        function = lower(record.op, operands, record.params,
                         metas if record.op.multi or len(metas) > 1 else metas[0])
        donates = record.op.donates
        if donates is None:
            return function
        places = donates(record.params) if callable(donates) else donates
        return functools.partial(function, owned=(False,) * len(places))

    def _result(self, array: Array):
        place = self.blueprint.places[array.buffer]
        slot = self._place(array.buffer)[0]
        own = self.blueprint.graph.buffers[array.buffer].meta
        if place.kind == "output" and own is not self.blueprint.output_metas[place.index]:
            return slot, array.meta
        return slot, None if array.meta is own else array.meta

    def groups(self, part) -> list:
        """(name, positions of its records) of each stage, as `run` times them."""
        return [(name, tuple(record.index for record in stage.records))
                for name, stage in zip(self.names, self.blueprint.stages)]

    # running
    def run(self, leaves, scalars, seconds=None, values=()) -> list:
        """The arrays of the live outputs. Takes the leaves' arrays out of the list."""
        table, pooled = self.table, pool()
        if self.numbers != "=":
            try:
                struct.pack_into(self.numbers, table.data, 8 * self.number_slot,
                                 *scalars[:len(self.numbers) - 1])
            except struct.error:      # an integer of more than 64 bits
                return self.interpreter.run(leaves, scalars, seconds)
        arrays = leaves[:]
        leaves.clear()
        for claim, shape, kind, axes, empty in self.created:
            if claim >= 0:
                made = arrays[claim]
                if getrefcount(made) > EXCLUSIVE or made.base is not None or \
                        not made.flags.writeable:
                    made = made.copy(order="K")
            else:
                made = empty(shape, kind)
                if axes is not None:
                    made = made.transpose(axes)
            arrays.append(made)
        made = None
        if self.arena_bytes:
            if not self.runs and self.arena_bytes > LARGE:
                _return_memory()
            ARENA.reserve(self.arena_bytes)
            table[self.arena_slot] = ARENA.address
        hosts: dict = {}
        if self.at_once and seconds is None:
            failed = pooled.run_whole(self.at_once, id(arrays))
            while failed >= 0:
                failed = self._refused(self.segments[0], failed, arrays, hosts, scalars, pooled)
        else:
            self._run_segments(pooled, arrays, hosts, scalars, seconds, values)
        self.runs += 1
        if self.whole_outputs is not None:
            return [arrays[slot] for slot in self.whole_outputs]
        count = len(arrays)
        return [arrays[slot] if m is None and slot < count else
                self._output(slot, m, arrays, hosts) for slot, m in self.results]

    def _run_segments(self, pooled, arrays, hosts, scalars, seconds, values) -> None:
        """Native steps up to the next host step, and so on; with times where they are wanted."""
        self._addresses(pooled, arrays)
        held = self._pack(pooled, values) if self.kept else None
        for segment in self.segments:
            program, address, steps, starts = segment
            if program is None:
                if seconds is not None:
                    seconds.append(perf_counter())
                self._run_host(address, steps, starts, arrays, hosts, scalars)
                continue
            times = np.zeros(steps + 1, np.int64) if seconds is not None else None
            failed = pooled.run(address, 0, steps, *self.pointers,
                                0 if times is None else times.ctypes.data)
            while failed >= 0:
                failed = self._refused(segment, failed, arrays, hosts, scalars, pooled)
            if times is not None and seconds is not None:
                seconds += [times[first] * 1e-9 for _, first, _ in starts]
        del held          # nothing reads the packed weights any more

    def _addresses(self, pooled, arrays) -> None:
        """Write the arrays' addresses to the front of the table."""
        layout = _list_layout()
        if layout is not None:
            pooled.addresses(id(arrays), *layout, len(arrays), self.pointers[0])
            return
        self.table[:len(arrays)] = [a.__array_interface__["data"][0] for a in arrays]

    def _output(self, slot, m, arrays, hosts):
        array = arrays[slot] if slot < len(arrays) else hosts[slot]
        return array if m is None else as_strided_array(array, m)

    def _array(self, item: Array, arrays, hosts):
        """What an operand of a host step is: an array over the buffer, or a generator's state."""
        place = self.blueprint.places[item.buffer]
        own = self.blueprint.graph.buffers[item.buffer].meta
        if place.kind == "arena":
            whole = ARENA.view(place.index, own)
        else:
            slot = self._place(item.buffer)[0]
            whole = arrays[slot] if slot < len(arrays) else hosts[slot]
            if place.kind == "output" and \
                    own is not self.blueprint.output_metas[place.index]:
                whole = as_strided_array(whole, own)
        return whole if item.meta is own else as_strided_array(whole, item.meta)

    def _operands(self, record, arrays, hosts, scalars):
        return [self._array(i, arrays, hosts) if isinstance(i, Array)
                else scalars[i.number] if isinstance(i, Runtime) else None for i in record.inputs]

    def _run_host(self, number, function, stage, arrays, hosts, scalars) -> None:
        record = stage.records[0]
        try:
            with np.errstate(all="ignore"):
                operands = self._operands(record, arrays, hosts, scalars)
                found = function(*operands)
        except Exception as error:
            raise self._failure(number, record, error, arrays, hosts) from error
        for out, result in zip(record.outputs, found if type(found) is tuple else (found,)):
            if out is None or out.buffer not in self.host_slot:
                continue
            slot = self.host_slot[out.buffer]
            if isinstance(result, np.ndarray):
                # It may be a view of what it was given, which may be overwritten later.
                if result.base is not None or any(result is o for o in operands):
                    result = result.copy(order="K")
                self.table[slot] = result.__array_interface__["data"][0]
            hosts[slot] = result

    def _refused(self, segment, failed, arrays, hosts, scalars, pooled) -> int:
        """A kernel met an input that is the interpreter's to judge: it raises, or computes it."""
        _, address, steps, starts = segment
        place = max(i for i, (_, first, _) in enumerate(starts) if first <= failed)
        number = starts[place][0]
        stage = self.blueprint.stages[number]
        made: dict = {}
        for record in stage.records:
            try:
                with np.errstate(all="ignore"):
                    operands = []
                    for item in record.inputs:
                        if isinstance(item, Array) and item.buffer in made:
                            own = self.blueprint.graph.buffers[item.buffer].meta
                            array = made[item.buffer]
                            operands.append(array if item.meta is own else
                                            as_strided_array(array, item.meta))
                        elif isinstance(item, Array):
                            operands.append(self._array(item, arrays, hosts))
                        else:
                            operands.append(scalars[item.number] if isinstance(item, Runtime)
                                            else None)
                    found = self._host(record)(*operands)
            except Exception as error:
                raise self._failure(number, record, error, arrays, hosts) from error
            for out, result in zip(record.outputs, found if type(found) is tuple else (found,)):
                if out is not None:
                    made[out.buffer] = result
        for buffer in stage.wanted:
            own = self.blueprint.graph.buffers[buffer].meta
            self._array(Array(buffer, own), arrays, hosts)[...] = made[buffer]
        if place + 1 == len(starts):
            return -1
        _, first, word = starts[place + 1]
        return pooled.run(address + 8 * word, first, steps, *self.pointers, 0)

    def _failure(self, number, record, error, arrays, hosts) -> StepFailed:
        """The error with everything computed so far, as the interpreter reports it."""
        graph = self.blueprint.graph
        env: list[Any] = [None] * graph.count + list(arrays[:len(graph.leaves)])
        for index, array in graph.arrays.items():
            first, last = self.blueprint.intervals.get(array.buffer, (number, number))
            if graph.buffers[array.buffer].leaf is None and first < number <= last and \
                    array.buffer in self.blueprint.places:
                found = self._array(array, arrays, hosts)
                if isinstance(found, np.ndarray) and ARENA.holds(found):
                    found = found.copy(order="K")
                env[index] = found
        return StepFailed(record.index, error, env)
