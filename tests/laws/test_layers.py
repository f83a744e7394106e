"""Structure: who imports whom, who reads the environment, what an import costs, what is documented.

The table is the one of docs/architecture.md. Every import statement counts, also those inside
functions: a lazy import hides a cycle, it does not remove it.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "rushlight"

# The rooms of the core, lowest first. Rooms of one level do not import each other.
CORE_LEVELS = {
    "base": 0,
    "trace": 1,
    "ops": 2,
    "interpreter": 3,
    "codegen": 3,
    "runtime": 4,
    "autograd": 5,
    "tensor": 6,
}

# Above the core: everything with a public path of torch is level 10; then these.
UPPER_LEVELS = {"vision": 11, "darknet": 12, "compat": 13, "cli": 14, "__main__": 15}
PUBLIC_LEVEL = 10

ENVIRONMENT_READER = "rushlight.core.base.knobs"

HEAVY = (
    "torch torchvision PIL matplotlib typer rich scipy multiprocessing asyncio urllib.request "
    "llvmlite safetensors inspect dataclasses concurrent.futures unittest http email sqlite3 "
    "rushlight.nn rushlight.optim rushlight.utils.data rushlight.vision rushlight.compat "
    "rushlight.cli"
).split()


def module_name(path: Path) -> str:
    """rushlight/core/base/knobs.py -> rushlight.core.base.knobs; packages lose `__init__`."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


