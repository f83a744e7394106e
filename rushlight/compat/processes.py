"""Worker processes: the ones a program starts through multiprocessing see torch as it does."""

from __future__ import annotations

import os
from typing import Any

# Runs in the worker before anything of the program is imported there. The package's folder may
# be on the parent's path by the working directory alone, which a worker need not share.
_BOOTSTRAP = """
import sys
try:
    import rushlight.compat as _compat
except ModuleNotFoundError:
    sys.path.insert(0, {folder!r})
    try:
        import rushlight.compat as _compat
    finally:
        sys.path.remove({folder!r})
_compat.activate()
"""


class ActivateOnLoad:
    """An object whose unpickling activates the hook: the first thing a spawned worker reads."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        return exec, (_BOOTSTRAP.format(folder=folder),)


def include_spawned_workers() -> None:
    """Make spawned and forkserver workers activate the hook; forked ones inherit it.

    multiprocessing sends every such worker a table of preparations, and only to those: other
    programs that this one starts do not get it.
    """
    from multiprocessing import spawn

    plain = spawn.get_preparation_data

    def with_activation(name: str) -> dict[str, Any]:
        return {"rushlight": ActivateOnLoad(), **plain(name)}

    spawn.get_preparation_data = with_activation
