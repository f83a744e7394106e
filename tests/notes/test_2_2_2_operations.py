"""Notes 2.2.2: indexing as in NumPy, max along a dimension, and the table of operations."""

import numpy as np
import pytest

from tests.notes.subject import F, run_notes, torch

ROWS, COLUMNS = torch.tensor([0, 2, 1]), torch.tensor([3, 0, 1])

# Each expression is evaluated on a NumPy array and on a tensor of the same numbers.
INDEXING = {
    "integer": lambda a: a[1],
    "negative": lambda a: a[-1, -2],
    "slice": lambda a: a[1:3],
    "step": lambda a: a[::2, 1::2],
    "column": lambda a: a[:, 1],
    "empty slice": lambda a: a[2:1],
    "beyond the end": lambda a: a[1:99],
    "None": lambda a: a[None, :, None],
    "ellipsis": lambda a: a[..., 2],
    "ellipsis and None": lambda a: a[..., None],
    "list": lambda a: a[[2, 0, 2]],
    "two lists": lambda a: a[[0, 1], [2, 3]],
    "list and slice": lambda a: a[[0, 2], 1:3],
    "slice and list": lambda a: a[1:, [3, 0]],
    "broadcast lists": lambda a: a[[[0], [2]], [1, 3]],
    "boolean mask": lambda a: a[a > 5],
    "boolean rows": lambda a: a[[True, False, True]],
    "mask of nothing": lambda a: a[a > 99],
    "tuple": lambda a: a[(0, 1)],
}


@pytest.mark.parametrize("name", INDEXING)
def test_reading_is_as_in_numpy(name):
    array = np.arange(12).reshape(3, 4)
    expected, got = INDEXING[name](array), INDEXING[name](torch.arange(12).reshape(3, 4))
    assert tuple(got.shape) == expected.shape
    assert got.tolist() == expected.tolist()


def test_indexing_with_tensors():
    x = torch.arange(12).reshape(3, 4)
    assert x[ROWS, COLUMNS].tolist() == [3, 8, 5]
    assert x[ROWS].shape == (3, 4) and x[:, COLUMNS].shape == (3, 3)
    assert x[torch.tensor([True, False, True])].tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert x[torch.tensor(1)].tolist() == [4, 5, 6, 7]


def assign(change):
    array, tensor = np.arange(12).reshape(3, 4), torch.arange(12).reshape(3, 4)
    change(array)
    change(tensor)
    return array.tolist(), tensor.tolist()


def put(index, value):
    def change(a):
        a[index] = value

    return change


ASSIGNMENTS = {
    "integer": put(1, 0),
    "element": put((1, 2), 99),
    "slice": put(slice(0, 2), 7),
    "column": put((slice(None), 1), 5),
    "row": lambda a: a.__setitem__(0, a[1] * 2),
    "transposed": lambda a: a.T.__setitem__(0, 3),
    "list": put([0, 2], -1),
    "two lists": put(([0, 1], [2, 3]), 50),
    "ellipsis": put((..., 0), 1),
}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_writing_is_as_in_numpy(name):
    array, tensor = assign(ASSIGNMENTS[name])
    assert array == tensor


def test_writing_through_a_mask_and_augmented():
    x = torch.arange(6).reshape(2, 3)
    x[x > 3] = 0
    assert x.tolist() == [[0, 1, 2], [3, 0, 0]]
    x[0] += 10
    assert x.tolist() == [[10, 11, 12], [3, 0, 0]]
    x[:, [0, 2]] *= 2
    assert x.tolist() == [[20, 11, 24], [6, 0, 0]]


def test_a_slice_is_a_view_and_a_list_a_copy():
    x = torch.zeros(3, 3)
    view, copy = x[1:, :2], x[[0, 1]]
    view.fill_(1)
    assert x.sum().item() == 4 and copy.sum().item() == 0


def test_index_errors():
    x = torch.zeros(2, 3)
    with pytest.raises(IndexError, match="index 5 is out of bounds for dimension 0 with size 2"):
        x[5]
    with pytest.raises(IndexError, match="too many indices for tensor of dimension 2"):
        x[0, 0, 0]
    with pytest.raises(IndexError, match="The shape of the mask"):
        x[torch.tensor([True, False, True])]


