"""Averaged stochastic gradient descent."""

from __future__ import annotations

from ._pointwise import (
    PointwiseOptimizer,
    check_learning_rate,
    check_not_negative,
    like,
    scalar_tensor,
)

__all__ = ["ASGD"]


class ASGD(PointwiseOptimizer):
    r"""Averaged stochastic gradient descent; the average of the path is in the state's ``ax``.

    ::

        g = gradient + weight_decay * p              (minus the gradient with maximize)
        p = p * (1 - lambd * eta) - eta * g
        ax = ax + mu * (p - ax)                      ax = p while t <= t0
        eta = lr / (1 + lambd * lr * t) ** alpha,   mu = 1 / max(1, t - t0)     for the next step

    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.ASGD(model.parameters(), t0=1000)

    Polyak and Juditsky, 1992.
    """

    _scalar_state = ("step", "eta", "mu")
    _capturable_what = "params, mus, etas, and state_steps"
    _state_defaults = {"foreach": None, "maximize": False, "differentiable": False,
                       "capturable": False}

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0,
                 foreach=None, maximize=False, differentiable=False, capturable=False):
        check_learning_rate(lr)
        check_not_negative("weight_decay", weight_decay)
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable})

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        if h.maximize:
            g = -g
        t = state.step = state.step + 1
        if h.weight_decay:
            g = g + p * h.weight_decay
        p = p * (1 - h.lambd * state.eta) - g * state.eta
        # With mu = 1 the average is p itself, to the last bit.
        state.ax = p.where(state.mu > 1 - 1e-9, state.ax + (p - state.ax) * state.mu)
        state.eta = h.lr / (1 + h.lambd * h.lr * t) ** h.alpha
        state.mu = 1 / (t - h.t0).clamp(min=1.0)
        return p

    def _options(self, group):
        return {key: group[key] for key in
                ("lr", "lambd", "alpha", "t0", "weight_decay", "maximize")}

    def _array_state(self, group):
        return ("ax",)

    def _init_state(self, p, group, state):
        state["step"] = scalar_tensor(0.0)
        state["eta"] = scalar_tensor(float(group["lr"]))
        state["mu"] = scalar_tensor(1.0)
        state["ax"] = like(p)
