"""`torch.backends.mkldnn`: Intel's oneDNN, which rushlight does not use."""

from __future__ import annotations

enabled = True
deterministic = False


def is_available() -> bool:
    """Return False: convolutions are rushlight's own."""
    return False
