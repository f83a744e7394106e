"""Rows of a table by number: embedding, its gradient, and the renormalisation of its rows."""

from __future__ import annotations

from ..base.shapes import meta
from .arguments import need_tensor, scalar_name
from .record import export, primitive


def _lookup_rule(weight, index, padding_idx, scale):
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError("Expected tensor for argument #1 'indices' to have one of the following "
                           f"scalar types: Long, Int; but got torch.{scalar_name(index.dtype)}"
                           "Tensor instead (while checking arguments for embedding)")
    return meta(weight.dtype, (*index.shape, *weight.shape[1:]))


embedding_op = primitive(
    "embedding", "gather", "weight index", _lookup_rule, "embedding.look_up",
    {"weight": lambda g, weight_meta, index, padding_idx, scale: embedding_backward_op(
        g, index, rows=weight_meta.shape[0], padding_idx=padding_idx, scale=scale)},
    params=("padding_idx", "scale"), upcast=False, checks=True)

embedding_backward_op = primitive(
    "embedding_backward", "scatter", "y index",
    lambda y, index, rows, padding_idx, scale: meta(y.dtype, (rows, *y.shape[len(index.shape):])),
    "embedding.look_up_backward",
    {"y": lambda g, index, padding_idx, scale: embedding_twice_op(
        g, index, padding_idx=padding_idx, scale=scale)},
    params=("rows", "padding_idx", "scale"), node_name="EmbeddingDenseBackwardBackward0")

# the adjoint of the gradient: a lookup that sees zeros in the padding row
embedding_twice_op = primitive(
    "embedding_twice", "gather", "weight index",
    lambda weight, index, padding_idx, scale: meta(
        weight.dtype, (*index.shape, *weight.shape[1:])), "embedding.look_up_counted",
    {"weight": lambda g, weight_meta, index, padding_idx, scale: embedding_backward_op(
        g, index, rows=weight_meta.shape[0], padding_idx=padding_idx, scale=scale)},
    params=("padding_idx", "scale"))


def _check_rows(index, rows):
    """Refuse a row that does not exist, at once where the numbers are in memory already."""
    value = index._storage.value
    array = value.array
    if array is None or array.size == 0 or value.meta is not index._meta:
        return
    if int(array.min()) < 0 or int(array.max()) >= rows:
        raise IndexError("index out of range in self")


def _embedding(weight, indices, padding_idx, scale_grad_by_freq, sparse):
    need_tensor(weight, "embedding", "weight", 1)
    need_tensor(indices, "embedding", "indices", 2)
    if len(weight.shape) != 2:
        raise RuntimeError("'weight' must be 2-D")
    if sparse and weight.requires_grad:
        raise NotImplementedError("embedding(sparse=True): sparse gradients are not implemented; "
                                  "use sparse=False, which gives the same values densely")
    _check_rows(indices, weight.shape[0])
    return embedding_op(weight, indices, padding_idx=int(padding_idx),
                        scale=bool(scale_grad_by_freq))


@export("torch")
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """weight[indices]: rows of a table (rows, width), shape (*indices.shape, width)."""
    return _embedding(weight, indices, padding_idx, scale_grad_by_freq, sparse)


@export("nn.functional", name="embedding")
def functional_embedding(input, weight, padding_idx=None, max_norm=None,  # noqa: A002
                         norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """weight[input]: rows of a table (rows, width), shape (*input.shape, width).

    padding_idx: this row gets no gradient. max_norm: rows looked up are first scaled, in place,
    to at most this norm. scale_grad_by_freq: a row's gradient is divided by how often it was
    looked up. IndexError for a row that does not exist.
    """
    need_tensor(weight, "embedding", "weight", 1)
    rows = weight.shape[0] if weight.shape else 0
    if padding_idx is None:
        padding_idx = -1
    elif padding_idx > 0:
        if padding_idx >= rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
    elif padding_idx < 0:
        if padding_idx < -rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx += rows
    if max_norm is not None:
        import rushlight
        with rushlight.no_grad():
            embedding_renorm_(weight, input.contiguous(), max_norm, norm_type)
    return _embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


@export("torch")
def embedding_renorm_(weight, indices, max_norm, norm_type):
    """Scale, in place, the rows named by indices to a norm of at most max_norm."""
    made = renorm_op(weight.detach(), indices, max_norm=float(max_norm), p=float(norm_type))
    weight.copy_(made)
    return weight


renorm_op = primitive(
    "embedding_renorm", "gather", "weight index",
    lambda weight, index, max_norm, p: meta(weight.dtype, weight.shape),
    "embedding.renormalize_rows", None, params=("max_norm", "p"), checks=True)
