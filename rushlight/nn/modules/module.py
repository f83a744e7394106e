"""`Module`: the base class of everything with parameters.

A module is a callable with a `forward` and eight kinds of named state, kept in dicts whose names
are part of the interface: `_parameters`, `_buffers`, `_modules`, `_backward_hooks`,
`_forward_hooks`, `_forward_pre_hooks`, `_state_dict_hooks` and `_load_state_dict_pre_hooks`.
Assigning a Parameter, a Module or a Buffer to an attribute registers it; the rest of this file is
what follows from that. Walking the tree, the state_dict machinery, conversion and hook
registration are in the four underscore files beside this one.
"""

from collections import OrderedDict

import rushlight
from rushlight.nn.modules import _hooks
from rushlight.nn.modules._conversion import _ModuleConversion
from rushlight.nn.modules._hooks import (  # noqa: F401 (part of this module's interface)
    BackwardHook,
    LegacyBackwardHook,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_buffer_registration_hooks,
    _global_forward_hooks,
    _global_forward_hooks_always_called,
    _global_forward_hooks_with_kwargs,
    _global_forward_pre_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    _has_any_global_hook,
    _HookRegistration,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from rushlight.nn.modules._state import (  # noqa: F401 (part of this module's interface)
    _EXTRA_STATE_KEY_SUFFIX,
    _IncompatibleKeys,
    _ModuleState,
)
from rushlight.nn.modules._traversal import _ModuleTraversal
from rushlight.nn.parameter import Buffer, Parameter

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

# Attributes of every module that hold hooks, with the type of an empty one.
_HOOK_TABLES = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def _typename(value):
    if isinstance(value, rushlight.Tensor):
        return value.type()
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _addindent(text, spaces):
    """Indent every line of `text` but the first."""
    return text.replace("\n", "\n" + spaces * " ")


class Module(
    _HookRegistration, _ModuleConversion, _ModuleState, _ModuleTraversal
):
    """Base class of all networks and layers.

    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.linear = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.linear(x).relu()

    `Net()(x)` runs `forward` and the hooks. `super().__init__()` must come before the first
    assignment of a parameter or module; otherwise AttributeError says so.
    """

    dump_patches = False
    _version = 1
    training: bool
    call_super_init = False
    _compiled_call_impl = None

    def __init__(self, *args, **kwargs):
        if not self.call_super_init and (args or kwargs):
            if kwargs:
                unknown = next(iter(kwargs))
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"'{unknown}'"
                )
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument but "
                f"{len(args) + 1} were given"
            )
        # Straight into the dict: __setattr__ would look each value over first.
        state = self.__dict__
        state["training"] = True
        state["_parameters"] = {}
        state["_buffers"] = {}
        state["_non_persistent_buffers_set"] = set()
        state["_backward_pre_hooks"] = OrderedDict()
        state["_backward_hooks"] = OrderedDict()
        state["_is_full_backward_hook"] = None
        for table in _HOOK_TABLES[2:]:
            state[table] = OrderedDict()
        state["_modules"] = {}
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input):
        """Compute the output; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
            + self._forward_remedy
        )

    # What the error above goes on to say; containers know better.
    _forward_remedy = ": define `def forward(self, x)` inside the class, one level in"

    # Registration

    def _not_initialized(self, what):
        return AttributeError(
            f"cannot assign {what} before Module.__init__() call: put super().__init__() first in "
            f"{type(self).__name__}.__init__"
        )

    def _check_new_name(self, kind, name, where):
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_typename(name)}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in where:
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name, tensor, persistent=True):
        """Add a tensor that is state but no parameter, such as running statistics.

        A buffer moves with the module; it is in the state_dict if `persistent`.
        """
        if "_buffers" not in self.__dict__:
            raise self._not_initialized("buffer")
        self._check_new_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, rushlight.Tensor):
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        for hook in _global_buffer_registration_hooks.values():
            replacement = hook(self, name, tensor)
            tensor = tensor if replacement is None else replacement
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name, param):
        """Add a parameter under `name`; None marks a parameter the module goes without."""
        if "_parameters" not in self.__dict__:
            raise self._not_initialized("parameter")
        self._check_new_name("parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )
        if param is not None:
            for hook in _global_parameter_registration_hooks.values():
                replacement = hook(self, name, param)
                param = param if replacement is None else replacement
        self._parameters[name] = param

    def add_module(self, name, module):
        """Add `module` as the child `name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        self._check_new_name("module", name, self._modules)
        for hook in _global_module_registration_hooks.values():
            replacement = hook(self, name, module)
            module = module if replacement is None else replacement
        self._modules[name] = module

    def register_module(self, name, module):
        """The same as `add_module`."""
        self.add_module(name, module)

    # Attributes

    def __getattr__(self, name):
        # Only called for what is not an ordinary attribute.
        state = self.__dict__
        if "_parameters" in state:
            parameters = state["_parameters"]
            if name in parameters:
                return parameters[name]
        if "_buffers" in state:
            buffers = state["_buffers"]
            if name in buffers:
                return buffers[name]
        if "_modules" in state:
            modules = state["_modules"]
            if name in modules:
                return modules[name]
        kind, remedy = type(self).__name__, ""
        if "_modules" not in state:
            remedy = f" ({kind}.__init__ did not call super().__init__())"
        raise AttributeError(f"'{kind}' object has no attribute '{name}'{remedy}")

    def __setattr__(self, name, value):
        state = self.__dict__
        parameters = state.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise self._not_initialized("parameters")
            self._forget(name, parameters)
            self.register_parameter(name, value)
            return
        if parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
            return
        modules = state.get("_modules")
        if isinstance(value, Module):
            if modules is None:
                raise self._not_initialized("module")
            self._forget(name, modules)
            for hook in _global_module_registration_hooks.values():
                replacement = hook(self, name, value)
                value = value if replacement is None else replacement
            modules[name] = value
            return
        if modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            for hook in _global_module_registration_hooks.values():
                replacement = hook(self, name, value)
                value = value if replacement is None else replacement
            modules[name] = value
            return
        if not self._set_buffer(name, value, state.get("_buffers")):
            object.__setattr__(self, name, value)

    def _set_buffer(self, name, value, buffers):
        """Assign to a buffer if `value` or `name` is one; return whether it was."""
        if isinstance(value, rushlight.Tensor) and isinstance(value, Buffer):
            if buffers is None:
                raise self._not_initialized("buffer")
            self._forget(name, buffers)
            self.register_buffer(name, value, getattr(value, "persistent", True))
            return True
        if buffers is None or name not in buffers:
            return False
        if value is not None and not isinstance(value, rushlight.Tensor):
            raise TypeError(
                f"cannot assign '{_typename(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        for hook in _global_buffer_registration_hooks.values():
            replacement = hook(self, name, value)
            value = value if replacement is None else replacement
        buffers[name] = value
        return True

    def _forget(self, name, keep):
        """Drop `name` from every place an attribute can be in, except from the dict `keep`."""
        state = self.__dict__
        state.pop(name, None)
        for table in ("_parameters", "_buffers", "_modules"):
            members = state.get(table)
            if members is not None and members is not keep:
                members.pop(name, None)
        if keep is not state.get("_buffers"):
            state.get("_non_persistent_buffers_set", set()).discard(name)

    def __delattr__(self, name):
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            super().__delattr__(name)

    def __dir__(self):
        names = set(dir(type(self)))
        names.update(self.__dict__, self._parameters, self._modules, self._buffers)
        return sorted(name for name in names if not name[0].isdigit())

    # Calling

    def _wrapped_call_impl(self, *args, **kwargs):
        if self._compiled_call_impl is not None:
            return self._compiled_call_impl(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _call_impl(self, *args, **kwargs):
        return self._call_with_hooks(args, kwargs)

    def __call__(self, *args, **kwargs):
        # Without hooks, which is the usual path, straight to forward.
        if not (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _global_forward_hooks
            or _global_forward_pre_hooks
            or _global_backward_hooks
            or _global_backward_pre_hooks
            or self._compiled_call_impl is not None
        ):
            return self.forward(*args, **kwargs)
        return self._wrapped_call_impl(*args, **kwargs)

    def _run_forward_hook(self, key, hook, with_kwargs, args, kwargs, result):
        if key in with_kwargs:
            replacement = hook(self, args, kwargs, result)
        else:
            replacement = hook(self, args, result)
        return result if replacement is None else replacement

    def _call_with_hooks(self, args, kwargs):
        always_called = set()
        result = None
        try:
            result = self._run_between_hooks(args, kwargs, always_called)
            return result
        except Exception:
            # Hooks that must always run still get their turn, with what there is of a result.
            for table, marks, with_kwargs in (
                (
                    _global_forward_hooks,
                    _global_forward_hooks_always_called,
                    _global_forward_hooks_with_kwargs,
                ),
                (
                    self._forward_hooks,
                    self._forward_hooks_always_called,
                    self._forward_hooks_with_kwargs,
                ),
            ):
                for key, hook in list(table.items()):
                    if key not in marks or key in always_called:
                        continue
                    try:
                        result = self._run_forward_hook(
                            key, hook, with_kwargs, args, kwargs, result
                        )
                    except Exception as error:
                        import warnings

                        warnings.warn(
                            "module forward hook with ``always_call=True`` raised an exception "
                            "that was silenced as another error was raised in forward: "
                            f"{error}",
                            stacklevel=2,
                        )
            raise

    def _run_between_hooks(self, args, kwargs, always_called):
        full, legacy = self._get_backward_hooks()
        before_backward = self._get_backward_pre_hooks()

        for hook in list(_global_forward_pre_hooks.values()):
            args = self._positional(hook(self, args), args)
        for key, hook in list(self._forward_pre_hooks.items()):
            if key not in self._forward_pre_hooks_with_kwargs:
                args = self._positional(hook(self, args), args)
                continue
            replacement = hook(self, args, kwargs)
            if replacement is None:
                continue
            if not (isinstance(replacement, tuple) and len(replacement) == 2):
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {replacement}."
                )
            args, kwargs = replacement

        watch = None
        if full or before_backward:
            watch = BackwardHook(self, full, before_backward)
            args = watch.setup_input_hook(args)

        result = self.forward(*args, **kwargs)

        for table, marks, with_kwargs in (
            (
                _global_forward_hooks,
                _global_forward_hooks_always_called,
                _global_forward_hooks_with_kwargs,
            ),
            (
                self._forward_hooks,
                self._forward_hooks_always_called,
                self._forward_hooks_with_kwargs,
            ),
        ):
            for key, hook in list(table.items()):
                if key in marks:
                    always_called.add(key)
                result = self._run_forward_hook(key, hook, with_kwargs, args, kwargs, result)

        if watch is not None:
            if not isinstance(result, (rushlight.Tensor, tuple)):
                import warnings

                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple "
                    f"of Tensors but received {type(result)}",
                    stacklevel=3,
                )
            result = watch.setup_output_hook(result)
        if legacy:
            self._hook_last_node(legacy, args, result)
        return result

    @staticmethod
    def _positional(replacement, args):
        if replacement is None:
            return args
        return replacement if isinstance(replacement, tuple) else (replacement,)

    def _hook_last_node(self, hooks, args, result):
        """Put the legacy backward hooks on the node that made the (first) output."""
        first = result
        while not isinstance(first, rushlight.Tensor):
            if isinstance(first, dict):
                first = next(v for v in first.values() if isinstance(v, rushlight.Tensor))
            else:
                first = first[0]
        node = first.grad_fn
        if node is None:
            return
        for hook in hooks:
            node.register_hook(LegacyBackwardHook(hook, self))
        self._maybe_warn_non_full_backward_hook(args, result, node)

    def compile(self, *args, **kwargs):
        """Compile this module's call in place with `rushlight.compile`."""
        self._compiled_call_impl = rushlight.compile(self._call_impl, *args, **kwargs)

    # Training state

    def train(self, mode=True):
        """Set `training` here and below; dropout and batch norm behave by it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """The same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Set whether autograd records operations on the parameters, in place."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Drop the parameters' gradients, or fill them with zeros."""
        if getattr(self, "_is_replica", False):
            import warnings

            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. "
                "The parameters are copied (in a differentiable manner) from the original module. "
                "This means they are not leaf nodes in autograd and so don't accumulate gradients. "
                "If you need gradients in your forward method, consider using autograd.grad "
                "instead.",
                stacklevel=2,
            )
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                if parameter.grad.grad_fn is not None:
                    parameter.grad.detach_()
                else:
                    parameter.grad.requires_grad_(False)
                parameter.grad.zero_()

    # Text and pickling

    def _get_name(self):
        return type(self).__name__

    def extra_repr(self):
        """Return the text between the parentheses of the module's repr."""
        return ""

    def _child_lines(self):
        return [
            f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()
        ]

    def __repr__(self):
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = self._child_lines()
        lines = extra_lines + child_lines
        if not lines:
            body = ""
        elif len(extra_lines) == 1 and not child_lines:
            body = extra_lines[0]
        else:
            body = "\n  " + "\n  ".join(lines) + "\n"
        return f"{self._get_name()}({body})"

    def __getstate__(self):
        # A compiled call is rebuilt on demand, never copied or pickled.
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        # Tables that a pickle of an older version may lack.
        for table in _HOOK_TABLES:
            self.__dict__.setdefault(table, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    def _replicate_for_data_parallel(self):
        """Return a shallow copy whose dicts can be changed without changing this module's."""
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        replica._parameters = {}
        replica._buffers = self._buffers.copy()
        replica._modules = self._modules.copy()
        replica._is_replica = True
        return replica


def __getattr__(name):
    # The flag is rebound in _hooks, so it is looked up there each time.
    if name == "_global_is_full_backward_hook":
        kind = _hooks._global_backward_kind
        return None if kind is None else kind == "full"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
