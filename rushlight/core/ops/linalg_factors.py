"""Factorizations: QR, SVD, eigenvalues, LU, Householder products."""

from __future__ import annotations

from ..base import dtypes as dt
from ..base.shapes import broadcast_shapes, meta
from .contraction import _h
from .linalg_checks import (
    LinAlgError,
    fits,
    need_float,
    need_kernel,
    need_matrix,
    need_square,
    same_types,
)
from .linalg_solve import solve_op, triangular_op
from .record import export, primitive
from .result_types import result_type

# ---- QR ---------------------------------------------------------------------------------------


def _qr_rule(x, mode):
    need_matrix("linalg.qr", x)
    need_float("linalg.qr", x, low=True)
    need_kernel("geqrf_cpu", x)
    *batch, m, n = x.shape
    k = min(m, n)
    if mode == "r":
        return meta(x.dtype, (0,)), meta(x.dtype, (*batch, k, n))
    rows = m if mode == "complete" else k
    return meta(x.dtype, (*batch, m, rows)), meta(x.dtype, (*batch, rows, n))


def _symmetric_adjoint(x):
    """The adjoint of "half the diagonal, whole upper triangle": X + X^H, half of its diagonal."""
    both = x + _h(x)
    return both - both.diagonal(0, -2, -1).diag_embed() / 2


def _qr_tall(gq, gr, q, r):
    if gr is None:
        inner = -(_h(q) @ gq)
    else:
        inner = gr @ _h(r) if gq is None else gr @ _h(r) - _h(q) @ gq
    total = q @ _symmetric_adjoint(inner.triu())
    if gq is not None:
        total = total + gq
    return triangular_op(_h(r), total, upper=False, left=False, unit=False)


def _qr_backward(g0, g1, x_meta, out, out1, mode):
    if g0 is None and g1 is None:
        return None
    if mode == "r":
        raise RuntimeError("The derivative of linalg.qr depends on Q, which is not computed when "
                           "mode='r'. Please use linalg.qr(A, mode='reduced') if you are going to "
                           "require gradients.")
    m, n = x_meta.shape[-2:]
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and "
                           "nrows > ncols.")
    if m >= n:
        return _qr_tall(g0, g1, out, out1)
    # A = [X Y], X square: Y = Q V, so its gradient goes through Q and V = Q^H Y.
    import rushlight
    square, rest = out1.narrow(-1, 0, m), out1.narrow(-1, m, n - m)
    if g1 is None:
        return rushlight.cat([_qr_tall(g0, None, out, square),
                              rushlight.zeros_like(out @ rest)], -1)
    g_rest = g1.narrow(-1, m, n - m)
    through = out @ rest @ _h(g_rest)
    gq = through if g0 is None else g0 + through
    return rushlight.cat([_qr_tall(gq, g1.narrow(-1, 0, m), out, square), out @ g_rest], -1)


qr_op = primitive("linalg_qr", "host", "x", _qr_rule, "linalg.qr", {"x": _qr_backward},
                  params=("mode",), multi=2, undefined=True)
_LINALG_QR = result_type("linalg_qr", ("Q", "R"))
_QR = result_type("qr", ("Q", "R"))


@export("linalg", name="qr", out=True)
def linalg_qr(A, mode="reduced"):  # noqa: N803
    """(Q, R) with A = Q R; mode: "reduced", "complete" or "r" (R alone)."""
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' "
                           "(default), 'r', or 'complete'")
    return _LINALG_QR(qr_op(A, mode=mode))


@export("torch", "Tensor", out=True)
def qr(input, some=True):  # noqa: A002
    """See `torch.linalg.qr`."""
    return _QR(qr_op(input, mode="reduced" if some else "complete"))


def _geqrf_never(g0):
    raise RuntimeError("the derivative for 'geqrf' is not implemented.")


geqrf_op = primitive(
    "geqrf", "host", "x",
    lambda x: (meta(x.dtype, x.shape), meta(x.dtype, (*x.shape[:-2], min(x.shape[-2:])))),
    "linalg.geqrf", {"x": _geqrf_never}, multi=2, undefined=True)
_GEQRF = result_type("geqrf", ("a", "tau"))


