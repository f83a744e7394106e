"""Matrix products."""

from __future__ import annotations

import numpy as np

from ..base.shapes import broadcast_shapes, meta
from .arguments import cpp_name, scalar_name
from .record import export, primitive


def same_dtype(name, a, b):
    """PyTorch's refusal to promote in contractions."""
    if a.dtype is b.dtype:
        return
    long_names = scalar_name(a.dtype), scalar_name(b.dtype)
    if name == "addmm":
        text = "mat1 and mat2 must have the same dtype, but got {} and {}".format(*long_names)
    elif name == "bmm":
        text = "expected scalar type {} but found {}".format(*long_names)
    elif name == "mv":
        text = "addmv input tensors must have the same dtype, but got {1}, {0}, and {1}".format(
            *long_names)
    else:
        text = (f"expected m1 and m2 to have the same dtype, but got: {cpp_name(a.dtype)} != "
                f"{cpp_name(b.dtype)}")
    raise RuntimeError(text)


def _mm_rule(x, y):
    if len(x.shape) != 2:
        raise RuntimeError("self must be a matrix")
    if len(y.shape) != 2:
        raise RuntimeError("mat2 must be a matrix")
    if x.shape[1] != y.shape[0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({x.shape[0]}x{x.shape[1]} "
                           f"and {y.shape[0]}x{y.shape[1]})")
    same_dtype("mm", x, y)
    return meta(x.dtype, (x.shape[0], y.shape[1]))


def _h(x):
    return x.mT.conj() if x.is_complex() else x.mT


mm_op = primitive("mm", "contraction", "x y", _mm_rule, lambda x, y: np.matmul(x, y),
                  {"x": lambda g, y: mm_op(g, _h(y)), "y": lambda g, x: mm_op(_h(x), g)})


def _bmm_rule(x, y):
    if len(x.shape) != 3:
        raise RuntimeError("batch1 must be a 3D tensor")
    if len(y.shape) != 3:
        raise RuntimeError("batch2 must be a 3D tensor")
    if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{x.shape[0]}, "
            f"{x.shape[2]}] but got: [{y.shape[0]}, {y.shape[1]}].")
    same_dtype("bmm", x, y)
    return meta(x.dtype, (x.shape[0], x.shape[1], y.shape[2]))


bmm_op = primitive("bmm", "contraction", "x y", _bmm_rule, lambda x, y: np.matmul(x, y),
                   {"x": lambda g, y: bmm_op(g, _h(y)), "y": lambda g, x: bmm_op(_h(x), g)})


def _dot_rule(x, y):
    if len(x.shape) != 1 or len(y.shape) != 1:
        raise RuntimeError(f"1D tensors expected, but got {len(x.shape)}D and {len(y.shape)}D "
                           "tensors")
    if x.dtype is not y.dtype:
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found "
                           f"{scalar_name(x.dtype)} and {scalar_name(y.dtype)}")
    if x.shape != y.shape:
        raise RuntimeError(f"inconsistent tensor size, expected tensor [{x.shape[0]}] and src "
                           f"[{y.shape[0]}] to have the same number of elements, but got "
                           f"{x.shape[0]} and {y.shape[0]} elements respectively")
    return meta(x.dtype, ())


dot_op = primitive("dot", "contraction", "x y", _dot_rule, lambda x, y: np.dot(x, y),
                   {"x": lambda g, y: g * (y.conj() if y.is_complex() else y),
                    "y": lambda g, x: g * (x.conj() if x.is_complex() else x)})


def _mv_rule(x, y):
    if len(x.shape) != 2 or len(y.shape) != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {len(y.shape)}, "
                           f"{len(x.shape)}, {len(y.shape)}")
    if x.shape[1] != y.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({x.shape[0]}), mat ({x.shape[0]}x"
                           f"{x.shape[1]}), vec ({y.shape[0]})")
    same_dtype("mv", x, y)
    return meta(x.dtype, (x.shape[0],))


mv_op = primitive("mv", "contraction", "x y", _mv_rule, lambda x, y: np.matmul(x, y),
                  {"x": lambda g, y: g.unsqueeze(1) * (y.conj() if y.is_complex() else y),
                   "y": lambda g, x: mv_op(_h(x), g)})


@export("torch", "Tensor", out=True)
def mm(input, mat2):  # noqa: A002
    """The product of two matrices, (n, k) x (k, m) -> (n, m); no broadcasting."""
    return mm_op(input, mat2)


@export("torch", "Tensor", out=True)
def bmm(input, mat2):  # noqa: A002
    """A batch of matrix products, (b, n, k) x (b, k, m) -> (b, n, m)."""
    return bmm_op(input, mat2)


@export("torch", "Tensor", out=True)
def dot(input, tensor):  # noqa: A002
    """The inner product of two vectors (no conjugation)."""
    return dot_op(input, tensor)


@export("torch", "Tensor", out=True)
def mv(input, vec):  # noqa: A002
    """The product of a matrix and a vector."""
    return mv_op(input, vec)


@export("torch", "Tensor", out=True)
def matmul(input, other):  # noqa: A002
    """The matrix product with NumPy's rules for vectors and broadcast batches."""
    if not hasattr(other, "_meta"):
        raise TypeError("matmul(): argument 'other' (position 2) must be Tensor, not "
                        f"{type(other).__name__}")
    a, b = len(input.shape), len(other.shape)
    if a == 0 or b == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D "
                           f"and {b}D")
    if a == 1 and b == 1:
        return dot_op(input, other)
    if a == 2 and b == 1:
        return mv_op(input, other)
    if a == 1 and b == 2:
        return mm_op(input.unsqueeze(0), other).squeeze(0)
    if a == 2 and b == 2:
        return mm_op(input, other)
    if a >= 3 and b <= 2:      # fold the batch into the rows
        matrix = other if b == 2 else other.unsqueeze(1)
        if input.shape[-1] == matrix.shape[0]:
            folded = mm_op(input.reshape(-1, input.shape[-1]) if input.numel() else
                           input.reshape(_rows(input.shape), input.shape[-1]), matrix)
            return folded.reshape(input.shape[:-1] + (matrix.shape[1:] if b == 2 else ()))
    left = input.unsqueeze(0) if a == 1 else input
    right = other.unsqueeze(1) if b == 1 else other
    n, k, m = left.shape[-2], left.shape[-1], right.shape[-1]
    if k != right.shape[-2]:
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: "
                           f"[{_rows(left.shape[:-1] + (1,))}, {k}] but got: "
                           f"[{_rows(right.shape[:-1] + (1,))}, {right.shape[-2]}].")
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    count = _rows((*batch, 1))
    product = bmm_op(left.expand(*batch, n, k).reshape(count, n, k),
                     right.expand(*batch, k, m).reshape(count, k, m))
    shape = tuple(batch) + (() if a == 1 else (n,)) + (() if b == 1 else (m,))
    return product.reshape(shape)


def _rows(shape):
    count = 1
    for size in shape[:-1]:
        count *= size
    return count
