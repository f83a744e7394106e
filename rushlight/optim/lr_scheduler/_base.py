"""`LRScheduler`: what every schedule shares, and how it reaches the optimizer's groups."""

from __future__ import annotations

import functools
import warnings
import weakref
from typing import Any

from rushlight import Tensor

from ..optimizer import Optimizer

SEE = ("See more details at "
       "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate")
EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch is different from None, the closed form is used instead of the new chainable form, "
    "where available. Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose.")


def copied(value):
    """`value`, or a copy of it where it is a tensor: learning rates change in place."""
    return value.clone() if isinstance(value, Tensor) else value


def values_of(optimizer, key) -> list:
    """The option `key` of every group."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_value(group, key, value):
    """Set an option; a tensor keeps its identity and is filled."""
    if isinstance(group[key], Tensor):
        if isinstance(value, Tensor) and value.dim() != 0:
            value = value.squeeze()
        group[key].fill_(value)
    else:
        group[key] = value


def per_group(name, optimizer, value) -> list:
    """`value` for each group: itself if it is a list of their number, else repeated.

    Raises ValueError for a list of another length.
    """
    groups = optimizer.param_groups
    if isinstance(value, (list, tuple)):
        if len(value) != len(groups):
            raise ValueError(f"{name} must have the same length as optimizer.param_groups. "
                             f"{name} has {len(value)} values, param_groups has {len(groups)}.")
        return [copied(item) for item in value]
    return [copied(value) for _ in groups]


def check_optimizer(optimizer):
    """Raise TypeError for anything but an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def attributes_of(functions) -> list:
    """How schedule functions are saved: callable objects by their attributes, others not at all."""
    plain = type(attributes_of)
    return [None if isinstance(f, plain) else f.__dict__.copy() for f in functions]


def _note_steps(optimizer):
    """Have the optimizer remember that it has stepped, for the warning about the order."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    function = optimizer.step.__func__
    # Through a weak reference: the optimizer would otherwise hold itself alive.
    reference = weakref.ref(optimizer)

    @functools.wraps(function)
    def step(*args, **kwargs):
        self: Any = reference()
        self._opt_called = True
        return function(self, *args, **kwargs)

    setattr(step, "_wrapped_by_lr_sched", True)  # noqa: B010
    optimizer.step = step


class LRScheduler:
    """Base class of the schedules: sets the learning rate of every group at each `step`.

    optimizer: whose groups are set; each remembers its first rate as ``initial_lr``.
    last_epoch: the epoch to resume from; -1 starts anew.

    A subclass gives `get_lr`. Raises TypeError where `optimizer` is none, and KeyError when
    resuming over groups without ``initial_lr``.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer, last_epoch=-1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0.\nThis typically happens when:\n"
                    "1. You're trying to resume training from a checkpoint but haven't properly "
                    "loaded the optimizer state\n"
                    "2. You're using last_epoch >= 0 for a fresh training run (not recommended)")
        self.base_lrs = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self):
        """Everything but the optimizer, as a dict."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict):
        """Take what `state_dict` saved."""
        self.__dict__.update(state_dict)

    def get_last_lr(self):
        """The learning rates last set, one for each group."""
        return self._last_lr

    def get_lr(self):
        """The learning rates of this epoch; `step` calls it. Elsewhere use `get_last_lr`."""
        if type(self)._compute is LRScheduler._compute:
            raise NotImplementedError
        if not self._get_lr_called_within_step:
            warnings.warn("To get the last learning rate computed by the scheduler, "
                          "please use `get_last_lr()`.", UserWarning, stacklevel=2)
        return self._compute()

    def _compute(self):
        """What `get_lr` returns, for the schedules of this package."""
        raise NotImplementedError

    def _scaled(self, factor=None):
        """The present learning rates, multiplied by `factor`."""
        if factor is None:
            return values_of(self.optimizer, "lr")
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def step(self, epoch=None):
        """Go to the next epoch and set the learning rates. Call it after ``optimizer.step()``.

        epoch: deprecated; the epoch to go to.
        """
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(
                    "Seems like `optimizer.step()` has been overridden after learning rate "
                    "scheduler initialization. Please, make sure to call `optimizer.step()` "
                    "before `lr_scheduler.step()`. " + SEE, UserWarning, stacklevel=2)
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(
                    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
                    "In PyTorch 1.1.0 and later, you should call them in the opposite order: "
                    "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this "
                    "will result in PyTorch skipping the first value of the learning rate "
                    "schedule. " + SEE, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch=None):
        if epoch is None:
            self.last_epoch += 1
            closed_form = None
        else:
            self.last_epoch = epoch
            closed_form = getattr(self, "_get_closed_form_lr", None)
        self._set_rates(closed_form or self.get_lr)

    def _set_rates(self, compute):
        self._get_lr_called_within_step = True
        try:
            rates = compute()
        finally:
            self._get_lr_called_within_step = False
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(f"{type(self).__name__} gave {len(rates)} learning rates for "
                             f"{len(groups)} parameter groups")
        for group, rate in zip(groups, rates):
            set_value(group, "lr", rate)
        self._last_lr = values_of(self.optimizer, "lr")


class _LRScheduler(LRScheduler):
    """The old name of `LRScheduler`."""
