"""``torch.autograd.backward`` and ``torch.autograd.grad``."""

from __future__ import annotations

from ..autograd.engine import run_backward
from ..base.shapes import meta
from ..trace.value import STATE
from .dispatch import TENSOR, filled_leaf, wrap


def _roots_and_grads(tensors, grads, create_graph):
    tensors = (tensors,) if isinstance(tensors, TENSOR[0]) else tuple(tensors)
    if grads is None:
        grads = (None,) * len(tensors)
    elif isinstance(grads, TENSOR[0]):
        grads = (grads,)
    grads = tuple(grads)
    if len(grads) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(grads)} gradients")
    made = []
    for i, (root, gradient) in enumerate(zip(tensors, grads)):
        if gradient is not None and not isinstance(gradient, TENSOR[0]):
            raise TypeError(f"gradients can be either Tensors or None, but got "
                            f"{type(gradient).__name__}")
        if gradient is None and root.requires_grad:
            if root.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs (this "
                                   f"one has shape {list(root.shape)}: reduce it first, for "
                                   "example with .sum(), or pass gradient=)")
            if not root.is_floating_point():
                raise RuntimeError("grad can be implicitly created only for real scalar outputs "
                                   f"but got {root.dtype}")
            gradient = _one(root._meta)
        elif gradient is not None:
            if gradient.shape != root.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {gradient.shape} and "
                    f"output[{i}] has a shape of {root.shape}.")
            if gradient.is_complex() != root.is_complex():
                raise RuntimeError("For complex Tensors, both grad_output and output are required "
                                   f"to have the same dtype. Mismatch in dtype: grad_output[{i}] "
                                   f"has a dtype of {gradient.dtype} and output[{i}] has a dtype "
                                   f"of {root.dtype}.")
        if not root.requires_grad:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a "
                               "grad_fn")
        made.append(gradient)
    return tensors, made


_ONES: dict = {}


def _one(m):
    """The gradient of a loss with respect to itself: one value for all losses of a layout."""
    value = _ONES.get(m)
    if value is None:
        if len(_ONES) > 64:
            _ONES.clear()
        value = _ONES[m] = filled_leaf(meta(m.dtype, m.shape), 1)
    return wrap(value, value.meta)


def is_checkpoint_valid() -> bool:
    """Whether the backward that is running, if any, is for all leaves."""
    return not STATE.own.partial_backward


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False,
             grad_variables=None, inputs=None):
    """Accumulate the gradients of `tensors` into the leaves' ``.grad``.

    Raises RuntimeError for a non-scalar without a gradient, a tensor without a graph, and a graph
    whose saved values have been freed or changed.
    """
    if grad_variables is not None and grad_tensors is None:
        grad_tensors = grad_variables
    roots, grads = _roots_and_grads(tensors, grad_tensors, create_graph)
    if inputs is not None:
        inputs = (inputs,) if isinstance(inputs, TENSOR[0]) else tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        for tensor in inputs:
            if not tensor.requires_grad:
                raise RuntimeError("One of the differentiated Tensors does not require grad")
    retain_graph = create_graph if retain_graph is None else retain_graph
    run_backward(roots, grads, retain_graph, create_graph, inputs)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False,
         only_inputs=True, allow_unused=None, is_grads_batched=False, materialize_grads=False):
    """The gradients of `outputs` with respect to `inputs`, as a tuple; nothing is accumulated.

    allow_unused: give None (instead of raising) for an input the outputs do not depend on.
    materialize_grads: give zeros there.
    """
    if is_grads_batched:
        raise NotImplementedError("autograd.grad(is_grads_batched=True) is not implemented")
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when "
                         "materialize_grads=True, but got: allow_unused=False.")
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    inputs = (inputs,) if isinstance(inputs, TENSOR[0]) else tuple(inputs)
    roots, grads = _roots_and_grads(outputs, grad_outputs, create_graph)
    for tensor in inputs:
        if not tensor.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    retain_graph = create_graph if retain_graph is None else retain_graph
    found = run_backward(roots, grads, retain_graph, create_graph, inputs, accumulate=False)
    for i, gradient in enumerate(found):
        if gradient is None:
            if materialize_grads:
                found[i] = inputs[i].new_zeros(inputs[i].shape)
            elif not allow_unused:
                raise RuntimeError(f"The differentiated Tensor at index {i} appears to not have "
                                   "been used in the graph. Set allow_unused=True if this is the "
                                   "desired behavior.")
    return tuple(found)
