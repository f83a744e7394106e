"""AdamW: Adam with weight decay that does not pass through the averages."""

from __future__ import annotations

from .adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    r"""AdamW: `Adam` whose weight decay multiplies the parameter by ``1 - lr * weight_decay``.

    Options as in `Adam`, with weight_decay 0.01 by default.

    >>> optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)

    Loshchilov and Hutter, 2017 (arXiv:1711.05101).
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2,
                 amsgrad=False, *, maximize=False, foreach=None, capturable=False,
                 differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach,
                         maximize=maximize, capturable=capturable, differentiable=differentiable,
                         fused=fused, decoupled_weight_decay=True)

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
