"""What PyTorch refuses, with its type of error and the start of its text."""

import numpy
import pytest

import rushlight as torch
import rushlight.nn.functional as F

BOOL = "torch.tensor([True, False])"

REFUSED = [
    (f"1 - {BOOL}", RuntimeError, "Subtraction, the `-` operator, with a bool tensor"),
    (f"{BOOL} - 1", RuntimeError, "Subtraction, the `-` operator, with a bool tensor"),
    (f"{BOOL} - {BOOL}", RuntimeError, "Subtraction, the `-` operator, with two bool tensors"),
    (f"torch.ones(2).sub({BOOL}, alpha=2)", RuntimeError, "Subtraction, the `-` operator"),
    (f"-{BOOL}", RuntimeError, "Negation, the `-` operator, on a bool tensor"),
    (f"+{BOOL}", RuntimeError, "The `+` operator, on a bool tensor"),
    (f"{BOOL}.abs()", NotImplementedError, "\"abs_cpu\" not implemented for 'Bool'"),
    (f"{BOOL} ** {BOOL}", NotImplementedError, "\"pow\" not implemented for 'Bool'"),
    (f"{BOOL}.floor()", NotImplementedError, "\"floor_vml_cpu\" not implemented for 'Bool'"),
    (f"{BOOL}.argmax()", RuntimeError, "argmax(): does not support bool input"),
    (f"{BOOL}.relu()", RuntimeError, "Boolean inputs not supported for relu"),
    ("~torch.ones(2)", TypeError, "~ (operator.invert) is only implemented on integer"),
    ("torch.ones(2) & 1", NotImplementedError, "\"bitwise_and_cpu\" not implemented for 'Float'"),
    ("torch.ones(2, dtype=torch.complex64) < 1", NotImplementedError,
     "\"lt_cpu\" not implemented for 'ComplexFloat'"),
    ("(torch.tensor([7]) // 0).tolist()", RuntimeError, "ZeroDivisionError"),
    ("(torch.tensor([7]) // torch.tensor([0])).tolist()", RuntimeError, "ZeroDivisionError"),
    ("torch.cat([])", ValueError, "torch.cat(): expected a non-empty list of Tensors"),
    ("torch.zeros('3')", TypeError,
     "zeros(): argument 'size' (position 1) must be tuple of ints, not str"),
    ("torch.zeros(2.5)", TypeError,
     "zeros(): argument 'size' (position 1) must be tuple of ints, not float"),
    ("torch.zeros(2, 3.0)", TypeError,
     "zeros(): argument 'size' failed to unpack the object at pos 2"),
    ("torch.zeros(-1)", RuntimeError, "zeros: Dimension size must be non-negative."),
    ("torch.full(2, 3)", TypeError, "full(): argument 'size' (position 1) must be tuple of ints"),
    ("torch.sum([1, 2])", TypeError,
     "sum(): argument 'input' (position 1) must be Tensor, not list"),
    ("torch.max([1, 2])", TypeError,
     "max(): argument 'input' (position 1) must be Tensor, not list"),
    ("torch.equal(torch.ones(2), 1)", TypeError,
     "equal(): argument 'other' (position 2) must be Tensor, not int"),
    ("torch.mm(torch.ones(2, 2), 3)", TypeError,
     "mm(): argument 'mat2' (position 2) must be Tensor, not int"),
    ("torch.mm(torch.ones(2, 2), numpy.ones((2, 2)))", TypeError,
     "mm(): argument 'mat2' (position 2) must be Tensor, not numpy.ndarray"),
    ("torch.mv(torch.ones(2, 2), 2)", TypeError,
     "mv(): argument 'vec' (position 2) must be Tensor, not int"),
    ("torch.dot(torch.ones(2), 1.0)", TypeError,
     "dot(): argument 'tensor' (position 2) must be Tensor, not float"),
    ("torch.ones(2, 2) @ 3", TypeError, "unsupported operand type(s) for @: 'Tensor' and 'int'"),
    ("3 @ torch.ones(2, 2)", TypeError, "unsupported operand type(s) for @: 'int' and 'Tensor'"),
    ("torch.ones(2).copy_([1, 2])", TypeError, "copy_(): argument 'other' (position 1)"),
    ("torch.ones(2).to('float32')", RuntimeError, "Invalid device string: 'float32'"),
    ("torch.nn.Linear(3, 4)(torch.zeros(2, 3, dtype=torch.float64))", RuntimeError,
     "mat1 and mat2 must have the same dtype, but got Double and Float"),
    ("torch.nn.Conv2d(1, 1, 2)(torch.ones(1, 1, 3, 3).double())", RuntimeError,
     "Input type (double) and bias type (float) should be the same"),
    ("torch.nn.BatchNorm1d(3)(torch.ones(2, 3).double())", RuntimeError, "mixed dtype (CPU)"),
    ("torch.nn.LayerNorm(3)(torch.ones(2, 3).double())", RuntimeError, "mixed dtype (CPU)"),
    ("F.nll_loss(torch.zeros(3, 4), torch.zeros(3))", RuntimeError,
     "expected target dtype to be Long or Byte, but got Float"),
    ("F.binary_cross_entropy(torch.full((2,), 0.5), torch.tensor([1, 0]))", RuntimeError,
     "Found dtype Long but expected Float"),
    ("F.binary_cross_entropy_with_logits(torch.zeros(2), torch.tensor([1, 0]))", RuntimeError,
     "result type Float can't be cast to the desired output type Long"),
    ("torch.arange(3).std()", RuntimeError, "std and var only support floating point and complex"),
    ("torch.ones(3)[torch.tensor([1], dtype=torch.int16)]", IndexError,
     "tensors used as indices must be long, int, byte or bool tensors"),
    ("torch.tensor(1)[1:]", IndexError, "slice() cannot be applied to a 0-dim tensor."),
    ("torch.einsum('ij,jk->ik', torch.ones(2, 3), torch.ones(2, 3))", RuntimeError,
     "einsum(): subscript j has size 2 for operand 1 which does not broadcast with previously"),
    ("torch.autograd.grad(torch.ones(2), torch.ones(2))", RuntimeError,
     "element 0 of tensors does not require grad and does not have a grad_fn"),
]


