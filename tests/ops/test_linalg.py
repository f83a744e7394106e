"""torch.linalg: what each factorization must satisfy, its gradients, and PyTorch's errors."""

import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.core.ops import later
from rushlight.core.ops.record import EXPORTS
from rushlight.core.tensor import install

LA = torch.linalg


def matrix(*shape, dtype=torch.float64, seed=0):
    """A random matrix."""
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def close(a, b, atol=1e-9):
    """Whether two tensors agree."""
    return a.shape == b.shape and bool(((a - b).abs() <= atol).all())


KINDS = [torch.float64, torch.complex128]


@pytest.mark.parametrize("dtype", KINDS)
def test_inverse_and_solve(dtype):
    a, b = matrix(2, 4, 4, dtype=dtype), matrix(2, 4, 3, dtype=dtype, seed=1)
    eye = torch.eye(4, dtype=dtype).expand(2, 4, 4)
    assert close(LA.inv(a) @ a, eye)
    assert close(a @ LA.solve(a, b), b)
    assert close(LA.solve(a, b.mT.contiguous(), left=False) @ a, b.mT)
    assert close(a[0] @ LA.solve(a[0], b[0, :, 0]), b[0, :, 0])
    upper = a.triu()
    assert close(upper @ LA.solve_triangular(a, b, upper=True), b)
    assert close(LA.det(a).abs().log(), LA.slogdet(a).logabsdet)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3)])
def test_factorizations_multiply_back(dtype, shape):
    a = matrix(*shape, dtype=dtype)
    q, r = LA.qr(a)
    assert close(q @ r, a)
    assert close(r, r.triu())
    u, s, vh = LA.svd(a, full_matrices=False)
    assert close((u * s.unsqueeze(-2)) @ vh, a)
    assert LA.svd(a).U.shape[-1] == shape[-2]
    p, lower, upper = LA.lu(a)
    assert close(p @ lower @ upper, a)
    packed, pivots = LA.lu_factor(a)
    again = torch.lu_unpack(packed, pivots)
    assert close(again.P @ again.L @ again.U, a)
    pinv = LA.pinv(a)
    assert close(a @ pinv @ a, a)
    assert close(pinv @ a @ pinv, pinv)


@pytest.mark.parametrize("dtype", KINDS)
def test_hermitian_and_general_eigenvalues(dtype):
    a = matrix(2, 4, 4, dtype=dtype)
    h = a + a.mH
    values, vectors = LA.eigh(h)
    assert close((vectors * values.unsqueeze(-2)) @ vectors.mH, h)
    assert (values.diff() > 0).all()
    values, vectors = LA.eig(a)
    assert close(a.to(torch.complex128) @ vectors, vectors * values.unsqueeze(-2))
    s = h @ h + torch.eye(4, dtype=dtype)
    lower = LA.cholesky(s)
    assert close(lower @ lower.mH, s)
    assert close(LA.cholesky(s, upper=True), lower.mH)
    b = matrix(2, 4, 2, dtype=dtype, seed=3)
    assert close(s @ torch.cholesky_solve(b, lower), b)
    assert close(torch.cholesky_inverse(lower) @ s, torch.eye(4, dtype=dtype).expand(2, 4, 4))


def test_other_functions_satisfy_their_definitions():
    a, b = matrix(6, 3), matrix(6, 2, seed=1)
    found = LA.lstsq(a, b, driver="gelsd")
    assert close(a.mT @ (a @ found.solution - b), torch.zeros(3, 2, dtype=torch.float64))
    assert close(found.residuals, (a @ found.solution - b).square().sum(0))
    assert int(LA.matrix_rank(a @ a.mT)) == 3
    square = matrix(4, 4)
    assert close(LA.matrix_exp(square) @ LA.matrix_exp(-square), torch.eye(4, dtype=torch.float64))
    big = torch.tensor([[0.0, 30.0], [-30.0, 0.0]], dtype=torch.float64)
    turned = torch.tensor([[30.0]], dtype=torch.float64)
    assert close(LA.matrix_exp(big)[:1, :1], turned.cos())
    assert close(LA.multi_dot([a.mT, a, a.mT, b]), a.mT @ a @ a.mT @ b)
    s = LA.svdvals(square)
    assert close(LA.cond(square), s[0] / s[-1])
    assert close(LA.matrix_norm(square, "nuc"), s.sum())
    assert close(LA.norm(square, 1), square.abs().sum(0).max())
    assert LA.vander(torch.tensor([2, 3]), N=4).tolist() == [[1, 2, 4, 8], [1, 3, 9, 27]]
    raw, tau = torch.geqrf(a)
    assert close(LA.householder_product(raw, tau), LA.qr(a).Q)


