"""`torch.backends.opt_einsum`: the order of products in `einsum`."""

from __future__ import annotations

enabled = False
strategy = None


def is_available() -> bool:
    """Return False: `einsum` multiplies from left to right."""
    return False
