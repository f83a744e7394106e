"""Modules of `nn.utils` that are names so far: using any of them raises NotImplementedError."""


def names_of(module_name):
    """Return a module `__getattr__` that says which name is not implemented."""

    def __getattr__(name):
        if name.startswith("__"):
            raise AttributeError(f"module {module_name!r} has no attribute {name!r}")
        raise NotImplementedError(f"{module_name}.{name} is not implemented")

    return __getattr__