def test_gradients_flow_through_indexing():
    x = torch.arange(4.0, requires_grad=True)
    (x[[0, 0, 2]] * torch.tensor([1.0, 2.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [3.0, 0.0, 4.0, 0.0]


MAX_BLOCK = """
import torch
a = torch.tensor([[1, 2], [3, 4], [5, 6]])
print(a.max(1))
print(a.max(1)[0])
print(a.max(1)[1])
print(a.max(1, keepdim = True))
"""

MAX_PRINTED = """\
torch.return_types.max(
values=tensor([2, 4, 6]),
indices=tensor([1, 1, 1]))
tensor([2, 4, 6])
tensor([1, 1, 1])
torch.return_types.max(
values=tensor([[2],
        [4],
        [6]]),
indices=tensor([[1],
        [1],
        [1]]))
"""


def test_notes_block_max():
    _, printed = run_notes(MAX_BLOCK)
    assert printed == MAX_PRINTED


def test_max_along_columns_and_its_type():
    a = torch.tensor([[1, 9], [3, 4], [5, 6]])
    result = a.max(0)
    assert isinstance(result, torch.return_types.max) and isinstance(result, tuple)
    values, indices = result
    assert values.tolist() == [5, 9] and indices.tolist() == [2, 0]
    assert result.values is values and result.indices is indices
    assert a.max().item() == 9 and a.max().shape == ()
    assert torch.max(a, torch.tensor(4)).tolist() == [[4, 9], [4, 4], [5, 6]]


def test_max_passes_its_gradient_to_the_maximum():
    x = torch.tensor([[1.0, 5.0], [4.0, 2.0]], requires_grad=True)
    x.max(1)[0].sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_table_random_and_normal():
    torch.manual_seed(0)
    x = torch.rand(5, 3)
    assert x.shape == (5, 3) and 0 <= x.min() and x.max() < 1
    # PyTorch's own first numbers after this seed
    assert x[0].tolist() == pytest.approx(
        [0.49625658988952637, 0.7682217955589294, 0.08847743272781372]
    )
    torch.manual_seed(0)
    assert torch.randn(2, 4)[0].tolist() == pytest.approx(
        [1.5409960746765137, -0.293428897857666, -2.1787893772125244, 0.5684312582015991]
    )


def test_table_empty_zeros_and_values():
    assert torch.empty(5, 3).shape == (5, 3) and torch.empty(5, 3).dtype is torch.float32
    zeros = torch.zeros(5, 3, dtype=torch.long)
    assert zeros.dtype is torch.int64 and zeros.sum().item() == 0
    x = torch.tensor([5.5, 0.02])
    assert repr(x) == "tensor([5.5000, 0.0200])"


def test_table_view():
    y = torch.arange(20.0)
    x = y.view(-1, 10)
    assert x.shape == (2, 10) and x.data_ptr() == y.data_ptr()
    with pytest.raises(RuntimeError, match=r"shape '\[-1, 7\]' is invalid for input of size 20"):
        y.view(-1, 7)
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size"):
        x.t().view(-1)


def test_table_squeeze():
    y = torch.zeros(1, 3, 1, 2)
    assert y.squeeze().shape == (3, 2) and y.squeeze(0).shape == (3, 1, 2)
    assert y.squeeze(1).shape == (1, 3, 1, 2) and y.squeeze((0, 2)).shape == (3, 2)
    assert y.squeeze().unsqueeze(-1).shape == (3, 2, 1)


def test_table_one_hot_by_scatter_and_back_by_gather():
    labels = torch.tensor([2, 0, 1])
    one_hot = torch.zeros(3, 4).scatter_(1, labels.unsqueeze(1), 1)
    assert one_hot.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    assert torch.equal(F.one_hot(labels, 4), one_hot.long())
    scores = torch.arange(12.0).view(3, 4)
    picked = scores.gather(1, labels.unsqueeze(1))
    assert picked.squeeze(1).tolist() == [2.0, 4.0, 9.0]
    positions = torch.arange(4).expand(3, 4)
    decoded = (one_hot.long() * positions).sum(1)
    assert torch.equal(decoded, labels) and torch.equal(one_hot.argmax(1), labels)


def test_scatter_checks_its_index():
    with pytest.raises(RuntimeError, match="index 4 is out of bounds for dimension 1 with size 4"):
        torch.zeros(1, 4).scatter_(1, torch.tensor([[4]]), 1.0)
