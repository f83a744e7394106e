"""Products built on `mm`: addmm and its relatives, linear, einsum, tensordot, outer, kron, cross.
"""

from __future__ import annotations

import math

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import broadcast_shapes, meta, wrap_dim
from .arguments import scalar_name
from .contraction import _h, bmm_op, mm_op, same_dtype
from .record import export, primitive


def _addmm_rule(bias, x, y, beta, alpha):
    if len(x.shape) != 2 or len(y.shape) != 2:
        which, m = ("mat1", x) if len(x.shape) != 2 else ("mat2", y)
        raise RuntimeError(f"{which} must be a matrix, got {len(m.shape)}-D tensor")
    if x.shape[1] != y.shape[0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({x.shape[0]}x{x.shape[1]} "
                           f"and {y.shape[0]}x{y.shape[1]})")
    same_dtype("addmm", x, y)
    if bias.dtype is not x.dtype:
        raise RuntimeError("self and mat2 must have the same dtype, but got "
                           f"{scalar_name(bias.dtype)} and {scalar_name(y.dtype)}")
    shape = (x.shape[0], y.shape[1])
    if broadcast_shapes(bias.shape, shape) != shape:
        raise RuntimeError(f"The expanded size of the tensor ({shape[-1]}) must match the existing "
                           f"size ({bias.shape[-1]}) at non-singleton dimension 1.  Target sizes: "
                           f"{list(shape)}.  Tensor sizes: {list(bias.shape)}")
    return meta(x.dtype, shape)


def _scaled(x, factor):
    """`x` times a Python number, in the dtype of `x`."""
    if x._meta.dtype.category < 2 and isinstance(factor, float):
        factor = int(factor)
    return x if factor == 1 else x * factor


def _addmm_kernel(bias, x, y, beta, alpha):
    out = np.matmul(x, y)
    if alpha != 1:
        out *= np.asarray(alpha).astype(out.dtype)
    if beta != 0:
        out += bias if beta == 1 else bias * np.asarray(beta).astype(out.dtype)
    return out


addmm_op = primitive(
    "addmm", "contraction", "bias x y beta alpha", _addmm_rule, _addmm_kernel,
    {"bias": lambda g, beta: _scaled(g, _cj(beta)),
     "x": lambda g, y, alpha: _scaled(mm_op(g, _h(y)), _cj(alpha)),
     "y": lambda g, x, alpha: _scaled(mm_op(_h(x), g), _cj(alpha))})


def _cj(number):
    return number.conjugate() if isinstance(number, complex) else number


@export("torch", "Tensor", inplace=True, out=True)
def addmm(input, mat1, mat2, *, beta=1, alpha=1):  # noqa: A002
    """``beta * input + alpha * (mat1 @ mat2)``."""
    return addmm_op(input, mat1, mat2, beta, alpha)


@export("torch", "Tensor", inplace=True, out=True)
def addmv(input, mat, vec, *, beta=1, alpha=1):  # noqa: A002
    """``beta * input + alpha * (mat @ vec)``."""
    product = _scaled(mat.mv(vec), alpha)
    return product if beta == 0 else product + _scaled(input, beta)


@export("torch", "Tensor", inplace=True, out=True)
def addr(input, vec1, vec2, *, beta=1, alpha=1):  # noqa: A002
    """``beta * input + alpha * outer(vec1, vec2)``."""
    if vec1.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"addr: Expected 1-D argument vec1 and vec2, but got {vec1.ndim}-D and "
                           f"{vec2.ndim}-D")
    product = vec1.unsqueeze(1) * vec2.unsqueeze(0)
    if product.dtype is dt.bool_:
        return product if not beta else (product & bool(alpha)) | input
    product = _scaled(product, alpha)
    return product.expand(broadcast_shapes(product.shape, input.shape)) if beta == 0 else \
        product + _scaled(input, beta)


@export("torch", "Tensor", inplace=True, out=True)
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):  # noqa: A002
    """``beta * input + alpha * (batch1 @ batch2)``, a batch of matrices."""
    product = _scaled(bmm_op(batch1, batch2), alpha)
    return product if beta == 0 else product + _scaled(input, beta)


