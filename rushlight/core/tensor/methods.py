"""Methods that are no ops: operators, conversion to Python, copies, in-place fills."""

from __future__ import annotations

import numpy as np

from ..base import dtypes as dt
from ..base.device import check_device
from ..base.shapes import broadcast_shapes, meta
from ..ops import arithmetic, comparison
from ..ops.contraction import mm_op
from ..ops.memory import cast_to, clone_op, copy_op, fill_op, is_contiguous_in, strides_for
from ..ops.record import REGISTRY, export
from ..trace.value import STATE
from . import exchange  # noqa: F401 - attaches the conversions to Python and NumPy
from .dispatch import NUMBERS, PLAIN, prepare, value_of, wrap
from .tensor import Tensor
from .view_graph import CopyBackwards, FillBackward0, ZeroBackward0, overwrite


def method(function):
    """Attach a function to Tensor."""
    setattr(Tensor, function.__name__, function)
    return function


@export("torch", "Tensor")
def equal(input, other):  # noqa: A002
    """Whether both have the same shape and the same elements: a Python bool."""
    return input.shape == other.shape and bool((input._array() == other._array()).all())


@method
def __len__(self):
    if not self._meta.shape:
        raise TypeError("len() of a 0-d tensor")
    return self._meta.shape[0]


@method
def __iter__(self):
    if not self._meta.shape:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@method
def __contains__(self, element):
    if isinstance(element, (Tensor, *NUMBERS)):
        return bool((element == self).any().item())
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
                       f"{type(element)}.")


@method
def __reversed__(self):
    return self.flip(0) if self.ndim else self


@method
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False,
       memory_format="preserve_format"):
    """This tensor in another dtype, device or memory format; itself where nothing changes.

    ``to(dtype)``, ``to(device, dtype)``, ``to(other)``.
    """
    for position, argument in enumerate(args):
        if isinstance(argument, dt.dtype):
            dtype = argument
        elif isinstance(argument, Tensor):
            dtype, device = argument.dtype, argument.device
        elif isinstance(argument, bool):
            # The first bool is non_blocking, which means nothing on one device.
            if position == len(args) - 1 and any(isinstance(a, bool) for a in args[:position]):
                copy = argument
        elif argument is not None or position == 0:
            device = argument
    if device is not None:
        check_device(device)
    m = self._meta
    if dtype is not None and dtype is not m.dtype:
        if not isinstance(dtype, dt.dtype):
            raise TypeError(f"to() received an invalid combination of arguments - got "
                            f"({type(dtype).__name__})")
        return cast_to(self, dtype, memory_format)
    name = getattr(memory_format, "name", memory_format)
    if name != "preserve_format" and not is_contiguous_in(m, name):
        return clone_op(self, strides=strides_for(m, name))
    return self.clone(memory_format=memory_format) if copy else self


def _type(self, dtype=None, non_blocking=False):
    """The type's name (``'torch.FloatTensor'``), or this tensor in another dtype."""
    if dtype is None:
        from ..autograd.node import _TYPE_NAMES
        return _TYPE_NAMES[self.dtype.name]
    if isinstance(dtype, str):
        from ..autograd.node import _TYPE_NAMES
        found = [n for n, text in _TYPE_NAMES.items() if text == dtype]
        if not found:
            raise ValueError(f"invalid type: '{dtype}'")
        dtype = dt.DTYPES[found[0]]
    return self.to(getattr(dtype, "_dtype", dtype))


_type.__name__ = "type"        # the builtin keeps its name in this module
method(_type)


@method
def type_as(self, other):
    """``self.to(other.dtype)``."""
    return self.to(other.dtype)


@method
def cpu(self, memory_format="preserve_format"):
    """This tensor on the CPU (where it is)."""
    return self


@method
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """Raises: there is no CUDA device in this build."""
    check_device("cuda" if device is None else device)
    return self


@method
def pin_memory(self, device=None):
    """The tensor itself: there is no device to pin memory for."""
    return self


