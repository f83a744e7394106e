"""Adadelta: steps in the units of the parameter."""

from __future__ import annotations

from ._pointwise import (
    PointwiseOptimizer,
    check_learning_rate,
    check_not_negative,
    like,
    scalar_tensor,
)

__all__ = ["Adadelta"]


class Adadelta(PointwiseOptimizer):
    r"""Adadelta.

    ::

        g = gradient + weight_decay * p              (minus the gradient with maximize)
        v = rho * v + (1 - rho) * g * g              square_avg
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d * d              acc_delta
        p = p - lr * d

    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.Adadelta(model.parameters())

    Zeiler, 2012 (arXiv:1212.5701).
    """

    _state_defaults = {"foreach": None, "maximize": False, "differentiable": False,
                       "capturable": False}
    _capturable_devices = ["cuda", "xpu", "hpu", "privateuseone"]

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *,
                 capturable=False, maximize=False, differentiable=False):
        check_learning_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_not_negative("weight_decay", weight_decay)
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable})

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        state.step = state.step + 1
        if h.maximize:
            g = -g
        if h.weight_decay:
            g = g + p * h.weight_decay
        v = state.square_avg = state.square_avg * h.rho + g * g * (1 - h.rho)
        delta = (state.acc_delta + h.eps).sqrt() / (v + h.eps).sqrt() * g
        state.acc_delta = state.acc_delta * h.rho + delta * delta * (1 - h.rho)
        return p - delta * h.lr

    def _options(self, group):
        return {key: group[key] for key in ("lr", "rho", "eps", "weight_decay", "maximize")}

    def _array_state(self, group):
        return ("square_avg", "acc_delta")

    def _init_state(self, p, group, state):
        state["step"] = scalar_tensor(0.0)
        state["square_avg"] = like(p)
        state["acc_delta"] = like(p)
