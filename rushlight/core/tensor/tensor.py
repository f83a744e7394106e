"""The Tensor class: attributes, autograd state, in-place semantics. Methods come from the ops."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ..autograd import engine
from ..autograd.node import (
    AccumulateGrad,
    Node,
    RemovableHandle,
    install_tensor,
    next_sequence,
)
from ..base import dtypes as dt
from ..base.device import CPU
from ..base.promotion import can_cast
from ..base.shapes import Meta, meta, same_layout
from ..ops.core_views import LAYOUT, as_strided_array
from ..runtime.realize import realize
from ..trace.value import STATE, Value, append, leaf
from .backward import backward as run_backward
from .dispatch import (
    PLAIN,
    TENSOR,
    alias,
    constant,
    edge_of,
    filled_leaf,
    read,
    value_of,
    wrap,
    write,
)


class _TensorMeta(type):
    def __instancecheck__(cls, instance):
        return type.__instancecheck__(cls, instance)


class Tensor:
    """An n-dimensional array with PyTorch's semantics: strides, views, autograd.

    ``Tensor(2, 3)`` is an uninitialised float tensor of that shape, ``Tensor([1, 2])`` a float
    tensor of those values; `rushlight.tensor` infers the dtype and is usually what you want.
    """

    __slots__ = ("_storage", "_meta", "_requires_grad", "_grad_fn", "_base", "_output_nr",
                 "__dict__", "__weakref__")
    __module__ = "torch"
    _storage: Any
    _meta: Meta
    _requires_grad: bool
    _grad_fn: Any
    _base: Any
    _output_nr: int

    if TYPE_CHECKING:  # the methods that ops publish are attached when they register
        def __getattr__(self, name: str) -> Any: ...

    # Rare state lives in __dict__ and defaults here, so that a traced op pays nothing for it.
    _grad = None            # .grad
    _vc = None              # own version counter of a .data alias: a list of one int
    _cache = None           # (storage value, its VIEW record)
    _hooks = None           # tensor hooks of a leaf: {id: hook}
    _post_hooks = None      # post-accumulate-grad hooks of a leaf
    _accumulate = None      # AccumulateGrad node, once somebody has asked for it
    _view: Any = None       # (storage version, one of several views, made under no_grad)
    _retains = False
    _name = None

    def __new__(cls, *data, device=None, **options):
        from .from_data import legacy_tensor
        return legacy_tensor(cls, data, device)

    def __init__(self, *data, **options):
        pass

    # ---- metadata -------------------------------------------------------------------------

    @property
    def shape(self):
        """The size as a `Size`."""
        return self._meta.shape

    @property
    def dtype(self):
        """The element type."""
        return self._meta.dtype

    @property
    def device(self):
        """The device; always the CPU in this build."""
        return CPU

    @property
    def ndim(self):
        """The number of axes."""
        return len(self._meta.shape)

    @property
    def layout(self):
        """`rushlight.strided`."""
        import rushlight
        return rushlight.strided

    @property
    def itemsize(self):
        """Bytes per element."""
        return self._meta.dtype.itemsize

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self._meta.nbytes

    is_cuda = is_sparse = is_mkldnn = is_quantized = is_meta = is_nested = is_mps = False
    is_xpu = is_sparse_csr = is_vulkan = is_xla = is_ipu = is_hpu = is_mtia = is_maia = False
    is_cpu = True
    names = property(lambda self: (None,) * len(self._meta.shape))

    def dim(self):
        """The number of axes."""
        return len(self._meta.shape)

    ndimension = dim

    def size(self, dim=None):
        """The size, or the length of one axis."""
        shape = self._meta.shape
        if dim is None:
            return shape
        try:
            return tuple.__getitem__(shape, dim)
        except IndexError:
            raise IndexError(f"Dimension out of range (expected to be in range of "
                             f"[{-max(len(shape), 1)}, {max(len(shape), 1) - 1}], but got {dim})"
                             ) from None

    def stride(self, dim=None):
        """The strides in elements, or that of one axis."""
        strides = self._meta.strides
        return strides if dim is None else strides[dim]

    def storage_offset(self):
        """The position of the first element in the storage, in elements."""
        return self._meta.offset

    def numel(self):
        """The number of elements."""
        return self._meta.numel

    nelement = numel

    def element_size(self):
        """Bytes per element."""
        return self._meta.dtype.itemsize

    def is_floating_point(self):
        """Whether the dtype is a real floating-point type."""
        return self._meta.dtype.is_floating_point

    def is_complex(self):
        """Whether the dtype is complex."""
        return self._meta.dtype.is_complex

    def is_signed(self):
        """Whether the dtype has negative numbers."""
        return self._meta.dtype.is_signed

    def is_conj(self):
        """False: conjugation is computed, never a flag (see differences-from-pytorch)."""
        return False

    def is_neg(self):
        """False: negation is computed, never a flag."""
        return False

    def is_inference(self):
        """Whether the tensor was made in inference mode."""
        return self._inference

    def is_pinned(self, device=None):
        """False: there is no device to pin memory for."""
        return False

    def is_shared(self):
        """Whether the storage is in shared memory."""
        return self._storage.is_shared()

    def get_device(self):
        """-1, the CPU."""
        return -1

    def is_same_size(self, other):
        """Whether both have the same shape."""
        return self._meta.shape == other._meta.shape

    # ---- storage --------------------------------------------------------------------------

    def untyped_storage(self):
        """The storage; one object for all tensors that share it."""
        return self._storage

    def data_ptr(self):
        """The address of the first element; it does not change any more."""
        address = self._storage.data_ptr()
        return address + self._meta.offset * self._meta.dtype.itemsize if address else 0

    @property
    def _version(self):
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._storage.version if self._vc is None else self._vc[0]

    @property
    def _inference(self):
        version = self._storage.version
        return version != version

    def _array(self, why="a read of its elements"):
        """The realized elements as a NumPy array in this tensor's layout (do not write to it)."""
        storage = self._storage
        if storage.exposed is not None:
            return as_strided_array(storage.value.array, self._meta)
        value = storage.value
        if value.meta is self._meta or same_layout(value.meta, self._meta):
            return realize(value, why)
        return as_strided_array(realize(value, why), self._meta)

    # ---- autograd state -------------------------------------------------------------------

    @property
    def requires_grad(self):
        """Whether operations on this tensor are recorded. Settable on leaves."""
        if self._base is not None:
            self._refresh_view()
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, flag):
        self.requires_grad_(flag)

    def requires_grad_(self, requires_grad=True):
        """Set `requires_grad` in place.

        Raises RuntimeError for a dtype without derivatives, and for non-leaf tensors.
        """
        requires_grad = bool(requires_grad)
        if self.grad_fn is not None:
            if not requires_grad:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to "
                    "use a computed variable in a subgraph that doesn't require differentiation "
                    "use var_no_grad = var.detach().")
            return self
        if requires_grad and self._meta.dtype.category < 2:
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients (this one is "
                f"{self._meta.dtype}; write 1. instead of 1, or pass dtype=torch.float32)")
        if requires_grad and self._inference and not STATE.own.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside "
                               "InferenceMode is not allowed.")
        self._requires_grad = requires_grad
        if requires_grad and self._vc is not None:
            self._vc = None
        return self

    @property
    def grad_fn(self):
        """The node that made this tensor, or None for a leaf."""
        if self._base is not None:
            self._refresh_view()
        return self._grad_fn

    @property
    def is_leaf(self):
        """True unless the tensor was made by a recorded operation."""
        return self.grad_fn is None

    @property
    def output_nr(self):
        """Which output of `grad_fn` this is."""
        return self._output_nr

    @property
    def grad(self):
        """The accumulated gradient, or None."""
        if self._grad is None and self._grad_fn is not None and not self._retains:
            import warnings
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad attribute won't be populated during autograd.backward(). If you indeed "
                "want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() "
                "on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure "
                "you access the leaf Tensor instead.", UserWarning, stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, value):
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of "
                                f"type {type(value).__name__!r}")
            if value._meta.shape != self._meta.shape:
                raise RuntimeError(
                    "assigned grad has data of a different size (assigned grad has size "
                    f"{list(value.shape)}, tensor has size {list(self.shape)})")
            if value._meta.dtype is not self._meta.dtype:
                raise RuntimeError(
                    "assigned grad has data of a different type (assigned grad is "
                    f"{value.dtype}, tensor is {self.dtype})")
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
        self._grad = value

    @grad.deleter
    def grad(self):
        self._grad = None

    def _refresh_view(self):
        """Bring a view's graph up to date with in-place changes made through its base.

        Note [views and in-place]: a write through one view of a base that is part of a graph
        gives the base a new node (CopySlices). Every other view of it then hangs below that node,
        as an as_strided of the new base.
        """
        base, view = self._base, self._view
        if view is None or view[0] == self._storage.version:
            return
        self._view = (self._storage.version, *view[1:])
        if self._vc is not None or self._detached_view:
            return
        if base._requires_grad and (base._grad_fn is not None or self._grad_fn is not None):
            with _NoGradBarrier(True):
                from .view_graph import as_strided_node
                self._grad_fn = as_strided_node(base, self._meta, edge_of(base))
                self._output_nr = 0
                self._requires_grad = True

    _detached_view = False

    def _view_state(self, several, no_grad):
        self._view = (self._storage.version, several, no_grad)

    @property
    def data(self):
        """The same memory without autograd; changes made through it go unnoticed by autograd."""
        other = alias(self._storage, self._meta)
        other._vc = [0]
        return other

    @data.setter
    def data(self, new_data):
        if not isinstance(new_data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(new_data).__name__}")
        self._storage, self._meta = new_data._storage, new_data._meta
        self._cache = None
        if self._accumulate is not None:
            self._accumulate.metas = (self._meta,)

    def detach(self):
        """The same memory outside the graph. In-place changes are noticed by autograd.

        Returns a tensor that shares storage and version counter and does not require grad.
        """
        other = alias(self._storage, self._meta)
        if self._vc is not None:
            other._vc = self._vc
        root = self._base if self._base is not None else self
        other._base = root
        other._detached_view = True
        other._view = (self._storage.version, False, False)
        return other if type(self) in PLAIN else _like_subclass(self, other)

    def detach_(self):
        """Take this tensor out of its graph, in place. Raises RuntimeError for views."""
        if self._base is not None and not self._detached_view:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using "
                "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set "
                "as True, gradients are views of DDP buckets, and hence detach_() cannot be "
                "called on these gradients. To fix this error, please refer to the "
                "Optimizer.zero_grad() function in torch/optim/optimizer.py as a solution.")
        self._grad_fn = None
        self._requires_grad = False
        self._output_nr = 0
        return self

    @property
    def retains_grad(self):
        """Whether a non-leaf keeps its gradient."""
        return self._retains and self.grad_fn is not None

    def retain_grad(self):
        """Keep this non-leaf's gradient in ``.grad`` when backward passes through it."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.grad_fn is None or self._retains:
            return
        self._retains = True
        node = self._grad_fn
        if node.hooks is None:
            node.hooks = {}
        node.hooks.setdefault("retain", {})[self._output_nr] = weakref.ref(self)

    def _retained_grad(self, gradient):
        self._grad = wrap(value_of(gradient), gradient._meta) if gradient._grad_fn is None \
            else gradient

    def register_hook(self, hook):
        """Call ``hook(grad)`` whenever this tensor's gradient is computed.

        The hook may return a new gradient. Returns a handle with ``remove()``. Raises RuntimeError
        if the tensor does not require grad.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        node = self.grad_fn
        if node is None:
            if self._hooks is None:
                self._hooks = {}
            table = self._hooks
        else:
            if node.hooks is None:
                node.hooks = {}
            table = node.hooks.setdefault("tensor", {}).setdefault(self._output_nr, {})
        handle = RemovableHandle(table)
        table[handle.id] = hook
        return handle

    def register_post_accumulate_grad_hook(self, hook):
        """Call ``hook(tensor)`` after a gradient has been accumulated into this leaf."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf "
                               "tensors")
        if self._post_hooks is None:
            self._post_hooks = {}
        handle = RemovableHandle(self._post_hooks)
        self._post_hooks[handle.id] = hook
        return handle

    @property
    def _backward_hooks(self):
        return self._hooks

    def _accumulate_grad(self, gradient, create_graph):
        have = self._grad
        if have is None:
            if create_graph:
                self._grad = gradient
            else:
                self._grad = _own(gradient, self._meta)
        elif create_graph:
            self._grad = have + gradient
        else:
            have.add_(gradient)
        if self._post_hooks:
            for hook in list(self._post_hooks.values()):
                hook(self)

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Compute gradients of this tensor with respect to the graph's leaves.

        gradient: the vector of the Jacobian product; may be left out for a scalar.
        retain_graph: keep the saved values for another backward; defaults to `create_graph`.
        inputs: accumulate only into these tensors.
        """
        run_backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    # ---- in place ---------------------------------------------------------------------------

    def _check_writable_by_autograd(self):
        """PyTorch's rules on what may be changed in place while autograd records."""
        if self._inference and not STATE.own.inference:
            raise RuntimeError("Inplace update to inference tensor outside InferenceMode is not "
                               "allowed.You can make a clone to get a normal tensor before doing "
                               "inplace update.See "
                               "https://github.com/pytorch/rfcs/pull/17 for more details.")
        if not STATE.own.grad:
            return
        base = self._base
        if base is not None:
            self._refresh_view()
        if self._requires_grad and self._grad_fn is None:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place "
                               "operation. (Wrap the change in torch.no_grad(), or make a new "
                               "tensor from it.)")
        if base is not None and not self._detached_view:
            if base._requires_grad and base._grad_fn is None:
                raise RuntimeError("a view of a leaf Variable that requires grad is being used in "
                                   "an in-place operation.")
            if self._view is not None and self._view[1] and base._requires_grad:
                raise RuntimeError(
                    f"Output {self._output_nr} of {type(self._grad_fn).__name__} is a view and "
                    "is being modified inplace. This view is the output of a function that "
                    "returns multiple views. Such functions do not allow the output views to be "
                    "modified inplace. You should replace the inplace operation by an "
                    "out-of-place one.")

    def _become(self, result, name="the operation"):
        """Write `result` (the out-of-place op's tensor) here; the graph follows."""
        self._check_writable_by_autograd()
        m, r = self._meta, result._meta
        if r.shape != m.shape:
            raise RuntimeError(f"output with shape {list(m.shape)} doesn't match the broadcast "
                               f"shape {list(r.shape)}")
        if r.dtype is not m.dtype:
            if not can_cast(r.dtype, m.dtype):
                raise RuntimeError(f"result type {_type_name(r.dtype)} can't be cast to the "
                                   f"desired output type {_type_name(m.dtype)}")
            result = result.to(m.dtype)
        return self._assign(result)

    def _assign(self, result, constant=False):
        """`_become` without the checks: shapes and dtypes agree (`constant`: elements too)."""
        if not constant and _overlaps(self._meta):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to "
                "a single memory location. Please clone() the tensor before performing the "
                "operation.")
        value = value_of(result)
        old_edge = None
        base = self._base
        attached = base is not None and not self._detached_view
        if attached:
            self._refresh_view()
        graph = STATE.own.grad and (result._requires_grad or self.requires_grad or
                                (attached and base._requires_grad))
        if attached and graph:
            old_edge = edge_of(base)
        write(self, value)
        if not graph:
            if self._view is not None:
                self._view = (self._storage.version, *self._view[1:])
            return self
        if attached:
            from .view_graph import as_strided_node, copy_slices_node
            base._grad_fn = copy_slices_node(base, self._meta, old_edge, edge_of(result))
            base._requires_grad, base._output_nr = True, 0
            if base._view is not None:
                base._view = (self._storage.version, *base._view[1:])
            self._grad_fn = as_strided_node(base, self._meta, base._grad_fn)
            self._requires_grad, self._output_nr = True, 0
            self._view = (self._storage.version, *self._view[1:])
            _resave(result, self)
            return self
        _resave(result, self)
        hooks = self._grad_fn.hooks if self._grad_fn is not None else None
        edge = edge_of(result)
        if edge is None:
            self._grad_fn, self._requires_grad = None, False
        else:
            node, number = edge if type(edge) is tuple else (edge, 0)
            if not isinstance(node, Node):
                result = result.view_as(result)
                node, number = result._grad_fn, 0
            self._grad_fn, self._output_nr, self._requires_grad = node, number, True
            if hooks is not None and self._retains:
                self._retains = False
                self.retain_grad()
        return self

    def _copy_on(self, m: Meta):
        """This tensor's elements as a value of another dense layout."""
        return append(Value(LAYOUT, (value_of(self),), (m,), m))

    # ---- subclassing ------------------------------------------------------------------------

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """Run `func` on plain tensors and give its results this class."""
        from .subclass import default_torch_function
        return default_torch_function(cls, func, types, args, kwargs or {})

    def as_subclass(self, cls):
        """This tensor as an instance of a Tensor subclass; shares storage and graph."""
        other = object.__new__(cls)
        _copy_state(self, other)
        return other

    @staticmethod
    def _make_subclass(cls, data, require_grad=False, **options):
        other = object.__new__(cls)
        _copy_state(data.detach(), other)
        other._base = None
        other._view = None
        other._requires_grad = bool(require_grad)
        return other

    __hash__ = object.__hash__      # by identity, as PyTorch; `==` is elementwise


