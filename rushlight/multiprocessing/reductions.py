"""How a tensor crosses from one process to another.

A tensor is sent as its dtype, its shape and its bytes, contiguous; what arrives is a copy with
memory of its own. `init_reductions` teaches this to `multiprocessing`, so that its queues and
pipes take tensors. A DataLoader moves the bytes of its batches through shared memory instead.
"""

from __future__ import annotations

from multiprocessing import reduction

import numpy as np

from rushlight.core.base.shapes import meta
from rushlight.core.tensor.dispatch import constant
from rushlight.core.tensor.tensor import Parameter, Tensor


def tensor_to_array(tensor):
    """The tensor's elements in order, as a flat uint8 array. Computes what is pending."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, "
            "since autograd does not support crossing process boundaries.  "
            "If you just want to transfer the data, call detach() on the tensor "
            "before serializing (e.g., putting it on the queue)."
        )
    return np.ascontiguousarray(tensor._array()).reshape(-1).view(np.uint8)


def array_to_tensor(array, dtype, shape, requires_grad, is_parameter):
    """The tensor that `tensor_to_array` was given, in `array`'s memory, which it takes over."""
    tensor = constant(array.view(dtype.np).reshape(shape), meta(dtype, shape))
    if is_parameter:
        return Parameter(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


def reduce_tensor(tensor):
    """For a pickler: a function and its arguments that rebuild `tensor`."""
    is_parameter = isinstance(tensor, Parameter)
    return array_to_tensor, (
        tensor_to_array(tensor),
        tensor.dtype,
        tuple(tensor.shape),
        tensor.requires_grad,
        is_parameter,
    )


def init_reductions():
    """Register tensors and parameters with `multiprocessing`'s pickler."""
    reduction.ForkingPickler.register(Tensor, reduce_tensor)
    reduction.ForkingPickler.register(Parameter, reduce_tensor)
