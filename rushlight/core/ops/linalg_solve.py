"""Systems of equations: inv, solve, det, slogdet, Cholesky, LU, triangular systems."""

from __future__ import annotations

from ..base import dtypes as dt
from ..base.shapes import broadcast_shapes, meta
from .contraction import _h
from .linalg_checks import (
    check_cholesky,
    check_inverse,
    check_solve,
    fits,
    need_float,
    need_kernel,
    need_matrix,
    need_square,
    same_types,
)
from .record import export, primitive
from .result_types import result_type

# ---- inverse and determinant ------------------------------------------------------------------


def _inverse_rule(x):
    need_square("linalg.inv", x)
    need_float("linalg.inv", x)
    return meta(x.dtype, x.shape), meta(dt.int32, x.shape[:-2])


def _inverse_backward(g0, out):
    if g0 is None:
        return None
    h = _h(out)
    return -(h @ (g0 @ h))


inv_op = primitive("linalg_inv_ex", "host", "x", _inverse_rule, "linalg.inv",
                   {"x": _inverse_backward}, multi=2, undefined=True)
_INV_EX = result_type("linalg_inv_ex", ("inverse", "info"))


@export("linalg", out=True)
def inv(A):  # noqa: N803 - PyTorch's name
    """The inverse of square matrices (*, n, n). LinAlgError for a singular one."""
    found, info = inv_op(A)
    check_inverse("linalg.inv", info)
    return found


@export("torch", "Tensor", out=True)
def inverse(input):  # noqa: A002
    """See `torch.linalg.inv`."""
    return inv(input)


@export("linalg", out=True)
def inv_ex(A, *, check_errors=False):  # noqa: N803
    """(inverse, info): info is zero where the inverse exists; no error unless asked for."""
    found = inv_op(A)
    if check_errors:
        check_inverse("linalg.inv_ex", found[1])
    return _INV_EX(found)


def _det_rule(x):
    need_square("linalg.det", x)
    need_float("linalg.det", x, low=True)
    need_kernel("lu_cpu", x)
    return meta(x.dtype, x.shape[:-2])


def _column(x):
    return x.unsqueeze(-1).unsqueeze(-1)


def _adjugate_backward(g, x, out):
    # K = det(A) A^-T, so dK = K <A^-T, dA> - det(A) A^-T dA^T A^-T.
    k = _conj(out)
    d = _column(_conj(det_op(x)))
    along = (g * out.conj() if x.is_complex() else g * out).sum((-2, -1), keepdim=True)
    return (along * k - k @ g.mT @ k) / d


def _conj(x):
    return x.conj() if x.is_complex() else x


adjugate_op = primitive("linalg_adjugate", "host", "x", lambda x: meta(x.dtype, x.shape),
                        "linalg.adjugate_transposed", {"x": _adjugate_backward})
det_op = primitive("linalg_det", "host", "x", _det_rule, "linalg.det",
                   {"x": lambda g, x: _column(g) * _conj(adjugate_op(x))})


@export("torch", "Tensor", "linalg", out=True)
def det(A):  # noqa: N803
    """The determinant of square matrices (*, n, n) -> (*)."""
    return det_op(A)


def _slogdet_rule(x):
    need_square("linalg.slogdet", x)
    need_float("linalg.slogdet", x)
    return meta(x.dtype, x.shape[:-2]), meta(x.dtype.to_real(), x.shape[:-2])


def _slogdet_backward(g0, g1, x, out):
    if not x.is_complex():
        return None if g1 is None else _column(g1) * inv_op(x)[0].mT
    total = 0 if g1 is None else g1.to(x.dtype)
    if g0 is not None:
        total = total - 1j * (g0.conj() * out).imag
    return None if total is None else _column(total) * _h(inv_op(x)[0])


slogdet_op = primitive("linalg_slogdet", "host", "x", _slogdet_rule, "linalg.slogdet",
                       {"x": _slogdet_backward}, multi=2, undefined=True)
_LINALG_SLOGDET = result_type("linalg_slogdet", ("sign", "logabsdet"))
_SLOGDET = result_type("slogdet", ("sign", "logabsdet"))


@export("linalg", name="slogdet", out=True)
def linalg_slogdet(A):  # noqa: N803
    """(sign, log |det A|) of square matrices."""
    return _LINALG_SLOGDET(slogdet_op(A))


