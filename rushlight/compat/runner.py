"""`rushlight run SCRIPT`, `-m MODULE`, `-c CODE`: run a program as `python` would."""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import os
import sys
from types import CodeType, ModuleType, TracebackType
from typing import Any

from rushlight.compat import activate

USAGE = (
    "usage: rushlight run [--examine] SCRIPT [ARGS...] | -m MODULE [ARGS...] | -c CODE [ARGS...]"
)
HELP = f"""{USAGE}

Runs a PyTorch program with torch and torchvision resolved to rushlight, for this program and
its worker processes only.

  --examine   list what the program uses that rushlight has not got, without running it;
              exit code 0 when nothing is missing, 1 otherwise
"""

_ENTRY_FUNCTION = "execute_program"

# The module that started us: its frame is still running when the program takes its name.
_kept_alive: list[ModuleType] = []


def main(arguments: list[str]) -> int:
    """Run a program and return 0; what it raises, SystemExit included, goes up.

    Example:
        >>> main(["-c", "import torch; print(torch.ones(2))"])
        tensor([1., 1.])
        0
    """
    examine = False
    while arguments and arguments[0] == "--examine":
        examine, arguments = True, arguments[1:]
    if arguments and arguments[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    if not arguments:
        return _usage("which program? give a script, -m MODULE or -c CODE")
    first, rest = arguments[0], arguments[1:]
    if first in ("-m", "-c"):
        if not rest:
            return _usage(f"argument expected for the {first} option")
        kind, target, rest = first, rest[0], rest[1:]
    elif first.startswith("-") and first != "-":
        return _usage(f"unknown option {first}")
    else:
        kind, target = "script", first
    if examine:
        from rushlight.compat.examine import main as list_missing

        return list_missing(kind, target)
    return _run(kind, target, rest)


def _usage(problem: str) -> int:
    print(f"rushlight run: {problem}\n{USAGE}", file=sys.stderr)
    return 2


def _run(kind: str, target: str, arguments: list[str]) -> int:
    activate()
    if kind == "-m":
        # As `python -m` does it, private name and all: public runpy would differ in __main__.
        run_as_main = importlib.import_module("runpy").__dict__["_run_module_as_main"]
        _become_main(None)
        _first_path(os.getcwd())
        sys.argv[:] = ["-m", *arguments]
        execute_program(run_as_main, target)
        return 0
    if kind == "-c":
        namespace = _become_main(None)
        _first_path("")
        sys.argv[:] = ["-c", *arguments]
        execute_program(_compile_and_run, target, "<string>", namespace)
        return 0
    return _run_script(target, arguments)


def _run_script(script: str, arguments: list[str]) -> int:
    if script == "-":
        namespace = _become_main(None)
        namespace["__file__"] = "<stdin>"
        _first_path("")
        sys.argv[:] = ["-", *arguments]
        execute_program(_compile_and_run, sys.stdin.read(), "<stdin>", namespace)
        return 0
    path = os.path.join(os.getcwd(), script)  # not normalised: python keeps a "./" as well
    if os.path.isdir(path) or _is_archive(path):
        run_as_main = importlib.import_module("runpy").__dict__["_run_module_as_main"]
        _become_main(None)
        _first_path(os.path.abspath(script))
        sys.argv[:] = [script, *arguments]
        execute_program(run_as_main, "__main__", False)
        return 0
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        print(
            f"rushlight run: can't open file {path!r}: [Errno {error.errno}] {error.strerror}",
            file=sys.stderr,
        )
        return 2
    namespace = _become_main(path)
    _first_path(os.path.dirname(os.path.realpath(path)))
    sys.argv[:] = [script, *arguments]
    execute_program(_compile_and_run, source, path, namespace)
    return 0


def _is_archive(path: str) -> bool:
    if not os.path.isfile(path) or path.endswith(".py"):
        return False
    import zipfile

    return zipfile.is_zipfile(path)


def _become_main(path: str | None) -> dict[str, Any]:
    """Install an empty `__main__`, as the program will know it, and return its namespace."""
    module = ModuleType("__main__")
    vars(module)["__builtins__"] = builtins
    module.__annotations__ = {}
    if path is not None:
        module.__file__ = path
        vars(module)["__cached__"] = None
        module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    _kept_alive.append(sys.modules["__main__"])
    sys.modules["__main__"] = module
    return module.__dict__


def _first_path(entry: str) -> None:
    """Put the program's folder where ours was: python -P and the like have none."""
    if getattr(sys.flags, "safe_path", False) or sys.flags.isolated:
        return
    sys.path[0] = entry


def _compile_and_run(source: Any, filename: str, namespace: dict[str, Any]) -> None:
    code: CodeType = compile(source, filename, "exec", dont_inherit=True)
    exec(code, namespace)


def execute_program(function: Any, *arguments: Any) -> None:
    """Call `function`; if the program fails, have the traceback begin where the program does."""
    try:
        function(*arguments)
    except SystemExit:
        raise
    except BaseException:
        shown_by = sys.excepthook

        def show(kind: type, error: BaseException, trace: TracebackType | None) -> None:
            _hide_our_frames(error, set())
            shown_by(kind, error, error.__traceback__)

        sys.excepthook = show
        raise


def _hide_our_frames(error: BaseException | None, seen: set[int]) -> None:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_our_frames(error.__traceback__)
    _hide_our_frames(error.__cause__, seen)
    _hide_our_frames(error.__context__, seen)


def _without_our_frames(trace: TracebackType | None) -> TracebackType | None:
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    ours = os.path.dirname(os.path.abspath(__file__))
    names = [entry.tb_frame.f_code.co_name for entry in entries]
    files = [entry.tb_frame.f_code.co_filename for entry in entries]
    # Everything above the entry function (the console script, runpy) only led to the program.
    start = max((i + 1 for i, name in enumerate(names)
                 if name == _ENTRY_FUNCTION and files[i].startswith(ours)), default=0)  # fmt: skip
    kept = [e for e, file in zip(entries[start:], files[start:]) if not file.startswith(ours)]
    result: TracebackType | None = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result