@export("torch", "Tensor", inplace=True, out=True)
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):  # noqa: A002
    """``beta * input + alpha * sum of (batch1[i] @ batch2[i])``."""
    product = _scaled(bmm_op(batch1, batch2).sum(0, dtype=batch1.dtype), alpha)
    return product if beta == 0 else product + _scaled(input, beta)


# ---- einsum ---------------------------------------------------------------------------------

def _parse(equation, operands):
    equation = equation.replace(" ", "")
    for letter in equation.replace("->", "").replace(",", "").replace(".", ""):
        if not letter.isalpha():
            raise RuntimeError(f"einsum(): invalid subscript given at index "
                               f"{equation.index(letter)} in the equation string, subscripts must "
                               "be in [a-zA-Z]")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        what = "more" if len(operands) > len(terms) else "fewer"
        raise RuntimeError(f"einsum(): {what} operands were provided than specified in the equation"
                           if what == "more" else
                           "einsum(): fewer operands were provided than specified in the equation")
    ellipsis = 0
    for term, operand in zip(terms, operands):
        letters = term.replace("...", "")
        if "." in letters:
            raise RuntimeError("einsum(): found '.' for operand that is not part of any ellipsis")
        extra = operand.ndim - len(letters)
        if "..." in term:
            if extra < 0:
                raise RuntimeError("einsum(): the number of subscripts in the equation "
                                   f"({len(letters)}) is more than the number of dimensions "
                                   f"({operand.ndim}) for operand")
            ellipsis = max(ellipsis, extra)
        elif extra:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(letters)}) does not "
                f"match the number of dimensions ({operand.ndim}) for operand "
                f"{terms.index(term)} and no ellipsis was given")
    dots = [f"_{i}" for i in range(ellipsis)]
    inputs = []
    for term, operand in zip(terms, operands):
        before, has, after = term.partition("...")
        count = operand.ndim - len(before) - len(after)
        inputs.append([*before, *(dots[ellipsis - count:] if has else []), *after])
    if arrow:
        before, has, after = right.partition("...")
        output = [*before, *(dots if has else []), *after]
        for letter in output:
            if output.count(letter) > 1:
                raise RuntimeError(f"einsum(): output subscript {letter} appears more than once "
                                   "in the output")
            if letter not in dots and not any(letter in names for names in inputs):
                raise RuntimeError(f"einsum(): output subscript {letter} does not appear in the "
                                   "equation for any input operand")
    else:
        every = [n for names in inputs for n in names if n not in dots]
        output = dots + sorted(n for n in set(every) if every.count(n) == 1)
    return inputs, output


def _diagonalise(operand, names):
    """Repeated letters of one operand taken along their diagonal."""
    names = list(names)
    for letter in list(dict.fromkeys(names)):
        while names.count(letter) > 1:
            first = names.index(letter)
            second = names.index(letter, first + 1)
            if operand.shape[first] != operand.shape[second]:
                raise RuntimeError(f"einsum(): subscript {letter} is repeated for operand but the "
                                   f"sizes don't match, {operand.shape[second]} != "
                                   f"{operand.shape[first]}")
            operand = operand.diagonal(0, first, second)
            names = [n for i, n in enumerate(names) if i not in (first, second)] + [letter]
    return operand, names


def _arrange(operand, names, order):
    """The operand with the axes of `order`; missing ones have length one."""
    have = [n for n in order if n in names]
    operand = operand.permute([names.index(n) for n in have]) if have else operand
    for i, name in enumerate(order):
        if name not in names:
            operand = operand.unsqueeze(i)
    return operand


