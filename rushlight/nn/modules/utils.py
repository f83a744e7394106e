"""Small helpers of the layers: sizes given as one number or as one per dimension."""

from collections import OrderedDict
from itertools import repeat

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(length, name="parse"):
    def parse(value):
        if hasattr(value, "__iter__"):
            return tuple(value)
        return tuple(repeat(value, length))

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(values, times):
    """Reverse the order and repeat each entry: (1, 2) twice is (2, 2, 1, 1)."""
    return tuple(value for value in reversed(values) for _ in range(times))


def _list_with_default(out_size, defaults):
    """Return `out_size` with each None replaced by the matching last entry of `defaults`."""
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    return [
        default if size is None else size
        for size, default in zip(out_size, defaults[-len(out_size) :])
    ]


def consume_prefix_in_state_dict_if_present(state_dict, prefix):
    """Strip `prefix` from the keys of a state_dict, in place.

    Made for checkpoints of a model wrapped in DataParallel, whose keys start with "module.".
    """
    for key in list(state_dict.keys()):
        if key.startswith(prefix):
            state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is None:
        return
    renamed = OrderedDict()
    for key, value in metadata.items():
        if key == prefix.rstrip("."):
            key = ""
        elif key.startswith(prefix):
            key = key[len(prefix) :]
        renamed.setdefault(key, value)
    metadata.clear()
    metadata.update(renamed)
