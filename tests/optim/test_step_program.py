"""Update rules as programs: what is computed, where it is written, and what may be branched on."""

import numpy as np
import pytest

from rushlight.core.ops.step_program import BLOCK, StepProgram, step_program
from rushlight.optim.adam import Adam
from rushlight.optim.rprop import Rprop

OPTIONS = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0,
           "maximize": False, "amsgrad": True, "decoupled": False}
STATE = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


def adam():
    return StepProgram("Adam", Adam.update, OPTIONS, ("step",), STATE)


def arrays(size, count, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.random(size, np.float32) for _ in range(count)]


def test_scalars_are_computed_in_double_precision():
    program = adam()
    values = [OPTIONS[name] for name in program.option_names]
    _, state = program.scalars(values, [3.0])
    assert state == [4.0]
    numbers, _ = program.scalars(values, [0.0])
    # 1 - beta2**t with t = 1, under the root: float32 would be wrong in the fifth digit
    assert (1 - 0.99 ** 1) ** 0.5 in numbers


@pytest.mark.parametrize("size", [0, 1, 7, BLOCK, BLOCK + 1, 3 * BLOCK - 5])
def test_in_place_and_apart_agree_for_every_block_count(size):
    program = adam()
    numbers, _ = program.scalars([OPTIONS[name] for name in program.option_names], [2.0])
    sources, (gradient,) = arrays(size, 4), arrays(size, 1, seed=1)
    apart = [np.full(size, np.nan, np.float32) for _ in sources]
    program.run(numbers, gradient, sources, apart, np.dtype(np.float32))
    in_place = [a.copy() for a in sources]
    program.run(numbers, gradient, in_place, in_place, np.dtype(np.float32))
    for k, (a, b, old) in enumerate(zip(apart, in_place, arrays(size, 4))):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(sources[k], old)      # sources were left alone


def test_scratch_is_reused():
    """Adam's formula has a dozen intermediate results; three buffers hold them."""
    program = adam()
    assert len(program.array_code) >= 12
    assert len(program.flags) <= 3


def test_half_parameters_compute_in_float32():
    program = adam()
    numbers, _ = program.scalars([OPTIONS[name] for name in program.option_names], [2.0])
    sources, (gradient,) = arrays(100, 4), arrays(100, 1, seed=1)
    halves = [a.astype(np.float16) for a in sources]
    wide = [a.astype(np.float32) for a in halves]
    program.run(numbers, gradient.astype(np.float16), halves, halves, np.dtype(np.float32))
    program.run(numbers, gradient.astype(np.float16).astype(np.float32), wide, wide,
                np.dtype(np.float32))
    for half, exact in zip(halves, wide):
        np.testing.assert_array_equal(half, exact.astype(np.float16))


def test_selection_does_not_overwrite_what_it_reads():
    options = {"shrink": 0.5, "grow": 1.2, "smallest": 1e-6, "largest": 50.0, "maximize": False}
    program = StepProgram("Rprop", Rprop.update, options, ("step",), ("prev", "step_size"))
    numbers, _ = program.scalars([options[name] for name in program.option_names], [0.0])
    p, previous, size = (np.array(a, np.float32) for a in
                         ([1, 1, 1], [1, -1, 0], [0.1, 0.1, 0.1]))
    targets = [p, previous, size]
    program.run(numbers, np.array([2, 2, 2], np.float32), targets, targets,
                np.dtype(np.float32))
    np.testing.assert_allclose(size, [0.12, 0.05, 0.1], rtol=1e-6)
    np.testing.assert_allclose(p, [0.88, 1.0, 0.9], rtol=1e-6)
    np.testing.assert_allclose(previous, [2, 0, 2])


def test_structure_is_shared_and_depends_on_what_is_zero():
    first = step_program("Adam", Adam.update, OPTIONS, ("step",), STATE)
    other_rate = step_program("Adam", Adam.update, {**OPTIONS, "lr": 0.2}, ("step",), STATE)
    decayed = step_program("Adam", Adam.update, {**OPTIONS, "weight_decay": 0.1}, ("step",), STATE)
    assert first is other_rate
    assert decayed is not first
    assert len(decayed.array_code) == len(first.array_code) + 2


def test_branching_on_a_value_is_refused():
    def rule(p, g, state, h):
        return p if p > g else g

    with pytest.raises(TypeError, match="may only branch on its options"):
        StepProgram("bad", rule, {}, (), ())


def test_an_output_that_is_an_input_is_copied():
    program = StepProgram("swap", lambda p, g, state, h: swap(p, state), {}, (), ("other",))

    def check(in_place):
        p, other = np.array([1.0], np.float32), np.array([2.0], np.float32)
        targets = [p, other] if in_place else [np.zeros_like(p), np.zeros_like(p)]
        program.run([], np.zeros(1, np.float32), [p, other], targets, np.dtype(np.float32))
        assert targets[0] == 2 and targets[1] == 1

    check(False)
    check(True)


def swap(p, state):
    new, state.other = state.other, p
    return new
