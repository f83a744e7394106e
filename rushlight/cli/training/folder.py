"""The folder of a training run: its name, its making, and what a resumed run may change."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rushlight.cli.errors import CommandError, UsageProblem, describe_os_error
from rushlight.cli.training.checkpoint import LAST
from rushlight.cli.training.progress import Reporter


class Interrupted(CommandError):
    """Ctrl-C: the exit code is the one shells give to it."""

    exit_code = 130


def default_folder(name: str) -> Path:
    """A folder under `runs` that does not exist yet, named after what is trained and the time."""
    name = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder, count = Path("runs") / name, 1
    while folder.exists():
        count += 1
        folder = Path("runs") / f"{name}-{count}"
    return folder


def create_folder(run: Path) -> None:
    """Make the folder of a new run. Raises CommandError where it holds one, or cannot be made."""
    if (run / "config.json").exists():
        raise UsageProblem(
            f"--out {run} already holds a run: continue it with --resume {run}, or choose another"
        )
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--out: {describe_os_error(error)}") from None


def newest_run(runs: Path = Path("runs")) -> str:
    """Return the run folder under `runs` whose configuration is the newest."""
    found = sorted(runs.glob("*/config.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageProblem(f"--resume: there is no run folder under {runs}; name one")
    return str(found[-1].parent)


@contextmanager
def running(run: Path, command: str, reporter: Reporter) -> Iterator[None]:
    """While a run computes: Ctrl-C says how to go on, and no empty folder stays behind."""
    try:
        yield
    except KeyboardInterrupt:
        reporter.close()
        if (run / LAST).exists():
            told = f"interrupted; continue with: rushlight {command} --resume {run}"
        else:
            told = "interrupted before the first checkpoint; nothing was kept"
        raise Interrupted(told) from None
    finally:
        reporter.close()
        try:
            run.rmdir()
        except OSError:  # it holds a run
            pass


def resumed(
    run: Path, kind: Any, stored: dict[str, Any], given: dict[str, Any], free: Collection[str]
) -> Any:
    """The configuration (of class `kind`) of a run that goes on, options in `free` as given now.

    Raises CommandError where another version wrote it, UsageProblem where any other option
    differs from the run's.
    """
    try:
        configuration = kind(**stored)
        asked = asdict(kind(**{**stored, **given}).completed())
    except TypeError:
        raise CommandError(f"{run}/config.json was written by another version") from None
    for name, value in asked.items():
        if name in free:
            setattr(configuration, name, value)
        elif value != stored[name]:
            option = "--" + name.replace("_", "-")
            raise UsageProblem(
                f"{option} {value} differs from the run's {stored[name]}: a resumed run keeps its "
                "options, so that it ends as it would have without the interruption"
            )
    return configuration
