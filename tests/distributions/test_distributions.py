"""torch.distributions: recorded PyTorch results, laws, errors."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight import distributions as D

from .cases import CASES, build, facts, gradients

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_pytorch(case):
    expected, found = RECORDED["facts"][case], facts(rushlight, case)
    assert set(found) == set(expected)
    for key, got in found.items():
        if isinstance(got, str):
            assert got == expected[key]
        else:
            np.testing.assert_allclose(got, expected[key], rtol=1e-5, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("case", RECORDED["gradients"])
def test_gradients_of_draws_agree_with_pytorch(case):
    expected, found = RECORDED["gradients"][case], gradients(rushlight, case)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("concentration", "draw"), [(0.3, 0.1), (2.5, 4.0), (80.0, 75.0)])
def test_gradient_of_gamma_draws_keeps_the_quantile(concentration, draw):
    from scipy.special import gammainc, gammaincinv

    from rushlight.distributions._gamma_gradient import standard_gamma_gradient

    quantile, step = gammainc(concentration, draw), 1e-4 * concentration
    above, below = (gammaincinv(concentration + s, quantile) for s in (step, -step))
    found = standard_gamma_gradient([concentration], [draw])[0]
    assert found == pytest.approx((above - below) / (2 * step), rel=1e-5)


def test_gradient_of_gamma_draws_for_large_shapes():
    from scipy.special import gammainc, gammaincinv

    from rushlight.distributions._gamma_gradient import standard_gamma_gradient

    shape, step = 5000.0, 5.0
    for draw in (4800.0, 5000.0, 5150.0):
        quantile = gammainc(shape, draw)
        exact = (gammaincinv(shape + step, quantile) - gammaincinv(shape - step, quantile)) / (
            2 * step
        )
        assert standard_gamma_gradient([shape], [draw])[0] == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("case", ["beta", "dirichlet"])
def test_gradient_of_the_mean_through_draws(case):
    """PyTorch's estimator for these two is another one: ours must be right on average."""
    name, parameters, _, _ = CASES[case]
    made = {k: rushlight.tensor(v, requires_grad=True) for k, v in parameters.items()}
    distribution = getattr(D, name)(**made)
    weight = rushlight.arange(1.0, 4.0) if case == "dirichlet" else rushlight.tensor(1.0)
    exact = rushlight.autograd.grad((distribution.mean * weight).sum(), list(made.values()))
    rushlight.manual_seed(0)
    drawn = distribution.rsample((20000,))
    found = rushlight.autograd.grad((drawn.mean(0) * weight).sum(), list(made.values()))
    for mine, theirs in zip(found, exact):
        np.testing.assert_allclose(mine.tolist(), theirs.tolist(), atol=0.01)


@pytest.mark.parametrize("case", CASES)
def test_shapes(case):
    name, parameters, values, _ = CASES[case]
    distribution = build(rushlight, (name, parameters))
    batch, event = tuple(distribution.batch_shape), tuple(distribution.event_shape)
    assert tuple(distribution.sample().shape) == batch + event
    assert tuple(distribution.sample((4, 2)).shape) == (4, 2) + batch + event
    wider = distribution.expand((3,) + batch)
    assert tuple(wider.batch_shape) == (3,) + batch
    assert tuple(wider.log_prob(rushlight.tensor(values)).shape) == (3,) + batch
    np.testing.assert_allclose(
        wider.log_prob(rushlight.tensor(values))[1].tolist(),
        distribution.log_prob(rushlight.tensor(values)).tolist(),
        rtol=1e-6,
    )


# These have no variance, or no formula for it.
NO_VARIANCE = {"cauchy", "half_cauchy", "student", "pareto", "inverse_gamma"}
NO_FORMULA = {"relaxed_bernoulli", "relaxed_one_hot"}


@pytest.mark.parametrize("case", sorted(set(CASES) - NO_VARIANCE - NO_FORMULA))
def test_draws_have_the_mean_and_the_deviation(case):
    distribution = build(rushlight, CASES[case][:2])
    rushlight.manual_seed(3)
    if bool(rushlight.isnan(distribution.mean).any()):
        return  # a class number has no mean
    drawn = distribution.sample((4000,)).double()
    deviation = distribution.variance.sqrt().double()
    error = (drawn.mean(0) - distribution.mean).abs() / deviation
    assert error.max().item() < 5 / math.sqrt(4000)


def test_support_is_checked():
    with pytest.raises(ValueError, match="Expected parameter scale .* of distribution Normal"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="to be within the support"):
        D.Exponential(1.0).log_prob(rushlight.tensor(-1.0))
    with pytest.raises(ValueError, match="must be a Tensor"):
        D.Normal(0.0, 1.0).log_prob(0.5)
    with pytest.raises(ValueError, match="Either `probs` or `logits`"):
        D.Bernoulli()
    with pytest.raises(ValueError, match="not broadcastable"):
        D.Normal(rushlight.zeros(3), 1.0).log_prob(rushlight.zeros(2))
    D.Normal(0.0, -1.0, validate_args=False)


def test_no_formula_names_the_kinds():
    with pytest.raises(NotImplementedError, match="p type Cauchy and q type Normal"):
        D.kl_divergence(D.Cauchy(0.0, 1.0), D.Normal(0.0, 1.0))


def test_registered_formula_is_found_for_sub_classes():
    class Mine(D.Normal):
        pass

    @D.register_kl(Mine, D.Normal)
    def formula(p, q):
        return rushlight.tensor(42.0)

    assert D.kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0)).item() == 42.0
    assert D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0)).item() == 0.0


