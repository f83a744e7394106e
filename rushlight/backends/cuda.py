"""`torch.backends.cuda`: switches of CUDA's libraries; they change nothing here."""

from __future__ import annotations


class _MatrixProducts:
    """Precision switches of matrix products on NVIDIA's devices."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True


matmul = _MatrixProducts()


def is_built() -> bool:
    """Return False: this build has no CUDA backend."""
    return False


def flash_sdp_enabled() -> bool:
    """Return whether flash attention may be used: False, the plain formula is."""
    return False


def math_sdp_enabled() -> bool:
    """Return whether attention may use its plain formula: True."""
    return True
