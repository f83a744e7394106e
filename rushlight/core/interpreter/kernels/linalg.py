"""Kernels of linear algebra: NumPy's LAPACK where it has the routine, loops over columns else.

A kernel never raises for a singular matrix: it returns LAPACK's `info` beside the result, as
PyTorch's ``_ex`` functions do, and the public functions raise.
"""

from __future__ import annotations

import numpy as np


def _batch(a):
    return a.reshape((-1, *a.shape[-2:])) if a.size else \
        a.reshape((int(np.prod(a.shape[:-2])), *a.shape[-2:]))


def lu_factor(a):
    """(LU, pivots, info) by Gaussian elimination with partial pivoting."""
    lu = _batch(np.array(a, order="C"))
    count, m, n = lu.shape
    steps = min(m, n)
    pivots = np.zeros((count, steps), np.int32)
    info = np.zeros(count, np.int32)
    each = np.arange(count)
    for j in range(steps):
        column = lu[:, j:, j]
        size = np.abs(column.real) + np.abs(column.imag) if column.dtype.kind == "c" else \
            np.abs(column)
        chosen = (size.argmax(1) if count else np.zeros(0, np.int64)) + j
        pivots[:, j] = chosen + 1
        swapped = lu[each, chosen]
        lu[each, chosen] = lu[:, j]
        lu[:, j] = swapped
        pivot = lu[:, j, j]
        info = np.where((info == 0) & (pivot == 0), j + 1, info)
        lu[:, j + 1:, j] /= np.where(pivot == 0, 1, pivot)[:, None]
        lu[:, j + 1:, j + 1:] -= lu[:, j + 1:, j, None] * lu[:, j, None, j + 1:]
    batch = a.shape[:-2]
    return (lu.reshape(a.shape), pivots.reshape((*batch, steps)),
            info.astype(np.int32).reshape(batch))


def permutation(pivots, size):
    """The order of rows that successive swaps make: row i of PA is row order[i] of A."""
    flat = pivots.reshape(int(np.prod(pivots.shape[:-1])), pivots.shape[-1])
    order = np.tile(np.arange(size), (flat.shape[0], 1))
    each = np.arange(flat.shape[0])
    for j in range(flat.shape[1]):
        other = flat[:, j] - 1
        kept = order[each, j].copy()
        order[each, j] = order[each, other]
        order[each, other] = kept
    return order.reshape((*pivots.shape[:-1], size))


def permutation_matrix(pivots, m, kind):
    """P with A = P L U."""
    order = permutation(pivots, m)
    rows = np.arange(m)[:, None] == order[..., None, :]
    return rows.astype(kind)


def lu(a):
    """(P, L, U)."""
    packed, pivots, _ = lu_factor(a)
    m, n = a.shape[-2:]
    k = min(m, n)
    lower = np.tril(packed[..., :k], -1) + np.eye(m, k, dtype=a.dtype)
    return permutation_matrix(pivots, m, a.dtype), lower, np.triu(packed[..., :k, :])


