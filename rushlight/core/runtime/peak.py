"""This machine's peak, measured once and remembered: float32 FLOP/s and bytes/s of memory."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable
from time import perf_counter, sleep
from typing import Any

import numpy as np

from ..base.knobs import cache_folder
from ..codegen.library import has_tiles
from ..codegen.pool import pool
from ..codegen.speed import peak_flops

COPIED = 2 ** 25        # float64 numbers, 256 MiB: beyond most caches
FILE = "peak.json"


def measured(fastest: float = 0.0) -> dict[str, float]:
    """Return {"flops", "bytes"} for the number of threads that rushlight uses now.

    A few hundred milliseconds the first time; then read from ``peak.json`` in the cache folder,
    which may be deleted at any time. `fastest`: FLOP/s that a step has reached. Where that is more
    than is remembered, the machine was busy when it was measured: it is measured again, and the
    better numbers stay.
    """
    threads = pool().threads
    instructions = "tiles" if has_tiles() else "vectors"       # what float32 products use
    key = f"{platform.node()} {platform.machine()} {_model()} {threads} {instructions}"
    path = cache_folder() / FILE
    known: dict[str, Any] = {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        before = {name: float(known[key][name]) for name in ("flops", "bytes")}
    except (OSError, ValueError, KeyError, TypeError):
        before = {"flops": 0.0, "bytes": 0.0}
    if before["flops"] > 0 and before["bytes"] > 0 and fastest <= before["flops"]:
        return before
    found = {"flops": max(peak_flops(threads), before["flops"]),
             "bytes": max(copy_speed(threads), before["bytes"])}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        known = known if isinstance(known, dict) else {}
        path.write_text(json.dumps({**known, key: found}, indent=1), encoding="utf-8")
    except OSError:
        pass            # a read-only home only costs the next report a moment
    return found


def copy_speed(threads: int) -> float:
    """Bytes/s, read and written, of `threads` threads that copy 256 MiB."""
    pairs = [(np.ones(COPIED // threads), np.ones(COPIED // threads)) for _ in range(threads)]

    def copy() -> None:
        workers = [threading.Thread(target=np.copyto, args=pair) for pair in pairs]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return 2 * sum(target.nbytes for target, _ in pairs) / _best(copy, 5)


def _best(run: Callable[[], Any], repeats: int) -> float:
    run()
    sleep(0.01)
    best = float("inf")
    for _ in range(repeats):
        started = perf_counter()
        run()
        best = min(best, perf_counter() - started)
    return best


def _model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
