"""rushlight beside PyTorch, row by row: how fast it is and what is still missing.

    python benchmarks/table.py [--only NAME ...] [--threads 2] [--rounds 7] [--start] [--peers]
                               [--clock cpu] [--json FILE] [--plot FILE] [--markdown] [--list]

Every row runs in rushlight and, where it is installed, in PyTorch: interleaved in one process, same
number of threads, warm, medians of the turns' medians (`measure` says how they are kept from
disturbing each other). Printed: milliseconds, PyTorch's time over ours, what is asked for, speed
and its share of this machine's measured peak, how far the results differ and, in training, how far
the losses have drifted apart after three steps. --start adds the rows about a program's start, each
in processes of its own; --peers adds torch.compile, JAX and tinygrad where installed. --json keeps
rows of the file that this run does not measure, so that a table can be made in parts. --plot draws
what the file (or this run) holds.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import measure, report  # noqa: E402
from benchmarks.rows import ROWS, Row  # noqa: E402


def measure_row(row: Row, modules: dict[str, Any], peaks: dict[str, float], rounds: int,
                compilers: dict[str, Any], clock: Any) -> dict[str, Any]:
    """Return one row's result: times, ratio, speed, deviation, or the error that stopped it."""
    result: dict[str, Any] = {"title": row.title, "at_least": row.at_least, "aim": row.aim,
                              "aim_share": row.aim_share}
    steps, estimates, values = {}, {}, {}
    for name, (torch, wrap) in compilers.items():
        try:
            work = row.build(torch, wrap)
            values[name] = work.values()
            step = row.build(torch, wrap).step
            estimates[name] = measure.settle(torch, step)
            steps[name] = step
        except Exception as error:
            if name == "torch":
                raise
            result.setdefault("errors", {})[name] = f"{type(error).__name__}: {error}"[:300]
            traceback.print_exc()
    times = measure.take_turns(steps, estimates, rounds, clock)
    result["seconds"] = {name: statistics.median(turns) for name, turns in times.items()}
    result["turns"] = times
    ours, theirs = result["seconds"].get("rushlight"), result["seconds"].get("torch")
    if ours and theirs:
        result["ratio"] = theirs / ours
        pair = values["rushlight"], values["torch"]
        if work.trained:
            result["drift"] = measure.deviation(*pair)
            pair = pair[0][:1], pair[1][:1]
        result["deviation"] = measure.deviation(*pair)
    peak = peaks["bfloat16_flops" if row.low_precision else "flops"]
    for name, seconds in result["seconds"].items():
        if row.flops:
            speed, share = row.flops / seconds, row.flops / seconds / peak if peak else None
        else:
            speed, share = row.bytes / seconds, row.bytes / seconds / peaks["bytes"]
        result.setdefault("speed", {})[name] = speed
        result.setdefault("share", {})[name] = share
    result["unit"] = "FLOP/s" if row.flops else "B/s"
    return result


def compilers_of(row: Row, modules: dict[str, Any], peers: bool) -> dict[str, Any]:
    """Return {name: (module, what it wraps around the work)} of the libraries that run a row."""
    found = {}
    for name, torch in modules.items():
        wrap = torch.compile if row.compiled and name == "rushlight" else (lambda work: work)
        found[name] = torch, wrap
    if peers and "torch" in modules:
        found["torch.compile"] = modules["torch"], modules["torch"].compile
    return found


def main() -> int:
    """Measure, print, write; exit code 1 where a row raised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows by name or its beginning*")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--start", action="store_true", help="the rows about a program's start")
    parser.add_argument("--peers", action="store_true", help="torch.compile, JAX, tinygrad too")
    parser.add_argument("--clock", choices=list(measure.CLOCKS), default="wall",
                        help="cpu: processor time, for one thread on a machine that is busy")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--markdown", action="store_true", help="print --json's table and stop")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    options = parser.parse_args()
    if options.clock == "cpu" and options.threads != 1:
        parser.error("--clock cpu takes --threads 1: threads that wait would count")
    if options.list:
        print("\n".join(f"{row.name:<18} {row.title}" for row in ROWS))
        return 0
    if options.markdown:
        print(report.markdown(report.load(options.json), str(options.threads)), end="")
        return 0
    rows = chosen(options.only) if options.only or not options.start else []
    names = ["rushlight"] + (["torch"] if importlib.util.find_spec("torch") else [])
    modules = {name: importlib.import_module(name) for name in names}
    for module in modules.values():
        module.set_num_threads(options.threads)
    peaks = measure.peaks(modules, options.threads, measure.CLOCKS[options.clock])
    book = report.load(options.json)
    machine = measure.machine()
    if book.get("machine", machine)["cpu"] != machine["cpu"]:
        sys.exit(f"table.py: {options.json} is of another machine ({book['machine']['cpu']})")
    book["machine"] = machine
    book["versions"] = {name: module.__version__ for name, module in modules.items()}
    table = book["threads"].setdefault(str(options.threads), {"rows": {}, "start": {}})
    # The machine's peak is the best that was seen on it: a shared machine gives less at times.
    for name, seen in table.get("peaks", {}).items():
        peaks[name] = max(peaks[name], seen)
    table["peaks"] = peaks
    report.print_head(book, options.threads, names)
    failed = False
    for row in rows:
        compilers = compilers_of(row, modules, options.peers)
        result = measure_row(row, modules, peaks, options.rounds, compilers,
                             measure.CLOCKS[options.clock])
        failed |= "errors" in result
        result |= {"clock": options.clock, "measured": time.strftime("%Y-%m-%d %H:%M")}
        table["rows"][row.name] = result
        report.print_row(row.name, result, options.peers)
        report.save(options.json, book)
        gc.collect()
    if options.peers:
        from benchmarks import peers

        peers.measure(rows, table, options.threads)
        report.save(options.json, book)
    if options.start:
        from benchmarks import startup

        table["start"] = startup.measure(names, options.threads, max(1, options.rounds // 2))
        report.print_start(table["start"])
        report.save(options.json, book)
    if options.plot:
        report.plot(book, options.plot)
    return int(failed)


def chosen(only: list[str] | None) -> list[Row]:
    """Return the rows asked for; `conv*` names all that begin so. A wrong name ends the program."""
    if not only:
        return list(ROWS)
    found = [row for row in ROWS if any(
        row.name == name or (name.endswith("*") and row.name.startswith(name[:-1]))
        for name in only)]
    known = {row.name for row in ROWS}
    wrong = [name for name in only if name not in known and not name.endswith("*")]
    if wrong or not found:
        sys.exit(f"table.py: no row is named {', '.join(wrong or only)}; --list names them")
    return found


if __name__ == "__main__":
    sys.exit(main())