@pytest.mark.parametrize("code, kind, text", REFUSED, ids=[case[0] for case in REFUSED])
def test_refused(code, kind, text):
    with pytest.raises(kind) as caught:
        eval(code, {"torch": torch, "F": F, "numpy": numpy})
    assert type(caught.value) is kind
    assert str(caught.value).startswith(text)


def test_a_float_division_by_zero_is_not_refused():
    assert (torch.tensor([1.0, -1.0]) // 0).tolist() == [float("inf"), float("-inf")]
    assert (torch.tensor([7]) / 0).tolist() == [float("inf")]


def test_one_element_of_any_dtype_fills_a_mask():
    x = torch.zeros(3)
    x[x == 0] = torch.tensor([5])
    assert x.tolist() == [5.0, 5.0, 5.0] and x.dtype is torch.float32
    with pytest.raises(RuntimeError, match="Index put requires"):
        x[x == 5] = torch.tensor([1, 2, 3])


def test_a_slice_of_everything_is_named_as_in_pytorch():
    x = torch.ones(3, requires_grad=True)
    assert x[:].grad_fn.name() == "SliceBackward0"
    assert x[:, ].grad_fn.name() == "AliasBackward0"
    assert x[-3:].grad_fn.name() == "SliceBackward0"


def test_a_gradient_has_the_strides_of_its_leaf():
    x = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    (x * torch.ones(3, 2)).sum().backward()
    assert x.stride() == (1, 3) and x.grad.stride() == (1, 3)
    x.grad = None
    (x[1:] * 2).sum().backward()
    assert x.grad.stride() == (1, 3) and x.grad.tolist() == [[0, 0], [2, 2], [2, 2]]


def test_copy_takes_a_number():
    assert torch.zeros(2).copy_(3).tolist() == [3.0, 3.0]


def test_factories_take_their_shape_by_name():
    for name in ("zeros", "ones", "empty", "rand", "randn"):
        assert getattr(torch, name)(size=(2, 3)).shape == (2, 3)
    assert torch.ones(1).new_zeros(size=(2,)).shape == (2,)
