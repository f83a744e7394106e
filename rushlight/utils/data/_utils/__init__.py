"""The parts of a DataLoader: collating, fetching, pinning, and the worker processes."""

from __future__ import annotations

# How often the loop looks whether its workers are still alive, and how long it waits for them to
# end by themselves, in seconds.
MP_STATUS_CHECK_INTERVAL = 5.0

from . import collate, errors, fetch, pin_memory, worker  # noqa: E402

__all__ = ["collate", "errors", "fetch", "pin_memory", "worker"]
