"""Comparisons and selection: results are bool, computed in the promoted type."""

from __future__ import annotations

import numpy as np

from .record import export, pointwise


def _comparison(name, body, numpy, long_name=None, **facts):
    op = pointwise(name, body, inputs="x y", promotion="compare", numpy=numpy, **facts)

    def function(input, other):  # noqa: A002
        return op.call(input, other)
    function.__name__ = name
    function.__doc__ = f"{name} of each pair of elements, as a bool tensor."
    export("torch", "Tensor", inplace=True, out=True,
           aliases=(long_name,) if long_name else ())(function)
    return op


eq = _comparison("eq", lambda w, x, y: w.eq(x, y), np.equal)
ne = _comparison("ne", lambda w, x, y: w.ne(x, y), np.not_equal, "not_equal")
lt = _comparison("lt", lambda w, x, y: w.lt(x, y), np.less, "less",
                 refuses={"c": "lt_cpu"})
le = _comparison("le", lambda w, x, y: w.le(x, y), np.less_equal, "less_equal",
                 refuses={"c": "le_cpu"})
gt = _comparison("gt", lambda w, x, y: w.gt(x, y), np.greater, "greater",
                 refuses={"c": "gt_cpu"})
ge = _comparison("ge", lambda w, x, y: w.ge(x, y), np.greater_equal, "greater_equal",
                 refuses={"c": "ge_cpu"})


def _where_types(condition, x, y):
    from ..base.promotion import result_dtype
    common = result_dtype([x, y])
    return common, common


where_op = pointwise(
    "where", lambda w, condition, x, y: w.select(condition, x, y),
    {"x": lambda g, condition: where_op(condition, g, 0),
     "y": lambda g, condition: where_op(condition, 0, g)},
    inputs="condition x y", promotion=_where_types,
    numpy=lambda condition, x, y: np.where(condition.astype(bool), x, y))


@export("torch", out=True)
def where(condition, input=None, other=None):  # noqa: A002
    """Elements of `input` where `condition` holds, else of `other`; alone, like `nonzero`."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition.dtype.name not in ("bool", "uint8"):
        raise RuntimeError("where expected condition to be a boolean tensor, but got a tensor "
                           f"with dtype {condition.dtype}")
    if not hasattr(input, "_meta") and not hasattr(other, "_meta"):
        import rushlight
        input = rushlight.scalar_tensor(input, dtype=None if not isinstance(input, complex)  # noqa: A001
                                        else rushlight.get_default_dtype().to_complex()) \
            if isinstance(input, (float, complex)) else rushlight.tensor(input)
    return where_op(condition, input, other)


@export("Tensor", name="where")
def where_method(self, condition, other):
    """``torch.where(condition, self, other)``."""
    return where(condition, self, other)
