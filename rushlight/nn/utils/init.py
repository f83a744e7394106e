"""Making a module without drawing its weights."""

__all__ = ["skip_init"]


def skip_init(module_cls, *args, **kwargs):
    """Return `module_cls(*args, **kwargs)` with uninitialized parameters and buffers.

    The class must take a `device` argument. There is no device without memory to make the module
    on first, so it is made as usual, the random state is put back, and the values are undefined.
    """
    import rushlight
    from rushlight.nn.modules.module import Module

    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    code = module_cls.__init__.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    takes_any = bool(code.co_flags & 0x08)
    if "device" not in names and not takes_any:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    state = rushlight.get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        rushlight.set_rng_state(state)
