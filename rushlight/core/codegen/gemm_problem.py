"""A matrix product apart from its data: sizes, strides, dtypes, what happens to the result.

Every contraction op becomes one `Problem`: ``C[b, i, j] = sum_k A[b, i, k] * B[b, k, j]``, then
alpha, bias, beta and a fused pointwise `Body`. It is a kernel's parameter: hashable, and its repr
says everything. All strides are in elements; addresses include the operands' offsets.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .body import Body
from .lowering import Operand

COMPUTE = {"float32": "float", "float64": "double", "float16": "float", "bfloat16": "float"}


class Problem(NamedTuple):
    """Sizes, and strides as (batch, first axis, second axis) of each matrix."""

    dtype: str                      # of A and B as they are stored
    result: str                     # of the product and of the bias
    batch: int
    m: int
    n: int
    k: int
    a: tuple                        # strides of A: batch, i, k
    b: tuple                        # strides of B: batch, k, j
    bias: tuple | None              # strides of the bias: batch, i, j
    scales: tuple                   # types of beta and alpha ("int", "float"), or ()
    body: Body | None               # applied to the product; its input 0 is the product
    extras: tuple                   # the body's other inputs: strides, or None for a number
    outs: tuple                     # strides of the outputs; None where nobody needs one

    @property
    def compute(self) -> str:
        """LLVM's type in which products are summed."""
        return COMPUTE[self.dtype]

    @property
    def itemsize(self) -> int:
        """Bytes of an element while it is computed with."""
        return 8 if self.dtype == "float64" else 4

    @property
    def plain(self) -> bool:
        """Whether the sums are the result: nothing to add, apply or convert."""
        return (self.body is None and self.bias is None and not self.scales
                and self.result in ("float32", "float64"))

    def turned(self) -> Problem:
        """The transposed problem: C^T = B^T A^T."""
        def turn(s):
            return None if s is None else (s[0], s[2], s[1])
        return self._replace(m=self.n, n=self.m, a=turn(self.b), b=turn(self.a),
                             bias=turn(self.bias), extras=tuple(map(turn, self.extras)),
                             outs=tuple(map(turn, self.outs)))

    def partial(self, parts: int, k: int) -> Problem:
        """Sums over `parts` pieces of `k` each, as a batch of matrices (parts, m, n)."""
        return self._replace(
            result="float64" if self.dtype == "float64" else "float32", batch=parts, k=k,
            a=(k * self.a[2], *self.a[1:]), b=(k * self.b[1], *self.b[1:]), bias=None, scales=(),
            body=None, extras=(), outs=((self.m * self.n, self.n, 1),))

    def argument_names(self) -> list:
        """The kernel's first argument words in order; a strategy may add its own."""
        names = ["a", "b", *(f"out{i}" for i, s in enumerate(self.outs) if s is not None)]
        if self.bias is not None:
            names.append("bias")
        if self.scales:
            names += ["beta", "alpha"]
        return names + [f"extra{i}" for i in range(len(self.extras))]


class Irregular(Exception):
    """Axes that cannot be walked with one stride."""


def walked(shape, strides) -> int:
    """The stride of several axes walked as one in row-major order."""
    size, stride = 1, 0
    for n, s in zip(reversed(shape), reversed(strides)):
        if n == 1:
            continue
        if size == 1:
            stride = s
        elif s != size * stride:
            raise Irregular
        size *= n
    return stride


def _split(shape, strides, batched) -> tuple:
    """(batch stride, row stride) of the leading axes."""
    if batched:
        return (0 if shape[0] == 1 else strides[0]), walked(shape[1:], strides[1:])
    return 0, walked(shape, strides)


def _aligned(meta, axes) -> tuple:
    """Strides of an operand broadcast to `axes` axes."""
    return (0,) * (axes - len(meta.shape)) + tuple(
        0 if n == 1 else s for n, s in zip(meta.shape, meta.strides))


def make(low, a: Operand, b: Operand, b_axes: tuple, columns: bool, bias=None,
         scales=()) -> tuple[Problem, list] | None:
    """The problem of a record and its arguments; None where the layout is not regular.

    `a`: (lead..., k). `b_axes`: which axes of `b` are (k, j), j None where b is a vector; an axis
    left over is the batch. `columns`: whether the result has j as its last axis; the axes before
    are those of `lead`.
    """
    for batched in (False, True):
        if len(a.meta.shape) - 1 >= (2 if batched else 0):
            try:
                return _make(low, a, b, b_axes, columns, bias, scales, batched)
            except Irregular:
                pass
    return None


def _make(low, a, b, b_axes, columns, bias, scales, batched):
    result = low.result
    axes = len(result.shape)
    lead = tuple(a.meta.shape[:-1])
    rest = [x for x in range(len(b.meta.shape)) if x not in b_axes]
    if rest and not batched:
        raise Irregular
    b_strides = _aligned(b.meta, len(b.meta.shape))
    n = 1 if b_axes[1] is None else b.meta.shape[b_axes[1]]

    def like_result(meta):
        strides = _aligned(meta, axes)
        if columns:
            return *_split(lead, strides[:-1], batched), strides[-1]
        return *_split(lead, strides, batched), 0
    a_strides = _aligned(a.meta, len(a.meta.shape))
    arguments = [a, b, *(o for o in low.outputs if o is not None)]
    if bias is not None:
        arguments.append(bias)
    arguments += [*scales, *low.extras]
    problem = Problem(
        a.meta.dtype.name, result.dtype.name, lead[0] if batched else 1,
        math.prod(lead[1:] if batched else lead), n, a.meta.shape[-1],
        (*_split(lead, a_strides[:-1], batched), a_strides[-1]),
        (b_strides[rest[0]] if rest else 0, b_strides[b_axes[0]],
         0 if b_axes[1] is None else b_strides[b_axes[1]]),
        None if bias is None else like_result(bias.meta),
        tuple(s.kind.__name__ for s in scales), low.epilogue,
        tuple(like_result(e.meta) if isinstance(e, Operand) else None for e in low.extras),
        tuple(None if o is None else like_result(o.meta) for o in low.outputs))
    return problem, arguments
