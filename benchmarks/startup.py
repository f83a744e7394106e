"""The start of a program: first step, process start to 200 steps, worst later step.

Each number is of a fresh process that trains LeNet. "cold" gives rushlight an empty folder for its
caches, "warm" the folder that the cold run left; Python's byte code is cached in both, whatever the
shell says about writing it. The worst step but the first is compared with the
median step of a process that only interprets.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHILD = """
import importlib, json, sys, time
sys.path.insert(0, sys.argv[4])
torch = importlib.import_module(sys.argv[1])
imported = time.perf_counter()
from benchmarks.lenet import make_step
torch.set_num_threads(int(sys.argv[5]))
step = make_step(torch, int(sys.argv[2]))
times = [imported]
for _ in range(int(sys.argv[3])):
    step()
    times.append(time.perf_counter())
print(json.dumps([after - before for before, after in zip(times, times[1:])]))
"""


def run_child(library: str, batch: int, steps: int, threads: int, home: str,
              jit: str = "1", bytecode: str = "") -> tuple[float, list[float]]:
    """Return (seconds of the whole process, seconds of each step); the first begins at import."""
    environment = {**os.environ, "RUSHLIGHT_HOME": home, "RUSHLIGHT_JIT": jit,
                   "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD, library, str(batch), str(steps), str(ROOT),
               str(threads)]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    elapsed = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return elapsed, json.loads(done.stdout)


def measure(libraries: list[str], threads: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Return {row: result} of the three rows; processes of the libraries alternate."""
    with tempfile.TemporaryDirectory() as bytecode:
        def run(*arguments: Any, jit: str = "1") -> tuple[float, list[float]]:
            return run_child(*arguments, jit=jit, bytecode=bytecode)
        for library in libraries:       # compiles the byte code, the compiler's process's too
            with tempfile.TemporaryDirectory() as home:
                run(library, 128, 150, threads, home)
        return _measure(run, libraries, threads, rounds)


def _measure(run: Callable[..., tuple[float, list[float]]], libraries: list[str], threads: int,
             rounds: int) -> dict[str, dict[str, Any]]:
    first: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {}
    worst: dict[str, list[float]] = {"compiled": [], "interpreted": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as home:
            for library in libraries:
                _, steps = run(library, 4, 1, threads, home)
                first.setdefault(library, []).append(steps[0])
        with tempfile.TemporaryDirectory() as home:
            for library in libraries:
                for state in ("cold", "warm") if library == "rushlight" else ("",):
                    elapsed, steps = run(library, 128, 200, threads, home)
                    whole.setdefault(f"{library} {state}".strip(), []).append(elapsed)
                    if state == "cold":
                        worst["compiled"].append(max(steps[1:]))
            _, steps = run("rushlight", 128, 60, threads, home, jit="0")
            worst["interpreted"].append(statistics.median(steps[1:]))
    rows = {"first-step": {name: statistics.median(times) for name, times in first.items()},
            "start-to-200": {name: statistics.median(times) for name, times in whole.items()},
            "worst-step": {name: statistics.median(times) for name, times in worst.items()}}
    rows["first-step"]["limit"] = 0.15
    if "torch" in libraries:
        rows["start-to-200"]["ratio"] = whole_ratio(rows["start-to-200"])
    rows["worst-step"]["times the interpreter's"] = (
        rows["worst-step"]["compiled"] / rows["worst-step"]["interpreted"])
    return rows


def whole_ratio(row: dict[str, float]) -> float:
    """PyTorch's time over ours with a cold cache."""
    return row["torch"] / row["rushlight cold"]
