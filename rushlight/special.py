"""Special functions: the names of `torch.special`."""

from typing import Any as _Any

from .core.tensor.install import NAMESPACES, load_family

load_family("special")
__all__ = sorted(NAMESPACES["special"])

globals().update(NAMESPACES["special"])


def __getattr__(name: str) -> _Any:
    raise AttributeError(f"module 'torch.special' has no attribute {name!r} (rushlight does not "
                         "have it yet; see docs/differences-from-pytorch.md)")
