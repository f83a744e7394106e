"""`pickle`, `copy.copy` and `copy.deepcopy` of tensors, storages and their parts."""

import copy
import pickle

import pytest

import rushlight as torch
from rushlight.core.tensor.tensor import Parameter


class Labelled(torch.Tensor):
    """A subclass with an attribute of its own."""


PROTOCOLS = [2, 3, 4, 5]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", "bool int64 uint16 float32 bfloat16 complex64".split())
def test_pickle_keeps_everything(name, protocol):
    base = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(torch, name))
    for tensor in (base, base.t(), base.narrow(1, 1, 2), torch.zeros(0, 3)):
        made = pickle.loads(pickle.dumps(tensor, protocol=protocol))
        assert made.tolist() == tensor.tolist()
        assert made.stride() == tensor.stride()
        assert made.dtype is tensor.dtype
        assert made.storage_offset() == tensor.storage_offset()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickle_keeps_sharing_and_flags(protocol):
    base = torch.arange(6.0)
    parameter = Parameter(torch.ones(2))
    parameter.note = "x"
    frozen = Parameter(torch.ones(1), requires_grad=False)
    labelled = torch.ones(2).as_subclass(Labelled)
    labelled.label = [1]
    named = torch.ones(2)
    named.tag = base
    kept = [base, base.view(2, 3), parameter, frozen, labelled, named]
    made = pickle.loads(pickle.dumps(kept, protocol=protocol))
    made[0].zero_()
    assert made[1].tolist() == [[0.0] * 3] * 2
    assert base.tolist() == [0, 1, 2, 3, 4, 5]
    assert type(made[2]) is Parameter and made[2].requires_grad and made[2].note == "x"
    assert type(made[3]) is Parameter and not made[3].requires_grad
    assert type(made[4]) is Labelled and made[4].label == [1]
    assert made[5].tag is made[0]


def test_a_pickled_result_is_a_leaf():
    leaf = torch.ones(2, requires_grad=True)
    made = pickle.loads(pickle.dumps(leaf * 2))
    assert made.requires_grad and made.grad_fn is None and made.tolist() == [2.0, 2.0]


def test_pickle_of_parts():
    for value in (torch.float32, torch.device("cpu"), torch.device("cuda:1"), torch.Size([1, 2])):
        made = pickle.loads(pickle.dumps(value))
        assert made == value and type(made) is type(value)
    assert pickle.loads(pickle.dumps(torch.bfloat16)) is torch.bfloat16
    assert pickle.loads(pickle.dumps(torch.strided)) is torch.strided
    assert copy.deepcopy(torch.channels_last) is torch.channels_last
    storage = torch.arange(3, dtype=torch.uint8).untyped_storage()
    assert pickle.loads(pickle.dumps(storage)).tolist() == [0, 1, 2]


def test_hooks_are_not_pickled():
    leaf = torch.ones(2, requires_grad=True)
    leaf.register_hook(lambda gradient: gradient)
    with pytest.warns(UserWarning, match="backward hook .* will not be serialized"):
        made = pickle.loads(pickle.dumps(leaf))
    assert not made._backward_hooks


def test_copy_shares_memory():
    tensor = torch.arange(3.0)
    tensor.tag = [1]
    made = copy.copy(tensor)
    assert made is not tensor and made.tag is tensor.tag
    made.add_(1)
    assert tensor.tolist() == [1.0, 2.0, 3.0]


def test_deepcopy_copies_memory_and_keeps_sharing():
    base = torch.arange(6.0)
    view = base.narrow(0, 1, 3)
    twice, shared, again = copy.deepcopy([base, view, base])
    assert again is twice
    twice.zero_()
    assert shared.tolist() == [0.0, 0.0, 0.0]
    assert base.tolist() == [0, 1, 2, 3, 4, 5]
    assert shared.storage_offset() == 1


def test_deepcopy_of_leaves():
    parameter = Parameter(torch.ones(2))
    parameter.grad = torch.full((2,), 3.0)
    parameter.note = [1]
    parameter.register_hook(lambda gradient: gradient)
    made = copy.deepcopy(parameter)
    assert type(made) is Parameter and made.requires_grad
    assert made.grad.tolist() == [3.0, 3.0] and made.grad is not parameter.grad
    assert made.note == [1] and made.note is not parameter.note
    assert not made._backward_hooks
    labelled = torch.ones(2).as_subclass(Labelled)
    labelled.label = [1]
    made = copy.deepcopy(labelled)
    assert type(made) is Labelled and made.label == [1]
    assert copy.deepcopy(torch.ones(1).expand(3)).stride() == (0,)


def test_deepcopy_of_a_result_is_refused():
    leaf = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(leaf * 2)
    assert copy.deepcopy((leaf * 2).detach()).tolist() == [2.0, 2.0]


def test_storages():
    tensor = torch.tensor([1, 2], dtype=torch.int16)
    storage = tensor.untyped_storage()
    assert storage is tensor.view(2, 1).untyped_storage()
    assert storage.tolist() == list(storage) == [1, 0, 2, 0]
    assert repr(storage).endswith(" 0\n[torch.storage.UntypedStorage(device=cpu) of size 4]")
    assert (storage.nbytes(), len(storage), storage.element_size()) == (4, 4, 1)
    copied = copy.deepcopy(storage)
    storage[0] = 9
    assert tensor.tolist() == [9, 2] and copied.tolist() == [1, 0, 2, 0]
    storage.copy_(copied)
    assert tensor.tolist() == [1, 2]
    assert torch.is_storage(storage.fill_(1)) and tensor.tolist() == [257, 257]
    with pytest.raises(ValueError, match="cannot copy 1 bytes to 4"):
        storage.copy_(torch.UntypedStorage(1))
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.int16)
    assert typed.tolist() == [257, 257] and typed.untyped() is storage and typed[1] == 257
    typed[0] = 3
    assert tensor.tolist() == [3, 257]
    text = "[torch.storage.TypedStorage(dtype=torch.int16, device=cpu) of size 2]"
    assert repr(typed) == " 3\n 257\n" + text
    assert pickle.loads(pickle.dumps(typed)).tolist() == [3, 257]


def test_deepcopy_shares_until_one_is_written():
    tensor = torch.ones(4)
    made = copy.deepcopy(tensor)
    made.add_(1)
    tensor.mul_(5)
    assert (tensor.tolist(), made.tolist()) == ([5.0] * 4, [2.0] * 4)
    array = tensor.numpy()
    made = copy.deepcopy(tensor)
    array[:] = 0
    assert made.tolist() == [5.0] * 4
    first, second = torch.zeros(3), None
    second = copy.deepcopy(first)
    first.numpy()[0] = 1
    second.numpy()[1] = 2
    assert (first.tolist(), second.tolist()) == ([1, 0, 0], [0, 2, 0])


def test_storages_of_files_and_slices(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(8)))
    storage = torch.UntypedStorage.from_file(str(path), False, 8)
    part = storage[4:8]
    tensor = torch.asarray(part, dtype=torch.uint8)
    assert tensor.tolist() == [4, 5, 6, 7]
    tensor.fill_(9)
    assert storage.tolist() == [0, 1, 2, 3, 9, 9, 9, 9]
    assert path.read_bytes() == bytes(range(8))
    shared = torch.UntypedStorage.from_file(str(path), shared=True, nbytes=4)
    torch.asarray(shared, dtype=torch.int16).fill_(1)
    assert path.read_bytes() == b"\1\0\1\0\4\5\6\7"
    with pytest.raises(ValueError, match="fewer than 9 bytes"):
        torch.UntypedStorage.from_file(str(path), False, 9)
