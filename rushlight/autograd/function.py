"""``torch.autograd.function``: custom functions."""

from ..core.tensor.function import BackwardNode, Function, once_differentiable

FunctionCtx = BackwardNode
__all__ = ["BackwardNode", "Function", "FunctionCtx", "once_differentiable"]
