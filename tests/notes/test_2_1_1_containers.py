"""Notes 2.1.1: Sequential runs its modules in order; ModuleList only keeps and registers them."""

from collections import OrderedDict

import pytest

from tests.notes.subject import nn, optim, torch


def names(module):
    return [name for name, _ in module.named_parameters()]


def test_sequential_is_the_composition_of_its_modules():
    first, second = nn.Linear(4, 3), nn.Linear(3, 2)
    net = nn.Sequential(first, nn.ReLU(), second)
    x = torch.randn(5, 4)
    assert torch.equal(net(x), second(torch.relu(first(x))))
    assert names(net) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_sequential_from_ordered_dict_names_its_modules():
    net = nn.Sequential(OrderedDict([("conv", nn.Conv2d(1, 2, 3)), ("relu", nn.ReLU())]))
    assert names(net) == ["conv.weight", "conv.bias"]
    assert isinstance(net.conv, nn.Conv2d) and net[0] is net.conv and net[-1] is net.relu
    assert repr(net) == (
        "Sequential(\n"
        "  (conv): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))\n"
        "  (relu): ReLU()\n"
        ")"
    )


def test_sequential_indexing_slicing_and_growing():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    tail = net[1:]
    assert type(tail) is nn.Sequential and len(tail) == 2 and tail[1] is net[2]
    assert net.append(nn.Sigmoid()) is net
    assert len(net) == 4 and isinstance(net[3], nn.Sigmoid)
    net.insert(1, nn.Tanh())
    assert [type(layer).__name__ for layer in net] == [
        "Linear",
        "Tanh",
        "ReLU",
        "Linear",
        "Sigmoid",
    ]
    del net[1]
    net[0] = nn.Linear(2, 3, bias=False)
    assert names(net) == ["0.weight", "2.weight", "2.bias"]
    with pytest.raises(IndexError, match="index 9 is out of range"):
        net[9]


def test_sequential_needs_matching_sizes():
    net = nn.Sequential(nn.Linear(4, 5), nn.Linear(4, 3))
    with pytest.raises(
        RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(2x5 and 4x3\)"
    ):
        net(torch.ones(2, 4))


def test_module_list_registers_but_has_no_forward():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 3)])
    assert names(layers) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    with pytest.raises(
        NotImplementedError,
        match=r'Module \[ModuleList\] is missing the required "forward" function',
    ):
        layers(torch.ones(1, 2))


def test_module_list_behaves_like_a_list():
    layers = nn.ModuleList([nn.Linear(2, 2)])
    layers.append(nn.ReLU())
    layers.extend([nn.Tanh(), nn.Sigmoid()])
    layers.insert(0, nn.Identity())
    assert [type(layer).__name__ for layer in layers] == [
        "Identity",
        "Linear",
        "ReLU",
        "Tanh",
        "Sigmoid",
    ]
    assert type(layers[1:3]) is nn.ModuleList and len(layers[1:3]) == 2
    assert layers.pop(0).__class__ is nn.Identity and len(layers) == 4
    assert layers[-1] in list(layers)
    assert len(layers + nn.ModuleList([nn.ReLU()])) == 5


def test_module_dict():
    choices = nn.ModuleDict({"conv": nn.Conv2d(1, 1, 1), "pool": nn.MaxPool2d(2)})
    choices["linear"] = nn.Linear(2, 2)
    choices.update([("relu", nn.ReLU())])
    assert list(choices) == ["conv", "pool", "linear", "relu"]
    assert "pool" in choices and len(choices) == 4
    assert names(choices) == ["conv.weight", "conv.bias", "linear.weight", "linear.bias"]
    assert choices.pop("linear").in_features == 2 and "linear" not in choices
    with pytest.raises(NotImplementedError):
        choices(torch.ones(1))


def test_parameter_list():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.ParameterList([nn.Parameter(torch.ones(2)) for _ in range(2)])

        def forward(self, x):
            for weight in self.weights:
                x = x * weight
            return x

    net = Net()
    net.weights.append(torch.full((2,), 3.0))  # a plain tensor is wrapped
    assert names(net) == ["weights.0", "weights.1", "weights.2"]
    assert isinstance(net.weights[2], nn.Parameter)
    net(torch.ones(2)).sum().backward()
    assert net.weights[0].grad.tolist() == [3.0, 3.0]
    assert len(net.weights[:2]) == 2


def test_parameter_dict():
    parameters = nn.ParameterDict({"left": nn.Parameter(torch.zeros(1))})
    parameters["right"] = torch.ones(2)
    assert names(parameters) == ["left", "right"]
    assert isinstance(parameters["right"], nn.Parameter)
    assert list(parameters.keys()) == ["left", "right"] and "left" in parameters
    parameters.pop("left")
    assert len(parameters) == 1


def test_slip_plain_list_registers_nothing():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(2, 2), nn.Linear(2, 2)]

    class Registered(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])

    assert list(Plain().parameters()) == [] and Plain().state_dict() == {}
    assert len(list(Registered().parameters())) == 4
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        optim.SGD(Plain().parameters(), lr=0.1)
