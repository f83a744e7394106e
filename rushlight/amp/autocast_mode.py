"""`autocast`: regions in which products compute in a lower precision."""

from __future__ import annotations

import functools
import warnings

import rushlight as torch
from rushlight.core.tensor.autocast import Policy, current, enter

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available", "autocast_decorator"]

# Devices besides the CPU keep flags only: there is nothing to cast on them.
_dtypes: dict = {}
_enabled: dict = {}
_settings = {"cache": True}
DEFAULTS = {"cpu": "bfloat16", "xpu": "float16", "mps": "float16"}


def _check_device(device_type):
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    return torch.device(device_type).type


def is_autocast_available(device_type):
    """Whether autocast knows a device type: RuntimeError for what is none."""
    return torch.device(device_type).type in ("cpu", "cuda", "xpu", "mps", "hpu", "mtia", "maia",
                                              "xla", "ipu", "privateuseone")


def get_autocast_dtype(device_type):
    """The dtype that products compute in inside a region for this device type."""
    kind = torch.device(device_type).type
    found = _dtypes.get(kind)
    return found or getattr(torch, DEFAULTS.get(kind, "float16"))


def set_autocast_dtype(device_type, dtype):
    """Set what `get_autocast_dtype` returns."""
    kind = torch.device(device_type).type
    _dtypes[kind] = dtype
    if kind == "cpu" and current() is not None:
        enter(Policy(dtype, {} if _settings["cache"] else None))


def is_autocast_enabled(device_type="cuda"):
    """Whether this thread is inside a region for the device type."""
    kind = torch.device(device_type).type
    return current() is not None if kind == "cpu" else _enabled.get(kind, False)


def set_autocast_enabled(device_type, enabled=None):
    """Begin or end a region; one argument means ``"cuda"``."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    kind = torch.device(device_type).type
    if kind != "cpu":
        _enabled[kind] = bool(enabled)
    elif not enabled:
        enter(None)
    elif current() is None:
        enter(Policy(get_autocast_dtype("cpu"), {} if _settings["cache"] else None))


def _deprecated(old, new):
    warnings.warn(f"torch.{old}() is deprecated. Please use torch.{new} instead.",
                  DeprecationWarning, stacklevel=3)


def is_autocast_cpu_enabled():
    """Deprecated: ``is_autocast_enabled("cpu")``."""
    _deprecated("is_autocast_cpu_enabled", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def get_autocast_cpu_dtype():
    """Deprecated: ``get_autocast_dtype("cpu")``."""
    _deprecated("get_autocast_cpu_dtype", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype():
    """Deprecated: ``get_autocast_dtype("cuda")``."""
    _deprecated("get_autocast_gpu_dtype", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def is_autocast_cache_enabled():
    """Whether regions cast each parameter once."""
    return _settings["cache"]


def set_autocast_cache_enabled(enabled):
    """Whether regions cast each parameter once."""
    _settings["cache"] = bool(enabled)


def clear_autocast_cache():
    """Forget the casts of parameters made so far."""
    if current() is not None and current().casts:
        current().casts.clear()


class autocast:  # noqa: N801 - PyTorch's name
    """A region, or a decorated function, whose products compute in a lower precision.

    Convolutions and matrix products cast their arguments to `dtype` (bfloat16 on the CPU, or
    float16); losses and long sums cast to float32; joining takes the widest type; everything
    else computes in the types it is given. Parameters keep theirs, and so do gradients.

    device_type: "cpu", or "cuda", for which there is no device here: it warns and does nothing.
    enabled: False turns autocast off inside a region. cache_enabled: cast each parameter once.

    >>> with torch.autocast("cpu", dtype=torch.bfloat16):
    ...     loss = loss_fn(model(x), y)
    >>> loss.backward()

    Raises ValueError or RuntimeError for a device type that is none.
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        self.device = _check_device(device_type)
        if not is_autocast_available(self.device):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{self.device}'")
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype
        self.custom_backend_name = "privateuseone"
        self._cache_enabled = (is_autocast_cache_enabled() if cache_enabled is None
                               else cache_enabled)
        if self.device == "cuda" and enabled:
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.",
                          stacklevel=2)
            enabled = False
        if self.device == "cpu" and enabled and self.fast_dtype not in (
                torch.bfloat16, torch.float16):
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2)
            enabled = False
        self._enabled = enabled
        self._before: list = []

    def __enter__(self):
        self._before.append((current(), _dtypes.get(self.device),
                             _enabled.get(self.device, False), _settings["cache"]))
        _dtypes[self.device] = self.fast_dtype
        _settings["cache"] = self._cache_enabled
        if self.device != "cpu":
            _enabled[self.device] = self._enabled
        elif not self._enabled:
            enter(None)
        else:
            outer = current()
            casts = None
            if self._cache_enabled:
                # The casts live as long as the outermost region of their dtype.
                same = outer is not None and outer.dtype is self.fast_dtype
                casts = outer.casts if same and outer.casts is not None else {}
            enter(Policy(self.fast_dtype, casts))
        return self

    def __exit__(self, *_):
        policy, dtype, enabled, _settings["cache"] = self._before.pop()
        if dtype is None:
            _dtypes.pop(self.device, None)
        else:
            _dtypes[self.device] = dtype
        if self.device == "cpu":
            enter(policy)
        else:
            _enabled[self.device] = enabled
        return False

    def __call__(self, func):
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. Did you "
                "mean to use autocast as a context manager? For example:\n    with "
                "torch.autocast(device_type=...):\n        output = model(input)")
        return autocast_decorator(self, func)


def autocast_decorator(autocast_instance, func):
    """`func`, run inside the region."""
    @functools.wraps(func)
    def decorate_autocast(*args, **kwargs):
        with autocast_instance:
            return func(*args, **kwargs)

    return decorate_autocast


def _cast(value, device_type, dtype):
    if isinstance(value, torch.Tensor):
        eligible = (value.is_floating_point() and value.device.type == device_type
                    and value.dtype is not torch.float64)
        return value.to(dtype) if eligible else value
    if isinstance(value, dict):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype)
                for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(v, device_type, dtype) for v in value)
    return value


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """For ``forward`` of an ``autograd.Function`` under autocast.

    cast_inputs: cast floating-point tensors to this dtype on entry and run the forward outside
    of the region; None runs it in whatever region there is. Use `custom_bwd` on its backward.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorate_fwd(ctx, *args, **kwargs):
        ctx._dtype = get_autocast_dtype(device_type)
        inside = is_autocast_enabled(device_type)
        if cast_inputs is None:
            ctx._fwd_used_autocast = inside
            return fwd(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        if not inside:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_cast(args, device_type, cast_inputs),
                       **_cast(kwargs, device_type, cast_inputs))

    return decorate_fwd


def custom_bwd(bwd=None, *, device_type):
    """For ``backward`` of an ``autograd.Function``: runs it in the region its forward ran in."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorate_bwd(ctx, *args, **kwargs):
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return decorate_bwd