def test_independent_sums_over_the_event():
    base = D.Normal(rushlight.zeros(2, 3), rushlight.ones(3))
    joined = D.Independent(base, 1)
    assert (joined.batch_shape, joined.event_shape) == ((2,), (3,))
    value = rushlight.ones(2, 3)
    assert rushlight.equal(joined.log_prob(value), base.log_prob(value).sum(-1))
    other = D.Independent(D.Normal(rushlight.ones(2, 3), 1.0), 1)
    assert D.kl_divergence(joined, other).tolist() == [1.5, 1.5]
    with pytest.raises(ValueError, match="reinterpreted_batch_ndims"):
        D.Independent(base, 3)


@pytest.mark.parametrize(
    "transform",
    [
        D.ExpTransform(), D.SigmoidTransform(), D.TanhTransform(), D.SoftplusTransform(),
        D.AffineTransform(0.5, -2.0), D.PowerTransform(2.0), D.ExpTransform().inv,
        D.ComposeTransform([D.AffineTransform(1.0, 0.5), D.TanhTransform()]),
    ],
    ids=repr,
)  # fmt: skip
def test_transforms_invert_and_know_their_slope(transform):
    x = rushlight.tensor([0.2, 0.7, 1.3], dtype=rushlight.float64, requires_grad=True)
    y = transform(x)
    np.testing.assert_allclose(transform.inv(y).tolist(), x.tolist(), rtol=1e-9)
    (slope,) = rushlight.autograd.grad(y.sum(), x, retain_graph=True)
    logs = transform.log_abs_det_jacobian(x, y)
    np.testing.assert_allclose(logs.exp().tolist(), slope.abs().tolist(), rtol=1e-9)
    assert transform.inv.inv is transform


def test_stick_breaking_lands_on_the_simplex():
    transform = D.StickBreakingTransform()
    x = rushlight.tensor([0.3, -1.0, 0.5], dtype=rushlight.float64)
    y = transform(x)
    assert y.shape == (4,) and y.sum().item() == pytest.approx(1)
    np.testing.assert_allclose(transform.inv(y).tolist(), x.tolist(), rtol=1e-9)
    jacobian = rushlight.autograd.functional.jacobian(lambda v: transform(v)[:-1], x)
    determinant = np.linalg.slogdet(np.array(jacobian.tolist()))[1]
    assert transform.log_abs_det_jacobian(x, y).item() == pytest.approx(determinant)


def test_transformed_distribution_is_the_log_normal():
    chain = [D.AffineTransform(0.5, 2.0), D.ExpTransform()]
    made = D.TransformedDistribution(D.Normal(0.0, 1.0), chain)
    value = rushlight.tensor([0.3, 1.0, 4.0])
    expected = D.LogNormal(0.5, 2.0)
    np.testing.assert_allclose(
        made.log_prob(value).tolist(), expected.log_prob(value).tolist(), rtol=1e-5
    )
    np.testing.assert_allclose(made.cdf(value).tolist(), expected.cdf(value).tolist(), rtol=1e-5)


@pytest.mark.parametrize(
    ("constraint", "dimensions"),
    [
        (D.constraints.positive, 1), (D.constraints.unit_interval, 1),
        (D.constraints.interval(-2.0, 3.0), 1), (D.constraints.greater_than(1.5), 1),
        (D.constraints.simplex, 1), (D.constraints.real, 1), (D.constraints.lower_cholesky, 2),
    ],
    ids=repr,
)  # fmt: skip
def test_transform_to_reaches_the_region(constraint, dimensions):
    x = rushlight.randn((3,) * dimensions, generator=rushlight.Generator().manual_seed(1))
    for registry in (D.transform_to, D.biject_to):
        assert bool(constraint.check(registry(constraint)(x)).all())


def test_mixture():
    weights = D.Categorical(rushlight.tensor([[0.2, 0.8], [0.5, 0.5]]))
    parts = D.Normal(rushlight.tensor([[0.0, 3.0], [-1.0, 1.0]]), rushlight.tensor([1.0, 0.5]))
    mixture = D.MixtureSameFamily(weights, parts)
    value = rushlight.tensor([0.5, -0.5])
    each = parts.log_prob(value.unsqueeze(-1)).exp()
    expected = (each * weights.probs).sum(-1).log()
    np.testing.assert_allclose(mixture.log_prob(value).tolist(), expected.tolist(), rtol=1e-5)
    assert mixture.mean.tolist() == pytest.approx([2.4, 0.0], abs=1e-6)
    rushlight.manual_seed(0)
    drawn = mixture.sample((5000,))
    np.testing.assert_allclose(drawn.mean(0).tolist(), mixture.mean.tolist(), atol=0.1)
    np.testing.assert_allclose(drawn.var(0).tolist(), mixture.variance.tolist(), rtol=0.1)
    assert tuple(mixture.expand((4, 2)).sample((3,)).shape) == (3, 4, 2)
    with pytest.raises(ValueError, match="does not equal"):
        D.MixtureSameFamily(D.Categorical(rushlight.ones(3)), parts)


def test_straight_through_gradient_is_that_of_the_probabilities():
    logits = rushlight.tensor([0.1, 0.5, -0.3], requires_grad=True)
    drawn = D.OneHotCategoricalStraightThrough(logits=logits).rsample()
    assert sorted(drawn.round().tolist()) == [0.0, 0.0, 1.0]
    (found,) = rushlight.autograd.grad(drawn[0], logits, retain_graph=True)
    (expected,) = rushlight.autograd.grad(rushlight.softmax(logits, 0)[0], logits)
    np.testing.assert_allclose(found.tolist(), expected.tolist(), rtol=1e-6)
