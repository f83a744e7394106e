"""Notes 2.2.4: moving data between CPU and GPU, and what happens where there is no GPU."""

import pytest

from tests.notes.subject import nn, run_notes, torch

without_cuda = pytest.mark.skipif(
    torch.cuda.is_available(), reason="these texts are for machines without CUDA"
)


def test_notes_block_numbers_after_manual_seed():
    scope, _ = run_notes(
        """
import torch
device = 'cuda' if torch.cuda.is_available() else 'cpu'
torch.manual_seed(42)
a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
"""
    )
    a, b = scope["a"], scope["b"]
    # PyTorch's CPU numbers after this seed
    assert a.item() == 0.33669036626815796 and b.item() == 0.12880940735340118
    assert a.requires_grad and a.is_leaf and a.dtype is torch.float32
    assert repr(a) == "tensor([0.3367], requires_grad=True)"


def test_manual_seed_repeats():
    torch.manual_seed(42)
    first = torch.randn(17)
    torch.manual_seed(42)
    assert torch.equal(torch.randn(17), first)
    assert torch.initial_seed() == 42


def test_to_cpu_returns_the_tensor_itself():
    x = torch.ones(2)
    assert x.to("cpu") is x and x.cpu() is x and x.to(torch.device("cpu")) is x
    assert x.to("cpu", copy=True) is not x


def test_to_changes_dtype_and_follows_another_tensor():
    x = torch.ones(2)
    assert x.to(torch.float64).dtype is torch.float64 and x.to(torch.float32) is x
    assert x.to(torch.zeros(1, dtype=torch.int32)).dtype is torch.int32
    assert x.to("cpu", torch.float16).dtype is torch.float16
    x.requires_grad_()
    (x.double() * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0] and x.grad.dtype is torch.float32


def test_device_attribute_and_argument():
    assert torch.zeros(1).device == torch.device("cpu")
    assert str(torch.zeros(1, device="cpu").device) == "cpu"
    assert torch.device("cuda", 1) == torch.device("cuda:1")
    assert torch.device("cuda:1").index == 1 and torch.device("cuda").index is None
    assert repr(torch.device("cuda:0")) == "device(type='cuda', index=0)"
    assert torch.zeros(1, device=torch.device("cpu")).is_cuda is False
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.device("gpu")


def test_module_to_moves_every_parameter():
    net = nn.Linear(2, 2)
    weight = net.weight
    assert net.to("cpu") is net and net.weight is weight
    net.to(torch.float64)
    assert net.weight.dtype is torch.float64 and net.weight is weight
    net.half()
    assert {p.dtype for p in net.parameters()} == {torch.float16}


def test_is_available_is_a_bool():
    assert torch.cuda.is_available() in (True, False)
    assert (torch.cuda.device_count() > 0) is torch.cuda.is_available()


@without_cuda
@pytest.mark.parametrize(
    "ask",
    [
        lambda: torch.ones(1).to("cuda"),
        lambda: torch.ones(1).cuda(),
        lambda: torch.ones(1, device="cuda"),
        lambda: torch.zeros(2, device=torch.device("cuda:0")),
        lambda: nn.Linear(1, 1).cuda(),
        lambda: nn.Linear(1, 1).to("cuda"),
    ],
)
def test_asking_for_cuda_where_there_is_none(ask):
    with pytest.raises((RuntimeError, AssertionError), match="(?i)cuda"):
        ask()


@without_cuda
def test_notes_block_first_cuda_device_or_cpu():
    scope, _ = run_notes(
        """
import torch
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
net.to(device)
inputs, labels = inputs.to(device), labels.to(device)
outputs = net(inputs)
""",
        net=nn.Linear(3, 2),
        inputs=torch.ones(4, 3),
        labels=torch.zeros(4),
    )
    assert scope["outputs"].shape == (4, 2) and str(scope["device"]) == "cpu"
