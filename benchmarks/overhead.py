"""Python's share: microseconds per traced pointwise op, and a whole LeNet step, beside PyTorch's.

    python benchmarks/overhead.py [--threads 2] [--rounds 15] [--json FILE]

rushlight and, where it is installed, PyTorch take turns within one process with the same number of
threads; medians and their ratio are printed. An op is timed in a chain of 200 additions of four
floats whose result is dropped: for rushlight that is the type rule, the record and (with autograd)
the node, for PyTorch the same and the addition itself. "run" includes computing the chain.
The aim: at most 3 us per traced op with autograd on a machine where PyTorch's is 2.0.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.lenet import make_step  # noqa: E402

CHAIN = 200
AIM = 1.5  # 3 us where PyTorch's op takes 2.0


def time_chain(torch: Any, requires_grad: bool, run: bool) -> float:
    """Return microseconds per op of one chain of additions."""
    x = torch.ones(4, requires_grad=requires_grad)
    y = torch.ones(4)
    out = x
    started = time.perf_counter()
    for _ in range(CHAIN):
        out = out + y
    if run:
        out.tolist()
    elapsed = time.perf_counter() - started
    del out
    return elapsed / CHAIN * 1e6


def time_steps(step: Any, count: int) -> float:
    """Return milliseconds per training step."""
    started = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - started) / count * 1e3


def measure(modules: dict[str, Any], rounds: int) -> dict[str, dict[str, float]]:
    """Return {measurement: {module: median}}; the modules take turns in every round."""
    work: dict[str, dict[str, Any]] = {}
    for name, torch in modules.items():
        for label, grad, run in (
            ("add, no grad [us]", False, False),
            ("add, autograd [us]", True, False),
            ("add, no grad, run [us]", False, True),
            ("add, autograd, run [us]", True, True),
        ):
            work.setdefault(label, {})[name] = lambda t=torch, g=grad, r=run: time_chain(t, g, r)
        for batch, count in ((4, 10), (64, 4), (128, 3)):
            step = make_step(torch, batch)
            label = f"LeNet step, batch {batch} [ms]"
            work.setdefault(label, {})[name] = lambda s=step, c=count: time_steps(s, c)
    medians = {}
    for label, timers in work.items():
        for timer in timers.values():
            timer()
            timer()
        found: dict[str, list[float]] = {name: [] for name in timers}
        for _ in range(rounds):
            for name, timer in timers.items():
                found[name].append(timer())
        medians[label] = {name: statistics.median(values) for name, values in found.items()}
    return medians


def main() -> None:
    """Measure, print a table, optionally write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = ["rushlight"] + (["torch"] if importlib.util.find_spec("torch") else [])
    modules = {name: importlib.import_module(name) for name in names}
    for module in modules.values():
        module.set_num_threads(options.threads)
    medians = measure(modules, options.rounds)
    print(f"{options.threads} thread(s), medians of {options.rounds}")
    print(f"{'':<26}" + "".join(f"{name:>12}" for name in names) + f"{'ratio':>8}")
    for label, row in medians.items():
        ratio = row["rushlight"] / row["torch"] if "torch" in row else float("nan")
        print(f"{label:<26}" + "".join(f"{row[name]:12.2f}" for name in names) + f"{ratio:8.2f}")
    if "torch" in names:
        row = medians["add, autograd [us]"]
        ratio = row["rushlight"] / row["torch"]
        print(f"traced op with autograd: {ratio:.2f} times PyTorch's (aim {AIM})")
    if options.json:
        options.json.write_text(json.dumps(medians, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
