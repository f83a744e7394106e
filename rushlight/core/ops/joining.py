"""Joining tensors: cat, stack and their relatives."""

from __future__ import annotations

import numpy as np

from ..base.promotion import result_dtype
from ..base.shapes import meta, wrap_dim
from .record import export, primitive


def _is_legacy_empty(m):
    return len(m.shape) == 1 and m.shape[0] == 0


def _cat_rule(metas, dim):
    dtype = result_dtype(metas)
    kept = [m for m in metas if not _is_legacy_empty(m)]
    if not kept:
        return meta(dtype, (0,))
    first = kept[0]
    total = 0
    for i, m in enumerate(metas):
        if _is_legacy_empty(m):
            continue
        if len(m.shape) != len(first.shape):
            raise RuntimeError(f"Tensors must have same number of dimensions: got "
                               f"{len(first.shape)} and {len(m.shape)}")
        for axis, (a, b) in enumerate(zip(first.shape, m.shape)):
            if axis != dim and a != b:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {a} but "
                    f"got size {b} for tensor number {i} in the list.")
        total += m.shape[dim]
    return meta(dtype, (*first.shape[:dim], total, *first.shape[dim + 1:]))


def _cat_kernel(*arguments):
    *arrays, dim = arguments
    kept = [a for a in arrays if not (a.ndim == 1 and a.size == 0)]
    return np.concatenate(kept, axis=dim) if kept else arrays[0]


def _cat_backward(g, tensors_meta, dim):
    found, start = [], 0
    for m in tensors_meta:
        if _is_legacy_empty(m):
            found.append(g.new_zeros((0,)))
            continue
        found.append(g.narrow(dim, start, m.shape[dim]))
        start += m.shape[dim]
    return found


cat_op = primitive("cat", "movement", "*tensors", _cat_rule, _cat_kernel, {"*": _cat_backward},
                   params=("dim",), upcast=False)


def _tensor_list(name, tensors):
    if hasattr(tensors, "_meta"):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
                        "Tensor")
    tensors = list(tensors)
    for i, t in enumerate(tensors):
        if not hasattr(t, "_meta"):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got "
                            f"{type(t).__name__}")
    return tensors


@export("torch", out=True, aliases=("concat", "concatenate"))
def cat(tensors, dim=0):
    """Tensors one after the other along an axis; dtypes are promoted."""
    tensors = _tensor_list("cat", tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if not t.shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    ndim = max(t.ndim for t in tensors)
    return cat_op(tensors, dim=wrap_dim(dim, ndim))


def _stack_rule(metas, dim):
    first = metas[0].shape
    for i, m in enumerate(metas):
        if m.shape != first:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(first)} "
                               f"at entry 0 and {list(m.shape)} at entry {i}")
    return meta(result_dtype(metas), (*first[:dim], len(metas), *first[dim:]))


stack_op = primitive("stack", "movement", "*tensors", _stack_rule,
                     lambda *a: np.stack(a[:-1], axis=a[-1]),
                     {"*": lambda g, dim: list(g.unbind(dim))}, params=("dim",), upcast=False)


