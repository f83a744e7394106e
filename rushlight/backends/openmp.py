"""`torch.backends.openmp`: OpenMP, which rushlight does not use."""

from __future__ import annotations


def is_available() -> bool:
    """Return False: threads are rushlight's and the BLAS's own."""
    return False
