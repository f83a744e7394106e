"""Putting samples together: a list of samples becomes one batch of the same structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import rushlight
from rushlight.core.tensor.dispatch import constant

from .containers import is_named_tuple, like_mapping, like_sequence

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def default_convert(data):
    """NumPy arrays and numbers as tensors, inside containers too; everything else unchanged.

    What a DataLoader without batching does to each sample. Tuples become lists, as in collation.

        default_convert({"a": np.array([1, 2]), "b": "text"})   # {"a": tensor([1, 2]), "b": "text"}
    """
    if isinstance(data, rushlight.Tensor):
        return data
    if type(data).__module__ == "numpy":
        if isinstance(data, (np.str_, np.bytes_)):
            return data
        if isinstance(data, np.ndarray) and data.dtype.kind in "SUO":
            return data
        return rushlight.as_tensor(data)
    if isinstance(data, Mapping):
        return like_mapping(data, {key: default_convert(data[key]) for key in data})
    if is_named_tuple(data):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(item) for item in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return like_sequence(data, [default_convert(item) for item in data])
    return data


def collate(batch, *, collate_fn_map=None):
    """Collate a list of samples, by the functions in `collate_fn_map` and through containers.

    The map goes from a type, or a tuple of types, to `function(batch, *, collate_fn_map)`. The
    exact type of the first sample is looked up first, then the first entry it is an instance of.
    Mappings, named tuples and sequences are collated item by item. TypeError for other types;
    RuntimeError for sequences of different lengths.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        function = collate_fn_map.get(kind)
        if function is None:
            matches = (f for types, f in collate_fn_map.items() if isinstance(first, types))
            function = next(matches, None)
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        items = {
            key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map)
            for key in first
        }
        return like_mapping(first, items)
    if is_named_tuple(first):
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)]
        return columns if isinstance(first, tuple) else like_sequence(first, columns)
    raise TypeError(default_collate_err_msg_format.format(kind))


def collate_tensor_fn(batch, *, collate_fn_map=None):
    """Tensors stacked along a new first dimension."""
    first = batch[0]
    for tensor in batch:
        if (
            tensor.shape != first.shape
            or tensor.dtype != first.dtype
            or tensor.requires_grad
            or type(tensor) is not rushlight.Tensor
        ):
            return rushlight.stack(batch, 0)
    # At once, and not as one op of many inputs: views of a dataset's rows differ from batch to
    # batch, so that each batch would be a plan of its own.
    arrays = [tensor._array() for tensor in batch]
    return constant(np.stack(arrays))


def collate_numpy_array_fn(batch, *, collate_fn_map=None):
    """Arrays as one tensor. TypeError for arrays of strings or objects."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    usual = (collate_fn_map or {}).get(rushlight.Tensor) is collate_tensor_fn
    if usual and all(a.shape == batch[0].shape and a.dtype == batch[0].dtype for a in batch):
        return constant(np.stack(batch))
    return collate([rushlight.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch, *, collate_fn_map=None):
    """NumPy numbers as a tensor of their dtype."""
    return rushlight.as_tensor(batch)


def collate_float_fn(batch, *, collate_fn_map=None):
    """Python floats as a float64 tensor."""
    return rushlight.tensor(batch, dtype=rushlight.float64)


def collate_int_fn(batch, *, collate_fn_map=None):
    """Python ints (and bools) as a tensor."""
    return rushlight.tensor(batch)


def collate_str_fn(batch, *, collate_fn_map=None):
    """Strings and bytes stay a list."""
    return batch


default_collate_fn_map = {
    rushlight.Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch):
    """A list of samples as one batch: tensors, arrays and numbers gain a first dimension.

        default_collate([0, 1, 2])                       # tensor([0, 1, 2])
        default_collate([(0, "a"), (1, "b")])            # [tensor([0, 1]), ("a", "b")]
        default_collate([{"x": 1.0}, {"x": 2.0}])        # {"x": tensor([1., 2.], dtype=float64)}

    Strings and bytes are kept as they are. TypeError for samples of any other type.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
