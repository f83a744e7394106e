"""Special functions: the names of `torch.special`."""

from .core.tensor.install import NAMESPACES, load_family

load_family("special")
__all__ = sorted(NAMESPACES["special"])

globals().update(NAMESPACES["special"])
