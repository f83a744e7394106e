"""SparseAdam: Adam for sparse gradients, which rushlight does not have yet."""

from __future__ import annotations

import rushlight as torch

from ._pointwise import check_betas
from .optimizer import Optimizer

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """A masked Adam for sparse gradients.

    Its options are checked as in PyTorch. Gradients here are dense, so `step` raises RuntimeError
    as PyTorch does for those, and NotImplementedError for a sparse one.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 < lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        flat = [p for group in self.param_groups for p in group["params"]]
        complex_at = [i for i, p in enumerate(flat) if p.is_complex()]
        if complex_at:
            raise ValueError(f"Complex params at indices {complex_at}: SparseAdam does not "
                             "support complex parameters")

    def step(self, closure=None):
        """Evaluate `closure`; then raise, as no gradient here is sparse."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if not p.grad.is_sparse:
                    raise RuntimeError("SparseAdam does not support dense gradients, "
                                       "please consider Adam instead")
                raise NotImplementedError("SparseAdam needs sparse tensors, "
                                          "which rushlight does not implement")
        return loss