@export("torch", "Tensor", out=True)
def slogdet(input):  # noqa: A002
    """See `torch.linalg.slogdet`."""
    return _SLOGDET(slogdet_op(input))


@export("torch", "Tensor")
def logdet(input):  # noqa: A002
    """The logarithm of the determinant; nan where that is negative."""
    import rushlight
    sign, size = slogdet_op(input)
    if input.is_complex():
        return sign.log() + size
    return rushlight.where(sign == -1.0, float("nan"), size)


# ---- solve ------------------------------------------------------------------------------------

def _is_vector(a, b):
    """Whether B is a batch of vectors: one dimension, or A's shape without its last one."""
    return len(b.shape) == 1 or (len(a.shape) - 1 == len(b.shape) and b.shape == a.shape[:-1])


def _solve_rule(a, b, left):
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return meta(b.dtype, (*batch, *b.shape[-2:])), meta(dt.int32, a.shape[:-2])


def _solve_backward(g0, a, out, left, needs):
    if g0 is None:
        return None, None
    h = _h(a)
    gb = solve_op(h, g0, left=left)[0]
    ga = None
    if needs[0]:
        ga = -(gb @ _h(out)) if left else -(_h(out) @ gb)
    return ga, gb


solve_op = primitive("linalg_solve_ex", "host", "a b", _solve_rule, "linalg.solve_either",
                     {("a", "b"): _solve_backward}, params=("left",), multi=2, undefined=True)


def _solve(name, A, B, left):  # noqa: N803
    need_float("linalg.solve", A)
    same_types("linalg.solve", A, B)
    need_square("linalg.solve", A)
    vector = _is_vector(A, B)
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not "
                           "supported for left=False. In this case linalg.solve is equivalent to "
                           "B / A.squeeze(-1)")
    right = B.unsqueeze(-1) if vector else B
    need_matrix("linalg.solve", right, "B")
    fits("linalg.solve", A, right, left)
    found, info = solve_op(A, right, left=left)
    return found.squeeze(-1) if vector else found, info


_SOLVE_EX = result_type("linalg_solve_ex", ("result", "info"))


@export("linalg", out=True)
def solve(A, B, *, left=True):  # noqa: N803
    """X with A X = B (X A = B when not `left`). LinAlgError for a singular A.

    A: (*, n, n); B: (*, n, k), (n,) or (*, n).
    """
    found, info = _solve("linalg.solve", A, B, bool(left))
    check_solve("torch.linalg.solve", info)
    return found


@export("linalg", out=True)
def solve_ex(A, B, *, left=True, check_errors=False):  # noqa: N803
    """(X, info) with A X = B; no error unless asked for."""
    found, info = _solve("linalg.solve", A, B, bool(left))
    if check_errors:
        check_solve("torch.linalg.solve_ex", info)
    return _SOLVE_EX((found, info))


def _triangular_rule(a, b, upper, left, unit):
    name = "linalg.solve_triangular"
    same_types(name, a, b)
    need_matrix(name, a)
    need_matrix(name, b, "B")
    need_square(name, a)
    fits(name, a, b, left)
    need_kernel("triangular_solve_cpu", a)
    return meta(a.dtype, (*broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]))


def _triangular_backward(g, a, out, upper, left, unit, needs):
    gb = triangular_op(_h(a), g, upper=not upper, left=left, unit=unit)
    ga = None
    if needs[0]:
        ga = -(gb @ _h(out)) if left else -(_h(out) @ gb)
        ga = ga.triu(1 if unit else 0) if upper else ga.tril(-1 if unit else 0)
    return ga, gb


triangular_op = primitive("linalg_solve_triangular", "host", "a b", _triangular_rule,
                          "linalg.solve_triangular", {("a", "b"): _triangular_backward},
                          params=("upper", "left", "unit"))


@export("linalg", out=True)
def solve_triangular(A, B, *, upper, left=True, unitriangular=False):  # noqa: N803
    """X with A X = B for a triangular A; the other triangle is not read."""
    return triangular_op(A, B, upper=bool(upper), left=bool(left), unit=bool(unitriangular))


_TRIANGULAR = result_type("triangular_solve", ("solution", "cloned_coefficient"))


