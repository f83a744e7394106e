"""What calling an op does: check, append one record, wrap the result, make one autograd node.

`call_unary`/`call_binary` build the hot paths of pointwise ops; `apply` is the general path. The
hot path touches no Python number's value, makes no closure, and finds the type rule's answer by
the identity of interned metas.
"""

from __future__ import annotations

from typing import Any, cast

from ..autograd.node import INFERENCE, make_node, next_sequence, node_type, save_plan
from ..base.errors import user_line
from ..base.shapes import FLUSH_BYTES, Meta, meta, same_layout
from ..ops.core_views import ITEM, LAYOUT, UPDATE, VIEW
from ..ops.record import Op, install_dispatch
from ..ops.types import pointwise_rule
from ..trace.value import FILLED, STATE, Value, append, flush_long_trace, leaf
from .storage import UntypedStorage

NUMBERS = frozenset((bool, int, float, complex))
SECOND_NAMES = {"mm": "mat2", "bmm": "mat2", "mv": "vec", "dot": "tensor"}
PLAIN: set = set()             # Tensor and Parameter; filled by tensor.py
TENSOR: list = [None]          # the Tensor class; set by tensor.py
new = object.__new__


def wrap(value: Value, m: Meta) -> Any:
    """A new tensor that owns a new storage over `value`."""
    storage = new(UntypedStorage)
    storage.value = value
    storage.version = 0
    storage.writer = storage.exposed = None
    tensor = new(TENSOR[0])
    tensor._storage = storage
    tensor._meta = m
    tensor._requires_grad = False
    tensor._grad_fn = tensor._base = None
    tensor._output_nr = 0
    return tensor


def alias(storage, m: Meta, node=None, number=0) -> Any:
    """A tensor over an existing storage (used to unpack saved outputs, and for views)."""
    tensor = new(TENSOR[0])
    tensor._storage = storage
    tensor._meta = m
    tensor._requires_grad = node is not None
    tensor._grad_fn = node
    tensor._base = None
    tensor._output_nr = number
    return tensor


def read(tensor) -> Value:
    """The value a tensor shows: its storage's, or a VIEW record through its layout."""
    storage = tensor._storage
    value = storage.value
    m = tensor._meta
    if storage.exposed is not None:
        if storage.still_exposed():
            return storage.snapshot(m)
        value = storage.value
    if value.meta is m or same_layout(value.meta, m):
        return value
    cached = tensor._cache
    if cached is not None and cached[0] is value:
        return cached[1]
    seen = append(Value(VIEW, (value,), (m,), m))
    if value.array is None or m.numel > 64:
        tensor._cache = (value, seen)
    return seen


def value_of(tensor) -> Value:
    """`read` with the hot path's short cut."""
    value = tensor._storage.value
    return value if value.meta is tensor._meta else read(tensor)


def edge_of(tensor):
    """Where a gradient for this tensor goes (see Note [edges])."""
    if tensor._base is not None:
        tensor._refresh_view()
    node = tensor._grad_fn
    if node is None:
        return tensor if tensor._requires_grad else None
    return (node, tensor._output_nr) if tensor._output_nr else node


