"""Parametrized weights, which are not implemented yet."""

from rushlight.nn.utils._later import names_of

__getattr__ = names_of("torch.nn.utils.parametrize")
