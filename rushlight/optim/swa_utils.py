"""Averages of a model's weights along its training: SWA and EMA."""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import chain

import rushlight as torch
from rushlight.nn import Module
from rushlight.nn.modules.batchnorm import _BatchNorm

from .lr_scheduler import LRScheduler
from .lr_scheduler._base import per_group

__all__ = ["AveragedModel", "update_bn", "SWALR", "get_ema_multi_avg_fn", "get_swa_multi_avg_fn",
           "get_ema_avg_fn", "get_swa_avg_fn"]


def _check_decay(decay):
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay=0.999):
    """``average, current, count -> decay * average + (1 - decay) * current``."""
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """``average, current, count -> average + (current - average) / (count + 1)``."""
    @torch.no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _update_all(average):
    """A function over lists of tensors that updates each average in place."""
    @torch.no_grad()
    def update(averaged_params, current_params, num_averaged):
        for averaged, current in zip(averaged_params, current_params):
            averaged.copy_(average(averaged, current, num_averaged))

    return update


def get_ema_multi_avg_fn(decay=0.999):
    """`get_ema_avg_fn` over lists of parameters, in place."""
    return _update_all(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn():
    """`get_swa_avg_fn` over lists of parameters, in place."""
    return _update_all(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's over its training.

    avg_fn: ``f(average, current, count) -> new average``; the equal average (SWA) if None.
    multi_avg_fn: the same over lists of parameters, in place.
    use_buffers: average buffers too; otherwise they are copied.

    ``n_averaged`` counts the updates; the first copies. Raises AssertionError where both
    functions are given.

    >>> average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    >>> optimizer.step(); average.update_parameters(model)
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.long, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args, **kwargs):
        """The averaged model's result."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model):
        """Take the present parameters of `model` into the average."""
        mine, its = self.module.parameters(), model.parameters()
        if self.use_buffers:
            mine = chain(mine, self.module.buffers())
            its = chain(its, model.buffers())
        pairs = [(a.detach(), b.detach().to(a.device)) for a, b in zip(mine, its)]
        if self.n_averaged == 0:
            for averaged, current in pairs:
                averaged.copy_(current)
        elif self.avg_fn is None:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            # One call for each dtype, so that a function over lists sees tensors of one kind.
            for dtype in dict.fromkeys(a.dtype for a, _ in pairs):
                update([a for a, _ in pairs if a.dtype == dtype],
                       [b for a, b in pairs if a.dtype == dtype], self.n_averaged)
        else:
            for averaged, current in pairs:
                averaged.copy_(self.avg_fn(averaged, current, self.n_averaged))
        if not self.use_buffers:
            for averaged, current in zip(self.module.buffers(), model.buffers()):
                averaged.detach().copy_(current.detach().to(averaged.device))
        self.n_averaged += 1


@torch.no_grad()
def update_bn(loader, model, device=None):
    """Compute the running statistics of a model's batch norms anew, over all of `loader`.

    A batch that is a list or tuple gives its first element to the model. Modes and momenta are
    as before afterwards.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta = [module.momentum for module in norms]
    was_training = model.training
    model.train()
    for module in norms:
        module.reset_running_stats()
        module.momentum = None          # equal weight to every batch
    for batch in loader:
        if isinstance(batch, (list, tuple)):
            batch = batch[0]
        model(batch if device is None else batch.to(device))
    for module, momentum in zip(norms, momenta):
        module.momentum = momentum
    model.train(was_training)


def _linear(t):
    return t


def _cosine(t):
    return (1 - math.cos(math.pi * t)) / 2


ANNEALING = {"cos": _cosine, "linear": _linear}


class SWALR(LRScheduler):
    """Anneal the learning rate of every group to `swa_lr` in `anneal_epochs`, then hold it.

    swa_lr: a rate, or one for each group. anneal_strategy: "cos" or "linear".
    Raises ValueError for another strategy or a negative number of epochs.

    >>> scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=5)
    """

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        for group, rate in zip(optimizer.param_groups, per_group("swa_lr", optimizer, swa_lr)):
            group["swa_lr"] = rate
        if anneal_strategy not in ANNEALING:
            raise ValueError("anneal_strategy must be one of 'cos' or 'linear', "
                             f"instead got {anneal_strategy}")
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _weight(self, step):
        """How far the rate has come from the start (0) to swa_lr (1)."""
        share = max(0, min(1, step / max(1, self.anneal_epochs)))
        return ANNEALING[self._anneal_strategy](share)

    def _compute(self):
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._weight(step - 1), self._weight(step)
        rates = []
        for group in self.optimizer.param_groups:
            target = group["swa_lr"]
            # Where the rate would be without annealing; found from the present one.
            start = target if before == 1 else (group["lr"] - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates
