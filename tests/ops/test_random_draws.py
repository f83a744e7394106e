"""Random draws against numbers recorded from PyTorch by tools/record_rng.py."""

import hashlib
import json
import pathlib

import ml_dtypes
import numpy as np
import pytest

from rushlight.core.base import mt19937
from rushlight.core.ops import random_draws as draws
from rushlight.core.ops import random_rejection as rejection

RECORDED = json.loads(
    (pathlib.Path(__file__).parent.parent / "data" / "rng" / "draws.json").read_text()
)


def dtype_of(draw):
    name = draw["dtype"]
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def parameters(draw, low, high):
    steps = np.arange(1, draw["count"] + 1, dtype=np.float64) / (draw["count"] + 1)
    values = low + (high - low) * steps
    if dtype_of(draw).itemsize == 2:
        values = values.astype(np.float32)
    return values.astype(dtype_of(draw))


def simple(function):
    return lambda state, d: function(state, d["count"], dtype_of(d), *d["arguments"])


DRAWS = {
    "uniform": simple(draws.draw_uniform),
    "normal": simple(draws.draw_normal),
    "strided_normal": lambda state, d: draws.draw_normal(
        state, d["count"], dtype_of(d), contiguous=d["count"] < 2
    ),
    "log_normal": simple(draws.draw_log_normal),
    "exponential": simple(draws.draw_exponential),
    "cauchy": simple(draws.draw_cauchy),
    "geometric": simple(draws.draw_geometric),
    "bernoulli": simple(draws.draw_bernoulli),
    "bernoulli_tensor": lambda state, d: draws.draw_bernoulli(
        state, d["count"], dtype_of(d), parameters(d, 0.0, 1.0)
    ),
    "integers": simple(draws.draw_integers),
    "full_range": simple(draws.draw_full_range),
    "permutation": lambda state, d: draws.draw_permutation(state, d["count"]),
    "gamma": lambda state, d: rejection.draw_gamma(state, parameters(d, *d["arguments"])),
    "poisson": lambda state, d: rejection.draw_poisson(state, parameters(d, *d["arguments"])),
    "binomial": lambda state, d: rejection.draw_binomial(
        state, np.floor(parameters(d, *d["arguments"])), parameters(d, 0.0, 1.0)
    ),
    "multinomial": lambda state, d: draws.draw_multinomial(
        state, parameters(d, 0.1, 1.0), *d["arguments"]
    ),
}


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("sequence", RECORDED["sequences"], ids=lambda s: f"seed{s['seed']}")
def test_sequence_equals_recorded(sequence):
    state = mt19937.seed_state(sequence["seed"])
    for draw in sequence["draws"]:
        values, state = DRAWS[draw["draw"]](state, draw)
        data = values.tobytes()
        assert (data.hex() if len(data) <= 128 else digest(data)) == draw["bits"], draw
        assert digest(mt19937.to_bytes(state).tobytes()) == draw["state"], draw


def test_every_draw_is_recorded():
    recorded = {draw["draw"] for s in RECORDED["sequences"] for draw in s["draws"]}
    assert recorded == set(DRAWS)


def test_draws_leave_their_state_alone():
    state = mt19937.seed_state(3)
    for name, draw in DRAWS.items():
        before = mt19937.to_bytes(state).copy()
        arguments = {
            "uniform": [0.0, 1.0],
            "normal": [0.0, 1.0],
            "integers": [0, 10],
            "geometric": [0.5],
            "bernoulli": [0.5],
            "multinomial": [3, False],
            "gamma": [1.0, 2.0],
            "poisson": [1.0, 20.0],
            "binomial": [1.0, 20.0],
        }.get(name, [])
        case = {"count": 9, "dtype": "float32", "arguments": arguments}
        first, after = draw(state, case)
        again, after_again = draw(state, case)
        assert np.array_equal(first, again), name
        assert after == after_again, name
        assert np.array_equal(before, mt19937.to_bytes(state)), name
        state = after


def test_state_bytes_round_trip_in_the_middle_of_a_block():
    state = mt19937.seed_state(5)
    _, state = draws.draw_normal(state, 7, np.dtype(np.float64))
    assert state.normal is not None
    copy = mt19937.from_bytes(mt19937.to_bytes(state))
    assert copy == state and copy.normal == state.normal
    ours, _ = draws.draw_uniform(state, 2000, np.float32)
    theirs, _ = draws.draw_uniform(copy, 2000, np.float32)
    assert np.array_equal(ours, theirs)


def test_words_do_not_depend_on_how_they_are_asked_for():
    together, _ = mt19937.draw_words(mt19937.seed_state(11), 20000)
    state, pieces = mt19937.seed_state(11), []
    for count in [1, 622, 1, 1, 623, 624, 625, 5000, 0, 3, 12500]:
        words, state = mt19937.draw_words(state, count)
        pieces.append(words)
    assert np.array_equal(np.concatenate(pieces), together)


def test_first_words_of_the_reference_generator():
    # Published first outputs of mt19937ar.c's init_genrand(5489), the C++ standard's default.
    words, state = mt19937.draw_words(mt19937.seed_state(5489), 3)
    assert words.tolist() == [3499211612, 581869302, 3890346734]
    words, _ = mt19937.draw_words(state, 9997)
    assert int(words[-1]) == 4123659995


def test_rrelu_noise_draws_for_negative_elements_only():
    # Recorded: manual_seed(0); noise of torch._C._nn.rrelu_with_noise on these values.
    values = np.array([1.0, -2.0, 3.0, -4.0, 0.0], np.float32)
    noise, state = draws.draw_rrelu_noise(mt19937.seed_state(0), values, 1 / 8, 1 / 3)
    assert noise.tolist() == [
        1.0,
        0.3270943760871887,
        1.0,
        0.27246248722076416,
        0.22070477902889252,
    ]
    assert state.position == 6


def test_dirichlet_is_normalised_gamma():
    concentration = np.linspace(0.2, 3, 30, dtype=np.float32).reshape(6, 5)
    shares, after = rejection.draw_dirichlet(mt19937.seed_state(4), concentration)
    gamma, same = rejection.draw_gamma(mt19937.seed_state(4), concentration.astype(np.float64))
    assert shares.dtype == np.float32 and same == after
    np.testing.assert_allclose(shares, gamma / gamma.sum(-1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("size", [0, 5000, 5048, 5057])
def test_wrong_state_size(size):
    with pytest.raises(RuntimeError, match=f"found the input RNG state size to be {size}"):
        mt19937.from_bytes(np.zeros(size, np.uint8))


def test_invalid_state_bytes():
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        mt19937.from_bytes(np.zeros(5056, np.uint8))
    raw = mt19937.to_bytes(mt19937.seed_state(0)).copy()
    raw[16] = 200  # words used, without the words left agreeing
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        mt19937.from_bytes(raw)


def test_equal_to_installed_torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(123)
    state = mt19937.seed_state(123)
    for count in (5, 16, 37, 50000):
        values, state = draws.draw_normal(state, count, np.float32)
        assert np.array_equal(values, torch.randn(count).numpy())
        values, state = draws.draw_uniform(state, count, np.float32, -0.3, 0.3)
        assert np.array_equal(values, torch.empty(count).uniform_(-0.3, 0.3).numpy())
        order, state = draws.draw_permutation(state, count)
        assert np.array_equal(order, torch.randperm(count).numpy())
    torch.set_rng_state(torch.from_numpy(mt19937.to_bytes(state).copy()))
    values, _ = draws.draw_uniform(state, 10, np.float64)
    assert np.array_equal(values, torch.rand(10, dtype=torch.float64).numpy())
