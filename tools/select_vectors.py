"""Choose a small part of recorded PyTorch results for tests/data/vectors.

    python tools/select_vectors.py SOURCE_FOLDER [--target tests/data/vectors]

Of every op with a public call, a few samples spread over its list are kept, the big ones left out,
and up to four wrong calls. The records themselves are unchanged, so the same reader and the same
replay serve the selection and the full archives.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.laws.callables import NOT_PUBLIC  # noqa: E402
from tests.laws.vectors import Archive  # noqa: E402

# dtype: (samples kept per op, bytes kept per op, wrong calls kept per op)
PLAN = {
    "float32": (6, 8_000, 4),
    "int64": (3, 3_000, 0),
    "bool": (3, 2_000, 0),
    "bfloat16": (2, 2_000, 0),
    "complex64": (2, 3_000, 0),
}
# The text of a projection is needed; the text of other recorded details is not.
DROPPED = ("name", "bcast")


def spread(count: int, wanted: int) -> list[int]:
    """Return up to `wanted` positions evenly spread over `count`, first and last among them."""
    if count <= wanted or wanted < 2:
        return list(range(min(count, wanted)))
    return sorted({round(step * (count - 1) / (wanted - 1)) for step in range(wanted)})


def select(record: dict, samples: int, size: int, errors: int) -> dict:
    """Return the record with a few of its samples."""
    sized = [(len(pickle.dumps(sample, 4)), sample) for sample in record["samples"]]
    fitting = [sample for length, sample in sized if length <= size / 2]
    if not fitting and sized:
        fitting = [min(sized, key=lambda pair: pair[0])[1]]
    kept, total = [], 0
    for position in spread(len(fitting), samples):
        sample = {key: value for key, value in fitting[position].items() if key not in DROPPED}
        length = len(pickle.dumps(sample, 4))
        if kept and total + length > size:
            continue
        kept.append(sample)
        total += length
    small_errors = [sample for sample in record["errors"] if len(pickle.dumps(sample, 4)) <= size]
    chosen_errors = [small_errors[position] for position in spread(len(small_errors), errors)]
    needed = ("name", "variant", "path", "rng")
    return {
        **{key: record[key] for key in needed},
        "samples": kept,
        "errors": chosen_errors if errors else [],
    }


def main() -> None:
    """Write one small archive per dtype."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--target", type=Path, default=ROOT / "tests" / "data" / "vectors")
    options = parser.parse_args()
    options.target.mkdir(parents=True, exist_ok=True)
    for dtype, plan in PLAN.items():
        archive = Archive(options.source / f"{dtype}.zip")
        target = options.target / f"{dtype}.zip"
        index, count = [], 0
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for name in sorted(archive.names):
                record = select(archive[name], *plan)
                if name in NOT_PUBLIC or not record["samples"]:
                    continue
                entry = zipfile.ZipInfo(f"{name}.pkl", date_time=(1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(entry, pickle.dumps(record, 4), compresslevel=9)
                index.append({"name": name, "n": len(record["samples"])})
                count += len(record["samples"])
            meta = {"torch": archive.version, "dtype": dtype, "ops": index}
            entry = zipfile.ZipInfo("index.json", date_time=(1980, 1, 1, 0, 0, 0))
            file.writestr(entry, json.dumps(meta))
        size = target.stat().st_size
        print(f"{target.name}: {len(index)} ops, {count} samples, {size} bytes")


if __name__ == "__main__":
    main()
