"""The import hook: PyTorch's module paths resolve to rushlight's modules, the same objects.

A missing module, attribute or imported name raises the type Python raises for it
(ModuleNotFoundError, AttributeError, ImportError), so that `hasattr` and `try: import` in
libraries work, with a text that says what rushlight has not got.
"""

from __future__ import annotations

import importlib
import importlib.util
import opcode
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, cast

from rushlight.compat import TORCH_VERSION, TORCHVISION_VERSION
from rushlight.compat.names import is_torch_name, missing_text, rushlight_name, torch_name

_IMPORT_FROM = opcode.opmap["IMPORT_FROM"]
_HOOK_NAME = "__getattr__"


def install() -> bool:
    """Put the hook first among the finders; return whether it was not there before."""
    if any(isinstance(finder, TorchFinder) for finder in sys.meta_path):
        return False
    import rushlight

    rushlight.__version__ = TORCH_VERSION
    sys.meta_path.insert(0, TorchFinder())
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "rushlight" and isinstance(module, ModuleType):
            _name_what_is_missing(module)
    return True


class TorchFinder:
    """A meta path finder for `torch`, `torchvision` and everything below them."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.startswith("rushlight."):
            return _spec_that_teaches(fullname, path)
        if not is_torch_name(fullname):
            return None
        module = _real_module(fullname)
        if module is None:
            # An import statement gets the explanation; importlib.util.find_spec gets None.
            if sys._getframe(2).f_code.co_name == "_find_and_load_unlocked":
                text = _no_module_text(fullname) or missing_text(fullname)
                raise ModuleNotFoundError(text, name=fullname)
            return None
        spec = ModuleSpec(
            fullname,
            cast(Any, AliasLoader(module)),
            origin=getattr(module, "__file__", None),
            is_package=hasattr(module, "__path__"),
        )
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations = list(module.__path__)
        return spec

    def find_distributions(self, context: Any) -> list[Any]:
        """Answer importlib.metadata for the two names, as libraries look up versions there."""
        versions = {"torch": TORCH_VERSION, "torchvision": TORCHVISION_VERSION}
        name = getattr(context, "name", None)
        return [_distribution(name, versions[name])] if name in versions else []


class AliasLoader:
    """Hands out a module that exists already, and leaves it as it was."""

    def __init__(self, module: ModuleType):
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        # importlib has just put the alias's spec on the module; it keeps its own.
        module.__spec__ = self.spec


def _real_module(fullname: str) -> ModuleType | None:
    real = rushlight_name(fullname)
    try:
        module = importlib.import_module(real)
    except ModuleNotFoundError as error:
        # Absent itself, or below something that is no package; a dependency missing inside an
        # existing module is another error and goes up as it is.
        if not (error.name and (real == error.name or real.startswith(error.name + "."))):
            raise
        return None
    if fullname == "torchvision":
        vars(module)["__version__"] = TORCHVISION_VERSION
    _name_what_is_missing(module)
    return module


def _no_module_text(fullname: str) -> str | None:
    """What to write instead of `import package.Class`; None where there is no such name either."""
    parent, _, name = fullname.rpartition(".")
    module = _real_module(parent) if parent else None
    if module is None or not hasattr(module, name):
        return None
    return (
        f"No module named {fullname!r}: {name} is a name in the module {parent}; "
        f"write `from {parent} import {name}`"
    )


def _spec_that_teaches(fullname: str, path: Any) -> ModuleSpec | None:
    """Find a module of rushlight as usual, and name what is missing in it once it is loaded."""
    spec = PathFinder.find_spec(fullname, path)
    loader = spec.loader if spec is not None else None
    if loader is None or torch_name(fullname) is None:
        return spec
    plain = loader.exec_module

    def load_and_teach(module: ModuleType) -> None:
        plain(module)
        _name_what_is_missing(module)

    loader.exec_module = load_and_teach  # on this instance: one loader serves one module
    return spec


def _name_what_is_missing(module: ModuleType) -> None:
    """Give the module a `__getattr__` that falls back to the explanation."""
    name = torch_name(module.__name__)
    own = module.__dict__.get(_HOOK_NAME)
    if name is None or getattr(own, "names_what_is_missing", False):
        return

    def find_attribute(attribute: str) -> Any:
        if own is not None:
            try:
                return own(attribute)
            except AttributeError:
                pass
        if attribute.startswith("__"):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        text = missing_text(f"{name}.{attribute}")
        if _is_from_import(sys._getframe(1)):
            # After an AttributeError Python would raise its own text, without ours.
            raise ImportError(text, name=name)
        raise AttributeError(text, name=attribute, obj=module)

    setattr(find_attribute, "names_what_is_missing", True)  # noqa: B010
    module.__dict__[_HOOK_NAME] = find_attribute


def _is_from_import(frame: Any) -> bool:
    code, place = frame.f_code.co_code, frame.f_lasti
    return 0 <= place < len(code) and code[place] == _IMPORT_FROM


def _distribution(name: str, version: str) -> Any:
    from importlib.metadata import Distribution

    class RushlightAsTorch(Distribution):
        def read_text(self, filename: str) -> str | None:
            if filename not in ("METADATA", "PKG-INFO"):
                return None
            return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

        def locate_file(self, path: Any) -> Any:
            import pathlib

            return pathlib.Path(__file__).parents[1] / path

    return RushlightAsTorch()
