"""Runs one op through its native lowering and through the interpreter, on the same arrays."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from rushlight.core.base import dtypes as dt
from rushlight.core.base.shapes import Meta, meta
from rushlight.core.codegen import library
from rushlight.core.codegen.lowering import Lowering, Number, Operand, rule_of
from rushlight.core.interpreter.lower import lower
from rushlight.core.ops.record import REGISTRY

KERNEL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Refused(Exception):
    """The kernel returned non-zero."""


def meta_of(array: np.ndarray) -> Meta:
    """The meta of an array (its strides in elements, offset 0)."""
    strides = tuple(s // array.itemsize for s in array.strides)
    return meta(dt.from_numpy_dtype(array.dtype), array.shape, strides)


def run_kernel(generator: str, parameters: tuple, words: list, tasks: int, order=None) -> None:
    """Run tasks one by one in a shuffled order; `words`: addresses (arrays), ints and floats."""
    code = library.kernel(generator, parameters)
    block = np.zeros(max(len(words), 1), np.int64)
    for i, word in enumerate(words):
        if isinstance(word, np.ndarray):
            block[i] = word.__array_interface__["data"][0]
        elif isinstance(word, float):
            block[i: i + 1].view(np.float64)[0] = word
        else:
            block[i] = word
    function = KERNEL(code.address)
    tasks_in_order = order if order is not None else np.random.default_rng(0).permutation(tasks)
    for task in tasks_in_order:
        if function(block.ctypes.data, int(task), int(task) + 1):
            raise Refused(generator)


def out_metas(op, operands, params) -> tuple:
    """The metas of an op's outputs."""
    if op.family == "pointwise":
        from rushlight.core.ops.types import pointwise_rule
        found = pointwise_rule(op, [o for o in operands if o is not None])
    elif op.variadic:
        found = op.rule(tuple(operands), *params)
    else:
        found = op.rule(*operands, *params)
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)


def native(name: str, inputs: list, params: tuple = (), donate: bool = False,
           outs: Any = None, prologue: Any = None) -> list[np.ndarray]:
    """The outputs of an op's native lowering on arrays (any strides), numbers and None.

    outs: the outputs' metas, for an op without a type rule. prologue: (body, arrays and numbers)
    that compute the op's first input, of which only the layout then counts.

    Raises LookupError where the op has no lowering for these inputs, `Refused` where a kernel
    refuses them. With `donate`, donated inputs are copied and updated in place.
    """
    op = REGISTRY[name]
    rule = rule_of(name)
    if rule is None:
        raise LookupError(name)
    operands: list[Any] = []
    slots: dict[int, Any] = {}
    metas: list[Any] = []
    for item in inputs:
        if item is None:
            operands.append(None)
            metas.append(None)
        elif isinstance(item, np.ndarray):
            slots[len(slots)] = item
            operands.append(Operand(len(slots) - 1, meta_of(item)))
            metas.append(operands[-1].meta)
        else:
            slots[len(slots)] = item
            operands.append(Number(len(slots) - 1, type(item)))
            metas.append(type(item))
    outputs = []
    results: list[Any] = []
    donated = op.donates(params) if callable(op.donates) else op.donates
    for i, m in enumerate(outs or out_metas(op, metas, params)):
        if m is None:
            outputs.append(None)
            results.append(None)
            continue
        if m.contiguous:
            array = np.full(m.shape, 77, m.np)
        else:
            order = sorted(range(len(m.shape)), key=lambda a: -m.strides[a])
            array = np.full([m.shape[a] for a in order], 77, m.np).transpose(np.argsort(order))
        if donate and rule.donates and donated and i < len(donated) and \
                meta_of(inputs[donated[i]]) is m:
            array = inputs[donated[i]].copy(order="K")
            position = donated[i]
            slots[operands[position].slot] = array
        slots[len(slots)] = array
        outputs.append(Operand(len(slots) - 1, m))
        results.append(array)
    counter = [1000]

    def new_slot():
        counter[0] += 1
        return counter[0]

    low = Lowering(op, tuple(operands), tuple(outputs), params, new_slot)
    if prologue is not None:
        low.prologue = prologue[0]
        given: list[Any] = []
        for item in prologue[1]:
            slots[-2 - len(given)] = item
            given.append(Number(-2 - len(given), type(item)) if not isinstance(item, np.ndarray)
                         else Operand(-2 - len(given), meta_of(item)))
        low.prologue_inputs = tuple(given)
    if rule.function(low) is False:
        raise LookupError(name)
    for slot, nbytes in low.temporaries.items():
        memory = np.full(nbytes + 64, 255, np.uint8)
        start = -memory.__array_interface__["data"][0] % 64
        slots[slot] = memory[start: start + nbytes]
    for step in low.steps:
        words: list[Any] = []
        for slot, extra in step.arguments:
            if slot == -1:
                words.append(extra)
            elif isinstance(slots[slot], np.ndarray):
                words.append(slots[slot].__array_interface__["data"][0] + extra)
            else:
                words.append(slots[slot])
        run_kernel(step.generator, step.parameters, words, step.tasks)
    return results


def interpreted(name: str, inputs: list, params: tuple = (), outs: Any = None) -> list[np.ndarray]:
    """The same through the interpreter."""
    op = REGISTRY[name]
    metas = [meta_of(i) if isinstance(i, np.ndarray) else None if i is None else type(i)
             for i in inputs]
    outs = outs or out_metas(op, metas, params)
    result = outs if op.multi or len(outs) > 1 else outs[0]
    donated = op.donates(params) if callable(op.donates) else op.donates
    keywords = {"owned": (False,) * len(donated)} if donated else {}
    with np.errstate(all="ignore"):
        found = lower(op, metas, params, result)(*inputs, **keywords)
    return list(found) if isinstance(found, tuple) else [found]
