"""What a background thread must not be in the middle of when the program forks.

A forked child has only the thread that forked: a module that another thread was importing stays
half imported there for good, and a lock that another thread held stays held. The compiler's
thread therefore holds `whole` wherever it imports, loads or compiles, and a fork waits for it.
LLVM's objects, which threads share, are under the same lock: two locks taken before a fork could
be wanted in two orders.
"""

from __future__ import annotations

import os
import threading

whole = threading.RLock()

os.register_at_fork(before=whole.acquire, after_in_parent=whole.release,
                    after_in_child=whole.release)
