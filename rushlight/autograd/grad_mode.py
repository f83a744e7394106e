"""``torch.autograd.grad_mode``: the grad modes."""

from ..core.tensor.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]
