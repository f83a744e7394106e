"""Choose a small part of PyTorch's recorded module runs for tests/data/nn/modules.zip.

    python tools/select_module_vectors.py modules_float32.zip [--target FILE] [--check]

Of every module a few cases are kept, spread over its list and over training and evaluation, the
big ones left out. The cases themselves are unchanged. `--check` replays the whole archive given
instead, and prints how many cases of each module agree.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.nn.module_replay import Replay, archive_names, load  # noqa: E402
from tools.select_vectors import spread  # noqa: E402

CASES = 5  # kept per module
BYTES = 12_000  # kept per module, unless the smallest case alone is more


def select(record: dict) -> dict:
    """Return the record with a few of its cases."""
    sized = [(len(pickle.dumps(case, 4)), case) for case in record["recs"]]
    small = [case for size, case in sized if size <= BYTES / 2]
    if not small:
        small = [min(sized, key=lambda pair: pair[0])[1]]
    kept, total = [], 0
    for position in spread(len(small), CASES):
        size = len(pickle.dumps(small[position], 4))
        if not kept or total + size <= BYTES:
            kept.append(small[position])
            total += size
    return {**record, "recs": kept}


def check(source: Path) -> int:
    """Replay every case; print what disagrees. Returns the number of failures."""
    import rushlight

    agree = disagree = 0
    for name in archive_names(source):
        record = load(source, name)
        replay = Replay(rushlight, record)
        failures = []
        for case in record["recs"]:
            try:
                replay.run(case)
                agree += 1
            except Exception as error:
                failures.append((case["i"], case["train"], f"{type(error).__name__}: {error}"))
        disagree += len(failures)
        if failures:
            print(f"{name}: {len(failures)} of {len(record['recs'])} disagree: {failures[0]}")
    print(f"{agree} cases agree, {disagree} disagree")
    return disagree


def main() -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--target", type=Path, default=ROOT / "tests/data/nn/modules.zip")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        return 1 if check(options.source) else 0
    with zipfile.ZipFile(options.target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name in archive_names(options.source):
            entry = zipfile.ZipInfo(f"{name}.pkl")  # a fixed date: the same bytes each time
            entry.compress_type = zipfile.ZIP_DEFLATED
            record = load(options.source, name)
            if record["recs"]:
                file.writestr(entry, pickle.dumps(select(record), 4))
    print(f"{options.target}: {options.target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
