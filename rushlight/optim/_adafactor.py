"""Adafactor: adaptive steps with a second moment kept as rows and columns."""

from __future__ import annotations

import rushlight as torch

from ._pointwise import scalar_tensor
from .optimizer import Optimizer

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    r"""Adafactor.

    ::

        b = t ** beta2_decay,   rho = min(lr, 1 / sqrt(t)),   alpha = max(eps2, rms(p)) * rho
        p = p * (1 - lr * weight_decay)
        V = (1 - b) V + b g**2           for a vector; for a matrix only the means R over rows
                                         and C over columns are kept, and V = R C / mean(R)
        u = g / max(sqrt(V), eps1)
        p = p - alpha * u / max(1, rms(u) / d)

    eps: (eps1, eps2); an eps1 of None is the parameter's machine epsilon. lr bounds the relative
    step. Raises ValueError for options outside their range, RuntimeError for complex parameters.

    >>> optimizer = torch.optim.Adafactor(model.parameters(), lr=0.01)

    Shazeer and Stern, 2018 (arXiv:1804.04235).
    """

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0,
                 weight_decay=0.0, *, foreach=None, maximize=False):
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d,
            "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize})

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)
            for p in group["params"]:
                entry = self.state.get(p)
                if entry and not isinstance(entry["step"], torch.Tensor):
                    entry["step"] = scalar_tensor(float(entry["step"]))

    @torch.no_grad()
    def step(self, closure=None):
        """Update every parameter that has a gradient; returns the closure's loss, or None."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.is_complex():
                    raise RuntimeError("Adafactor does not support complex parameters")
                if p.grad.is_sparse:
                    raise RuntimeError("Adafactor does not support sparse gradients")
                state = self.state[p]
                if not state:
                    self._init_state(p, state)
                self._update(p, -p.grad if group["maximize"] else p.grad, state, group)
        return loss

    @staticmethod
    def _init_state(p, state):
        state["step"] = scalar_tensor(0.0)
        if p.dim() > 1:
            rows, columns = list(p.shape), list(p.shape)
            rows[-1] = columns[-2] = 1
            state["row_var"] = p.grad.new_zeros(rows)
            state["col_var"] = p.grad.new_zeros(columns)
        else:
            state["variance"] = torch.zeros_like(
                p.grad, memory_format=torch.preserve_format)

    @staticmethod
    def _update(p, g, state, group):
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = torch.finfo(p.dtype).eps
        lr = group["lr"]
        state["step"] += 1
        t = state["step"]
        fading = t ** group["beta2_decay"]
        if isinstance(lr, torch.Tensor):
            lr = lr.squeeze()
            rho = (1 / t.sqrt()).minimum(lr)
        else:
            rho = (1 / t.sqrt()).clamp(max=lr)
        alpha = (p.norm(2) / p.numel() ** 0.5).clamp(min=eps2) * rho
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        if g.dim() > 1:
            # Means of squares: R over the last dimension, C over the one before.
            square = g * g
            rows, columns = state["row_var"], state["col_var"]
            rows.add_((square.mean(dim=-1, keepdim=True) - rows) * fading)
            columns.add_((square.mean(dim=-2, keepdim=True) - columns) * fading)
            variance = rows @ columns
            variance = variance / rows.mean(dim=-2, keepdim=True).clamp(min=eps1)
        else:
            state["variance"].add_((g * g - state["variance"]) * fading)
            variance = state["variance"]
        update = g * variance.clamp(min=eps1 * eps1).rsqrt()
        clip = (update.norm(2) / (g.numel() ** 0.5 * group["d"])).clamp(min=1.0)
        p.add_(update * (-alpha / clip))
