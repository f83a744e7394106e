"""Transforms of functions by ordinary autograd; `vmap` and forward mode are not implemented."""

from __future__ import annotations

import functools


def _prepared(arguments, argnums):
    """The arguments with the wanted ones ready to be differentiated, and those."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    arguments, wanted = list(arguments), []
    for i in numbers:
        value = arguments[i]
        arguments[i] = value.view_as(value) if _nested([value]) else \
            value.detach().requires_grad_(True)
        wanted.append(arguments[i])
    return arguments, wanted


def _nested(arguments):
    """Whether an outer transform (or backward) will differentiate the result again."""
    import rushlight
    return rushlight.is_grad_enabled() and any(
        getattr(a, "requires_grad", False) for a in arguments)


def grad_and_value(func, argnums=0, has_aux=False):
    """A function giving (gradient, value) of a scalar function."""
    import rushlight

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        with rushlight.enable_grad():
            arguments, wanted = _prepared(args, argnums)
            found = func(*arguments, **kwargs)
            value, aux = found if has_aux else (found, None)
            if value.ndim:
                raise RuntimeError("Expected f(*args) to return a scalar tensor, got tensor with "
                                   f"{value.ndim} dims. Maybe you wanted to use the vjp or jacrev "
                                   "APIs instead?")
            gradients = rushlight.autograd.grad(value, wanted, create_graph=True,
                                                materialize_grads=True)
        if not _nested(args):
            gradients, value = tuple(g.detach() for g in gradients), value.detach()
        result = gradients[0] if isinstance(argnums, int) else tuple(gradients)
        return (result, (value, aux)) if has_aux else (result, value)
    return wrapper


def grad(func, argnums=0, has_aux=False):
    """A function giving the gradient of a scalar function."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient
    return wrapper


def vjp(func, *primals, has_aux=False):
    """(func(*primals), a function from output gradients to input gradients)."""
    import rushlight
    with rushlight.enable_grad():
        inputs = [p.detach().requires_grad_(True) for p in primals]
        found = func(*inputs)
        outputs, aux = found if has_aux else (found, None)

    def pull(*gradients):
        several = isinstance(outputs, (tuple, list))
        return rushlight.autograd.grad(outputs if several else [outputs], inputs, gradients,
                                       retain_graph=True, materialize_grads=True)
    return (outputs, pull, aux) if has_aux else (outputs, pull)


def jacrev(func, argnums=0, **options):
    """A function giving the Jacobian, one backward per output element."""
    from ..autograd.functional import jacobian

    @functools.wraps(func)
    def wrapper(*args):
        def of_wanted(*wanted):
            arguments = list(args)
            numbers = (argnums,) if isinstance(argnums, int) else argnums
            for i, value in zip(numbers, wanted):
                arguments[i] = value
            return func(*arguments)
        again = _nested(args)
        if isinstance(argnums, int):
            return jacobian(of_wanted, args[argnums], create_graph=again)
        return jacobian(of_wanted, tuple(args[i] for i in argnums), create_graph=again)
    return wrapper


def hessian(func, argnums=0):
    """A function giving the Hessian of a scalar function."""
    return jacrev(jacrev(func, argnums), argnums)


def _missing(name):
    def function(*args, **kwargs):
        raise NotImplementedError(f"torch.func.{name} is not implemented")
    function.__name__ = name
    function.__doc__ = "Raises NotImplementedError."
    return function


vmap, jvp, jacfwd, linearize, functionalize, stack_module_state = (
    _missing(n) for n in ("vmap", "jvp", "jacfwd", "linearize", "functionalize",
                          "stack_module_state"))