def call_binary(op: Op):
    """The hot path of an op of two tensors; one of a pointwise op's may be a Python number."""
    rules = op.cache
    plain, numbers = PLAIN, NUMBERS
    node_class = node_type(op)
    differentiable = bool(op.derivative)
    masks = {}

    def call(x, y):
        kx, ky = type(x), type(y)
        if kx in plain:
            mx = x._meta
            vx = x._storage.value
            if vx.meta is not mx:
                vx = read(x)
        elif kx in numbers:
            mx, vx = kx, x
        else:
            return slow_pointwise(op, (x, y))
        if ky in plain:
            my = y._meta
            vy = y._storage.value
            if vy.meta is not my:
                vy = read(y)
        elif ky in numbers:
            if mx is kx:
                return slow_pointwise(op, (x, y))
            my, vy = ky, y
        else:
            return slow_pointwise(op, (x, y))
        m = rules.get((mx, my))
        if m is None:
            m = _infer(op, (mx, my))
        value = new(Value)
        value.op, value.inputs, value.params, value.meta = op, (vx, vy), None, m
        value.array = None
        state = STATE.own
        state.trace.append(value)
        state.weight = weight = state.weight + m.weight
        storage = new(UntypedStorage)
        storage.value = value
        storage.version = 0
        storage.writer = storage.exposed = None
        out = new(TENSOR[0])
        out._storage, out._meta, out._output_nr = storage, m, 0
        out._base = None
        if state.grad and differentiable:
            if mx is kx:
                ex = None
            else:
                ex = x._grad_fn
                if x._base is not None or x._output_nr:
                    ex = edge_of(x)
                elif ex is None and x._requires_grad:
                    ex = x
            if my is ky:
                ey = None
            else:
                ey = y._grad_fn
                if y._base is not None or y._output_nr:
                    ey = edge_of(y)
                elif ey is None and y._requires_grad:
                    ey = y
            if (ex is not None or ey is not None) and m.dtype.category > 1:
                if state.slow:
                    node = slow_node(op, (x, y), (ex, ey), (mx, my), m, (), (out,))
                else:
                    node = new(node_class)
                    node.edges = (ex, ey)
                    node.metas = (mx, my)
                    node.out_metas = m
                    node.params = ()
                    node.seq = next_sequence()
                    node.hooks = node.line = None
                    mask = (ex is not None, ey is not None)
                    plan = masks.get(mask)
                    if plan is None:
                        plan = masks[mask] = save_plan(op, mask)
                    node.plan = plan
                    saved = ()
                    if plan.inputs:
                        for i in plan.inputs:
                            if i:
                                saved += ((y, y._storage.version),) if my is not ky else (y,)
                            else:
                                saved += ((x, x._storage.version),) if mx is not kx else (x,)
                    if plan.outputs:
                        saved += ((storage, m, 0, 0),)
                    node.saved = saved
                out._grad_fn = node
                out._requires_grad = True
            else:
                out._grad_fn = None
                out._requires_grad = False
        else:
            out._grad_fn = None
            out._requires_grad = False
            if state.inference:
                storage.version = INFERENCE
        if weight > FLUSH_BYTES:
            flush_long_trace()
        return out
    call.__name__ = op.name
    op.call = call
    return call


def call_unary(op: Op):
    """The hot path of a pointwise op of one tensor."""
    rules = op.cache
    plain = PLAIN
    node_class = node_type(op)
    differentiable = bool(op.derivative)
    plan: Any = save_plan(op, (True,)) if differentiable else None
    saves_input = differentiable and bool(plan.inputs)
    saves_output = differentiable and bool(plan.outputs)

    def call(x):
        if type(x) not in plain:
            return slow_pointwise(op, (x,))
        mx = x._meta
        vx = x._storage.value
        if vx.meta is not mx:
            vx = read(x)
        m = rules.get(mx)
        if m is None:
            m = rules[mx] = pointwise_rule(op, (mx,))
        value = new(Value)
        value.op, value.inputs, value.params, value.meta = op, (vx,), None, m
        value.array = None
        state = STATE.own
        state.trace.append(value)
        state.weight = weight = state.weight + m.weight
        storage = new(UntypedStorage)
        storage.value = value
        storage.version = 0
        storage.writer = storage.exposed = None
        out = new(TENSOR[0])
        out._storage, out._meta, out._output_nr = storage, m, 0
        out._base = out._grad_fn = None
        out._requires_grad = False
        if state.grad and differentiable:
            edge = x._grad_fn
            if x._base is not None or x._output_nr:
                edge = edge_of(x)
            elif edge is None and x._requires_grad:
                edge = x
            if edge is not None and m.dtype.category > 1:
                if state.slow:
                    node = slow_node(op, (x,), (edge,), (mx,), m, (), (out,))
                else:
                    node = new(node_class)
                    node.edges, node.metas, node.out_metas = (edge,), (mx,), m
                    node.params = ()
                    node.seq = next_sequence()
                    node.hooks = node.line = None
                    node.plan = plan
                    saved = ((x, x._storage.version),) if saves_input else ()
                    if saves_output:
                        saved += ((storage, m, 0, 0),)
                    node.saved = saved
                out._grad_fn = node
                out._requires_grad = True
        if weight > FLUSH_BYTES:
            flush_long_trace()
        return out
    call.__name__ = op.name
    op.call = call
    return call


def _infer(op, operands):
    if len(op.cache) > 20_000:
        op.cache.clear()
    if op.family == "pointwise":
        m = op.cache[operands] = pointwise_rule(op, operands)
        return m
    for position, operand in enumerate(operands):
        if type(operand) is not Meta:
            raise TypeError(f"{op.name}(): argument '{_public_name(op, position)}' (position "
                            f"{position + 1}) must be Tensor, not {operand.__name__}")
    m = op.cache[operands] = op.rule(*operands)
    return m


def _public_name(op, position):
    """PyTorch's name of an op's argument."""
    name = op.inputs[position] if position else "input"
    return {"x": "input", "y": SECOND_NAMES.get(op.name, "other")}.get(name, name)


def slow_node(op, inputs, edges, metas, m, params, outputs):
    """`make_node` under anomaly mode or saved-tensor hooks: remembers the user's line."""
    node = make_node(op, inputs, edges, metas, m, params, outputs)
    node.line = user_line(2)
    return node