def _contract(a, a_names, b, b_names, keep):
    """One pairwise contraction as a batched matrix product."""
    sizes = {}
    for operand, names in ((a, a_names), (b, b_names)):
        for name, n in zip(names, operand.shape):
            sizes[name] = max(sizes.get(name, 1), n)
    lone_a = [n for n in a_names if n not in b_names and n not in keep]
    lone_b = [n for n in b_names if n not in a_names and n not in keep]
    if lone_a:
        a = a.sum([a_names.index(n) for n in lone_a])
        a_names = [n for n in a_names if n not in lone_a]
    if lone_b:
        b = b.sum([b_names.index(n) for n in lone_b])
        b_names = [n for n in b_names if n not in lone_b]
    shared = [n for n in a_names if n in b_names]
    batch = [n for n in shared if n in keep]
    summed = [n for n in shared if n not in keep]
    only_a = [n for n in a_names if n not in b_names]
    only_b = [n for n in b_names if n not in a_names]

    def size(names):
        return math.prod(sizes[n] for n in names)
    left = _arrange(a, a_names, batch + only_a + summed)
    left = left.expand([sizes[n] for n in batch + only_a + summed])
    right = _arrange(b, b_names, batch + summed + only_b)
    right = right.expand([sizes[n] for n in batch + summed + only_b])
    if not summed:
        left = left.reshape([sizes[n] for n in batch + only_a] + [1] * len(only_b))
        right = right.reshape([sizes[n] for n in batch] + [1] * len(only_a)
                              + [sizes[n] for n in only_b])
        return left * right, batch + only_a + only_b
    product = bmm_op(left.reshape(size(batch), size(only_a), size(summed)),
                     right.reshape(size(batch), size(summed), size(only_b)))
    names = batch + only_a + only_b
    return product.reshape([sizes[n] for n in names]), names


def _letters(arguments):
    """The sublist form ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as an equation."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def text(sublist):
        return "".join("..." if s is Ellipsis else alphabet[s] for s in sublist)
    operands, terms = arguments[0::2], arguments[1::2]
    equation = ",".join(text(t) for t in terms)
    if len(arguments) % 2:
        equation += "->" + text(arguments[-1])
        operands = operands[:-1]
    return equation, operands


@export("torch")
def einsum(*args):
    """Einstein summation: ``einsum('ij,jk->ik', a, b)``; contracted in pairs, left to right."""
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or "
                         "at least one operand and its subscripts list")
    if isinstance(args[0], str):
        equation, operands = args[0], args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = operands[0]
    else:
        equation, operands = _letters(args)
    inputs, output = _parse(equation, operands)
    parts = []
    sizes: dict = {}
    for operand, names in zip(operands, inputs):
        operand, names = _diagonalise(operand, names)
        for i, name in enumerate(names):
            n = operand.shape[i]
            if sizes.setdefault(name, n) != n:
                if 1 not in (n, sizes[name]):
                    raise RuntimeError(f"einsum(): subscript {name} has size {n} for operand "
                                       f"{len(parts)} which does not broadcast with previously "
                                       f"seen size {sizes[name]}")
                sizes[name] = max(n, sizes[name])
        parts.append((operand, names))
    current, names = parts[0]
    for i, (operand, more) in enumerate(parts[1:], 1):
        later = {n for _, other in parts[i + 1:] for n in other} | set(output)
        # An axis of length one that broadcasts against a longer one is dropped first.
        current, names = _drop_ones(current, names, sizes)
        operand, more = _drop_ones(operand, more, sizes)
        current, names = _contract(current, names, operand, more, later)
    extra = [i for i, n in enumerate(names) if n not in output]
    if extra:
        current = current.sum(extra)
        names = [n for n in names if n in output]
    missing = [n for n in output if n not in names]
    for name in missing:
        current, names = current.unsqueeze(0), [name, *names]
    return current.permute([names.index(n) for n in output]) if output else current.reshape(())


def _drop_ones(operand, names, sizes):
    axes = [i for i, n in enumerate(names) if operand.shape[i] == 1 and sizes[n] != 1]
    for axis in reversed(axes):
        operand = operand.squeeze(axis)
    return operand, [n for i, n in enumerate(names) if i not in axes]


@export("torch")
def tensordot(a, b, dims=2, out=None):
    """The sum of products over axes: a count (last of a, first of b) or two lists of axes."""
    if hasattr(dims, "tolist"):
        dims = dims.tolist()
    if isinstance(dims, (tuple, list)):
        if len(dims) == 2 and isinstance(dims[0], (tuple, list)):
            axes_a, axes_b = list(dims[0]), list(dims[1])
        else:
            axes_a, axes_b = [dims[0]], [dims[1]]
    else:
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        axes_a = list(range(a.ndim - dims, a.ndim))
        axes_b = list(range(dims))
    axes_a = [wrap_dim(d, a.ndim) for d in axes_a]
    axes_b = [wrap_dim(d, b.ndim) for d in axes_b]
    for d, e in zip(axes_a, axes_b):
        if a.shape[d] != b.shape[e] and 1 not in (a.shape[d], b.shape[e]):
            raise RuntimeError(f"contracted dimensions need to match, but first has size "
                               f"{a.shape[d]} in dim {d} and second has size {b.shape[e]} in dim "
                               f"{e}")
    names_a = [f"a{i}" for i in range(a.ndim)]
    names_b = [f"b{i}" for i in range(b.ndim)]
    for i, (d, e) in enumerate(zip(axes_a, axes_b)):
        names_a[d] = names_b[e] = f"s{i}"
    keep = {n for n in names_a + names_b if not n.startswith("s")}
    found, names = _contract(a, names_a, b, names_b, keep)
    wanted = [n for n in names_a + names_b if n in keep]
    result = found.permute([names.index(n) for n in wanted]) if wanted else found.reshape(())
    if out is not None:
        out.copy_(result)
        return out
    return result


@export("torch", "Tensor", out=True, aliases=("ger",))
def outer(input, vec2):  # noqa: A002
    """The matrix of products of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D argument self and vec2, but got {input.ndim}-D "
                           f"and {vec2.ndim}-D")
    return input.unsqueeze(1) * vec2


