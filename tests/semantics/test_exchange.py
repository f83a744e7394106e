"""Tensors from data and back, against PyTorch's recorded results; memory shared with others."""

import gc
import json
import pathlib
import sys
import warnings

import numpy as np
import pytest

import rushlight as torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from exchange_helpers import names, outcome  # noqa: E402

RECORDED = pathlib.Path(__file__).resolve().parent.parent / "data" / "exchange.json"
CASES = json.loads(RECORDED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["call"] for case in CASES])
def test_recorded(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = outcome(case["call"], names(torch, np))
    expected = case["outcome"]
    if found != expected and ": " in expected:
        # An error may say more than PyTorch's does, after the same words.
        assert found.startswith(expected)
    else:
        assert found == expected


# Memory shared with NumPy: changes on either side show on the other at once.


def test_from_numpy_shares_memory():
    array = np.arange(4.0)
    tensor = torch.from_numpy(array)
    doubled = tensor * 2
    array[0] = 100
    assert doubled.tolist() == [0, 2, 4, 6]
    assert tensor.tolist() == [100, 1, 2, 3]
    tensor.add_(1)
    assert array.tolist() == [101, 2, 3, 4]
    tensor[1] = 50
    tensor[2:].mul_(2)
    assert array.tolist() == [101, 50, 6, 8]
    torch.from_numpy(array[::2]).zero_()
    assert tensor.tolist() == [0, 50, 0, 8]
    assert tensor.numpy().ctypes.data == array.ctypes.data == tensor.data_ptr()


def test_numpy_shares_memory():
    tensor = torch.arange(6.0).reshape(2, 3)
    array = tensor.numpy()
    array[0, 0] = 9
    assert tensor.tolist() == [[9, 1, 2], [3, 4, 5]]
    tensor.detach().mul_(2)
    assert array.tolist() == [[18, 2, 4], [6, 8, 10]]
    tensor.t().numpy()[1, 1] = 77
    assert tensor[1, 1].item() == 77
    tensor[0].numpy()[:] = 5
    assert array[0].tolist() == [5, 5, 5]
    tensor.copy_(torch.zeros(2, 3))
    assert array.tolist() == [[0] * 3] * 2


VIEWS = {
    "slice": lambda array: array[:, 1:],
    "memoryview": memoryview,
    "transposed": lambda array: array.T,
    "dlpack": np.from_dlpack,
}


@pytest.mark.parametrize("keep", VIEWS)
def test_sharing_lasts_as_long_as_anyone_looks(keep):
    tensor = torch.zeros(2, 2)
    array = tensor.numpy()
    kept = VIEWS[keep](array)
    del array
    gc.collect()
    tensor.add_(3)
    tensor.mul_(2)
    assert np.asarray(kept).max() == 6


def test_when_nobody_looks_any_more_the_tensor_goes_on():
    tensor = torch.zeros(3)
    array = tensor.numpy()
    tensor.add_(1)
    copy = array.copy()
    del array
    tensor.add_(1)
    assert tensor.tolist() == [2, 2, 2] and copy.tolist() == [1, 1, 1]
    array = np.ones(3)
    shared = torch.from_numpy(array)
    del array
    shared.mul_(3)
    assert shared.tolist() == [3, 3, 3]


def test_copies_do_not_share():
    tensor = torch.zeros(3)
    for copy in (np.array(tensor), tensor.clone().numpy(), torch.tensor(tensor.numpy()).numpy()):
        copy[0] = 9
    assert tensor.tolist() == [0, 0, 0]
    np.asarray(tensor)[0] = 9
    assert tensor.tolist() == [9, 0, 0]
    array = np.zeros(3)
    torch.tensor(array).add_(1)
    torch.as_tensor(array, dtype=torch.float32).add_(1)
    assert array.tolist() == [0, 0, 0]
    torch.as_tensor(array).add_(1)
    torch.asarray(array).add_(1)
    assert array.tolist() == [2, 2, 2]


def test_dlpack_shares_memory():
    array = np.arange(3.0)
    tensor = torch.from_dlpack(array)
    array[0] = 5
    tensor.add_(1)
    assert tensor.tolist() == array.tolist() == [6, 2, 3]
    tensor = torch.arange(3.0)
    array = np.from_dlpack(tensor)
    tensor.add_(1)
    assert array.tolist() == [1, 2, 3]
    assert torch.from_dlpack(array, copy=True).add_(1).tolist() == [2, 3, 4]
    assert array.tolist() == [1, 2, 3]
    capsule = torch.utils.dlpack.to_dlpack(tensor)
    torch.from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="invalid capsule"):
        torch.from_dlpack(capsule)
    assert tensor.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="bfloat16"):
        torch.ones(1, dtype=torch.bfloat16).__dlpack__()


def test_dlpack_with_pytorch():
    reference = pytest.importorskip("torch")
    theirs = reference.arange(3.0)
    ours = torch.from_dlpack(theirs)
    ours.add_(1)
    assert theirs.tolist() == [1, 2, 3]
    ours = torch.arange(3.0)
    theirs = reference.from_dlpack(ours)
    theirs.add_(1)
    assert ours.tolist() == [1, 2, 3]


def test_buffers_share_memory():
    data = bytearray(8)
    tensor = torch.frombuffer(data, dtype=torch.int32)
    tensor.fill_(1)
    assert bytes(data) == b"\1\0\0\0\1\0\0\0"
    data[0] = 7
    assert tensor.tolist() == [7, 1]


def test_autograd_over_shared_memory():
    tensor = torch.tensor([1.0, 2.0])
    array = tensor.numpy()
    tensor.requires_grad_()
    (tensor * tensor).sum().backward()
    assert tensor.grad.tolist() == [2, 4]
    with torch.no_grad():
        tensor.sub_(tensor.grad)
    assert array.tolist() == [-1, -2]
    weight = torch.ones(2, requires_grad=True)
    other = torch.ones(2)
    seen = other.numpy()
    loss = (weight * other).sum()
    other.add_(1)
    assert seen.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="modified by an in"):
        loss.backward()


def test_lists_that_hold_themselves():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="too many dimensions 'list'"):
        torch.tensor(loop)


def test_warnings():
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        torch.tensor(torch.ones(1))
    from rushlight.core.tensor import exchange

    exchange._said.clear()
    readonly = np.ones(2)
    readonly.flags.writeable = False
    with pytest.warns(UserWarning, match="The given NumPy array is not writable"):
        torch.from_numpy(readonly)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        torch.from_numpy(readonly)
    with pytest.warns(UserWarning, match="The given buffer is not writable"):
        torch.frombuffer(b"ab", dtype=torch.uint8)
    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True"):
        float(torch.tensor(1.0, requires_grad=True))
    with pytest.warns(UserWarning, match="list of numpy.ndarrays is extremely slow"):
        torch.tensor([np.ones(2), np.ones(2)])
