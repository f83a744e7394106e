"""L-BFGS: a quasi-Newton method with limited memory."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import rushlight as torch

from ._pointwise import check_learning_rate, quasi_newton_direction
from .optimizer import Optimizer

__all__ = ["LBFGS"]

# A place on the line x + t d: the step t, the loss f, its gradient g, and its slope g . d.
Point = namedtuple("Point", "t f g slope")
MEMORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


def _number(loss):
    return float(loss.detach() if isinstance(loss, torch.Tensor) else loss)


class LBFGS(Optimizer):
    r"""Limited-memory BFGS; each `step` runs up to `max_iter` iterations and needs a closure.

    The direction is ``-H g``, where H approximates the inverse Hessian from the last
    `history_size` changes of parameters and gradient. There can be one parameter group only, and
    parameters must be real or complex floating point.

    lr: step length along the direction (1 is the quasi-Newton step).
    max_eval: most evaluations of the closure in a step; ``max_iter * 5 // 4`` if None.
    tolerance_grad, tolerance_change: stop where the largest gradient element, or the change of
        the loss or of any parameter, falls below.
    line_search_fn: None (step lr) or "strong_wolfe".

    Raises ValueError for several groups and RuntimeError for another line search.

    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = loss_fn(model(x), y)
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)

    Nocedal and Wright, Numerical Optimization, algorithms 7.4, 3.5 and 3.6; the line search's
    safeguards are those of Schmidt's minFunc.
    """

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7,
                 tolerance_change=1e-9, history_size=100, line_search_fn=None):
        check_learning_rate(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn})
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    # -- parameters as one flat vector -----------------------------------------------------------

    def _flat_gradient(self):
        parts = []
        for p in self._params:
            part = torch.zeros_like(p) if p.grad is None else p.grad
            if part.is_complex():
                part = torch.view_as_real(part)
            parts.append(part.reshape(-1))
        return torch.cat(parts, 0)

    def _move(self, t, direction):
        offset = 0
        for p in self._params:
            real = torch.view_as_real(p) if p.is_complex() else p
            count = real.numel()
            real.add_(direction[offset:offset + count].view(real.shape) * t)
            offset += count

    def _evaluate_at(self, closure, start, t, direction):
        """The point `t` along `direction` from the parameters `start`, which stay as they were."""
        self._move(t, direction)
        loss = _number(closure())
        gradient = self._flat_gradient()
        for p, value in zip(self._params, start):
            p.copy_(value)
        return Point(t, loss, gradient, float(gradient.dot(direction)))

    # -- one step --------------------------------------------------------------------------------

    @torch.no_grad()
    def step(self, closure):
        """Run up to max_iter iterations; returns the loss before the first.

        closure: clears the gradients, computes the loss, calls backward and returns the loss.
        """
        def evaluate():
            with torch.enable_grad():
                return closure()

        group = self.param_groups[0]
        lr, max_iter = group["lr"], group["max_iter"]
        tolerance_change = group["tolerance_change"]
        if isinstance(lr, torch.Tensor):
            lr = lr.squeeze()
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = evaluate()
        loss = _number(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._flat_gradient()
        if bool(gradient.abs().max() <= group["tolerance_grad"]):
            return first_loss

        # Kept from step to step under PyTorch's names; written back only when the step ends well.
        memory = {name: state.get(name) for name in MEMORY}
        for iteration in range(1, max_iter + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                memory.update(d=-gradient, old_dirs=[], old_stps=[], ro=[], H_diag=1)
            else:
                self._remember(memory, gradient, group["history_size"])
                memory["d"] = self._direction(memory, gradient)
            direction = memory["d"]
            memory["prev_flat_grad"] = gradient.clone(memory_format=torch.contiguous_format)
            memory["prev_loss"] = previous_loss = loss
            t = lr
            if state["n_iter"] == 1:        # nothing is known of the scale yet
                t = min(1.0, 1.0 / float(gradient.abs().sum())) * lr
            memory["t"] = t
            slope = float(gradient.dot(direction))
            if slope > -tolerance_change:
                break
            used = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = [p.clone(memory_format=torch.contiguous_format) for p in self._params]
                point, used = strong_wolfe(
                    lambda step, start=start, d=direction:
                        self._evaluate_at(evaluate, start, step, d),
                    float(t), direction, Point(0, loss, gradient, slope))
                memory["t"] = t = point.t
                loss, gradient = point.f, point.g
                self._move(t, direction)
            else:
                self._move(t, direction)
                if iteration != max_iter:
                    loss = _number(evaluate())
                    gradient = self._flat_gradient()
                    used = 1
            evaluations += used
            state["func_evals"] += used
            if (iteration == max_iter or evaluations >= group["max_eval"]
                    or (used and bool(gradient.abs().max() <= group["tolerance_grad"]))
                    or bool((direction * t).abs().max() <= tolerance_change)
                    or abs(loss - previous_loss) < tolerance_change):
                break
        state.update(memory)
        return first_loss

    @staticmethod
    def _remember(memory, gradient, history_size):
        """Add the last step and the change of the gradient over it to the history."""
        change = gradient - memory["prev_flat_grad"]
        step = memory["d"] * memory["t"]
        curvature = change.dot(step)
        if bool(curvature > 1e-10):
            history = (memory["old_dirs"], memory["old_stps"], memory["ro"])
            for kept, new in zip(history, (change, step, 1.0 / curvature)):
                if len(kept) == history_size:
                    kept.pop(0)
                kept.append(new)
            memory["H_diag"] = curvature / change.dot(change)

    @staticmethod
    def _direction(memory, gradient):
        """-H g, by the two-loop recursion over the history."""
        return quasi_newton_direction([gradient, memory["H_diag"], *memory["old_dirs"],
                                       *memory["old_stps"], *memory["ro"]])


def cubic_minimum(a, b, low: Any = None, high: Any = None):
    """Where the cubic through two points with their slopes is least, kept within [low, high]."""
    left, right = (a, b) if a.t <= b.t else (b, a)
    if low is None:
        low, high = left.t, right.t
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = square ** 0.5
    bottom = right.slope - left.slope + 2 * d2
    if bottom == 0:
        return (low + high) / 2.0
    best = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / bottom)
    return min(max(best, low), high)


def strong_wolfe(evaluate, t, direction, origin, c1=1e-4, c2=0.9, tolerance_change=1e-9,
                 max_trials=25):
    """A step that meets the strong Wolfe conditions: enough decrease, and a slope near zero.

    evaluate: ``evaluate(t) -> Point``. origin: the point at t = 0.
    Returns (point, number of evaluations).
    """
    def too_high(point):
        return point.f > origin.f + c1 * point.t * origin.slope

    def flat_enough(point):
        return abs(point.slope) <= -c2 * origin.slope

    largest = float(direction.abs().max())
    previous, point = origin, evaluate(t)
    evaluations, trials = 1, 0

    # Bracketing (3.5): lengthen the step until a good one lies between two points.
    bracket = None
    while trials < max_trials:
        if too_high(point) or (trials > 1 and point.f >= previous.f):
            bracket = [previous, point]
            break
        if flat_enough(point):
            return point, evaluations
        if point.slope >= 0:
            bracket = [previous, point]
            break
        t = cubic_minimum(previous, point, point.t + 0.01 * (point.t - previous.t), point.t * 10)
        previous, point = point, evaluate(t)
        evaluations += 1
        trials += 1
    if bracket is None:
        bracket = [origin, point]

    # Zooming (3.6): bracket[low] has the smaller loss; shrink the bracket around a good step.
    low = 0 if bracket[0].f <= bracket[1].f else 1
    stalled = False
    while trials < max_trials:
        smallest_t, largest_t = sorted((bracket[0].t, bracket[1].t))
        if (largest_t - smallest_t) * largest < tolerance_change:
            break
        t = cubic_minimum(*bracket)
        margin = 0.1 * (largest_t - smallest_t)
        if min(largest_t - t, t - smallest_t) < margin:
            # Too near an end: let it pass once, then move it inside.
            if stalled or t >= largest_t or t <= smallest_t:
                near_right = abs(t - largest_t) < abs(t - smallest_t)
                t = largest_t - margin if near_right else smallest_t + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        point = evaluate(t)
        evaluations += 1
        trials += 1
        if too_high(point) or point.f >= bracket[low].f:
            bracket[1 - low] = point
            low = 0 if bracket[0].f <= bracket[1].f else 1
        else:
            done = flat_enough(point)
            if not done and point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
                bracket[1 - low] = bracket[low]
            bracket[low] = point
            if done:
                break
    return bracket[low], evaluations
