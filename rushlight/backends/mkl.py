"""`torch.backends.mkl`: Intel's math library, which rushlight does not use."""

from __future__ import annotations


def is_available() -> bool:
    """Return False: matrix products are NumPy's BLAS's."""
    return False
