"""`PointwiseOptimizer`: an optimizer that is one formula, applied to every element alike.

Such an optimizer writes its formula once, in `update`, and says what state it keeps. Everything
else is here: one traced op updates all parameters of a group at once, and a differentiable step
evaluates the same formula on tensors, with autograd recording it.
"""

from __future__ import annotations

import functools

import rushlight as torch
from rushlight.core.ops.optimizer_steps import (
    quasi_newton_direction as quasi_newton_direction,  # for `lbfgs`
)
from rushlight.core.ops.step_program import step_program
from rushlight.core.tensor.optimizer_step import multi_tensor_step

from .optimizer import Optimizer, _use_grad_for_differentiable

_FUSED_DEVICES = ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]
_CAPTURABLE_DEVICES = ["cuda", "xpu", "hpu", "privateuseone", "xla"]


class Fields:
    """Named values with attribute access: the state and the options an `update` sees."""

    def __init__(self, fields):
        self.__dict__.update(fields)


class PointwiseOptimizer(Optimizer):
    """An optimizer given by a formula; see `update`."""

    _scalar_state: tuple = ("step",)       # kept as 0-dim tensors
    _state_defaults: dict = {}             # options that state dicts of old versions lack
    _sparse_remedy = ""
    _capturable_what = "params and state_steps"
    _capturable_devices = _CAPTURABLE_DEVICES
    _foreach_is_differentiable = False

    # -- what a subclass says --------------------------------------------------------------------

    @staticmethod
    def update(p, g, state, h):
        """The formula: returns the new parameter and assigns the new state.

        p, g: the parameter and its gradient. state: what `_array_state` and `_scalar_state` name,
        as attributes. h: the options of `_options`. Arithmetic, `sqrt`, `abs`, `sign`,
        `maximum`, `clamp`, `where` and comparisons may be used, and ``if`` on options only.
        """
        raise NotImplementedError

    def _options(self, group) -> dict:
        """The options that `update` reads."""
        raise NotImplementedError

    def _array_state(self, group) -> tuple:
        """The names of the state of the parameter's shape."""
        raise NotImplementedError

    def _init_state(self, p, group, state):
        """Fill the state of a parameter that steps for the first time."""
        raise NotImplementedError

    # -- stepping --------------------------------------------------------------------------------

    @_use_grad_for_differentiable
    def step(self, closure=None):
        """Update every parameter that has a gradient; returns the closure's loss, or None."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group):
        params, grads, states = [], [], []
        all_states = self.state
        for p in group["params"]:
            grad = p._grad
            if grad is not None:
                state = all_states[p]
                if not state:
                    self._check_first_step(p, grad, group)
                    self._init_state(p, group, state)
                params.append(p)
                grads.append(grad)
                states.append(state)
        if params:
            self._apply(group, params, grads, states, self._options(group),
                        self._array_state(group))

    def _check_first_step(self, p, grad, group):
        if grad.is_sparse:
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients"
                               + self._sparse_remedy)
        if group.get("fused") and not p.is_floating_point():
            raise RuntimeError("`fused=True` requires all the params to be floating point Tensors "
                               f"of supported devices: {_FUSED_DEVICES} but {p.dtype} and "
                               f"{p.device.type}")

    def _apply(self, group, params, grads, states, options, array_state):
        if group.get("capturable") and params[0].device.type not in self._capturable_devices:
            raise AssertionError(f"If capturable=True, {self._capturable_what} must be on "
                                 f"supported devices: {self._capturable_devices}.")
        if group["differentiable"]:
            if group["foreach"] and not self._foreach_is_differentiable:
                raise AssertionError("_foreach ops don't support autograd")
            for p, grad, state in zip(params, grads, states):
                self._differentiable_update(p, grad, state, options, array_state)
            return
        multi_tensor_step(self._program(options, array_state), params, grads, states, options,
                          (self, group))

    def _program(self, options, array_state):
        key = (array_state, *options.items())
        program = self._programs.get(key)
        if program is None:
            if len(self._programs) > 64:        # a schedule changes the learning rate
                self._programs.clear()
            program = self._programs[key] = step_program(
                type(self).__name__, self.update, options, self._scalar_state, array_state)
        return program

    def _options_now(self, group, program, options):
        """The options of a step taken with `options`, read again; None for another program."""
        now = {**options, **self._options(group)}
        return now if self._program(now, program.array_state) is program else None

    @functools.cached_property
    def _programs(self) -> dict:
        """The step programs of the options used lately."""
        return {}

    def _differentiable_update(self, p, g, state, options, array_state):
        is_complex = p.is_complex()
        as_real = torch.view_as_real if is_complex else lambda tensor: tensor
        seen = Fields({name: state[name] for name in self._scalar_state})
        seen.__dict__.update((name, as_real(state[name])) for name in array_state)
        scalars = {key: value.squeeze() if isinstance(value, torch.Tensor) else value
                   for key, value in options.items()}
        new_p = self.update(as_real(p), as_real(g), seen, Fields(scalars))
        for name in self._scalar_state:
            state[name] = getattr(seen, name)
        for name in array_state:
            new = getattr(seen, name)
            state[name] = torch.view_as_complex(new) if is_complex else new
        p.copy_(torch.view_as_complex(new_p) if is_complex else new_p)

    # -- loading ---------------------------------------------------------------------------------

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for key, value in self._state_defaults.items():
                group.setdefault(key, value)
            for p in group["params"]:
                entry = self.state.get(p)
                if entry:
                    for name in self._scalar_state:
                        if not isinstance(entry[name], torch.Tensor):
                            entry[name] = scalar_tensor(float(entry[name]), group.get("fused"))


def scalar_tensor(value, fused=False):
    """A 0-dim tensor for a step count or another scalar of the state.

    float32 unless the default dtype is float64, so that half parameters do not lose their steps.
    """
    wide = torch.get_default_dtype() == torch.float64 and not fused
    return torch.tensor(value, dtype=torch.float64 if wide else torch.float32)


def like(p):
    """Zeros of the shape, dtype and memory order of `p`."""
    return torch.zeros_like(p, memory_format=torch.preserve_format)


def check_learning_rate(lr):
    """Raise ValueError where `lr` is negative, or a tensor of several elements."""
    if isinstance(lr, torch.Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_betas(betas):
    """Raise ValueError where one of the two averaging coefficients is outside [0, 1)."""
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_not_negative(name, value):
    """Raise ValueError, named as PyTorch names it, where `value` is negative."""
    if not 0.0 <= value:
        raise ValueError(f"Invalid {name} value: {value}")


def check_fused(fused, foreach, differentiable):
    """Raise RuntimeError where `fused` is asked for with what it cannot do."""
    if fused:
        if differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
