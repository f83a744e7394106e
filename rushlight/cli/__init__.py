"""The `rushlight` program: train, predict, run, explain, doctor.

`doctor`, `run` and `explain` need nothing but the core; the others need `rushlight[cli]`.
"""

from __future__ import annotations

import sys

PLAIN_COMMANDS = ("doctor", "explain", "run")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for a failure, 2 for wrong usage.

    Example:
        >>> main(["doctor"])
        0
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in PLAIN_COMMANDS:
        return _plain(arguments[0], arguments[1:])
    try:
        from rushlight.cli import application
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        print(
            f"rushlight: {error.name} is missing: pip install 'rushlight[cli]' "
            "(only `rushlight doctor`, `run` and `explain` work without it)",
            file=sys.stderr,
        )
        return 1
    return application.run(arguments)


def _plain(command: str, arguments: list[str]) -> int:
    if command == "run":
        from rushlight.compat.runner import main as run_program

        return run_program(arguments)
    if command == "explain":
        from rushlight.cli.explain import main as explain_program

        return explain_program(arguments)
    from rushlight.cli.doctor import main as examine_machine

    return examine_machine(arguments)
