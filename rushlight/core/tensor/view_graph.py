"""The graph of in-place writes through views: CopySlices, and views taken again of a new base."""

from __future__ import annotations

from ..autograd.node import Node, next_sequence
from ..base.shapes import with_dtype
from ..ops.views import _as_strided_backward as as_strided_backward
from .dispatch import edge_of


class FunctionNode(Node):
    """A node whose backward is a plain function of the gradients."""

    __slots__ = ()

    def __init__(self, edges, metas, out_metas, backward):
        self.edges, self.metas, self.out_metas = edges, metas, out_metas
        self.saved, self.params, self.plan, self.hooks, self.line = (), (), None, None, None
        self.seq = next_sequence()
        self.__dict__["backward"] = backward

    def run(self, grads):
        """Gradients of the inputs from those of the outputs."""
        return self.__dict__["backward"](*grads)


class AsStridedBackward0(FunctionNode):
    """A view taken again of a base that was written to in place."""

    __slots__ = ()


class CopySlices(FunctionNode):
    """A base after a write through one of its views."""

    __slots__ = ()


class CopyBackwards(FunctionNode):
    """``copy_``: the old contents get a zero gradient, the source the whole of it."""

    __slots__ = ()


class FillBackward0(FunctionNode):
    """``fill_``: the old contents get a zero gradient."""

    __slots__ = ()


class ZeroBackward0(FunctionNode):
    """``zero_``: the old contents get a zero gradient."""

    __slots__ = ()


def overwrite(kind, tensor, result):
    """Hang `result` below both the tensor it overwrites and what it was computed from."""
    old, value = edge_of(tensor), edge_of(result)
    if old is None and value is None:
        return result
    if old is None and kind is not CopyBackwards:
        return result
    m = result._meta

    def backward(g):
        return [g.new_zeros(m.shape) if old is not None else None,
                g if value is not None else None]
    result._grad_fn = kind((old, value), (m, m), m, backward)
    result._output_nr = 0
    result._requires_grad = True
    return result


for _kind in (CopyBackwards, FillBackward0, ZeroBackward0):
    _kind.__module__ = "torch"
AsStridedBackward0.__module__ = CopySlices.__module__ = "torch"


def _in_layout_of(gradient, base):
    """The gradient as a fresh tensor in the base's own memory order, starting at offset 0."""
    import rushlight
    made = rushlight.empty_strided(base.shape, base.strides, dtype=gradient.dtype)
    made.copy_(gradient)
    return made


def as_strided_node(base, view, edge):
    """The node of a tensor with layout `view` over `base`'s memory."""
    root = base._meta

    def backward(g):
        import rushlight
        offset = view.offset - root.offset
        if any(s == 0 and n > 1 for s, n in zip(view.strides, view.shape)):
            return [as_strided_backward(g, geometry=with_dtype(root, g.dtype), size=view.shape,
                                        stride=view.strides, storage_offset=offset)]
        made = rushlight.empty_strided(root.shape, root.strides, dtype=g.dtype).zero_()
        made.as_strided(view.shape, view.strides, offset).copy_(g)
        return [made]
    return AsStridedBackward0((edge,), (root,), view, backward)


def copy_slices_node(base, view, base_edge, value_edge):
    """The base's node after `value` was written through a view of layout `view`."""
    root = base._meta

    def backward(g):
        whole = _in_layout_of(g, root)
        window = whole.as_strided(view.shape, view.strides, view.offset - root.offset)
        value_gradient = window.clone() if value_edge is not None else None
        window.zero_()
        return [whole if base_edge is not None else None, value_gradient]
    return CopySlices((base_edge, value_edge), (root, view), root, backward)
