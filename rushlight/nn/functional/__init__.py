"""Functions of layers, without their state: `rushlight.nn.functional`.

Convolutions, pooling, normalisation, activations and whatever else has a kernel or a derivative
of its own are ops, collected here from the registry. The rest are compositions of ops, in the
files beside this one.
"""

from rushlight.core.tensor.autocast import autocasting
from rushlight.core.tensor.install import NAMESPACES
from rushlight.nn.functional import _attention, _compositions, _distance, _losses

_ops = NAMESPACES.get("nn.functional", {})
__all__ = list(_ops)

for _module in (_attention, _compositions, _distance, _losses):
    for _name in _module.__all__:
        if _name not in _ops:
            globals()[_name] = autocasting(getattr(_module, _name), _name)
            __all__.append(_name)
globals().update(_ops)
del _module, _name


def __getattr__(name):
    raise AttributeError(
        f"module 'torch.nn.functional' has no attribute {name!r} (rushlight does not have it yet)"
    )
