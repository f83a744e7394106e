"""Memory shared with NumPy is shared for as long as somebody holds the array, and no longer."""

import numpy as np
import pytest

import rushlight as torch


def exposed(tensor):
    storage = tensor.untyped_storage()
    return storage.exposed is not None and storage.still_exposed()


def test_array_that_was_given_away_is_the_tensors_own():
    # Not inside the assertions: pytest keeps the arrays of an assert statement.
    tensor = torch.from_numpy(np.ones((2, 3)))
    assert not exposed(tensor)
    tensor = torch.from_numpy(np.ones((2, 3)).T)
    assert not exposed(tensor)


def test_until_the_last_holder_is_gone():
    array = np.zeros(3)
    tensor = torch.from_numpy(array)
    assert exposed(tensor)
    array[0] = 5
    view = array[1:]
    del array
    assert exposed(tensor)
    view[0] = 6
    del view
    assert not exposed(tensor)
    assert tensor.tolist() == [5.0, 6.0, 0.0]


def test_part_of_an_array():
    array = np.zeros((3, 2))
    tensor = torch.from_numpy(array[1:])
    array[1] = 7
    assert exposed(tensor) and tensor.tolist() == [[7.0, 7.0], [0.0, 0.0]]
    del array
    assert not exposed(tensor)


@pytest.mark.parametrize("make", [lambda: torch.zeros(3), lambda: torch.zeros(3) + 0])
def test_array_of_a_tensor(make):
    tensor = make()
    array = tensor.numpy()
    array[0] = 1
    assert exposed(tensor)
    part = array[1:]
    del array
    part[0] = 2
    assert exposed(tensor) and tensor.tolist() == [1.0, 2.0, 0.0]
    del part
    assert not exposed(tensor)
    assert (tensor + 1).tolist() == [2.0, 3.0, 1.0]


def test_a_fixed_address_stays_exposed():
    tensor = torch.zeros(3)
    address = tensor.data_ptr()
    tensor.add_(1)
    assert exposed(tensor) and tensor.data_ptr() == address
