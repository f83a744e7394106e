"""The node names that a printed tensor shows are PyTorch's."""

import pytest

import rushlight as torch


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("SumBackward0", lambda x: x.sum()),
        ("SumBackward1", lambda x: x.sum(0)),
        ("SumBackward1", lambda x: x.sum((0, 1))),
        ("MeanBackward0", lambda x: x.mean()),
        ("MeanBackward1", lambda x: x.mean(1, keepdim=True)),
        ("SqueezeBackward0", lambda x: x.squeeze()),
        ("SqueezeBackward1", lambda x: x.squeeze(0)),
        ("SqueezeBackward2", lambda x: x.squeeze((0, 1))),
        ("ClampBackward1", lambda x: x.clamp(0, 1)),
        ("ClampBackward1", lambda x: x.clamp(min=0)),
        ("Log1PBackward0", lambda x: x.log1p()),
        ("Expm1Backward0", lambda x: x.expm1()),
        ("SliceBackward0", lambda x: x[:]),
        ("SliceBackward0", lambda x: x[:5]),
        ("AliasBackward0", lambda x: x[:, :5]),
        ("AliasBackward0", lambda x: x[...]),
    ],
)
def test_node_name(name, function):
    node = function(torch.ones(1, 3, requires_grad=True)).grad_fn
    assert node.name() == name == type(node).__name__


def test_leaf_node_name():
    x = torch.ones(2, requires_grad=True)
    assert (x * 2).grad_fn.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"


def test_printed():
    x = torch.ones(2, 3, requires_grad=True)
    assert str(x.sum(1)) == "tensor([3., 3.], grad_fn=<SumBackward1>)"
    assert str(x[:, 0].mean()) == "tensor(1., grad_fn=<MeanBackward0>)"