@export("torch", "Tensor", out=True)
def geqrf(input):  # noqa: A002
    """(a, tau): LAPACK's QR, R above the diagonal and Householder vectors below it."""
    need_matrix("torch.geqrf", input, "input")
    return _GEQRF(geqrf_op(input))


def _householder_rule(x, tau):
    name = "torch.linalg.householder_product"
    if len(x.shape) < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if x.shape[-2] < x.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to "
                           "input.shape[-1]")
    if x.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to "
                           "tau.shape[-1]")
    if len(x.shape) - len(tau.shape) != 1:
        raise RuntimeError(f"{name}: Expected tau to have one dimension less than input, but got "
                           f"tau.ndim equal to {len(tau.shape)} and input.ndim is equal to "
                           f"{len(x.shape)}")
    return meta(x.dtype, x.shape)


def _householder_again(x, tau):
    """The product through public ops, which autograd can follow."""
    import rushlight
    m, n = x.shape[-2:]
    q = rushlight.eye(m, n, dtype=x.dtype).expand(x.shape)
    for j in range(tau.shape[-1] - 1, -1, -1):
        one = rushlight.ones((*x.shape[:-2], 1), dtype=x.dtype)
        v = rushlight.cat([one, x[..., j + 1:, j]], -1)
        v = rushlight.nn.functional.pad(v, (j, 0)).unsqueeze(-1)
        q = q - tau[..., j, None, None] * (v @ (_h(v) @ q))
    return q


def _householder_backward(g, x, tau):
    import rushlight
    if not tau.shape[-1]:  # no reflection: the identity, whatever x holds
        return None, None
    with rushlight.enable_grad():
        fresh = [x.detach().requires_grad_(), tau.detach().requires_grad_()]
        found = _householder_again(*fresh)
    return rushlight.autograd.grad(found, fresh, g)


householder_op = primitive("linalg_householder_product", "host", "x tau", _householder_rule,
                           "linalg.householder_product", {("x", "tau"): _householder_backward})


@export("linalg", out=True)
def householder_product(A, tau):  # noqa: N803
    """The first n columns of a product of Householder matrices (see `geqrf`)."""
    if (A.requires_grad or tau.requires_grad) and tau.shape[-1]:
        return _householder_again(A, tau)
    return householder_op(A, tau)


@export("torch", "Tensor", out=True)
def orgqr(input, input2):  # noqa: A002
    """See `torch.linalg.householder_product`."""
    return householder_product(input, input2)


@export("torch", "Tensor", out=True)
def ormqr(input, tau, other, left=True, transpose=False):  # noqa: A002
    """The product of `other` with the whole Q of a QR decomposition (see `geqrf`)."""
    import rushlight
    if input.ndim < 2:
        raise RuntimeError("torch.ormqr: input must have at least 2 dimensions.")
    side = other.shape[-2 if left else -1]
    if tau.shape[-1] > input.shape[-1] or input.shape[-2] != side:
        raise RuntimeError("torch.ormqr: tau.shape[-1] must be equal to min(other.shape["
                           f"{-2 if left else -1}], input.shape[-1])")
    m = input.shape[-2]
    if not input.numel():  # nothing to differentiate with respect to
        input, tau = input.detach(), tau.detach()
    padded = rushlight.nn.functional.pad(input, (0, m - input.shape[-1]))
    q = _householder_again(padded, tau)
    q = _h(q) if transpose else q
    return q @ other if left else other @ q


# ---- SVD --------------------------------------------------------------------------------------

def _svd_rule(x, full, vectors):
    need_matrix("linalg.svd", x)
    need_float("linalg.svd", x, low=True)
    need_kernel("linalg_svd_cpu", x)
    *batch, m, n = x.shape
    k = min(m, n)
    s = meta(x.dtype.to_real(), (*batch, k))
    if not vectors:
        return meta(x.dtype, (0,)), s, meta(x.dtype, (0,))
    return (meta(x.dtype, (*batch, m, m if full else k)), s,
            meta(x.dtype, (*batch, n if full else k, n)))


def _eye_like(s):
    import rushlight
    return rushlight.eye(s.shape[-1], dtype=s.dtype)


