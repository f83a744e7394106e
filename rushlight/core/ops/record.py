"""What an op is: one record that holds its type rule, its body, its derivative and its facts.

Constructors, one per family: `pointwise`, `view`, `primitive` (reductions, index ops,
contractions, random and host steps) and `composite`. The rooms above read the records: the
interpreter runs bodies, autograd runs derivatives, the tensor room turns calls into trace records.

Derivatives are written with public differentiable ops, and *the argument names of a derivative
say what must be saved*:

=================  =========================================================================
``g``              gradient of the output (``g0``, ``g1`` ... of output 0, 1, ...)
``out``            the output (``out0``, ``out1`` ...)
an input's name    that input
``x_meta``         shape, strides and dtype of input ``x``: nothing is saved
``out_meta``       the same of the output
a parameter        the static parameter of that name (the names of the rule's extra arguments)
``needs``          a tuple of bools: which inputs need a gradient
=================  =========================================================================

A derivative may return a gradient of broadcast shape or of another dtype: the engine reduces it
to the input's shape and casts it, so formulas read like the calculus.
"""

from __future__ import annotations

from typing import Any

REGISTRY: dict = {}          # name -> Op
EXPORTS: list = []           # Export records, in order


def _not_ready(*_) -> Any:
    raise RuntimeError("the tensor room is not loaded")


_dispatch = [_not_ready]


def install_dispatch(function) -> None:
    """The tensor room says here what calling an op does: ``function(op, inputs, params)``."""
    _dispatch[0] = function


class Op:
    """One operation. See the module's text; build it with a family constructor."""

    __slots__ = ("name", "family", "inputs", "optional", "variadic", "params", "rule", "numpy",
                 "body", "promotion", "out_dtype", "derivative", "node_name", "node", "groups",
                 "facts", "call", "cache", "multi", "upcast", "arity", "save_masks",
                 "non_differentiable", "decompose", "inverse", "donates")
    params: tuple[str, ...]
    rule: Any
    numpy: Any
    body: Any
    promotion: Any
    out_dtype: Any
    derivative: Any
    node_name: str
    node: Any
    groups: Any
    call: Any
    decompose: Any
    inverse: Any
    multi: int
    donates: Any

    def __init__(self, name, family, inputs, **fields):
        self.name, self.family = name, family
        names = inputs.split()
        self.variadic = bool(names) and names[0].startswith("*")
        self.inputs = tuple(n.strip("*?") for n in names)
        self.optional = tuple(n.endswith("?") for n in names)
        self.arity = len(names)
        for field in ("rule", "numpy", "body", "promotion", "out_dtype", "derivative", "node_name",
                      "node", "groups", "call", "decompose", "inverse"):
            setattr(self, field, fields.pop(field, None))
        self.params = fields.pop("params", ())
        self.multi = fields.pop("multi", 0)
        self.upcast = fields.pop("upcast", True)
        self.non_differentiable = fields.pop("non_differentiable", ())
        self.donates = fields.pop("donates", None)
        self.facts = fields
        self.cache = {}
        self.save_masks = {}
        if name in REGISTRY:
            raise ValueError(f"two ops are named {name!r}")
        REGISTRY[name] = self

    def __call__(self, *inputs, **params) -> Any:
        call = self.call
        if call is not None and not params:
            return call(*inputs)
        names = self.params
        if tuple(params) == names:
            values = tuple(params.values())
        else:               # given in another order
            values = tuple([params[n] for n in names]) if params or not self.variadic else ()
        if self.variadic:
            inputs = tuple(inputs[0])
        elif len(inputs) < self.arity:
            inputs += (None,) * (self.arity - len(inputs))
        return _dispatch[0](self, inputs, values)

    def __repr__(self):
        return f"<op {self.name}: {self.family}>"

    def __reduce__(self):
        return (named, (self.name,))


def named(name: str) -> Op:
    """The op of this name; families that wait to be used are loaded (KeyError: there is none)."""
    if name not in REGISTRY:
        from . import load_all
        load_all()
    return REGISTRY[name]


def backward_name(name: str) -> str:
    """PyTorch's node name of an op: ``max_pool2d`` -> ``MaxPool2DBackward0``."""
    return name.title().replace("_", "") + "Backward0"


