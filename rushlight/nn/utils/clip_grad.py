"""Clipping gradients, by their norm or by value."""

import warnings

import rushlight

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _parameter_list(parameters):
    return [parameters] if isinstance(parameters, rushlight.Tensor) else list(parameters)


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Return the norm of all tensors' entries together, as a 0-dim tensor.

    Raises RuntimeError with `error_if_nonfinite` where it is not finite, which waits for it.
    """
    tensors = _parameter_list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return rushlight.tensor(0.0)
    norms = [rushlight.linalg.vector_norm(tensor, norm_type) for tensor in tensors]
    total = rushlight.linalg.vector_norm(rushlight.stack(norms), norm_type)
    if error_if_nonfinite and not bool(rushlight.isfinite(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Multiply the gradients by min(1, max_norm / (total_norm + 1e-6)), in place."""
    gradients = [p.grad for p in _parameter_list(parameters) if p.grad is not None]
    if not gradients:
        return
    # The factor is a tensor, clamped, so that whether to clip need not be known now.
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    with rushlight.no_grad():
        for gradient in gradients:
            gradient.mul_(factor)


def clip_grad_norm_(
    parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None
):
    """Scale the gradients so that their norm together is at most `max_norm`; return the norm.

    >>> loss.backward()
    >>> nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    """
    if isinstance(parameters, rushlight.Tensor):
        parameters = [parameters]
    else:
        once_only = hasattr(parameters, "__next__")
        parameters = list(parameters)
        if once_only and not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.",
                stacklevel=2,
            )
    with rushlight.no_grad():
        gradients = [p.grad for p in parameters if p.grad is not None]
        total = get_total_norm(gradients, norm_type, error_if_nonfinite, foreach)
        clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None
):
    """Deprecated: use `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Clip every entry of every gradient to [-clip_value, clip_value], in place."""
    clip_value = float(clip_value)
    with rushlight.no_grad():
        for parameter in _parameter_list(parameters):
            if parameter.grad is not None:
                parameter.grad.clamp_(min=-clip_value, max=clip_value)
