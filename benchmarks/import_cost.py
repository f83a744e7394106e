"""What `import rushlight` costs beside `import numpy`: seconds and resident memory.

    python benchmarks/import_cost.py [--repeat 15] [--json FILE]

Each measurement is a fresh interpreter; the candidates take turns, so a slow moment of the machine
hits all of them. Medians are printed. The aims: at most 1.7 times NumPy's time, at most 45 MB.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PROBE = """
import sys, time
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
pages = int(open('/proc/self/statm').read().split()[1]) if sys.platform == 'linux' else 0
import resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(seconds, pages * resource.getpagesize() / 2**20 or peak, len(sys.modules))
"""


def measure(statement: str, cache: str) -> tuple[float, float, int]:
    """Return (seconds, resident MB, modules loaded) of one statement in a fresh interpreter."""
    command = [sys.executable, "-c", PROBE.format(statement=statement)]
    # Byte code is cached for all alike, whatever this shell says about writing it.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    seconds, memory, modules = done.stdout.split()
    return float(seconds), float(memory), int(modules)


def main() -> None:
    """Measure in turns, print medians, optionally write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    statements = {"nothing": "pass", "numpy": "import numpy", "rushlight": "import rushlight"}
    if importlib.util.find_spec("torch") is not None:
        statements["torch"] = "import torch"
    rows: dict[str, list] = {name: [] for name in statements}
    with tempfile.TemporaryDirectory() as cache:
        for statement in statements.values():
            measure(statement, cache)  # compiles the byte code, fills the file cache
        for _ in range(options.repeat):
            for name, statement in statements.items():
                rows[name].append(measure(statement, cache))
    report = {
        name: {
            "seconds": statistics.median(row[0] for row in found),
            "megabytes": statistics.median(row[1] for row in found),
            "modules": found[0][2],
        }
        for name, found in rows.items()
    }
    ratio = report["rushlight"]["seconds"] / report["numpy"]["seconds"]
    for name, row in report.items():
        print(
            f"{name:<10} {row['seconds'] * 1000:8.1f} ms {row['megabytes']:8.1f} MB "
            f"{row['modules']:6d} modules"
        )
    print(f"rushlight / numpy: {ratio:.2f} times (aim 1.7); memory aim 45 MB")
    if options.json:
        options.json.write_text(json.dumps({**report, "ratio": ratio}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
