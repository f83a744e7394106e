"""Optimizers and learning rate schedules, under PyTorch's names.

An optimizer that treats every element alike states its formula once, in its `update`; one traced
op then updates all parameters of a group. See `rushlight.optim._pointwise`.
"""

from . import lr_scheduler
from ._adafactor import Adafactor
from ._muon import Muon
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .asgd import ASGD
from .lbfgs import LBFGS
from .nadam import NAdam
from .optimizer import Optimizer
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD
from .sparse_adam import SparseAdam

__all__ = ["ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon",
           "NAdam", "Optimizer", "RAdam", "RMSprop", "Rprop", "SGD", "SparseAdam", "lr_scheduler",
           "swap_in_optimizer_params_and_state", "swa_utils"]


def swap_in_optimizer_params_and_state(*args, **kwargs):
    """Replace an optimizer's parameters and state for a while: not implemented."""
    raise NotImplementedError("torch.optim.swap_in_optimizer_params_and_state is not implemented")


def __getattr__(name):
    if name == "swa_utils":     # needs `nn`, which nothing else here does
        from importlib import import_module
        return import_module(".swa_utils", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
