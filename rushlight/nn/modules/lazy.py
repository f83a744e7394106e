"""`LazyModuleMixin`: layers that learn their input size from the first input they see."""

import warnings
from typing import TYPE_CHECKING, Any

from rushlight.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """Base of the Lazy layers. Subclasses define `cls_to_become` and `initialize_parameters`.

    A pre-hook calls `initialize_parameters` with the first call's arguments, after which the
    layer is of class `cls_to_become` and the hooks are gone.
    """

    if TYPE_CHECKING:  # what Module defines
        def __getattr__(self, name: str) -> Any: ...

    cls_to_become = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )
        warnings.warn(
            "Lazy modules are a new feature under heavy development so changes to the API or "
            "functionality can happen at any moment.",
            stacklevel=2,
        )

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        # An uninitialized tensor is saved as it is: it has no values to detach.
        for name, parameter in self._parameters.items():
            if parameter is not None:
                whole = is_lazy(parameter) or keep_vars
                destination[prefix + name] = parameter if whole else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                whole = is_lazy(buffer) or keep_vars
                destination[prefix + name] = buffer if whole else buffer.detach()

    def _lazy_load_hook(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        """Take the shapes of what is loaded, so that it can be copied."""
        for members in (self._parameters, self._buffers):
            for name, own in members.items():
                given = state_dict.get(prefix + name)
                if own is None or given is None or not is_lazy(own) or is_lazy(given):
                    continue
                own.materialize(given.shape)

    def initialize_parameters(self, *args, **kwargs):
        """Materialize the parameters from the arguments of the first call."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self):
        """Whether any parameter or buffer still waits for its shape."""
        members = [*self._parameters.values(), *self._buffers.values()]
        return any(is_lazy(member) for member in members)

    def _infer_parameters(self, module, args, kwargs=None):
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(
                f"module {self._get_name()} has not been fully initialized"
            )
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self):
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. "
            "Run a dummy forward pass to correctly initialize the modules"
        )