@method
def copy_(self, src, non_blocking=False):
    """Copy `src`, broadcast and cast, into this tensor."""
    if isinstance(src, (bool, int, float, complex)):
        return self.fill_(src)
    if not isinstance(src, Tensor):
        raise TypeError("copy_(): argument 'other' (position 1) must be Tensor, not "
                        f"{type(src).__name__}")
    self._check_writable_by_autograd()
    m = self._meta
    if src._meta.shape != m.shape:
        together = broadcast_shapes(m.shape, src._meta.shape)
        if together != m.shape:
            raise RuntimeError(f"output with shape {list(m.shape)} doesn't match the broadcast "
                               f"shape {list(together)}")
    strides = None if m.contiguous or not m.dense else m.strides
    made = copy_op(src, dtype=m.dtype, size=tuple(m.shape), strides=strides)
    return self._assign(overwrite(CopyBackwards, self, made) if STATE.own.grad else made)


@method
def fill_(self, value):
    """Set every element to a number or a zero-dim tensor."""
    return _fill(self, value, FillBackward0)


def _fill(self, value, kind):
    m = self._meta
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError("fill_ only supports 0-dimension value tensor but got tensor with "
                           f"{value.ndim} dimensions.")
    if isinstance(value, complex) and not m.dtype.is_complex and value.imag:
        raise RuntimeError(f"value cannot be converted to type {m.dtype.name} without overflow")
    self._check_writable_by_autograd()
    strides = None if m.contiguous or not m.dense else m.strides
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, complex) and not m.dtype.is_complex:
        value = value.real
    made = fill_op(value, dtype=m.dtype, size=tuple(m.shape), strides=strides)
    return self._assign(overwrite(kind, self, made) if STATE.own.grad else made, constant=True)


@method
def zero_(self):
    """Set every element to zero."""
    return _fill(self, 0, ZeroBackward0)


def _in_place_view(name):
    def function(self, *args, **kwargs):
        if STATE.own.grad and self.requires_grad and self.grad_fn is None:
            self._check_writable_by_autograd()
        seen = getattr(self, name)(*args, **kwargs)
        self._meta = seen._meta
        self._cache = None
        self._storage.version += 1
        if seen._grad_fn is not None:
            self._grad_fn, self._output_nr = seen._grad_fn, seen._output_nr
        return self
    function.__name__ = name + "_"
    function.__doc__ = f"In-place version of `{name}`: only this tensor's layout changes."
    method(function)


for _name in ("squeeze", "unsqueeze", "transpose", "t", "swapaxes", "swapdims", "as_strided"):
    _in_place_view(_name)


@method
def resize_(self, *sizes, memory_format="contiguous_format"):
    """Another size in place: elements are kept in memory order, new ones are undefined (zero)."""
    from ..ops.views import sizes_of
    from .storage import flat_memory
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    m = meta(self.dtype, sizes_of(sizes), strides_for(meta(self.dtype, sizes_of(sizes)),
                                                     memory_format))
    storage = self._storage
    need = self._meta.offset + m.numel
    flat = flat_memory(storage.array())
    if flat.dtype != m.np:
        flat = flat.view(m.np)
    if need > flat.size:
        grown = np.zeros(need, m.np)
        grown[:flat.size] = flat
        from ..trace.value import leaf
        storage.value = leaf(grown, meta(m.dtype, (need,)))
        storage.exposed = None
    self._meta = meta(m.dtype, m.shape, m.strides, self._meta.offset)
    self._cache = None
    return self


@method
def resize_as_(self, the_template, memory_format="contiguous_format"):
    """``self.resize_(the_template.size())``."""
    return self.resize_(tuple(the_template.shape))