@export("torch", "Tensor", out=True)
def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):  # noqa: N803
    """(X, A) with A X = b for a triangular A (its transpose with `transpose`)."""
    if transpose:
        found = triangular_op(A.mT, b, upper=not upper, left=True, unit=bool(unitriangular))
    else:
        found = triangular_op(A, b, upper=bool(upper), left=True, unit=bool(unitriangular))
    batch = broadcast_shapes(A.shape[:-2], b.shape[:-2])
    return _TRIANGULAR((found, A.expand(*batch, *A.shape[-2:]).clone()))


# ---- Cholesky ---------------------------------------------------------------------------------

def _cholesky_rule(x, upper):
    need_square("linalg.cholesky", x)
    need_float("linalg.cholesky", x, low=True)
    need_kernel("cholesky_cpu", x)
    return meta(x.dtype, x.shape), meta(dt.int32, x.shape[:-2])


def _cholesky_backward(g0, out, upper):
    if g0 is None:
        return None
    lower, g = (_h(out), _h(g0)) if upper else (out, g0)
    inner = (_h(lower) @ g).tril()
    # The lower triangle of L^H g, made Hermitian: half of the diagonal belongs to each side.
    inner = (inner + _h(inner.tril(-1))) / 2
    left = triangular_op(_h(lower), inner, upper=True, left=True, unit=False)
    return triangular_op(lower, left, upper=False, left=False, unit=False)


cholesky_op = primitive("linalg_cholesky_ex", "host", "x", _cholesky_rule, "linalg.cholesky",
                        {"x": _cholesky_backward}, params=("upper",), multi=2, undefined=True)
_CHOLESKY_EX = result_type("linalg_cholesky_ex", ("L", "info"))


@export("linalg", name="cholesky", out=True)
def linalg_cholesky(A, *, upper=False):  # noqa: N803
    """L with A = L L^H (U with A = U^H U). LinAlgError unless A is positive-definite."""
    found, info = cholesky_op(A, upper=bool(upper))
    check_cholesky("linalg.cholesky", info)
    return found


@export("linalg", out=True)
def cholesky_ex(A, *, upper=False, check_errors=False):  # noqa: N803
    """(L, info): info is the order of the first minor that is not positive-definite, or 0."""
    found = cholesky_op(A, upper=bool(upper))
    if check_errors:
        check_cholesky("linalg.cholesky_ex", found[1])
    return _CHOLESKY_EX(found)


@export("torch", "Tensor", out=True)
def cholesky(input, upper=False):  # noqa: A002
    """See `torch.linalg.cholesky`."""
    found, info = cholesky_op(input, upper=bool(upper))
    check_cholesky("cholesky", info)
    return found


def _cholesky_solve_rule(b, factor, upper):
    need_matrix("cholesky_solve", b, "B")
    need_square("cholesky_solve", factor)
    fits("cholesky_solve", factor, b, True)
    need_kernel("cholesky_solve_cpu", b)
    batch = broadcast_shapes(factor.shape[:-2], b.shape[:-2])
    return meta(b.dtype, (*batch, *b.shape[-2:]))


def _cholesky_solve_backward(g, factor, out, upper, needs):
    gb = cholesky_solve_op(g, factor, upper=upper)
    gl = None
    if needs[1]:
        both = gb @ _h(out)
        both = both + _h(both)
        gl = -(factor @ both) if upper else -(both @ factor)
    return gb, gl


cholesky_solve_op = primitive("cholesky_solve", "host", "b factor", _cholesky_solve_rule,
                              "linalg.cholesky_solve",
                              {("b", "factor"): _cholesky_solve_backward}, params=("upper",))


@export("torch", "Tensor", out=True)
def cholesky_solve(B, L, upper=False):  # noqa: N803
    """X with A X = B, given the Cholesky factor of A."""
    return cholesky_solve_op(B, L, upper=bool(upper))


def _cholesky_inverse_rule(x, upper):
    need_square("cholesky_inverse", x)
    need_kernel("cholesky_inverse_out_cpu", x)
    return meta(x.dtype, x.shape)


def _cholesky_inverse_backward(g, x, out, upper):
    both = g + _h(g)
    common = out @ both @ out
    return -(x @ common) if upper else -(common @ x)


cholesky_inverse_op = primitive("cholesky_inverse", "host", "x", _cholesky_inverse_rule,
                                "linalg.cholesky_inverse",
                                {"x": _cholesky_inverse_backward}, params=("upper",))


@export("torch", "Tensor", out=True)
def cholesky_inverse(L, upper=False):  # noqa: N803
    """The inverse of A, given its Cholesky factor."""
    return cholesky_inverse_op(L, upper=bool(upper))
