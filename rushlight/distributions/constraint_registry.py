"""From a region to a transform whose results lie in it: `biject_to` and `transform_to`.

`biject_to` gives bijections, for densities; `transform_to` any map that is good to optimise
through.

Example:
    >>> transform_to(constraints.positive)(rushlight.tensor(-1.0))
    tensor(0.3679)
"""

from __future__ import annotations

from numbers import Number

from rushlight.distributions import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """A table from kinds of constraints to functions that make a transform."""

    def __init__(self):
        self._registry = {}

    def register(self, constraint, factory=None):
        """Enter a factory for a constraint or its class; without one, return a decorator."""
        if factory is None:
            return lambda given: self.register(constraint, given)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, constraints.Constraint):
            raise TypeError(
                "Expected constraint to be either a Constraint subclass or instance, but got "
                f"{constraint}"
            )
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint):
        try:
            factory = self._registry[type(constraint)]
        except KeyError:
            raise NotImplementedError(
                f"Cannot transform {type(constraint).__name__} constraints"
            ) from None
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _both(constraint):
    def enter(factory):
        biject_to.register(constraint, factory)
        return transform_to.register(constraint, factory)

    return enter


@_both(constraints.real)
def _(constraint):
    return transforms.identity_transform


@_both(constraints.positive)
@_both(constraints.nonnegative)
def _(constraint):
    if isinstance(constraint.lower_bound, Number) and constraint.lower_bound == 0:
        return transforms.ExpTransform()
    moved = transforms.AffineTransform(constraint.lower_bound, 1)
    return transforms.ComposeTransform([transforms.ExpTransform(), moved])


@_both(constraints.less_than)
def _(constraint):
    moved = transforms.AffineTransform(constraint.upper_bound, -1)
    return transforms.ComposeTransform([transforms.ExpTransform(), moved])


@_both(constraints.interval)
@_both(constraints.half_open_interval)
def _(constraint):
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, Number) and isinstance(high, Number) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    moved = transforms.AffineTransform(loc=low, scale=high - low)
    return transforms.ComposeTransform([transforms.SigmoidTransform(), moved])


@biject_to.register(constraints.independent)
def _(constraint):
    base = biject_to(constraint.base_constraint)
    return transforms.IndependentTransform(base, constraint.reinterpreted_batch_ndims)


@transform_to.register(constraints.independent)
def _(constraint):
    base = transform_to(constraint.base_constraint)
    return transforms.IndependentTransform(base, constraint.reinterpreted_batch_ndims)


@biject_to.register(constraints.simplex)
def _(constraint):
    return transforms.StickBreakingTransform()


@transform_to.register(constraints.simplex)
def _(constraint):
    return transforms.SoftmaxTransform()


@_both(constraints.lower_cholesky)
def _(constraint):
    return transforms.LowerCholeskyTransform()


@_both(constraints.positive_definite)
def _(constraint):
    return transforms.PositiveDefiniteTransform()
