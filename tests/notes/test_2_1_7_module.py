"""Notes 2.1.7: a network is, in essence, eight dictionaries, and ways to walk them."""

from collections import OrderedDict

import pytest

from tests.notes.subject import NAME, F, nn, run_notes, torch

EIGHT = (
    "_parameters",
    "_buffers",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_modules",
)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
        self.register_buffer("mask", torch.ones(2))

    def forward(self, x):
        return self.head(self.block(x)) * self.mask


def test_the_eight_dictionaries():
    net = Net()
    for name in EIGHT:
        assert isinstance(getattr(net, name), dict), name
    assert list(net._modules) == ["block", "head"]
    assert list(net._buffers) == ["mask"]
    assert list(net.block.conv._parameters) == ["weight", "bias"]
    handle = net.register_forward_hook(lambda *_: None)
    assert len(net._forward_hooks) == 1
    handle.remove()
    assert len(net._forward_hooks) == 0


def test_slip_modules_walks_depth_first_parents_before_children():
    """The notes say breadth first; PyTorch goes into each child before its sibling."""
    names = [name for name, _ in Net().named_modules()]
    assert names == ["", "block", "block.conv", "block.norm", "head", "head.0", "head.1"]
    kinds = [type(module).__name__ for module in Net().modules()]
    assert kinds == ["Net", "Block", "Conv2d", "BatchNorm2d", "Sequential", "Flatten", "Linear"]


def test_a_shared_module_is_visited_once():
    shared = nn.Linear(2, 2)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    assert len(list(net.modules())) == 3
    assert len(list(net.parameters())) == 2
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == ["", "0", "1", "2"]


def test_children_stay_on_the_first_level():
    net = Net()
    assert [name for name, _ in net.named_children()] == ["block", "head"]
    assert list(net.children()) == [net.block, net.head]
    assert iter(net.children()) is not None and not isinstance(net.children(), list)


def test_notes_block_find_convolutions():
    scope, _ = run_notes(
        """
import torch.nn as nn
found = []
for name, layer in model.named_modules():
    if isinstance(layer, nn.Conv2d):
        found.append(name)
""",
        model=Net(),
    )
    assert scope["found"] == ["block.conv"]


def test_parameters_and_buffers():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "block.conv.weight",
        "block.conv.bias",
        "block.norm.weight",
        "block.norm.bias",
        "head.1.weight",
        "head.1.bias",
    ]
    assert [name for name, _ in net.named_buffers()] == [
        "mask",
        "block.norm.running_mean",
        "block.norm.running_var",
        "block.norm.num_batches_tracked",
    ]
    assert [p.shape for p in net.parameters()][0] == (2, 1, 3, 3)
    assert not any(buffer.requires_grad for buffer in net.buffers())
    assert len([x for x in net.modules()]) > len([x for x in net.parameters()])


def test_notes_block_names_sizes_and_types():
    _, printed = run_notes(
        """
for name, param in model.named_parameters():
    print(name, ' ', param.size(), param.requires_grad)
    print(type(param), type(param.detach()))
""",
        model=nn.Linear(3, 2),
    )
    lines = printed.replace(f"'{NAME}.", "'torch.").splitlines()
    assert lines[0] == "weight   torch.Size([2, 3]) True"
    assert lines[2] == "bias   torch.Size([2]) True"
    assert lines[1] == "<class 'torch.nn.parameter.Parameter'> <class 'torch.Tensor'>"


def test_parameter_is_a_tensor_subclass_that_registers_itself():
    parameter = nn.Parameter(torch.ones(2))
    assert isinstance(parameter, torch.Tensor) and issubclass(nn.Parameter, torch.Tensor)
    assert parameter.requires_grad and parameter.is_leaf
    assert type(parameter.detach()) is torch.Tensor and not parameter.detach().requires_grad
    assert repr(parameter) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    net = nn.Module()
    net.weight = parameter
    net.plain = torch.ones(1)
    assert list(net._parameters) == ["weight"] and "plain" not in net._buffers
    with pytest.raises(TypeError, match="cannot assign 'torch.FloatTensor' as parameter 'weight'"):
        net.weight = torch.ones(2)


def test_state_dict_holds_parameters_and_buffers_in_order():
    state = Net().state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == [
        "mask",
        "block.conv.weight",
        "block.conv.bias",
        "block.norm.weight",
        "block.norm.bias",
        "block.norm.running_mean",
        "block.norm.running_var",
        "block.norm.num_batches_tracked",
        "head.1.weight",
        "head.1.bias",
    ]
    assert not any(value.requires_grad for value in state.values())


