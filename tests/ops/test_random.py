"""Random functions and methods against results recorded by tools/record_random_functions.py."""

import copy
import hashlib
import json
import pathlib
import pickle

import numpy as np
import pytest

import rushlight as torch

RECORDED = json.loads(
    (pathlib.Path(__file__).parent.parent / "data" / "rng" / "functions.json").read_text()
)
SEED = 20


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["expression"])
def test_equals_recorded(case):
    torch.manual_seed(SEED)
    tensor = eval(case["expression"], {"torch": torch})
    assert str(tensor.dtype) == case["dtype"]
    assert list(tensor.shape) == case["shape"]
    assert list(tensor.stride()) == case["strides"]
    data = np.ascontiguousarray(tensor.detach()._array()).tobytes()
    assert (data.hex() if len(data) <= 64 else hashlib.sha256(data).hexdigest()) == case["bits"]
    assert torch.rand((), dtype=torch.float64).item() == case["next"]


def test_draws_stay_in_order_when_read_in_another():
    torch.manual_seed(1)
    first, second = torch.randn(5), torch.rand(3)
    later = second.tolist()
    torch.manual_seed(1)
    assert torch.randn(5).tolist() == first.tolist()
    assert torch.rand(3).tolist() == later


def test_generators_are_independent():
    one, two = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    torch.manual_seed(3)
    expected = torch.rand(4).tolist()
    torch.manual_seed(3)
    a = torch.rand(4, generator=one)
    b = torch.rand(4, generator=two)
    assert torch.rand(4).tolist() == expected
    assert torch.equal(a, torch.rand(4, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(b, torch.rand(4, generator=torch.Generator().manual_seed(2)))


def test_states():
    generator = torch.Generator().manual_seed(6)
    torch.randn(3, generator=generator)  # leaves a spare normal number
    state = generator.get_state()
    assert state.dtype == torch.uint8 and state.shape == (5056,)
    copies = [
        torch.Generator().set_state(state),
        generator.clone_state(),
        pickle.loads(pickle.dumps(generator)),
        copy.deepcopy(generator),
    ]
    expected = torch.randn(3, generator=generator).tolist()
    for other in copies:
        assert other.initial_seed() == 6
        assert torch.randn(3, generator=other).tolist() == expected
    torch.manual_seed(4)
    state = torch.get_rng_state()
    first = torch.rand(3)
    torch.set_rng_state(state)
    assert torch.equal(torch.rand(3), first)
    assert torch.initial_seed() == 4 == torch.random.initial_seed()


def test_state_is_a_snapshot():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    before = state.clone()
    torch.rand(1000)
    assert torch.equal(state, before)


def test_fork_rng():
    torch.manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(9)
        torch.rand(10)
    after = torch.rand(2)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(2), after)
    with torch.random.fork_rng(enabled=False):
        torch.manual_seed(9)
    assert torch.initial_seed() == 9


def test_seeds():
    assert torch.manual_seed(-1).initial_seed() == 2**64 - 1
    assert torch.manual_seed(2**64 - 1) is torch.default_generator
    assert torch.Generator().initial_seed() == 67280421310721
    chosen = torch.seed()
    assert torch.initial_seed() == chosen
    assert torch.Generator().seed() != torch.Generator().seed()
    assert torch.Generator("cpu").device == torch.device("cpu")
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            torch.manual_seed(seed)


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        ("torch.rand(2, dtype=torch.int64)", NotImplementedError, "check_uniform_bounds"),
        ("torch.randn(2, dtype=torch.int64)", NotImplementedError, "normal_kernel_cpu"),
        ("torch.rand(-1)", RuntimeError, "negative dimension -1"),
        ("torch.rand(2, generator=3)", TypeError, "generator"),
        ("torch.zeros(2).uniform_(2, 1)", RuntimeError, r"\[from, to\) range, but found from=2 >"),
        ("torch.zeros(2).uniform_(0, 1e39)", RuntimeError, "to is out of bounds for float"),
        ("torch.zeros(2).uniform_(-3e38, 3e38)", RuntimeError, "to-from to exceed the limit"),
        ("torch.zeros(2).normal_(0, -1)", RuntimeError, "normal expects std >= 0.0, but found"),
        ("torch.zeros(2).log_normal_(0, -1)", RuntimeError, "log_normal_ expects std > 0.0"),
        ("torch.zeros(2).cauchy_(0, -1)", RuntimeError, "cauchy_ expects sigma > 0.0"),
        ("torch.zeros(2).exponential_(-1)", RuntimeError, "exponential_ expects lambda > 0.0"),
        ("torch.zeros(2).long().cauchy_()", RuntimeError, "Cauchy distribution is a continuous"),
        ("torch.zeros(2).long().exponential_()", RuntimeError, "but you specified Long"),
        ("torch.zeros(2).geometric_(2)", RuntimeError, r"p to be in \(0, 1\), but got p=2"),
        ("torch.zeros(2).bernoulli_(2)", RuntimeError, r"p to be in \[0, 1\], but got p=2"),
        ("torch.bernoulli(torch.tensor([2.0]))", RuntimeError, "Expected p_in >= 0"),
        ("torch.bernoulli(torch.ones(2).long())", NotImplementedError, "not implemented for 'Lo"),
        ("torch.randint(5, 5, (2,))", RuntimeError, "from=5 >= to=5"),
        ("torch.randint(5, 3)", TypeError, "must be tuple of ints, not int"),
        ("torch.randint(0, 300, (2,), dtype=torch.uint8)", RuntimeError, "for unsigned char"),
        ("torch.randint(5, (2,), dtype=torch.bool)", RuntimeError, "to - 1 is out of bounds for b"),
        ("torch.zeros(2).byte().random_(-1, 3)", RuntimeError, "from is out of bounds"),
        ("torch.randperm(-1)", RuntimeError, "negative dimension -1"),
        ("torch.randperm(3000, dtype=torch.half)", RuntimeError, "cannot be greater than 2049"),
        ("torch.randperm(300, dtype=torch.uint8)", RuntimeError, "cannot be converted to type uin"),
        ("torch.multinomial(torch.ones(3), 4)", RuntimeError, "cannot sample n_sample > prob_dist"),
        ("torch.multinomial(torch.ones(3), 0)", RuntimeError, "cannot sample n_sample <= 0"),
        ("torch.multinomial(torch.zeros(3), 1)", RuntimeError, "sum of probabilities <= 0"),
        ("torch.multinomial(torch.tensor(1.0), 1)", RuntimeError, "must be 1 or 2 dim"),
        ("torch.multinomial(torch.tensor([-1.0, 2.0]), 1)", RuntimeError, "element < 0"),
        ("torch.poisson(torch.tensor([-1.0]))", RuntimeError, "invalid Poisson rate"),
        ("torch.normal(torch.zeros(1), -1.0)", RuntimeError, "normal expects std >= 0.0"),
        ("torch.normal(torch.zeros(1), torch.tensor([-1.0]))", RuntimeError, "all elements of std"),
        ("torch.dropout(torch.ones(3), 1.5, True)", RuntimeError, "between 0 and 1, but got 1.5"),
        ("torch.feature_dropout(torch.ones(3), 0.5, True)", RuntimeError, "at least 2 dimensions"),
        ("torch.set_rng_state(torch.zeros(5))", TypeError, "must be a torch.ByteTensor"),
        ("torch.set_rng_state(5)", TypeError, "expected a torch.ByteTensor, but got int"),
        ("torch.set_rng_state(torch.zeros(5).byte())", RuntimeError, "state size to be 5"),
        (
            "torch.ones(2, requires_grad=True).normal_()",
            RuntimeError,
            "leaf Variable that requires",
        ),
    ],
)
def test_errors(code, error, text):
    with pytest.raises(error, match=text):
        eval(code, {"torch": torch})


