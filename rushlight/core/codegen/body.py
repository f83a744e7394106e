"""Pointwise arithmetic as data: what fused kernels compute for each element.

A `Body` is a straight line of instructions over inputs. It is part of a kernel's parameters, so it
is hashable, and its repr says everything: ops by name, dtypes by name.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from ..base.dtypes import DTYPES
from ..base.dtypes import dtype as Dtype
from ..base.shapes import Meta
from ..ops.record import REGISTRY
from .emit import Builder, Module, Value
from .llvm_types import element_type, lanes_of, vector
from .words import Lane, Unsupported, Words, round_half

# What a fused kernel may contain: (op name, operand numbers, compute dtype, result dtype). Operands
# 0 .. len(inputs)-1 are the inputs, then the instructions in order. `cast` stands for conversions.
CAST = "cast"


class Body(NamedTuple):
    """`inputs`: a dtype's name, or "int"/"float"/"bool" for a Python number known at run time."""

    inputs: tuple
    code: tuple
    outputs: tuple       # operand numbers

    def output_dtypes(self) -> tuple:
        """The dtype's name of each output."""
        return tuple(self.inputs[o] if o < len(self.inputs)
                     else self.code[o - len(self.inputs)][3] for o in self.outputs)


NUMBER_TYPES = {"int": "int64", "float": "float64", "bool": "int64"}

MEMORY = {"bool": "i8", "uint8": "i8", "int8": "i8", "int16": "i16", "uint16": "i16",
          "int32": "i32", "uint32": "i32", "int64": "i64", "uint64": "i64",
          "float16": "half", "bfloat16": "bfloat", "float32": "float", "float64": "double"}


def memory_type(dtype_name: str) -> str:
    """LLVM's type of an element in memory; KeyError for a complex dtype."""
    return MEMORY[dtype_name]


def load_lanes(b: Builder, dtype_name: str, pointer: Value, lanes: int) -> Lane:
    """`lanes` elements from consecutive memory as a Lane of that dtype."""
    return from_memory(b, dtype_name, b.load(vector(MEMORY[dtype_name], lanes), pointer))


def from_memory(b: Builder, dtype_name: str, value: Value) -> Lane:
    """A loaded value as a Lane: bool becomes i1, 16-bit floats become float."""
    if dtype_name == "bool":
        value = b.compare("ne", value, 0)
    elif dtype_name in ("float16", "bfloat16"):
        value = b.cast(value, vector("float", lanes_of(value.type)))
    return Lane(value, DTYPES[dtype_name])


def to_memory(b: Builder, lane: Lane, exact=False) -> Value:
    """A Lane as it is stored; `exact`: a 16-bit float is rounded already."""
    kind = vector(MEMORY[lane.dtype.name], lanes_of(lane.value.type))
    if lane.dtype.name == "bool":
        return b.cast(lane.value, kind)
    if exact and lane.dtype.name == "bfloat16":
        lanes = lanes_of(lane.value.type)
        high = b.logical_shift_right(b.bitcast(lane.value, vector("i32", lanes)), 16)
        return b.bitcast(b.cast(high, vector("i16", lanes)), kind)
    if lane.dtype.half:
        return round_half(b, lane.value, lane.dtype)
    return lane.value


def store_lanes(b: Builder, lane: Lane, pointer: Value) -> None:
    """Write a Lane to consecutive memory."""
    b.store(to_memory(b, lane), pointer)


def emit_body(b: Builder, target, body: Body, inputs: list) -> list:
    """Write the instructions. `inputs`: a Lane each (a number as a Lane of one lane).

    Returns a Lane for each output, of the output's dtype.
    """
    lanes = max((lanes_of(lane.value.type) for lane in inputs), default=1)
    words = Words(b, target, lanes)
    values = list(inputs)
    for name, operands, compute, result in body.code:
        kind = DTYPES[compute]
        arguments = [values[o] for o in operands]
        if name == CAST:
            found = words.cast(words.widen(arguments[0]), DTYPES[result])
        else:
            op = REGISTRY[name]
            if op.promotion == "bool":
                given = [words.widen(a) for a in arguments]
            else:
                given = [_operand(words, a, kind) for a in arguments]
            found = words.cast(words.lane(op.body(words, *given), kind), DTYPES[result])
        if found.dtype.half and name != CAST:     # each op rounds its result, as in the interpreter
            rounded = round_half(b, found.value, found.dtype)
            found = Lane(b.cast(rounded, found.value.type), found.dtype)
        values.append(found)
    return [values[o] for o in body.outputs]


def _operand(words: Words, lane: Lane, kind: Dtype) -> Lane:
    """An operand in the dtype that an op computes in; 16-bit floats are computed in float32."""
    lane = words.widen(lane)
    if kind.half and lane.dtype is not kind:
        return Lane(words.cast(lane, DTYPES["float32"]).value, kind)
    return words.cast(lane, kind)


@functools.lru_cache(maxsize=4096)
def supported(name: str, compute: str, result: str, arity: int) -> bool:
    """Whether an op's body can be written for these dtypes (found by writing it once)."""
    if compute not in MEMORY or result not in MEMORY or REGISTRY[name].body is None \
            or REGISTRY[name].facts.get("checks"):      # checks raise errors: not in a kernel
        return False
    from .target import aarch64
    b = Module().function("trial", "void", [])
    inputs = [from_memory(b, compute, b.constant(MEMORY[compute], 1)) if compute[:2] not in
              ("fl", "bf") else Lane(b.constant(element_type(Words.compute_type(DTYPES[compute])),
                                                1.0), DTYPES[compute]) for _ in range(arity)]
    body = Body((compute,) * arity, ((name, tuple(range(arity)), compute, result),), (arity,))
    try:
        emit_body(b, aarch64(), body, inputs)
    except Unsupported:
        return False
    return True


def number_name(kind: type) -> str:
    """How a Body names a run-time Python number of this type."""
    return kind.__name__


def input_name(operand) -> str:
    """How a Body names an input: an Operand's dtype, or a Number's type."""
    meta = getattr(operand, "meta", None)
    return meta.dtype.name if isinstance(meta, Meta) else operand.kind.__name__


def load_number(b: Builder, name: str, pointer: Value) -> Lane:
    """A run-time number from its argument word."""
    kind = NUMBER_TYPES[name]
    lane = from_memory(b, kind, b.load(MEMORY[kind], pointer))
    if name == "bool":
        return Lane(b.compare("ne", lane.value, 0), DTYPES["bool"])
    return lane
