"""The graph's nodes, made by recorded ops, and what they save.

Note [edges]: ``node.edges[i]`` says where the gradient of input i goes: a Node (its output 0), a
pair (Node, output number), the leaf tensor itself, or None. A leaf's AccumulateGrad node exists
only when somebody asks for it through ``next_functions``.

Note [saved values]: an input is saved as (tensor, version of its storage); an output as
(storage, meta, version, number), never as the tensor, so no reference cycle arises. Unpacking
compares versions and raises as PyTorch does when the value was changed meanwhile.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from ..base.errors import describe_line
from ..trace.value import STATE

# Note [inference tensors]: what inference mode makes has this version in its storage. It equals
# nothing, itself included, so every check of a saved value against it fails; it costs nothing else.
INFERENCE: Any = float("nan")

sequence = count()
next_sequence = sequence.__next__

FREED = ("Trying to backward through the graph a second time (or directly access saved tensors "
         "after they have already been freed). Saved intermediate values of the graph are freed "
         "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
         "backward through the graph a second time or if you need to access saved tensors after "
         "calling backward.")


class SavePlan:
    """For one op and one set of inputs that need gradients: what to save, what to compute."""

    __slots__ = ("inputs", "outputs", "steps", "needs")
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: Any
    needs: tuple[bool, ...]


# Where a derivative's argument comes from. SAVED stands in a finished SavePlan for INPUT and
# OUTPUT, with the position among what the node saves.
(GRAD, GRADS, INPUT, OUTPUT, INPUT_META, OUTPUT_META, PARAM, NEEDS, ALL_INPUTS, ALL_METAS,
 SAVED) = range(11)


def argument_names(function):
    """Positional argument names of a derivative or rule."""
    code = function.__code__
    return code.co_varnames[:code.co_argcount]


def _argument(op, name):
    if name == "g":
        return GRAD, 0
    if name == "gs":
        return GRADS, 0
    if name == "needs":
        return NEEDS, 0
    if name in op.params:
        return PARAM, op.params.index(name)
    stem, is_meta = (name[:-5], True) if name.endswith("_meta") else (name, False)
    if stem in op.inputs:
        if op.variadic:
            return (ALL_METAS if is_meta else ALL_INPUTS), 0
        return (INPUT_META if is_meta else INPUT), op.inputs.index(stem)
    if stem[:3] == "out" and (stem[3:] or "0").isdigit():
        return (OUTPUT_META if is_meta else OUTPUT), int(stem[3:] or 0)
    if name[:1] == "g" and name[1:].isdigit():
        return GRAD, int(name[1:])
    raise TypeError(f"derivative of {op.name}: what is {name!r}? Inputs: {op.inputs}, "
                    f"parameters: {op.params}")


def save_plan(op, needs) -> SavePlan:
    """The cached SavePlan of an op for ``needs`` (a tuple of bools, one per input)."""
    plan = op.save_masks.get(needs)
    if plan is None:
        plan = op.save_masks[needs] = _make_save_plan(op, needs)
    return plan


def _make_save_plan(op, needs):
    plan = SavePlan()
    plan.needs, plan.steps = needs, []
    inputs, outputs = set(), set()
    names = {n: i for i, n in enumerate(op.inputs)}
    for key, function in (op.derivative or {}).items():
        if key == "*":
            targets = None
        else:
            targets = tuple(names[k] for k in ((key,) if isinstance(key, str) else key))
            if not any(needs[t] for t in targets):
                continue
        spec = tuple(_argument(op, n) for n in argument_names(function))
        plan.steps.append((targets, not isinstance(key, str), function, spec))
        for kind, index in spec:
            if kind == INPUT:
                inputs.add(index)
            elif kind == ALL_INPUTS:
                inputs.update(range(len(needs)))
            elif kind == OUTPUT:
                outputs.add(index)
    plan.inputs, plan.outputs = tuple(sorted(inputs)), tuple(sorted(outputs))
    places = {(INPUT, index): i for i, index in enumerate(plan.inputs)}
    places.update({(OUTPUT, index): len(inputs) + i for i, index in enumerate(plan.outputs)})
    plan.steps = [
        (targets, several, function,
         tuple([(SAVED, places[item]) if item in places else item for item in spec]))
        for targets, several, function, spec in plan.steps]
    return plan


class Node:
    """A step of the backward graph (PyTorch's ``grad_fn``)."""

    __slots__ = ("edges", "saved", "metas", "out_metas", "params", "plan", "seq", "hooks",
                 "line", "__dict__", "__weakref__")
    op: Any = None
    edges: Any
    saved: Any
    metas: Any
    out_metas: Any
    params: Any
    plan: Any
    seq: int
    hooks: Any
    line: Any

    def __repr__(self):
        return f"<{type(self).__name__} object at {hex(id(self))}>"

    def name(self) -> str:
        """The node's type name, for example ``MulBackward0``."""
        return type(self).__name__

    @property
    def next_functions(self):
        """((node or None, input number), ...): where each gradient goes."""
        return tuple(edge_function(edge) for edge in self.edges)

    @property
    def metadata(self):
        """A dict for the user's own notes on this node."""
        return self.__dict__.setdefault("_metadata", {})

    def _sequence_nr(self):
        return self.seq

    def register_hook(self, hook):
        """Call ``hook(grad_inputs, grad_outputs)`` after this node has run."""
        return _add_hook(self, "post", hook)

    def register_prehook(self, hook):
        """Call ``hook(grad_outputs)`` before this node runs; it may return new gradients."""
        return _add_hook(self, "pre", hook)

    def release(self):
        """Drop the saved values; a second backward that needs them raises."""
        if self.saved:
            self.saved = FREED_MARK

    def run(self, grads):
        """Gradients of the inputs, as a list, from those of the outputs (a list with Nones)."""
        saved = self.saved
        if saved is FREED_MARK:
            raise RuntimeError(FREED)
        plan = self.plan
        op = self.op
        if len(grads) > 1 and "undefined" not in op.facts:
            grads = materialize(grads, self.out_metas)
        if saved:
            first_output = len(plan.inputs)
            opened = [_open_input(s, self) for s in saved[:first_output]]
            opened += [_open_output(s, self) for s in saved[first_output:]]
        else:
            opened, first_output = (), 0
        metas = self.metas
        result = [None] * len(metas)
        for targets, several, function, spec in plan.steps:
            arguments = []
            for kind, index in spec:
                if kind == GRAD:
                    arguments.append(grads[index])
                elif kind == SAVED:
                    arguments.append(opened[index])
                elif kind == INPUT_META:
                    arguments.append(metas[index])
                elif kind == OUTPUT_META:
                    arguments.append(self.out_metas[index] if op.multi else self.out_metas)
                elif kind == PARAM:
                    arguments.append(self.params[index])
                elif kind == NEEDS:
                    arguments.append(plan.needs)
                elif kind == ALL_INPUTS:
                    arguments.append(opened[:first_output])
                elif kind == ALL_METAS:
                    arguments.append(metas)
                else:
                    arguments.append(grads)
            found = function(*arguments)
            if targets is None:
                result = list(found)
            elif several:
                for target, gradient in zip(targets, found):
                    if plan.needs[target]:
                        result[target] = gradient
            else:
                result[targets[0]] = found
        return result

    def __getattr__(self, name):
        if name.startswith("_saved_"):
            return _saved_attribute(self, name[7:])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class _FreedMark(tuple):
    __slots__ = ()


FREED_MARK = _FreedMark()


def _saved_attribute(node, name):
    op, plan = node.op, node.plan
    if op is not None and plan is not None:
        if node.saved is FREED_MARK:
            raise RuntimeError(FREED)
        rename = {"self": op.inputs[0] if op.inputs else "", "input": op.inputs[0],
                  "other": op.inputs[1] if len(op.inputs) > 1 else "", "result": "out"}
        wanted = name if name in op.inputs or name in op.params else rename.get(name, name)
        if wanted in op.params:
            return node.params[op.params.index(wanted)]
        if wanted in op.inputs and op.inputs.index(wanted) in plan.inputs:
            return _open_input(node.saved[plan.inputs.index(op.inputs.index(wanted))], node)
        if wanted[:3] == "out" and plan.outputs:
            return _open_output(node.saved[len(plan.inputs)], node)
    raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")


_node_types: dict = {}


def node_type(op):
    """The Node subclass of an op, made on first use; its name is PyTorch's."""
    found = op.node
    if found is None:
        found = type(op.node_name, (Node,), {"__slots__": (), "op": op, "__module__": "torch"})
        op.node = found
    return found


_tensor_room: dict = {}


def install_tensor(**functions):
    """The tensor room gives: ``alias(storage, meta, node, number)``, ``zeros(meta)``, ``Tensor``,
    ``accumulate_node(tensor)``, ``full_like``..."""
    _tensor_room.update(functions)


def materialize(grads, metas):
    """Undefined output gradients become zeros where another output's is defined."""
    return [_tensor_room["zeros"](m) if g is None and m is not None else g
            for g, m in zip(grads, metas)]


def edge_function(edge):
    """(node or None, number): an edge as ``next_functions`` shows it."""
    if edge is None:
        return (None, 0)
    if type(edge) is tuple:
        return edge
    if isinstance(edge, Node):
        return (edge, 0)
    return (_tensor_room["accumulate_node"](edge), 0)


def make_node(op, inputs, edges, metas, out_metas, params, outputs):
    """The node of a recorded op. `outputs`: the new tensors (their storages may be saved)."""
    node = object.__new__(node_type(op))
    node.edges = edges
    node.metas = metas
    node.out_metas = out_metas
    node.params = params
    node.seq = next_sequence()
    node.hooks = None
    node.line = None
    needs = tuple([e is not None for e in edges])
    plan = op.save_masks.get(needs)
    if plan is None:
        plan = save_plan(op, needs)
    node.plan = plan
    if plan.inputs or plan.outputs:
        state = STATE.own
        saved = [save_input(inputs[i]) for i in plan.inputs]
        for number in plan.outputs:
            out = outputs[number]
            saved.append((out._storage, out._meta, out._storage.version, number))
        node.saved = tuple(saved)
        if state.saved_hooks:
            node.saved = _packed(node, plan, outputs, state.saved_hooks[-1])
    else:
        node.saved = ()
    return node


def save_input(item):
    """An input as it is saved: (tensor, version), or the Python value itself."""
    storage = getattr(item, "_storage", None)
    if storage is None:
        return item
    return (item, storage.version)


class Packed:
    """A saved tensor that has gone through ``saved_tensors_hooks``."""

    __slots__ = ("packed", "unpack", "source", "number")

    def __init__(self, tensor, hooks, number=None):
        pack, self.unpack = hooks
        detached = tensor.detach() if number is not None else tensor
        self.packed = pack(detached)
        # What an input hung on, for second derivatives: its node and number, or itself (a leaf).
        self.source = None
        if number is None and tensor.requires_grad:
            node = tensor.grad_fn
            self.source = tensor if node is None else (node, tensor._output_nr)
        self.number = number

    def open(self):
        found = self.unpack(self.packed)
        if not isinstance(found, _tensor_room["Tensor"]):
            raise TypeError("Output of saved tensor unpack_hook expected to be a Tensor but got "
                            f"result of type {type(found).__name__}")
        if self.source is not None and STATE.own.grad and not found.requires_grad:
            found = found.detach()
            source: Any = self.source
            node, number = source if type(source) is tuple else (
                source.view_as(source).grad_fn, 0)
            found._grad_fn, found._output_nr, found._requires_grad = node, number, True
        return found


def _packed(node, plan, outputs, hooks):
    made = []
    for entry in node.saved[:len(plan.inputs)]:
        made.append(Packed(entry[0], hooks) if type(entry) is tuple else entry)
    for number in plan.outputs:
        made.append(Packed(outputs[number], hooks, number))
    return tuple(made)


def _open_input(entry, node):
    if type(entry) is tuple:
        tensor, version = entry
        now = tensor._storage.version
        if now != version:
            raise RuntimeError(_changed_text(tensor._meta, tensor._storage, now, version,
                                             tensor._grad_fn, tensor._output_nr, node))
        return tensor
    if type(entry) is Packed:
        return entry.open()
    return entry


def _open_output(entry, node):
    if type(entry) is Packed:
        found = entry.open()
        if found._grad_fn is None:
            found = found.detach()
            found._grad_fn, found._output_nr = node, entry.number
            found._requires_grad = True
        return found
    storage, meta, version, number = entry
    if storage.version != version:
        raise RuntimeError(_changed_text(meta, storage, storage.version, version, node, number,
                                         node))
    return _tensor_room["alias"](storage, meta, node, number)


_TYPE_NAMES = {"float32": "torch.FloatTensor", "float64": "torch.DoubleTensor",
               "float16": "torch.HalfTensor", "bfloat16": "torch.BFloat16Tensor",
               "uint8": "torch.ByteTensor", "int8": "torch.CharTensor",
               "int16": "torch.ShortTensor", "int32": "torch.IntTensor",
               "int64": "torch.LongTensor", "bool": "torch.BoolTensor",
               "complex64": "torch.ComplexFloatTensor", "complex128": "torch.ComplexDoubleTensor"}


def _changed_text(meta, storage, now, expected, producer, number, node):
    if now != now:
        return ("Inference tensors cannot be saved for backward. Please do not use Tensors created "
                "in inference mode in computation tracked by autograd. To work around this, you "
                "can make a clone to get a normal tensor and use it in autograd, or use "
                "`torch.no_grad()` instead of `torch.inference_mode()`.")
    text = ("one of the variables needed for gradient computation has been modified by an "
            f"inplace operation: [{_TYPE_NAMES.get(meta.dtype.name, meta.dtype.name)} "
            f"{list(meta.shape)}]")
    if producer is not None:
        text += f", which is output {number} of {type(producer).__name__},"
    text += f" is at version {now}; expected version {expected} instead."
    text += f" It is needed by {type(node).__name__} to compute its gradient"
    writer = storage.writer
    if writer is not None:
        text += f", and was last changed at {describe_line(writer)}"
    text += (". Hint: change a copy instead (x = x + 1, or x.clone() before the in-place "
             "operation), or enable anomaly detection to find the operation that failed to "
             "compute its gradient, with torch.autograd.set_detect_anomaly(True).")
    return text


class RemovableHandle:
    """Returned by the ``register_*`` functions; ``remove()`` takes the hook away again."""

    next_id = 0

    def __init__(self, hooks_dict, *, extra_dict=None):
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self.hooks_dict = hooks_dict
        self.extra = extra_dict

    def remove(self):
        """Take the hook away; doing it twice is harmless."""
        self.hooks_dict.pop(self.id, None)
        for extra in (self.extra if isinstance(self.extra, list) else [self.extra]):
            if extra is not None:
                extra.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def _add_hook(node, kind, hook):
    if node.hooks is None:
        node.hooks = {}
    table = node.hooks.setdefault(kind, {})
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


class AccumulateGrad(Node):
    """The node of a leaf: adds what arrives to ``variable.grad``."""

    __slots__ = ()

    def __init__(self, variable):
        self.__dict__["variable"] = variable
        self.edges, self.saved, self.metas, self.params = (), (), (variable._meta,), ()
        self.out_metas, self.plan, self.hooks, self.line = variable._meta, None, None, None
        self.seq = 1 << 62

    def name(self) -> str:
        """PyTorch's name of the node, which is not its type's."""
        return "torch::autograd::AccumulateGrad"


AccumulateGrad.__module__ = "torch"
