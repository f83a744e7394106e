"""Cyclic schedules, which may move the momentum against the learning rate."""

from __future__ import annotations

import math

from ._base import LRScheduler, attributes_of, check_optimizer, per_group, set_value


def set_momentum(group, use_beta1, momentum):
    """Set a group's momentum, or its first beta."""
    if use_beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


class _MomentumSchedule(LRScheduler):
    """A schedule with the option to cycle momentum or beta1 between two bounds."""

    def _init_momentum(self, base_momentum, max_momentum, last_epoch):
        """(base, max) momenta for the groups; they start at the maximum."""
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError("optimizer must support momentum or beta1 "
                             "with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in defaults
        base = per_group("base_momentum", self.optimizer, base_momentum)
        largest = per_group("max_momentum", self.optimizer, max_momentum)
        if last_epoch == -1:
            for group, low, high in zip(self.optimizer.param_groups, base, largest):
                set_momentum(group, self.use_beta1, high)
                group["max_momentum"] = high
                group["base_momentum"] = low
        return base, largest


class CyclicLR(_MomentumSchedule):
    r"""The learning rate rises from `base_lr` to `max_lr` and falls again, every cycle.

    One step is one batch. With h the height within the cycle, from 0 to 1 in `step_size_up`
    steps and back in `step_size_down`::

        lr = base_lr + (max_lr - base_lr) * h * scale
        momentum = max_momentum - (max_momentum - base_momentum) * h * scale

    mode: "triangular" (scale 1), "triangular2" (halved every cycle), "exp_range"
        (``gamma ** step``). scale_fn with scale_mode ("cycle" or "iterations") replaces it.

    Raises ValueError for an unknown mode, or where the optimizer has no momentum to cycle.

    >>> scheduler = CyclicLR(optimizer, base_lr=0.01, max_lr=0.1)

    Smith, 2015 (arXiv:1506.01186).
    """

    def __init__(self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None,
                 mode="triangular", gamma=1.0, scale_fn=None, scale_mode="cycle",
                 cycle_momentum=True, base_momentum=0.8, max_momentum=0.9, last_epoch=-1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs):
                set_value(group, "lr", rate)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._init_momentum(
                base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x):
        """The scale of the cycle's height at cycle or step `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        if self.mode == "triangular2":
            return 1 / 2.0 ** (x - 1)
        return self.gamma ** x

    def _compute(self):
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        if x <= self.step_ratio:
            height = x / self.step_ratio
        else:
            height = (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums,
                                        self.max_momentums):
                set_momentum(group, self.use_beta1, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale
                for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self):
        """The schedule's state; of a custom scale_fn, the attributes of a callable object only."""
        state = super().state_dict()
        custom = state.pop("_scale_fn_custom")
        state["_scale_fn_custom"] = (
            None if custom is None else attributes_of([custom])[0])
        return state

    def load_state_dict(self, state_dict):
        """Take what `state_dict` saved; a custom scale_fn stays this schedule's own."""
        saved = dict(state_dict)
        attributes = saved.pop("_scale_fn_custom")
        self.__dict__.update(saved)
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)


def _cosine(start, end, share):
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _linear(start, end, share):
    return (end - start) * share + start


ANNEALING = {"cos": _cosine, "linear": _linear}


class OneCycleLR(_MomentumSchedule):
    r"""One cycle for a whole training: warm up to `max_lr`, then anneal to almost nothing.

    One step is one batch; there are `total_steps`, or `epochs` times `steps_per_epoch`. The rate
    goes from ``max_lr / div_factor`` up to max_lr in the first `pct_start` of the steps, then to
    ``max_lr / div_factor / final_div_factor`` (with three_phase, first back to where it began);
    the momentum goes the other way between `max_momentum` and `base_momentum`.

    anneal_strategy: "cos" or "linear". Raises ValueError for options outside their range, and at
    a step beyond the last.

    >>> scheduler = OneCycleLR(optimizer, max_lr=0.1, epochs=10, steps_per_epoch=len(loader))

    Smith and Topin, 2017 (arXiv:1708.07120).
    """

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None,
                 pct_start=0.3, anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85,
                 max_momentum=0.95, div_factor=25.0, final_div_factor=1e4, three_phase=False,
                 last_epoch=-1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = self._count_steps(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = self._phases(pct_start, three_phase)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ANNEALING:
            raise ValueError("anneal_strategy must be one of 'cos' or 'linear', "
                             f"instead got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        max_lrs = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, largest in zip(optimizer.param_groups, max_lrs):
                group["initial_lr"] = largest / div_factor
                group["max_lr"] = largest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._init_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    @staticmethod
    def _count_steps(total_steps, epochs, steps_per_epoch):
        if total_steps is not None:
            if total_steps <= 0 or not isinstance(total_steps, int):
                raise ValueError(f"Expected positive integer total_steps, but got {total_steps}")
            return total_steps
        if epochs is None or steps_per_epoch is None:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        if not isinstance(epochs, int) or epochs <= 0:
            raise ValueError(f"Expected positive integer epochs, but got {epochs}")
        if not isinstance(steps_per_epoch, int) or steps_per_epoch <= 0:
            raise ValueError(
                f"Expected positive integer steps_per_epoch, but got {steps_per_epoch}")
        return epochs * steps_per_epoch

    def _phases(self, pct_start, three_phase):
        """Where each phase ends, and the names of the group's values between which it runs."""
        top = float(pct_start * self.total_steps) - 1
        corners = [(top, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        last = self.total_steps - 1
        if three_phase:
            back = float(2 * pct_start * self.total_steps) - 2
            corners.append((back, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
            corners.append((last, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
        else:
            corners.append((last, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        return [dict(zip(names, corner)) for corner in corners]

    def _compute(self):
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps "
                             f"is {self.total_steps}")
        start = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            start = phase["end_step"]
        share = (step - start) / (phase["end_step"] - start)
        anneal = ANNEALING[self._anneal_func_type]
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(anneal(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                set_momentum(group, self.use_beta1, anneal(
                    group[phase["start_momentum"]], group[phase["end_momentum"]], share))
        return rates