FUNCTIONS = {
    "inv": LA.inv,
    "det": LA.det,
    "slogdet": lambda a: LA.slogdet(a)[1],
    "solve": lambda a: LA.solve(a, a + 1),
    "cholesky": lambda a: LA.cholesky(a @ a.mH + torch.eye(3, dtype=a.dtype)),
    "qr": lambda a: LA.qr(a)[1].abs(),
    "svdvals": LA.svdvals,
    "eigvalsh": lambda a: LA.eigvalsh(a + a.mH),
    "lu": lambda a: LA.lu(a)[1:],
    "pinv": LA.pinv,
    "matrix_exp": LA.matrix_exp,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", KINDS)
def test_gradients_and_second_gradients(name, dtype):
    a = matrix(3, 3, dtype=dtype, seed=4).requires_grad_()
    assert gradcheck(FUNCTIONS[name], a)
    assert gradgradcheck(FUNCTIONS[name], a)


def test_gradients_that_need_no_inverse():
    singular = torch.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    singular.det().backward()
    assert close(singular.grad, torch.tensor([[4.0, -2.0], [-2.0, 1.0]]), 1e-5)
    zero = torch.zeros(3, 3, requires_grad=True)
    LA.matrix_norm(zero, "nuc").backward()
    assert not zero.grad.isnan().any()


@pytest.mark.parametrize("call, text", [
    (lambda: LA.inv(torch.zeros(2, 2)), "linalg.inv: The diagonal element 1 is zero, the inversion "
     "could not be completed because the input matrix is singular."),
    (lambda: LA.inv(torch.stack([torch.eye(2), torch.zeros(2, 2)])), "linalg.inv: (Batch element "
     "1): The diagonal element 1 is zero, the inversion could not be completed because the input "
     "matrix is singular."),
    (lambda: LA.solve(torch.zeros(2, 2), torch.ones(2)),
     "torch.linalg.solve: The solver failed because the input matrix is singular."),
    (lambda: LA.cholesky(torch.tensor([[1.0, 0], [0, -1]])), "linalg.cholesky: The factorization "
     "could not be completed because the input is not positive-definite (the leading minor of "
     "order 2 is not positive-definite)."),
    (lambda: LA.inv(torch.ones(2, 3)), "linalg.inv: A must be batches of square matrices, but they "
     "are 2 by 3 matrices"),
    (lambda: LA.svd(torch.ones(3)),
     "linalg.svd: The input tensor A must have at least 2 dimensions."),
    (lambda: LA.det(torch.ones(2, 2, dtype=torch.int64)),
     "linalg.det: Expected a floating point or complex tensor as input. Got Long"),
    (lambda: LA.matrix_norm(torch.ones(2, 2), 3), "linalg.matrix_norm: Order 3 not supported."),
])
def test_errors(call, text):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert str(caught.value) == text


def test_singular_matrices_raise_linalg_error():
    with pytest.raises(torch.linalg.LinAlgError):
        torch.inverse(torch.zeros(2, 2))
    info = LA.cholesky_ex(torch.tensor([[1.0, 0], [0, -1]])).info
    assert info.dtype is torch.int32
    assert int(info) == 2


def test_tables_of_families_name_what_their_modules_export():
    for family in later.FAMILIES:
        install.load_family(family)
    for family, modules in later.FAMILIES.items():
        wanted = {"torch": set(), "Tensor": set()}
        for export in EXPORTS:
            module = export.function.__module__.rpartition(".")[2]
            if module not in modules:
                continue
            for target in wanted:
                if target in export.targets:
                    wanted[target].add(export.name)
                    if export.inplace:
                        wanted[target].add(export.name + "_")
        assert set(later.TORCH[family].split()) == wanted["torch"], family
        assert set(later.TENSOR[family].split()) == wanted["Tensor"], family
