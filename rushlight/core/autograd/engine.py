"""Backward: runs the nodes in the reverse order of their creation.

A node's inputs were always made before it, so descending sequence numbers are a topological
order: a heap of the nodes that have received a gradient needs no dependency counts.
"""

from __future__ import annotations

import heapq
from typing import Any

from ..base.errors import describe_line
from ..base.shapes import same_layout
from ..trace.value import STATE
from . import known_backward
from .node import FREED_MARK, Node, _tensor_room, edge_function


def run_backward(roots, grads, retain_graph, create_graph, inputs=None, accumulate=True,
                 allow_unused=True):
    """Send `grads` through the graph from `roots`.

    inputs: None to accumulate into every leaf, or the tensors whose gradients are wanted.
    accumulate: with `inputs`, whether to write ``.grad`` (backward) or return the list (grad).
    """
    state = STATE.own
    grad_before, state.grad = state.grad, create_graph
    partial_before, state.partial_backward = state.partial_backward, inputs is not None
    try:
        watch = None
        if inputs is None and not create_graph and not state.slow and state.autocast is None:
            found = known_backward.survey(roots, grads)
            known = None if found is None else known_backward.find(found)
            if known is known_backward.UNSEEN:
                watch = known_backward.Watch(found, state)
            elif known is not None:
                known_backward.repeat(known, found, state, retain_graph)
                return None
        return _run(roots, grads, retain_graph, create_graph, inputs, accumulate, watch)
    finally:
        state.grad = grad_before
        state.partial_backward = partial_before


def _run(roots, grads, retain_graph, create_graph, inputs, accumulate, watch=None):
    heap, buffers, leaves = [], {}, {}
    wanted: Any = None
    needed: Any = None
    if inputs is not None:
        wanted, needed = _wanted(inputs, roots)

    def send(edge, gradient):
        if type(edge) is tuple:
            node, number = edge
        else:
            node, number = edge, 0
        if isinstance(node, Node):
            if needed is not None and node not in needed:
                return
            slots = buffers.get(node)
            if slots is None:
                count = len(node.out_metas) if type(node.out_metas) is tuple else 1
                slots = buffers[node] = [None] * max(count, number + 1)
                heapq.heappush(heap, (-node.seq, id(node), node))
            have = slots[number]
            slots[number] = gradient if have is None else have + gradient
        else:
            if wanted is not None and id(node) not in wanted:
                return
            entry = leaves.get(id(node))
            if entry is None:
                leaves[id(node)] = [node, gradient]
            else:
                entry[1] = entry[1] + gradient

    for root, gradient in zip(roots, grads):
        send(_root_edge(root), gradient)
    captured = {}
    anomaly = STATE.own.anomaly
    while heap:
        node = heapq.heappop(heap)[2]
        slots = buffers.pop(node)
        hooks = node.hooks
        if hooks is not None:
            slots = _before(node, slots, hooks)
        if wanted is not None:
            for number, gradient in enumerate(slots):
                if (id(node), number) in wanted and gradient is not None:
                    captured[id(node), number] = gradient
            if needed[node] is False:      # only captured, not run
                continue
        if all([gradient is None for gradient in slots]):
            results = [None] * len(node.edges)
        else:
            results = node.run(slots)
        if anomaly is not None:
            _check_nan(node, results, anomaly)
        metas = node.metas
        edges = node.edges
        results = [r if r is None or e is None or r._meta is m else validate(r, m, node, i)
                   for i, (r, e, m) in enumerate(zip(results, edges, metas))]
        if hooks is not None and "post" in hooks:
            results = _after(node, results, slots, hooks["post"])
        if not retain_graph:
            node.release()
        for edge, gradient in zip(edges, results):
            if edge is not None and gradient is not None:
                send(edge, gradient)
    if watch is not None:
        for entry in leaves.values():
            entry[1] = _validated(*entry)
        watch.finish(leaves)
    return _finish(leaves, wanted, captured, inputs, accumulate, create_graph)


def _root_edge(root):
    node = root.grad_fn
    if node is None:
        return root
    return (node, root._output_nr) if root._output_nr else node


def _wanted(inputs, roots):
    """(keys of the wanted gradients, {node: whether to run it})."""
    wanted = set()
    for tensor in inputs:
        node = tensor.grad_fn
        wanted.add(id(tensor) if node is None else (id(node), tensor._output_nr))
    reachable, stack = set(), []
    for root in roots:
        node = root.grad_fn
        if node is not None and node not in reachable:
            reachable.add(node)
            stack.append(node)
    while stack:
        for edge in stack.pop().edges:
            node = edge[0] if type(edge) is tuple else edge
            if isinstance(node, Node) and node not in reachable:
                reachable.add(node)
                stack.append(node)
    captures = {key[0] for key in wanted if type(key) is tuple}
    needed = {}
    for node in sorted(reachable, key=lambda n: n.seq):
        run = False
        for edge in node.edges:
            target = edge[0] if type(edge) is tuple else edge
            if target is None:
                continue
            if isinstance(target, Node):
                run = run or target in needed
            else:
                run = run or id(target) in wanted
        if run or id(node) in captures:
            needed[node] = run
    return wanted, needed


