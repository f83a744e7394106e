"""The affine map ``x W^T + b``: one op, so that a layer is one step of a plan and one node.

PyTorch composes it of others, and a node's name shows of which; there is a record per name. The
transpose of the weight, which PyTorch has as a node of its own, is part of the op.
"""

from __future__ import annotations

import numpy as np

from ..base.shapes import meta
from .arguments import need_tensor, scalar_name
from .contraction import mm_op, same_dtype
from .record import export, primitive


def _count(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def _rule(bias, x, weight):
    features = x.shape[-1]
    outputs, inputs = weight.shape if len(weight.shape) == 2 else (None, weight.shape[0])
    if features != inputs:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_count(x.shape[:-1])}x{features} and "
            f"{inputs}x{1 if outputs is None else outputs})")
    same_dtype("mm" if bias is None else "addmm", x, weight)
    shape = x.shape[:-1] if outputs is None else (*x.shape[:-1], outputs)
    if bias is not None:
        if bias.dtype is not x.dtype:
            raise RuntimeError("self and mat2 must have the same dtype, but got "
                               f"{scalar_name(bias.dtype)} and {scalar_name(weight.dtype)}")
        if any(b not in (1, s) for b, s in zip(bias.shape[::-1], shape[::-1])) \
                or len(bias.shape) > len(shape):
            axis = next((i for i, (b, s) in enumerate(zip(bias.shape[::-1], shape[::-1]))
                         if b not in (1, s)), 0)
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[::-1][axis]}) must match the existing "
                f"size ({bias.shape[::-1][axis]}) at non-singleton dimension "
                f"{len(shape) - 1 - axis}.  Target sizes: {list(shape)}.  Tensor sizes: "
                f"{list(bias.shape)}")
    return meta(x.dtype, shape)


def _kernel(bias, x, weight):
    if x.ndim > 2:  # one product of matrices is faster than a batch of them
        product = np.matmul(x.reshape(-1, x.shape[-1]), weight.T)
        product = product.reshape(*x.shape[:-1], *weight.shape[:-1])
    else:
        product = np.matmul(x, weight.T)
    if bias is None:
        return product
    if isinstance(product, np.ndarray):
        return np.add(product, bias, out=product)
    return product + bias


def _rows(t):
    shape = t.shape
    return t if len(shape) == 2 else t.reshape(_count(shape[:-1]), shape[-1])


def _conjugate(t):
    return t.conj() if t.is_complex() else t


def _grad_x(g, x_meta, weight):
    weight = _conjugate(weight)
    if len(weight.shape) == 1:
        return g.unsqueeze(-1) * weight
    if not x_meta.numel:
        return g.new_zeros(x_meta.shape)
    if len(x_meta.shape) == 2:
        return mm_op(g, weight)
    if len(x_meta.shape) > 2:       # in x's own shape, so that what follows joins the product
        return _RECORDS[3, False](g, weight.mT)
    return mm_op(_rows(g), weight).reshape(x_meta.shape)


def _grad_weight(g, x, weight_meta):
    x = _conjugate(x)
    if len(weight_meta.shape) == 1:
        return (g.unsqueeze(-1) * x).reshape(-1, x.shape[-1]).sum(0)
    if not x.numel():
        return g.new_zeros(weight_meta.shape)
    return mm_op(_rows(g).mT, _rows(x))


def _record(suffix, node_name, biased):
    derivative = {"x": _grad_x, "weight": _grad_weight}
    if biased:
        return primitive("linear" + suffix, "contraction", "bias x weight", _rule, _kernel,
                         {"bias": lambda g: g, **derivative}, node_name=node_name)
    return primitive("linear" + suffix, "contraction", "x weight",
                     lambda x, weight: _rule(None, x, weight),
                     lambda x, weight: _kernel(None, x, weight),
                     derivative, node_name=node_name)


# by (axes of x if fewer than 3 else 3, whether there is a bias)
_RECORDS = {
    (1, False): _record("_vector", "SqueezeBackward4", False),
    (1, True): _record("_vector_bias", "ViewBackward0", True),
    (2, False): _record("_matrix", "MmBackward0", False),
    (2, True): _record("_matrix_bias", "AddmmBackward0", True),
    (3, False): _record("_batch", "UnsafeViewBackward0", False),
    (3, True): _record("_batch_bias", "ViewBackward0", True),
}


@export("nn.functional", static=True)
def linear(input, weight, bias=None):  # noqa: A002
    """``input @ weight.T + bias``: (*, in) to (*, out), weight (out, in) or (in)."""
    need_tensor(input, "linear", "input", 1)
    need_tensor(weight, "linear", "weight", 2)
    axes = len(input.shape)
    if not axes or not weight.shape:
        raise RuntimeError("both arguments to linear need to be at least 1D, but they are "
                           f"{axes}D and {len(weight.shape)}D")
    if len(weight.shape) > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is "
                           f"{len(weight.shape)}D")
    if bias is None:
        return _RECORDS[min(axes, 3), False](input, weight)
    return _RECORDS[min(axes, 3), True](bias, input, weight)
