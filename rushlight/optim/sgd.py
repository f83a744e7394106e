"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ._pointwise import PointwiseOptimizer, check_fused

__all__ = ["SGD"]


class SGD(PointwiseOptimizer):
    r"""Stochastic gradient descent (optionally with momentum).

    ::

        g = gradient + weight_decay * p             (minus the gradient with maximize)
        b = momentum * b + (1 - dampening) * g      (b = g at the first step)
        p = p - lr * b                              (lr * (g + momentum * b) with nesterov)

    lr: learning rate, a number or a tensor of one element.
    momentum, dampening, weight_decay: the factors above. nesterov: look ahead by one momentum
    step; needs momentum and no dampening. foreach and fused choose an implementation in
    PyTorch; here there is one. differentiable: let autograd record the step.

    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> optimizer.zero_grad(); loss.backward(); optimizer.step()

    Momentum as in Sutskever et al., 2013, in the variant without lr in the buffer.
    """

    _scalar_state = ()
    _foreach_is_differentiable = True
    _state_defaults = {"nesterov": False, "maximize": False, "foreach": None,
                       "differentiable": False, "fused": False}

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False,
                 *, maximize=False, foreach=None, differentiable=False, fused=None):
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening,
                    "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize,
                    "foreach": foreach, "differentiable": differentiable, "fused": fused}
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    @staticmethod
    def update(p, g, state, h):
        """One step for one parameter."""
        if h.maximize:
            g = -g
        if h.weight_decay:
            g = g + p * h.weight_decay
        if h.momentum:
            if h.first:
                state.momentum_buffer = g
            else:
                new = g * (1 - h.dampening) if h.dampening else g
                state.momentum_buffer = state.momentum_buffer * h.momentum + new
            g = g + state.momentum_buffer * h.momentum if h.nesterov else state.momentum_buffer
        return p - g * h.lr

    def _options(self, group):
        return {key: group[key] for key in
                ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")}

    def _step_group(self, group):
        options = self._options(group)
        started: tuple = ([], [], [])
        first: tuple = ([], [], [])
        momentum = group["momentum"] != 0
        for p in group["params"]:
            grad = p._grad
            if grad is None:
                continue
            state: Any = self.state[p] if momentum else None
            part = started
            if momentum and state.get("momentum_buffer") is None:
                self._check_first_step(p, grad, group)
                state["momentum_buffer"] = torch.empty_like(grad)
                part = first
            elif group["fused"]:
                self._check_first_step(p, grad, group)
            part[0].append(p)
            part[1].append(grad)
            part[2].append(state)
        names = ("momentum_buffer",) if momentum else ()
        for part, is_first in ((first, True), (started, False)):
            if part[0]:
                params, grads, states = part
                self._apply(group, params, grads, states, {**options, "first": is_first}, names)
