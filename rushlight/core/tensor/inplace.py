"""In-place forms (``add_``) and ``out=``: the out-of-place op, then a write."""

from __future__ import annotations

import functools

from ..base.promotion import can_cast
from ..ops.core_views import LAYOUT
from ..trace.value import STATE, Value, append
from .dispatch import TENSOR, value_of, write


def inplace_form(function, name):
    """``Tensor.name_``: computes ``function(self, ...)`` and writes it into self."""
    def method(self, *args, **kwargs):
        self._check_writable_by_autograd()
        return self._become(function(self, *args, **kwargs), name)
    method.__name__ = name + "_"
    method.__qualname__ = "Tensor." + name + "_"
    method.__doc__ = f"In-place version of `{name}`."
    return method


def write_out(out, result, name):
    """Write `result` into the `out=` tensor: resized when empty, cast where allowed."""
    if isinstance(result, tuple) and not isinstance(out, TENSOR[0]):
        for o, r in zip(out, result):
            write_out(o, r, name)
        kind = type(result)
        return kind(out) if hasattr(kind, "_fields") else \
            kind(out) if kind is not tuple else tuple(out)
    if not isinstance(out, TENSOR[0]):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if STATE.own.grad and (out.requires_grad or (result.requires_grad and False)):
        raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic "
                           "differentiation, but one of the arguments requires grad.")
    if STATE.own.grad and result.requires_grad:
        raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic "
                           "differentiation, but one of the arguments requires grad.")
    have, want = out._meta, result._meta
    if have.dtype is not want.dtype:
        if not can_cast(want.dtype, have.dtype):
            from .tensor import _type_name
            raise RuntimeError(f"result type {_type_name(want.dtype)} can't be cast to the desired "
                               f"output type {_type_name(have.dtype)}")
        result = result.to(have.dtype)
    if have.shape != want.shape:
        if have.numel:
            import warnings
            warnings.warn(
                f"An output with one or more elements was resized since it had shape "
                f"{list(have.shape)}, which does not match the required output shape "
                f"{list(want.shape)}. This behavior is deprecated, and in a future PyTorch release "
                "outputs will not be resized unless they have zero elements. You can explicitly "
                "reuse an out tensor t by resizing it, inplace, to zero elements with "
                "t.resize_(0).", UserWarning, stacklevel=3)
        value = value_of(result)
        storage = out._storage
        m = result._meta
        if value.meta is not m or not m.dense:
            from ..base.shapes import meta
            m = meta(m.dtype, m.shape)
            value = append(Value(LAYOUT, (value,), (m,), m))
        storage.value = value
        storage.version += 1
        out._meta = m
        out._cache = None
        return out
    write(out, value_of(result))
    return out


_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input",
                "x2": "other"}


def _need_tensor(name, args):
    """What was really wrong when a function meets an argument without a tensor's attributes."""
    if args and isinstance(args[0], (bool, int, float, complex, str, list, tuple, dict)):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not "
                        f"{type(args[0]).__name__}") from None


def public_function(export):
    """The function as published: with ``out=`` where it has one, and NumPy's argument names."""
    function = export.function
    name = export.name
    if export.out:
        def made(*args, out=None, **kwargs):
            try:
                result = function(*args, **kwargs)
            except TypeError:
                renamed = {_NUMPY_NAMES.get(k, k): v for k, v in kwargs.items()}
                if renamed.keys() == kwargs.keys() or len(renamed) != len(kwargs):
                    raise
                result = function(*args, **renamed)
            except AttributeError:
                _need_tensor(name, args)
                raise
            return result if out is None else write_out(out, result, name)
    else:
        def made(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except TypeError:
                renamed = {_NUMPY_NAMES.get(k, k): v for k, v in kwargs.items()}
                if renamed.keys() == kwargs.keys() or len(renamed) != len(kwargs):
                    raise
                return function(*args, **renamed)
            except AttributeError:
                _need_tensor(name, args)
                raise
    functools.update_wrapper(made, function)
    made.__name__ = made.__qualname__ = name
    made.__module__ = "torch"
    return made
