"""RAdam: Adam with a rectified adaptive learning rate."""

from __future__ import annotations

from ._pointwise import (
    PointwiseOptimizer,
    check_betas,
    check_learning_rate,
    check_not_negative,
    like,
    scalar_tensor,
)

__all__ = ["RAdam"]


class RAdam(PointwiseOptimizer):
    r"""RAdam: Adam that trusts its second moment only once enough steps support it.

    ::

        rho_inf = 2 / (1 - beta2) - 1,   rho = rho_inf - 2 t beta2**t / (1 - beta2**t)
        m, v as in Adam
        p = p - lr * m / (1 - beta1**t) * r * sqrt(1 - beta2**t) / (sqrt(v) + eps)   if rho > 5
        p = p - lr * m / (1 - beta1**t)                                            otherwise
        r = sqrt((rho - 4)(rho - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho))

    Weight decay is added to g, or with decoupled_weight_decay shrinks p as in AdamW.
    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.RAdam(model.parameters())

    Liu et al., 2019 (arXiv:1908.03265).
    """

    _state_defaults = {"foreach": None, "maximize": False, "differentiable": False,
                       "decoupled_weight_decay": False, "capturable": False}

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 decoupled_weight_decay=False, *, foreach=None, maximize=False,
                 capturable=False, differentiable=False):
        check_learning_rate(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable})

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        if h.maximize:
            g = -g
        if h.weight_decay:
            if h.decoupled:
                p = p * (1 - h.lr * h.weight_decay)
            else:
                g = g + p * h.weight_decay
        t = state.step = state.step + 1
        m = state.exp_avg = state.exp_avg + (g - state.exp_avg) * (1 - h.beta1)
        v = state.exp_avg_sq = state.exp_avg_sq * h.beta2 + g * g * (1 - h.beta2)
        correction = 1 - h.beta2 ** t
        rho_inf = 2 / (1 - h.beta2) - 1
        rho = rho_inf - 2 * t * h.beta2 ** t / correction
        # Below 5 the square root's argument may be negative; the clamp keeps what `where` does
        # not take finite, so that its derivative is 0 and not NaN.
        rectified = ((rho - 4) * (rho - 2) * rho_inf
                     / ((rho_inf - 4) * (rho_inf - 2) * rho)).clamp(min=0.0).sqrt()
        adaptive = rectified * correction.sqrt() / (v.sqrt() + h.eps)
        return p - m * (h.lr / (1 - h.beta1 ** t)) * adaptive.where(rho > 5.0, 1.0)

    def _options(self, group):
        beta1, beta2 = group["betas"]
        return {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "eps": group["eps"],
                "weight_decay": group["weight_decay"], "maximize": group["maximize"],
                "decoupled": group["decoupled_weight_decay"]}

    def _array_state(self, group):
        return ("exp_avg", "exp_avg_sq")

    def _init_state(self, p, group, state):
        state["step"] = scalar_tensor(0.0)
        state["exp_avg"] = like(p)
        state["exp_avg_sq"] = like(p)
