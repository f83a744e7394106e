"""`Parameter`, `Buffer`, and their uninitialized forms, whose shape is not known yet."""

import rushlight
from rushlight.core.tensor.tensor import Parameter

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "is_lazy",
]


def is_lazy(tensor):
    """Whether `tensor` is a parameter or buffer that has not been given its shape."""
    return isinstance(tensor, UninitializedTensorMixin)


class _BufferType(type):
    # A buffer is an ordinary tensor that carries a mark, so isinstance looks at the mark.
    def __instancecheck__(cls, instance):
        if cls is Buffer:
            return isinstance(instance, rushlight.Tensor) and getattr(instance, "_is_buffer", False)
        return super().__instancecheck__(instance)


class Buffer(metaclass=_BufferType):
    """A tensor that becomes a buffer of the module it is assigned to.

    >>> module.mean = nn.Buffer(torch.zeros(3))

    `persistent` says whether it is in the module's state_dict. `Buffer(tensor)` returns a tensor
    that shares memory with the given one.
    """

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = rushlight.empty(0)
        marked = data.detach().requires_grad_(data.requires_grad)
        marked.persistent = persistent
        marked._is_buffer = True
        return marked


class UninitializedTensorMixin(rushlight.Tensor):
    """What an uninitialized parameter and buffer share: most uses of them are errors."""

    cls_to_become: type = rushlight.Tensor

    # Methods that make sense without values or a shape.
    _allowed = frozenset(
        "__hash__ __reduce_ex__ __deepcopy__ copy_ is_complex is_floating_point half float double "
        "bfloat16 char short int long cuda cpu to get_device _has_compatible_shallow_copy_type "
        "size requires_grad_ detach detach_ __format__ type is_meta new_empty empty_like".split()
    )

    def materialize(self, shape, device=None, dtype=None):
        """Give the tensor its shape; it becomes an ordinary parameter or buffer, uninitialized."""
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = rushlight.empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    def share_memory_(self):
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to "
            "initialize the parameters before calling `module.share_memory()`."
        )

    def __repr__(self):
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol):
        return (type(self), (self.requires_grad,))

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in cls._allowed or name == "__get__" or name == "__set__":
            return super().__torch_function__(func, types, args, kwargs or {})
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {func}. This error happens when you "
            "are using a `LazyModule` or explicitly manipulating "
            f"`torch.nn.parameter.{cls.__name__}` objects. When using LazyModules Call `forward` "
            "with a dummy batch to initialize the parameters before calling torch functions"
        )


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is not known yet; `materialize(shape)` makes it a Parameter."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        data = rushlight.empty(0, device=device, dtype=dtype)
        return rushlight.Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            copied = type(self)(self.requires_grad, self.data.device, self.data.dtype)
            memo[id(self)] = copied
        return memo[id(self)]


class UninitializedBuffer(UninitializedTensorMixin):
    """A buffer whose shape is not known yet; `materialize(shape)` makes it a Tensor."""

    cls_to_become = rushlight.Tensor

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        data = rushlight.empty(0, device=device, dtype=dtype)
        made = rushlight.Tensor._make_subclass(cls, data, requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made