def _svd_backward(g0, g1, g2, x_meta, out, out1, out2, full, vectors):
    gu, gs, gvh, u, s, vh = g0, g1, g2, out, out1, out2
    if gu is None and gs is None and gvh is None:
        return None
    m, n = x_meta.shape[-2:]
    k = min(m, n)
    if full:
        u, vh = u.narrow(-1, 0, k), vh.narrow(-2, 0, k)
        gu = gu.narrow(-1, 0, k) if gu is not None else None
        gvh = gvh.narrow(-2, 0, k) if gvh is not None else None
    row = s.unsqueeze(-2)
    inner = 0
    if gs is not None:
        inner = gs.diag_embed() if gu is not None or gvh is not None else None
        if inner is None:
            return (u * gs.unsqueeze(-2)) @ vh      # defined for equal singular values too
    if gu is not None or gvh is not None:
        e = row * row - (row * row).mT + _eye_like(s)
        if gu is not None:
            w = _h(u) @ gu
            inner = inner + ((w - _h(w)) / e) * row
            if u.is_complex():
                inner = inner + (1j * w.diagonal(0, -2, -1).imag / s).diag_embed()
        if gvh is not None:
            w = gvh @ _h(vh)            # (V^H gV)^H
            inner = inner + s.unsqueeze(-1) * ((_h(w) - w) / e)
    total = (u @ inner) @ vh if hasattr(inner, "shape") else None
    if gu is not None and m > k:
        left = (gu - u @ (_h(u) @ gu)) / row
        total = total + left @ vh
    if gvh is not None and n > k:
        right = (gvh - (gvh @ _h(vh)) @ vh) / s.unsqueeze(-1)
        total = total + u @ right
    return total


svd_op = primitive("linalg_svd", "host", "x", _svd_rule, "linalg.svd", {"x": _svd_backward},
                   params=("full", "vectors"), multi=3, undefined=True)
_LINALG_SVD = result_type("linalg_svd", ("U", "S", "Vh"))
_SVD = result_type("svd", ("U", "S", "V"))


@export("linalg", name="svd", out=True)
def linalg_svd(A, full_matrices=True, *, driver=None):  # noqa: N803
    """(U, S, Vh) with A = U diag(S) Vh; S falls from left to right.

    U: (*, m, m) and Vh: (*, n, n), or (*, m, k) and (*, k, n) without `full_matrices`.
    """
    _no_driver("linalg.svd", driver)
    return _LINALG_SVD(svd_op(A, full=bool(full_matrices), vectors=True))


def _no_driver(name, driver):
    if driver is not None:
        raise RuntimeError(f"{name}: keyword argument `driver=` is only supported on CUDA inputs "
                           "with cuSOLVER backend.")


def _tracked(x):
    import rushlight
    return x.requires_grad and rushlight.is_grad_enabled()


@export("linalg", out=True)
def svdvals(A, *, driver=None):  # noqa: N803
    """The singular values, falling."""
    _no_driver("linalg.svd", driver)
    return svd_op(A, full=False, vectors=_tracked(A))[1]


@export("torch", "Tensor", out=True)
def svd(input, some=True, compute_uv=True):  # noqa: A002
    """(U, S, V) with input = U diag(S) V^H; see `torch.linalg.svd`."""
    need_matrix("linalg.svd", input, "input")
    if not compute_uv:
        import rushlight
        *batch, m, n = input.shape
        s = svdvals(input)
        return _SVD((rushlight.zeros((*batch, m, m), dtype=input.dtype), s,
                     rushlight.zeros((*batch, n, n), dtype=input.dtype)))
    u, s, vh = svd_op(input, full=not some, vectors=True)
    return _SVD((u, s, _h(vh)))


# ---- eigenvalues ------------------------------------------------------------------------------

def _eigh_rule(x, upper):
    need_square("linalg.eigh", x)
    need_kernel("linalg_eigh_cpu", x)
    return meta(x.dtype.to_real(), x.shape[:-1]), meta(x.dtype, x.shape)


