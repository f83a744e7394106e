"""What a background thread must not be in the middle of when the program forks.

A forked child has only the thread that forked: a module that another thread was importing stays
half imported there for good, and a lock that another thread held stays held. The compiler's
thread therefore holds `whole` wherever it imports, loads or compiles, and a fork waits for it.
LLVM's objects, which threads share, are under the same lock: two locks taken before a fork could
be wanted in two orders.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module
from time import sleep

PAUSE = 0.05            # seconds between what holds up Python: about a step of a program
whole = threading.RLock()

os.register_at_fork(before=whole.acquire, after_in_parent=whole.release,
                    after_in_child=whole.release)


def import_in_bites(names, pause=sleep) -> None:
    """Import modules in a background thread, with pauses (``pause(seconds)``) before each.

    Importing holds the interpreter's lock: one step of the program shall not wait for all.
    """
    for name in names:
        if name not in sys.modules:
            pause(PAUSE)
            with whole:
                import_module(name)
