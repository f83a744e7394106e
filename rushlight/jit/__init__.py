"""``torch.jit``: scripted code runs as the Python it is written in.

`script` and `trace` give back what they were given: nothing is compiled and nothing changes in
value. Saving and loading TorchScript archives is not implemented.
"""


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """`obj` itself."""
    return obj


def trace(func, example_inputs=None, *args, **options):
    """`func` itself."""
    return func


def ignore(drop=False, **options):
    """A decorator that changes nothing."""
    return drop if callable(drop) else (lambda function: function)


def unused(function):
    """`function` itself."""
    return function


def export(function):
    """`function` itself."""
    return function


def script_if_tracing(function):
    """`function` itself."""
    return function


def is_scripting():
    """False."""
    return False


def is_tracing():
    """False."""
    return False


def save(*args, **options):
    """Raises NotImplementedError."""
    raise NotImplementedError("torch.jit.save: rushlight writes no TorchScript archives; save the "
                              "state_dict with torch.save")


def load(*args, **options):
    """Raises NotImplementedError."""
    raise NotImplementedError("torch.jit.load: rushlight reads no TorchScript archives; load a "
                              "state_dict with torch.load")


def fork(function, *args, **kwargs):
    """Run `function` now; `wait` gives its result."""
    return function(*args, **kwargs)


def wait(future):
    """What `fork` returned."""
    return future


Final = None
