"""Rearranging elements: flip, roll, repeat, triangles, diagonals, the copying forms of views."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta, wrap_dim
from .record import composite, export, primitive
from .reductions import wrap_dims
from .views import sizes_of

flip_op = primitive("flip", "movement", "x", lambda x, dims: meta(x.dtype, x.shape),
                    lambda x, dims: np.flip(x, dims) if dims else x,
                    {"x": lambda g, dims: flip_op(g, dims=dims)}, params=("dims",), upcast=False)


@export("torch", "Tensor")
def flip(input, *axes, dims=None):  # noqa: A002
    """The elements in reverse order along the given axes (a copy)."""
    dims = sizes_of(axes if dims is None else (dims,), "flip(): argument 'dims'")
    wrapped = tuple(wrap_dim(d, input.ndim) for d in dims)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"dim {next(d for d in wrapped if wrapped.count(d) > 1)} appears "
                           "multiple times in the list of dims")
    return flip_op(input, dims=wrapped if input.ndim else ())


@export("torch", "Tensor")
def fliplr(input):  # noqa: A002
    """Columns in reverse order."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip_op(input, dims=(1,))


@export("torch", "Tensor")
def flipud(input):  # noqa: A002
    """Rows in reverse order."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip_op(input, dims=(0,))


roll_op = primitive("roll", "movement", "x", lambda x, shifts, dims: meta(x.dtype, x.shape),
                    lambda x, shifts, dims: np.roll(x, shifts, dims or None),
                    {"x": lambda g, shifts, dims: roll_op(g, shifts=tuple(-s for s in shifts),
                                                          dims=dims)},
                    params=("shifts", "dims"), upcast=False)


@export("torch", "Tensor")
def roll(input, shifts, dims: Any = ()):  # noqa: A002
    """Elements moved along axes, those beyond the end coming back at the start."""
    shifts = (shifts,) if hasattr(shifts, "__index__") else tuple(shifts)
    dims = (dims,) if hasattr(dims, "__index__") else tuple(dims if dims is not None else ())
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims:
        if len(shifts) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        return roll_op(input.reshape(-1), shifts=shifts, dims=(0,)).reshape(input.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, "
                           f"dims:{len(dims)}")
    if not input.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return roll_op(input, shifts=shifts, dims=tuple(wrap_dim(d, input.ndim) for d in dims))


@export("torch", "Tensor")
def rot90(input, k=1, dims=(0, 1)):  # noqa: A002
    """The plane of two axes turned by k quarter turns."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = (wrap_dim(d, input.ndim) for d in dims)
    if a == b:
        raise RuntimeError("expected rotation dims to be different, but got dim0 = "
                           f"{dims[0]} and dim1 = {dims[1]}")
    k %= 4
    if k == 1:
        return flip_op(input, dims=(b,)).transpose(a, b)
    if k == 2:
        return flip_op(input, dims=(a, b))
    if k == 3:
        return flip_op(input, dims=(a,)).transpose(a, b)
    return input.clone()


def _repeat_rule(x, repeats):
    extra = len(repeats) - len(x.shape)
    shape = (1,) * extra + tuple(x.shape)
    return meta(x.dtype, tuple(n * r for n, r in zip(shape, repeats)))


def _repeat_backward(g, x_meta, repeats):
    extra = len(repeats) - len(x_meta.shape)
    shape = (1,) * extra + tuple(x_meta.shape)
    if 0 in repeats:
        return g.new_zeros(x_meta.shape)
    blocks = [n for pair in zip(repeats, shape) for n in pair]
    found = g.reshape(blocks).sum(tuple(range(0, len(blocks), 2))) if blocks else g
    return found.reshape(x_meta.shape)


repeat_op = primitive("repeat", "movement", "x", _repeat_rule, lambda x, r: np.tile(x, r),
                      {"x": _repeat_backward}, params=("repeats",), upcast=False)


@export("Tensor")
def repeat(self, *counts, repeats=None):
    """Copies of the tensor along each axis (new leading axes where more counts are given)."""
    repeats = sizes_of(counts if repeats is None else (repeats,), "repeat(): argument 'repeats'")
    if len(repeats) < self.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of "
                           "dimensions of tensor")
    if any(r < 0 for r in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension "
                           f"{min(repeats)}: {list(repeats)}")
    return repeat_op(self, repeats=repeats)


@export("torch", "Tensor")
def tile(input, *counts, dims=None):  # noqa: A002
    """NumPy's tile: missing leading counts are one."""
    dims = sizes_of(counts if dims is None else (dims,), "tile(): argument 'dims'")
    return repeat(input, (1,) * (input.ndim - len(dims)) + dims)