def _eigh_backward(g0, g1, out, out1):
    if g1 is None:
        return None if g0 is None else (out1 * g0.unsqueeze(-2)) @ _h(out1)
    inner = _h(out1) @ g1
    e = out.unsqueeze(-2) - out.unsqueeze(-1) + _eye_like(out)
    inner = (inner - _h(inner)) / (2 * e)
    if g0 is not None:
        inner = inner + g0.diag_embed()
    return out1 @ inner @ _h(out1)


eigh_op = primitive("linalg_eigh", "host", "x", _eigh_rule, "linalg.eigh", {"x": _eigh_backward},
                    params=("upper",), multi=2, undefined=True)
_EIGH = result_type("linalg_eigh", ("eigenvalues", "eigenvectors"))


def _side(letter):
    if letter.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {letter}")
    return letter.upper() == "U"


@export("linalg", out=True)
def eigh(A, UPLO="L"):  # noqa: N803
    """(eigenvalues, rising, and eigenvectors) of Hermitian matrices; one triangle is read."""
    return _EIGH(eigh_op(A, upper=_side(UPLO)))


@export("linalg", out=True)
def eigvalsh(A, UPLO="L"):  # noqa: N803
    """The eigenvalues of Hermitian matrices, rising."""
    return eigh_op(A, upper=_side(UPLO))[0]


def _eig_rule(x):
    need_square("linalg.eig", x)
    if x.dtype.category < 2:
        from .arguments import scalar_name
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_name(x.dtype)}")
    need_kernel("linalg_eig_out_cpu", x)
    kind = x.dtype.to_complex()
    return meta(kind, x.shape[:-1]), meta(kind, x.shape)


def _eig_backward(g0, g1, x_meta, out, out1):
    if g0 is None and g1 is None:
        return None
    h = _h(out1)
    if g1 is None:
        inner = g0.diag_embed()
    else:
        inner = h @ g1
        scale = inner.diagonal(0, -2, -1).real.unsqueeze(-2)
        inner = inner - h @ (out1 * scale)
        conj = out.conj()
        inner = inner / (conj.unsqueeze(-2) - conj.unsqueeze(-1) + _eye_like(out))
        inner = inner - inner.diagonal(0, -2, -1).diag_embed()
        if g0 is not None:
            inner = inner + g0.diag_embed()
    found = solve_op(h, inner @ h, left=True)[0]
    return found if x_meta.dtype.is_complex else found.real


eig_op = primitive("linalg_eig", "host", "x", _eig_rule, "linalg.eig", {"x": _eig_backward},
                   multi=2, undefined=True)
_EIG = result_type("linalg_eig", ("eigenvalues", "eigenvectors"))


@export("linalg", out=True)
def eig(A):  # noqa: N803
    """(eigenvalues, eigenvectors) of square matrices, complex."""
    return _EIG(eig_op(A))


def _eigvals_name(x):
    need_square("linalg.eigvals", x)


@export("linalg", out=True)
def eigvals(A):  # noqa: N803
    """The eigenvalues of square matrices, complex."""
    _eigvals_name(A)
    return eig_op(A)[0]


# ---- LU ---------------------------------------------------------------------------------------

def _lu_factor_rule(x):
    if len(x.shape) < 2:
        raise RuntimeError(f"torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: "
                           f"{list(x.shape)} instead")
    need_kernel("lu_cpu", x)
    *batch, m, n = x.shape
    return (meta(x.dtype, x.shape), meta(dt.int32, (*batch, min(m, n))),
            meta(dt.int32, tuple(batch)))


