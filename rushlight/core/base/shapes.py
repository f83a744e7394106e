"""Sizes, strides, broadcasting, and the interned metadata of tensors and values."""

from __future__ import annotations

import operator
from typing import Any

from .dtypes import dtype
from .knobs import number


class Size(tuple):
    """A tensor's shape: a tuple that prints as ``torch.Size([2, 3])``."""

    __slots__ = ()

    def __new__(cls, sizes=()):
        return tuple.__new__(cls, map(operator.index, sizes))

    def numel(self) -> int:
        """The number of elements of a tensor of this size."""
        count = 1
        for size in self:
            count *= size
        return count

    def __repr__(self):
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__

    def __getitem__(self, index):
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other):
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple.__add__(other, self))

    def __mul__(self, other):
        return Size(tuple.__mul__(self, other))

    __rmul__ = __mul__

    def __reduce__(self):
        return (Size, (tuple(self),))


class Meta:
    """Shape, strides, offset (in elements) and dtype: everything about a tensor but its values.

    Interned (see `meta`), so the rules' caches and the hot path compare by identity. `dense` says
    that the elements fill one block of memory from offset 0 without gaps, in any order of axes.
    """

    __slots__ = ("dtype", "shape", "strides", "offset", "numel", "contiguous", "dense", "nbytes",
                 "weight", "np", "byte_strides", "plain")
    dtype: dtype
    shape: Size
    strides: tuple[int, ...]
    offset: int
    numel: int
    contiguous: bool
    dense: bool
    nbytes: int
    weight: int
    np: Any
    byte_strides: tuple[int, ...]
    plain: bool

    def __repr__(self):
        layout = "" if self.contiguous and not self.offset else f" {self.strides}+{self.offset}"
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]{layout}"

    def __reduce__(self):
        if self is OPAQUE:
            return "OPAQUE"
        return (meta, (self.dtype, tuple(self.shape), self.strides, self.offset))

    @property
    def ndim(self):
        return len(self.shape)


_INTERNED: dict = {}
_INTERN_LIMIT = 50_000
# Note [cuts of a long trace]
# A trace is run once its records' weights pass FLUSH_BYTES: a record weighs its result's bytes, but
# at least so much that RUSHLIGHT_TRACE_LIMIT records reach the limit too. Where that cuts a program
# is an accident, and differs from step to step, so that no plan would ever be found again: the
# limit is so high that it only stops what grows without end. A program that looks at no value is
# cut after an optimizer's step and before a loader's next batch instead, from STEP_BYTES on: there
# every round ends with the same trace. Pending records hold no memory but that of their inputs.
FLUSH_BYTES = 1 << 36
STEP_BYTES = FLUSH_BYTES >> 7
_RECORD_WEIGHT = FLUSH_BYTES // max(1, number("RUSHLIGHT_TRACE_LIMIT"))


