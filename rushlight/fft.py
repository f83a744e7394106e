"""Discrete Fourier transforms: the names of `torch.fft`."""

from typing import Any as _Any

from .core.tensor.install import NAMESPACES, load_family

load_family("fft")
__all__ = sorted(NAMESPACES["fft"])

globals().update(NAMESPACES["fft"])


def __getattr__(name: str) -> _Any:
    raise AttributeError(f"module 'torch.fft' has no attribute {name!r} (rushlight does not "
                         "have it yet; see docs/differences-from-pytorch.md)")
