"""`rushlight explain SCRIPT`: run a program and say what ran, why, and what it cost."""

from __future__ import annotations

import sys

USAGE = ("usage: rushlight explain [--html FILE | --no-html] [--threads N] "
         "SCRIPT [ARGS...] | -m MODULE [ARGS...] | -c CODE [ARGS...]")
HELP = f"""{USAGE}

Runs a program as `rushlight run` does, timing every step of every plan, and then prints which plans
ran, why and how often, what was fused, what was made anew and why, and what each step costs against
this machine's measured peak (measured once, then remembered).

  --html FILE   write the report as one page there (default: explain.html)
  --no-html     print only
  --threads N   compute with N threads
"""


def main(arguments: list[str]) -> int:
    """Run the program and report; exit code: the program's.

    Example:
        >>> main(["--no-html", "-c", "import torch; print(torch.ones(2) + 1)"])
        0
    """
    html: str | None = "explain.html"
    threads = None
    arguments = list(arguments)
    while arguments and arguments[0].startswith("--"):
        option = arguments.pop(0)
        if option == "--help":
            print(HELP, end="")
            return 0
        if option == "--no-html":
            html = None
        elif option in ("--html", "--threads") and arguments:
            value = arguments.pop(0)
            if option == "--html":
                html = value
            elif value.isdecimal() and int(value) > 0:
                threads = int(value)
            else:
                return _usage(f"--threads takes a positive number, got {value!r}")
        else:
            return _usage(f"unknown option {option}, or its value is missing")
    if arguments[:1] == ["-h"]:
        print(HELP, end="")
        return 0
    if not arguments:
        return _usage("which program? give a script, -m MODULE or -c CODE")
    return _explain(arguments, html, threads)


def _explain(arguments: list[str], html: str | None, threads: int | None) -> int:
    import rushlight
    from rushlight.compat.runner import main as run_program

    if threads is not None:
        rushlight.set_num_threads(threads)
    title = " ".join(arguments[:2] if arguments[0] in ("-m", "-c") else arguments[:1])
    report, code = rushlight.explain(title), 0
    try:
        with report:
            code = run_program(arguments)
    except SystemExit as end:
        # A program that ends itself still wants its report.
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    if code == 2 and not report.plans:      # no such program: its message has been printed
        return code
    sys.stdout.flush()
    report.show()
    if html is not None:
        try:
            report.save(html)
        except OSError as error:
            print(f"rushlight explain: cannot write {html}: {error.strerror}", file=sys.stderr)
            return code or 1
        print(f"\nwritten: {html}")
    return code


def _usage(problem: str) -> int:
    print(f"rushlight explain: {problem}\n{USAGE}", file=sys.stderr)
    return 2
