"""Grad modes: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``."""

from __future__ import annotations

import functools

from ..trace.value import STATE


class _Mode:
    """A context manager that is also a decorator of functions and generator functions."""

    def __call__(self, function):
        if isinstance(function, type):
            import warnings
            warnings.warn("Decorating classes is deprecated and will be disabled in future "
                          "versions. You should only decorate functions or methods.",
                          FutureWarning, stacklevel=2)
            function.__init__ = self(function.__init__)
            return function
        if function.__code__.co_flags & 0x20 if hasattr(function, "__code__") else False:
            return _generator_form(self, function)

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)
        return wrapper

    def clone(self):
        """A fresh instance with the same arguments."""
        return self.__class__()


def _generator_form(mode, function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        generator = function(*args, **kwargs)
        sent, failure = None, None
        while True:
            with mode.clone():
                try:
                    item = generator.throw(failure) if failure else generator.send(sent)
                except StopIteration as stop:
                    return stop.value
            failure = None
            try:
                sent = yield item
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as error:  # handed to the generator, as a plain call would
                failure = error
    return wrapper


class no_grad(_Mode):  # noqa: N801
    """Operations inside are not recorded: results have ``requires_grad=False``."""

    def __new__(cls, function=None):
        made = super().__new__(cls)
        return made if function is None else made(function)

    def __enter__(self):
        self.before = STATE.own.grad
        STATE.own.grad = False

    def __exit__(self, *_):
        STATE.own.grad = self.before


class enable_grad(_Mode):  # noqa: N801
    """Operations inside are recorded, also within `no_grad`."""

    def __new__(cls, function=None):
        made = super().__new__(cls)
        return made if function is None else made(function)

    def __enter__(self):
        self.before = STATE.own.grad
        STATE.own.grad = True

    def __exit__(self, *_):
        STATE.own.grad = self.before


class set_grad_enabled(_Mode):  # noqa: N801
    """Switch recording on or off: as a call, a context manager or a decorator."""

    def __init__(self, mode):
        self.before = STATE.own.grad
        self.mode = bool(mode)
        STATE.own.grad = self.mode

    def __call__(self, function):
        STATE.own.grad = self.before
        return super().__call__(function)

    def __enter__(self):
        STATE.own.grad = self.mode

    def __exit__(self, *_):
        STATE.own.grad = self.before

    def clone(self):
        """A fresh instance with the same mode."""
        return self.__class__(self.mode)


class inference_mode(_Mode):  # noqa: N801
    """`no_grad`, and tensors made inside can never take part in autograd."""

    mode: bool

    def __new__(cls, mode=True):
        made = super().__new__(cls)
        if callable(mode):
            made.mode = True
            return made(mode)
        made.mode = bool(mode)
        return made

    def __init__(self, mode=True):
        pass

    def __enter__(self):
        self.before = (STATE.own.grad, STATE.own.inference)
        STATE.own.inference = self.mode
        if self.mode:
            STATE.own.grad = False
        else:
            STATE.own.grad = True

    def __exit__(self, *_):
        STATE.own.grad, STATE.own.inference = self.before

    def clone(self):
        """A fresh instance with the same mode."""
        return self.__class__(self.mode)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded."""
    return STATE.own.grad


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on."""
    return STATE.own.inference
