"""``autograd.Function``: operations whose derivative the user writes."""

from __future__ import annotations

from ..autograd.node import FREED, Node, next_sequence
from ..trace.value import STATE
from .dispatch import alias, edge_of
from .tensor import Tensor


class BackwardNode(Node):
    """The node of a custom Function; it is the ``ctx`` that forward and backward receive."""

    __slots__ = ()

    def __init__(self):
        self.edges, self.saved, self.metas, self.params = (), (), (), ()
        self.out_metas, self.plan, self.hooks, self.line = None, None, None, None
        self.seq = next_sequence()
        self.__dict__.update(to_save=(), dirty=(), not_differentiable=(), materialize=True,
                             needs_input_grad=(), freed=False)

    # ---- what users call on ctx
    def save_for_backward(self, *tensors):
        """Keep tensors for backward, with the check that nobody changes them in between."""
        self.__dict__["to_save"] = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *tensors):
        """Say which inputs forward has changed in place."""
        self.__dict__["dirty"] = tensors

    def mark_non_differentiable(self, *tensors):
        """Say which outputs carry no gradient."""
        self.__dict__["not_differentiable"] = tensors

    def set_materialize_grads(self, value):
        """Whether undefined gradients arrive as zeros (the default) or as None."""
        self.__dict__["materialize"] = bool(value)

    @property
    def saved_tensors(self):
        """The tensors given to `save_for_backward`; RuntimeError if changed or freed."""
        if self.__dict__["freed"]:
            raise RuntimeError(FREED)
        found = []
        for entry in self.__dict__.get("kept", ()):
            found.append(None if entry is None else entry(self))
        return tuple(found)

    saved_variables = saved_tensors

    def release(self):
        """Free the saved tensors."""
        if self.__dict__.get("kept"):
            self.__dict__["freed"] = True
            self.__dict__["kept"] = ()

    def run(self, grads):
        """Call the user's backward."""
        cls = self.__dict__["function"]
        if self.__dict__["materialize"]:
            from ..autograd.node import materialize
            metas = self.out_metas if type(self.out_metas) is tuple else (self.out_metas,)
            grads = materialize(list(grads), metas)
        name = "vjp" if cls.vjp is not Function.vjp else "backward"
        found = getattr(cls, name)(self, *grads)
        found = found if isinstance(found, tuple) else (found,)
        if len(found) > len(self.edges):
            if any(f is not None for f in found[len(self.edges):]):
                raise RuntimeError(
                    f"function {type(self).__name__} returned an incorrect number of gradients "
                    f"(expected {len(self.edges)}, got {len(found)})")
            found = found[:len(self.edges)]
        elif len(found) < len(self.edges):
            raise RuntimeError(
                f"function {type(self).__name__} returned an incorrect number of gradients "
                f"(expected {len(self.edges)}, got {len(found)})")
        for i, (gradient, edge) in enumerate(zip(found, self.edges)):
            if gradient is not None and edge is None and self.metas[i] is None:
                raise RuntimeError(
                    f"function {type(self).__name__} returned a gradient different from None at "
                    f"position {i + 1}, but the corresponding forward input was not a Variable")
        return list(found)


class _FunctionMeta(type):
    def __init__(cls, name, bases, members):
        super().__init__(name, bases, members)
        cls._node_class = type(name + "Backward", (BackwardNode,), {"__module__": cls.__module__})


