"""What one record of a trace costs on paper: arithmetic operations and bytes, by family of op.

Roofline numbers, not measurements. FLOPs are counted as the field does: a multiply-add is two, a
word of a pointwise body one, whatever it costs the machine. Bytes are what must cross memory at
least once where nothing is kept in a cache: each operand read, each result written, views free.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from ..base.shapes import Meta
from ..ops.words import WORDS

# FLOPs per element of the first operand of a row op (subtract, exponential, sum, divide; mean,
# variance, scale, shift), after the passes that a kernel must make.
ROW_WORDS = {"softmax": 4, "log_softmax": 4, "softmax_backward": 4, "log_softmax_backward": 4}
NORM_WORDS = 8


def flops_of(op, operands, params, meta) -> int:
    """Arithmetic operations of one record.

    operands: the inputs' Metas, with a type for a Python number and None for a missing input.
    meta: the result's Meta, a tuple of them for several results.
    """
    count = _FAMILIES.get(op.family)
    return 0 if count is None else int(count(op, operands, params, meta))


def bytes_of(meta) -> int:
    """Bytes of memory that an array of this Meta spans: expanded axes are stored once."""
    if type(meta) is tuple:
        return sum(bytes_of(one) for one in meta if type(one) is Meta)
    if meta.plain or meta.dense:
        return meta.nbytes
    stored = math.prod(size for size, stride in zip(meta.shape, meta.strides) if stride)
    return stored * meta.dtype.itemsize if meta.numel else 0


def ideal_seconds(flops, nbytes, peaks) -> float:
    """Seconds that the roofline allows: the longer of computing and moving memory."""
    return max(flops / peaks["flops"], nbytes / peaks["bytes"])


def is_free(op) -> bool:
    """Whether a record moves no bytes: it is another view of the same memory."""
    return op.family == "view" or op.name in ("read_view", "item_of")


def _numel(meta):
    return sum(m.numel for m in meta if type(m) is Meta) if type(meta) is tuple else meta.numel


def _contraction(op, operands, params, meta):
    names = dict(zip(op.inputs, operands))
    name = op.name
    if name == "convolution":
        return 2 * meta.numel * math.prod(names["weight"].shape[1:])
    if name == "convolution_transpose":
        return 2 * names["y"].numel * math.prod(names["weight"].shape[1:])
    if name == "convolution_weight":
        return 2 * names["y"].numel * math.prod(meta.shape[1:])
    return 2 * meta.numel * names["x"].shape[-1]


def _reduction(op, operands, params, meta):
    return operands[0].numel


def _row(op, operands, params, meta):
    largest = max(m.numel for m in operands if type(m) is Meta)
    return ROW_WORDS.get(op.name, NORM_WORDS) * largest


def _window(op, operands, params, meta):
    return max([_numel(meta), *[m.numel for m in operands if type(m) is Meta]])


def _optimizer(op, operands, params, meta):
    program = params[0]
    updated = sum(m.numel for m in operands[:len(params[1]) * (1 + len(program.array_state))])
    return updated * 4


def _recurrent(op, operands, params, meta):
    # At every step the hidden state (going back, the gates' gradient) meets the whole weight.
    names = dict(zip(op.inputs, operands))
    steps, batch, _ = (names.get("projected") or names["gates"]).shape
    return 2 * steps * batch * names["weight"].numel


def _attention(op, operands, params, meta):
    # Scores and weighted values; going back, the scores again and four gradients.
    names = dict(zip(op.inputs, operands))
    query, value = names["query"].shape, names["value"].shape
    products = query[0] * query[1] * query[2] * value[2]
    features = 3 * query[3] + 2 * value[3] if "g" in names else query[3] + value[3]
    return 2 * products * features // (2 if params[1] else 1)


def _pointwise(op, operands, params, meta):
    return meta.numel * words_of(op.body, len(operands))


@functools.cache
def words_of(body, count) -> int:
    """How many words a pointwise body uses for one element (1 where it cannot be counted)."""
    words = _CountedWords()
    try:
        body(words, *[_Operand(words) for _ in range(count)])
    except Exception:       # a body that asks for more than words: a looser number is good enough
        return 1
    return max(words.count, 1)


class _CountedWords:
    """The alphabet of scalar words, each of which only counts itself."""

    def __init__(self):
        self.count = 0

    def __getattr__(self, name):
        if name not in WORDS:
            raise AttributeError(name)
        return self._word

    def _word(self, *_, **__):
        self.count += 1
        return _Operand(self)


class _Operand:
    """A scalar in a counted body: operators count as the words they stand for."""

    def __init__(self, words):
        self.words = words

    def _operate(self, *_):
        return self.words._word()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operate
    __truediv__ = __rtruediv__ = __neg__ = __pow__ = __abs__ = _operate
    __lt__ = __le__ = __gt__ = __ge__ = _operate


_FAMILIES: dict[str, Any] = {
    "attention": _attention,
    "contraction": _contraction, "reduction": _reduction, "row": _row, "window": _window,
    "optimizer": _optimizer, "pointwise": _pointwise, "recurrent": _recurrent,
}