def slow_pointwise(op, operands) -> Any:
    """A pointwise call with anything else among its operands: subclasses, NumPy numbers, errors."""
    special = [o for o in operands if isinstance(o, TENSOR[0]) and type(o) not in PLAIN]
    if special:
        return torch_function(op, op.call or op, special, operands, {})
    converted = []
    for operand in operands:
        kind = type(operand)
        if kind in PLAIN or kind in NUMBERS:
            converted.append(operand)
        else:
            converted.append(as_operand(operand, op, len(converted)))
    if not any(type(o) in PLAIN for o in converted):
        if operands and not any(isinstance(o, TENSOR[0]) for o in operands):
            raise TypeError(f"{op.name}(): argument 'input' (position 1) must be Tensor, not "
                            f"{type(operands[0]).__name__}")
    if op.call is not None and len(operands) <= 2:
        return op.call(*converted)
    return apply(op, tuple(converted), ())


def as_operand(operand, op, position):
    """A NumPy number as a Python number, an array-like refused with PyTorch's text."""
    import numpy as np
    if isinstance(operand, np.generic):
        return operand.item()
    if isinstance(operand, (bool, int, float, complex)):
        for kind in (bool, int, float, complex):
            if isinstance(operand, kind):
                return cast(Any, kind)(operand)
    refused = op.family == "contraction"        # PyTorch's take tensors only
    if isinstance(operand, np.ndarray) and not refused:
        from .exchange import array_dtype
        if operand.ndim == 0:
            return operand.item()
        return constant(operand.copy(order="C"), meta(array_dtype(operand), operand.shape))
    index = getattr(operand, "__index__", None)
    if index is not None and not refused and not isinstance(operand, TENSOR[0]):
        return index()
    raise TypeError(f"{op.name}(): argument '{_public_name(op, position)}' (position "
                    f"{position + 1}) must be Tensor, not "
                    f"{'numpy.' * isinstance(operand, np.ndarray)}{type(operand).__name__}")


def torch_function(op, function, special, args, kwargs) -> Any:
    """Calls on Tensor subclasses: their ``__torch_function__``, or the default one."""
    for tensor in special:
        handler = type(tensor).__torch_function__
        found = handler(function, tuple({type(t) for t in special}), args, kwargs)
        if found is not NotImplemented:
            return found
    raise TypeError(f"no implementation found for '{op.name}' on types that implement "
                    f"__torch_function__: {[type(t) for t in special]}")


def apply(op: Op, inputs, params=()) -> Any:
    """The general path: any family. `inputs`: tensors, Python numbers or None, in order."""
    family = op.family
    plain = PLAIN
    metas, values = [], []
    for item in inputs:
        kind = type(item)
        if kind not in plain:
            if item is None or kind in NUMBERS:
                metas.append(None if item is None else kind)
                values.append(item)
                continue
            if kind is Value:          # a generator's state
                metas.append(item.meta)
                values.append(item)
                continue
            if isinstance(item, TENSOR[0]):
                special = [o for o in inputs if isinstance(o, TENSOR[0]) and type(o) not in plain]
                return torch_function(op, _again(op, params), special, inputs, {})
            item = as_operand(item, op, len(metas))
            inputs = (*inputs[:len(metas)], item, *inputs[len(metas) + 1:])
            metas.append(type(item))
            values.append(item)
            continue
        metas.append(item._meta)
        if family == "view" or family == "composite":
            values.append(None)
        else:
            value = item._storage.value
            values.append(value if value.meta is item._meta else read(item))
    metas = tuple(metas)
    if family == "composite":
        return _apply_composite(op, inputs, metas, params)
    out_metas: Any = op.cache.get((metas, params))
    if out_metas is None:
        if len(op.cache) > 20_000:
            op.cache.clear()
        if family == "pointwise":
            out_metas = pointwise_rule(op, [m for m in metas if m is not None])
        elif op.variadic:
            out_metas = op.rule(metas, *params)
        else:
            out_metas = op.rule(*metas, *params)
        if type(out_metas) is list:
            out_metas = tuple(out_metas)
        op.cache[metas, params] = out_metas
    if family == "view":
        return _apply_view(op, inputs[0], metas, out_metas, params)
    value = Value(op, tuple(values), params or None, out_metas)
    if op.facts.get("checks"):
        value.line = user_line(2)
    if type(out_metas) is tuple:
        STATE.own.trace.append(value)
        outputs = []
        for i, m in enumerate(out_metas):
            outputs.append(None if m is None else
                           wrap(append(Value(ITEM, (value,), (i,), m)), m))
        outputs = tuple(outputs)
    else:
        append(value)
        outputs = (wrap(value, out_metas),)
    if STATE.own.grad and op.derivative:
        _record(op, inputs, metas, out_metas, params, outputs)
    elif STATE.own.inference:
        for out in outputs:
            if out is not None:
                out._storage.version = INFERENCE
    return outputs if type(out_metas) is tuple else outputs[0]


