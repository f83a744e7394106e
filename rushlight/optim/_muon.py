"""Muon: momentum whose matrix is orthogonalised before each step."""

from __future__ import annotations

import math

import rushlight as torch

from .optimizer import Optimizer

__all__ = ["Muon"]

EPS = 1e-7
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5


def orthogonalize(matrix, coefficients, steps, eps):
    """Bring all singular values of a matrix near 1, by Newton-Schulz iterations in bfloat16.

    With ``A = X X^T``, each iteration is ``X = a X + (b A + c A A) X``.
    Raises ValueError where the matrix has not two dimensions, or for 100 steps and more.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if matrix.dim() != 2:
        raise ValueError("Input tensor gradient must be a 2D matrix")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = matrix.size(0) > matrix.size(1)
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.addmm(x, polynomial, x, beta=a)
    return x.T if tall else x


def adjusted_rate(lr, adjust_lr_fn, shape):
    """The learning rate of a matrix, so that steps are alike for all shapes."""
    rows, columns = shape[:2]
    if adjust_lr_fn == "match_rms_adamw":
        return lr * (0.2 * math.sqrt(max(rows, columns)))
    return lr * math.sqrt(max(1, rows / columns))


class Muon(Optimizer):
    r"""Muon, for the matrices of hidden layers; other parameters need another optimizer.

    ::

        B = B + (1 - momentum) * (g - B)
        u = orthogonalize(g + momentum * (B - g))    (of B without nesterov)
        p = p * (1 - lr * weight_decay) - rate * u

    ns_coefficients, ns_steps, eps: of the orthogonalisation. adjust_lr_fn: "original" (the
    default): ``rate = lr * sqrt(max(1, rows / columns))``; "match_rms_adamw":
    ``rate = lr * 0.2 * sqrt(max(rows, columns))``.

    Raises ValueError for parameters that are not matrices and for options outside their range.

    >>> matrices = [p for p in model.parameters() if p.ndim == 2]
    >>> optimizer = torch.optim.Muon(matrices, lr=0.02)

    Jordan, 2024 (kellerjordan.github.io/posts/muon); Liu et al., 2025 (arXiv:2502.16982).
    """

    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True,
                 ns_coefficients=COEFFICIENTS, eps=EPS, ns_steps=STEPS, adjust_lr_fn=None):
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 <= momentum:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn is not None and adjust_lr_fn not in ("original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn})
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError("Muon only supports 2D parameters whereas we found a "
                                     f"parameter with size: {p.size()}")

    @torch.no_grad()
    def step(self, closure=None):
        """Update every parameter that has a gradient; returns the closure's loss, or None."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.is_complex():
                    raise RuntimeError("Muon does not support complex parameters")
                if p.grad.is_sparse:
                    raise RuntimeError("Muon does not support sparse gradients")
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(
                        p.grad, memory_format=torch.preserve_format)
                self._update(p, p.grad, state["momentum_buffer"], group)
        return loss

    @staticmethod
    def _update(p, g, buffer, group):
        lr, momentum = group["lr"], group["momentum"]
        if isinstance(lr, torch.Tensor):
            lr = lr.squeeze()
        if g.dim() != 2:
            raise ValueError("Param gradient must be a 2D matrix")
        buffer.add_((g - buffer) * (1 - momentum))
        update = g + (buffer - g) * momentum if group["nesterov"] else buffer
        update = orthogonalize(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p.mul_(1 - lr * group["weight_decay"])
        rate = adjusted_rate(lr, group["adjust_lr_fn"], p.shape)
        p.add_(update.to(p.dtype) * -rate)
