"""Peak memory of a training step, beside PyTorch's.

    python benchmarks/memory.py [--only NAME ...] [--threads 2] [--json FILE]

Each number is of a fresh process of one library: the greatest resident memory of three steps after
warm-up (in rushlight: after its compiler has finished), above what was resident before the network
was made, when the library had trained a tiny network and so loaded what it computes with. Linux
only: the peak is read from /proc and reset through it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("lenet128", "resnet18", "mobilenetv2", "gpt")
CHILD = """
import importlib, sys
sys.path.insert(0, sys.argv[4])
torch = importlib.import_module(sys.argv[1])
from benchmarks.rows import ROWS

def resident(what):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(what))

def repeat(step):
    for _ in range(4):
        step()
        if torch.__name__ == "rushlight":
            from rushlight.core.runtime.compiler import wait
            wait()

torch.set_num_threads(int(sys.argv[3]))
small = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(),
                            torch.nn.Linear(8 * 36, 8), torch.nn.GELU(), torch.nn.LayerNorm(8))
def warm_up():
    loss = torch.nn.functional.cross_entropy(small(torch.ones(2, 3, 8, 8)), torch.tensor([1, 2]))
    loss.backward()
    loss.item()
repeat(warm_up)
del small
before = resident("VmRSS")
step = next(row for row in ROWS if row.name == sys.argv[2]).build(torch, lambda work: work).step
repeat(step)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")                      # the peak begins anew
for _ in range(3):
    step()
print(resident("VmHWM") - before)
"""


def measure(library: str, name: str, threads: int, home: str) -> float:
    """Return MB at the peak of a step above what was there before the network."""
    command = [sys.executable, "-c", CHILD, library, name, str(threads), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True,
                          env={**os.environ, "RUSHLIGHT_HOME": home})
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout)


def main() -> None:
    """Measure, print, optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = ["rushlight"] + (["torch"] if importlib.util.find_spec("torch") else [])
    report: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as home:
        for name in options.only:
            row = report[name] = {library: measure(library, name, options.threads, home)
                                  for library in names}
            text = ", ".join(f"{library} {found:.0f} MB" for library, found in row.items())
            if "torch" in row:
                text += f"; {row['rushlight'] / row['torch']:.2f} of PyTorch's"
            print(f"{name:<12} {text}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
