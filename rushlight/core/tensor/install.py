"""Turns the ops' exports into methods, functions and in-place forms, once, at import."""

from __future__ import annotations

from ..ops.record import EXPORTS
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
from .inplace import inplace_form, public_function
from .tensor import Tensor

TORCH: dict = {}               # names of the package itself
NAMESPACES: dict = {}          # "nn.functional" -> {name: function}, "special", "linalg", "fft"


def install() -> None:
    """Publish every export."""
    for export in EXPORTS:
        function = autocasting(public_function(export), export.name)
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


install()
TORCH.update(queries.EXPORTS)
TORCH.update(sequences.EXPORTS)