def test_slip_state_dict_needs_items():
    """Iterating a dict gives its keys; a name is rarely two letters long."""
    with pytest.raises(ValueError, match="unpack"):
        run_notes("for k,v in model.state_dict():\n    pass", model=Net())
    scope, _ = run_notes(
        "shapes = {}\nfor k, v in model.state_dict().items():\n    shapes[k] = tuple(v.shape)",
        model=nn.Linear(3, 2),
    )
    assert scope["shapes"] == {"weight": (2, 3), "bias": (2,)}


def test_load_state_dict_copies_in_place():
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    weight = target.weight
    report = target.load_state_dict(source.state_dict())
    assert repr(report) == "<All keys matched successfully>"
    assert target.weight is weight and torch.equal(weight, source.weight)
    with torch.no_grad():
        source.weight.zero_()
    assert not torch.equal(target.weight, source.weight)


def test_load_state_dict_reports_what_does_not_fit():
    state = nn.Linear(3, 2).state_dict()
    state["extra"] = state.pop("bias")
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(3, 2).load_state_dict(state)
    assert str(caught.value).startswith(
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "extra". '
    ) or str(caught.value).startswith(
        "Error(s) in loading state_dict for Linear:\n"
        '\tUnexpected key(s) in state_dict: "extra". \n'
        '\tMissing key(s) in state_dict: "bias". '
    )
    report = nn.Linear(3, 2).load_state_dict(state, strict=False)
    assert report.missing_keys == ["bias"] and report.unexpected_keys == ["extra"]
    with pytest.raises(RuntimeError, match=r"size mismatch for weight: copying a param with shape"):
        nn.Linear(4, 2).load_state_dict(nn.Linear(3, 2).state_dict())


def test_apply_initialises_every_submodule():
    torch.manual_seed(0)

    def initialise(module):
        if isinstance(module, nn.Linear):
            nn.init.constant_(module.weight, 0.5)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    net = Net()
    before = net.block.conv.weight.clone()
    assert net.apply(initialise) is net
    assert torch.equal(net.head[1].weight, torch.full((2, 8), 0.5))
    assert net.head[1].bias.tolist() == [0.0, 0.0]
    assert not torch.equal(net.block.conv.weight, before)


def test_init_functions_have_their_distributions():
    torch.manual_seed(1)
    weight = torch.empty(200, 100)
    nn.init.xavier_uniform_(weight)
    bound = (6 / 300) ** 0.5
    assert weight.abs().max() <= bound and weight.std().item() == pytest.approx(
        bound / 3**0.5, rel=0.02
    )
    nn.init.kaiming_uniform_(weight, a=5**0.5)
    assert weight.abs().max() <= 0.1
    nn.init.normal_(weight, 2.0, 0.5)
    assert weight.mean().item() == pytest.approx(2.0, abs=0.02)
    nn.init.orthogonal_(weight)
    assert torch.allclose(weight.T @ weight, torch.eye(100), atol=1e-4)
    nn.init.eye_(square := torch.empty(3, 3))
    assert torch.equal(square, torch.eye(3))
    nn.init.trunc_normal_(weight, std=2.0, a=-1.0, b=1.0)
    assert weight.abs().max() <= 1.0


def test_notes_block_batch_norm_buffers():
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        scope, printed = run_notes(
            """
import torch
import torch.nn as nn
torch.manual_seed(0)
bn = nn.BatchNorm1d(2)
input = torch.tensor(torch.rand(3, 2), requires_grad=True)
output = bn(input)
print(bn._buffers)
"""
        )
    batch_norm, x = scope["bn"], scope["input"].detach()
    assert list(batch_norm._buffers) == ["running_mean", "running_var", "num_batches_tracked"]
    assert torch.allclose(batch_norm.running_mean, 0.1 * x.mean(0))
    assert torch.allclose(batch_norm.running_var, 0.9 + 0.1 * x.var(0))
    # the generator is PyTorch's, so the numbers are too
    assert printed == (
        "{'running_mean': tensor([0.0297, 0.0511]), "
        "'running_var': tensor([0.9042, 0.9112]), 'num_batches_tracked': tensor(1)}\n"
    )


def test_slip_tensor_of_a_tensor_warns_what_to_write():
    with pytest.warns(UserWarning, match=r"sourceTensor\.detach\(\)\.clone\(\)"):
        copy = torch.tensor(torch.ones(2))
    assert copy.tolist() == [1.0, 1.0]


def test_buffers_are_not_trained_but_saved_and_moved():
    net = Net()
    assert "mask" in net.state_dict()
    assert net.double().mask.dtype is torch.float64
    net.register_buffer("scratch", torch.zeros(1), persistent=False)
    assert "scratch" not in net.state_dict() and "scratch" in dict(net.named_buffers())
