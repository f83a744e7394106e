"""Reductions: sum, mean, extrema and their positions, products, counts, variances, norms.

A reduction reads each element once, computes it by a `Body` (the fused pointwise records before
it, a conversion, a square), and combines it; `reduction_plan` cuts the work.
"""

from __future__ import annotations

import math

from ..base import dtypes as dt
from ..base.shapes import meta
from .body import CAST, MEMORY, Body, input_name
from .lowering import Operand, lowers
from .reduction_plan import Place, Reduction, lower_reduction


def source(low):
    """(body, inputs, meta) of what is reduced, or None where it has no native form."""
    x = low.inputs[0]
    if not isinstance(x, Operand) or x.meta.dtype.name not in MEMORY or not x.meta.numel:
        return None
    if low.prologue is not None:
        return low.prologue, list(low.prologue_inputs), x.meta
    return Body((input_name(x),), (), (0,)), [x], x.meta


def then(body: Body, name: str, dtype: str, *operands, result=None) -> Body:
    """`body` with its output 0 replaced by an op of it (or of the numbered `operands`)."""
    found = len(body.inputs) + len(body.code)
    code = (name, operands or body.outputs[:1], dtype, result or dtype)
    return body._replace(code=(*body.code, code), outputs=(found,))


def converted(body: Body, have: str, want: str) -> Body:
    """`body` with its output as another dtype."""
    return body if have == want else then(body, CAST, have, result=want)


def wide(dtype) -> str:
    """The dtype in which values of a dtype are combined."""
    if dtype.half:
        return "float32"
    return "uint8" if dtype is dt.bool_ else dtype.name


def parameters(low) -> dict:
    """The record's static parameters by name."""
    return dict(zip(low.op.params, low.params))


def all_dims(x, given: dict):
    """(axes, keepdim) of a record."""
    dims = given.get("dim")
    if dims is None:
        dims = range(len(x.shape))
    elif isinstance(dims, int):
        dims = (dims,)
    return (tuple(dims) if x.shape else ()), given.get("keepdim", False)


def additive(low, word, dtype, finish=()):
    """Sums and products in a dtype; integers in int64."""
    found = source(low)
    if found is None or dtype.name not in MEMORY or low.outputs[0] is None:
        return False
    body, inputs, x = found
    dims, keepdim = all_dims(x, parameters(low))
    if dtype is dt.bool_:
        if word == "add":
            return False
        word, name = "min", "uint8"
        body = converted(body, x.dtype.name, "bool")
        body = converted(body, "bool", name)
    else:
        name = "int64" if dtype.category == 1 else wide(dtype)
        if dtype is dt.uint64 or (x.dtype.category == 2 and dtype.category < 2):
            return False
        if dtype.category == 1 and dtype is not dt.int64:
            body = converted(body, x.dtype.name, dtype.name)
            body = converted(body, dtype.name, name)
        else:
            body = converted(body, x.dtype.name, name)
    out = low.outputs[0]
    lower_reduction(low, body, inputs, x, dims, keepdim,
                    Reduction(word, name, (("value", out.meta.dtype.name),), finish), [out])
    return None


@lowers("sum", "sum_over", prologue=True)
def total(low):
    """The sum in the record's dtype."""
    return additive(low, "add", parameters(low)["dtype"])


@lowers("prod", prologue=True)
def product(low):
    """The product in the record's dtype."""
    return additive(low, "mul", parameters(low)["dtype"])


@lowers("mean", "mean_over", prologue=True)
def mean(low):
    """The sum over the count."""
    return additive(low, "add", low.inputs[0].meta.dtype,
                    ("divide", float(parameters(low)["count"])))


@lowers("amax", "amin", "max_all", "min_all", prologue=True)
def extremum(low):
    """The largest or smallest element; NaN where there is one."""
    found = source(low)
    if found is None or low.outputs[0] is None:
        return False
    body, inputs, x = found
    dims, keepdim = all_dims(x, parameters(low))
    name = wide(x.dtype)
    out = low.outputs[0]
    word = "max" if "max" in low.op.name else "min"
    lower_reduction(low, converted(body, x.dtype.name, name), inputs, x, dims, keepdim,
                    Reduction(word, name, (("value", x.dtype.name),), ()), [out])
    return None


