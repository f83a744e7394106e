"""Neural networks: modules, their functions, initialisation and utilities."""

from rushlight.nn import functional, init, modules, utils
from rushlight.nn.modules import *  # noqa: F403 (the layers are this package's names)
from rushlight.nn.modules import __all__ as _layers
from rushlight.nn.parallel import DataParallel
from rushlight.nn.parameter import (
    Buffer,
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
)

__all__ = [
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "modules",
    "utils",
    *_layers,
]


def factory_kwargs(kwargs):
    """Return the device, dtype and memory_format among `kwargs`, those of `factory_kwargs` too.

    Raises TypeError for any other name, and for one that is given twice.
    """
    if kwargs is None:
        return {}
    simple = {"device", "dtype", "memory_format"}
    unexpected = kwargs.keys() - simple - {"factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    made = dict(kwargs.get("factory_kwargs", {}))
    for name in simple & kwargs.keys():
        if name in made:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        made[name] = kwargs[name]
    return made


def __getattr__(name):
    import importlib

    if name in ("attention", "common_types", "grad", "parallel", "parameter"):
        return importlib.import_module(f"rushlight.nn.{name}")
    raise AttributeError(f"module 'torch.nn' has no attribute {name!r}")