def contiguous_strides(shape) -> tuple:
    """Row-major strides, in elements."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size if size > 1 else 1
    strides.reverse()
    return tuple(strides)


def is_contiguous(shape, strides) -> bool:
    """Row-major without gaps; axes of size one do not count."""
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size == 0:
            return True
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def is_dense(shape, strides) -> bool:
    """Whether the elements fill one block without gaps or overlap, in any order of axes."""
    step = 1
    for stride, size in sorted((st, sz) for st, sz in zip(strides, shape) if sz != 1):
        if size == 0:
            return True
        if stride != step:
            return False
        step *= size
    return True


def meta(dtype_: dtype, shape, strides=None, offset=0) -> Meta:
    """The interned Meta; strides default to row-major."""
    shape = tuple(shape)
    key = (dtype_, shape, strides, offset)
    found = _INTERNED.get(key)
    if found is None:
        found = _INTERNED[key] = _make_meta(dtype_, shape, strides, offset)
    return found


def _make_meta(dtype_, shape, strides, offset):
    if strides is None:
        strides = contiguous_strides(shape)
        key = (dtype_, shape, strides, offset)
    else:
        key = (dtype_, shape, None, offset)
        if strides != contiguous_strides(shape):
            key = None
    if key is not None and key in _INTERNED:
        return _INTERNED[key]
    if len(_INTERNED) > _INTERN_LIMIT:  # ever-new shapes: identity is only a short cut
        _INTERNED.clear()
    made = Meta()
    made.dtype, made.shape, made.strides, made.offset = dtype_, Size(shape), strides, offset
    made.numel = made.shape.numel()
    made.contiguous = is_contiguous(shape, strides)
    made.dense = offset == 0 and (made.contiguous or is_dense(shape, strides))
    made.plain = offset == 0 and made.contiguous
    made.nbytes = made.numel * dtype_.itemsize
    made.weight = max(made.nbytes, _RECORD_WEIGHT)
    made.np = dtype_.np
    made.byte_strides = tuple(s * dtype_.itemsize for s in strides)
    if key is not None:
        _INTERNED[key] = made
    return made


def same_layout(a: Meta, b: Meta) -> bool:
    """Whether two metas are equal (interning is bounded, so identity alone does not decide)."""
    return a is b or (a.dtype is b.dtype and a.shape == b.shape and a.strides == b.strides
                      and a.offset == b.offset)


def with_dtype(m: Meta, dtype_: dtype) -> Meta:
    """A fresh dense meta of this shape: the order of axes is kept where `m` is dense."""
    if m.contiguous:
        return meta(dtype_, m.shape)
    return meta(dtype_, m.shape, dense_strides_like(m.shape, m.strides))


def dense_strides_like(shape, strides) -> tuple:
    """Dense strides in the order of axes that `strides` has (PyTorch's preserve_format)."""
    if is_contiguous(shape, strides):
        return contiguous_strides(shape)
    if is_dense(shape, strides):
        return tuple(strides)
    # Note: axes are sorted as TensorIterator sorts them: an insertion sort from the innermost
    # axis that leaves the order of broadcast (stride 0) axes alone.
    order = _sorted_axes(shape, [strides])
    made = [0] * len(shape)
    step = 1
    for axis in order:
        made[axis] = step
        step *= max(shape[axis], 1)
    return tuple(made)


def _sorted_axes(shape, many_strides):
    """Axes from the fastest moving to the slowest."""
    order = list(range(len(shape) - 1, -1, -1))

    def compare(a, b):
        for strides in many_strides:
            sa, sb = strides[a], strides[b]
            if sa == 0 or sb == 0:
                continue
            if sa != sb:
                return -1 if sa < sb else 1
            if shape[a] > shape[b]:
                return 1
        return 0

    for i in range(1, len(order)):
        axis = i
        for j in range(i - 1, -1, -1):
            verdict = compare(order[j], order[axis])
            if verdict > 0:
                order[j], order[axis] = order[axis], order[j]
                axis = j
            elif verdict < 0:
                break
    return order


def broadcast_shapes(*shapes):
    """The shape all the given ones broadcast to; RuntimeError naming the axis that does not."""
    result: list = []
    for shape in shapes:
        extra = len(shape) - len(result)
        if extra > 0:
            result = list(shape[:extra]) + result
        for i in range(1, min(len(shape), len(result)) + 1):
            if result[-i] == 1:
                result[-i] = shape[-i]
            elif shape[-i] != 1 and shape[-i] != result[-i]:
                raise RuntimeError(
                    f"The size of tensor a ({result[-i]}) must match the size of tensor b "
                    f"({shape[-i]}) at non-singleton dimension {len(result) - i}")
    return tuple(result)


def broadcast_strides(m: Meta, shape) -> tuple:
    """`m`'s strides seen as `shape`: zero along every axis that is repeated."""
    extra = len(shape) - len(m.shape)
    return (0,) * extra + tuple(
        0 if have == 1 and want != 1 else stride
        for have, want, stride in zip(m.shape, shape[extra:], m.strides))


def pointwise_meta(dtype_: dtype, operands) -> Meta:
    """The meta of a pointwise result: broadcast shape, and PyTorch's choice of memory order."""
    first = operands[0]
    if len(operands) == 1:
        return meta(dtype_, first.shape) if first.contiguous else \
            meta(dtype_, first.shape, dense_strides_like(first.shape, first.strides))
    shape = first.shape
    for other in operands[1:]:
        if other.shape != shape:
            shape = broadcast_shapes(*[o.shape for o in operands])
            break
    if all(o.contiguous for o in operands):
        return meta(dtype_, shape)
    full = [o for o in operands if o.shape == shape]
    if len(full) == len(operands) and all(o.strides == first.strides for o in full) and \
            is_dense(shape, first.strides):
        return meta(dtype_, shape, first.strides)
    order = _sorted_axes(shape, [broadcast_strides(o, shape) for o in operands])
    made = [0] * len(shape)
    step = 1
    for axis in order:
        made[axis] = step
        step *= max(shape[axis], 1)
    made_strides = tuple(made)
    return meta(dtype_, shape, None if is_contiguous(shape, made_strides) else made_strides)


def wrap_dim(dim: int, ndim: int) -> int:
    """A non-negative axis from one that may count from the end; IndexError outside the range."""
    limit = max(ndim, 1)
    if not -limit <= dim < limit:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-limit}, "
                         f"{limit - 1}], but got {dim})")
    return dim + limit if dim < 0 else dim


def _opaque():
    from .dtypes import uint8
    made = object.__new__(Meta)
    source = meta(uint8, (5056,))
    for slot in Meta.__slots__:
        setattr(made, slot, getattr(source, slot))
    return made


# The meta of a generator's state: a value of the trace like any other, but no array.
OPAQUE = _opaque()
