"""`state_dict` and `load_state_dict`: a module's parameters and buffers as one flat dict."""

from collections import OrderedDict, namedtuple
from typing import TYPE_CHECKING, Any

import rushlight
from rushlight.nn.modules._hooks import _add
from rushlight.nn.parameter import Parameter, is_lazy

__all__ = []

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` found only in the model, and only in the given dict."""

    __slots__ = ()

    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class _LoadHook:
    """A load hook that is also given its module, without keeping the module alive."""

    def __init__(self, hook, module=None):
        import weakref

        self.hook = hook
        self.module = None if module is None else weakref.ref(module)

    def __call__(self, *args, **kwargs):
        if self.module is None:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self):
        module = None if self.module is None else self.module()
        return {"hook": self.hook, "module": module}

    def __setstate__(self, state):
        self.__init__(state["hook"], state["module"])


def _with_metadata(state_dict, metadata):
    """Attach the versions of the modules to a state_dict, which stays an OrderedDict."""
    state_dict._metadata = metadata
    return state_dict


def _quoted(keys):
    return ", ".join(f'"{key}"' for key in keys)


class _ModuleState:
    """The methods of `Module` that save and restore its state."""

    if TYPE_CHECKING:  # what Module defines
        def __getattr__(self, name: str) -> Any: ...

    def _register_state_dict_hook(self, hook):
        """Call `hook(module, state_dict, prefix, metadata)` after saving; it may replace the dict.

        Used by code older than `register_state_dict_post_hook`, whose hooks may not.
        """
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return _add(hook, self._state_dict_hooks)

    def register_state_dict_post_hook(self, hook):
        """Call `hook(module, state_dict, prefix, metadata)` after saving, to change it in place."""
        hook._from_public_api = True
        return _add(hook, self._state_dict_hooks)

    def register_state_dict_pre_hook(self, hook):
        """Call `hook(module, prefix, keep_vars)` before saving."""
        return _add(hook, self._state_dict_pre_hooks)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return _add(
            _LoadHook(hook, self if with_module else None), self._load_state_dict_pre_hooks
        )

    def register_load_state_dict_pre_hook(self, hook):
        """Call `hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)`
        before this module's part is loaded."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook):
        """Call `hook(module, incompatible_keys)` after loading; it may edit the keys in place."""
        return _add(hook, self._load_state_dict_post_hooks)

    def get_extra_state(self):
        """Return what else belongs in the state_dict; override together with `set_extra_state`."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called. "
            "Please file an issue at https://github.com/pytorch/pytorch/issues/new?template="
            "bug-report.yml to report this bug."
        )

    def set_extra_state(self, state):
        """Take back what `get_extra_state` returned."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called. "
            "Please file an issue at https://github.com/pytorch/pytorch/issues/new?template="
            "bug-report.yml to report this bug."
        )

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Put this module's own parameters, persistent buffers and extra state in `destination`."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not _ModuleState.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """Return an ordered dict of every parameter and persistent buffer by dotted name.

        The tensors share memory with the module; they are detached unless `keep_vars`.
        """
        if args:
            import warnings

            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.state_dict for details.",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args))
            destination = given.get("destination") if destination is None else destination
            prefix = given.get("prefix", "") if prefix == "" else prefix
            keep_vars = given.get("keep_vars", False) if keep_vars is False else keep_vars

        if destination is None:
            destination = _with_metadata(OrderedDict(), OrderedDict())
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata

        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            replacement = hook(self, destination, prefix, metadata)
            if not getattr(hook, "_from_public_api", False):
                destination = destination if replacement is None else replacement
            elif replacement is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return destination

    def _load_one(self, key, name, given, own, assign, error_msgs):
        """Copy the tensor `given` into `own`, this module's member `name`; report what is wrong."""
        if not isinstance(given, rushlight.Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
                f"object from checkpoint but received {type(given)}"
            )
            return
        lazy = is_lazy(own)
        if not lazy:
            if own.dim() == 0 and given.dim() == 1:
                given = given[0]  # scalars were saved with shape (1,) before PyTorch 0.4
            if given.shape != own.shape:
                error_msgs.append(
                    f"size mismatch for {key}: copying a param with shape {given.shape} from "
                    f"checkpoint, the shape in current model is {own.shape}."
                )
                return
        try:
            with rushlight.no_grad():
                if not assign:
                    own.copy_(given)
                    return
                if isinstance(own, Parameter):
                    if not isinstance(given, Parameter):
                        given = Parameter(given, requires_grad=own.requires_grad)
                    else:
                        given.requires_grad_(own.requires_grad)
                setattr(self, name, given)
        except Exception as error:
            before = "uninitialized" if lazy else own.size()
            error_msgs.append(
                f'While {"assigning" if assign else "copying"} the parameter named "{key}", '
                f"whose dimensions in the model are {before} and whose dimensions in the "
                f"checkpoint are {given.size()}, an exception occurred : {error.args}."
            )

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        """Load this module's own entries, whose keys start with `prefix`; never its children's.

        Errors and keys that do not fit are appended to the last three arguments.
        """
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )

        assign = local_metadata.get("assign_to_params_buffers", False)
        members = {name: p for name, p in self._parameters.items() if p is not None}
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                members[name] = buffer
        for name, own in members.items():
            key = prefix + name
            if key in state_dict:
                self._load_one(key, name, state_dict[key], own, assign, error_msgs)
            elif strict:
                missing_keys.append(key)

        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not _ModuleState.set_extra_state:
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)

        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or key == extra_key:
                    continue
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (self._modules if dot else members):
                    unexpected_keys.append(key)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy the tensors of `state_dict` into the module's parameters and buffers.

        With `strict` the keys must be exactly those of `state_dict()`, or a RuntimeError lists
        what is missing, unexpected or of another shape. With `assign` the given tensors become
        the module's own instead of being copied. Returns (missing_keys, unexpected_keys).
        """
        if not hasattr(state_dict, "keys"):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing, unexpected, errors = [], [], []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            _with_metadata(state_dict, metadata)

        def load(module, part, prefix):
            local = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                local["assign_to_params_buffers"] = assign
            module._load_from_state_dict(part, prefix, local, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    path = f"{prefix}{name}."
                    load(child, {k: v for k, v in part.items() if k.startswith(path)}, path)
            keys = _IncompatibleKeys(missing, unexpected)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, keys) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                        "expected to return new values, if incompatible_keys need to be modified, "
                        "it should be done inplace."
                    )

        load(self, state_dict, "")
        if strict:
            if missing:
                errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
            if unexpected:
                at = 1 if missing else 0
                errors.insert(at, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        if errors:
            report = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {self._get_name()}:\n\t{report}"
            )
        return _IncompatibleKeys(missing, unexpected)
