"""Exponential families: the entropy follows from the derivative of the log normaliser."""

from __future__ import annotations

import rushlight
from rushlight.distributions.distribution import Distribution


class ExponentialFamily(Distribution):
    """p(x) = exp(<t(x), theta> - F(theta) + k(x)); its entropy is F - <theta, F'> - E[k].

    Sub-classes give the natural parameters theta, the log normaliser F and the mean of the
    carrier k.
    """

    @property
    def _natural_params(self):
        raise NotImplementedError

    def _log_normalizer(self, *natural_params):
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self):
        raise NotImplementedError

    def entropy(self):
        parameters = [p.detach().requires_grad_() for p in self._natural_params]
        normaliser = self._log_normalizer(*parameters)
        gradients = rushlight.autograd.grad(normaliser.sum(), parameters, create_graph=True)
        result = -self._mean_carrier_measure + normaliser
        for parameter, gradient in zip(parameters, gradients):
            product = parameter * gradient
            result = result - product.reshape(tuple(self._batch_shape) + (-1,)).sum(-1)
        return result
