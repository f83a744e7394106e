"""Adagrad: steps that shrink with the sum of squared gradients."""

from __future__ import annotations

import rushlight as torch

from ._pointwise import (
    PointwiseOptimizer,
    check_fused,
    check_learning_rate,
    check_not_negative,
    scalar_tensor,
)

__all__ = ["Adagrad"]


class Adagrad(PointwiseOptimizer):
    r"""Adagrad.

    ::

        g = gradient + weight_decay * p              (minus the gradient with maximize)
        s = s + g * g                                sum
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    initial_accumulator_value: what s starts from. The state exists from construction on.
    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)

    Duchi, Hazan and Singer, 2011.
    """

    _state_defaults = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0,
                 eps=1e-10, foreach=None, *, maximize=False, differentiable=False, fused=None):
        check_learning_rate(lr)
        check_not_negative("lr_decay", lr_decay)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("initial_accumulator_value", initial_accumulator_value)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "fused": fused})
        check_fused(fused, foreach, differentiable)
        for group in self.param_groups:
            for p in group["params"]:
                start = group["initial_accumulator_value"]
                self.state[p] = {
                    "step": scalar_tensor(0.0, group["fused"]),
                    "sum": torch.full_like(
                        p, complex(start, start) if p.is_complex() else start,
                        memory_format=torch.preserve_format)}

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        if h.maximize:
            g = -g
        if h.weight_decay:
            g = g + p * h.weight_decay
        t = state.step = state.step + 1
        state.sum = state.sum + g * g
        return p - g / (state.sum.sqrt() + h.eps) * (h.lr / (1 + (t - 1) * h.lr_decay))

    def share_memory(self):
        """Move the state into memory shared with other processes."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _step_group(self, group):
        if group["fused"]:
            for p in group["params"]:
                if p.grad is not None:
                    self._check_first_step(p, p.grad, group)
        super()._step_group(group)

    def _options(self, group):
        return {key: group[key] for key in ("lr", "lr_decay", "weight_decay", "eps", "maximize")}

    def _array_state(self, group):
        return ("sum",)
