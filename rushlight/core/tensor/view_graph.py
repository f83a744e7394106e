"""The graph of in-place writes through views: CopySlices, and views taken again of a new base."""

from __future__ import annotations

from ..autograd.node import Node, next_sequence


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
        made = rushlight.empty_strided(root.shape, root.strides, dtype=g.dtype).zero_()
        made.as_strided(view.shape, view.strides, view.offset - root.offset).copy_(g)
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
