"""Functions over factorizations: norms, pinv, lstsq, ranks, matrix_exp, products of many."""

from __future__ import annotations

import math

from ..base.dtypes import finfo
from ..base.shapes import broadcast_shapes, meta, wrap_dim
from .arguments import scalar_name
from .contraction import _h
from .linalg_checks import need_float, need_matrix, need_square
from .linalg_factors import eigvalsh, svdvals
from .record import export, primitive
from .result_types import result_type
from .statistics import vector_norm

# ---- norms ------------------------------------------------------------------------------------

_ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


@export("linalg", out=True)
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):  # noqa: A002, N803
    """The norm of matrices: "fro", "nuc", or 1, -1, 2, -2, inf, -inf, over two axes."""
    need_matrix("linalg.matrix_norm", A)
    need_float("linalg.matrix_norm", A, low=True)
    if ord not in _ORDERS:
        raise RuntimeError(f"linalg.matrix_norm: Order {_shown(ord)} not supported.")
    dim = tuple(dim)
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {_list(dim)}")
    first, second = (wrap_dim(d, A.ndim) for d in dim)
    if first == second:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if dtype is not None:
        A = A.to(dtype)  # noqa: N806
    if ord == "fro":
        return vector_norm(A, 2, (first, second), keepdim)
    if ord in ("nuc", 2, -2):
        rest = [d for d in range(A.ndim) if d not in (first, second)]
        s = svdvals(A.permute(*rest, first, second))
        found = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord == 2 else s.amin(-1)
        if keepdim:
            for d in sorted((first, second)):
                found = found.unsqueeze(d)
        return found
    summed, kept = (first, second) if abs(ord) == 1 else (second, first)
    sums = vector_norm(A, 1, (summed,), keepdim)
    if not keepdim and kept > summed:
        kept -= 1
    return sums.amax(kept, keepdim) if ord > 0 else sums.amin(kept, keepdim)


def _list(values):
    return "[" + ", ".join(map(str, values)) + "]"


def _shown(order):
    return order if isinstance(order, str) else f"{float(order):g}"


@export("linalg", name="norm", out=True)
def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):  # noqa: A002, N803
    """A vector or matrix norm: the matrix one for names, two axes, or a 2-D tensor with `ord`."""
    if isinstance(dim, int):
        dim = (dim,)
    if dim is not None and len(dim) not in (1, 2):
        raise RuntimeError("linalg.norm: If dim is specified, it must be of length 1 or 2. Got "
                           f"{_list(dim)}")
    if ord is not None and dim is None and A.ndim not in (1, 2):
        raise RuntimeError("linalg.norm: If dim is not specified but ord is, the input must be 1D "
                           f"or 2D. Got {A.ndim}D.")
    if isinstance(ord, str):
        return matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    if ord is not None and ((dim is not None and len(dim) == 2) or (dim is None and A.ndim == 2)):
        return matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


@export("torch", "Tensor")
def nuclear_norm(input, dim=None, keepdim=False):  # noqa: A002
    """The sum of the singular values."""
    return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)


@export("torch")
def frobenius_norm(input, dim=(), keepdim=False):  # noqa: A002
    """The square root of the sum of the squared elements."""
    dim = (dim,) if isinstance(dim, int) else tuple(dim)
    return vector_norm(input, 2, dim or None, keepdim)


@export("torch")
def norm_except_dim(v, pow=2, dim=0):  # noqa: A002
    """The norm over every axis but `dim`, which keeps its place."""
    if dim == -1:
        return v.norm(pow)
    rest = [d for d in range(v.ndim) if d != wrap_dim(dim, v.ndim)]
    return vector_norm(v, pow, rest, True) if rest else v.abs()


@export("linalg", out=True)
def cond(A, p=None):  # noqa: N803
    """The condition number: norm(A) * norm(inverse), in the norm `p` (default 2)."""
    import rushlight
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or p in (2, -2):
        if A.numel() == 0:
            return rushlight.zeros(A.shape[:-2], dtype=A.dtype.to_real())
        s = svdvals(A)
        big, small = s.narrow(-1, 0, 1), s.narrow(-1, s.shape[-1] - 1, 1)
        return (small / big if p == -2 else big / small).squeeze(-1)
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"linalg.cond(ord={_shown(p)}): A must be batches of square matrices, "
                           f"but they are {A.shape[-2]} by {A.shape[-1]} matrices")
    if A.numel() == 0:
        return rushlight.zeros(A.shape[:-2], dtype=A.dtype.to_real())
    inverse, info = rushlight.linalg.inv_ex(A)
    found = matrix_norm(A, p) * matrix_norm(inverse, p)
    if not info._array().any():
        return found
    return rushlight.where(info != 0, float("inf"), found)


