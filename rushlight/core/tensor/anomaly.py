"""Anomaly mode and saved-tensor hooks: the modes under which ops take the general path."""

from __future__ import annotations

from ..trace.value import STATE


class _Anomaly:
    def __init__(self, check_nan):
        self.check_nan = check_nan


def _refresh():
    STATE.own.slow = STATE.own.anomaly is not None or bool(STATE.own.saved_hooks)


class detect_anomaly:  # noqa: N801
    """In this block, backward raises at the first NaN and names the forward line that led to it."""

    def __init__(self, check_nan=True):
        self.check_nan = check_nan
        import warnings
        warnings.warn("Anomaly Detection has been enabled. This mode will increase the runtime "
                      "and should only be enabled for debugging.", stacklevel=2)

    def __enter__(self):
        self.before, STATE.own.anomaly = STATE.own.anomaly, _Anomaly(self.check_nan)
        _refresh()
        return self

    def __exit__(self, *_):
        STATE.own.anomaly = self.before
        _refresh()


class set_detect_anomaly:  # noqa: N801
    """Switch anomaly mode on or off, as a call or a context manager."""

    def __init__(self, mode, check_nan=True):
        self.before = STATE.own.anomaly
        STATE.own.anomaly = _Anomaly(check_nan) if mode else None
        _refresh()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        STATE.own.anomaly = self.before
        _refresh()


def is_anomaly_enabled():
    """Whether anomaly mode is on."""
    return STATE.own.anomaly is not None


def is_anomaly_check_nan_enabled():
    """Whether anomaly mode raises at NaN."""
    return STATE.own.anomaly is not None and STATE.own.anomaly.check_nan


class saved_tensors_hooks:  # noqa: N801
    """In this block, ``pack_hook(tensor)`` is kept in place of each tensor saved for backward.

    ``unpack_hook(packed)`` gives the tensor back when backward needs it.
    """

    def __init__(self, pack_hook, unpack_hook):
        self.hooks = (pack_hook, unpack_hook)

    def __enter__(self):
        STATE.own.saved_hooks.append(self.hooks)
        _refresh()
        return self

    def __exit__(self, *_):
        STATE.own.saved_hooks.pop()
        _refresh()


class save_on_cpu(saved_tensors_hooks):  # noqa: N801
    """Keep saved tensors on the CPU, where they are already."""

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda tensor: tensor.clone(), lambda tensor: tensor)
