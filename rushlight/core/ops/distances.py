"""p-norm distances between rows: cdist between two sets, pdist within one."""

from __future__ import annotations

from ..base.shapes import broadcast_shapes, meta
from ..trace.value import STATE
from .arguments import need_tensor, not_implemented_for
from .record import export, primitive


def _cdist_rule(a, b, p, by_product):
    if a.dtype.name not in ("float32", "float64"):
        raise not_implemented_for("cdist", a.dtype)
    return meta(a.dtype, (*a.shape[:-1], b.shape[-2]))


def _slopes(difference, distance, p):
    """Derivative of the distance in the difference, with public ops; zero where it is zero."""
    import rushlight
    far = distance.unsqueeze(-1)
    if p == 1:
        return difference.sign()
    safe = rushlight.where(far == 0, 1.0, far)
    if p == 2:
        return difference / safe * (far != 0)
    if p == float("inf"):
        return difference.sign() * (difference.abs() == far)
    size = difference.abs()
    zero = size == 0
    power = rushlight.where(zero, 1.0, size).pow(p - 1) * zero.logical_not()
    return difference.sign() * power / safe.pow(p - 1) * (far != 0)


def _cdist_backward(g, a, b, out, p, by_product, needs):
    if STATE.own.grad and p != 0:
        difference = a.unsqueeze(-2) - b.unsqueeze(-3)
        slope = _slopes(difference, out, p) * g.unsqueeze(-1)
        return slope.sum(-2) if needs[0] else None, -slope.sum(-3) if needs[1] else None
    return cdist_backward_op(g, a, b, out, p=p, by_product=by_product)


cdist_op = primitive(
    "cdist", "row", "a b", _cdist_rule, "distances.cdist_of", {("a", "b"): _cdist_backward},
    params=("p", "by_product"))
cdist_backward_op = primitive(
    "cdist_backward", "row", "y a b distance",
    lambda y, a, b, distance, p, by_product: (meta(a.dtype, a.shape), meta(b.dtype, b.shape)),
    "distances.cdist_backward_of", None, params=("p", "by_product"), multi=2)


@export("torch")
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm of x1[..., i, :] - x2[..., j, :] for all i, j: (..., P, R).

    p: 0 (how many differ), a positive number, or infinity. compute_mode says when Euclidean
    distances come from a matrix product: for more than 25 rows, always, or never.
    """
    need_tensor(x1, "cdist", "x1", 1)
    need_tensor(x2, "cdist", "x2", 2)
    if compute_mode not in ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist",
                            "donot_use_mm_for_euclid_dist"):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for number, x in ((1, x1), (2, x2)):
        if len(x.shape) < 2:
            raise RuntimeError("cdist only supports at least 2D tensors, "
                               f"X{number} got: {len(x.shape)}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} "
                           f"X2: {x2.shape[-1]}")
    if x1.dtype.category != 2:
        raise RuntimeError("cdist only supports floating-point dtypes, X1 got: "
                           f"{x1.dtype.name}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    batch = broadcast_shapes(tuple(x1.shape[:-2]), tuple(x2.shape[:-2]))
    left = x1.expand(*batch, *x1.shape[-2:]) if tuple(x1.shape[:-2]) != batch else x1
    right = x2.expand(*batch, *x2.shape[-2:]) if tuple(x2.shape[:-2]) != batch else x2
    many = max(x1.shape[-2], x2.shape[-2]) > 25
    by_product = p == 2 and (compute_mode == "use_mm_for_euclid_dist" or (
        many and compute_mode == "use_mm_for_euclid_dist_if_necessary"))
    return cdist_op(left, right, p=float(p), by_product=by_product)


def _pdist_never(g):
    raise RuntimeError("derivative for aten::_pdist_backward is not implemented")


pdist_op = primitive(
    "pdist", "row", "x", lambda x, p: meta(x.dtype, (x.shape[0] * (x.shape[0] - 1) // 2,)),
    "distances.pdist", {"x": lambda g, x, out, p: pdist_backward_op(g, x, out, p=p)},
    params=("p",))
pdist_backward_op = primitive(
    "pdist_backward", "row", "y x distance",
    lambda y, x, distance, p: meta(x.dtype, x.shape), "distances.pdist_backward_of",
    {"y": _pdist_never, "x": _pdist_never}, params=("p",))


@export("torch", "nn.functional")
def pdist(input, p=2.0):  # noqa: A002
    """The p-norms of input[i] - input[j] for i < j: (N (N - 1) / 2,)."""
    need_tensor(input, "pdist", "input", 1)
    if len(input.shape) != 2:
        raise RuntimeError("pdist only supports 2D tensors, got: "
                           f"{len(input.shape)}D")
    if input.dtype.category != 2:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    return pdist_op(input, p=float(p))
