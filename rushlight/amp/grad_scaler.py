"""`GradScaler`: scale the loss so that small float16 gradients do not vanish."""

from __future__ import annotations

import warnings
from collections import defaultdict
from enum import Enum
from typing import Any

import rushlight as torch

__all__ = ["GradScaler", "OptState"]

NO_SCALE = ("Attempted {} but _scale is None.  This may indicate your script did not use "
            "scaler.scale(loss or outputs) earlier in the iteration.")
NEW_SCALE = ("new_scale should be a float or a 1-element torch.cuda.FloatTensor or "
             "torch.FloatTensor with requires_grad=False.")


class OptState(Enum):
    """How far an optimizer has come in this iteration."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh_state():
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """Multiplies losses by a scale that is as large as the gradients allow.

    Each iteration: ``scaler.scale(loss).backward()``, ``scaler.step(optimizer)``, which divides
    the gradients by the scale again and skips the step where one is infinite or NaN, and
    ``scaler.update()``. The scale is multiplied by `backoff_factor` after a skipped step and by
    `growth_factor` after `growth_interval` good ones in a row.

    device: "cpu"; "cuda", the default, warns and disables itself, as there is no such device.
    A disabled scaler does nothing but step the optimizer.

    >>> scaler = torch.amp.GradScaler("cpu")
    >>> scaler.scale(loss).backward()
    >>> scaler.unscale_(optimizer)            # only where gradients are looked at before the step
    >>> scaler.step(optimizer)
    >>> scaler.update()

    Micikevicius et al., 2018 (arXiv:1710.03740).
    """

    def __init__(self, device="cuda", init_scale=2.0 ** 16, growth_factor=2.0,
                 backoff_factor=0.5, growth_interval=2000, enabled=True):
        self._device = device
        self._enabled = enabled
        if self._device == "cuda" and enabled:
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  "
                          "Disabling.", stacklevel=2)
            self._enabled = False
        if self._enabled:
            if not growth_factor > 1.0:
                raise AssertionError("The growth factor must be > 1.0.")
            if not backoff_factor < 1.0:
                raise AssertionError("The backoff factor must be < 1.0.")
            self._init_scale = init_scale
            self._scale: Any = None              # a tensor from the first use on
            self._growth_factor = growth_factor
            self._backoff_factor = backoff_factor
            self._growth_interval = growth_interval
            self._init_growth_tracker = 0
            self._growth_tracker: Any = None
            self._per_optimizer_states = defaultdict(_fresh_state)

    def _start(self):
        self._scale = torch.full((), self._init_scale, dtype=torch.float32)
        self._growth_tracker = torch.full((), self._init_growth_tracker, dtype=torch.int32)

    def _check_started(self, what):
        if self._scale is None:
            raise AssertionError(NO_SCALE.format(what))

    # -- an iteration ----------------------------------------------------------------------------

    def scale(self, outputs):
        """A tensor, or an iterable of them, multiplied by the scale."""
        if not self._enabled:
            return outputs
        if self._scale is None:
            self._start()
        return self._scaled(outputs)

    def _scaled(self, value):
        if isinstance(value, torch.Tensor):
            return value * self._scale.to(device=value.device)
        try:
            items = [self._scaled(item) for item in value]
        except TypeError:
            raise ValueError("outputs must be a Tensor or an iterable of Tensors") from None
        return type(value)(items) if isinstance(value, (list, tuple)) else iter(items)

    def _unscale_grads_(self, optimizer, inverse, allow_fp16):
        """Divide all gradients by the scale; returns {device: 1.0 where one was not finite}."""
        found = torch.zeros((), dtype=torch.float32)
        with torch.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    if not allow_fp16 and p.grad.dtype is torch.float16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    bad = torch.logical_not(torch.isfinite(p.grad)).any()
                    found = found.maximum(bad.to(torch.float32))
                    p.grad.copy_((p.grad * inverse).to(p.grad.dtype))
        return {torch.device("cpu"): found}

    def unscale_(self, optimizer):
        """Divide an optimizer's gradients by the scale, once in an iteration.

        Raises RuntimeError where that has been done, or the step has been taken.
        """
        if not self._enabled:
            return
        self._check_started("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the "
                               "last update().")
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state["found_inf_per_device"] = self._found_infinities(optimizer)
        state["stage"] = OptState.UNSCALED

    def _found_infinities(self, optimizer):
        if not any(p.grad is not None for group in optimizer.param_groups
                   for p in group["params"]):
            return {}
        inverse = self._scale.double().reciprocal().float()
        return self._unscale_grads_(optimizer, inverse, allow_fp16=False)

    def step(self, optimizer, *args, **kwargs):
        """Unscale, if that has not been done; then step if all gradients are finite.

        The arguments are the optimizer's. Returns what the optimizer returns, or None for a
        skipped step. Raises RuntimeError for a second step in an iteration, or with a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_started("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if not state["found_inf_per_device"]:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if not sum(found.item() for found in state["found_inf_per_device"].values()):
            result = optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale=None):
        """Adapt the scale to what the iteration has found, or set it; begins a new iteration."""
        if not self._enabled:
            return
        self._check_started("update")
        if new_scale is not None:
            if isinstance(new_scale, torch.Tensor):
                if new_scale.numel() != 1 or new_scale.requires_grad:
                    raise AssertionError(NEW_SCALE)
                self._scale.copy_(new_scale)
            else:
                self._scale.fill_(new_scale)
        else:
            found = [value for state in self._per_optimizer_states.values()
                     for value in state["found_inf_per_device"].values()]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adapt(any(value.item() for value in found))
        self._per_optimizer_states = defaultdict(_fresh_state)

    def _adapt(self, overflow):
        if overflow:
            self._scale.mul_(self._backoff_factor)
            self._growth_tracker.fill_(0)
            return
        good = self._growth_tracker.item() + 1
        if good == self._growth_interval:
            grown = self._scale.item() * self._growth_factor
            if grown <= torch.finfo(torch.float32).max:     # an infinite scale helps nobody
                self._scale.fill_(grown)
            good = 0
        self._growth_tracker.fill_(good)

    # -- options and state -----------------------------------------------------------------------

    def _get_scale_async(self):
        return self._scale

    def get_scale(self):
        """The scale as a number; 1.0 where disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self):
        """What the scale is multiplied by after enough good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        """Set the growth factor."""
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        """What the scale is multiplied by after a skipped step."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        """Set the backoff factor."""
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        """The number of good steps before the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        """Set the growth interval."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self):
        if not self._enabled:
            return 0
        if self._growth_tracker is None:
            return self._init_growth_tracker
        return self._growth_tracker.item()

    def is_enabled(self):
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self):
        """The scale and its options; empty where disabled."""
        if not self._enabled:
            return {}
        return {"scale": self.get_scale(), "growth_factor": self._growth_factor,
                "backoff_factor": self._backoff_factor,
                "growth_interval": self._growth_interval,
                "_growth_tracker": self._get_growth_tracker()}

    def load_state_dict(self, state_dict):
        """Take what `state_dict` saved; RuntimeError where that is empty."""
        if not self._enabled:
            return
        if len(state_dict) == 0:
            raise RuntimeError("The source state dict is empty, possibly because it was saved "
                               "from a disabled instance of GradScaler.")
        self._init_scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None:
            self._start()

    def __getstate__(self):
        state = self.__dict__.copy()
        if self._enabled:
            if len(self._per_optimizer_states) != 0:
                raise AssertionError("A GradScaler instance may only be pickled at the beginning "
                                     "of an iteration, or at the end after scaler.update().")
            # Tensors of the scale are made again at the first use.
            state["_init_scale"] = self.get_scale()
            state["_init_growth_tracker"] = self._get_growth_tracker()
            state["_scale"] = state["_growth_tracker"] = None
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
