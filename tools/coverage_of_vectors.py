"""Count the op names whose recorded PyTorch results a module reproduces.

    python tools/coverage_of_vectors.py ARCHIVE_OR_FOLDER... [--module rushlight]
        [--dtype float32,int64] [--ops add,nn.functional.conv2d] [-v] [--json FILE]

A name is covered when it has samples and all of them, over all archives given and all variants of
the name, agree in values (with shapes and dtypes) and gradients. Output types, strides, aliasing,
requires_grad and the errors of wrong calls are reported in columns of their own.
Without arguments the small archives in tests/data/vectors are used.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.laws.replay import ASPECTS, Outcome, replay  # noqa: E402
from tests.laws.vectors import Archive  # noqa: E402


def archives(paths: list[Path], dtypes: set[str] | None) -> list[Archive]:
    """Open the archives named by `paths` (folders stand for their zips) of the wanted dtypes."""
    files = []
    for path in paths:
        files.extend(sorted(path.glob("*.zip")) if path.is_dir() else [path])
    opened = []
    for file in files:
        try:
            archive = Archive(file)
        except KeyError:
            continue  # an archive of something else (modules, optimizers)
        if dtypes is None or archive.dtype in dtypes:
            opened.append(archive)
    return opened


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT / "tests" / "data" / "vectors"
    parser.add_argument("paths", nargs="*", type=Path, default=[default])
    parser.add_argument("--module", default="rushlight")
    parser.add_argument("--dtype", help="comma-separated dtypes; default: all archives given")
    parser.add_argument("--ops", help="comma-separated op names (with or without variant)")
    parser.add_argument("-v", "--verbose", action="store_true", help="every message, every aspect")
    parser.add_argument("--json", type=Path, help="write the whole report there")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds per sample")
    return parser.parse_args()


def summarise(outcomes: list[tuple[str, Outcome]], elapsed: float) -> dict:
    """Print the totals and return them."""
    by_name: dict[str, list[Outcome]] = {}
    for _, outcome in outcomes:
        if outcome.state == "missing" or outcome.samples:
            by_name.setdefault(outcome.name, []).append(outcome)
    covered = sorted(name for name, group in by_name.items() if all(o.covered for o in group))
    missing = sorted(
        name for name, group in by_name.items() if all(o.state == "missing" for o in group)
    )
    failing = sorted(set(by_name) - set(covered) - set(missing))
    ran = [outcome for _, outcome in outcomes if outcome.state == "run"]
    print(f"\n{'aspect':<14}{'agree':>8}{'checked':>9}   of the names the module has")
    for aspect in ASPECTS:
        agreed = sum(outcome.agreed[aspect] for outcome in ran)
        checked = sum(outcome.checked[aspect] for outcome in ran)
        print(f"{aspect:<14}{agreed:>8}{checked:>9}")
    print(
        f"\nop names: {len(covered)} covered, {len(failing)} failing, {len(missing)} missing, "
        f"of {len(by_name)} with a public call; {sum(o.samples for o in ran)} samples "
        f"in {elapsed:.0f} s"
    )
    return {"covered": covered, "failing": failing, "missing": missing}


def main() -> int:
    """Replay, report, and return 1 when an op that exists fails."""
    options = parse_arguments()
    module = importlib.import_module(options.module)
    wanted = set(options.ops.split(",")) if options.ops else None
    dtypes = set(options.dtype.split(",")) if options.dtype else None
    started = time.perf_counter()
    outcomes: list[tuple[str, Outcome]] = []
    opened = archives(options.paths, dtypes)
    if not opened:
        sys.exit("no archive of recorded results was found (or none of that dtype)")
    for archive in opened:
        for name in archive.names:
            if wanted and not any(name == one or name.startswith(one + ".") for one in wanted):
                continue
            outcome = replay(module, archive[name], options.limit)
            outcomes.append((archive.dtype, outcome))
            report(archive.dtype, outcome, options.verbose)
    totals = summarise(outcomes, time.perf_counter() - started)
    if options.json:
        rows = [
            {
                "dtype": dtype,
                "name": outcome.full_name,
                "state": outcome.state,
                "covered": outcome.covered,
                "random": outcome.random,
                "samples": outcome.samples,
                "checked": outcome.checked,
                "agreed": outcome.agreed,
                "messages": outcome.messages,
            }
            for dtype, outcome in outcomes
        ]
        options.json.write_text(json.dumps({**totals, "ops": rows}, indent=1), encoding="utf-8")
    if options.verbose:
        print("missing:", " ".join(totals["missing"]))
    return 1 if totals["failing"] else 0


def report(dtype: str, outcome: Outcome, verbose: bool) -> None:
    """Print one op's line when it fails, or every disagreement when verbose."""
    if not outcome.samples:
        return
    mark = " (random)" if outcome.random else ""
    if not outcome.covered:
        bad = outcome.checked["values"] - outcome.agreed["values"]
        bad_gradients = outcome.checked["gradients"] - outcome.agreed["gradients"]
        print(
            f"{dtype} {outcome.full_name}{mark}: {bad} values and {bad_gradients} gradients of "
            f"{outcome.samples} fail; {outcome.first_message}"
        )
    if verbose:
        for aspect in ASPECTS:
            for message in outcome.messages[aspect]:
                print(f"    {dtype} {outcome.full_name} {aspect}: {message}")


if __name__ == "__main__":
    sys.exit(main())