def validate(gradient, meta, node, index):
    """A gradient in its input's shape and dtype: broadcast axes are summed, dtypes cast."""
    have = gradient._meta
    if same_layout(have, meta):
        return gradient
    if have.shape != meta.shape:
        try:
            gradient = gradient.sum_to_size(meta.shape)
        except RuntimeError:
            raise RuntimeError(
                f"Function {type(node).__name__} returned an invalid gradient at index {index} - "
                f"got {list(have.shape)} but expected shape compatible with {list(meta.shape)}"
            ) from None
    if have.dtype is not meta.dtype:
        if have.dtype.is_complex and not meta.dtype.is_complex:
            gradient = gradient.real
        gradient = gradient.to(meta.dtype)
    return gradient


def _before(node, slots, hooks):
    if "pre" in hooks:
        for hook in list(hooks["pre"].values()):
            changed = hook(tuple(slots))
            if changed is not None:
                slots = list(changed) if isinstance(changed, (tuple, list)) else [changed]
    tensors = hooks.get("tensor")
    if tensors:
        slots = list(slots)
        for number, table in tensors.items():
            if number >= len(slots) or slots[number] is None:
                continue
            for hook in list(table.values()):
                slots[number] = call_tensor_hook(hook, slots[number])
    for number, reference in hooks.get("retain", {}).items():
        tensor = reference()
        if tensor is not None and number < len(slots) and slots[number] is not None:
            tensor._retained_grad(slots[number])
    return slots


def call_tensor_hook(hook, gradient):
    """The gradient after one tensor hook: its return value, or the same gradient for None."""
    changed = hook(gradient)
    if changed is None:
        return gradient
    if not isinstance(changed, _tensor_room["Tensor"]):
        raise TypeError(f"expected Tensor, but hook returned '{type(changed).__name__}'")
    if changed.shape != gradient.shape:
        raise RuntimeError(f"hook '{getattr(hook, '__name__', hook)}' has changed the size of "
                           f"value")
    return changed


def _after(node, results, slots, table):
    for hook in list(table.values()):
        changed = hook(tuple(results), tuple(slots))
        if changed is not None:
            results = list(changed) if isinstance(changed, (tuple, list)) else [changed]
    return results


def _validated(leaf, gradient):
    return gradient if gradient._meta is leaf._meta else validate(gradient, leaf._meta, leaf, 0)


def _finish(leaves, wanted, captured, inputs, accumulate, create_graph):
    for leaf, gradient in leaves.values():
        gradient = _validated(leaf, gradient)
        table = leaf._hooks
        if table:
            for hook in list(table.values()):
                gradient = call_tensor_hook(hook, gradient)
        node = leaf._accumulate
        if node is not None and node.hooks is not None:
            gradient = _before(node, [gradient], node.hooks)[0]
        if wanted is None or accumulate:
            leaf._accumulate_grad(gradient, create_graph)
            if node is not None and node.hooks and "post" in node.hooks:
                _after(node, [], [gradient], node.hooks["post"])
        else:
            captured[id(leaf)] = gradient
    if wanted is None:
        return None
    found = []
    for tensor in inputs:
        node = tensor.grad_fn
        key = id(tensor) if node is None else (id(node), tensor._output_nr)
        gradient = captured.get(key)
        if accumulate and node is not None and gradient is not None:
            tensor._accumulate_grad(gradient, create_graph)
        found.append(gradient)
    return found


def _check_nan(node, results, anomaly):
    if anomaly.check_nan:
        for index, gradient in enumerate(results):
            if gradient is not None and gradient._meta.dtype.category >= 2 and \
                    gradient.isnan().any().item():
                raise RuntimeError(
                    f"Function '{type(node).__name__}' returned nan values in its {index}th "
                    f"output. The forward operation was called at {describe_line(node.line)}.")


def graph_nodes(root):
    """Every node reachable from a tensor's grad_fn, newest first."""
    found, stack = set(), [root]
    while stack:
        node = stack.pop()
        if node is None or node in found:
            continue
        found.add(node)
        stack.extend(edge_function(e)[0] for e in node.edges)
    return sorted(found, key=lambda n: -n.seq)


__all__ = ["run_backward", "validate", "graph_nodes", "FREED_MARK"]
