"""RMSprop: gradients divided by a running root mean square."""

from __future__ import annotations

from ._pointwise import (
    PointwiseOptimizer,
    check_learning_rate,
    check_not_negative,
    like,
    scalar_tensor,
)

__all__ = ["RMSprop"]


class RMSprop(PointwiseOptimizer):
    r"""RMSprop.

    ::

        g = gradient + weight_decay * p              (minus the gradient with maximize)
        v = alpha * v + (1 - alpha) * g * g          square_avg
        a = a + (1 - alpha) * (g - a)                grad_avg, with centered
        d = g / (sqrt(v) + eps)                      sqrt(v - a * a) with centered
        b = momentum * b + d;   p = p - lr * b       p = p - lr * d without momentum

    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)

    Hinton's lecture notes; the centred version: Graves, 2013 (arXiv:1308.0850).
    """

    _state_defaults = {"momentum": 0, "centered": False, "foreach": None, "maximize": False,
                       "differentiable": False, "capturable": False}

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0,
                 centered=False, capturable=False, foreach=None, maximize=False,
                 differentiable=False):
        check_learning_rate(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("alpha", alpha)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable})

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        state.step = state.step + 1
        if h.maximize:
            g = -g
        if h.weight_decay:
            g = g + p * h.weight_decay
        v = state.square_avg = state.square_avg * h.alpha + g * g * (1 - h.alpha)
        if h.centered:
            a = state.grad_avg = state.grad_avg + (g - state.grad_avg) * (1 - h.alpha)
            v = v - a * a
        direction = g / (v.sqrt() + h.eps)
        if h.momentum:
            direction = state.momentum_buffer = state.momentum_buffer * h.momentum + direction
        return p - direction * h.lr

    def _options(self, group):
        return {key: group[key] for key in
                ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")}

    def _array_state(self, group):
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return tuple(names)

    def _init_state(self, p, group, state):
        state["step"] = scalar_tensor(0.0)
        for name in self._array_state(group):
            state[name] = like(p)
