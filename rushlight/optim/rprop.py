"""Rprop: steps by the sign of the gradient alone."""

from __future__ import annotations

import rushlight as torch

from ._pointwise import PointwiseOptimizer, check_learning_rate, like, scalar_tensor

__all__ = ["Rprop"]


class Rprop(PointwiseOptimizer):
    r"""Resilient backpropagation; for gradients of the whole data set.

    Each element has a step size. Where the gradient keeps its sign the size grows by etas[1];
    where it changed, the size shrinks by etas[0] and the element rests for a step::

        s = clamp(s * factor, *step_sizes)
        p = p - s * sign(g)                          (g = 0 where the sign changed)

    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.Rprop(model.parameters())

    Riedmiller and Braun, 1993.
    """

    _state_defaults = {"foreach": None, "maximize": False, "differentiable": False,
                       "capturable": False}

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *,
                 capturable=False, foreach=None, maximize=False, differentiable=False):
        check_learning_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable})

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        state.step = state.step + 1
        if h.maximize:
            g = -g
        agreement = g * state.prev
        grown = (state.step_size * h.grow).where(agreement > 0, state.step_size)
        size = (state.step_size * h.shrink).where(agreement < 0, grown)
        size = state.step_size = size.clamp(h.smallest, h.largest)
        g = state.prev = (g * 0.0).where(agreement < 0, g)
        return p - g.sign() * size

    def _options(self, group):
        shrink, grow = group["etas"]
        smallest, largest = group["step_sizes"]
        return {"shrink": shrink, "grow": grow, "smallest": smallest, "largest": largest,
                "maximize": group["maximize"]}

    def _array_state(self, group):
        return ("prev", "step_size")

    def _init_state(self, p, group, state):
        state["step"] = scalar_tensor(0.0)
        state["prev"] = like(p)
        lr = float(group["lr"])
        state["step_size"] = torch.full_like(p.grad, complex(lr, lr) if p.is_complex() else lr)
