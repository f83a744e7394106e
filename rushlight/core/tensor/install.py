"""Turns the ops' exports into methods, functions and in-place forms, once, at import."""

from __future__ import annotations

from threading import RLock

from ..ops import later
from ..ops.record import EXPORTS, REGISTRY
from . import (  # noqa: F401 - hot paths, operators, draws
    data_dependent,
    dropout,
    indexing,
    methods,
    queries,
    random,
    sequences,
    shared_memory,
)
from .autocast import autocasting
from .dispatch import prepare
from .inplace import inplace_form, public_function
from .known_calls import known_calls
from .tensor import Tensor

TORCH: dict = {}               # names of the package itself
NAMESPACES: dict = {}          # "nn.functional" -> {name: function}, "special", "linalg", "fft"
_LOADED: set = set()
_LOADING = RLock()


def install(exports) -> None:
    """Publish these exports."""
    for export in exports:
        function = export.function      # an exception is published as it is
        if not isinstance(function, type):
            function = autocasting(public_function(export), export.name)
            if export.static:
                function = known_calls(function, export.static)
        for target in export.targets:
            if target == "Tensor":
                setattr(Tensor, export.name, function)
            elif target == "torch":
                TORCH[export.name] = function
            else:
                NAMESPACES.setdefault(target, {})[export.name] = function
        if export.inplace:
            form = inplace_form(export.function, export.name)
            setattr(Tensor, export.name + "_", form)
            if "torch" in export.targets:
                TORCH.setdefault(export.name + "_", form)
            if "nn.functional" in export.targets:
                NAMESPACES["nn.functional"].setdefault(export.name + "_", form)


def load_family(family) -> None:
    """Import the modules of a family of `ops.later` and publish what they export."""
    from importlib import import_module
    with _LOADING:
        if family in _LOADED:
            return
        known, exported = len(REGISTRY), len(EXPORTS)
        for module in later.FAMILIES[family]:
            import_module("..ops." + module, __package__)
        for op in list(REGISTRY.values())[known:]:
            prepare(op)
        install(EXPORTS[exported:])
        _LOADED.add(family)


def torch_name(name):
    """A name of the package whose family is not loaded yet, or None."""
    family = later.FAMILY_OF.get(name)
    if family is None:
        return None
    load_family(family)
    return TORCH[name]


def _waiting_method(name, family):
    def method(self, *args, **kwargs):
        load_family(family)
        return getattr(self, name)(*args, **kwargs)
    method.__name__ = name
    method.__qualname__ = "Tensor." + name
    method.__doc__ = f"See `torch.{name}`."
    return method


for _name, _family in later.METHODS:
    setattr(Tensor, _name, _waiting_method(_name, _family))

install(EXPORTS)
TORCH.update(queries.EXPORTS)
TORCH.update(sequences.EXPORTS)