def pointwise(name, body, derivative=None, *, inputs="x", promotion="same", out_dtype=None,
              numpy=None, node_name=None, **facts) -> Op:
    """An elementwise op.

    body: ``body(w, *operands)`` in the words of `rushlight.core.ops.words`; operands are of the
        promoted compute dtype (Python numbers stay numbers).
    promotion: "same" (of all operands: result_type), "float" (integers and bool become the
        default float), "compare" (computed in the common type, result bool), "real" (complex in,
        its real type out), "bool" (operands read as bool), or a function of the metas returning
        (compute dtype, result dtype).
    numpy: a faster whole-array function for the interpreter, equal to the body within the
        op's stated bound (`bound`, in units in the last place; default 2).
    facts: ``domain=(low, high)``, ``kinks=(points,)``, ``bound=ulps`` for the laws;
        ``refuses={"b": "abs_cpu"}``: the kinds (b, i, f, c: bool, integer, floating, complex) of
        common dtype without a kernel, with PyTorch's kernel name or (error class, text).
    """
    return Op(name, "pointwise", inputs, body=body, derivative=derivative, promotion=promotion,
              out_dtype=out_dtype, numpy=numpy, node_name=node_name or backward_name(name), **facts)


def view(name, rule, derivative, *, params=(), inputs="x", node_name=None, **facts) -> Op:
    """An op whose result shares its input's memory.

    rule: ``rule(x_meta, *params) -> Meta`` (or a list of Metas: several views).
    """
    return Op(name, "view", inputs, rule=rule, derivative=derivative, params=params,
              node_name=node_name or backward_name(name), **facts)


def primitive(name, family, inputs, rule, numpy, derivative=None, *, params=(), node_name=None,
              multi=0, **facts) -> Op:
    """Any op with a kernel of its own.

    inputs: names, in order; ``"x weight bias?"`` (``?``: may be None), ``"*tensors"`` (a list).
    rule: ``rule(*input_metas, *params) -> Meta`` or, with ``multi=n``, a tuple of n Metas. A
        Python number among the inputs appears as its type. Checks shapes and dtypes and raises
        PyTorch's errors. Cached by its arguments, so `params` must be hashable.
    numpy: ``numpy(*arrays, *params)``, the interpreter's kernel: returns an array (a tuple with
        ``multi``); dtype and memory order are adjusted to the rule's Meta. float16 and bfloat16
        arrive as float32 unless ``upcast=False``. A string "module.function" names a kernel of
        `rushlight.core.interpreter.kernels`, loaded when it is first needed.
    derivative: ``{"x": lambda g, ...: gradient}``; a tuple key ``("x", "weight")`` for one
        function that returns several; ``{"*": lambda g, ...: list}`` for a variadic op.
    non_differentiable: the indices of outputs that carry no gradient.
    facts: ``undefined=True``: of several outputs, gradients that nobody sent arrive as None, not
        as zeros.
    """
    return Op(name, family, inputs, rule=rule, numpy=numpy, derivative=derivative,
              params=tuple(params), node_name=node_name or backward_name(name), multi=multi,
              **facts)


def composite(name, inputs, decompose, derivative, *, params=(), node_name=None, multi=0,
              **facts) -> Op:
    """A function of other ops that has a derivative and a node name of its own.

    decompose: ``decompose(*tensors, *params)``, run without recording autograd.
    """
    return Op(name, "composite", inputs, decompose=decompose, derivative=derivative,
              params=tuple(params), node_name=node_name or backward_name(name), multi=multi,
              **facts)


class Export:
    """A public name: which function, under which of ``torch`` ``Tensor`` ``nn.functional`` ..."""

    __slots__ = ("name", "function", "targets", "inplace", "out", "static", "op")

    def __init__(self, name, function, targets, inplace, out, static):
        self.name, self.function, self.targets = name, function, targets
        self.inplace, self.out, self.static = inplace, out, static


def export(*targets, name=None, inplace=False, out=False, static=False, aliases=()):
    """Publish a function: ``@export("torch", "Tensor", out=True, inplace=True)``.

    Targets: "torch" (``rushlight.name``), "Tensor" (a method), "nn.functional", "special",
    "linalg", "fft". `inplace` adds ``Tensor.name_`` (and ``torch.name_`` where exported to torch);
    `out` adds the ``out=`` argument to the functions. `aliases` are further public names.
    `static` says that what the function checks, records and returns follows from its tensors'
    metas, from which of them need gradients, and from the values of its other arguments, so that
    calls are remembered (see `rushlight.core.tensor.known_calls`): True, or a function of the
    same arguments that checks what depends on elements, to be run before a remembered call.
    """
    def register(function):
        for public in (name or function.__name__, *aliases):
            EXPORTS.append(Export(public, function, targets or ("torch", "Tensor"), inplace, out,
                                  static))
        return function
    return register


def export_unary(op, *targets, inplace=True, aliases=(), doc=None):
    """Publish a one-operand pointwise op as ``name(input, *, out=None)``, method and ``name_``."""
    def function(input):  # noqa: A002 - PyTorch's name
        return op.call(input)
    function.__name__ = op.name
    function.__qualname__ = op.name
    function.__doc__ = doc or f"{op.name} of each element of `input`, as torch.{op.name}."
    export(*(targets or ("torch", "Tensor")), inplace=inplace, out=True, aliases=aliases)(function)
    return op
