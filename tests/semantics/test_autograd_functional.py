"""autograd.functional: products and matrices against derivatives worked by hand."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import functional

X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=torch.float64)
Y = torch.tensor([1.0, -1.0, 2.0], dtype=torch.float64)


def row_squares(x):
    return (x * x).sum(1)


def cubes(x):
    return (x * x * x).sum()


def mixed(x, y):
    return (x * x * y).sum()


def equal(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), np.asarray(expected), rtol=1e-12)


def test_vjp():
    value, product = functional.vjp(row_squares, X, torch.tensor([1.0, 10.0], dtype=torch.float64))
    equal(value, [14, 77])
    equal(product, [[2, 4, 6], [80, 100, 120]])
    assert not value.requires_grad and not product.requires_grad
    value, products = functional.vjp(mixed, (X, Y))
    equal(products[0], 2 * X.numpy() * Y.numpy())
    equal(products[1], (X.numpy() ** 2).sum(0))


def test_jvp():
    value, product = functional.jvp(row_squares, X, torch.ones(2, 3, dtype=torch.float64))
    equal(value, [14, 77])
    equal(product, [12, 30])
    (first, second), (d1, d2) = functional.jvp(lambda x: (x * 2, x.sum()), Y, Y)
    equal(first, 2 * Y.numpy())
    equal(d1, 2 * Y.numpy())
    equal(d2, Y.numpy().sum())
    equal(second, Y.numpy().sum())


def test_hessian_products():
    v = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    for product in (functional.hvp, functional.vhp):
        value, found = product(cubes, X, v)
        assert value.item() == pytest.approx(441)
        equal(found, 6 * X.numpy() * v.numpy())
        _, (a, b) = product(mixed, (X, Y), (v, Y))
        equal(a, 2 * v.numpy() * Y.numpy() + 2 * X.numpy() * Y.numpy())
        equal(b, (2 * X.numpy() * v.numpy()).sum(0))


def test_jacobian():
    found = functional.jacobian(row_squares, X)
    assert found.shape == (2, 2, 3)
    expected = np.zeros((2, 2, 3))
    expected[0, 0], expected[1, 1] = 2 * X.numpy()[0], 2 * X.numpy()[1]
    equal(found, expected)
    both = functional.jacobian(lambda x, y: (x * y, y.sum()), (X, Y))
    assert [[tuple(m.shape) for m in row] for row in both] == [[(2, 3, 2, 3), (2, 3, 3)],
                                                               [(2, 3), (3,)]]
    equal(both[1][0], np.zeros((2, 3)))
    for options in ({"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}):
        equal(functional.jacobian(row_squares, X, **options), expected)


def test_hessian():
    found = functional.hessian(cubes, Y)
    equal(found, np.diag(6 * Y.numpy()))
    blocks = functional.hessian(mixed, (X, Y))
    equal(blocks[1][1], np.zeros((3, 3)))
    equal(blocks[0][1].sum(dim=0), np.diag(2 * X.numpy().sum(0)))
    equal(blocks[0][1], np.moveaxis(blocks[1][0].numpy(), 0, -1))


def test_results_can_be_differentiated():
    y = Y.clone().requires_grad_()
    matrix = functional.jacobian(lambda y: y * y * y, y, create_graph=True)
    matrix.sum().backward()
    equal(y.grad, 6 * Y.numpy())
    assert not functional.jacobian(lambda y: y * y * y, y).requires_grad
    _, product = functional.vjp(cubes, y, create_graph=True)
    assert product.requires_grad


def test_strict():
    def independent(x, y):
        return (x * x).sum()

    _, (_, zeros) = functional.vjp(independent, (X, Y))
    equal(zeros, np.zeros(3))
    cases = [
        (lambda: functional.vjp(independent, (X, Y), strict=True),
         "The output of the user-provided function is independent of input 1. This is not allowed "
         "in strict mode."),
        (lambda: functional.jacobian(independent, (X, Y), strict=True),
         "Output 0 of the user-provided function is independent of input 1. This is not allowed "
         "in strict mode."),
        (lambda: functional.vjp(lambda x: torch.ones(1), X, strict=True),
         "Output 0 of the user-provided function does not require gradients. The outputs must be "
         "computed in a differentiable manner from the input when running in strict mode."),
        (lambda: functional.hessian(lambda y: y.sum(), Y, strict=True),
         "The jacobian of the user-provided function is independent of input 0. This is not "
         "allowed in strict mode when create_graph=True."),
        (lambda: functional.vhp(lambda y: y.sum(), Y, Y, strict=True),
         "While computing the hessian, found that the jacobian of the user-provided function with "
         "respect to input 0 is independent of the input. This is not allowed in strict mode. "
         "You should ensure that your function is twice differentiable and that the jacobian "
         "depends on the inputs (this would be violated by a linear function for example)."),
    ]
    for act, text in cases[:3] + cases[4:]:
        with pytest.raises(RuntimeError) as caught:
            act()
        assert str(caught.value) == text
    with pytest.raises(RuntimeError, match="independent"):
        cases[3][0]()


ERRORS = [
    (lambda: functional.vjp(row_squares, 3), TypeError,
     "The inputs given to vjp must be either a Tensor or a tuple of Tensors but the given inputs "
     "has type <class 'int'>."),
    (lambda: functional.vjp(lambda x: 3, X), TypeError,
     "The outputs of the user-provided function given to vjp must be either a Tensor or a tuple "
     "of Tensors but the given outputs of the user-provided function has type <class 'int'>."),
    (lambda: functional.vjp(row_squares, X), RuntimeError,
     "The vector v can only be None if the user-provided function returns a single Tensor with a "
     "single element."),
    (lambda: functional.jvp(row_squares, X), RuntimeError,
     "The vector v can only be None if the input to the user-provided function is a single Tensor "
     "with a single element."),
    (lambda: functional.vjp(row_squares, X, Y), RuntimeError,
     "v has invalid size: should be torch.Size([2]) but got torch.Size([3])."),
    (lambda: functional.jvp(mixed, (X, Y), (X,)), RuntimeError,
     "v is a tuple of invalid length: should be 2 but got 1."),
    (lambda: functional.jvp(mixed, (X, Y), (X, X)), RuntimeError,
     "Entry 1 in v has invalid size: should be torch.Size([3]) but got torch.Size([2, 3])."),
    (lambda: functional.hvp(row_squares, X, X), RuntimeError,
     "The Tensor returned by the function given to hvp should contain a single element"),
    (lambda: functional.hessian(lambda x: (x.sum(),), X), RuntimeError,
     "The function given to hessian should return a single Tensor"),
    (lambda: functional.jacobian(cubes, X, strict=True, vectorize=True), RuntimeError,
     "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported "
     "together. Please either set `strict=False` or `vectorize=False`."),
    (lambda: functional.jacobian(cubes, X, strategy="forward-mode"), NotImplementedError,
     "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for "
     "`vectorize=True`."),
]


@pytest.mark.parametrize("act, kind, text", ERRORS)
def test_errors(act, kind, text):
    with pytest.raises(kind) as caught:
        act()
    assert str(caught.value) == text
