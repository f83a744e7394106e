"""``torch.autograd.variable``: the old name of tensors."""

from . import Variable

__all__ = ["Variable"]
