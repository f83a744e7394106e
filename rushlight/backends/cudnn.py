"""`torch.backends.cudnn`: NVIDIA's library of primitives for networks; it is never used."""

from __future__ import annotations

from contextlib import contextmanager

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True
benchmark_limit = 10


def is_available() -> bool:
    """Return False: cuDNN works on NVIDIA's devices only, and this build has none."""
    return False


def version() -> int | None:
    """Return cuDNN's version: None."""
    return None


def is_acceptable(tensor) -> bool:
    """Return whether cuDNN could compute with this tensor: False."""
    return False


@contextmanager
def flags(enabled=False, benchmark=False, deterministic=False, allow_tf32=True, **options):
    """A context in which the switches have these values; they change nothing here."""
    wanted = {"enabled": enabled, "benchmark": benchmark, "deterministic": deterministic}
    wanted["allow_tf32"] = allow_tf32
    module = globals()
    before = {name: module[name] for name in wanted}
    module.update(wanted)
    try:
        yield
    finally:
        module.update(before)
