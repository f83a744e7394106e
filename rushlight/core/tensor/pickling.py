"""Pickling and deepcopy of tensors."""

from __future__ import annotations

from .dispatch import PLAIN, alias


def deepcopy_tensor(tensor, memo):
    """A copy of a leaf with a storage of its own; shared storages stay shared in the copy."""
    if id(tensor) in memo:
        return memo[id(tensor)]
    if tensor.grad_fn is not None:
        raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the "
                           "deepcopy protocol at the moment.  If you were attempting to deepcopy "
                           "a module, this may be because of a torch.nn.utils.weight_norm usage, "
                           "see https://github.com/pytorch/pytorch/pull/103001")
    storage = memo.get(id(tensor._storage))
    if storage is None:
        storage = tensor._storage.__deepcopy__(memo)
        memo[id(tensor._storage)] = storage
    made = alias(storage, tensor._meta)
    if type(tensor) not in PLAIN or type(tensor).__name__ != "Tensor":
        made = made.as_subclass(type(tensor))
    made._requires_grad = tensor._requires_grad
    memo[id(tensor)] = made
    if tensor._grad is not None:
        made._grad = tensor._grad.__deepcopy__(memo)
    from copy import deepcopy
    for name, value in tensor.__dict__.items():
        if not name.startswith("_"):
            made.__dict__[name] = deepcopy(value, memo)
    return made


def _rebuild(array_bytes, dtype_name, size, stride, offset, requires_grad, cls, extra):
    import numpy as np

    from ..base import dtypes as dt
    from ..base.shapes import meta
    from ..trace.value import leaf
    from .storage import UntypedStorage
    d = dt.DTYPES[dtype_name]
    flat = np.frombuffer(bytearray(array_bytes), d.np)
    made = alias(UntypedStorage(leaf(flat, meta(d, flat.shape))), meta(d, size, stride, offset))
    if cls is not None:
        made = made.as_subclass(cls)
    made._requires_grad = requires_grad
    made.__dict__.update(extra)
    return made


def reduce_tensor(tensor, protocol):
    """What pickle stores: the storage's bytes and the layout."""
    from .storage import flat_memory
    m = tensor._meta
    flat = flat_memory(tensor._storage.array())
    cls = None if type(tensor).__name__ == "Tensor" and type(tensor) in PLAIN else type(tensor)
    extra = {k: v for k, v in tensor.__dict__.items() if not k.startswith("_")}
    return (_rebuild, (flat.tobytes(), m.dtype.name, tuple(m.shape), m.strides, m.offset,
                       tensor.requires_grad, cls, extra))
