"""Measured choices between kernels.

A lowering that could take several ways chooses by estimate. With RUSHLIGHT_TUNE=1 each way is
lowered and run on made-up data instead, and the fastest is remembered on disk, for this CPU, these
generators and this number of threads. What was remembered is used from then on, with or without
the knob. Best with RUSHLIGHT_JIT=sync, where nothing else runs meanwhile.
"""

from __future__ import annotations

import hashlib
from itertools import count
from time import perf_counter
from typing import Any

import numpy as np

from ..base import aligned
from ..base.knobs import cache_folder, number
from .library import fingerprint, kernel, read_checked, write_checked
from .lowering import Lowering, Number, Operand
from .pool import pool, processors, step_words

LONG = 0.3              # seconds after which a way has been measured enough
RUNS = 9
FILLED = 0x3f           # every byte of the made-up data: floats of about 0.75


def chosen(low: Lowering, question: tuple, ways: list, emit) -> Any:
    """Which of `ways` to take; they are ordered by estimate, the best first.

    question: what the speeds depend on, told by its repr. emit(low, way) appends a way's steps.
    """
    if len(ways) < 2:
        return ways[0]
    asked = f"{fingerprint()} {processors()} {question!r} {ways!r}"
    digest = hashlib.sha256(asked.encode()).hexdigest()
    path = cache_folder() / "tuned" / digest[:2] / digest[2:]
    found = read_checked(path)
    if found is not None:
        return ways[int(found)]
    if not number("RUSHLIGHT_TUNE"):
        return ways[0]
    seconds = [measure(low, lambda trial, way=way: emit(trial, way)) for way in ways]
    best = seconds.index(min(seconds))
    write_checked(path, str(best).encode())
    return ways[best]


def measure(low: Lowering, emit) -> float:
    """Seconds that the steps take which `emit` appends to a copy of an unfinished lowering."""
    slots = count(max([0, *(o.slot for o in _operands(low))]) + 1)
    trial = Lowering(low.op, low.inputs, low.outputs, low.params, lambda: next(slots),
                     low.epilogue, low.extras, low.result, low.others)
    trial.prologue, trial.prologue_inputs = low.prologue, low.prologue_inputs
    trial.absorbed, trial.steady = low.absorbed, low.steady
    emit(trial)
    needed: dict[int, int] = dict(trial.temporaries)
    numbers = {}
    for item in _operands(trial):
        if isinstance(item, Number):
            numbers[item.slot] = 1 if item.kind is not float else \
                int(np.float64(1).view(np.int64))
            continue
        m = item.meta
        span = m.offset + 1 + sum((n - 1) * s for n, s in zip(m.shape, m.strides))
        needed[item.slot] = max(needed.get(item.slot, 0), span * m.dtype.itemsize)
    needed.update((kept.slot, kept.nbytes) for kept in trial.kept)
    memory = [aligned.block(nbytes) for nbytes in needed.values()]
    for block, _ in memory:
        block[:] = FILLED
    place = {slot: i + 1 for i, slot in enumerate([*needed, *numbers])}
    table = np.zeros(len(place) + 1, np.int64)          # word 0: what constants are added to
    table[1:] = [*(address for _, address in memory), *numbers.values()]
    leaf_slot = {leaf: slot for slot, leaf in trial.steady.items()}
    once = [(kept.step, ((leaf_slot[kept.leaf], kept.offset), (kept.slot, 0)))
            for kept in trial.kept]
    _run(once, place, table)
    program = [(step, step.arguments) for step in trial.steps]
    best, began = float("inf"), perf_counter()
    for _ in range(RUNS):
        best = min(best, _run(program, place, table))
        if perf_counter() - began > LONG:
            break
    return best


def _operands(low: Lowering) -> list:
    everything = (*low.inputs, *low.outputs, *low.extras, *low.others, *low.prologue_inputs,
                  *(low.absorbed.inputs if low.absorbed else ()))
    return [item for item in everything if isinstance(item, (Operand, Number))]


def _run(program, place, table) -> float:
    """Run steps with their arguments; seconds."""
    words: list[int] = []
    held = []
    longest = 1
    for step, arguments in program:
        code = kernel(step.generator, step.parameters)
        held.append(code)
        words += step_words(code, step.tasks, [(place.get(s, 0), add) for s, add in arguments])
        longest = max(longest, len(arguments))
    flat, scratch = np.array(words, np.int64), np.zeros(longest, np.int64)
    began = perf_counter()
    pool().run(flat.ctypes.data, 0, len(program), table.ctypes.data, scratch.ctypes.data, 0)
    return perf_counter() - began