def inv(a):
    """(inverse, info)."""
    try:
        return np.linalg.inv(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        return _with_info(a, lambda m: np.linalg.inv(m))


def _with_info(a, function, *others):
    info = lu_factor(a)[2]
    flat, many = _batch(a), info.reshape(-1)
    found = []
    for i in range(len(many)):
        try:
            found.append(function(flat[i], *(o[i] for o in others)))
        except np.linalg.LinAlgError:
            many[i] = many[i] or flat.shape[-1]
            found.append(None)
    shape = next((f.shape for f in found if f is not None), None)
    if shape is None:
        shape = others[0].shape[1:] if others else flat.shape[1:]
    made = np.stack([np.full(shape, np.nan, a.dtype) if f is None else f for f in found])
    return made.reshape((*a.shape[:-2], *shape)), many.reshape(info.shape).astype(np.int32)


def solve(a, b):
    """(X, info) with A X = B; B's last two dimensions are matrices."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        return np.linalg.solve(a, b), info
    except np.linalg.LinAlgError:
        a = np.ascontiguousarray(np.broadcast_to(a, (*batch, *a.shape[-2:])))
        b = np.ascontiguousarray(np.broadcast_to(b, (*batch, *b.shape[-2:])))
        found, failed = _with_info(a, np.linalg.solve, _batch(b))
        return found, failed if failed.shape == info.shape else \
            lu_factor(a)[2].reshape(-1)[:max(info.size, 1)].reshape(info.shape)


def solve_either(a, b, left):
    """`solve`, or X A = B when not `left`."""
    if left:
        return solve(a, b)
    found, info = solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2))
    return np.swapaxes(found, -1, -2), info


def triangular(a, upper, unit):
    """The triangle of `a` that counts."""
    kept = np.triu(a) if upper else np.tril(a)
    if unit:
        kept = kept.copy()
        each = np.arange(a.shape[-1])
        kept[..., each, each] = 1
    return kept


def solve_triangular(a, b, upper, left, unit):
    """X with A X = B, or X A = B when not `left`."""
    if not left:
        found = solve_triangular(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2), not upper, True,
                                 unit)
        return np.swapaxes(found, -1, -2)
    kept = triangular(a, upper, unit)
    try:
        return np.linalg.solve(kept, b)
    except np.linalg.LinAlgError:      # a zero on the diagonal: infinities and nan, no error
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        x = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])))
        n = a.shape[-1]
        with np.errstate(all="ignore"):
            for i in (range(n - 1, -1, -1) if upper else range(n)):
                x[..., i, :] /= kept[..., i, i, None]
                rest = slice(0, i) if upper else slice(i + 1, n)
                x[..., rest, :] -= kept[..., rest, i, None] * x[..., i, None, :]
        return x


def det(a):
    """The determinant."""
    return np.linalg.det(a)


def adjugate_transposed(a):
    """det(A) times the transpose of the inverse: finite for singular matrices too."""
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    others = np.ones_like(s)
    for i in range(n):
        others[..., i] = np.prod(np.delete(s, i, -1), -1)
    sign = np.linalg.det(u) * np.linalg.det(vh) if n else np.ones(a.shape[:-2])
    return np.asarray(sign)[..., None, None] * ((u.conj() * others[..., None, :]) @ vh.conj())


def slogdet(a):
    """(sign, log of the absolute determinant)."""
    return tuple(np.linalg.slogdet(a))


def cholesky(a, upper):
    """(factor, info)."""
    lower = np.conj(np.swapaxes(a, -1, -2)) if upper else a
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        found = np.linalg.cholesky(lower)
    except np.linalg.LinAlgError:
        flat, many = _batch(lower), info.reshape(-1)
        made = []
        for i, matrix in enumerate(flat):
            factor, many[i] = _cholesky_columns(matrix)
            made.append(factor)
        found = np.stack(made).reshape(a.shape)
    return (np.conj(np.swapaxes(found, -1, -2)) if upper else found), info


def _cholesky_columns(matrix):
    factor = np.tril(matrix).astype(matrix.dtype)
    for j in range(len(matrix)):
        rest = factor[j, :j]
        pivot = (factor[j, j] - (rest @ rest.conj())).real
        if not pivot > 0:
            return factor, j + 1
        factor[j, j] = np.sqrt(pivot)
        factor[j + 1:, j] -= factor[j + 1:, :j] @ rest.conj()
        factor[j + 1:, j] /= factor[j, j]
    return factor, 0


def cholesky_solve(b, factor, upper):
    """X with A X = B where A = L L^H."""
    kept = np.triu(factor) if upper else np.tril(factor)
    other = np.conj(np.swapaxes(kept, -1, -2))
    lower, up = (other, kept) if upper else (kept, other)
    return solve_triangular(up, solve_triangular(lower, b, False, True, False), True, True, False)


def cholesky_inverse(factor, upper):
    """The inverse of A = L L^H."""
    eye = np.broadcast_to(np.eye(factor.shape[-1], dtype=factor.dtype), factor.shape)
    return cholesky_solve(eye, factor, upper)


def lu_solve(lu_, pivots, b, left, adjoint):
    """X with A X = B (X A = B; A^H for A) given A = P L U."""
    if not left:
        flipped = np.conj(np.swapaxes(b, -1, -2))
        found = lu_solve(lu_, pivots, flipped, True, not adjoint)
        return np.conj(np.swapaxes(found, -1, -2))
    n = lu_.shape[-1]
    order = permutation(pivots, n)
    batch = np.broadcast_shapes(lu_.shape[:-2], b.shape[:-2])
    b = np.broadcast_to(b, (*batch, *b.shape[-2:]))
    order = np.broadcast_to(order, (*batch, n))[..., None]
    if not adjoint:
        x = np.take_along_axis(b, order, -2)
        x = solve_triangular(lu_, x, False, True, True)
        return solve_triangular(lu_, x, True, True, False)
    h = np.conj(np.swapaxes(lu_, -1, -2))
    x = solve_triangular(h, b, False, True, False)
    x = solve_triangular(h, x, True, True, True)
    return np.take_along_axis(x, np.argsort(order, -2), -2)


def qr(a, mode):
    """(Q, R); Q is empty for mode "r"."""
    if mode == "r":
        return np.zeros(0, a.dtype), np.linalg.qr(a, "r")
    if not a.size and min(a.shape[-2:]) == 0:
        m, n = a.shape[-2:]
        k = m if mode == "complete" else min(m, n)
        eye = np.broadcast_to(np.eye(m, k, dtype=a.dtype), (*a.shape[:-2], m, k))
        return eye, np.zeros((*a.shape[:-2], k, n), a.dtype)
    return tuple(np.linalg.qr(a, mode))


def geqrf(a):
    """(a, tau): R above the diagonal, Householder vectors below it."""
    h, tau = np.linalg.qr(a, "raw")
    return np.swapaxes(h, -1, -2), tau


def householder_product(a, tau):
    """The first columns of H1 H2 ... Hk, each H = I - tau v v^H."""
    m, n = a.shape[-2:]
    k = tau.shape[-1]
    q = np.broadcast_to(np.eye(m, n, dtype=a.dtype), a.shape).copy()
    for j in range(k - 1, -1, -1):
        v = np.zeros(a.shape[:-1], a.dtype)
        v[..., j] = 1
        v[..., j + 1:] = a[..., j + 1:, j]
        row = np.conj(v)[..., None, :] @ q
        q -= tau[..., j, None, None] * v[..., None] * row
    return q


def svd(a, full, vectors):
    """(U, S, Vh); U and Vh are empty when `vectors` is false."""
    if not vectors:
        empty = np.zeros(0, a.dtype)
        return empty, np.linalg.svd(a, compute_uv=False), empty
    return tuple(np.linalg.svd(a, full_matrices=full))


def eigh(a, upper):
    """(eigenvalues, eigenvectors) of a Hermitian matrix."""
    return tuple(np.linalg.eigh(a, "U" if upper else "L"))


def eig(a):
    """(eigenvalues, eigenvectors), complex."""
    if not a.size:
        kind = np.result_type(a.dtype, np.complex64)
        return np.zeros(a.shape[:-1], kind), np.zeros(a.shape, kind)
    return tuple(np.linalg.eig(a))


def pinv(a, atol, rtol, hermitian):
    """The pseudoinverse: singular values up to max(atol, rtol * largest) count as zero."""
    if not a.size:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    wide = a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)
    if hermitian:
        values, u = np.linalg.eigh(wide)
        s, vh = np.abs(values), np.conj(np.swapaxes(u, -1, -2))
        u = u * np.where(values < 0, -1, 1)[..., None, :]
    else:
        u, s, vh = np.linalg.svd(wide, full_matrices=False)
    largest = s.max(-1, keepdims=True)
    limit = np.maximum(np.asarray(atol)[..., None], np.asarray(rtol)[..., None] * largest)
    inverse = np.where(s > limit, 1 / np.where(s == 0, 1, s), 0)
    return np.conj(np.swapaxes(vh, -1, -2)) @ (inverse[..., None] *
                                              np.conj(np.swapaxes(u, -1, -2)))


_PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
         129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0,
         40840800.0, 960960.0, 16380.0, 182.0, 1.0)


def matrix_exp(a):
    """The exponential: N. J. Higham's scaling and squaring (2005), Pade approximant 13."""
    wide = _batch(a.astype(np.complex128 if a.dtype.kind == "c" else np.float64))
    if not a.size:
        return a
    norm = np.abs(wide).sum(-2).max(-1)
    with np.errstate(divide="ignore"):
        squarings = np.maximum(0, np.ceil(np.log2(norm / 5.371920351148152)))
    squarings = np.where(np.isfinite(squarings), squarings, 0).astype(int)
    x = wide / (2.0 ** squarings)[:, None, None]
    one = np.eye(x.shape[-1])
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    b = _PADE
    u = x @ (x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2)
             + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * one)
    v = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2) + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * one
    found = np.linalg.solve(v - u, v + u)
    for step in range(int(squarings.max())):
        found = np.where((squarings > step)[:, None, None], found @ found, found)
    return found.reshape(a.shape)


def permutation_of(pivots, size, dtype):
    """`permutation_matrix` for an op's static parameters."""
    return permutation_matrix(pivots, size, dtype.np)


def lstsq(a, b, rtol):
    """The least-squares solution of least norm, through the SVD."""
    return (pinv(a, 0.0, rtol, False) @ b).astype(b.dtype)
