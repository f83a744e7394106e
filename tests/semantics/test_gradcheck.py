"""gradcheck and gradgradcheck find wrong derivatives and accept right ones."""

import warnings

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.autograd.gradcheck import GradcheckError


def real(*shape, requires_grad=True, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(values).requires_grad_(requires_grad)


def complex_(*shape):
    generator = np.random.default_rng(0)
    values = generator.standard_normal(shape) + 1j * generator.standard_normal(shape)
    return torch.tensor(values).requires_grad_()


class HalfGradient(torch.autograd.Function):
    """Squares, with a derivative that lacks its factor 2."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * x


class WrongSecondDerivative(torch.autograd.Function):
    """Cubes; the derivative is right, but hides half of its dependence on x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * 3 * x * x.detach()


class IgnoresGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return torch.ones_like(g) * 2


class Drifting(torch.autograd.Function):
    calls = 0

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        Drifting.calls += 1
        return g * (2 + 1e-7 * Drifting.calls)


RIGHT = [
    ("square", lambda x: x * x, lambda: (real(3),)),
    ("two outputs", lambda x: (x * x, x.sum()), lambda: (real(3),)),
    ("two inputs", lambda x, y: (x * y).sum(), lambda: (real(3), real(3, seed=1))),
    ("one needs no gradient", lambda x, y: x * y, lambda: (real(3), real(3, requires_grad=False))),
    ("a number among the inputs", lambda x, k: x * k, lambda: (real(3), 2.0)),
    ("zero dimensions", lambda x: x * x, lambda: (real(),)),
    ("transposed input", lambda x: x * x, lambda: (real(3, 2).detach().t().requires_grad_(),)),
    ("broadcast", lambda x, y: x * y, lambda: (real(3, 1), real(2))),
    ("complex product", lambda z: z * z, lambda: (complex_(2),)),
    ("complex and conjugate", lambda z: z.conj() * z * z, lambda: (complex_(2),)),
    ("complex to real", lambda z: z.abs(), lambda: (complex_(2),)),
    ("real to complex", lambda x: torch.complex(x, x * x), lambda: (real(2),)),
]


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("name, func, inputs", RIGHT, ids=[name for name, _, _ in RIGHT])
def test_right_derivatives_pass(name, func, inputs, fast_mode):
    assert gradcheck(func, inputs(), fast_mode=fast_mode) is True
    assert gradgradcheck(func, inputs(), fast_mode=fast_mode) is True


@pytest.mark.parametrize("fast_mode", [False, True])
def test_wrong_first_derivative(fast_mode):
    x = torch.tensor([1.0, 3.0], dtype=torch.float64, requires_grad=True)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(HalfGradient.apply, (x,), fast_mode=fast_mode)
    text = str(caught.value)
    assert text.startswith("Jacobian mismatch for output 0 with respect to input 0,\n"
                           "numerical:tensor([[2.0000, 0.0000],\n        [0.0000, 6.0000]]")
    assert "analytical:tensor([[1., 0.],\n        [0., 3.]], dtype=torch.float64)" in text
    assert gradcheck(HalfGradient.apply, (x,), raise_exception=False,
                     fast_mode=fast_mode) is False


@pytest.mark.parametrize("fast_mode", [False, True])
def test_wrong_second_derivative(fast_mode):
    x = real(2)
    assert gradcheck(WrongSecondDerivative.apply, (x,), fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradgradcheck(WrongSecondDerivative.apply, (x,), fast_mode=fast_mode)


def test_wrong_imaginary_part_is_named():
    class Conjugated(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            return z * 1j

        @staticmethod
        def backward(ctx, g):
            return g * 1j           # the adjoint is -1j

    with pytest.raises(GradcheckError, match="While considering the real part of complex outputs "
                                             "only, Jacobian mismatch for output 0"):
        gradcheck(Conjugated.apply, (complex_(2),))


def test_backward_that_is_not_linear_in_its_argument():
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradcheck(IgnoresGradient.apply, (real(2),))
    with pytest.raises(GradcheckError, match="backward not multiplied by grad_output"):
        gradcheck(IgnoresGradient.apply, (real(),))


def test_nondeterministic_backward():
    with pytest.raises(GradcheckError, match="Backward is not reentrant"):
        gradcheck(Drifting.apply, (real(2),))
    assert gradcheck(Drifting.apply, (real(2),), nondet_tol=1e-3)


def test_hidden_dependence():
    with pytest.raises(GradcheckError, match="Numerical gradient for function expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, (real(2),))
    assert gradcheck(lambda x: torch.ones(2, dtype=torch.float64), (real(2),))


def test_inputs_are_left_as_they_were():
    x = real(3)
    before, version = x.tolist(), x._version
    loss = (x * x).sum()
    gradcheck(lambda x: x * x * x, (x,))
    assert x.tolist() == before and x._version == version
    loss.backward()         # a graph from before is still good
    assert x.grad.tolist() == [2 * value for value in before]


def test_tolerances():
    x = torch.tensor([10.0], dtype=torch.float64, requires_grad=True)

    def slightly_wrong(x):
        return x.detach() * 1e-3 + x * (1 - 1e-3)      # derivative off by 0.1 %

    assert not gradcheck(slightly_wrong, (x,), rtol=1e-4, raise_exception=False)
    assert gradcheck(slightly_wrong, (x,), rtol=2e-3)
    assert gradcheck(slightly_wrong, (x,), rtol=0.0, atol=2e-3)


def test_given_grad_outputs():
    def func(x):
        return x * x

    weights = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(func, (real(2),), weights)
    assert gradgradcheck(func, (real(2),), gen_non_contig_grad_outputs=True)


def test_errors_and_warnings():
    with pytest.raises(ValueError, match="gradcheck expects at least one input tensor to require "
                                         "gradient, but none of them have requires_grad=True."):
        gradcheck(lambda x: x, (real(2, requires_grad=False),))
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0"):
        gradcheck(lambda x: x * x, (real(1).detach().expand(3).requires_grad_(),))
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double"):
        gradcheck(lambda x: x * 2, (torch.ones(2, requires_grad=True),), eps=1e-2)
    with pytest.raises(AssertionError, match="at least one of check_forward_ad or"):
        gradcheck(lambda x: x, (real(2),), check_backward_ad=False)
    with pytest.raises(NotImplementedError, match="check_forward_ad"):
        gradcheck(lambda x: x, (real(2),), check_forward_ad=True)
    with pytest.raises(NotImplementedError, match="check_batched_grad"):
        gradcheck(lambda x: x, (real(2),), check_batched_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradcheck(lambda x: x * 2, (real(2),))