class _again:  # noqa: N801 - a function with an equality
    """An op call with its static parameters, as ``__torch_function__`` receives it."""

    def __init__(self, op, params):
        self.op, self.params = op, params
        self.__name__ = op.name

    def __call__(self, *inputs, **_):
        return apply(self.op, inputs, self.params)


def _record(op, inputs, metas, out_metas, params, outputs):
    """Make the node of a general op and hang it on its differentiable outputs."""
    tensor = TENSOR[0]
    edges = tuple([edge_of(x) if isinstance(x, tensor) else None for x in inputs])
    if not any([e is not None for e in edges]):
        return
    skip = op.non_differentiable
    chosen = [(i, o) for i, o in enumerate(outputs)
              if o is not None and i not in skip and o._meta.dtype.category > 1]
    if not chosen:
        return
    maker = slow_node if STATE.own.slow else make_node
    node = maker(op, inputs, edges, metas, out_metas, params, outputs)
    for number, out in chosen:
        out._grad_fn = node
        out._output_nr = number
        out._requires_grad = True


def _apply_composite(op, inputs, metas, params) -> Any:
    state = STATE.own
    grad_before, state.grad = state.grad, False
    try:
        result = op.decompose(*inputs, *params)
    finally:
        state.grad = grad_before
    several = isinstance(result, (tuple, list))
    outputs = tuple(result) if several else (result,)
    if state.grad and op.derivative:
        outputs = tuple([alias(o._storage, o._meta) if any(o is i for i in inputs) else o
                         for o in outputs])
        out_metas = tuple([o._meta for o in outputs]) if several else outputs[0]._meta
        _record(op, inputs, metas, out_metas, params, outputs)
    return outputs if several else outputs[0]


def _apply_view(op, base, metas, out_metas, params) -> Any:
    several = type(out_metas) is tuple
    outputs = tuple([alias(base._storage, m) for m in (out_metas if several else (out_metas,))])
    state = STATE.own
    root = base._base
    if root is None or base._detached_view:
        root = base
    elif state.grad:
        base._refresh_view()
    for out in outputs:
        out._base = root
        if base._vc is not None:
            out._vc = base._vc
    if state.grad:
        if op.derivative and base._requires_grad and outputs and \
                outputs[0]._meta.dtype.category > 1:
            _record(op, (base,), metas, out_metas, params, outputs)
    for out in outputs:
        out._view_state(several, not state.grad)
    return outputs if several else outputs[0]


def write(tensor, value: Value) -> None:
    """Give `tensor` new contents: rebinds its storage's value and bumps the version.

    `value` has the tensor's shape and dtype.
    """
    storage = tensor._storage
    m = tensor._meta
    if storage.exposed is not None and storage.still_exposed():
        from ..ops.core_views import as_strided_array
        from ..runtime.realize import realize
        array = realize(value, "a write to shared memory")
        as_strided_array(storage.value.array, m)[...] = array
    else:
        old = storage.value
        if old.meta is m or same_layout(old.meta, m):
            if not same_layout(value.meta, old.meta):
                value = append(Value(LAYOUT, (value,), (old.meta,), old.meta))
            storage.value = value
        else:
            storage.value = append(Value(UPDATE, (old, value), (m,), old.meta))
    if tensor._vc is None:
        storage.version += 1
    else:
        tensor._vc[0] += 1
    storage.writer = user_line(2)


def constant(array, m=None) -> Any:
    """A tensor over a realized array that nobody else holds."""
    if m is None:
        import numpy as np

        from ..base.dtypes import from_numpy_dtype
        array = np.asarray(array, order="C")
        m = meta(from_numpy_dtype(array.dtype), array.shape)
    return wrap(leaf(array, m), m)


def filled_leaf(m, fill) -> Value:
    """A computed value of equal elements; its `params` say so, for who wants to make it again."""
    import numpy as np
    array = np.zeros(m.shape, m.np) if fill == 0 else np.full(m.shape, fill, m.np)
    value = leaf(array, m)
    value.params = (FILLED, fill)
    return value


def prepare(op: Op):
    """Build the hot path of a pointwise op or a plain product; other ops go through `apply`."""
    if op.family == "pointwise" and op.arity == 1:
        call_unary(op)
    elif op.arity == 2 and (op.family == "pointwise" or _is_product(op)):
        call_binary(op)


def _is_product(op):
    return op.family == "contraction" and not (op.params or op.multi or any(op.optional)
                                               or op.facts.get("checks"))


install_dispatch(apply)
