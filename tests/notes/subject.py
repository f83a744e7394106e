"""What the notes' tests run on: rushlight, or PyTorch itself to check the tests' expectations.

    NOTES_MODULE=torch python -m pytest tests/notes        # needs torch and torchvision

`run_notes` executes a code block as a reader would type it, with `torch` and `torchvision`
standing for the module under test.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import io
import os
from typing import Any

NAME = os.environ.get("NOTES_MODULE", "rushlight")
REFERENCE = NAME == "torch"

torch: Any = importlib.import_module(NAME)
nn: Any = importlib.import_module(f"{NAME}.nn")
F: Any = importlib.import_module(f"{NAME}.nn.functional")
optim: Any = importlib.import_module(f"{NAME}.optim")
VISION_NAME = "torchvision" if REFERENCE else "rushlight.vision"


def vision() -> Any:
    """Return the vision package with its four parts loaded."""
    package = importlib.import_module(VISION_NAME)
    for part in ("datasets", "models", "transforms", "utils"):
        importlib.import_module(f"{VISION_NAME}.{part}")
    return package


def _import(name, scope=None, local=None, fromlist=(), level=0):
    for public, real in (("torchvision", VISION_NAME), ("torch", NAME)):
        if level == 0 and (name == public or name.startswith(public + ".")):
            module = importlib.import_module(real + name[len(public) :])
            return module if fromlist else importlib.import_module(real)
    return builtins.__import__(name, scope, local, fromlist, level)


def run_notes(code: str, **names: Any) -> tuple[dict[str, Any], str]:
    """Run a code block of the notes; return its variables and what it printed."""
    scope = {
        "__name__": "__main__",
        "__builtins__": {**vars(builtins), "__import__": _import},
        **names,
    }
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<notes>", "exec"), scope)
    return scope, printed.getvalue()


def teaches(error: BaseException, *remedies: str) -> bool:
    """Whether the text names every remedy. PyTorch's own texts are not asked to."""
    return REFERENCE or all(remedy in str(error) for remedy in remedies)
