"""Negative log-likelihood: native kernels against the interpreter's."""

import numpy as np
import pytest

from .harness import Refused, interpreted, native

CASES = [((4, 10), (4,)), ((1, 1), (1,)), ((5,), ()), ((3000, 7), (3000,)),
         ((3, 5, 4, 6), (3, 4, 6)), ((2, 3, 2500), (2, 2500)), ((0, 4), (0,))]
TOLERANCE = {"float32": 1e-6, "float64": 1e-13, "float16": 1e-3}


def _case(shape, target_shape, dtype, seed=0):
    generator = np.random.default_rng(seed)
    classes = shape[1] if len(shape) > 1 else shape[0]
    x = (-generator.random(shape) * 4).astype(dtype)
    target = np.asarray(generator.integers(0, classes, target_shape), np.int64)
    if target.size > 2:
        target.reshape(-1)[1] = -100
    weight = generator.random(classes).astype(dtype)
    return x, target, weight


def _close(found, wanted, dtype):
    for a, b in zip(found, wanted):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), TOLERANCE[dtype],
                                   TOLERANCE[dtype])


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_loss_and_gradient_agree(dtype, reduction):
    for shape, target_shape in CASES:
        x, target, weight = _case(shape, target_shape, dtype)
        for table in (None, weight):
            wanted = interpreted("nll_loss", [x, target, table], (reduction, -100, target_shape))
            found = native("nll_loss", [x, target, table], (reduction, -100, target_shape))
            _close(found, wanted, dtype)
            g = np.full(wanted[0].shape, 0.7, dtype)
            arguments = [g, target, table, wanted[1]]
            _close(native("nll_loss_backward", arguments, (reduction, -100, shape)),
                   interpreted("nll_loss_backward", arguments, (reduction, -100, shape)), dtype)


def test_byte_targets_and_strided_inputs():
    x, target, _ = _case((8, 12), (8,), "float32")
    for view in (x[:, ::2][:4], x.T[:8, :8], x[::-1]):
        small = np.ascontiguousarray((target % view.shape[1])[:view.shape[0]]).astype(np.uint8)
        _close(native("nll_loss", [view, small, None], ("mean", -100, small.shape)),
               interpreted("nll_loss", [view, small, None], ("mean", -100, small.shape)),
               "float32")


def test_a_class_that_does_not_exist_is_refused():
    x, target, _ = _case((4, 10), (4,), "float32")
    for bad in (10, -1, 1 << 40):
        wrong = target.copy()
        wrong[3] = bad
        with pytest.raises(Refused):
            native("nll_loss", [x, wrong, None], ("mean", -100, (4,)))
        with pytest.raises(Refused):
            one = np.ones((), np.float32)
            native("nll_loss_backward", [one, wrong, None, one], ("mean", -100, (4, 10)))