@lowers("max_dim", "min_dim", "argmax", "argmin", prologue=True)
def placed_extremum(low):
    """An extremum and its position; the first among equals."""
    found = source(low)
    if found is None:
        return False
    body, inputs, x = found
    dims, keepdim = all_dims(x, parameters(low))
    name = wide(x.dtype)
    word = "max" if "max" in low.op.name else "min"
    kinds = [("position", "int64")] if len(low.outputs) == 1 else \
        [("value", x.dtype.name), ("position", "int64")]
    kept = [(k, o) for k, o in zip(kinds, low.outputs) if o is not None]
    if not kept:
        return False
    if any(k[0] == "position" for k, _ in kept):
        word = "arg" + word
    lower_reduction(low, converted(body, x.dtype.name, name), inputs, x, dims, keepdim,
                    Reduction(word, name, tuple(k for k, _ in kept), ()), [o for _, o in kept])
    return None


@lowers("any", "all", "count_nonzero", prologue=True)
def truth(low):
    """Whether, or how many, elements are not zero."""
    found = source(low)
    if found is None or low.outputs[0] is None:
        return False
    body, inputs, x = found
    given = parameters(low)
    dims, keepdim = all_dims(x, given)
    if low.op.name == "count_nonzero" and not given["dim"]:
        return False
    name = "int64" if low.op.name == "count_nonzero" else "uint8"
    word = {"any": "max", "all": "min", "count_nonzero": "add"}[low.op.name]
    body = converted(converted(body, x.dtype.name, "bool"), "bool", name)
    out = low.outputs[0]
    lower_reduction(low, body, inputs, x, dims, keepdim,
                    Reduction(word, name, (("value", out.meta.dtype.name),), ()), [out])
    return None


@lowers("var", "std", prologue=True)
def spread(low):
    """The mean in double, then the mean of the squared distances from it."""
    found = source(low)
    if found is None or low.outputs[0] is None:
        return False
    body, inputs, x = found
    given = parameters(low)
    dims, keepdim = all_dims(x, given)
    count = math.prod(x.shape[d] for d in dims)
    free = max(count - given["correction"], 0)
    if x.dtype.category != 2 or free != free:
        return False
    body = converted(body, x.dtype.name, "float64")
    out = low.outputs[0]
    slot = low.temporary(out.meta.numel * 8)
    centre = Place(slot, meta(dt.float64, out.meta.shape))
    lower_reduction(low, body, inputs, x, dims, keepdim,
                    Reduction("add", "float64", (("value", "float64"),), ("divide", float(count))),
                    [centre])
    # The mean is an input more, repeated along the reduced axes.
    strides = iter(centre.meta.strides)
    spread_strides = []
    for axis in range(len(x.shape)):
        stride = next(strides) if keepdim or axis not in dims else 0
        spread_strides.append(0 if axis in dims else stride)
    again = with_input(body, "float64")
    again = then(again, "sub", "float64", again.outputs[0], len(body.inputs))
    again = then(again, "mul", "float64", *again.outputs * 2)
    finish: tuple = ("nan",) if not free else ("divide", float(free))
    if low.op.name == "std":
        finish = ("nan",) if not free else ("divide root", float(free))
    mean_operand = Operand(slot, meta(dt.float64, x.shape, tuple(spread_strides)))
    lower_reduction(low, again, [*inputs, mean_operand], x, dims, keepdim,
                    Reduction("add", "float64", (("value", out.meta.dtype.name),), finish), [out])
    return None


def with_input(body: Body, name: str) -> Body:
    """`body` with one input more, after the others; its instructions move up by one."""
    count = len(body.inputs)

    def moved(operands):
        return tuple(o + 1 if o >= count else o for o in operands)

    code = tuple((op, moved(operands), compute, result)
                 for op, operands, compute, result in body.code)
    return Body((*body.inputs, name), code, moved(body.outputs))


@lowers("linalg_vector_norm", prologue=True)
def norm(low):
    """The norms of order 0, 1, 2, inf and -inf."""
    found = source(low)
    given = parameters(low)
    order, dtype = given["order"], given["dtype"]
    if found is None or low.outputs[0] is None or order not in (0, 1, 2, math.inf, -math.inf) or \
            dtype.category != 2 or not given["dim"]:
        return False
    body, inputs, x = found
    if x.dtype.category != 2:
        return False
    dims, keepdim = all_dims(x, given)
    name = wide(dtype)
    if order == 0:
        body = converted(converted(body, x.dtype.name, "bool"), "bool", name)
    else:
        body = converted(body, x.dtype.name, name)
        body = then(body, "mul", name, *body.outputs * 2) if order == 2 else then(body, "abs", name)
    word = {math.inf: "max", -math.inf: "min"}.get(order, "add")
    out = low.outputs[0]
    lower_reduction(low, body, inputs, x, dims, keepdim,
                    Reduction(word, name, (("value", out.meta.dtype.name),),
                              ("root",) if order == 2 else ()), [out])
    return None