def _triangle(name, numpy):
    op = primitive(name, "movement", "x", lambda x, diagonal: meta(x.dtype, x.shape),
                   lambda x, diagonal: numpy(x, diagonal).astype(x.dtype),
                   {"x": lambda g, diagonal: function(g, diagonal)}, params=("diagonal",),
                   upcast=False)

    def function(input, diagonal=0):  # noqa: A002
        if input.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return op(input, diagonal=diagonal)
    function.__name__ = name
    function.__doc__ = f"The {'lower' if name == 'tril' else 'upper'} triangle, zeros elsewhere."
    export("torch", "Tensor", inplace=True, out=True)(function)
    return function


tril = _triangle("tril", np.tril)
triu = _triangle("triu", np.triu)


@export("torch", "Tensor", out=True)
def diag(input, diagonal=0):  # noqa: A002
    """The diagonal of a matrix (a copy), or the matrix with a vector as its diagonal."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return input.diagonal(diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


@export("torch", "Tensor")
def diag_embed(input, offset=0, dim1=-2, dim2=-1):  # noqa: A002
    """Matrices whose diagonals are the last axis of `input`."""
    ndim = input.ndim + 1
    first, second = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for axis in sorted((first, second)):
        shape.insert(axis, size)
    made = input.new_zeros(shape)
    made.diagonal(offset, first, second).copy_(input)
    return made


@export("torch", "Tensor")
def fill_diagonal_(input, fill_value, wrap=False):  # noqa: A002
    """Set the main diagonal to a number, in place; `wrap` goes on below it in a tall matrix.

    Raises RuntimeError for less than two axes, and for three or more of different lengths.

    >>> torch.zeros(3, 3).fill_diagonal_(1)
    """
    shape = input.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step, short = sum(input.stride()), min(shape)
    if not (wrap and len(shape) == 2 and shape[0] > shape[1] + 1):
        input.as_strided((short,), (step,), input.storage_offset()).fill_(fill_value)
        return input
    # Below the square, the diagonal starts again after one empty row.
    rows, columns = shape
    for top in range(0, rows, columns + 1):
        block = input[top:top + columns]
        block.diagonal().fill_(fill_value)
    return input


@export("torch", "Tensor")
def diagflat(input, offset=0):  # noqa: A002
    """The flattened input as a diagonal matrix."""
    return diag_embed(input.reshape(-1), offset)


@export("torch", "Tensor")
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):  # noqa: A002
    """A copy of `input` with `src` on a diagonal."""
    made = input.clone()
    window = made.diagonal(offset, dim1, dim2)
    _same_shape("diagonal_scatter", src, window)
    window.copy_(src)
    return made


@export("torch", "Tensor")
def select_scatter(input, src, dim, index):  # noqa: A002
    """A copy of `input` with `src` at `index` along `dim`."""
    made = input.clone()
    window = made.select(dim, index)
    _same_shape("select_scatter", src, window)
    window.copy_(src)
    return made


@export("torch", "Tensor")
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):  # noqa: A002
    """A copy of `input` with `src` in a slice along `dim`."""
    from .views import slice_
    made = input.clone()
    window = slice_(made, wrap_dim(dim, input.ndim), start, end, step)
    _same_shape("slice_scatter", src, window)
    window.copy_(src)
    return made


def _scatter_strided(x, src, size, stride, offset):
    made = x.clone()
    made.as_strided(size, stride, offset).copy_(src)
    return made


# PyTorch's gradient of `input` is what the window holds, zero elsewhere.
_strided_scatter_op = composite(
    "as_strided_scatter", "x src", _scatter_strided,
    {"x": lambda g, size, stride, offset: _scatter_strided(
        g.new_zeros(g.shape), g.contiguous().as_strided(size, stride, offset), size, stride,
        offset),
     "src": lambda g, size, stride, offset: g.contiguous().as_strided(size, stride, offset)},
    params=("size", "stride", "offset"))


@export("torch", "Tensor")
def as_strided_scatter(input, src, size, stride, storage_offset=None):  # noqa: A002
    """A copy of `input` with `src` at a strided window of its memory."""
    offset = input.storage_offset() if storage_offset is None else int(storage_offset)
    size, stride = tuple(size), tuple(stride)
    if tuple(src.shape) != size:
        raise RuntimeError("expected src to have a size equal to the slice of self. src size = "
                           f"{list(src.shape)}, slice size = {list(size)}")
    return _strided_scatter_op(input, src, size=size, stride=stride, offset=offset)


def _same_shape(name, src, window):
    if src.shape != window.shape:
        raise RuntimeError(f"expected src to have a size equal to the slice of self. src size = "
                           f"{list(src.shape)}, slice size = {list(window.shape)}")


def _repeat_interleave_kernel(x, repeats, dim):
    return np.repeat(x, repeats, axis=dim)


repeat_interleave_op = primitive(
    "repeat_interleave", "gather", "x",
    lambda x, repeats, dim: meta(x.dtype, (*x.shape[:dim], x.shape[dim] * repeats,
                                           *x.shape[dim + 1:])),
    _repeat_interleave_kernel,
    {"x": lambda g, x_meta, repeats, dim: g.unflatten(dim, (x_meta.shape[dim], repeats)).sum(
        dim + 1)}, params=("repeats", "dim"), upcast=False)


@export("torch", "Tensor")
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):  # noqa: A002
    """Each element (or slice along `dim`) repeated: a number of times, or once per entry."""
    import rushlight
    if repeats is None:
        counts = input.tolist()
        return rushlight.tensor([i for i, n in enumerate(counts) for _ in range(n)],
                                dtype=rushlight.int64)
    if dim is None:
        input, dim = input.reshape(-1), 0  # noqa: A001
    dim = wrap_dim(dim, input.ndim)
    if hasattr(repeats, "_meta"):
        if repeats.dtype.category != 1:
            raise RuntimeError("repeats has to be Long or Int tensor")
        if repeats.ndim > 1:
            raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
        if repeats.numel() == 1:
            repeats = int(repeats.reshape(()).item())
    if not hasattr(repeats, "_meta"):
        if repeats < 0:
            raise RuntimeError("repeats can not be negative")
        if not input.ndim:
            return input.reshape(1).expand(repeats).clone()
        return repeat_interleave_op(input, repeats=int(repeats), dim=dim)
    if repeats.numel() != input.shape[dim]:
        raise RuntimeError("repeats must have the same size as input along dim, but got "
                           f"repeats.size(0) = {repeats.numel()} and input.size({dim}) = "
                           f"{input.shape[dim]}")
    counts = repeats.tolist()
    if any(n < 0 for n in counts):
        raise RuntimeError("repeats can not be negative")
    index = [i for i, n in enumerate(counts) for _ in range(n)]
    return input.index_select(dim, rushlight.tensor(index, dtype=rushlight.int64))


# ---- shapes by views ------------------------------------------------------------------------

@export("torch", "Tensor")
def flatten(input, start_dim=0, end_dim=-1):  # noqa: A002
    """Axes start_dim to end_dim as one (a view where strides allow it)."""
    ndim = input.ndim
    first, last = wrap_dim(start_dim, ndim), wrap_dim(end_dim, ndim)
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not ndim:
        return input.reshape(1)
    if first == last:
        return input
    shape = input.shape
    return input.reshape(*shape[:first], math.prod(shape[first:last + 1]), *shape[last + 1:])


@export("torch", "Tensor")
def unflatten(input, dim, sizes):  # noqa: A002
    """One axis as several; one size may be -1."""
    dim = wrap_dim(dim, input.ndim)
    sizes = tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    length = input.shape[dim]
    known = math.prod(s for s in sizes if s != -1)
    if sizes.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if -1 in sizes and known and length % known == 0:
        sizes = tuple(length // known if s == -1 else s for s in sizes)
    if math.prod(sizes) != length:
        raise RuntimeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size "
                           f"of dim {dim} ({length}) in the input tensor")
    return input.view(*input.shape[:dim], *sizes, *input.shape[dim + 1:])


@export("torch", "Tensor")
def ravel(input):  # noqa: A002
    """The elements in one dimension."""
    return input.contiguous().view(-1)


@export("torch", "Tensor", aliases=("moveaxis",))
def movedim(input, source, destination):  # noqa: A002
    """Axes moved to other positions; the rest keep their order."""
    source = (source,) if hasattr(source, "__index__") else tuple(source)
    destination = (destination,) if hasattr(destination, "__index__") else tuple(destination)
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: Invalid source or destination dims: source ({list(source)} "
                           f"dims) should contain the same number of dims as destination "
                           f"({list(destination)} dims)")
    src = [wrap_dim(d, input.ndim) for d in source]
    dst = [wrap_dim(d, input.ndim) for d in destination]
    for name, dims, given in (("source", src, source), ("destination", dst, destination)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    rest = iter(d for d in range(input.ndim) if d not in src)
    order = [None] * input.ndim
    for s, d in zip(src, dst):
        order[d] = s
    return input.permute([next(rest) if o is None else o for o in order]) if input.ndim else input


@export("torch", "Tensor")
def adjoint(input):  # noqa: A002
    """The conjugate transpose of the last two axes."""
    return input.mH


@export("torch", "Tensor")
def tensor_split(input, indices_or_sections, dim=0):  # noqa: A002
    """Views between the given positions, or of nearly equal sizes."""
    if not input.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a "
                           "tensor with 0 dims")
    dim = wrap_dim(dim, input.ndim)
    size = input.shape[dim]
    if hasattr(indices_or_sections, "_meta"):
        if indices_or_sections.dtype is not dt.int64:
            raise RuntimeError("tensor_split expected tensor_indices_or_sections to have dtype of "
                               f"long, but got {indices_or_sections.dtype.name}")
        indices_or_sections = indices_or_sections.tolist()
    if hasattr(indices_or_sections, "__index__"):
        count = int(indices_or_sections)
        if count <= 0:
            raise RuntimeError("number of sections must be larger than 0, got "
                               f"{count}")
        each, more = divmod(size, count)
        ends = [(i + 1) * each + min(i + 1, more) for i in range(count)]
        starts = [0, *ends[:-1]]
    else:
        points = [slice(None, p).indices(size)[1] for p in indices_or_sections]
        starts, ends = [0, *points], [*points, size]
    return tuple(input.narrow(dim, a, max(b - a, 0)) for a, b in zip(starts, ends))


def _named_split(name, axis, need):
    def function(input, indices_or_sections):  # noqa: A002
        if input.ndim < need:
            raise RuntimeError(f"torch.{name} requires a tensor with at least {need} dimension"
                               f"{'s' if need > 1 else ''}, but got a tensor with {input.ndim} "
                               "dimensions!")
        dim = 0 if name == "hsplit" and input.ndim == 1 else axis
        if hasattr(indices_or_sections, "__index__") and not hasattr(indices_or_sections, "_meta"):
            if indices_or_sections and input.shape[dim] % indices_or_sections:
                raise RuntimeError(f"torch.{name} attempted to split along dimension {dim}, but "
                                   f"the size of the dimension {input.shape[dim]} is not divisible "
                                   f"by the split_size {indices_or_sections}!")
        return tensor_split(input, indices_or_sections, dim)
    function.__name__ = name
    function.__doc__ = f"`tensor_split` along axis {axis}."
    export("torch", "Tensor")(function)


_named_split("hsplit", 1, 1)
_named_split("vsplit", 0, 2)
_named_split("dsplit", 2, 3)


@export("torch", name="unsafe_chunk")
def unsafe_chunk(input, chunks, dim=0):  # noqa: A002
    """Like `chunk`, for results that are changed in place on their own."""
    return tuple(t.clone() for t in input.chunk(chunks, dim))


@export("torch")
def unsafe_split(tensor, split_size, dim=0):
    """Like `split`, for results that are changed in place on their own."""
    return tuple(t.clone() for t in tensor.split(split_size, dim))


# ---- copying forms of views -----------------------------------------------------------------

def _copying(name, function):
    def copied(input, *args, **kwargs):  # noqa: A002
        found = function(input, *args, **kwargs)
        if isinstance(found, tuple):
            return tuple(f.clone(memory_format="contiguous_format") for f in found)
        return found.clone(memory_format="contiguous_format")
    copied.__name__ = name + "_copy"
    copied.__doc__ = f"`{name}` into new memory."
    export("torch", out=True)(copied)


for _name in ("alias", "as_strided", "diagonal", "expand", "narrow", "permute", "select",
              "squeeze", "t", "transpose", "unbind", "unfold", "unsqueeze", "view", "detach",
              "split_with_sizes", "split"):
    _copying(_name, lambda input, *a, _n=_name, **k: getattr(input, _n)(*a, **k))  # noqa: A002


@export("torch")
def tril_indices(row, col, offset=0, *, dtype=None, device=None, layout=None):
    """Row and column numbers of a lower triangle, (2, n)."""
    return _triangle_indices(np.tril_indices(row, offset, col), dtype)


@export("torch")
def triu_indices(row, col, offset=0, *, dtype=None, device=None, layout=None):
    """Row and column numbers of an upper triangle, (2, n)."""
    return _triangle_indices(np.triu_indices(row, offset, col), dtype)


def _triangle_indices(pair, dtype):
    import rushlight
    return rushlight.tensor(np.stack(pair).astype(np.int64), dtype=dtype or rushlight.int64)


@export("torch", "Tensor")
def trace(input):  # noqa: A002
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return input.diagonal().sum()


__all__ = ["wrap_dims"]