@method
def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Use another tensor's or storage's memory."""
    from ..base.shapes import contiguous_strides
    from .storage import UntypedStorage
    if source is None:
        made = Tensor()
        self._storage, self._meta = made._storage, meta(self.dtype, (0,))
    elif isinstance(source, Tensor):
        self._storage, self._meta = source._storage, source._meta
    else:
        storage = source if isinstance(source, UntypedStorage) else source.untyped()
        size = tuple(size) if size is not None else (storage.nbytes() // self.element_size(),)
        self._storage = storage
        self._meta = meta(self.dtype, size, tuple(stride) if stride is not None else
                          contiguous_strides(size), storage_offset)
    self._cache = None
    return self


@method
def storage(self):
    """The storage with its element type. Deprecated, as in PyTorch: use `untyped_storage`."""
    from .exchange import warn_once
    from .pickling import TypedStorage
    warn_once("TypedStorage is deprecated. It will be removed in the future and UntypedStorage "
              "will be the only storage class. This should only matter to you if you are using "
              "storages directly.  To access UntypedStorage directly, use "
              "tensor.untyped_storage() instead of tensor.storage()")
    return TypedStorage(wrap_storage=self._storage, dtype=self.dtype)


@method
def __deepcopy__(self, memo):
    from .pickling import deepcopy_tensor
    return deepcopy_tensor(self, memo)


@method
def __reduce_ex__(self, protocol):
    from .pickling import reduce_tensor
    return reduce_tensor(self)


@method
def __repr__(self, *, tensor_contents=None):
    from .printing import tensor_repr
    return tensor_repr(self)


@method
def __str__(self):
    return self.__repr__()


@method
def __format__(self, spec):
    if self.__class__ is Tensor and not self._meta.shape:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


@method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """`torch.tensor` with this tensor's dtype as the default."""
    from .from_data import tensor
    if isinstance(data, Tensor):
        return tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)
    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def _new_factory(name):
    def function(self, *size, dtype=None, **options):
        from . import construction
        return getattr(construction, name)(*size, dtype=dtype or self.dtype, **options)
    function.__name__ = "new_" + name
    function.__doc__ = f"`torch.{name}` with this tensor's dtype as the default."
    method(function)


for _name in ("empty", "zeros", "ones", "empty_strided"):
    _new_factory(_name)


@method
def new_full(self, size, fill_value, *, dtype=None, **options):
    """`torch.full` with this tensor's dtype as the default."""
    from .construction import full
    return full(size, fill_value, dtype=dtype or self.dtype, **options)


@method
def new(self, *data, **options):
    """A new tensor of this dtype: ``new(2, 3)`` or ``new([1, 2])``."""
    if len(data) == 1 and not hasattr(data[0], "__index__"):
        return self.new_tensor(data[0])
    return self.new_empty(*(data or (0,)))


def _matmul(self, other):
    if type(self) in PLAIN and type(other) in PLAIN and STATE.own.autocast is None and \
            len(self._meta.shape) == len(other._meta.shape) == 2:
        return mm_op.call(self, other)
    if not hasattr(other, "_meta"):
        return NotImplemented
    return self.matmul(other)