# ---- pseudoinverse and least squares ----------------------------------------------------------

def _pinv_rule(x, atol, rtol, hermitian):
    *batch, m, n = x.shape
    return meta(x.dtype, (*batch, n, m))


def _pinv_gradient(g, a, p):
    """Golub and Pereyra (1973), turned round."""
    h = _h(p)
    gh = _h(g)
    first = h @ g @ h
    second = (gh @ p) @ h
    third = h @ (p @ gh)
    return second - a @ (p @ second) + (third - (third @ p) @ a) - first


pinv_op = primitive("linalg_pinv", "host", "x atol rtol", _pinv_rule, "linalg.pinv",
                    {"x": lambda g, x, out: _pinv_gradient(g, x, out)}, params=("hermitian",))


def _tolerances(x, atol, rtol):
    """(atol, rtol) with PyTorch's defaults: max(m, n) * eps, or none beside an atol."""
    if rtol is None:
        if atol is None or hasattr(atol, "shape"):
            rtol = finfo(x.dtype).eps * max(x.shape[-2:])
            if atol is not None:
                import rushlight
                rtol = rushlight.where(atol > 0, 0.0, rtol)
        else:
            rtol = 0.0 if atol > 0 else finfo(x.dtype).eps * max(x.shape[-2:])
    return (0.0 if atol is None else atol), rtol


@export("linalg", out=True)
def pinv(A, *, atol=None, rtol=None, hermitian=False, rcond=None):  # noqa: N803
    """The Moore-Penrose pseudoinverse (*, m, n) -> (*, n, m)."""
    if A.ndim < 2 or A.dtype.category < 2 or A.dtype.half:
        raise RuntimeError(
            f"linalg.pinv({scalar_name(A.dtype)}{{{_list(A.shape)}}}): expected a tensor with 2 or "
            "more dimensions of float, double, cfloat or cdouble types")
    if rcond is not None:
        rtol = rcond
    atol, rtol = _tolerances(A, atol, rtol)
    return pinv_op(A, atol, rtol, hermitian=bool(hermitian))


@export("torch", "Tensor")
def pinverse(input, rcond=1e-15):  # noqa: A002
    """See `torch.linalg.pinv`."""
    return pinv(input, rtol=rcond)


@export("linalg", out=True)
def matrix_rank(A, *, atol=None, rtol=None, hermitian=False, tol=None):  # noqa: N803
    """How many singular values exceed max(atol, rtol * largest)."""
    if A.ndim < 2:
        raise RuntimeError("torch.linalg.matrix_rank: The input tensor input must have at least 2 "
                           "dimensions.")
    if A.dtype.category < 2 or A.dtype.half:
        raise RuntimeError("This function doesn't handle types other than float and double")
    import rushlight
    with rushlight.no_grad():
        if tol is not None:
            atol, rtol = tol, 0.0
        if A.numel() == 0:
            return rushlight.zeros(A.shape[:-2], dtype=rushlight.int64)
        s = eigvalsh(A).abs() if hermitian else svdvals(A)
        atol, rtol = _tolerances(A, atol, rtol)
        largest = s.amax(-1)
        limit = rtol * largest
        limit = rushlight.maximum(limit, atol) if hasattr(atol, "shape") else limit.clamp(min=atol)
        return (s > limit.unsqueeze(-1)).sum(-1)


_LSTSQ = result_type("linalg_lstsq", ("solution", "residuals", "rank", "singular_values"))


def _lstsq_backward(g, a, b, rtol, needs):
    p = pinv_op(a, 0.0, rtol, hermitian=False)
    ga = _pinv_gradient(g @ _h(b), a, p) if needs[0] else None
    return ga, _h(p) @ g


lstsq_op = primitive(
    "linalg_lstsq", "host", "a b",
    lambda a, b, rtol: meta(b.dtype, (*broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-1],
                                      b.shape[-1])),
    "linalg.lstsq", {("a", "b"): _lstsq_backward}, params=("rtol",))


