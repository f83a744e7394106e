"""Which PyTorch names a piece of source uses: found in its syntax tree, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rushlight.compat.names import is_torch_name

# Exceptions by which a program says that it can do without what it tries.
_FORGIVEN = {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", "BaseException"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Use:
    """A dotted PyTorch name used on a line; `guarded` where the program expects its absence."""

    name: str
    line: int
    guarded: bool


@dataclass(frozen=True)
class Import:
    """An import of something else, which may be a file of the program; `level` as in the syntax."""

    module: str
    level: int
    names: tuple[str, ...]


class Scope:
    """The names a function or module binds: to a dotted PyTorch name, or None for anything else."""

    def __init__(self, outer: Scope | None = None):
        self.outer, self.bound = outer, {}

    def find(self, name: str) -> str | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound:
                return scope.bound[name]
            scope = scope.outer
        return None


class UsageFinder(ast.NodeVisitor):
    """Collects `uses` of PyTorch names and `imports` of other modules from one file.

    Aliases are followed through imports, assignments of modules (`conv = nn.Conv2d`) and scopes;
    a parameter or a local variable of the same name hides an alias.

    Example:
        >>> finder = UsageFinder("import torch.nn as nn\\nlayer = nn.Conv9d(1, 2)")
        >>> [use.name for use in finder.uses]
        ['torch.nn', 'torch.nn.Conv9d']
    """

    def __init__(self, source: str | bytes, filename: str = "<string>"):
        self.uses: list[Use] = []
        self.imports: list[Import] = []
        self._scope = Scope()
        self._guards = 0
        self._asked_for: set[str] = set()
        tree = ast.parse(source, filename)
        self._bind_body(tree.body)
        self.visit(tree)
        self.uses = [
            Use(use.name, use.line, use.guarded or self._was_asked_for(use.name))
            for use in self.uses
        ]

    def _was_asked_for(self, name: str) -> bool:
        return any(name == asked or name.startswith(asked + ".") for asked in self._asked_for)

    # -- what names are bound to -------------------------------------------------------------

    def _bind_body(self, body: list[ast.stmt]) -> None:
        """Enter every name the statements bind, looking into blocks but not into functions."""
        for node in _own_nodes(body):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._bind_import(node)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._scope.bound.setdefault(node.name, None)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
                self._scope.bound.setdefault(node.id, None)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                self._scope.bound.setdefault(node.name, None)
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                for name in node.names:
                    self._scope.bound[name] = self._scope.outer and self._scope.outer.find(name)
        for node in _own_nodes(body):  # aliases of aliases, now that imports are known
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target, value = node.targets[0], self._dotted(node.value)
                if isinstance(target, ast.Name) and value is not None:
                    self._scope.bound[target.id] = value

    def _bind_import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                bound = alias.asname or alias.name.partition(".")[0]
                target = alias.name if alias.asname else bound
            else:
                bound, target = alias.asname or alias.name, f"{node.module}.{alias.name}"
                if node.level:
                    target = ""
            self._scope.bound[bound] = target if is_torch_name(target) else None

    def _dotted(self, node: ast.AST) -> str | None:
        """Return the PyTorch name an expression spells, or None."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        root = self._scope.find(node.id)
        return None if root is None else ".".join([root, *reversed(parts)])

    # -- the walk ----------------------------------------------------------------------------

    def _use(self, name: str, node: ast.AST) -> None:
        self.uses.append(Use(name, getattr(node, "lineno", 0), self._guards > 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if is_torch_name(alias.name):
                self._use(alias.name, node)
            else:
                self.imports.append(Import(alias.name, 0, ()))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or not is_torch_name(module):
            self.imports.append(Import(module, node.level, tuple(a.name for a in node.names)))
            return
        self._use(module, node)
        for alias in node.names:
            if alias.name != "*":
                self._use(f"{module}.{alias.name}", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self._dotted(node)
        if name is None:
            self.generic_visit(node)
        elif isinstance(node.ctx, ast.Load):
            self._use(name, node)

    def visit_Try(self, node: ast.Try) -> None:
        forgiving = any(_forgives(handler) for handler in node.handlers)
        self._guards += forgiving
        for statement in node.body:
            self.visit(statement)
        self._guards -= forgiving
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in ("hasattr", "getattr"):
            owner = self._dotted(node.args[0]) if node.args else None
            name = node.args[1] if len(node.args) > 1 else None
            if owner and isinstance(name, ast.Constant) and isinstance(name.value, str):
                full = f"{owner}.{name.value}"
                if node.func.id == "hasattr" or len(node.args) > 2:
                    self._asked_for.add(full)
                else:
                    self._use(full, node)
        self.generic_visit(node)

    def _visit_function(self, node: Any) -> None:
        arguments = node.args
        for part in (*getattr(node, "decorator_list", ()), *arguments.defaults,
                     *(d for d in arguments.kw_defaults if d is not None),
                     getattr(node, "returns", None)):  # fmt: skip
            if part is not None:
                self.visit(part)
        listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        listed += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        for argument in listed:
            if argument.annotation is not None:
                self.visit(argument.annotation)
        self._scope = Scope(self._scope)
        for argument in listed:
            self._scope.bound[argument.arg] = None
        body: list[Any] = [node.body] if isinstance(node, ast.Lambda) else node.body
        if not isinstance(node, ast.Lambda):
            self._bind_body(body)
        for statement in body:
            self.visit(statement)
        self._scope = self._scope.outer or self._scope

    visit_FunctionDef = _visit_function
    visit_AsyncFunctionDef = _visit_function
    visit_Lambda = _visit_function


def _own_nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes of a scope in order; bodies of functions and classes are not part of it."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            continue
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def _forgives(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in _FORGIVEN for kind in kinds)