Tensor.__qualname__ = "Tensor"


def _like_subclass(source, other):
    if getattr(type(source), "_is_param", False):
        return other
    return other.as_subclass(type(source))


def _copy_state(source, target):
    target._storage, target._meta = source._storage, source._meta
    target._requires_grad, target._grad_fn = source._requires_grad, source._grad_fn
    target._base, target._output_nr = source._base, source._output_nr
    for name in ("_vc", "_view", "_detached_view"):
        if name in source.__dict__:
            setattr(target, name, source.__dict__[name])


def _own(gradient, wanted):
    """A gradient as a tensor of its own, laid out as its leaf: values are immutable, so nothing
    is copied where the layouts agree."""
    if gradient._storage.exposed is not None:
        return gradient.detach().clone()
    m = gradient._meta
    if m.strides == wanted.strides:
        if m.dense:
            return wrap(value_of(gradient), m)
        fresh = meta(m.dtype, m.shape)
    elif wanted.dense:
        fresh = meta(m.dtype, m.shape, wanted.strides)
        if fresh.contiguous and m.contiguous:
            return wrap(value_of(gradient), m)
    else:
        fresh = meta(m.dtype, m.shape)
    return wrap(gradient._copy_on(fresh), fresh)


def _resave(result, target):
    """The op saved its output as `result`; after an in-place write that is `target`'s storage."""
    node = result._grad_fn
    if node is None or not node.saved or node.plan is None or not node.plan.outputs:
        return
    first = len(node.plan.inputs)
    saved = list(node.saved)
    for i in range(first, len(saved)):
        entry = saved[i]
        if type(entry) is tuple and entry[0] is result._storage:
            saved[i] = (target._storage, target._meta, target._storage.version, entry[3])
    node.saved = tuple(saved)


