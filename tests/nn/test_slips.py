"""The usual slips with modules: the error names the remedy."""

import pytest

import rushlight as torch
from rushlight import nn


def test_forgetting_to_call_the_base_class():
    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"put super\(\).__init__\(\) first in Net.__init__"):
        Net()


def test_forgetting_the_base_class_without_layers():
    class Net(nn.Module):
        def __init__(self):
            self.width = 3

    with pytest.raises(AttributeError, match=r"Net.__init__ did not call super\(\).__init__"):
        Net()(torch.ones(1))


def test_calling_a_list_of_modules():
    with pytest.raises(NotImplementedError, match="loop over it and call its modules"):
        nn.ModuleList([nn.ReLU()])(torch.ones(1))


def test_a_forward_defined_outside_the_class():
    class Net(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"define `def forward\(self, x\)` inside"):
        Net()(torch.ones(1))


def test_a_plain_list_registers_nothing():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(1, 1)]

    assert list(Net().parameters()) == []


def test_an_ordinary_missing_attribute_says_no_more_than_pytorch():
    with pytest.raises(AttributeError, match="^'Linear' object has no attribute 'wieght'$"):
        print(nn.Linear(1, 1).wieght)
