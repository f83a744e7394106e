"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from ._pointwise import (
    PointwiseOptimizer,
    check_betas,
    check_learning_rate,
    check_not_negative,
    like,
    scalar_tensor,
)

__all__ = ["NAdam"]


class NAdam(PointwiseOptimizer):
    r"""NAdam: Adam whose momentum looks one step ahead, with a momentum that grows.

    ::

        mu(t) = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2),   M = mu(1) * ... * mu(t)
        m = m + (1 - beta1) * (g - m)                exp_avg
        v = beta2 * v + (1 - beta2) * g * g          exp_avg_sq
        d = sqrt(v / (1 - beta2**t)) + eps
        p = p - lr * (1 - mu(t)) / (1 - M) * g / d - lr * mu(t+1) / (1 - M * mu(t+1)) * m / d

    Weight decay is added to g, or with decoupled_weight_decay shrinks p as in AdamW.
    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.NAdam(model.parameters())

    Dozat, 2016, "Incorporating Nesterov momentum into Adam".
    """

    _scalar_state = ("step", "mu_product")
    _capturable_what = "params, mu_products and state_steps"
    _state_defaults = {"maximize": False, "foreach": None, "capturable": False,
                       "differentiable": False, "decoupled_weight_decay": False}

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 momentum_decay=4e-3, decoupled_weight_decay=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False):
        check_learning_rate(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("momentum_decay", momentum_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable})

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        if h.maximize:
            g = -g
        t = state.step = state.step + 1
        if h.weight_decay:
            if h.decoupled:
                p = p * (1 - h.lr * h.weight_decay)
            else:
                g = g + p * h.weight_decay
        mu = h.beta1 * (1 - 0.5 * 0.96 ** (t * h.momentum_decay))
        next_mu = h.beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * h.momentum_decay))
        product = state.mu_product = state.mu_product * mu
        m = state.exp_avg = state.exp_avg + (g - state.exp_avg) * (1 - h.beta1)
        v = state.exp_avg_sq = state.exp_avg_sq * h.beta2 + g * g * (1 - h.beta2)
        denominator = (v / (1 - h.beta2 ** t)).sqrt() + h.eps
        p = p - g / denominator * (h.lr * (1 - mu) / (1 - product))
        return p - m / denominator * (h.lr * next_mu / (1 - product * next_mu))

    def _options(self, group):
        beta1, beta2 = group["betas"]
        return {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "eps": group["eps"],
                "weight_decay": group["weight_decay"], "momentum_decay": group["momentum_decay"],
                "decoupled": group["decoupled_weight_decay"], "maximize": group["maximize"]}

    def _array_state(self, group):
        return ("exp_avg", "exp_avg_sq")

    def _init_state(self, p, group, state):
        state["step"] = scalar_tensor(0.0)
        state["mu_product"] = scalar_tensor(1.0)
        state["exp_avg"] = like(p)
        state["exp_avg_sq"] = like(p)