def _overlaps(m):
    return not m.contiguous and any(s == 0 and n > 1 for s, n in zip(m.strides, m.shape))


_NAMES = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16",
          "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
          "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
          "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64"}


def _type_name(d):
    return _NAMES[d.name]


class _NoGradBarrier:
    """Sets the grad mode of this thread for a block."""

    __slots__ = ("mode", "before")

    def __init__(self, mode):
        self.mode = mode

    def __enter__(self):
        self.before, STATE.own.grad = STATE.own.grad, self.mode

    def __exit__(self, *_):
        STATE.own.grad = self.before


class Parameter(Tensor):
    """A tensor that is a module's parameter: assigned as an attribute it registers itself.

    ``Parameter(data, requires_grad=True)``; the memory is shared with `data`.
    """

    __slots__ = ()
    __module__ = "torch.nn.parameter"
    _is_param = True

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = constant(__import__("numpy").empty(0, "float32"))
        if type(data) is not Tensor and type(data) is not Parameter:
            made = data.detach().requires_grad_(requires_grad)
            if type(made) is not type(data):
                raise RuntimeError(f"Creating a Parameter from an instance of type "
                                   f"{type(data).__name__} requires that detach() returns an "
                                   f"instance of the same type, but return type "
                                   f"{type(made).__name__} was found instead.")
            made._is_param = True
            return made
        if requires_grad and data._meta.dtype.category < 2:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require "
                               "gradients")
        return Tensor._make_subclass(cls, data, requires_grad)

    def __repr__(self):
        return "Parameter containing:\n" + Tensor.__repr__(self)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """Operations on parameters give plain tensors."""
        return func(*args, **(kwargs or {}))


def _accumulate_node(tensor):
    node = tensor._accumulate
    if node is None:
        node = AccumulateGrad(tensor)
        tensor._accumulate = node
    return node


def _zeros(m):
    m = meta(m.dtype, m.shape)
    return wrap(filled_leaf(m, 0), m)


PLAIN.update((Tensor, Parameter))
TENSOR[0] = Tensor
install_tensor(Tensor=Tensor, alias=alias, zeros=_zeros, accumulate_node=_accumulate_node,
               plain=PLAIN, read=read, own=_own, wrap=wrap, filled_leaf=filled_leaf)

__all__ = ["Tensor", "Parameter", "engine", "next_sequence", "dt", "leaf"]