def test_an_error_leaves_the_generator_usable():
    torch.manual_seed(0)
    expected = torch.rand(2).tolist()
    torch.manual_seed(0)
    with pytest.raises(RuntimeError):
        torch.poisson(torch.tensor([-1.0]))
    assert torch.rand(2).tolist() == expected


def test_gradients():
    x = torch.full((4,), 0.5, requires_grad=True)
    y = x * 1
    y.uniform_()
    assert y.requires_grad and type(y.grad_fn).__name__ == "UniformBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [0.0] * 4
    for function, name in (
        (torch.bernoulli, "BernoulliBackward0"),
        (torch.poisson, "PoissonBackward0"),
        (lambda mean: torch.normal(mean, 1.0), "NormalBackward1"),
    ):
        x.grad = None
        drawn = function(x)
        assert type(drawn.grad_fn).__name__ == name
        drawn.sum().backward()
        assert x.grad.tolist() == [0.0] * 4
    assert not torch.multinomial(x, 2).requires_grad
    assert not torch.rand_like(x).requires_grad
    with pytest.raises(NotImplementedError, match="_standard_gamma"):
        torch._standard_gamma(x).sum().backward()


def test_dropout_gradient_is_its_mask():
    torch.manual_seed(5)
    x = torch.ones(50, requires_grad=True)
    y = torch.dropout(x, 0.4, True)
    assert type(y.grad_fn).__name__ == "MulBackward0"
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert set(y.tolist()) == {0.0, y.detach().max().item()}


def test_dropout_without_effect_returns_its_input():
    x = torch.ones(5)
    assert torch.dropout(x, 0.5, False) is x and torch.dropout(x, 0.0, True) is x
    assert torch.dropout(x, 1.0, True).tolist() == [0.0] * 5
    y = torch.ones(5)
    assert torch.dropout_(y, 1.0, True) is y and y.tolist() == [0.0] * 5


def test_random_with_bounds_that_a_dtype_skips_warns():
    with pytest.warns(UserWarning, match="can support discrete uniform distribution only within"):
        torch.zeros(2).random_(2**40)
