"""Views: ops whose result shares its input's memory. Each rule maps a layout to a layout."""

from __future__ import annotations

import operator

from ..base import dtypes as dt
from ..base.shapes import Meta, contiguous_strides, meta, wrap_dim
from .arguments import scalar_name
from .record import export, primitive, view


def sizes_of(args, name="size"):
    """A shape given as one sequence or as several ints."""
    single = len(args) == 1 and not hasattr(args[0], "__index__")
    if single:
        args = args[0]
    try:
        return tuple([operator.index(a) for a in args])
    except TypeError:
        if single and not isinstance(args, (list, tuple)):
            raise TypeError(f"{name} (position 1) must be tuple of ints, not "
                            f"{type(args).__name__}") from None
        position, bad = next((i, a) for i, a in enumerate(args) if not hasattr(a, "__index__"))
        raise TypeError(f"{name} failed to unpack the object at pos {position + 1} with error "
                        f"\"type must be tuple of ints,but got {type(bad).__name__}\"") from None


def infer_size(shape, numel):
    """`shape` with its one -1 worked out. RuntimeError where it does not fit."""
    known, unknown = 1, None
    for i, size in enumerate(shape):
        if size == -1:
            if unknown is not None:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif size < 0:
            raise RuntimeError(f"invalid shape dimension {size} at index {i} of shape "
                               f"{list(shape)}")
        else:
            known *= size
    if unknown is None:
        if known != numel:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
        return tuple(shape)
    if known == 0 and numel == 0:
        raise RuntimeError(f"cannot reshape tensor of 0 elements into shape {list(shape)} because "
                           "the unspecified dimension size -1 can be any value and is ambiguous")
    if known == 0 or numel % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    return (*shape[:unknown], numel // known, *shape[unknown + 1:])


def view_strides(m: Meta, shape):
    """The strides of `m` seen as `shape`, or None where no strides can express it."""
    if m.contiguous:
        return contiguous_strides(shape)
    if m.numel == 0:
        return m.strides if tuple(shape) == tuple(m.shape) else contiguous_strides(shape)
    strides = [0] * len(shape)
    new_axis = len(shape) - 1
    chunk_stride = m.strides[-1] if m.shape else 1
    chunk, taken = 1, 1
    for axis in range(len(m.shape) - 1, -1, -1):
        chunk *= m.shape[axis]
        if axis == 0 or (m.shape[axis - 1] != 1
                         and m.strides[axis - 1] != chunk * chunk_stride):
            while new_axis >= 0 and (taken < chunk or shape[new_axis] == 1):
                strides[new_axis] = taken * chunk_stride
                taken *= shape[new_axis]
                new_axis -= 1
            if taken != chunk:
                return None
            if axis > 0:
                chunk_stride = m.strides[axis - 1]
                chunk, taken = 1, 1
    return tuple(strides) if new_axis == -1 else None


def _view_rule(x, size):
    shape = infer_size(size, x.numel)
    strides = view_strides(x, shape)
    if strides is None:
        raise RuntimeError("view size is not compatible with input tensor's size and stride (at "
                           "least one dimension spans across two contiguous subspaces). Use "
                           ".reshape(...) instead.")
    return meta(x.dtype, shape, strides, x.offset)


_view = view("view", _view_rule, {"x": lambda g, x_meta: g.reshape(x_meta.shape)},
             params=("size",))
_unsafe_view = view("_unsafe_view", _view_rule, {"x": lambda g, x_meta: g.reshape(x_meta.shape)},
                    params=("size",), node_name="UnsafeViewBackward0")


def _view_dtype_rule(x, dtype):
    old, size = x.dtype.itemsize, dtype.itemsize
    if old == size:
        return meta(dtype, x.shape, x.strides, x.offset)
    if not x.shape:
        raise RuntimeError(f"self.dim() cannot be 0 to view {x.dtype.name} as {dtype.name} "
                           "(different element sizes)")
    if x.strides[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 to view {x.dtype.name} as {dtype.name} "
                           f"(different element sizes), but got {x.strides[-1]}")
    if old > size:
        ratio = old // size
        return meta(dtype, (*x.shape[:-1], x.shape[-1] * ratio),
                    (*[s * ratio for s in x.strides[:-1]], 1), x.offset * ratio)
    ratio = size // old
    if x.shape[-1] % ratio or x.offset % ratio or any(s % ratio for s in x.strides[:-1]):
        raise RuntimeError(f"self.size(-1) must be divisible by {ratio} to view {x.dtype.name} as "
                           f"{dtype.name} (different element sizes), but got {x.shape[-1]}")
    return meta(dtype, (*x.shape[:-1], x.shape[-1] // ratio),
                (*[s // ratio for s in x.strides[:-1]], 1), x.offset // ratio)


_view_dtype = view("view_dtype", _view_dtype_rule, None, params=("dtype",))


@export("Tensor", name="view")
def view_(self, *size, dtype=None):
    """The same memory as another shape, or read as another dtype.

    Raises RuntimeError where the strides cannot express the shape (use `reshape`).
    """
    if len(size) == 1 and isinstance(size[0], dt.dtype):
        dtype = size[0]
    if dtype is not None:
        return self.alias() if dtype is self.dtype else _view_dtype(self, dtype=dtype)
    return _view(self, size=sizes_of(size, "view(): argument 'size'"))


@export("Tensor")
def view_as(self, other):
    """``self.view(other.size())``."""
    return _view(self, size=tuple(other.shape))


@export("torch", "Tensor")
def reshape(input, *sizes, shape=None):  # noqa: A002
    """The elements in another shape: a view where strides allow it, else a copy."""
    m = input._meta
    wanted = infer_size(sizes_of(sizes if shape is None else (shape,),
                                 "reshape(): argument 'shape'"), m.numel)
    if view_strides(m, wanted) is not None:
        return _view(input, size=wanted)
    return _unsafe_view(input.clone(memory_format=None), size=wanted)


@export("Tensor")
def reshape_as(self, other):
    """``self.reshape(other.size())``."""
    return reshape(self, tuple(other.shape))


_permute = view("permute", lambda x, dims: meta(
    x.dtype, [x.shape[d] for d in dims], tuple(x.strides[d] for d in dims), x.offset),
    {"x": lambda g, dims: g.permute(_inverse(dims))}, params=("dims",))


def _inverse(dims):
    back = [0] * len(dims)
    for i, d in enumerate(dims):
        back[d] = i
    return tuple(back)


@export("torch", "Tensor")
def permute(input, *axes, dims=None):  # noqa: A002
    """The axes in another order."""
    dims = sizes_of(axes if dims is None else (dims,), "permute(): argument 'dims'")
    ndim = len(input.shape)
    if len(dims) != ndim:
        raise RuntimeError("permute(sparse_coo): number of dimensions in the tensor input does "
                           f"not match the length of the desired ordering of dimensions i.e. "
                           f"input.dim() = {ndim} is not equal to len(dims) = {len(dims)}")
    wrapped = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(wrapped)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _permute(input, dims=wrapped)


def _transpose_rule(x, dim0, dim1):
    shape, strides = list(x.shape), list(x.strides)
    if shape:
        shape[dim0], shape[dim1] = shape[dim1], shape[dim0]
        strides[dim0], strides[dim1] = strides[dim1], strides[dim0]
    return meta(x.dtype, shape, tuple(strides), x.offset)


_transpose = view("transpose", _transpose_rule,
                  {"x": lambda g, dim0, dim1: g.transpose(dim0, dim1)}, params=("dim0", "dim1"))
_t = view("t", _transpose_rule, {"x": lambda g: g.t()}, params=("dim0", "dim1"),
          node_name="TBackward0")


@export("torch", "Tensor", aliases=("swapaxes", "swapdims"))
def transpose(input, dim0, dim1=None):  # noqa: A002
    """Axes `dim0` and `dim1` exchanged."""
    if not isinstance(dim0, int) and isinstance(dim0, (tuple, list)):
        raise TypeError("transpose() takes two axis numbers, not a sequence. NumPy's "
                        "a.transpose((2, 0, 1)) is tensor.permute(2, 0, 1) here.")
    if dim1 is None:
        raise TypeError("transpose() missing 1 required positional arguments: \"dim1\"")
    ndim = len(input.shape)
    return _transpose(input, dim0=wrap_dim(dim0, ndim), dim1=wrap_dim(dim1, ndim))


@export("torch", "Tensor")
def t(input):  # noqa: A002
    """The transpose of a matrix (a vector or scalar as it is)."""
    ndim = len(input.shape)
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return _t(input, dim0=0, dim1=1 if ndim == 2 else 0)


def _expand_rule(x, size):
    extra = len(size) - len(x.shape)
    if extra < 0:
        raise RuntimeError(
            f"expand(torch.{scalar_name(x.dtype)}Tensor{{{list(x.shape)}}}, size={list(size)}): "
            f"the number of sizes provided ({len(size)}) must be "
            f"greater or equal to the number of dimensions in the tensor ({len(x.shape)})")
    shape, strides = [], []
    for i, want in enumerate(size):
        have = x.shape[i - extra] if i >= extra else 1
        stride = x.strides[i - extra] if i >= extra else 0
        if want == -1:
            if i < extra:
                raise RuntimeError(
                    "The expanded size of the tensor (-1) isn't allowed in a leading, "
                    f"non-existing dimension {i}")
            want = have
        if have != want:
            if have != 1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({want}) must match the existing size "
                    f"({have}) at non-singleton dimension {i}.  Target sizes: {list(size)}.  "
                    f"Tensor sizes: {list(x.shape)}")
            stride = 0
        elif i < extra:
            stride = 0 if want != 1 else (strides_after(x, i, extra))
        shape.append(want)
        strides.append(stride)
    return meta(x.dtype, shape, tuple(strides), x.offset)


def strides_after(x, axis, extra):
    """The stride PyTorch gives to a new leading axis of length one."""
    first = x.shape[0] * x.strides[0] if x.shape else 1
    return first


_expand = view("expand", _expand_rule, {"x": lambda g, x_meta: g.sum_to_size(x_meta.shape)},
               params=("size",))


@export("Tensor")
def expand(self, *sizes, size=None, implicit=False):
    """Axes of length one repeated without a copy; -1 keeps an axis."""
    given = sizes if size is None else (size,)
    return _expand(self, size=sizes_of(given, "expand(): argument 'size'"))


@export("Tensor")
def expand_as(self, other):
    """``self.expand(other.size())``."""
    return _expand(self, size=tuple(other.shape))


def _select_rule(x, dim, index):
    return meta(x.dtype, x.shape[:dim] + x.shape[dim + 1:], x.strides[:dim] + x.strides[dim + 1:],
                x.offset + index * x.strides[dim])


def _select_backward(g, x_meta, dim, index):
    made = g.new_zeros(x_meta.shape)
    made.select(dim, index).copy_(g)
    return made


_select = view("select", _select_rule, {"x": _select_backward}, params=("dim", "index"))


@export("torch", "Tensor")
def select(input, dim, index):  # noqa: A002
    """The slice at `index` of axis `dim`, that axis removed."""
    shape = input.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    index = operator.index(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size "
                         f"{list(shape)} at dimension {dim}")
    return _select(input, dim=dim, index=index % shape[dim])


def _slice_rule(x, dim, start, end, step):
    length = max(0, (end - start + step - 1) // step)
    strides = x.strides[:dim] + (x.strides[dim] * step,) + x.strides[dim + 1:]
    return meta(x.dtype, (*x.shape[:dim], length, *x.shape[dim + 1:]), strides,
                x.offset + start * x.strides[dim])


def _slice_backward(g, x_meta, dim, start, end, step):
    made = g.new_zeros(x_meta.shape)
    slice_(made, dim, start, end, step).copy_(g)
    return made


_slice = view("slice", _slice_rule, {"x": _slice_backward},
              params=("dim", "start", "end", "step"))


def slice_(x, dim, start=None, end=None, step=1):
    """``x[..., start:end:step, ...]`` along one axis; step must be positive."""
    size = x.shape[dim]
    if step <= 0:
        raise ValueError("step must be greater than zero")
    start, end, step = slice(start, end, step).indices(size)
    return _slice(x, dim=dim, start=start, end=max(end, start), step=step)


@export("torch", "Tensor")
def narrow(input, dim, start, length):  # noqa: A002
    """`length` elements from `start` along `dim`, as a view."""
    if not input.shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if hasattr(start, "item"):
        start = start.item()
    dim = wrap_dim(dim, len(input.shape))
    size = input.shape[dim]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but "
                         f"got {start})")
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return _slice(input, dim=dim, start=start, end=start + length, step=1)


def _squeeze_rule(x, dims):
    keep = [i for i in range(len(x.shape)) if not (i in dims and x.shape[i] == 1)]
    return meta(x.dtype, [x.shape[i] for i in keep], tuple(x.strides[i] for i in keep), x.offset)


def _squeeze_record(name, node_name):
    return view(name, _squeeze_rule, {"x": lambda g, x_meta: g.reshape(x_meta.shape)},
                params=("dims",), node_name=node_name)


# PyTorch's nodes differ by what was asked for, which a printed tensor shows.
_squeeze = _squeeze_record("squeeze", "SqueezeBackward0")
_squeeze_one = _squeeze_record("squeeze_one", "SqueezeBackward1")
_squeeze_several = _squeeze_record("squeeze_several", "SqueezeBackward2")


@export("torch", "Tensor", inplace=False)
def squeeze(input, dim=None):  # noqa: A002
    """Axes of length one removed (all of them, or those in `dim`)."""
    ndim = len(input.shape)
    if dim is None:
        return _squeeze(input, dims=tuple(range(ndim)))
    if isinstance(dim, (tuple, list)):
        return _squeeze_several(input, dims=tuple(wrap_dim(d, ndim) for d in dim))
    return _squeeze_one(input, dims=(wrap_dim(dim, ndim),))


def _unsqueeze_rule(x, dim):
    stride = x.shape[dim] * x.strides[dim] if dim < len(x.shape) else 1
    return meta(x.dtype, (*x.shape[:dim], 1, *x.shape[dim:]),
                (*x.strides[:dim], stride, *x.strides[dim:]), x.offset)


_unsqueeze = view("unsqueeze", _unsqueeze_rule, {"x": lambda g, dim: g.squeeze(dim)},
                  params=("dim",))


@export("torch", "Tensor")
def unsqueeze(input, dim):  # noqa: A002
    """A new axis of length one at `dim`."""
    return _unsqueeze(input, dim=wrap_dim(dim, len(input.shape) + 1))


_alias = view("alias", lambda x: x, {"x": lambda g: g})


@export("Tensor")
def alias(self):
    """Another tensor object over the same memory, part of the graph."""
    return _alias(self)


def _as_strided_rule(x, size, stride, storage_offset):
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError("as_strided: Negative strides are not supported at the moment, got "
                           f"strides: {list(stride)}")
    return meta(x.dtype, size, tuple(stride), storage_offset)


def _as_strided_backward_kernel(g, geometry, size, stride, storage_offset):
    import numpy as np
    base = storage_offset if storage_offset < geometry.offset else geometry.offset

    def positions(shape, strides, offset):
        index = np.array(offset - base)
        for length, step in zip(shape, strides):
            index = index[..., None] + np.arange(length) * step
        return index
    out_at = positions(size, stride, storage_offset)
    in_at = positions(geometry.shape, geometry.strides, geometry.offset)
    count = 1 + max(out_at.max(initial=0), in_at.max(initial=0))
    flat = np.zeros(count, g.dtype)
    np.add.at(flat, out_at, g)
    shared = np.bincount(in_at.reshape(-1), minlength=count)
    flat = flat / np.maximum(shared, 1).astype(g.real.dtype)
    return flat[in_at].astype(g.dtype)


_as_strided_backward = primitive(
    "as_strided_backward", "scatter", "g",
    lambda g, geometry, size, stride, storage_offset: meta(g.dtype, geometry.shape),
    _as_strided_backward_kernel,
    {"g": lambda g, size, stride, storage_offset: g.as_strided(size, stride, storage_offset)},
    params=("geometry", "size", "stride", "storage_offset"))
_as_strided = view(
    "as_strided", _as_strided_rule,
    {"x": lambda g, x_meta, size, stride, storage_offset: _as_strided_backward(
        g, geometry=x_meta, size=size, stride=stride, storage_offset=storage_offset)},
    params=("size", "stride", "storage_offset"))


@export("torch", "Tensor")
def as_strided(input, size, stride, storage_offset=None):  # noqa: A002
    """The storage seen through any size, strides and offset (in elements).

    Raises RuntimeError where that reaches outside the storage.
    """
    size, stride = tuple(size), tuple(stride)
    offset = input.storage_offset() if storage_offset is None else storage_offset
    end = offset + sum((n - 1) * s for n, s in zip(size, stride)) + 1
    have = input.untyped_storage().nbytes() // input.element_size()
    if 0 not in size and end > have:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, "
            f"and itemsize {input.element_size()} requiring a storage size of "
            f"{end * input.element_size()} are out of bounds for storage of size "
            f"{have * input.element_size()}")
    return _as_strided(input, size=size, stride=stride, storage_offset=offset)


def _diagonal_rule(x, offset, dim1, dim2):
    rows, columns = x.shape[dim1], x.shape[dim2]
    if offset >= 0:
        length, start = max(min(rows, columns - offset), 0), offset * x.strides[dim2]
    else:
        length, start = max(min(rows + offset, columns), 0), -offset * x.strides[dim1]
    keep = [i for i in range(len(x.shape)) if i not in (dim1, dim2)]
    return meta(x.dtype, (*[x.shape[i] for i in keep], length),
                (*[x.strides[i] for i in keep], x.strides[dim1] + x.strides[dim2]),
                x.offset + (start if length else 0))


def _diagonal_backward(g, x_meta, offset, dim1, dim2):
    made = g.new_zeros(x_meta.shape)
    made.diagonal(offset, dim1, dim2).copy_(g)
    return made


_diagonal = view("diagonal", _diagonal_rule, {"x": _diagonal_backward},
                 params=("offset", "dim1", "dim2"))


@export("torch", "Tensor")
def diagonal(input, offset=0, dim1=0, dim2=1):  # noqa: A002
    """The diagonal of the plane (dim1, dim2), as the last axis of a view."""
    ndim = len(input.shape)
    first, second = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _diagonal(input, offset=offset, dim1=first, dim2=second)


def _unfold_rule(x, dimension, size, step):
    if not x.shape:
        return meta(x.dtype, (size,), (1,), x.offset)
    count = (x.shape[dimension] - size) // step + 1
    return meta(x.dtype, (*x.shape[:dimension], count, *x.shape[dimension + 1:], size),
                (*x.strides[:dimension], x.strides[dimension] * step,
                 *x.strides[dimension + 1:], x.strides[dimension]), x.offset)


def _unfold_backward(g, x_meta, dimension, size, step):
    return _as_strided_backward(
        g, geometry=meta(g.dtype, x_meta.shape), size=g.shape,
        stride=_unfold_rule(meta(g.dtype, x_meta.shape), dimension, size, step).strides,
        storage_offset=0)


_unfold = view("unfold", _unfold_rule, {"x": _unfold_backward},
               params=("dimension", "size", "step"))


@export("Tensor")
def unfold(self, dimension, size, step):
    """Windows of `size` every `step` along an axis; the window is the new last axis."""
    dimension = wrap_dim(dimension, len(self.shape))
    length = self.shape[dimension] if self.shape else 1
    if size > length:
        raise RuntimeError(f"maximum size for tensor at dimension {dimension} is {length} but "
                           f"size is {size}")
    if size < 0 or step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0" if step <= 0 else
                           f"size is {size} but must be >= 0")
    return _unfold(self, dimension=dimension, size=size, step=step)


def _real_view(part):
    def rule(x):
        return meta(x.dtype.to_real(), x.shape, tuple(2 * s for s in x.strides),
                    2 * x.offset + part)
    return rule


_real = view("real", _real_view(0), {"x": lambda g: g + 0j}, node_name="RealBackward0")
_imag = view("imag", _real_view(1), {"x": lambda g: g * 1j}, node_name="ImagBackward0")
_view_as_real = view(
    "view_as_real", lambda x: meta(x.dtype.to_real(), (*x.shape, 2),
                                   (*[2 * s for s in x.strides], 1), 2 * x.offset),
    {"x": lambda g: g.contiguous().view_as_complex_()})
_view_as_complex = view(
    "view_as_complex", lambda x: meta(x.dtype.to_complex(), x.shape[:-1],
                                      tuple(s // 2 for s in x.strides[:-1]), x.offset // 2),
    {"x": lambda g: _view_as_real(g.contiguous())})


@export("torch")
def real(input):  # noqa: A002
    """The real part, as a view (a real tensor as it is)."""
    return _real(input) if input.is_complex() else input


@export("torch")
def imag(input):  # noqa: A002
    """The imaginary part of a complex tensor, as a view."""
    if not input.is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _imag(input)


@export("torch")
def view_as_real(input):  # noqa: A002
    """A complex tensor as a real one with a last axis of (real, imaginary)."""
    if not input.is_complex():
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return _view_as_real(input)


@export("torch")
def view_as_complex(input):  # noqa: A002
    """A real tensor whose last axis has length two as a complex one."""
    m = input._meta
    if not m.dtype.is_floating_point or m.dtype is dt.bfloat16:
        raise RuntimeError("view_as_complex is only supported for half, float and double tensors, "
                           f"but got a tensor of scalar type: {m.dtype.name}")
    if not m.shape or m.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if m.strides[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if m.offset % 2 or any(s % 2 for s in m.strides[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return _view_as_complex(input)


@export("Tensor")
def view_as_complex_(self):
    """`view_as_complex` as a method, used by derivatives."""
    return view_as_complex(self)


_unbind = view("unbind", lambda x, dim: [_select_rule(x, dim, i) for i in range(x.shape[dim])],
               {"x": lambda gs, dim: __import__("rushlight").stack(list(gs), dim)},
               params=("dim",))
_split = view("split_with_sizes", lambda x, sizes, dim: [
    _slice_rule(x, dim, sum(sizes[:i]), sum(sizes[:i + 1]), 1) for i in range(len(sizes))],
    {"x": lambda gs, dim: __import__("rushlight").cat(list(gs), dim)},
    params=("sizes", "dim"), node_name="SplitWithSizesBackward0")
_split_equal = view("split", lambda x, sizes, dim: [
    _slice_rule(x, dim, sum(sizes[:i]), sum(sizes[:i + 1]), 1) for i in range(len(sizes))],
    {"x": lambda gs, dim: __import__("rushlight").cat(list(gs), dim)},
    params=("sizes", "dim"), node_name="SplitBackward0")


@export("torch", "Tensor")
def unbind(input, dim=0):  # noqa: A002
    """The slices along an axis, as a tuple of views."""
    if not input.shape:
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, len(input.shape))
    return _unbind(input, dim=dim) if input.shape[dim] else ()


@export("torch", "Tensor")
def split(tensor, split_size_or_sections, dim=0):
    """Views of `split_size` elements each along `dim` (the last may be shorter), or of given sizes.
    """
    if not tensor.shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, len(tensor.shape))
    total = tensor.shape[dim]
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    step = operator.index(split_size_or_sections)
    if step < 0 or (step == 0 and total):
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
    count = max(1, -(-total // step)) if step else 1
    sizes = tuple(min(step, total - i * step) for i in range(count))
    return _split_equal(tensor, sizes=sizes, dim=dim)


@export("torch", "Tensor")
def split_with_sizes(input, split_sizes, dim=0):  # noqa: A002
    """Views of the given sizes along `dim`; they must add up to its length."""
    dim = wrap_dim(dim, len(input.shape))
    sizes = tuple(operator.index(s) for s in split_sizes)
    total = input.shape[dim]
    if any(s < 0 for s in sizes):
        raise RuntimeError("split_with_sizes expects split_sizes have only non-negative entries, "
                           f"but got split_sizes={list(sizes)}")
    if sum(sizes) != total:
        raise RuntimeError(f"split_with_sizes expects split_sizes to sum exactly to {total} "
                           f"(input tensor's size at dimension {dim}), but got "
                           f"split_sizes={list(sizes)}")
    return _split(input, sizes=sizes, dim=dim)


@export("torch", "Tensor")
def chunk(input, chunks, dim=0):  # noqa: A002
    """At most `chunks` views of equal size along `dim`."""
    if not input.shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = wrap_dim(dim, len(input.shape))
    total = input.shape[dim]
    step = -(-total // chunks)
    if step == 0:
        return _split(input, sizes=(0,) * chunks, dim=dim)
    return split(input, step, dim)
