"""All parameters as one vector, and back."""

import rushlight

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters):
    """Join the parameters, flattened, to one vector."""
    return rushlight.cat([parameter.view(-1) for parameter in parameters])


def vector_to_parameters(vec, parameters):
    """Set each parameter's data to its slice of the vector, which they then share."""
    if not isinstance(vec, rushlight.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {_typename(vec)}")
    start = 0
    for parameter in parameters:
        length = parameter.numel()
        parameter.data = vec[start : start + length].view_as(parameter).data
        start += length


def _typename(value):
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
