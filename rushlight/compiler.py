"""``torch.compiler``: what programs ask about compilation."""


def is_compiling():
    """False: functions run as Python, and what they record is planned and cached anyway."""
    return False


def is_dynamo_compiling():
    """False."""
    return False


def disable(fn=None, recursive=True, *, reason=None):
    """`fn` itself."""
    return fn if fn is not None else (lambda function: function)


def reset():
    """Nothing to forget."""


def compile(*args, **options):  # noqa: A001
    """See `rushlight.compile`."""
    import rushlight
    return rushlight.compile(*args, **options)
