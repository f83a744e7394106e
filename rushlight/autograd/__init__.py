"""``torch.autograd``: backward, grad, custom functions, modes and hooks."""

from ..core.autograd.node import Node, RemovableHandle
from ..core.tensor.anomaly import (
    detect_anomaly,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    saved_tensors_hooks,
    set_detect_anomaly,
)
from ..core.tensor.backward import backward, grad
from ..core.tensor.backward import is_checkpoint_valid as _is_checkpoint_valid  # noqa: F401
from ..core.tensor.function import BackwardNode, Function
from ..core.tensor.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..core.tensor.tensor import Tensor

# Bound here, as the name is a module's too: whoever imports the module leaves the function.
from .gradcheck import gradcheck, gradgradcheck

__all__ = ["BackwardNode", "Function", "Node", "RemovableHandle", "Variable", "backward",
           "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck", "inference_mode",
           "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "no_grad", "saved_tensors_hooks",
           "set_detect_anomaly", "set_grad_enabled"]


class _VariableMeta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """PyTorch's old name of a tensor: ``Variable(x)`` is ``x``."""

    def __new__(cls, data=None, requires_grad=False, volatile=None):
        if data is None:
            import rushlight
            data = rushlight.empty(0)
        made = data.detach()
        return made.requires_grad_(True) if requires_grad else made


_SUBMODULES = ("function", "functional", "graph", "anomaly_mode", "grad_mode",
               "profiler", "forward_ad", "variable")


def __getattr__(name):
    from importlib import import_module
    if name in _SUBMODULES:
        try:
            return import_module("." + name, __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module 'torch.autograd' has no attribute '{name}' (rushlight does not "
                         "have it yet; see docs/differences-from-pytorch.md)")
