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


def multi_tensor_step(program: StepProgram, params, grads, states, options, owner=None) -> None:
    """Update parameters and their state in place, by `program`.

    states: for each parameter, a dict with the tensors that `program` names. options: {name:
    number or tensor of one element}. owner: (optimizer, group), where `options` are read again
    when the step is replayed by `rushlight.compile`. Autograd records nothing: call it under
    `no_grad`.
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
    metas = tuple([value.meta for value in values])
    for grad in grads:
        value = grad._storage.value
        values.append(value if value.meta is grad._meta else value_of(grad))
    sets, scalars, scalar_targets = _scalar_sets(scalar_state, states)
    values += scalars
    for name in program.option_names:
        option = options[name]
        values.append(value_of(option) if isinstance(option, TENSOR[0]) else option)

    key = (program, metas, tuple([value.meta for value in scalars]), sets)
    known = _KNOWN.get(key)
    if known is None:
        if len(_KNOWN) > 256:
            _KNOWN.clear()
        made = output_metas(program, metas, key[2])
        known = _KNOWN[key] = ((program, sets), made, sum([m.weight for m in made]))
    op_params, weight = known[0], known[2]
    out_metas: Any = known[1]
    step = Value(STEP, tuple(values), op_params, out_metas)
    del values
    state = STATE.own
    trace = state.trace
    trace.append(step)
    if state.capture is not None:
        state.capture.steps.append((step, program, owner, options))
    line = user_line()
    inputs: Any = (step,)
    item: Any = None
    for number, (tensor, m) in enumerate(zip(targets, out_metas)):
        item = new(Value)
        item.op, item.inputs, item.params, item.meta = ITEM, inputs, (number,), m
        item.array = None
        trace.append(item)
        storage = tensor._storage
        if storage.value.meta is m and storage.exposed is None and tensor._vc is None:
            storage.value = item        # `write`, for a tensor that owns its whole storage
            storage.version += 1
            storage.writer = line
        else:
            write(tensor, item)
    for number, followers in enumerate(scalar_targets, len(targets)):
        item = Value(ITEM, inputs, (number,), out_metas[number])
        trace.append(item)
        for tensor in followers:
            write(tensor, item)
    state.weight += weight
    # What this frame holds would count as needed by somebody.
    del step, scalars, item, inputs
    flush_at_boundary("an optimizer's step")


_KNOWN: dict = {}      # (program, metas, scalars' metas, sets): what is the same at every step


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
