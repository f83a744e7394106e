"""Which names a function uses: read off its byte code, with the functions that it calls.

Only the user's functions are read; rushlight's own are known to do nothing but record. What
cannot be known to give the same result every time (printing, clocks, files, other libraries) is
refused by name.
"""

from __future__ import annotations

import builtins
import dis
import sys
import types
from typing import Any

from rushlight.core.tensor.capture import Refused

PURE_BUILTINS = frozenset("""
    abs all any bool bytes callable complex dict divmod enumerate filter float format frozenset
    getattr hasattr hash int isinstance issubclass len list map max min object pow property range
    repr reversed round set slice sorted staticmethod classmethod str sum super tuple type zip
    NotImplemented Ellipsis True False None __build_class__ __debug__ __name__
""".split())
PURE_MODULES = frozenset(("math", "operator", "functools", "typing", "collections", "itertools",
                          "enum", "dataclasses", "abc", "__future__", "contextlib"))
# What the standard library and NumPy do is not known to be the same every time.
_UNKNOWN_MODULES = (sys.stdlib_module_names - {"__main__"}) | {"numpy", "scipy", "ml_dtypes"}
_LOADS = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
_STORES = frozenset(("STORE_GLOBAL", "DELETE_GLOBAL"))
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR",
                         "LOAD_SUPER_ATTR"))
# Special methods that run without their name in anybody's code.
_NOT_CALLED = frozenset("""
    __repr__ __str__ __del__ __getstate__ __setstate__ __reduce__ __reduce_ex__ __sizeof__ __dir__
    __format__ __copy__ __deepcopy__ __init_subclass__ __subclasshook__ __class_getitem__
""".split())


def is_own(module_name) -> bool:
    """Whether code of this module is rushlight's (or shows itself under PyTorch's name)."""
    root = (module_name or "").partition(".")[0]
    return root in ("rushlight", "torch", "torchvision")


class Code:
    """The names that a set of functions uses, growing as functions and classes are added.

    visit(owner, name, value): called once for each global or closure variable in use; `owner` is
    the namespace it was found in.
    """

    def __init__(self, visit):
        self.visit = visit
        self.attributes: set[str] = set()
        self.seen: set[int] = set()
        self.classes: list[Any] = []

    def add_function(self, function) -> None:
        """A Python function of the user's: its own code, closure and globals."""
        if id(function) in self.seen or is_own(function.__module__):
            return
        self.seen.add(id(function))
        for cell, name in zip(function.__closure__ or (), function.__code__.co_freevars):
            try:
                self.visit(cell, name, cell.cell_contents)
            except ValueError:      # not assigned yet
                raise Refused(f"the variable {name!r} has no value yet") from None
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.visit(None, "default", value)
        self._add_code(function.__code__, function.__globals__)

    def _add_code(self, code, names) -> None:
        found = set()
        where = f"{code.co_filename}:{code.co_firstlineno}"
        for instruction in dis.get_instructions(code):
            operation, name = instruction.opname, instruction.argval
            if operation in _LOADS:
                found.add(name)
            elif operation in _STORES:
                raise Refused(f"it assigns the global variable {name!r} ({where})")
            elif operation in _ATTRIBUTES:
                self._add_attribute(name)
            elif operation == "IMPORT_NAME":
                self._check_module(name)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._add_code(constant, names)
        for name in sorted(found):
            if name in names:
                self.visit(names, name, names[name])
            elif hasattr(builtins, name):
                value = getattr(builtins, name)
                if name not in PURE_BUILTINS and not (
                        isinstance(value, type) and issubclass(value, BaseException)):
                    raise Refused(f"it calls {name}()")

    def _check_module(self, name) -> None:
        root = name.partition(".")[0]
        if root not in PURE_MODULES and root in _UNKNOWN_MODULES:
            raise Refused(f"it uses the module {name!r}")

    def add_module(self, module) -> bool:
        """A Python module among the names; whether it is the user's, to be looked into."""
        name = module.__name__
        self._check_module(name)
        if is_own(name) or name.partition(".")[0] in PURE_MODULES:
            return False
        if not str(getattr(module, "__file__", "")).endswith(".py"):
            raise Refused(f"it uses the module {name!r}")
        return True

    def _add_attribute(self, name) -> None:
        if isinstance(name, tuple):      # some versions of Python give (name, flag)
            name = next(item for item in name if isinstance(item, str))
        if name in self.attributes:
            return
        self.attributes.add(name)
        for cls in list(self.classes):
            if name in cls.__dict__:
                self._add_member(cls.__dict__[name])

    def add_class(self, cls, constructed=False) -> None:
        """A class of the user's: the methods whose names are in use, and the special ones.

        constructed: whether the code itself makes instances.
        """
        for base in cls.__mro__:
            if is_own(base.__module__) or base.__module__ == "builtins":
                continue
            if base not in self.classes:
                self.classes.append(base)
                for name, member in list(base.__dict__.items()):
                    special = name[:2] == "__" and name not in _NOT_CALLED and \
                        name not in ("__init__", "__new__", "__post_init__")
                    if special or name == "forward" or name in self.attributes:
                        self._add_member(member)
            if constructed:
                for name in ("__init__", "__new__", "__post_init__"):
                    if name in base.__dict__:
                        self._add_member(base.__dict__[name])

    def _add_member(self, member) -> None:
        if isinstance(member, (staticmethod, classmethod)):
            member = member.__func__
        if isinstance(member, property):
            for function in (member.fget, member.fset):
                if function is not None:
                    self._add_member(function)
            return
        if isinstance(member, types.FunctionType):
            self.add_function(member)
        elif not isinstance(member, (type, types.GetSetDescriptorType,
                                     types.MemberDescriptorType)):
            self.visit(None, "a class's attribute", member)


def returns_next(frame, code) -> bool:
    """Whether the user's frame below `frame` is `code`, about to return what it now waits for."""
    while frame is not None and is_own(frame.f_globals.get("__name__")):
        frame = frame.f_back
    if frame is None or frame.f_code is not code:
        return False
    for instruction in dis.get_instructions(code):
        if instruction.offset > frame.f_lasti and instruction.opname != "CACHE":
            return instruction.opname == "RETURN_VALUE"
    return False
