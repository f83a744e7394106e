"""Optimizers' ops: all parameters of a group updated at once, and L-BFGS's direction.

One record a step: `program` (see `step_program`) says what happens to one parameter, and the
record's inputs are, for n parameters with k arrays of state each::

    p0 state0... p1 state1 ...      n * (1 + k) values, each replaced by an output
    g0 g1 ...                       n gradients
    scalar state                    step counts and the like, one set for each distinct value
    options                         learning rate and so on: Python numbers or 0-dim values

`sets` says for each parameter which set of scalar state is its own. Outputs: the replaced arrays
in order, then the sets.
"""

from __future__ import annotations

import numpy as np

from ..base.shapes import meta, with_dtype
from .record import Op, primitive
from .step_program import StepProgram

SMALL = 4096        # elements below which a parameter is updated together with others


def output_metas(program: StepProgram, metas, scalar_metas) -> tuple:
    """The metas of a step's outputs: a parameter's own, and its state in the same memory order."""
    arrays = 1 + len(program.array_state)
    made = []
    for start in range(0, len(metas), arrays):
        p = metas[start]
        if not p.dense:
            p = with_dtype(p, p.dtype)
        made.append(p)
        for state in metas[start + 1:start + arrays]:
            made.append(p if state.dtype is p.dtype else meta(state.dtype, p.shape, p.strides))
    return (*made, *scalar_metas)


def _flat(array, order):
    """An array's elements in the memory order of its parameter, as one dimension of reals."""
    if order is not None:
        array = array.transpose(order)
    flat = array.reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _run_step(*inputs, program, sets, owned=()):
    width = 1 + len(program.array_state)
    count = len(sets)
    grads = inputs[width * count:(width + 1) * count]
    rest = inputs[(width + 1) * count:]
    kinds = len(program.scalar_state)
    first_option = len(rest) - len(program.option_names)
    options = [option.item() if isinstance(option, np.ndarray) else float(option)
               for option in rest[first_option:]]
    numbers, scalars_out = [], []
    for start in range(0, first_option, kinds) if kinds else (0,):
        old = rest[start:start + kinds]
        found, new = program.scalars(options, [float(array) for array in old])
        numbers.append(found)
        scalars_out += [np.asarray(value, array.dtype) for value, array in zip(new, old)]
    outputs: list = [None] * (width * count)
    alone, together = [], {}
    for i in range(count):
        arrays = inputs[i * width:(i + 1) * width]
        if arrays[0].size <= SMALL and all(
                [a.flags.c_contiguous for a in arrays]) and grads[i].flags.c_contiguous:
            kind = (sets[i], *[a.dtype for a in arrays])
            together.setdefault(kind, []).append(i)
        else:
            alone.append(i)
    for group in together.values():
        if len(group) == 1:
            alone += group
        else:
            _step_together(program, numbers[sets[group[0]]], grads, inputs, group, owned, outputs)
    for i in alone:
        place = slice(i * width, (i + 1) * width)
        outputs[place] = _step_one(program, numbers[sets[i]], grads[i], inputs[place],
                                   owned[place])
    return (*outputs, *scalars_out)


def _compute_type(dtype):
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


def _step_together(program, numbers, grads, inputs, group, owned, outputs):
    """Small parameters end to end as one: a word of the rule costs one call for all of them."""
    width = 1 + len(program.array_state)
    joined = [np.concatenate([_flat(inputs[i * width + k], None) for i in group])
              for k in range(width)]
    gradient = np.concatenate([_flat(grads[i], None) for i in group])
    program.run(numbers, gradient, joined, joined, _compute_type(joined[0].dtype))
    for k, values in enumerate(joined):
        start = 0
        for i in group:
            array = inputs[i * width + k]
            own = owned[i * width + k] and array.flags.writeable
            result = array if own else np.empty_like(array)
            flat = _flat(result, None)
            flat[:] = values[start:start + flat.size]
            start += flat.size
            outputs[i * width + k] = result


def _step_one(program, numbers, gradient, arrays, owned):
    p = arrays[0]
    order = None
    if not p.flags.c_contiguous:
        order = sorted(range(p.ndim), key=lambda axis: -p.strides[axis])
    results = []
    for array, own in zip(arrays, owned):
        # In place where nobody else reads the old value and it lies as the parameter does.
        if own and array.flags.writeable and (array is p or array.strides == p.strides):
            results.append(array)
        else:
            results.append(np.empty_like(p, dtype=array.dtype))
    sources = [_flat(array, order) for array in arrays]
    targets = [source if result is array else _flat(result, order)
               for source, result, array in zip(sources, results, arrays)]
    program.run(numbers, _flat(gradient, order), sources, targets,
                _compute_type(sources[0].dtype))
    return results


def _replaced(params):
    program, sets = params
    return tuple(range(len(sets) * (1 + len(program.array_state))))


STEP = Op("optimizer_step", "optimizer", "*tensors",
          numpy=lambda *inputs, owned: _run_step(*inputs[:-2], program=inputs[-2],
                                                 sets=inputs[-1], owned=owned),
          params=("program", "sets"), upcast=False, donates=_replaced)


def _quasi_newton(gradient, scale, *history):
    """-H g by the two-loop recursion; `history`: n changes of the gradient, n steps, n 1/(y.s)."""
    count = len(history) // 3
    changes, steps, ro = history[:count], history[count:2 * count], history[2 * count:]
    alphas = [None] * count
    q = -gradient
    for i in range(count - 1, -1, -1):
        alphas[i] = steps[i].dot(q) * ro[i]
        q -= changes[i] * alphas[i]
    q *= scale
    for i in range(count):
        q += steps[i] * (alphas[i] - changes[i].dot(q) * ro[i])
    return q


quasi_newton_direction = primitive(
    "quasi_newton_direction", "host", "*tensors", lambda metas: metas[0], _quasi_newton)
