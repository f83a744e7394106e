"""`rushlight run --examine`: what a program uses that rushlight has not got, without running it."""

from __future__ import annotations

import importlib
import importlib.machinery
import inspect
import os
import sys
from types import ModuleType

from rushlight.compat.names import DIFFERENCES, rushlight_name
from rushlight.compat.usage import Import, UsageFinder, Use


def main(kind: str, target: str) -> int:
    """Print what is missing; exit code 0 when nothing is, 1 otherwise, 2 for no such program.

    Example:
        >>> main("-c", "import torch; torch.zeros(2).sum()")
        nothing missing: 1 name of PyTorch used in 1 file
        0
    """
    try:
        uses, problems = collect(kind, target)
    except FileNotFoundError as error:
        print(f"rushlight run: {error}", file=sys.stderr)
        return 2
    missing: dict[str, list[str]] = {}
    optional: dict[str, list[str]] = {}
    names = set()
    for file, found in uses.items():
        for use in found:
            names.add(use.name)
            absent = first_missing(use.name)
            if absent is not None:
                places = (optional if use.guarded else missing).setdefault(absent, [])
                places.append(f"{file}:{use.line}")
    for name in sorted(missing):
        print(f"missing   {name}  ({_some(missing[name])})")
    for name in sorted(set(optional) - set(missing)):
        print(f"optional  {name}  ({_some(optional[name])}; the program expects its absence)")
    for problem in problems:
        print(f"unread    {problem}")
    files = f"{len(uses)} file{'s' * (len(uses) != 1)}"
    if missing:
        print(f"{len(missing)} missing of {_count(names)} used in {files}; see {DIFFERENCES}")
    elif not problems:
        print(f"nothing missing: {_count(names)} used in {files}")
    return 1 if missing or problems else 0


def _count(names: set[str]) -> str:
    return f"{len(names)} name{'s' * (len(names) != 1)} of PyTorch"


def _some(places: list[str]) -> str:
    shown = list(dict.fromkeys(places))
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def collect(kind: str, target: str) -> tuple[dict[str, list[Use]], list[str]]:
    """Return the uses by file, over the program and the local modules it imports, and problems."""
    if kind == "-c":
        finder = UsageFinder(target)
        uses = {"<string>": finder.uses}
        folder, waiting, problems = os.getcwd(), _files_of(finder.imports, os.getcwd(), None), []
    else:
        path = _program_file(kind, target)
        folder = os.path.dirname(os.path.realpath(path)) if kind == "script" else os.getcwd()
        uses, waiting, problems = {}, [path], []
    seen = set()
    while waiting:
        path = waiting.pop(0)
        if os.path.realpath(path) in seen:
            continue
        seen.add(os.path.realpath(path))
        shown = os.path.relpath(path) if path.startswith(os.getcwd() + os.sep) else path
        try:
            with open(path, "rb") as file:
                finder = UsageFinder(file.read(), path)
        except (OSError, SyntaxError, ValueError) as error:
            problems.append(f"{shown}: {error}")
            continue
        uses[shown] = finder.uses
        waiting += _files_of(finder.imports, folder, path)
    return uses, problems


def _program_file(kind: str, target: str) -> str:
    if kind == "script":
        path = os.path.join(target, "__main__.py") if os.path.isdir(target) else target
        if not os.path.isfile(path):
            raise FileNotFoundError(f"can't open file {os.path.abspath(path)!r}")
        return path
    for path in _module_files(target, os.getcwd()):
        if os.path.basename(path) == "__init__.py":
            path = os.path.join(os.path.dirname(path), "__main__.py")
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(f"no module named {target} in {os.getcwd()}")


def _files_of(imports: list[Import], folder: str, importer: str | None) -> list[str]:
    """Return the program's own files that these imports load; installed packages are left out."""
    files = []
    for entry in imports:
        base = folder
        if entry.level and importer is not None:
            base = os.path.dirname(os.path.abspath(importer))
            for _ in range(entry.level - 1):
                base = os.path.dirname(base)
        candidates = [entry.module] if entry.module else []
        candidates += [f"{entry.module}.{name}".lstrip(".") for name in entry.names if name != "*"]
        for name in candidates:
            files += _module_files(name, base)
    return files


def _module_files(name: str, folder: str) -> list[str]:
    """Return the files that importing `name` from `folder` loads: packages, then the module."""
    files, parts = [], name.split(".")
    for count in range(1, len(parts) + 1):
        place = os.path.join(folder, *parts[:count])
        package = os.path.join(place, "__init__.py")
        if os.path.isfile(package):
            files.append(package)
        elif os.path.isfile(place + ".py"):
            files.append(place + ".py")
        elif not os.path.isdir(place):
            break
    return files


def first_missing(name: str) -> str | None:
    """Return the shortest part of a dotted PyTorch name that rushlight has not got, or None.

    Modules and classes are looked into; what an instance or a function has cannot be known here.

    Example:
        >>> first_missing("torch.nn.Conv9d.weight"), first_missing("torch.nn.Linear")
        ('torch.nn.Conv9d', None)
    """
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        dotted = ".".join(parts[:count])
        found = _find(dotted)
        if found is _ABSENT:
            return dotted
        if not isinstance(found, (ModuleType, type)):
            return None
    return None


_ABSENT = object()


def _find(dotted: str) -> object:
    try:
        return importlib.import_module(rushlight_name(dotted))
    except ModuleNotFoundError:
        pass
    owner_name, _, attribute = dotted.rpartition(".")
    if not owner_name:
        return _ABSENT
    owner = _find(owner_name)
    if owner is _ABSENT:
        return _ABSENT
    if isinstance(owner, type):
        try:
            return inspect.getattr_static(owner, attribute)
        except AttributeError:
            return _ABSENT
    return getattr(owner, attribute, _ABSENT)