@export("torch", out=True)
def stack(tensors, dim=0):
    """Tensors of one shape along a new axis."""
    tensors = _tensor_list("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    return stack_op(tensors, dim=wrap_dim(dim, tensors[0].ndim + 1))


def _at_least(name, ndim):
    def one(x):
        if ndim == 1:
            return x.reshape(1) if x.ndim == 0 else x
        if ndim == 2:
            return x.reshape(1, 1) if x.ndim == 0 else x.unsqueeze(0) if x.ndim == 1 else x
        if x.ndim == 0:
            return x.reshape(1, 1, 1)
        if x.ndim == 1:
            return x.unsqueeze(0).unsqueeze(-1)
        return x.unsqueeze(-1) if x.ndim == 2 else x

    def function(*tensors):
        if len(tensors) == 1 and not hasattr(tensors[0], "_meta"):
            return tuple(one(t) for t in tensors[0])
        found = tuple(one(t) for t in tensors)
        return found[0] if len(found) == 1 else found
    function.__name__ = name
    function.__doc__ = f"Each tensor seen with at least {ndim} dimension(s)."
    export("torch")(function)
    return one


atleast_1d = _at_least("atleast_1d", 1)
atleast_2d = _at_least("atleast_2d", 2)
atleast_3d = _at_least("atleast_3d", 3)


@export("torch", out=True)
def hstack(tensors):
    """Tensors joined along the second axis (the first for one dimension)."""
    tensors = [atleast_1d(t) for t in _tensor_list("hstack", tensors)]
    if not tensors:
        raise RuntimeError("hstack expects a non-empty TensorList")
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


@export("torch", out=True, aliases=("row_stack",))
def vstack(tensors):
    """Tensors joined along the first axis, vectors as rows."""
    tensors = _tensor_list("vstack", tensors)
    if not tensors:
        raise RuntimeError("vstack expects a non-empty TensorList")
    return cat([atleast_2d(t) for t in tensors], 0)


@export("torch", out=True)
def dstack(tensors):
    """Tensors joined along the third axis."""
    tensors = _tensor_list("dstack", tensors)
    if not tensors:
        raise RuntimeError("dstack expects a non-empty TensorList")
    return cat([atleast_3d(t) for t in tensors], 2)


@export("torch", out=True)
def column_stack(tensors):
    """Tensors joined along the second axis, vectors as columns."""
    tensors = _tensor_list("column_stack", tensors)
    if not tensors:
        raise RuntimeError("column_stack expects a non-empty TensorList")
    return hstack([t.reshape(t.numel(), 1) if t.ndim <= 1 else t for t in tensors])


@export("torch")
def broadcast_tensors(*tensors):
    """Every tensor expanded to the shape they broadcast to."""
    from ..base.shapes import broadcast_shapes as together
    if len(tensors) == 1 and not hasattr(tensors[0], "_meta"):
        tensors = tuple(tensors[0])
    shape = together(*[t.shape for t in tensors])
    return [t.expand(shape) for t in tensors]


@export("torch", name="broadcast_shapes")
def broadcast_shapes_(*shapes):
    """The shape that the given ones broadcast to. RuntimeError where they do not."""
    from ..base.shapes import Size
    from ..base.shapes import broadcast_shapes as together
    shapes = [(s,) if hasattr(s, "__index__") else tuple(s) for s in shapes]
    for shape in shapes:
        for size in shape:
            if size < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({size}): "
                                   f"({size})")
    try:
        return Size(together(*shapes))
    except RuntimeError:
        raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape") \
            from None


@export("torch", "Tensor")
def broadcast_to(input, size):  # noqa: A002
    """``input.expand(size)``."""
    return input.expand(tuple(size))


@export("torch")
def meshgrid(*tensors, indexing=None):
    """Coordinate grids of vectors; indexing "ij" (the default) or "xy"."""
    if len(tensors) == 1 and not hasattr(tensors[0], "_meta"):
        tensors = tuple(tensors[0])
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f"torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but "
                           f"received: {indexing}")
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but "
                               f"got: {list(t.shape)}")
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    vectors = [t.reshape(-1) for t in tensors]
    if indexing == "xy" and len(vectors) >= 2:
        grids = meshgrid(vectors[1], vectors[0], *vectors[2:], indexing="ij")
        return (grids[1], grids[0], *grids[2:])
    shape = [v.numel() for v in vectors]
    grids = []
    for i, v in enumerate(vectors):
        view = [1] * len(shape)
        view[i] = shape[i]
        grids.append(v.reshape(view).expand(shape))
    return tuple(grids)


@export("torch")
def block_diag(*tensors):
    """A block-diagonal matrix of the given matrices, vectors (as rows) and numbers."""
    import rushlight
    if len(tensors) == 1 and not hasattr(tensors[0], "_meta"):
        tensors = tuple(tensors[0])
    for i, t in enumerate(tensors):
        if t.ndim > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                               f"Input {i} has {t.ndim} dimensions")
    blocks = [atleast_2d(t) for t in tensors]
    if not blocks:
        return rushlight.empty(1, 0)
    columns = sum(b.shape[1] for b in blocks)
    dtype = result_dtype([b._meta for b in blocks])
    rows, left = [], 0
    for b in blocks:
        before = rushlight.zeros(b.shape[0], left, dtype=dtype)
        after = rushlight.zeros(b.shape[0], columns - left - b.shape[1], dtype=dtype)
        rows.append(cat([before, b.to(dtype), after], 1))
        left += b.shape[1]
    return cat(rows, 0)


@export("torch")
def cartesian_prod(*tensors):
    """The Cartesian product of vectors, one row per combination."""
    if len(tensors) == 1 and not hasattr(tensors[0], "_meta"):
        tensors = tuple(tensors[0])
    for t in tensors:
        if t.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([g.reshape(-1) for g in meshgrid(*tensors, indexing="ij")], 1)


@export("torch")
def combinations(input, r=2, with_replacement=False):  # noqa: A002
    """All combinations of `r` elements of a vector, one per row."""
    import itertools

    import rushlight
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return rushlight.empty(0, dtype=input.dtype)
    choose = itertools.combinations_with_replacement if with_replacement else \
        itertools.combinations
    rows = list(choose(range(input.numel()), r))
    index = rushlight.tensor(rows, dtype=rushlight.int64).reshape(-1, r)
    return stack([input[index[:, k]] for k in range(r)], 1)
