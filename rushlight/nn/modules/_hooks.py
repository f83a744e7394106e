"""Everything a module's hooks need: the process-wide tables, registration, and the backward hooks.

Forward hooks are plain callables kept in ordered dicts on the module. Backward hooks need two
points in the graph: where gradients arrive at the module's outputs and where they leave through
its inputs. Each is an identity node (`BackwardHookFunction`) whose derivative calls the hooks.
"""

import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import rushlight
from rushlight.utils.hooks import RemovableHandle, unserializable_hook, warn_if_has_hooks

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "unserializable_hook",
    "warn_if_has_hooks",
]

# Process-wide hooks, which fire for every module. The dicts are shared by identity.
_global_backward_pre_hooks: OrderedDict = OrderedDict()
_global_backward_hooks: OrderedDict = OrderedDict()
_global_forward_pre_hooks: OrderedDict = OrderedDict()
_global_forward_hooks: OrderedDict = OrderedDict()
_global_forward_hooks_always_called: OrderedDict = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict = OrderedDict()
_global_buffer_registration_hooks: OrderedDict = OrderedDict()
_global_module_registration_hooks: OrderedDict = OrderedDict()
_global_parameter_registration_hooks: OrderedDict = OrderedDict()

# "full", "legacy" or None: the kind of global backward hook in use; they may not be mixed.
_global_backward_kind = None


def _has_any_global_hook():
    return bool(
        _global_backward_pre_hooks
        or _global_backward_hooks
        or _global_forward_pre_hooks
        or _global_forward_hooks
        or _global_forward_hooks_always_called
        or _global_forward_hooks_with_kwargs
    )


def _add(hook, table, extra=(), prepend=False):
    """Store `hook` in `table`, mark its id in each dict of `extra`, and return its handle."""
    handle = RemovableHandle(table, extra_dict=list(extra))
    table[handle.id] = hook
    for marks in extra:
        marks[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook):
    """Call `hook(module, name, buffer)` whenever any module registers a buffer."""
    return _add(hook, _global_buffer_registration_hooks)


def register_module_module_registration_hook(hook):
    """Call `hook(module, name, submodule)` whenever any module registers a submodule."""
    return _add(hook, _global_module_registration_hooks)


def register_module_parameter_registration_hook(hook):
    """Call `hook(module, name, parameter)` whenever any module registers a parameter."""
    return _add(hook, _global_parameter_registration_hooks)


def register_module_forward_pre_hook(hook):
    """Call `hook(module, args)` before the forward of every module."""
    return _add(hook, _global_forward_pre_hooks)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Call `hook(module, args, output)` after the forward of every module."""
    extra = []
    if with_kwargs:
        extra.append(_global_forward_hooks_with_kwargs)
    if always_call:
        extra.append(_global_forward_hooks_always_called)
    return _add(hook, _global_forward_hooks, extra)


def _set_global_backward_kind(kind):
    global _global_backward_kind
    if _global_backward_kind not in (None, kind):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them."
        )
    _global_backward_kind = kind


def register_module_backward_hook(hook):
    """Deprecated: the module-wide hook on the last node of every module's graph."""
    _set_global_backward_kind("legacy")
    return _add(hook, _global_backward_hooks)


def register_module_full_backward_pre_hook(hook):
    """Call `hook(module, grad_output)` before the backward of every module."""
    return _add(hook, _global_backward_pre_hooks)


def register_module_full_backward_hook(hook):
    """Call `hook(module, grad_input, grad_output)` after the backward of every module."""
    _set_global_backward_kind("full")
    return _add(hook, _global_backward_hooks)


