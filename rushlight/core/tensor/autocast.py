"""Autocast: which public functions compute in a lower precision, in float32, or in the widest type.

Inside ``torch.autocast("cpu")`` the functions listed here cast their floating-point arguments on
entry; all others take what they get. The lists are PyTorch's for the CPU.
"""

from __future__ import annotations

import functools

from ..base import dtypes as dt
from ..trace.value import STATE
from .tensor import Tensor

# Products: cast to the autocast dtype.
LOWER = frozenset("""
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc
    mm bmm addmm addbmm baddbmm matmul linear einsum tensordot chain_matmul multi_dot vecdot
    prelu scaled_dot_product_attention
""".split())
# Sums of many terms, and functions that lose digits: cast to float32.
FLOAT32 = frozenset("""
    avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits grid_sample polar prod
    quantile nanquantile stft cdist trace view_as_complex
    cosine_embedding_loss cross_entropy nll_loss nll_loss2d hinge_embedding_loss poisson_nll_loss
    cross_entropy_loss l1_loss huber_loss margin_ranking_loss soft_margin_loss
    triplet_margin_loss multi_margin_loss ctc_loss kl_div multilabel_margin_loss mse_loss
    smooth_l1_loss
    cholesky_inverse cholesky_solve inverse lu_solve matrix_rank orgqr ormqr pinverse
    max_unpool2d max_unpool3d adaptive_avg_pool3d geqrf
    fft_fft fft_ifft fft_fft2 fft_ifft2 fft_fftn fft_ifftn fft_rfft fft_irfft
""".split())
# Several tensors joined: cast to the widest floating type among them.
WIDEST = frozenset(("cat", "stack", "index_copy"))
# Made of products here, but not on PyTorch's list: no casts inside either.
UNCHANGED = frozenset(("bilinear",))


class Policy:
    """An autocast region: its dtype, and the casts of parameters that it has made so far."""

    __slots__ = ("dtype", "casts")

    def __init__(self, dtype, casts):
        self.dtype, self.casts = dtype, casts

    def cast(self, value, wanted):
        """An argument in `wanted`: tensors, and tensors in lists and dicts; others as they are."""
        if isinstance(value, Tensor):
            have = value._meta.dtype
            if have is wanted or have.category != 2 or have is dt.float64:
                return value
            return self._cast_tensor(value, wanted)
        if isinstance(value, (list, tuple)):
            made = [self.cast(item, wanted) for item in value]
            if hasattr(value, "_fields"):
                return type(value)(*made)
            return type(value)(made)
        return value

    def _cast_tensor(self, tensor, wanted):
        if self.casts is None or not (
                tensor.requires_grad and tensor.grad_fn is None and STATE.own.grad
                and tensor._base is None and wanted is self.dtype):
            return tensor.to(wanted)
        # A parameter is used by several products: one cast, through which its gradients add up.
        # A later version of its values needs a new one.
        known = self.casts.get(id(tensor))
        if known is None or known[1] != tensor._version:
            known = self.casts[id(tensor)] = (tensor, tensor._version, tensor.to(wanted))
        return known[2]

    def wanted(self, kind, args, kwargs):
        """The dtype that a function of this kind computes in."""
        if kind == "lower":
            return self.dtype
        if kind == "float32":
            return dt.float32
        return dt.float32 if self._any(args, kwargs, dt.float32) else self.dtype

    def _any(self, args, kwargs, wanted):
        for value in (*args, *kwargs.values()):
            items = value if isinstance(value, (list, tuple)) else (value,)
            if any(isinstance(item, Tensor) and item._meta.dtype is wanted for item in items):
                return True
        return False


def current():
    """The policy of the region this thread is in, or None."""
    return STATE.own.autocast


def enter(policy) -> None:
    """Make `policy` (None: no region) this thread's."""
    STATE.own.autocast = policy


def kind_of(name):
    """The list that a function is on: "lower", "float32", "widest", "unchanged" or None."""
    if name in LOWER:
        return "lower"
    if name in FLOAT32:
        return "float32"
    if name in UNCHANGED:
        return "unchanged"
    return "widest" if name in WIDEST else None


def autocasting(function, name):
    """The function as it is published: casting in autocast regions if it is on a list."""
    kind = kind_of(name)
    if kind is None:
        return function

    @functools.wraps(function)
    def cast_first(*args, **kwargs):
        policy = STATE.own.autocast
        if policy is None or kwargs.get("out") is not None:
            return function(*args, **kwargs)
        if kind != "unchanged":
            wanted = policy.wanted(kind, args, kwargs)
            args = [policy.cast(value, wanted) for value in args]
            kwargs = {key: policy.cast(value, wanted) for key, value in kwargs.items()}
        STATE.own.autocast = None       # what the function is made of computes in these types
        try:
            return function(*args, **kwargs)
        finally:
            STATE.own.autocast = policy

    return cast_first