def _lu_gradient(gl, gu, p, lower, upper):
    """The gradient of A = P L U from those of L and U, for any shape."""
    import rushlight
    m, n = lower.shape[-2], upper.shape[-1]
    k = min(m, n)
    l1, u1 = lower.narrow(-2, 0, k), upper.narrow(-1, 0, k)
    zero = rushlight.zeros((), dtype=lower.dtype)
    left = _h(l1) @ gl.narrow(-2, 0, k) if gl is not None else zero
    right = gu.narrow(-1, 0, k) @ _h(u1) if gu is not None else zero
    inner = rushlight.zeros((*lower.shape[:-2], k, k), dtype=lower.dtype)
    if n > k and gu is not None:
        left = left - gu.narrow(-1, k, n - k) @ _h(upper.narrow(-1, k, n - k))
    if m > k and gl is not None:
        right = right - _h(lower.narrow(-2, k, m - k)) @ gl.narrow(-2, k, m - k)
    inner = inner + (left + inner).tril(-1) + (right + inner).triu()
    inner = triangular_op(_h(u1), inner, upper=False, left=False, unit=False)
    total = triangular_op(_h(l1), inner, upper=True, left=True, unit=True)
    if n > k:
        last = gu.narrow(-1, k, n - k) if gu is not None else \
            rushlight.zeros_like(upper.narrow(-1, k, n - k))
        total = rushlight.cat([total, triangular_op(_h(l1), last, upper=True, left=True,
                                                    unit=True)], -1)
    if m > k:
        last = gl.narrow(-2, k, m - k) if gl is not None else \
            rushlight.zeros_like(lower.narrow(-2, k, m - k))
        total = rushlight.cat([total, triangular_op(_h(u1), last, upper=False, left=False,
                                                    unit=False)], -2)
    return p @ total


def _split(packed):
    """(L, U) of packed LU."""
    import rushlight
    m, n = packed.shape[-2:]
    k = min(m, n)
    lower = packed.narrow(-1, 0, k).tril(-1) + rushlight.eye(m, k, dtype=packed.dtype)
    return lower, packed.narrow(-2, 0, k).triu()


def _lu_factor_backward(g0, out, out1):
    if g0 is None:
        return None
    lower, upper = _split(out)
    k = min(out.shape[-2:])
    p = permutation_op(out1, size=out.shape[-2], dtype=out.dtype)
    return _lu_gradient(g0.narrow(-1, 0, k).tril(-1), g0.narrow(-2, 0, k).triu(), p, lower, upper)


permutation_op = primitive(
    "lu_permutation", "host", "pivots",
    lambda pivots, size, dtype: meta(dtype, (*pivots.shape[:-1], size, size)),
    "linalg.permutation_of", params=("size", "dtype"))
lu_factor_op = primitive("linalg_lu_factor_ex", "host", "x", _lu_factor_rule, "linalg.lu_factor",
                         {"x": _lu_factor_backward}, multi=3, undefined=True)
_LU_FACTOR = result_type("linalg_lu_factor", ("LU", "pivots"))
_LU_FACTOR_EX = result_type("linalg_lu_factor_ex", ("LU", "pivots", "info"))
_LU_INFO = result_type("_lu_with_info", ("LU", "pivots", "info"))
_LINALG_LU = result_type("linalg_lu", ("P", "L", "U"))
_LU_UNPACK = result_type("lu_unpack", ("P", "L", "U"))


def _pivoted(name, pivot):
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")


def _check_lu(info):
    from .linalg_checks import first_failure
    failed = first_failure(info)
    if failed:
        raise LinAlgError(
            f"torch.linalg.lu_factor: {failed[0]}U[{failed[1]},{failed[1]}] is zero and using it "
            "on lu_solve would result in a division by zero. If you still want to perform the "
            "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)")


@export("linalg", out=True)
def lu_factor(A, *, pivot=True):  # noqa: N803
    """(LU, pivots): L and U in one matrix. RuntimeError for a singular matrix."""
    _pivoted("linalg.lu_factor", pivot)
    found = lu_factor_op(A)
    _check_lu(found[2])
    return _LU_FACTOR(found[:2])


@export("linalg", out=True)
def lu_factor_ex(A, *, pivot=True, check_errors=False):  # noqa: N803
    """(LU, pivots, info): info is the first zero on U's diagonal, counted from 1, or 0."""
    _pivoted("linalg.lu_factor", pivot)
    found = lu_factor_op(A)
    if check_errors:
        _check_lu(found[2])
    return _LU_FACTOR_EX(found)


@export("torch", "Tensor", name="lu")
def packed_lu(A, pivot=True, get_infos=False, out=None):  # noqa: N803
    """(LU, pivots) and info when asked for; see `torch.linalg.lu_factor`."""
    _pivoted("linalg.lu_factor", pivot)
    found = lu_factor_op(A)
    if not get_infos:
        _check_lu(found[2])
    result = _LU_INFO(found) if get_infos else tuple(found[:2])
    if out is None:
        return result
    return tuple(o.copy_(r) for o, r in zip(out, result))