class _HookRegistration:
    """The `register_*_hook` methods of `Module`."""

    if TYPE_CHECKING:  # what Module defines
        def __getattr__(self, name: str) -> Any: ...

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Call `hook(module, args[, kwargs])` before forward; its result replaces the arguments."""
        extra = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return _add(hook, self._forward_pre_hooks, extra, prepend)

    def register_forward_hook(
        self, hook, *, prepend=False, with_kwargs=False, always_call=False
    ):
        """Call `hook(module, args[, kwargs], output)` after forward; a result replaces the output.

        With `always_call` the hook also runs when the forward raised.
        """
        extra = []
        if with_kwargs:
            extra.append(self._forward_hooks_with_kwargs)
        if always_call:
            extra.append(self._forward_hooks_always_called)
        return _add(hook, self._forward_hooks, extra, prepend)

    def _set_backward_kind(self, full, mixed_text):
        if self._is_full_backward_hook not in (None, full):
            raise RuntimeError(mixed_text)
        self._is_full_backward_hook = full

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Call `hook(module, grad_output)` before the module's backward; a result replaces it."""
        return _add(hook, self._backward_pre_hooks, (), prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """Call `hook(module, grad_input, grad_output)` once the inputs' gradients are known."""
        self._set_backward_kind(
            True,
            "Cannot use both regular backward hooks and full backward hooks on a "
            "single Module. Please use only one of them.",
        )
        return _add(hook, self._backward_hooks, (), prepend)

    def register_backward_hook(self, hook):
        """Deprecated: use `register_full_backward_hook`."""
        self._set_backward_kind(
            False,
            "Cannot use both regular backward hooks and full backward hooks on a "
            "single Module. Please use only one of them.",
        )
        return _add(hook, self._backward_hooks)

    def _get_backward_hooks(self):
        """Return (full hooks, legacy hooks) that apply to this module."""
        everywhere = list(_global_backward_hooks.values())
        own = list(self._backward_hooks.values())
        full = everywhere if _global_backward_kind == "full" else []
        legacy = everywhere if _global_backward_kind == "legacy" else []
        if self._is_full_backward_hook is True:
            full = full + own
        elif self._is_full_backward_hook is False:
            legacy = legacy + own
        return full, legacy

    def _get_backward_pre_hooks(self):
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _maybe_warn_non_full_backward_hook(self, inputs, result, grad_fn):
        """Warn when a legacy backward hook cannot see the whole module."""
        if not (isinstance(result, rushlight.Tensor) or _all_tensors(result)):
            advice = (
                "Using non-full backward hooks on a Module that does not return a single Tensor "
                "or a tuple of Tensors is deprecated and will be removed in future versions. "
            )
        elif not (isinstance(inputs, rushlight.Tensor) or _all_tensors(inputs)):
            advice = (
                "Using non-full backward hooks on a Module that does not take as input a single "
                "Tensor or a tuple of Tensors is deprecated and will be removed in future "
                "versions. "
            )
        elif isinstance(result, tuple) and len({r.grad_fn for r in result}) > 1:
            advice = (
                "Using a non-full backward hook when outputs are generated by different autograd "
                "Nodes is deprecated and will be removed in future versions. "
            )
        else:
            arrivals = {t.grad_fn for t in inputs if t.grad_fn is not None}
            reached = {edge[0] for edge in grad_fn.next_functions}
            if arrivals == reached:
                return
            advice = (
                "Using a non-full backward hook when the forward contains multiple autograd Nodes "
                "is deprecated and will be removed in future versions. This hook will be missing "
                "some grad_input. "
            )
        warnings.warn(
            advice + "Please use register_full_backward_hook to get the documented behavior.",
            FutureWarning,
            stacklevel=2,
        )


def _all_tensors(value):
    return isinstance(value, tuple) and all(isinstance(v, rushlight.Tensor) for v in value)


_boundary_class = None


def _boundary():
    """The identity autograd function of hook points, made on first use.

    It is not made at import since `rushlight.autograd` need not be loaded for a module
    without backward hooks.
    """
    global _boundary_class
    if _boundary_class is not None:
        return _boundary_class

    class BackwardHookFunction(rushlight.autograd.Function):
        """y = x for each tensor; the gradients pass through `on_gradients`."""

        @staticmethod
        def forward(ctx, on_gradients, *tensors):
            ctx.on_gradients = on_gradients
            ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
            return tensors

        @staticmethod
        def backward(ctx, *gradients):
            return (None, *ctx.on_gradients(gradients))

    _boundary_class = BackwardHookFunction
    return _boundary_class


class LegacyBackwardHook:
    """A node hook that calls a module's legacy backward hook."""

    def __init__(self, hook, module):
        self.hook = hook
        self.module = module

    def __call__(self, grad_input, grad_output):
        return self.hook(self.module, grad_input, grad_output)


class BackwardHook:
    """Watches one call of a module: gradients arriving at its outputs, leaving at its inputs."""

    def __init__(self, module, hooks, pre_hooks):
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs = None  # set when the gradients have reached the outputs
        self.output_length = -1
        self.output_places: list | None = None
        self.input_length = -1
        self.input_places: list | None = None

    def setup_input_hook(self, args):
        """Return `args` with its tensors passed through the input boundary."""
        self.input_length = len(args)
        new_args, self.input_places = self._insert_boundary(args, self._leave_inputs)
        return new_args

    def setup_output_hook(self, output):
        """Return `output` with its tensors passed through the output boundary."""
        single = not isinstance(output, tuple)
        values = (output,) if single else output
        self.output_length = len(values)
        values, self.output_places = self._insert_boundary(values, self._reach_outputs)
        return values[0] if single else values

    def _insert_boundary(self, values, on_gradients):
        places = [i for i, v in enumerate(values) if isinstance(v, rushlight.Tensor)]
        tensors = [values[i] for i in places]
        if not (rushlight.is_grad_enabled() and any(t.requires_grad for t in tensors)):
            return values, None
        replaced = list(values)
        passed = _boundary().apply(on_gradients, *tensors)
        for place, tensor in zip(places, passed):
            replaced[place] = tensor
        if hasattr(values, "_fields"):  # a named tuple keeps its type
            return type(values)(*replaced), places
        return tuple(replaced), places

    @staticmethod
    def _spread(gradients, places, length):
        full = [None] * length
        for place, gradient in zip(places, gradients):
            full[place] = gradient
        return tuple(full)

    def _reach_outputs(self, gradients):
        full = self._spread(gradients, self.output_places, self.output_length)
        for hook in self.pre_hooks:
            replacement = hook(self.module, full)
            if replacement is None:
                continue
            full = self._checked(replacement, len(full), "Backward pre hook", "grad_output")
        self.grad_outputs = full
        if self.input_places is None and self.hooks:
            # No input needs a gradient, so nothing will come past the input boundary.
            nothing = (None,) * self.input_length
            for hook in self.hooks:
                if hook(self.module, nothing, full) is not None:
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires "
                        "gradient should always return None or None for all gradients."
                    )
            self.grad_outputs = None
        return tuple(full[place] for place in self.output_places or ())

    def _leave_inputs(self, gradients):
        if self.grad_outputs is None:
            # The outputs' gradients never arrived: only a part of the module was in this backward.
            return gradients
        full = self._spread(gradients, self.input_places, self.input_length)
        for hook in self.hooks:
            replacement = hook(self.module, full, self.grad_outputs)
            if replacement is None:
                continue
            full = self._checked(replacement, len(full), "Backward hook", "grad_input")
        self.grad_outputs = None
        return tuple(full[place] for place in self.input_places or ())

    @staticmethod
    def _checked(replacement, length, who, what):
        if not isinstance(replacement, tuple):
            replacement = (replacement,)
        if len(replacement) != length:
            raise RuntimeError(
                f"{who} returned an invalid number of {what}, "
                f"got {len(replacement)}, but expected {length}"
            )
        return replacement