def _operators():
    def reflected(function):
        return lambda self, other: function(other, self)

    def in_place(name):
        def operator(self, other):
            return getattr(self, name)(other)
        return operator

    for op in REGISTRY.values():
        prepare(op)
    add, sub, rsub = (arithmetic.add_op.call, arithmetic.sub_op.call, arithmetic.rsub_op.call)
    mul, div = arithmetic.mul_op.call, arithmetic.div_op.call
    table = {"add": add, "radd": add, "sub": sub, "rsub": rsub, "mul": mul, "rmul": mul,
             "truediv": div, "lt": comparison.lt.call, "le": comparison.le.call,
             "gt": comparison.gt.call, "ge": comparison.ge.call, "eq": comparison.eq.call,
             "ne": comparison.ne.call}
    for name, function in table.items():
        setattr(Tensor, f"__{name}__", _not_implemented_for(function, name))
    Tensor.__rtruediv__ = lambda self, other: self.reciprocal() * other
    for name in ("add", "sub", "mul", "div"):
        python = {"div": "truediv"}.get(name, name)
        setattr(Tensor, f"__i{python}__", in_place(name + "_"))
    Tensor.__neg__ = lambda self: self.neg()
    Tensor.__pos__ = _positive
    Tensor.__invert__ = _inverted
    Tensor.__abs__ = lambda self: self.abs()
    Tensor.__matmul__ = _matmul
    Tensor.__rmatmul__ = lambda self, other: other.matmul(self) if hasattr(other, "_meta") \
        else NotImplemented
    Tensor.__pow__ = lambda self, other: self.pow(other)
    Tensor.__rpow__ = lambda self, other: _module().pow(other, self)
    Tensor.__mod__ = lambda self, other: self.remainder(other)
    Tensor.__rmod__ = lambda self, other: _module().remainder(other, self)
    Tensor.__floordiv__ = lambda self, other: self.floor_divide(other)
    Tensor.__rfloordiv__ = lambda self, other: _module().floor_divide(other, self)
    for name, long in (("and", "bitwise_and"), ("or", "bitwise_or"), ("xor", "bitwise_xor"),
                       ("lshift", "bitwise_left_shift"), ("rshift", "bitwise_right_shift")):
        def forward(self, other, long=long):
            return getattr(self, long)(other)

        def backward(self, other, long=long):
            return getattr(_module(), long)(other, self)
        setattr(Tensor, f"__{name}__", forward)
        setattr(Tensor, f"__r{name}__", backward)
        setattr(Tensor, f"__i{name}__", in_place(long + "_"))
    for name, long in (("pow", "pow_"), ("mod", "remainder_"), ("floordiv", "floor_divide_")):
        setattr(Tensor, f"__i{name}__", in_place(long))


def _positive(self):
    if self.dtype is dt.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return self


def _inverted(self):
    if self.dtype.category > 1:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type "
                        "tensors")
    return self.bitwise_not()


def _not_implemented_for(function, name):
    """The hot function itself: PyTorch returns NotImplemented only for foreign types."""
    if name not in ("eq", "ne"):
        return function

    def compare(self, other):
        try:
            return function(self, other)
        except TypeError:
            return NotImplemented
    return compare


def _transposed(self):
    if self.ndim < 2:
        return self.t() if self.ndim else self
    return self.permute(*range(self.ndim - 1, -1, -1))


def _matrix_transposed(self):
    if self.ndim < 2:
        raise RuntimeError("tensor.mT is only supported on matrices or batches of matrices. Got "
                           f"{self.ndim}-D tensor.")
    return self.transpose(-2, -1)


def _hermitian(self):
    if self.ndim not in (0, 2):
        raise RuntimeError("tensor.H is only supported on matrices (2-D tensors). Got "
                           f"{self.ndim}-D tensor. For batches of matrices, consider using "
                           "tensor.mH")
    found = self.transpose(0, 1) if self.ndim else self
    return found.conj() if found.is_complex() else found


def _matrix_hermitian(self):
    if self.ndim < 2:
        raise RuntimeError("tensor.mH is only supported on matrices or batches of matrices. Got "
                           f"{self.ndim}-D tensor.")
    found = self.transpose(-2, -1)
    return found.conj() if found.is_complex() else found


Tensor.T = property(_transposed, doc="The tensor with its axes reversed.")
Tensor.mT = property(_matrix_transposed, doc="The last two axes exchanged.")
Tensor.H = property(_hermitian, doc="The conjugate transpose of a matrix.")
Tensor.mH = property(_matrix_hermitian, doc="The conjugate transpose over the last two axes.")
Tensor.real = property(lambda self: _module().real(self), doc="The real part, a view.")
Tensor.imag = property(lambda self: _module().imag(self), doc="The imaginary part, a view.")


def _set_real(self, value):
    _module().real(self).copy_(value)


def _set_imag(self, value):
    _module().imag(self).copy_(value)


for _name, _setter in (("real", _set_real), ("imag", _set_imag)):
    setattr(Tensor, _name, getattr(Tensor, _name).setter(_setter))


def _module():
    import rushlight
    return rushlight


_operators()
Tensor.__eq__.__name__ = "__eq__"

__all__ = ["Tensor", "value_of", "wrap"]