def _lu_rule(x):
    need_matrix("linalg.lu", x)
    need_float("linalg.lu", x, low=True)
    need_kernel("lu_cpu", x)
    *batch, m, n = x.shape
    k = min(m, n)
    return (meta(x.dtype, (*batch, m, m)), meta(x.dtype, (*batch, m, k)),
            meta(x.dtype, (*batch, k, n)))


lu_op = primitive(
    "linalg_lu", "host", "x", _lu_rule, "linalg.lu",
    {"x": lambda g1, g2, out, out1, out2: None if g1 is None and g2 is None else
        _lu_gradient(g1, g2, out, out1, out2)}, multi=3, undefined=True, non_differentiable=(0,))


@export("linalg", out=True)
def lu(A, *, pivot=True):  # noqa: N803
    """(P, L, U) with A = P L U."""
    _pivoted("linalg.lu", pivot)
    return _LINALG_LU(lu_op(A))


@export("torch", out=True)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):  # noqa: N803
    """(P, L, U) of what `lu_factor` returns."""
    import rushlight
    if LU_pivots.dtype is not dt.int32:
        raise RuntimeError("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of "
                           "torch.int32 dtype.\nNote: this function is intended to be used with "
                           "the output produced by torch.linalg.lu_factor")
    none = rushlight.empty((0,), dtype=LU_data.dtype)
    lower, upper = _split(LU_data) if unpack_data else (none, none)
    p = permutation_op(LU_pivots, size=LU_data.shape[-2], dtype=LU_data.dtype) \
        if unpack_pivots else none
    return _LU_UNPACK((p, lower, upper))


def _lu_solve_rule(lu, pivots, b, left, adjoint):
    name = "torch.linalg.lu_solve"
    need_square(name, lu, "LU")
    same_types(name, lu, b)
    need_matrix(name, b, "B")
    fits(name, lu, b, left)
    need_kernel("lu_solve_cpu", lu)
    return meta(b.dtype, (*broadcast_shapes(lu.shape[:-2], b.shape[:-2]), *b.shape[-2:]))


def _lu_solve_backward(g, lu, pivots, out, left, adjoint, needs):
    gb = lu_solve_op(lu, pivots, g, left=left, adjoint=not adjoint)
    if not needs[0]:
        return None, gb
    if left:
        ga = -(out @ _h(gb)) if adjoint else -(gb @ _h(out))
    else:
        ga = -(_h(gb) @ out) if adjoint else -(_h(out) @ gb)
    lower, upper = _split(lu)
    p = permutation_op(pivots, size=lu.shape[-2], dtype=lu.dtype)
    turned = p.mT @ ga
    return (turned @ _h(upper)).tril(-1) + (_h(lower) @ turned).triu(), gb


lu_solve_op = primitive("linalg_lu_solve", "host", "lu pivots b", _lu_solve_rule,
                        "linalg.lu_solve", {("lu", "b"): _lu_solve_backward},
                        params=("left", "adjoint"))


@export("linalg", name="lu_solve", out=True)
def linalg_lu_solve(LU, pivots, B, *, left=True, adjoint=False):  # noqa: N803
    """X with A X = B, given what `lu_factor` returns for A."""
    return lu_solve_op(LU, pivots, B, left=bool(left), adjoint=bool(adjoint))


@export("torch", "Tensor", out=True)
def lu_solve(b, LU_data, LU_pivots):  # noqa: N803
    """See `torch.linalg.lu_solve`."""
    return lu_solve_op(LU_data, LU_pivots, b, left=True, adjoint=False)


def _no_ldl(name):
    def refuse(*_, **__):
        raise NotImplementedError(f"torch.linalg.{name} is not implemented in rushlight")
    refuse.__name__ = name
    refuse.__doc__ = f"Not implemented: torch.linalg.{name} raises NotImplementedError."
    export("linalg")(refuse)


for _name in ("ldl_factor", "ldl_factor_ex", "ldl_solve"):
    _no_ldl(_name)