@export("linalg")
def lstsq(A, B, rcond=None, *, driver=None):  # noqa: N803
    """The X that makes ||A X - B|| least, of least norm among those.

    (solution, residuals, rank, singular_values): residuals only for a tall A of full rank,
    singular values only for the drivers "gelsd" and "gelss".
    """
    import rushlight
    if A.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError("torch.linalg.lstsq: other must have at least 1 dimension.")
    if A.dtype is not B.dtype:
        raise RuntimeError("torch.linalg.lstsq: Expected input and other to have the same dtype, "
                           f"but got input's dtype {scalar_name(A.dtype)} and other's dtype "
                           f"{scalar_name(B.dtype)}")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError("torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, "
                           f"gelsd, gelss), but got {driver!r}")
    vector = B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]
    right = B.unsqueeze(-1) if vector else B
    if right.ndim < 2 or right.shape[-2] != A.shape[-2]:
        raise RuntimeError("torch.linalg.lstsq: input.size(-2) should match other.size(-2)")
    m, n = A.shape[-2:]
    rtol = finfo(A.dtype).eps * max(m, n) if rcond is None else float(rcond)
    found = lstsq_op(A, right, rtol=rtol)
    with rushlight.no_grad():
        s = svdvals(A)
        rank = (s > rtol * s.amax(-1, True)).sum(-1) if A.numel() else \
            rushlight.zeros(A.shape[:-2], dtype=rushlight.int64)
    residuals = (found.real if found.is_complex() else found).reshape(-1)[:0]
    if m > n and driver not in (None, "gelsy") and bool((rank == n).all()):
        difference = A @ found - right
        residuals = (difference.real.square() + difference.imag.square()
                     if difference.is_complex() else difference.square()).sum(-2)
    singular = s if driver in ("gelsd", "gelss") else rushlight.empty((0,), dtype=s.dtype)
    if driver == "gels":
        rank = rushlight.empty((0,), dtype=rushlight.int64)
    return _LSTSQ((found.squeeze(-1) if vector else found, residuals, rank, singular))


# ---- exponential and products -----------------------------------------------------------------

def _exp_rule(x):
    need_square("linalg.matrix_exp", x)
    need_float("linalg.matrix_exp", x, low=True)
    return meta(x.dtype, x.shape)


def _exp_backward(g, x):
    # exp of [[A^H, G], [0, A^H]] holds the derivative of exp at A^H along G.
    import rushlight
    h = _h(x)
    n = x.shape[-1]
    top = rushlight.cat([h, g], -1)
    bottom = rushlight.cat([rushlight.zeros_like(h), h], -1)
    return exp_op(rushlight.cat([top, bottom], -2)).narrow(-2, 0, n).narrow(-1, n, n)


exp_op = primitive("linalg_matrix_exp", "host", "x", _exp_rule, "linalg.matrix_exp",
                   {"x": _exp_backward})


@export("torch", "Tensor", "linalg")
def matrix_exp(A):  # noqa: N803
    """The sum of A^k / k! of square matrices."""
    return exp_op(A)


