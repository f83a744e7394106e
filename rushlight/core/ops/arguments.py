"""Arguments that many ops share: numbers for each dimension, and the names types have in errors."""

from __future__ import annotations

import operator

from ..base.shapes import meta

_CPP_NAMES = {
    "float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char",
    "uint8": "unsigned char", "bool": "bool", "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}  # fmt: skip

_SCALAR_NAMES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16",
    "int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte",
    "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


def cpp_name(dtype):
    """A dtype as PyTorch's C++ messages name it: ``long int``, ``c10::Half``."""
    return _CPP_NAMES.get(dtype.name, dtype.name)


def scalar_name(dtype):
    """A dtype as PyTorch's dispatch messages name it: ``Long``, ``Half``."""
    return _SCALAR_NAMES.get(dtype.name, dtype.name)


def not_implemented_for(kernel, dtype):
    """The NotImplementedError of a kernel that has no code for a dtype."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(dtype)}'")


def numbers(value, count, function, name):
    """An int, or a sequence of one or `count` ints, as a tuple of `count` ints."""
    if not isinstance(value, (tuple, list)):
        try:
            return (operator.index(value),) * count
        except TypeError:
            kind = type(value).__name__
            raise TypeError(
                f"{function}(): argument '{name}' must be tuple of ints, not {kind}"
            ) from None
    try:
        made = tuple(map(operator.index, value))
    except TypeError:
        position, bad = next(
            (i, v) for i, v in enumerate(value) if not hasattr(v, "__index__")
        )
        raise TypeError(
            f"{function}(): argument '{name}' must be tuple of ints, but found element of type "
            f"{type(bad).__name__} at pos {position}"
        ) from None
    if len(made) == 1:
        return made * count
    return made


def is_tensor(value):
    """Whether a public function was given a tensor (of any subclass)."""
    return hasattr(value, "_meta") and hasattr(value, "_storage")


def need_tensor(value, function, name, position):
    """PyTorch's TypeError for an argument that must be a tensor."""
    if not is_tensor(value):
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be Tensor, not "
            f"{type(value).__name__}"
        )


def flat_shape(shape):
    """A shape as some of PyTorch's messages print it: ``1x1x4``."""
    return "x".join(map(str, shape))


def channels_last(x):
    """Whether PyTorch takes a batch of images or volumes to be in channels-last order."""
    shape, strides = x.shape, x.strides
    if len(shape) not in (4, 5) or x.contiguous or strides[1] == 0:
        return False
    least = 0
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        if shape[axis] == 0 or strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * max(shape[axis], 1)
    return True


def image_meta(dtype, shape, like):
    """A result's Meta, channels last where the images it comes from are."""
    shape = tuple(shape)
    if len(shape) != len(like.shape) or not channels_last(like):
        return meta(dtype, shape)
    strides, step = [0] * len(shape), 1
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return meta(dtype, shape, tuple(strides))
