"""Reading, adding and writing at index tensors: native kernels against the interpreter's."""

import numpy as np
import pytest

from .harness import Refused, interpreted, native

DTYPES = ["float32", "float64", "float16", "int64", "int8", "complex128"]


def _numbers(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).integers(-100, 100, shape).astype(dtype)


def _index(size, shape, low=0, dtype="int64"):
    return np.random.default_rng(1).integers(low, size, shape).astype(dtype)


def _same(name, arrays, params, tolerance=0.0, donate=False):
    found, = native(name, arrays, params, donate)
    wanted, = interpreted(name, arrays, params)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, tolerance, tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_reading(dtype):
    x = _numbers((13, 7, 21), dtype)
    for kind in ("int64", "int32"):
        _same("embedding", [x[:, 0], _index(13, (4, 5), dtype=kind)], (-1, False))
        _same("embedding", [x[:, :, 0].T[:7], _index(7, (3,), dtype=kind)], (-1, False))
        for dim in range(3):
            index = _index(x.shape[dim], 9, dtype=kind)
            _same("index_select", [x, index], (dim,))
            _same("index_select", [x.transpose(2, 0, 1)[..., ::2][:, :9], _index(4, 9)], (2,))
    _same("embedding", [_numbers((3, 9001), dtype), _index(3, (4,))], (-1, False))
    if dtype != "complex128":
        for dim in range(3):
            shape = [5, 4, 20]
            shape[dim] = 30
            _same("gather", [x, _index(x.shape[dim], shape)], (dim,))
            _same("gather", [x.transpose(1, 0, 2), _index(7, (5, 6, 7))], (0,))
        _same("gather", [x[0, 0], _index(21, 50, dtype="int32")], (0,))


def _indices(*given):
    return [*given, *[None] * (8 - len(given))]


@pytest.mark.parametrize("dtype", DTYPES)
def test_reading_at_several_indices(dtype):
    x = _numbers((6, 7, 8, 5), dtype)
    a, b = _index(6, (3, 4), -6), _index(5, (4,), -5)
    _same("index", [x, *_indices(a)], ((0,),))
    _same("index", [x, *_indices(b)], ((2,),))
    _same("index", [x, *_indices(a, b)], ((1, 2),))
    _same("index", [x, *_indices(a, b)], ((0, 3),))
    _same("index", [x, *_indices(a, b, b[:, None][:, :1].reshape(4, 1)[:3])], ((1, 2, 3),))
    _same("index", [x.T, *_indices(b, b)], ((0, 1),))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_embedding_gradient(dtype):
    for rows, shape, width in ((10, (40,), 5), (50, (6, 7), 64), (3, (1000,), 40), (700, (9,), 130),
                               (5, (0,), 4)):
        g = _numbers((*shape, width), dtype) / 8
        for skipped in (-1, 1):
            _same("embedding_backward", [g.astype(dtype), _index(rows, shape)],
                  (rows, skipped, False), 1e-5 if dtype != "float16" else 2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int8"])
@pytest.mark.parametrize("donate", [False, True])
def test_adding_at_repeated_indices(dtype, donate):
    tolerance = 2e-3 if dtype == "float16" else 1e-6
    x = _numbers((6, 7, 40), dtype)
    for dim in range(3):
        shape = list(x.shape)
        shape[dim] = 30
        index = _index(x.shape[dim], 30)
        source = _numbers(shape, dtype, 2)
        for alpha in (1, 2):
            _same("index_add", [x, index, source, alpha], (dim,), tolerance, donate)
        shape = [5, 4, 20]
        shape[dim] = 30
        if dtype != "float16":
            _same("scatter_add", [x, _index(x.shape[dim], shape), _numbers([30] * 3, dtype, 3)],
                  (dim,), tolerance, donate)
        _same("scatter", [x, _index(x.shape[dim], shape), _numbers([30] * 3, dtype, 3)], (dim,),
              0, donate)
        _same("scatter", [x, _index(x.shape[dim], shape), 3], (dim,), 0, donate)
    a, b = _index(6, (3, 5), -6), _index(7, (5,), -7)
    for accumulate in (True, False):
        _same("index_put", [x, _numbers((3, 5, 40), dtype, 4), *_indices(a, b)],
              ((0, 1), accumulate), tolerance, donate)
        _same("index_put", [x, _numbers((6, 1, 5, 1), dtype, 4), *_indices(a)],
              ((1,), accumulate), tolerance, donate)
        _same("index_put", [x, _numbers((), dtype, 4), *_indices(b % 6)], ((0,), accumulate),
              tolerance, donate)


def test_many_rows_are_cut_into_ranges():
    g, index = _numbers((3000, 256)), _index(500, 3000)
    _same("embedding_backward", [g, index], (500, -1, False))
    x = _numbers((2, 300, 128))
    _same("index_add", [x, _index(300, 900), _numbers((2, 900, 128), seed=5), 1], (1,))


def test_indices_out_of_range_are_refused_before_anything_is_written():
    x = _numbers((6, 7))
    for bad in (6, -1, 1 << 40):
        index = np.array([0, 1, bad])
        for name, arrays, params in (
                ("embedding", [x, index], (-1, False)), ("index_select", [x, index], (0,)),
                ("gather", [x, index[:, None]], (0,)),
                ("embedding_backward", [_numbers((3, 7)), index], (6, -1, False)),
                ("scatter_add", [x, index[:, None], x], (0,))):
            with pytest.raises(Refused):
                native(name, arrays, params)
        index[2] = bad if bad > 0 else -7
        source = _numbers((3, 7))
        for name, arrays, params in (
                ("index", [x, *_indices(index)], ((0,),)),
                ("index_add", [x, index, source, 1], (0,)),
                ("index_put", [x, source, *_indices(index)], ((0,), True))):
            with pytest.raises(Refused):
                native(name, arrays, params)
