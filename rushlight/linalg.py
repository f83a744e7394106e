"""Linear algebra: the names of `torch.linalg`."""

from typing import Any as _Any

from .core.tensor.install import NAMESPACES, load_family

load_family("linalg")
__all__ = sorted(NAMESPACES["linalg"])

globals().update(NAMESPACES["linalg"])


def __getattr__(name: str) -> _Any:
    raise AttributeError(f"module 'torch.linalg' has no attribute {name!r} (rushlight does not "
                         "have it yet; see docs/differences-from-pytorch.md)")
