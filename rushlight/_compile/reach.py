"""The Python state that a function can reach, so that a change to it is noticed.

`Reach` walks from a function and its arguments over variables, attributes, modules, optimizers and
containers. It collects the tensors (which a replay reads and writes) and a picture of everything
else (which has to be as it was when the call was captured).
"""

from __future__ import annotations

import enum
import functools
import types
from itertools import chain
from operator import is_
from typing import Any

import rushlight
from rushlight.core.tensor.capture import Refused
from rushlight.core.tensor.generator import Generator, default_generator

from .code import Code, is_own

PLAIN = (int, float, complex, bool, str, bytes, type(None), type(Ellipsis), range, slice)
_OPAQUE = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType,
           types.MethodWrapperType, types.GetSetDescriptorType, enum.Enum)
LIMIT = 20_000              # objects; a larger state is not worth looking over at every call
_MISSING = object()


def _attached(tensor):
    """The names of the attributes that a program has put on a tensor."""
    return [name for name in tensor.__dict__ if name[0] != "_"]


class Reach:
    """See the module's text. Raises Refused where something cannot be looked over."""

    def __init__(self, function, arguments):
        self.tensors: dict[int, Any] = {}
        self.generators = {id(default_generator): default_generator}
        self.whole: list[Any] = []          # dicts and lists, looked at item by item
        self.entries: list[tuple] = []      # (mapping or cell, key)
        self.groups: set[int] = set()       # optimizers' parameter groups
        self.empty: list[Any] = []          # containers that have to stay empty
        self._seen: dict[int, Any] = {}
        self._instances: list[Any] = []
        self._code = Code(self._variable)
        self.visit(function)
        for argument in arguments:
            self.visit(argument)
        self._attributes_in_use()
        self.reads_groups = "param_groups" in self._code.attributes
        self._take_picture()

    # -- walking ---------------------------------------------------------------------------------

    def _variable(self, owner, name, value):
        if owner is not None:
            self.entries.append((owner, name))
        if isinstance(value, type) and not is_own(value.__module__):
            self._code.add_class(value, constructed=True)
        self.visit(value)

    def visit(self, value) -> None:
        """Look over one object and what it holds."""
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, PLAIN) or id(item) in self._seen:
                continue
            self._seen[id(item)] = item
            if len(self._seen) > LIMIT:
                raise Refused("it can reach too many objects")
            stack.extend(self._look(item))

    def _look(self, item) -> Any:
        """The objects that one holds, after noting it."""
        kind = type(item)
        if isinstance(item, rushlight.Tensor):
            return self._tensor(item)
        if isinstance(item, (dict, types.MappingProxyType)):
            return self._container(item, chain(item.keys(), item.values()))
        if isinstance(item, list):
            return self._container(item, item)
        if isinstance(item, (tuple, frozenset)):
            return item
        if isinstance(item, set):
            if item:
                raise Refused("it can reach a set")
            self.empty.append(item)
            return ()
        if isinstance(item, types.ModuleType):
            if self._code.add_module(item):
                self._instances.append(item)
            return ()
        if hasattr(item, "__wrapped__"):         # a decorated function
            self.visit(item.__wrapped__)
        if isinstance(item, types.FunctionType):
            self._code.add_function(item)
            return ()
        if isinstance(item, types.MethodType):
            return (item.__self__, item.__func__)
        if isinstance(item, functools.partial):
            return (item.func, item.args, item.keywords)
        if isinstance(item, type):
            if not is_own(item.__module__):
                self._code.add_class(item)
            return ()
        if isinstance(item, Generator):
            self.generators[id(item)] = item
            return ()
        if isinstance(item, _OPAQUE):
            return ()
        if isinstance(item, rushlight.optim.Optimizer):
            return self._optimizer(item)
        if is_own(kind.__module__) and not hasattr(item, "__dict__"):
            return ()
        if hasattr(item, "__next__") or hasattr(item, "send"):
            raise Refused(f"it can reach an iterator ({kind.__name__})")
        if not hasattr(item, "__dict__"):
            raise Refused(f"it can reach an object of the type {kind.__module__}.{kind.__name__}")
        if is_own(kind.__module__) and not isinstance(item, rushlight.nn.Module):
            return self._container(item.__dict__, item.__dict__.values())
        self._code.add_class(kind)
        if kind.__module__.partition(".")[0] in ("numpy", "random", "threading", "_io", "queue"):
            raise Refused(f"it can reach an object of the type {kind.__module__}.{kind.__name__}")
        if is_own(kind.__module__):
            return self._container(item.__dict__, item.__dict__.values())
        self._instances.append(item)
        return self._module_tables(item)

    def _tensor(self, item):
        """A tensor, its gradient, and what the user has attached to it."""
        self.tensors[id(item)] = item
        attached = _attached(item)
        self.entries += [(item.__dict__, name) for name in attached]
        held = [item.__dict__[name] for name in attached]
        return held if item._grad is None else [*held, item._grad]

    def _container(self, item, contents):
        if item:
            self.whole.append(item)
            return list(contents)
        self.empty.append(item)
        return ()

    def _module_tables(self, item):
        """What a module of the user's has beside attributes: children, parameters, hooks."""
        if not isinstance(item, rushlight.nn.Module):
            return ()
        state = item.__dict__
        self.entries.append((state, "training"))
        self.entries.append((state, "_compiled_call_impl"))
        return [value for name, value in state.items()
                if name in ("_parameters", "_buffers", "_modules") or name.endswith("_hooks")]

    def _optimizer(self, item):
        """Groups, state and hooks; what it remembers for its own use may change."""
        self.groups.update(map(id, item.param_groups))
        state = item.__dict__
        for name in ("state", "param_groups", "defaults", "step"):
            self.entries.append((state, name))
        self._code.add_class(type(item))
        return [item.state, item.param_groups, item.defaults,
                *[value for name, value in state.items() if name.endswith("_hooks")]]

    def _attributes_in_use(self):
        """Attributes of the user's instances, as far as any code in reach names them."""
        done: set = set()
        while True:
            todo = [(i, item, name) for i, item in enumerate(self._instances)
                    for name in sorted(self._code.attributes) if (i, name) not in done]
            if not todo:
                return
            for i, item, name in todo:
                done.add((i, name))
                if isinstance(item, types.ModuleType) and name not in item.__dict__:
                    continue
                self.entries.append((item.__dict__, name))
                if name in item.__dict__:
                    self.visit(item.__dict__[name])
                for cls in type(item).__mro__:
                    if name in cls.__dict__ and not is_own(cls.__module__) and \
                            cls.__module__ != "builtins":
                        self.entries.append((cls.__dict__, name))
                        self.visit(cls.__dict__[name])

    # -- comparing -------------------------------------------------------------------------------

    def _take_picture(self):
        self._dicts = [item for item in self.whole if not isinstance(item, list)]
        self._lists = [item for item in self.whole if isinstance(item, list)]
        self._lengths = list(map(len, self.whole))
        self._keys = [list(item) for item in self._dicts]
        self._all_keys = list(chain.from_iterable(self._keys))
        self._cells = [owner for owner, _ in self.entries if type(owner) is types.CellType]
        self._named = [(owner, name) for owner, name in self.entries
                       if type(owner) is not types.CellType]
        # Views follow their dicts: made once, they show what the dicts hold at any time.
        self._ordered = [*[item.values() for item in self._dicts], *self._lists]
        self._picture = list(self._contents())
        self._attached = sum([len(_attached(t)) for t in self.tensors.values()])

    def attaches(self) -> bool:
        """Whether tensors have attributes of the user's that they did not have."""
        return sum([len(_attached(t)) for t in self.tensors.values()]) != self._attached

    def _contents(self):
        return chain(chain.from_iterable(self._ordered),
                     [cell.cell_contents for cell in self._cells],
                     [owner.get(name, _MISSING) for owner, name in self._named])

    def changes(self) -> Any:
        """What is not as it was: () for nothing, else (owner, key, old, new) of each change.

        None where the shape of something changed: a container grew, a hook was added.
        """
        if any(self.empty) or list(map(len, self.whole)) != self._lengths:
            return None
        try:
            if all(map(is_, self._contents(), self._picture)) and \
                    all(map(is_, chain.from_iterable(self._dicts), self._all_keys)):
                return ()
            now = list(self._contents())
        except (ValueError, RuntimeError):      # a cell without content, a dict that changes
            return None
        return self._differences(now)

    def _differences(self, now):
        if any(not all(map(is_, item, keys)) for item, keys in zip(self._dicts, self._keys)):
            return None
        owners = [(item, key) for item, keys in zip(self._dicts, self._keys) for key in keys]
        owners += [(item, i) for item in self._lists for i in range(len(item))]
        owners += [(cell, "a variable") for cell in self._cells]
        owners += self._named
        found = []
        for place, (old, new, owner) in enumerate(zip(self._picture, now, owners)):
            if old is new:
                continue
            if type(old) is type(new) and isinstance(old, PLAIN) and old == new:
                self._picture[place] = new      # equal, but another object
            else:
                found.append((*owner, old, new, place))
        return found

    def accept(self, change) -> None:
        """Take a change as the new picture."""
        self._picture[change[4]] = change[3]
