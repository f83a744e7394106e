"""``torch.overrides``: the override protocol of Tensor subclasses and look-alikes."""

from rushlight import Tensor


def is_tensor_like(obj):
    """Whether `obj` is a tensor or has ``__torch_function__``."""
    return isinstance(obj, Tensor) or hasattr(type(obj), "__torch_function__")


def has_torch_function(relevant_args):
    """Whether any argument overrides how functions treat it."""
    return any(hasattr(type(a), "__torch_function__")
               and type(a).__torch_function__ is not Tensor.__torch_function__
               for a in relevant_args if type(a) is not Tensor)


def has_torch_function_unary(obj):
    """`has_torch_function` of one argument."""
    return has_torch_function((obj,))


has_torch_function_variadic = lambda *args: has_torch_function(args)  # noqa: E731


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Call the first override among `relevant_args`."""
    types = tuple({type(a) for a in relevant_args if has_torch_function((a,))})
    for argument in relevant_args:
        if has_torch_function((argument,)):
            found = type(argument).__torch_function__(public_api, types, args, kwargs)
            if found is not NotImplemented:
                return found
    raise TypeError(f"no implementation found for '{getattr(public_api, '__name__', public_api)}' "
                    f"on types that implement __torch_function__: {list(types)}")
