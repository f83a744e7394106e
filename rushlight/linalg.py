"""Linear algebra: the names of `torch.linalg` that rushlight has."""

from .core.tensor.install import NAMESPACES

__all__ = sorted(NAMESPACES["linalg"])

globals().update(NAMESPACES["linalg"])


def __getattr__(name):
    raise AttributeError(
        f"module 'torch.linalg' has no attribute {name!r} (rushlight does not have it yet; see "
        "docs/differences-from-pytorch.md)"
    )
