"""Linear algebra: the names of `torch.linalg`."""

from .core.ops.linalg_checks import LinAlgError
from .core.tensor.install import namespace

_FUNCTIONS = namespace("linalg")
__all__ = ["LinAlgError", *sorted(_FUNCTIONS)]

globals().update(_FUNCTIONS)
