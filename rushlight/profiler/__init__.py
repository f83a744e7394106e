"""``torch.profiler``: labels only. RUSHLIGHT_DEBUG=3 prints the time and speed of every step."""


class record_function:  # noqa: N801
    """A labelled block; the label is kept and nothing is recorded."""

    def __init__(self, name, args=None):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class profile:  # noqa: N801
    """Raises NotImplementedError."""

    def __init__(self, *args, **options):
        raise NotImplementedError("torch.profiler.profile is not implemented; set "
                                  "RUSHLIGHT_DEBUG=3 to see the time and speed of every step")


def schedule(*args, **options):
    """Raises NotImplementedError."""
    raise NotImplementedError("torch.profiler.schedule is not implemented")
