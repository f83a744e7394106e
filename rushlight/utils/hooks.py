"""Handles of registered hooks, for tensors, modules and optimizers alike."""

import warnings
import weakref
from collections import OrderedDict

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


class RemovableHandle:
    """Names one hook in a dict of hooks and can take it out again.

    >>> hooks = OrderedDict()
    >>> handle = RemovableHandle(hooks)
    >>> hooks[handle.id] = print
    >>> handle.remove()
    >>> len(hooks)
    0

    As a context manager it removes the hook at the end of the block. `extra_dict` is a dict, or
    a list of dicts, in which the same id is removed too.
    """

    next_id = 0

    def __init__(self, hooks_dict, *, extra_dict=None):
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        # Weak, so that a forgotten handle keeps neither a tensor nor a module alive.
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        if extra_dict is None:
            extra_dict = ()
        elif isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.extra_dict_ref = tuple(weakref.ref(each) for each in extra_dict)

    def remove(self):
        """Take the hook out; doing so twice is harmless."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self):
        tables = tuple(reference() for reference in self.extra_dict_ref)
        return (self.hooks_dict_ref(), self.id, tables)

    def __setstate__(self, state):
        table, self.id = state[0], state[1]
        # A dead table is replaced by an empty one, so that remove() stays harmless.
        self.hooks_dict_ref = weakref.ref(OrderedDict() if table is None else table)
        extra = state[2] if len(state) > 2 else ()
        self.extra_dict_ref = tuple(
            weakref.ref(OrderedDict() if each is None else each) for each in extra
        )
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.remove()


def unserializable_hook(function):
    """Mark `function` as a hook that pickling a tensor or module leaves out, with a warning."""
    function.__torch_unserializable__ = True
    return function


def warn_if_has_hooks(tensor):
    """Warn about the hooks of `tensor` that a pickle will not hold."""
    for hook in (tensor._backward_hooks or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, "
                "you can decorate the function with @torch.utils.hooks.unserializable_hook to "
                "suppress this warning",
                stacklevel=2,
            )
