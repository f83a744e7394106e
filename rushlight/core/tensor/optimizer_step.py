"""Taking an optimizer's step: one record for all parameters of a group."""

from __future__ import annotations

from typing import Any

from ..base.errors import user_line
from ..ops.core_views import ITEM
from ..ops.optimizer_steps import STEP, output_metas
from ..ops.step_program import StepProgram
from ..runtime.realize import flush_at_boundary
from ..trace.value import STATE, Value
from .dispatch import TENSOR, new, value_of, write


def multi_tensor_step(program: StepProgram, params, grads, states, options) -> None:
    """Update parameters and their state in place, by `program`.

    states: for each parameter, a dict with the tensors that `program` names. options: {name:
    number or tensor of one element}. Autograd records nothing: call it under `no_grad`.
    """
    targets, values = [], []
    array_state, scalar_state = program.array_state, program.scalar_state
    for p, state in zip(params, states):
        targets.append(p)
        for name in array_state:
            targets.append(state[name])
    for tensor in targets:
        value = tensor._storage.value
        values.append(value if value.meta is tensor._meta else value_of(tensor))
    metas = [value.meta for value in values]
    for grad in grads:
        value = grad._storage.value
        values.append(value if value.meta is grad._meta else value_of(grad))
    sets, scalars, scalar_targets = _scalar_sets(scalar_state, states)
    values += scalars
    for name in program.option_names:
        option = options[name]
        values.append(value_of(option) if isinstance(option, TENSOR[0]) else option)

    out_metas: Any = output_metas(program, metas, [value.meta for value in scalars])
    step = Value(STEP, tuple(values), (program, sets), out_metas)
    del values
    trace = STATE.own.trace
    trace.append(step)
    line = user_line()
    for number, (tensor, m) in enumerate(zip(targets, out_metas)):
        _replace(tensor, _item(step, number, m, trace), line)
    for number, followers in enumerate(scalar_targets, len(targets)):
        item = _item(step, number, out_metas[number], trace)
        for tensor in followers:
            _replace(tensor, item, line)
        del item
    del step, scalars       # what this frame holds would count as needed by somebody
    flush_at_boundary("an optimizer's step")


def _scalar_sets(names, states):
    """Which parameters have equal scalar state, so that it is computed once.

    Returns (for each parameter the number of its set, the sets' values, and for each of those
    values the tensors that hold it). Parameters of one group nearly always form one set, whose
    tensors then share one value.
    """
    if not names:
        return (0,) * len(states), [], []
    known: dict = {}
    sets, values, followers = [], [], []
    for state in states:
        tensors = [state[name] for name in names]
        found = [value_of(tensor) for tensor in tensors]
        key = tuple([id(value) if value.array is None else (value.meta, value.array.item())
                     for value in found])
        number = known.get(key)
        if number is None:
            number = known[key] = len(known)
            values += found
            followers += [[] for _ in names]
        sets.append(number)
        for i, tensor in enumerate(tensors):
            followers[number * len(names) + i].append(tensor)
    return tuple(sets), values, followers


def _item(step, number, m, trace):
    value = new(Value)
    value.op, value.inputs, value.params, value.meta = ITEM, (step,), (number,), m
    value.array = None
    trace.append(value)
    STATE.own.weight += m.weight
    return value


def _replace(tensor, value, line):
    """`write`, with its short cut for a tensor that owns its whole storage."""
    storage = tensor._storage
    if storage.value.meta is value.meta and storage.exposed is None and tensor._vc is None:
        storage.value = value
        storage.version += 1
        storage.writer = line
    else:
        write(tensor, value)
