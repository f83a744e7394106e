"""Helpers around training: `data`, `hooks`, ... Each loads when it is first used."""


def __getattr__(name):
    from importlib import import_module

    if not name.startswith("__"):
        full_name = f"{__name__}.{name}"
        try:
            return import_module(full_name)
        except ModuleNotFoundError as error:
            if error.name != full_name:
                raise
    raise AttributeError(
        f"module 'torch.utils' has no attribute '{name}' (rushlight does not have it yet; see "
        "docs/differences-from-pytorch.md)"
    )
