"""Fair timing: turns, warm-up to the steady state, the machine's measured peaks.

rushlight and its peers take turns within one process with the same number of threads. Threads of
one library wait actively for a few milliseconds after their work (OpenMP's in PyTorch, OpenBLAS's),
and would take a core from the other: so every turn begins with a pause in which they fall asleep,
and with one step that is not timed, which wakes its own threads and fills the caches again. The
libraries' own settings for waiting stay as their users have them.
"""

from __future__ import annotations

import os
import platform
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.core.codegen.speed import peak_flops

PAUSE = 0.06            # seconds; OpenBLAS's threads sleep after 2**26 cycles, libgomp's earlier
TURN = 0.25             # seconds of timed steps in a turn (at least one step)
SETTLE_LIMIT = 60.0     # seconds within which a step must have become steady


def settle(torch: Any, step: Callable[[], Any], limit: float = SETTLE_LIMIT) -> float:
    """Run `step` until it gets no faster, and return seconds a step.

    rushlight compiles in the background, from the second time it sees a plan: after each step its
    compiler is waited for.
    """
    wait = None
    if torch.__name__ == "rushlight":
        from rushlight.core.runtime.compiler import wait
    started, best, since = time.perf_counter(), float("inf"), 0
    while since < 5 and time.perf_counter() - started < limit:
        begun = time.perf_counter()
        step()
        seconds = time.perf_counter() - begun
        if wait is not None:
            wait()
        since = 0 if seconds < 0.95 * best else since + 1
        best = min(best, seconds)
    return best


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def take_turns(steps: dict[str, Callable[[], Any]], estimates: dict[str, float], rounds: int,
               clock: Callable[[], float] = time.perf_counter) -> dict[str, list[float]]:
    """Return each library's seconds a step, one median for each of its `rounds` turns.

    clock: on a machine that others use, one thread's processor time ("cpu") is steadier than the
    wall's; with several threads it would count those that wait actively.
    """
    counts = {name: max(1, min(2000, int(TURN / max(estimates[name], 1e-7)))) for name in steps}
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        # Every other round in the opposite order, so that nobody always follows the same other.
        order = list(steps) if number % 2 == 0 else list(reversed(steps))
        for name in order:
            step, times = steps[name], []
            time.sleep(PAUSE)
            step()
            for _ in range(counts[name]):
                begun = clock()
                step()
                times.append(clock() - begun)
            found[name].append(statistics.median(times))
    return found


def deviation(ours: list[Any], theirs: list[Any]) -> float:
    """Return the largest difference of two lists of numbers or arrays over the largest number."""
    worst = 0.0
    for one, other in zip(ours, theirs, strict=True):
        one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
        if one.shape != other.shape:
            return float("inf")
        scale = float(np.max(np.abs(other), initial=1e-30))
        worst = max(worst, float(np.max(np.abs(one - other), initial=0.0)) / scale)
    return worst


def peaks(modules: dict[str, Any], threads: int,
          clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Measure the machine: float32 and bfloat16 FLOP/s, bytes/s of memory.

    FLOP/s: multiply-adds in registers (wall clock), or the best product of two 2048 matrices by any
    library present (NumPy's BLAS, PyTorch), whichever is more; bfloat16 by the product alone.
    Bytes: the better of a copy of 512 MiB by `threads` threads (bytes read and written count) and
    of a BLAS's inner product of two such arrays; some machines have that much cache all the same.
    """
    a, b = (np.random.default_rng(i).random((2048, 2048), np.float32) for i in (0, 1))
    products: dict[str, list[Callable]] = {"flops": [lambda: a @ b], "bfloat16_flops": []}
    peer = modules.get("torch")
    if peer is not None:
        x, y = peer.from_numpy(a), peer.from_numpy(b)
        halves = x.bfloat16(), y.bfloat16()
        products["flops"].append(lambda: x @ y)
        products["bfloat16_flops"].append(lambda: halves[0] @ halves[1])
    found = {kind: max((2 * 2048 ** 3 / _best(run, clock) for run in runs), default=0.0)
             for kind, runs in products.items()}
    found["flops"] = max(found["flops"], peak_flops(threads))
    found["bytes"] = max(copy_speed(threads, clock), read_speed(clock))
    return found


def read_speed(clock: Callable[[], float]) -> float:
    """Return bytes/s of an inner product of two arrays of 512 MiB."""
    x, y = np.ones(2 ** 26), np.ones(2 ** 26)
    return 2 * x.nbytes / _best(lambda: np.dot(x, y), clock)


def copy_speed(threads: int, clock: Callable[[], float]) -> float:
    """Return bytes/s, read and written, of `threads` threads that copy 512 MiB."""
    sources = [np.ones(2 ** 26 // threads) for _ in range(threads)]
    targets = [np.ones_like(source) for source in sources]

    def copy():
        workers = [threading.Thread(target=np.copyto, args=pair) for pair in zip(targets, sources)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return 2 * sum(source.nbytes for source in sources) / _best(copy, clock)


def _best(run: Callable[[], Any], clock: Callable[[], float], repeats: int = 9) -> float:
    run()
    time.sleep(PAUSE)
    run()
    best = float("inf")
    for _ in range(repeats):
        begun = clock()
        run()
        best = min(best, clock() - begun)
    return best


def machine() -> dict[str, Any]:
    """Return what a reader must know about this machine."""
    from rushlight.cli.machine import caches, cpu_features, cpu_model

    return {"cpu": cpu_model(), "cores": os.cpu_count(), "features": cpu_features(),
            "caches": caches(), "system": platform.system(), "python": platform.python_version(),
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}