@functools.cache
def sources() -> dict[str, tuple[Path, ast.Module]]:
    """Every module of the package with its syntax tree."""
    return {
        module_name(path): (path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports_of(name: str, path: Path, tree: ast.Module) -> list[tuple[int, str]]:
    """Return (line, full name) of all that a module imports, relative names resolved.

    `from a import b` counts as `a.b` where that is a module and as `a` where it is not.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join(parents + ([node.module] if node.module else []))
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.append((node.lineno, full if full in sources() else base))
    return found


def lazy_package_imports() -> list[tuple[str, int]]:
    """Return (module, line) of every `import rushlight` inside a function."""
    return [
        (name, inner.lineno)
        for name, (_, tree) in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import)
    ]


def all_imports() -> list[tuple[str, int, str]]:
    """Return (module, line, imported) for the whole package."""
    return [
        (name, line, imported)
        for name, (path, tree) in sources().items()
        for line, imported in imports_of(name, path, tree)
    ]


def core_room(name: str) -> str | None:
    """The room of a core module, None for anything else."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["rushlight", "core"] and len(parts) > 2 else None


def level(name: str) -> int:
    """The level of one of the package's modules."""
    room = core_room(name)
    if room is not None:
        return CORE_LEVELS[room]
    parts = name.split(".")
    if name == "rushlight.core":
        return 0
    return UPPER_LEVELS.get(parts[1] if len(parts) > 1 else "", PUBLIC_LEVEL)


# Everybody above the core writes `import rushlight`. What needs more (files and processes carry the
# inside of tensors, autograd publishes the engine) comes through these doors only. Exact: a door
# that is no longer used fails too.
DOORS = {
    "rushlight._compile": {
        "rushlight.core.base", "rushlight.core.runtime", "rushlight.core.tensor"},
    "rushlight._explain": {"rushlight.core.runtime"},
    "rushlight._files": {"rushlight.core.tensor"},
    "rushlight.amp": {"rushlight.core.tensor"},
    "rushlight.autograd": {"rushlight.core.autograd", "rushlight.core.tensor"},
    "rushlight.cpu": {"rushlight.core.runtime"},
    "rushlight.return_types": {"rushlight.core.ops"},
    "rushlight.storage": {"rushlight.core.tensor"},
    "rushlight._utils": {"rushlight.core.tensor"},
    "rushlight.fft": {"rushlight.core.tensor"},
    "rushlight.hub": {"rushlight.core.base"},
    "rushlight.linalg": {"rushlight.core.tensor"},
    "rushlight.nn.functional": {"rushlight.core.tensor"},
    "rushlight.nn.parameter": {"rushlight.core.tensor"},
    "rushlight.multiprocessing.reductions": {"rushlight.core.base", "rushlight.core.tensor"},
    "rushlight.optim._pointwise": {"rushlight.core.ops", "rushlight.core.tensor"},
    "rushlight.special": {"rushlight.core.tensor"},
    "rushlight.utils.data._utils": {"rushlight.core.runtime", "rushlight.core.tensor"},
}

# Modules of more than 600 lines that wait for being split.
TOO_LONG = {
    "rushlight.core.ops.gather_scatter",
    "rushlight.core.ops.views",
    "rushlight.core.tensor.tensor",
}


def door_of(name: str) -> str | None:
    """The entry of DOORS that a module belongs to."""
    for door in DOORS:
        if name == door or name.startswith(door + "."):
            return door
    return None


def room_of(imported: str) -> str:
    """rushlight.core.tensor.pickling -> rushlight.core.tensor."""
    return ".".join(imported.split(".")[:3])


def violations(broken) -> list[str]:
    """Return one line for each import for which `broken(name, imported)` is true."""
    return [
        f"{name}, line {line}, imports {imported}"
        for name, line, imported in all_imports()
        if broken(name, imported)
    ]


def test_every_core_module_is_in_a_known_room():
    rooms = {core_room(name) for name in sources()} - {None}
    assert rooms <= set(CORE_LEVELS), f"new rooms need a level: {rooms - set(CORE_LEVELS)}"


def test_lower_never_imports_higher():
    """The bare package, imported inside a function, is the public surface: that is no import of a
    higher room, and it is how derivatives name public ops."""
    in_functions = {(name, line) for name, line in lazy_package_imports()}

    def broken(name, imported):
        if not (imported == "rushlight" or imported.startswith("rushlight.")):
            return False
        return level(imported) > level(name)

    found = [
        f"{name}, line {line}, imports {imported}"
        for name, line, imported in all_imports()
        if broken(name, imported) and not (imported == "rushlight" and (name, line) in in_functions)
    ]
    assert not found, "\n".join(found)


def test_rooms_of_one_level_do_not_import_each_other():
    def broken(name, imported):
        one, other = core_room(name), core_room(imported)
        return (
            one is not None
            and other is not None
            and one != other
            and CORE_LEVELS[one] == CORE_LEVELS[other]
        )

    assert not violations(broken), "\n".join(violations(broken))


def test_upper_rooms_use_the_public_surface():
    used: dict[str, set[str]] = {}
    closed = []
    for name, line, imported in all_imports():
        if core_room(name) is not None or name in ("rushlight", "rushlight.core"):
            continue
        if imported != "rushlight.core" and not imported.startswith("rushlight.core."):
            continue
        door = door_of(name)
        if door is None or room_of(imported) not in DOORS[door]:
            closed.append(f"{name}, line {line}, imports {imported}")
        else:
            used.setdefault(door, set()).add(room_of(imported))
    assert not closed, "\n".join(closed)
    assert used == DOORS, "doors that nobody uses"


def test_nothing_imports_torch():
    def broken(name, imported):
        return imported.split(".")[0] in ("torch", "torchvision", "functorch")

    assert not violations(broken), "\n".join(violations(broken))


def test_only_the_table_of_knobs_reads_the_environment():
    readers = []
    for name, (_, tree) in sources().items():
        if name == ENVIRONMENT_READER:
            continue
        for node in ast.walk(tree):
            from_os = isinstance(node, ast.ImportFrom) and node.module == "os"
            if from_os and any(alias.name in ("environ", "getenv") for alias in node.names):
                readers.append(f"{name}, line {node.lineno}")
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("environ", "getenv", "environb")
                and isinstance(node.value, ast.Name)
                and node.value.id == "os"
            ):
                readers.append(f"{name}, line {node.lineno}")
    assert not readers, "\n".join(readers)


def test_every_knob_is_documented():
    named = set()
    for path, _ in sources().values():
        named |= set(re.findall(r"RUSHLIGHT_[A-Z0-9_]+", path.read_text(encoding="utf-8")))
    documented = (ROOT / "docs" / "knobs.md").read_text(encoding="utf-8")
    lines = {
        match.group(1)
        for match in re.finditer(r"^\| `(RUSHLIGHT_[A-Z0-9_]+)` \|.*\S", documented, re.MULTILINE)
    }
    assert named == lines, f"undocumented: {named - lines}; documented only: {lines - named}"


def is_public(name: str) -> bool:
    """Whether no part of a dotted module name is private."""
    return not any(part.startswith("_") and part != "__main__" for part in name.split("."))


def undocumented(node, prefix, found):
    """Collect public functions and classes without a docstring (methods of a class included)."""
    for child in node.body:
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if child.name.startswith("_"):
            continue
        decorators = {ast.unparse(one) for one in child.decorator_list}
        overload = any(one.endswith(("overload", ".setter", ".deleter")) for one in decorators)
        if not overload and ast.get_docstring(child) is None:
            found.append(f"{prefix}.{child.name}, line {child.lineno}")


def test_every_public_function_has_a_docstring():
    found: list[str] = []
    for name, (_, tree) in sources().items():
        if is_public(name):
            undocumented(tree, name, found)
    assert not found, f"{len(found)} without a docstring:\n" + "\n".join(found)


def test_every_module_has_a_docstring():
    missing = [
        name
        for name, (path, tree) in sources().items()
        if ast.get_docstring(tree) is None and path.read_text(encoding="utf-8").strip()
    ]
    assert not missing, "\n".join(missing)


@functools.cache
def modules_after_import() -> frozenset[str]:
    """What `import rushlight` puts into sys.modules of a fresh interpreter."""
    code = "import sys, rushlight; print('\\n'.join(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return frozenset(done.stdout.split())


@functools.cache
def modules_after_dependencies() -> frozenset[str]:
    """The same for the core's dependencies alone: what they load is not our doing."""
    code = "import sys, numpy, ml_dtypes; print('\\n'.join(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return frozenset(done.stdout.split())


@pytest.mark.parametrize("heavy", HEAVY)
def test_import_loads_nothing_heavy(heavy):
    loaded = modules_after_import() - modules_after_dependencies()
    assert heavy not in loaded


def test_no_module_is_longer_than_600_lines():
    long = {
        name
        for name, (path, _) in sources().items()
        if len(path.read_text(encoding="utf-8").splitlines()) > 600
    }
    assert long == TOO_LONG
