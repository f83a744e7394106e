"""The base class of all distributions: shapes, checking of parameters and of samples."""

from __future__ import annotations

import rushlight
from rushlight.distributions import constraints
from rushlight.distributions.utils import lazy_property


class Distribution:
    """A distribution over events of `event_shape`, in `batch_shape` independent copies.

    Sub-classes give `arg_constraints` (what each parameter may be), `support`, `rsample` or
    `sample`, and `log_prob`. With `validate_args` (the default) parameters outside their region
    and values outside the support raise ValueError.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value):
        """Switch the checks of all distributions made from now on."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape = rushlight.Size(batch_shape)
        self._event_shape = rushlight.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _check_parameters(self):
        for name, constraint in self.arg_constraints.items():
            if constraints.is_dependent(constraint):
                continue
            # A parameter that is computed from another when first read was not given.
            if name not in self.__dict__ and isinstance(
                getattr(type(self), name, None), lazy_property
            ):
                continue
            value = getattr(self, name)
            if not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint!r}, but found invalid values:\n{value}"
                )

    # -- shapes ------------------------------------------------------------------------------

    @property
    def batch_shape(self):
        """The shape of the independent copies."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one draw from one copy."""
        return self._event_shape

    def _extended_shape(self, sample_shape=()):
        return rushlight.Size(tuple(sample_shape) + tuple(self._batch_shape + self._event_shape))

    def expand(self, batch_shape, _instance=None):
        """Return the distribution with its batch broadcast to `batch_shape`."""
        raise NotImplementedError

    def _get_checked_instance(self, cls, _instance=None):
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom "
                "__init__ method must also define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def _expanded(self, cls, batch_shape, _instance, *names):
        """Return an instance whose parameters `names`, where they are stored, are broadcast.

        A name may be a pair with the number of trailing dimensions that are not of the batch.
        """
        new = self._get_checked_instance(cls, _instance)
        batch_shape = rushlight.Size(batch_shape)
        for entry in names:
            name, trailing = entry if isinstance(entry, tuple) else (entry, 0)
            value = self.__dict__.get(name)
            if value is not None:
                event = tuple(value.shape[value.dim() - trailing :])
                setattr(new, name, value.expand(tuple(batch_shape) + event))
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    # -- what sub-classes define -------------------------------------------------------------

    @property
    def arg_constraints(self):
        """A dictionary from parameter names to the regions they must lie in."""
        raise NotImplementedError

    @property
    def support(self):
        """The region samples lie in."""
        raise NotImplementedError

    @property
    def mean(self):
        """The expected value."""
        raise NotImplementedError

    @property
    def mode(self):
        """The most probable value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self):
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self):
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape=()):
        """Draw without gradients: shape sample_shape + batch_shape + event_shape."""
        with rushlight.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()):
        """Draw so that gradients flow to the parameters (reparametrised)."""
        raise NotImplementedError

    def sample_n(self, n):
        """Draw `n` times; deprecated in favour of `sample((n,))`."""
        import warnings

        warnings.warn(
            "sample_n(n) will be deprecated. Use .sample((n,)) instead",
            category=FutureWarning,
            stacklevel=2,
        )
        return self.sample(rushlight.Size((n,)))

    def log_prob(self, value):
        """Return the logarithm of the density or probability at `value`."""
        raise NotImplementedError

    def cdf(self, value):
        """Return the probability of a draw up to `value`."""
        raise NotImplementedError

    def icdf(self, value):
        """Return the quantile: the inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand=True):
        """Return all values of a discrete distribution along a new first dimension."""
        raise NotImplementedError

    def entropy(self):
        """Return the entropy in nats."""
        raise NotImplementedError

    def perplexity(self):
        """Return the exponential of the entropy."""
        return rushlight.exp(self.entropy())

    # -- checking ----------------------------------------------------------------------------

    def _validate_sample(self, value):
        if not isinstance(value, rushlight.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        event_dim_start = value.dim() - len(self._event_shape)
        if value.shape[event_dim_start:] != self._event_shape:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.size()} vs "
                f"{self._event_shape}."
            )
        expected = tuple(self._batch_shape + self._event_shape)
        for size, wanted in zip(reversed(value.size()), reversed(expected)):
            if size != 1 and wanted != 1 and size != wanted:
                raise ValueError(
                    "Value is not broadcastable with batch_shape+event_shape: "
                    f"{value.size()} vs {rushlight.Size(expected)}."
                )
        support = self.support
        if not bool(support.check(value).all()):
            raise ValueError(
                "Expected value argument "
                f"({type(value).__name__} of shape {tuple(value.shape)}) "
                f"to be within the support ({support!r}) of the distribution {self!r}, but found "
                f"invalid values:\n{value}"
            )

    def __repr__(self):
        shown = []
        for name in self.arg_constraints:
            if name in self.__dict__:
                value = self.__dict__[name]
                shown.append(f"{name}: {value if value.numel() == 1 else value.size()}")
        return f"{self.__class__.__name__}({', '.join(shown)})"