def _cheapest(shapes):
    """Where to split each run of a product of matrices (the classic dynamic program)."""
    count = len(shapes)
    sizes = [s[0] for s in shapes] + [shapes[-1][1]]
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [(cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                       for k in range(i, j)]
            cost[i][j], split[i][j] = min(options)
    return split


@export("linalg", out=True)
def multi_dot(tensors):
    """The product of matrices, in the order that costs least; the ends may be vectors."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0], tensors[-1]
    for place, tensor in (("first", first), ("last", last)):
        if tensor.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {place} tensor must be 1D or 2D but got "
                               f"{tensor.ndim}D")
    for i, tensor in enumerate(tensors[1:-1], 1):
        if tensor.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {tensor.ndim}D")
    for i, tensor in enumerate(tensors):
        if tensor.dtype is not first.dtype:
            raise RuntimeError("multi_dot(): all tensors must have be the same dtype but tensor 0 "
                               f"is {scalar_name(first.dtype)} and tensor {i} "
                               f"{scalar_name(tensor.dtype)}")
    work = list(tensors)
    if first.ndim == 1:
        work[0] = first.unsqueeze(0)
    if last.ndim == 1:
        work[-1] = last.unsqueeze(-1)
    for i, (a, b) in enumerate(zip(work, work[1:])):
        if a.shape[-1] != b.shape[-2]:
            raise RuntimeError(f"multi_dot(): tensors {i} and {i + 1} with shapes "
                               f"{_list(a.shape)} and {_list(b.shape)} cannot be multiplied")
    split = _cheapest([w.shape for w in work])

    def product(i, j):
        if i == j:
            return work[i]
        k = split[i][j]
        return product(i, k).mm(product(k + 1, j))
    found = product(0, len(work) - 1)
    shape = (() if first.ndim == 1 else (found.shape[0],)) + \
        (() if last.ndim == 1 else (found.shape[1],))
    return found.view(shape)


@export("torch", name="chain_matmul")
def chain_matmul(*matrices):
    """See `torch.linalg.multi_dot`."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


@export("linalg", out=True)
def vecdot(x, y, *, dim=-1):
    """The sum of conj(x) * y along `dim`."""
    if x.dtype.category < 2:
        if x.ndim == y.ndim == 1:
            return (x * y).sum(dim)
    return ((x.conj() if x.is_complex() else x) * y).sum(dim)


@export("linalg", name="vander")
def linalg_vander(x, *, N=None):  # noqa: N803
    """Powers 0 to N - 1 of each element along a new last axis."""
    import rushlight
    if N is not None and N <= 1:
        raise RuntimeError("N must be greater than 1.")
    if x.ndim == 0:
        x = x.unsqueeze(0)
    n = x.shape[-1] if N is None else N
    if x.dtype.category < 1:
        x = x.to(rushlight.int64)
    ones = rushlight.ones((*x.shape, 1), dtype=x.dtype)
    rest = x.unsqueeze(-1).expand(*x.shape, n - 1).cumprod(-1)
    return rushlight.cat([ones, rest], -1)


@export("linalg", out=True)
def tensorinv(A, ind=2):  # noqa: N803
    """The inverse of A seen as a square matrix: the first `ind` axes against the others."""
    import rushlight
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    rows, columns = math.prod(A.shape[:ind]), math.prod(A.shape[ind:])
    if rows != columns:
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[ind:]) == "
                           f"prod(self.shape[:ind]), but got {columns} != {rows}")
    found, info = rushlight.linalg.inv_ex(A.reshape(rows, columns))
    if info._array().any():
        raise RuntimeError("Failed to invert the input tensor, because it is singular.")
    return found.reshape(*A.shape[ind:], *A.shape[:ind])


@export("linalg", out=True)
def tensorsolve(A, B, dims=None):  # noqa: N803
    """X with tensordot(A, X, X.ndim) = B."""
    import rushlight
    if dims is not None:
        moved = [wrap_dim(d, A.ndim) for d in dims]
        A = A.permute([d for d in range(A.ndim) if d not in moved] + moved)  # noqa: N806
    shape = A.shape[B.ndim:]
    size = math.prod(shape)
    if size != math.prod(A.shape[:B.ndim]) or size != B.numel():
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:])"
                           f" == prod(self.shape[:other.ndim]), but got {size} != "
                           f"{math.prod(A.shape[:B.ndim])}")
    found = rushlight.linalg.solve(A.reshape(B.numel(), size), B.reshape(-1))
    return found.reshape(shape)


@export("linalg", name="diagonal")
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):  # noqa: N803
    """The diagonal of matrices, a view."""
    return A.diagonal(offset, dim1, dim2)


@export("linalg", name="matmul", out=True)
def linalg_matmul(input, other):  # noqa: A002
    """See `torch.matmul`."""
    return input.matmul(other)


_REMOVED = {
    "symeig": "torch.linalg.eigh", "eig": "torch.linalg.eig", "solve": "torch.linalg.solve",
    "lstsq": "torch.linalg.lstsq", "matrix_rank": "torch.linalg.matrix_rank",
}


def _removed(name, instead):
    def refuse(*_, **__):
        raise RuntimeError("This function was deprecated since version 1.9 and is now removed. "
                           f"`torch.{name}` is deprecated in favor of `{instead}`.")
    refuse.__name__ = name
    refuse.__doc__ = f"Removed from PyTorch: RuntimeError that names `{instead}`."
    export(*(("torch",) if name == "matrix_rank" else ("torch", "Tensor")))(refuse)


for _name, _instead in _REMOVED.items():
    _removed(_name, _instead)
