"""The default generator, under the names of `torch.random`."""

from contextlib import contextmanager

from . import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]


@contextmanager
def fork_rng(
    devices=None, enabled=True, _caller="fork_rng", _devices_kw="devices", device_type=None
):
    """Restore the default generator's state at the end of the block.

    `devices` and `device_type` are for accelerators' generators, of which there are none here.

        with torch.random.fork_rng():
            torch.manual_seed(0)
            noise = torch.randn(3)
    """
    if not enabled or device_type == "meta":
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def thread_safe_generator():
    """None: draw from the default generator. (Loader workers are processes, never threads.)"""
    return None
