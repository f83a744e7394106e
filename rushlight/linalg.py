"""Linear algebra: the names of `torch.linalg`."""

from .core.tensor.install import NAMESPACES, load_family

load_family("linalg")
__all__ = sorted(NAMESPACES["linalg"])

globals().update(NAMESPACES["linalg"])