class Function(metaclass=_FunctionMeta):
    """A custom operation: static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``.

    Call it as ``MyFunction.apply(*args)``. A ``setup_context(ctx, inputs, output)`` method may take
    over the saving; forward then has no ctx.
    """

    def __init__(self, *args, **kwargs):
        raise RuntimeError(f"{type(self).__name__} should not be instantiated. Methods on autograd "
                           "functions are all static, so you should invoke them on the class "
                           f"itself: {type(self).__name__}.apply(...)")

    @staticmethod
    def forward(*args, **kwargs):
        """Compute the operation."""
        raise NotImplementedError("You must implement the forward function for custom "
                                  "autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Save what backward needs, when forward takes no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """Gradients of the inputs from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD.")

    vjp = backward

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run forward without recording it and hang one node on its outputs."""
        if kwargs:
            raise TypeError(f"{cls.__name__}.apply() takes no keyword arguments")
        node = cls._node_class()
        state = node.__dict__
        state["function"] = cls
        recording = STATE.own.grad
        edges = tuple([edge_of(a) if isinstance(a, Tensor) and recording else None for a in args])
        state["needs_input_grad"] = tuple([isinstance(a, Tensor) and a.requires_grad
                                           for a in args])
        node.edges = edges
        node.metas = tuple([a._meta if isinstance(a, Tensor) else None for a in args])
        STATE.own.grad = False
        try:
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args)
                cls.setup_context(node, args, output)
            else:
                output = cls.forward(node, *args)
        finally:
            STATE.own.grad = recording
        outputs = output if isinstance(output, (tuple, list)) else (output,)
        made = _attach(node, args, outputs, recording and any(e is not None for e in edges))
        _keep(node, args, outputs, made)
        if not isinstance(output, (tuple, list)):
            return made[0]
        return tuple(made)


def _attach(node, args, outputs, differentiable):
    state = node.__dict__
    dirty = [id(t) for t in state["dirty"]]
    plain = [id(t) for t in state["not_differentiable"]]
    made, metas = [], []
    for number, out in enumerate(outputs):
        if not isinstance(out, Tensor):
            made.append(out)
            metas.append(None)
            continue
        metas.append(out._meta)
        if id(out) in dirty:
            if differentiable:
                out._grad_fn, out._output_nr, out._requires_grad = node, number, True
            made.append(out)
            continue
        if any(out is a for a in args) or out._grad_fn is not None or out._requires_grad:
            out = alias(out._storage, out._meta)
        if differentiable and id(outputs[number]) not in plain and out._meta.dtype.category > 1:
            out._grad_fn, out._output_nr, out._requires_grad = node, number, True
        made.append(out)
    node.out_metas = tuple(metas)
    return made


def _keep(node, args, outputs, made):
    kept = []
    for tensor in node.__dict__["to_save"]:
        if tensor is None:
            kept.append(None)
            continue
        number = next((i for i, o in enumerate(outputs) if o is tensor), None)
        if number is not None and made[number]._grad_fn is node:
            kept.append(_saved_output(made[number], number))
        else:
            kept.append(_saved_input(tensor))
    node.__dict__["kept"] = tuple(kept)
    node.__dict__["to_save"] = ()


def _saved_input(tensor):
    from ..autograd.node import Packed, _open_input, save_input
    if STATE.own.saved_hooks:
        packed = Packed(tensor, STATE.own.saved_hooks[-1])
        return lambda node: packed.open()
    entry = save_input(tensor)
    return lambda node: _open_input(entry, node)


def _saved_output(tensor, number):
    from ..autograd.node import _open_output
    entry = (tensor._storage, tensor._meta, tensor._storage.version, number)
    return lambda node: _open_output(entry, node)


def once_differentiable(function):
    """A backward whose own operations are not recorded: differentiating it again raises."""
    import functools

    @functools.wraps(function)
    def wrapper(ctx, *grads):
        recording, STATE.own.grad = STATE.own.grad, False
        try:
            found = function(ctx, *grads)
        finally:
            STATE.own.grad = recording
        if not recording or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return found
        several = isinstance(found, tuple)
        outputs = []
        for gradient in found if several else (found,):
            if isinstance(gradient, Tensor):
                gradient = gradient.detach()
                gradient._grad_fn = _Once()
                gradient._requires_grad = True
            outputs.append(gradient)
        return tuple(outputs) if several else outputs[0]
    return wrapper


class _Once(BackwardNode):
    __slots__ = ()

    def run(self, grads):
        raise RuntimeError("trying to differentiate twice a function that was marked with "
                           "@once_differentiable")
