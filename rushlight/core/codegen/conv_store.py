"""What happens to a convolution's sums: bias, fused pointwise body, stores."""

from __future__ import annotations

from ..base.dtypes import DTYPES
from .body import emit_body, from_memory, load_number, memory_type, round_half, to_memory
from .conv_geometry import Correlation
from .conv_pack import as_bits, load_as, masked_load, masked_store
from .llvm_types import element_type, natural_alignment, suffix, vector
from .words import Lane

OUTPUTS = 4      # the argument word of the first output; the body's further inputs follow


def load_masked(b, kind, place, mask):
    """Where `mask` holds (None: everywhere)."""
    return b.load(kind, place) if mask is None else masked_load(b, kind, place, mask)


def store_masked(b, value, place, mask):
    """Where `mask` holds (None: everywhere)."""
    if mask is None:
        b.store(value, place)
    else:
        masked_store(b, value, place, mask)


class Results:
    """Writes vectors of neighbouring pixels of one result channel.

    `extras`: for each further input of `body` None (a number) or its strides (n, o, pixels);
    `outputs`: for each (dtype, strides n, o, d, h, w). Kernel arguments: word 2 the bias, words 4
    and on the outputs, then the further inputs.
    """

    def __init__(self, problem: Correlation, target, lanes, bias, body, extras, outputs):
        self.problem, self.target, self.lanes = problem, target, lanes
        self.bias, self.body, self.extras, self.outputs = bias, body, extras, outputs
        self.pointers: list = []
        self.sources: list = []
        self.bias_pointer = None

    def open(self, b, arguments) -> None:
        """Load addresses and numbers in the function that `b` writes."""
        def word(n):
            return b.element(arguments, n, "i64")
        self.bias_pointer = b.load("ptr", word(2)) if self.bias else None
        self.pointers = [b.load("ptr", word(OUTPUTS + n)) for n in range(len(self.outputs))]
        first = OUTPUTS + len(self.outputs)
        self.sources = [b.load("ptr", word(first + n)) if strides is not None else
                        load_number(b, self.body.inputs[n + 1], word(first + n))
                        for n, strides in enumerate(self.extras)]

    def write(self, b, value, image, o, pixel, mask) -> None:
        """Bias, body and stores of the pixels where `mask` holds (None: all)."""
        problem, lanes = self.problem, self.lanes
        result = DTYPES[problem.dtype]
        if self.bias_pointer is not None:
            place = b.element(self.bias_pointer, o, memory_type(problem.dtype))
            value = value + b.splat(load_as(b, problem.dtype, place), lanes)
        if result.half and self.body is not None:
            value = b.cast(round_half(b, value, result), value.type)
        found = [Lane(value, result)]
        if self.body is not None:
            for strides, source, name in zip(self.extras, self.sources, self.body.inputs[1:]):
                found.append(source if strides is None else
                             self._extra(b, source, name, strides, image, o, pixel, mask))
            found = emit_body(b, self.target, self.body, found)
        for lane, (name, strides), pointer in zip(found, self.outputs, self.pointers):
            kind = memory_type(name)
            stored = b.as_value(to_memory(b, lane), vector(kind, lanes))
            if self.flat(strides):
                place = b.element(pointer, image * strides[0] + o * strides[1] + pixel, kind)
                store_masked(b, stored, place, mask)
            else:
                self._scatter(b, stored, pointer, image, o, pixel, strides, mask)

    def _extra(self, b, source, name, strides, image, o, pixel, mask):
        kind = memory_type(name)
        place = image * strides[0] + o * strides[1]
        if not strides[2]:
            source = b.element(source, place, kind)
            return Lane(load_as(b, name, source), DTYPES[name]) if name == "bfloat16" else \
                from_memory(b, name, b.load(kind, source))
        place = b.element(source, place + pixel, kind)
        return from_memory(b, name, load_masked(b, vector(kind, self.lanes), place, mask))

    def flat(self, strides) -> bool:
        """Whether pixels follow each other in memory."""
        _, height, width = self.problem.size
        return strides[4] == 1 and strides[3] == width and strides[2] == width * height

    def _scatter(self, b, value, pointer, image, o, pixel, strides, mask):
        """Lanes to pixels that are not neighbours in memory."""
        depth, height, width = self.problem.size
        lanes = self.lanes
        kind = vector("i32", lanes)

        def each(number):
            return b.splat(b.constant("i32", number), lanes)

        start = image * strides[0] + o * strides[1]
        if width % lanes == 0:         # all in one row
            line, column = pixel // width, pixel % width
            start = start + line // height * strides[2] + line % height * strides[3] \
                + column * strides[4]
            index = b.iota("i32", lanes) * each(strides[4])
        else:
            at = b.iota("i32", lanes) + b.splat(b.cast(pixel, "i32"), lanes)
            line = b.unsigned_divide(at, each(width))
            index = (at - line * each(width)) * each(strides[4])
            if depth > 1:
                slice_ = b.unsigned_divide(line, each(height))
                line = line - slice_ * each(height)
                index = index + slice_ * each(strides[2])
            index = index + line * each(strides[3])
        if as_bits(value.type) != value.type:
            value = b.bitcast(value, as_bits(value.type))
        element = element_type(value.type)
        base = b.element(pointer, start, element)
        places = b.emit(f"<{lanes} x ptr>", f"getelementptr {element}, ptr {base.ref}, "
                                            f"{kind} {index.ref}")
        held = mask if mask is not None else b.constant(vector("i1", lanes), True)
        name = f"llvm.masked.scatter.{suffix(value.type)}.v{lanes}p0"
        b.module.declarations.setdefault(
            name, f"declare void @{name}({value.type}, <{lanes} x ptr>, i32, <{lanes} x i1>)")
        b.line(f"call void @{name}({value.type} {value.ref}, <{lanes} x ptr> {places.ref}, i32 "
               f"{natural_alignment(element)}, <{lanes} x i1> {held.ref})")

    def prefetch(self, b, size, out, places) -> None:
        """Ask for the lines that a tile's results go to, before its sums are computed."""
        name, strides = self.outputs[0]
        if not self.flat(strides):
            return
        kind = memory_type(name)
        pointer = b.load("ptr", b.element(b.args[0], OUTPUTS, "i64"))
        for image, pixel in zip(places[0::3], places[1::3]):
            place = b.element(pointer, image * strides[0] + out * strides[1] + pixel, kind)
            for t in range(size):
                b.prefetch(b.element(place, t * strides[1], kind), write=True)
