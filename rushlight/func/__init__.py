"""`torch.func`: transforms of functions by ordinary autograd, and calls with other parameters."""

from rushlight.func._transforms import (
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    stack_module_state,
    vjp,
    vmap,
)
from rushlight.nn.utils.stateless import functional_call as _call_with

__all__ = ["functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd",
           "jacrev", "jvp", "linearize", "stack_module_state", "vjp", "vmap"]


def functional_call(
    module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """Call `module` with the given tensors in place of its parameters and buffers.

    `parameter_and_buffer_dicts` is a dict by dotted name, or a sequence of dicts with different
    names. See `torch.nn.utils.stateless.functional_call`.

    >>> functional_call(net, {"weight": w}, (x,))
    """
    given = parameter_and_buffer_dicts
    if isinstance(given, (list, tuple)):
        if not all(isinstance(part, dict) for part in given):
            raise ValueError(
                "Expected all elements of parameter_and_buffer_dicts to be dictionaries"
            )
        joined, several = {}, []
        for part in given:
            several += [name for name in part if name in joined]
            joined.update(part)
        if several:
            raise ValueError(
                f"{several} appeared in multiple dictionaries; behavior of functional call is "
                "ambiguous"
            )
        given = joined
    elif not isinstance(given, dict):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(given)}"
        )
    return _call_with(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)
