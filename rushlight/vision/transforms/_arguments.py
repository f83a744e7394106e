"""Checks of constructor arguments that several transforms share."""

import math
import numbers

import rushlight


def uniform(low, high):
    """One float32 number in [low, high), from the global generator, as a Python float."""
    return rushlight.empty(1).uniform_(low, high).item()


def random_integer(low, high):
    """One integer in [low, high), from the global generator."""
    return rushlight.randint(low, high, size=(1,)).item()


def pair_of_sides(size, error_message):
    """(height, width) from one number or a sequence of one or two."""
    if isinstance(size, numbers.Real):
        return math.trunc(size), math.trunc(size)
    if is_sequence(size) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(error_message)
    return size


def is_sequence(value):
    from collections.abc import Sequence

    return isinstance(value, Sequence)


def require_sequence(value, name, lengths):
    """TypeError unless `value` is a sequence, ValueError unless its length is one of `lengths`."""
    if len(lengths) < 2:
        words = str(lengths[0])
    else:
        words = " or ".join(str(length) for length in lengths)
    if not is_sequence(value):
        raise TypeError(f"{name} should be a sequence of length {words}.")
    if len(value) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {words}.")


def symmetric_range(value, name, lengths=(2,)):
    """A list of floats: [-value, value] from one number, or the numbers of a sequence."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [float(-value), float(value)]
    require_sequence(value, name, lengths)
    return [float(number) for number in value]


def fill_for(img, fill, get_dimensions):
    """`fill` as the functional transforms want it: one float a channel for tensors."""
    if not isinstance(img, rushlight.Tensor):
        return fill
    if isinstance(fill, (int, float)):
        return [float(fill)] * get_dimensions(img)[0]
    return [float(value) for value in fill]
