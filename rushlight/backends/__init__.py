"""Switches of the numerical libraries below PyTorch, for programs that set them.

rushlight computes with NumPy's BLAS and its own kernels, which are deterministic. The switches of
libraries it does not have can be read and set; they change nothing.
"""

from __future__ import annotations

from importlib import import_module

_MODULES = ("cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum")


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.backends' has no attribute '{name}'")
