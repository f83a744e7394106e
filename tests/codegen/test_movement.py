"""Operations that move elements, and the strided copies they are made of."""

import itertools

import numpy as np
import pytest

from .harness import interpreted, native

DTYPES = ["float32", "float64", "float16", "int8", "int64", "complex64", "complex128", "bool"]


def _numbers(shape, dtype="float32"):
    return np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)


def _same(name, arrays, params):
    found, = native(name, arrays, params)
    wanted, = interpreted(name, arrays, params)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)


def _copied(array):
    """A copy by the native kernel: the only tensor of a cat."""
    _same("cat", [array], (0,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_of_any_layout(dtype):
    x = _numbers((3, 4, 5, 19), dtype)
    for axes in itertools.permutations(range(4)):
        _copied(x.transpose(axes))
        _copied(x[:, ::2, ::-1, 1:].transpose(axes))
        _copied(np.broadcast_to(x[:, :1, :, :1], (3, 6, 5, 20)).transpose(axes))


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64"])
def test_large_copies_are_cut_into_tasks(dtype):
    x = _numbers((131, 203, 7), dtype)
    for view in (x, x.T, x[::-1], x.transpose(1, 0, 2), x.transpose(0, 2, 1), x[:, ::3]):
        _copied(view)
    _copied(_numbers((40001,), dtype))
    _copied(_numbers((40001, 2), dtype)[:, 0])
    _copied(np.broadcast_to(_numbers((1, 1), dtype), (300, 100)))


def test_more_axes_than_a_kernel_knows():
    x = _numbers((2, 3, 2, 3, 2, 3, 2, 3))
    _copied(x.transpose(7, 5, 3, 1, 6, 4, 2, 0))
    _same("flip", [x], ((0, 2, 4, 6),))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cat_stack_flip_roll_repeat(dtype):
    x, y = _numbers((4, 6, 35), dtype), _numbers((4, 2, 35), dtype)
    _same("cat", [x, y, x[:, ::2]], (1,))
    _same("cat", [x, x.transpose(1, 0, 2)[:4, :, :][:, [0, 1, 2, 3]]], (1,))
    _same("cat", [_numbers((0,), dtype), x], (0,))
    _same("cat", [_numbers((1,), dtype)] * 5, (0,))
    for dim in range(4):
        _same("stack", [x, x[::-1], x], (dim,))
    for dims in ((), (0,), (2,), (0, 1, 2), (1,)):
        _same("flip", [x], (dims,))
        _same("flip", [x.T], (dims,))
    _same("roll", [x], ((5,), ()))
    _same("roll", [x], ((2, -3), (0, 2)))
    _same("roll", [x.T], ((2, 1, 1), (2, 2, 0)))
    _same("repeat", [x[:2, :2, :3]], ((2, 1, 3),))
    _same("repeat", [x[0, :3]], ((2, 3, 1, 2),))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", "bool"])
def test_padding_by_a_constant(dtype):
    x = _numbers((3, 4, 6), dtype)
    for widths in (((0, 0), (1, 2), (3, 1)), ((1, 0), (-1, 2), (-2, -1)), ((0, 0),) * 3,
                   ((2, 2), (-4, 3), (1, 1)), ((0, 0), (0, 0), (40, 0))):
        for value in (0, 1.5 if dtype[0] == "f" else 3):
            _same("constant_pad_nd", [x, value], (widths,))
            _same("constant_pad_nd", [x.transpose(1, 0, 2)[:3, :3], value], (widths,))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "bool"])
@pytest.mark.parametrize("name", ["tril", "triu"])
def test_triangles(name, dtype):
    for shape in ((5, 5), (2, 3, 7), (40, 33), (3, 1), (1, 20), (0, 4)):
        for diagonal in (0, 1, -2, 50, -50):
            _same(name, [_numbers(shape, dtype)], (diagonal,))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_running_sums(dtype):
    from rushlight.core.base.dtypes import DTYPES as known
    x = (_numbers((4, 7, 37)) / 7).astype(dtype)
    for dim in range(3):
        _same("cumsum", [x], (dim, known[dtype]))
        _same("cumsum", [x.T], (dim, known[dtype]))
