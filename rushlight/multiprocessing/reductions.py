"""How a tensor crosses from one process to another.

A tensor is sent as its dtype, its shape and its bytes, contiguous; what arrives is a copy with
memory of its own. Of a tensor in shared memory only the descriptor of that memory is sent, which
the receiver fetches from the sender: the sender must be running still. `init_reductions` teaches
this to `multiprocessing`, so that its queues and pipes take tensors. A DataLoader moves the bytes
of its batches through shared memory instead.
"""

from __future__ import annotations

from multiprocessing import reduction

import numpy as np

from rushlight.core.base import shared_block
from rushlight.core.base.shapes import meta
from rushlight.core.tensor.dispatch import constant
from rushlight.core.tensor.shared_memory import pack_shared, unpack_shared
from rushlight.core.tensor.tensor import Parameter, Tensor


def _refuse_non_leaf(tensor):
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, "
            "since autograd does not support crossing process boundaries.  "
            "If you just want to transfer the data, call detach() on the tensor "
            "before serializing (e.g., putting it on the queue)."
        )


def tensor_to_array(tensor):
    """The tensor's elements in order, as a flat uint8 array. Computes what is pending."""
    _refuse_non_leaf(tensor)
    return np.ascontiguousarray(tensor._array()).reshape(-1).view(np.uint8)


def array_to_tensor(array, dtype, shape, requires_grad, is_parameter):
    """The tensor that `tensor_to_array` was given, in `array`'s memory, which it takes over."""
    tensor = constant(array.view(dtype.np).reshape(shape), meta(dtype, shape))
    if is_parameter:
        return Parameter(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


def reduce_tensor(tensor, by_value=False):
    """For a pickler: a function and its arguments that rebuild `tensor`."""
    if tensor.is_shared() and not by_value:
        _refuse_non_leaf(tensor)
        descriptor, facts = pack_shared(tensor)
        return _rebuild_shared, (reduction.DupFd(descriptor), *facts)
    is_parameter = isinstance(tensor, Parameter)
    return array_to_tensor, (
        tensor_to_array(tensor),
        tensor.dtype,
        tuple(tensor.shape),
        tensor.requires_grad,
        is_parameter,
    )


def _rebuild_shared(descriptor, *facts):
    return unpack_shared(descriptor.detach(), *facts)


def init_reductions():
    """Register tensors and parameters with `multiprocessing`'s pickler."""
    reduction.ForkingPickler.register(Tensor, reduce_tensor)
    reduction.ForkingPickler.register(Parameter, reduce_tensor)


__all__ = ["array_to_tensor", "init_reductions", "reduce_tensor", "shared_block"]
