"""The native optimizer step against the interpreter: every rule, dtype, layout and option."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.codegen import library
from rushlight.core.codegen.target import aarch64, limited
from rushlight.core.ops.optimizer_steps import output_metas
from rushlight.core.tensor.optimizer_step import multi_tensor_step
from rushlight.optim import _pointwise

from .harness import interpreted, meta_of, native

RULES = {
    "sgd": (torch.optim.SGD, {}),
    "sgd momentum": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "sgd maximize": (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.3, "maximize": True}),
    "adam": (torch.optim.Adam, {}),
    "amsgrad": (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    "adamw": (torch.optim.AdamW, {}),
    "rmsprop": (torch.optim.RMSprop, {"momentum": 0.9, "centered": True}),
    "adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1}),
    "adadelta": (torch.optim.Adadelta, {"weight_decay": 0.1}),
    "adamax": (torch.optim.Adamax, {}),
    "nadam": (torch.optim.NAdam, {}),
    "radam": (torch.optim.RAdam, {}),
    "rprop": (torch.optim.Rprop, {}),
    "asgd": (torch.optim.ASGD, {}),
}
SHAPES = [(6, 1, 5, 5), (6,), (0,), (1,), (17, 33), ()]


def captured(name):
    """(program, options) of the second step that an optimizer takes."""
    kind, options = RULES[name]
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = kind([p], **options)
    calls = []

    def capture(program, params, grads, states, options, *rest):
        calls.append((program, options))
        multi_tensor_step(program, params, grads, states, options, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pointwise, "multi_tensor_step", capture)
        for _ in range(2):
            p.grad = torch.ones(2)
            optimizer.step()
    return calls[-1]


def record_of(name, shapes, dtype=np.float32, state_dtype=None, steps=(3,)):
    """(inputs, params, metas of outputs) of one step of a rule."""
    program, options = captured(name)
    array_state, scalar_state = program.array_state, program.scalar_state
    random = np.random.default_rng(5)

    def made(shape, kind=dtype):
        found = random.normal(size=shape)
        if np.dtype(kind).kind == "c":
            found = found + 1j * random.normal(size=shape)
        return np.asarray(found, kind)

    arrays, gradients = [], []
    for shape in shapes:
        arrays.append(made(shape))
        arrays += [np.asarray(np.abs(made(shape)), state_dtype or dtype) for _ in array_state]
        gradients.append(made(shape))
    sets = tuple(i % len(steps) for i in range(len(shapes))) if scalar_state else (0,) * len(shapes)
    scalars = [np.asarray(s + 0.5 * (i > 0), np.float32) for s in steps
               for i in range(len(scalar_state))]
    inputs = [*arrays, *gradients, *scalars,
              *[options[o] for o in program.option_names]]
    outs = output_metas(program, [meta_of(a) for a in arrays], [meta_of(s) for s in scalars])
    return inputs, (program, sets), outs


def check(record, ulps=2):
    """Native and interpreted steps give the same numbers, but for the scalars' last bit."""
    inputs, params, outs = record
    expected = interpreted("optimizer_step", inputs, params, outs)
    for donate in (False, True):
        found = native("optimizer_step", inputs, params, donate=donate, outs=outs)
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            real = a.real.dtype
            tolerance = ulps * (np.finfo(real).eps if real.itemsize > 2 else 0.01)
            np.testing.assert_allclose(a.astype(np.complex128), b.astype(np.complex128),
                                       rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    check(record_of(name, SHAPES))


@pytest.mark.parametrize("dtype", [np.float64, np.complex64, np.float16])
@pytest.mark.parametrize("name", ["sgd momentum", "adamw"])
def test_dtype(name, dtype):
    check(record_of(name, SHAPES, dtype))


def test_state_of_another_dtype():
    check(record_of("adamw", SHAPES, np.float32, np.float16))


def test_several_sets_of_scalar_state():
    check(record_of("adamw", SHAPES, steps=(0, 7, 100)))


def test_many_tasks():
    check(record_of("adam", [(40000,), (3,), (90001,), (5, 7)]))


def test_values_that_are_not_finite():
    record = record_of("amsgrad", [(40,)])
    for array in record[0][:4]:
        array[:6] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40]
    check(record)


def test_memory_order_of_the_parameter_is_kept():
    inputs, params, _ = record_of("sgd momentum", [(8, 4, 3, 3)])
    inputs[:3] = [np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
                  for a in inputs[:3]]
    check((inputs, params, output_metas(params[0], [meta_of(a) for a in inputs[:2]], [])))


def test_other_layouts_are_copied():
    inputs, params, _ = record_of("sgd momentum", [(8, 6), (3, 5), (7,)])
    inputs[0] = np.asfortranarray(inputs[0])                    # parameter in columns
    inputs[1] = np.ascontiguousarray(inputs[1])                 # its state in rows
    inputs[7] = np.asfortranarray(inputs[7])                    # a gradient in columns
    inputs[8] = np.broadcast_to(np.float32(0.5), (7,))          # one number as a gradient
    inputs[4] = np.repeat(inputs[4], 2)[::2]                    # a parameter with gaps
    check((inputs, params, output_metas(params[0], [meta_of(a) for a in inputs[:6]], [])))


def test_learning_rate_in_a_tensor():
    inputs, params, outs = record_of("adamw", SHAPES)
    inputs = [*inputs[:-len(params[0].option_names)],
              *[np.asarray(o, np.float64) for o in inputs[-len(params[0].option_names):]]]
    check((inputs, params, outs))


@pytest.mark.parametrize("target", [limited("avx2"), aarch64()], ids=["avx2", "aarch64"])
def test_other_targets(target):
    inputs, (program, _), _ = record_of("adamw", SHAPES)
    text = library.generate("optimizer.step", (program.form(), ("float32",) * 4, ("float",) * 5,
                                               ("float32",), "both"), target)
    assert "kernel" in library.compile_text(text, target, assembly=True)
