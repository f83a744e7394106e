"""Elements read and written one by one: short cuts that nobody may notice."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.trace.value import STATE


def test_reading_and_writing_in_a_loop_traces_nothing():
    x = torch.zeros(4, 3)
    before = len(STATE.trace)
    for i in range(4):
        for j in range(3):
            x[i, j] = i * 10 + j
    x[-1, -2] = x[0, 2]
    x[1] = 7
    assert [float(x[i, j]) for i in range(4) for j in range(3)] == \
        [0, 1, 2, 7, 7, 7, 20, 21, 22, 30, 2, 32]
    assert len(STATE.trace) == before
    assert x.tolist() == [[0, 1, 2], [7, 7, 7], [20, 21, 22], [30, 2, 32]]


def test_what_was_recorded_before_a_write_sees_the_old_elements():
    x = torch.arange(4.0)
    doubled, copy, row = x * 2, x.clone(), x[1:]
    x[1] = 10
    assert (doubled.tolist(), copy.tolist()) == ([0, 2, 4, 6], [0, 1, 2, 3])
    assert row.tolist() == [10, 2, 3]
    x[2] = 20
    copy[0] = -1
    assert (x.tolist(), row.tolist(), copy.tolist()) == \
        ([0, 10, 20, 3], [10, 20, 3], [-1, 1, 2, 3])


def test_a_gradient_that_lies_in_other_memory_is_copied_first():
    x = torch.ones(2, 3, requires_grad=True)
    y = x.t()
    y.retain_grad()
    (y * 2).sum().backward()
    x.grad[0, 0] = 9
    assert y.grad.tolist() == [[2.0, 2.0]] * 3
    assert x.grad.tolist() == [[9, 2, 2], [2, 2, 2]]


def test_versions_and_views():
    x = torch.zeros(3)
    element = x[1]
    assert element._base is x and element.storage_offset() == 1
    version = x._version
    x[1] = 5
    assert x._version == version + 1 and element.item() == 5
    element.fill_(6)
    assert x.tolist() == [0, 6, 0]
    x[2] += 4
    assert x.tolist() == [0, 6, 4] and x._version > version + 2
    assert x[()].tolist() == x.tolist()
    view = x[1:]
    view[0] = 8
    assert x.tolist() == [0, 8, 4]


def test_saved_values_that_change_are_noticed():
    x, w = torch.ones(3), torch.ones(3, requires_grad=True)
    loss = (x * w).sum()
    x[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_autograd_has_its_say():
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        w[0] = 2
    assert w[1].requires_grad
    y = w * 1
    y[0] = 3
    y.sum().backward()
    assert w.grad.tolist() == [0, 1, 1]
    x = torch.zeros(3)
    x[1] = w[2]
    assert x.requires_grad
    with torch.no_grad():
        w[0] = 5
        assert w.tolist() == [5, 1, 1] and not w[0].requires_grad


def test_shared_memory():
    array = np.zeros(3, np.float32)
    x = torch.from_numpy(array)
    x[1] = 2
    assert array.tolist() == [0, 2, 0]
    y = torch.zeros(3)
    shared = y.numpy()
    y[0] = 1
    assert shared.tolist() == [1, 0, 0]
    shared[2] = 4
    assert float(y[2]) == 4


@pytest.mark.parametrize("index", [3, -4, (0, 3), (0, 0, 0)])
def test_indices_out_of_range(index):
    x = torch.zeros(3, 3)
    with pytest.raises(IndexError):
        x[index]
    with pytest.raises(IndexError):
        x[index] = 1


def test_numbers_are_cast_and_refused_as_fill_does():
    i, f, b = torch.zeros(2, dtype=torch.int64), torch.zeros(2), torch.zeros(2, dtype=torch.bool)
    i[0], f[0], b[0] = 2.9, True, 3
    assert (i.tolist(), f.tolist(), b.tolist()) == ([2, 0], [1, 0], [True, False])
    f[1] = float("nan")
    assert f.isnan().tolist() == [False, True]
    f[1] = float("inf")
    assert f.isinf().tolist() == [False, True]
    with pytest.raises(RuntimeError):
        i[0] = 1j
    half = torch.zeros(2, dtype=torch.bfloat16)
    half[1] = 1.5
    assert half.tolist() == [0, 1.5]
