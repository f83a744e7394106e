"""Functions of layers, without their state: `rushlight.nn.functional`.

Convolutions, pooling, normalisation, activations and whatever else has a kernel or a derivative
of its own are ops, collected here from the registry. The rest are compositions of ops, in the
files beside this one.
"""

from rushlight.core import ops as _ops
from rushlight.nn.functional import _attention, _compositions, _distance, _losses

__all__ = []

for _module in (_attention, _compositions, _distance, _losses):
    for _name in _module.__all__:
        globals()[_name] = getattr(_module, _name)
        __all__.append(_name)
globals().update(_ops.functional)
__all__.extend(name for name in _ops.functional if name not in __all__)
del _module, _name
