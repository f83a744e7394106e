"""Adam: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ._pointwise import PointwiseOptimizer, check_fused, check_not_negative, like, scalar_tensor

__all__ = ["Adam"]


class Adam(PointwiseOptimizer):
    r"""Adam.

    ::

        g = gradient + weight_decay * p              (minus the gradient with maximize)
        m = m + (1 - beta1) * (g - m)                exp_avg
        v = beta2 * v + (1 - beta2) * g * g          exp_avg_sq
        p = p - lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    amsgrad: divide by the largest v so far. decoupled_weight_decay: shrink p by
    ``1 - lr * weight_decay`` instead of adding to g, which is AdamW. foreach and fused choose an
    implementation in PyTorch; here there is one. differentiable: let autograd record the step.

    Raises ValueError for options outside their range.

    >>> optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    Kingma and Ba, 2014 (arXiv:1412.6980); AMSGrad: Reddi et al., 2018.
    """

    _sparse_remedy = ", please consider SparseAdam instead"
    _state_defaults = {"amsgrad": False, "maximize": False, "foreach": None, "capturable": False,
                       "differentiable": False, "decoupled_weight_decay": False, "fused": None}

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 amsgrad=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False, fused=None, decoupled_weight_decay=False):
        tensor_foreach = foreach and not capturable
        if isinstance(lr, torch.Tensor):
            if tensor_foreach:
                raise ValueError(
                    "lr as a Tensor is not supported for capturable=False and foreach=True")
            if lr.numel() != 1:
                raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
        check_not_negative("weight_decay", weight_decay)
        are_floats = [isinstance(beta, float) for beta in betas[:2]]
        are_tensors = [isinstance(beta, torch.Tensor) for beta in betas[:2]]
        if not (all(are_floats) or all(are_tensors)):
            raise ValueError("betas must be either both floats or both Tensors")
        if all(are_tensors):
            for i in (0, 1):
                if tensor_foreach:
                    raise ValueError(f"betas[{i}] as a Tensor is not supported for "
                                     "capturable=False and foreach=True")
                beta: Any = betas[i]
                if beta.numel() != 1:
                    raise ValueError(f"Tensor betas[{i}] must be 1-element")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                    "amsgrad": amsgrad, "maximize": maximize, "foreach": foreach,
                    "capturable": capturable, "differentiable": differentiable, "fused": fused,
                    "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

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
        if h.amsgrad:
            v = state.max_exp_avg_sq = state.max_exp_avg_sq.maximum(v)
        denominator = v.sqrt() / (1 - h.beta2 ** t).sqrt() + h.eps
        return p - m / denominator * (h.lr / (1 - h.beta1 ** t))

    def _options(self, group):
        beta1, beta2 = group["betas"]
        return {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "eps": group["eps"],
                "weight_decay": group["weight_decay"], "maximize": group["maximize"],
                "amsgrad": group["amsgrad"], "decoupled": group["decoupled_weight_decay"]}

    def _array_state(self, group):
        if group["amsgrad"]:
            return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return ("exp_avg", "exp_avg_sq")

    def _init_state(self, p, group, state):
        state["step"] = scalar_tensor(0.0, group["fused"])
        for name in self._array_state(group):
            state[name] = like(p)
