"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

from ._pointwise import (
    PointwiseOptimizer,
    check_betas,
    check_learning_rate,
    check_not_negative,
    like,
    scalar_tensor,
)

__all__ = ["Adamax"]


class Adamax(PointwiseOptimizer):
    r"""Adamax: Adam that divides by a decaying maximum instead of a root mean square.

    ::

        g = gradient + weight_decay * p              (minus the gradient with maximize)
        m = m + (1 - beta1) * (g - m)                exp_avg
        u = max(beta2 * u, abs(g) + eps)             exp_inf
        p = p - lr / (1 - beta1**t) * m / u

    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.Adamax(model.parameters())

    Kingma and Ba, 2014 (arXiv:1412.6980), section 7.1.
    """

    _state_defaults = {"foreach": None, "maximize": False, "differentiable": False,
                       "capturable": False}

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 foreach=None, *, maximize=False, differentiable=False, capturable=False):
        check_learning_rate(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable})

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        if h.maximize:
            g = -g
        if h.weight_decay:
            g = g + p * h.weight_decay
        t = state.step = state.step + 1
        m = state.exp_avg = state.exp_avg + (g - state.exp_avg) * (1 - h.beta1)
        u = state.exp_inf = (state.exp_inf * h.beta2).maximum(g.abs() + h.eps)
        return p - m / u * (h.lr / (1 - h.beta1 ** t))

    def _options(self, group):
        beta1, beta2 = group["betas"]
        return {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "eps": group["eps"],
                "weight_decay": group["weight_decay"], "maximize": group["maximize"]}

    def _array_state(self, group):
        return ("exp_avg", "exp_inf")

    def _init_state(self, p, group, state):
        state["step"] = scalar_tensor(0.0)
        state["exp_avg"] = like(p)
        state["exp_inf"] = like(p)
