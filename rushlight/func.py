"""Functions of functions: gradients as functions, modules called with other parameters.

Source: https://pytorch.org/docs/stable/func.html
"""

from __future__ import annotations

import functools

from rushlight import Tensor, autograd, enable_grad
from rushlight.nn.utils.stateless import functional_call as _functional_call

__all__ = ["functional_call", "grad", "grad_and_value"]


def functional_call(
    module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """Call a module with the given tensors in the place of its parameters and buffers.

    `parameter_and_buffer_dicts` is a dictionary by the names of `named_parameters()` and
    `named_buffers()`, or several of them; the module itself stays as it is.

    Raises ValueError when several dictionaries hold the same name.

    Example:
        >>> layer = rushlight.nn.Linear(2, 1)
        >>> weights = {k: rushlight.zeros_like(v) for k, v in layer.named_parameters()}
        >>> functional_call(layer, weights, (rushlight.ones(2),))
        tensor([0.])
    """
    given = parameter_and_buffer_dicts
    if not isinstance(given, dict):
        joined: dict = {}
        for part in given:
            twice = joined.keys() & part.keys()
            if twice:
                raise ValueError(f"{sorted(twice)} appeared in multiple dictionaries; behavior of "
                                 "functional call is ambiguous")  # fmt: skip
            joined.update(part)
        given = joined
    return _functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def grad_and_value(func, argnums=0, has_aux=False):
    """Return a function that gives (gradients, value) of a scalar function.

    `argnums` names the arguments to differentiate: a number, or a tuple of them; an argument may
    be a tensor or a dictionary, list or tuple of tensors. With `has_aux` the function returns
    (value, anything) and the result is (gradients, (value, anything)).

    The results belong to a graph where an argument does, and are detached otherwise: a gradient
    with respect to other tensors that the function uses cannot be taken through them.

    Raises RuntimeError unless the function returns a single number.

    Example:
        >>> grad_and_value(lambda x: (x**2).sum())(rushlight.ones(2))
        (tensor([2., 2.]), tensor(2.))
    """

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        leaves: list = []
        args = list(args)
        # Under an outer gradient the arguments already belong to a graph, which must go on.
        with enable_grad():
            for number in numbers:
                args[number] = _map(args[number], lambda t: _fresh(t, leaves))
            result = func(*args, **kwargs)
            value = result[0] if has_aux else result
            if not isinstance(value, Tensor) or value.numel() != 1 or value.dim() > 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got "
                    + (
                        f"tensor with {value.dim()} dims"
                        if isinstance(value, Tensor)
                        else f"{type(value).__name__}"
                    )  # fmt: skip
                )
            outer = any(leaf.grad_fn is not None for leaf in leaves)
            found = autograd.grad(
                value, leaves, create_graph=True, allow_unused=True, materialize_grads=True
            )
        if not outer:
            found = [gradient.detach() for gradient in found]
            value = value.detach()
            result = (value, result[1]) if has_aux else value
        waiting = iter(found)
        gradients = tuple(_map(args[number], lambda _: next(waiting)) for number in numbers)
        return (gradients[0] if isinstance(argnums, int) else gradients), result

    return wrapped


def grad(func, argnums=0, has_aux=False):
    """Return a function that gives the gradient of a scalar function; see `grad_and_value`.

    Example:
        >>> grad(grad(lambda x: x**3))(rushlight.tensor(2.0))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        gradients, result = both(*args, **kwargs)
        return (gradients, result[1]) if has_aux else gradients

    return wrapped


def _fresh(tensor, leaves):
    """Return the tensor as one to differentiate: a new leaf, or a new node of an outer graph."""
    fresh = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
    leaves.append(fresh)
    return fresh


def _map(value, change):
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _map(entry, change) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_map(entry, change) for entry in value)
    return value