@export("torch", "Tensor", out=True)
def inner(input, other):  # noqa: A002
    """Sums of products over the last axes."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner() the last dimension must match on both input tensors but got "
                           f"shapes {list(input.shape)} and {list(other.shape)}")
    return tensordot(input, other, ([-1], [-1]))


@export("torch", "Tensor", out=True)
def vdot(input, other):  # noqa: A002
    """The inner product of two vectors, the first conjugated."""
    return input.conj().dot(other) if input.is_complex() else input.dot(other)


@export("torch", "Tensor", out=True)
def kron(input, other):  # noqa: A002
    """The Kronecker product."""
    ndim = max(input.ndim, other.ndim)
    a = input.reshape((1,) * (ndim - input.ndim) + tuple(input.shape))
    b = other.reshape((1,) * (ndim - other.ndim) + tuple(other.shape))
    wide_a = a.reshape([n for s in a.shape for n in (s, 1)])
    wide_b = b.reshape([n for s in b.shape for n in (1, s)])
    return (wide_a * wide_b).reshape([m * n for m, n in zip(a.shape, b.shape)])


@export("torch", "Tensor", out=True)
def cross(input, other, dim=None):  # noqa: A002
    """The cross product along an axis of length three (the first such axis by default)."""
    if dim is None:
        dim = next((i for i, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim)


@export("linalg", name="cross", out=True)
def linalg_cross(input, other, *, dim=-1):  # noqa: A002
    """The cross product along an axis of length three, with broadcasting."""
    import rushlight
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    dim = wrap_dim(dim, input.ndim)
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got "
                           f"{input.shape[dim]} and {other.shape[dim]}")
    a, b = rushlight.broadcast_tensors(input, other)
    return a.roll(-1, dim) * b.roll(1, dim) - a.roll(1, dim) * b.roll(-1, dim)


@export("torch", "Tensor")
def chain_matmul(*matrices, out=None):
    """The product of several matrices."""
    found = matrices[0]
    for matrix in matrices[1:]:
        found = found.mm(matrix)
    return found


def _power_by_squaring(x, n):
    result = None
    while n:
        if n & 1:
            result = x if result is None else result.matmul(x)
        n >>= 1
        if n:
            x = x.matmul(x)
    return result


@export("torch", "Tensor", "linalg", out=True)
def matrix_power(input, n):  # noqa: A002
    """A square matrix multiplied by itself n times (its inverse for negative n)."""
    import rushlight
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise RuntimeError("linalg.matrix_power: A must be batches of square matrices, but they "
                           f"are {input.shape[-2] if input.ndim > 1 else 0} by "
                           f"{input.shape[-1] if input.ndim else 0} matrices")
    if n == 0:
        eye = rushlight.eye(input.shape[-1], dtype=input.dtype)
        return input.clone().copy_(eye.expand(input.shape))
    if n < 0:
        return _power_by_squaring(rushlight.linalg.inv(input), -n)
    return _power_by_squaring(input, n) if n > 1 else input.clone()
