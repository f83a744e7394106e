"""`torch.backends.cpu`: what the processor can do."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """Return the vector extensions that generated code uses: "NO_AVX", there being none yet."""
    return "NO_AVX"
