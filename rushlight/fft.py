"""Discrete Fourier transforms: the names of `torch.fft`."""

from .core.tensor.install import NAMESPACES, load_family

load_family("fft")
__all__ = sorted(NAMESPACES["fft"])

globals().update(NAMESPACES["fft"])
