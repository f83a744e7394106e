"""Notes 2.2.1: the worked example, number by number and character by character."""

import pytest

from tests.notes.subject import run_notes, torch

EXAMPLE = r"""
import torch

x = torch.Tensor([[1.,2.,3.],[4.,5.,6.]])
x.requires_grad = True
y = x + 1
z = y * y
out = z.mean()
loss = 20 - out
loss.backward()

print(x.data, '\n', x.dtype, '\n', x.device,
      '\n', x.grad, '\n', x.grad_fn, '\n', x.requires_grad, '\n')
print(x)
print(y)
print(z)
print(out)
"""

PRINTED = """\
tensor([[1., 2., 3.],
        [4., 5., 6.]]) 
 torch.float32 
 cpu 
 tensor([[-0.6667, -1.0000, -1.3333],
        [-1.6667, -2.0000, -2.3333]]) 
 None 
 True 

tensor([[1., 2., 3.],
        [4., 5., 6.]], requires_grad=True)
tensor([[2., 3., 4.],
        [5., 6., 7.]], grad_fn=<AddBackward0>)
tensor([[ 4.,  9., 16.],
        [25., 36., 49.]], grad_fn=<MulBackward0>)
tensor(23.1667, grad_fn=<MeanBackward0>)
"""  # noqa: W291 (the spaces before the line ends are printed)


def test_printed_text():
    """Equal to PyTorch's, including the name that the notes give as MeanBackward1."""
    _, printed = run_notes(EXAMPLE)
    assert printed == PRINTED


def test_values_and_attributes():
    scope, _ = run_notes(EXAMPLE)
    x, y, z, out, loss = (scope[name] for name in ("x", "y", "z", "out", "loss"))
    assert x.dtype is torch.float32 and x.device == torch.device("cpu")
    assert x.is_leaf and x.grad_fn is None and x.requires_grad
    assert not y.is_leaf and y.requires_grad
    names = [type(t.grad_fn).__name__ for t in (y, z, out, loss)]
    assert names == ["AddBackward0", "MulBackward0", "MeanBackward0", "RsubBackward1"]
    assert [t.grad_fn.name() for t in (y, z, out)] == names[:3]
    # d(20 - mean((x+1)^2))/dx = -2 (x+1) / 6
    expected = -2 * (torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]) + 1) / 6
    assert torch.allclose(x.grad, expected)
    assert loss.item() == pytest.approx(20 - 139 / 6, rel=1e-6)


def test_the_graph_can_be_followed():
    scope, _ = run_notes(EXAMPLE)
    node, seen = scope["loss"].grad_fn, []
    while node is not None:
        seen.append(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    assert [name.rpartition("::")[2] for name in seen] == [
        "RsubBackward1",
        "MeanBackward0",
        "MulBackward0",
        "AddBackward0",
        "AccumulateGrad",
    ]


def test_data_shares_memory_and_does_not_require_grad():
    scope, _ = run_notes(EXAMPLE)
    x = scope["x"]
    assert not x.data.requires_grad and x.data.data_ptr() == x.data_ptr()
