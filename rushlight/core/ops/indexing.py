"""Reading and writing at integer index tensors: `index`, `index_put`.

Only records here; ``x[...]`` itself is `rushlight.core.tensor.indexing`. Up to eight index tensors,
each for one axis (`dims`); they broadcast together, as in NumPy. Where the axes are not adjacent
the indexed axes come first.
"""

from __future__ import annotations

import numpy as np

from ..base.shapes import broadcast_shapes, meta
from .record import primitive

INDICES = "i0? i1? i2? i3? i4? i5? i6? i7?"


def indexed_shape(shape, dims, index_shapes):
    """The shape of ``x[indices]``, and where the indexed axes stand in it."""
    try:
        block = broadcast_shapes(*index_shapes)
    except RuntimeError:
        raise IndexError("shape mismatch: indexing tensors could not be broadcast together with "
                         "shapes " + ", ".join(str(list(s)) for s in index_shapes)) from None
    adjacent = dims == tuple(range(dims[0], dims[0] + len(dims)))
    rest = [n for i, n in enumerate(shape) if i not in dims]
    start = dims[0] if adjacent else 0
    return (*rest[:start], *block, *rest[start:]), start, len(block)


def _index_rule(x, *arguments):
    dims = arguments[-1]
    shapes = [i.shape for i in arguments[:-1] if i is not None]
    return meta(x.dtype, indexed_shape(x.shape, dims, shapes)[0])


def _full_index(ndim, dims, indices):
    full = [slice(None)] * ndim
    for d, index in zip(dims, indices):
        full[d] = index
    return tuple(full)


def _checked(x, dims, indices):
    try:
        return x[_full_index(x.ndim, dims, indices)]
    except IndexError as error:
        raise IndexError(_torch_text(x.shape, dims, indices) or str(error)) from None


def _torch_text(shape, dims, indices):
    for d, index in zip(dims, indices):
        bad = (index < -shape[d]) | (index >= shape[d])
        if bad.any():
            return (f"index {index[bad].reshape(-1)[0]} is out of bounds for dimension {d} with "
                    f"size {shape[d]}")
    return None


def _index_kernel(x, *arguments):
    dims = arguments[-1]
    return _checked(x, dims, [i for i in arguments[:-1] if i is not None])


def _put_kernel(x, values, *arguments, owned=()):
    dims, accumulate = arguments[-2:]
    indices = [i for i in arguments[:-2] if i is not None]
    if not (owned and owned[0] and x.flags.writeable):
        x = x.copy()
    where = _full_index(x.ndim, dims, indices)
    try:
        if not accumulate:
            x[where] = values
        elif x.dtype.kind == "b":
            np.logical_or.at(x, where, values)
        elif x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
            wide = x.astype(np.float32)
            np.add.at(wide, where, np.asarray(values, np.float32))
            x[...] = wide
        else:
            np.add.at(x, where, values)
    except IndexError as error:
        raise IndexError(_torch_text(x.shape, dims, indices) or str(error)) from None
    return x


def _index_backward(g, x_meta, i0, i1, i2, i3, i4, i5, i6, i7, dims):
    return index_put_op(g.new_zeros(x_meta.shape), g, i0, i1, i2, i3, i4, i5, i6, i7, dims=dims,
                        accumulate=True)


index_op = primitive("index", "gather", "x " + INDICES, _index_rule, _index_kernel,
                     {"x": _index_backward}, params=("dims",), checks=True, upcast=False)


def _put_rule(x, values, *arguments):
    dims = arguments[-2]
    shapes = [i.shape for i in arguments[:-2] if i is not None]
    wanted = indexed_shape(x.shape, dims, shapes)[0]
    have = values.shape
    extra = len(have) - len(wanted)
    fits = extra <= 0 and all(h in (1, w) for h, w in zip(have, wanted[-extra:] if extra else
                                                         wanted))
    if not fits:
        raise RuntimeError(f"shape mismatch: value tensor of shape {list(have)} cannot be "
                           f"broadcast to indexing result of shape {list(wanted)}")
    if values.dtype is not x.dtype:
        raise RuntimeError("Index put requires the source and destination dtypes match, got "
                           f"{x.dtype.name} for the destination and {values.dtype.name} for the "
                           "source.")
    return x


def _dense(rule):
    def wrapped(x, *arguments):
        found = rule(x, *arguments)
        return meta(found.dtype, found.shape)
    return wrapped


def _put_backward_x(g, i0, i1, i2, i3, i4, i5, i6, i7, values_meta, dims, accumulate):
    if accumulate:
        return g
    zero = g.new_zeros(())
    return index_put_op(g, zero, i0, i1, i2, i3, i4, i5, i6, i7, dims=dims, accumulate=False)


def _put_backward_values(g, i0, i1, i2, i3, i4, i5, i6, i7, dims):
    return index_op(g, i0, i1, i2, i3, i4, i5, i6, i7, dims=dims)


index_put_op = primitive(
    "index_put", "scatter", "x values " + INDICES, _dense(_put_rule), _put_kernel,
    {"x": _put_backward_x, "values": _put_backward_values},
    params=("dims", "accumulate"), checks=True, upcast=False, donates=(0,))
