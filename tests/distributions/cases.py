"""The distributions under test, as recipes that work on rushlight and on PyTorch alike."""

# name: (class, parameters, values in the support, (class, parameters) to compare with)
CASES = {
    "normal": (
        "Normal",
        {"loc": [0.5, -1.0, 2.0], "scale": [1.0, 0.3, 2.0]},
        [0.1, -1.2, 5.0],
        ("Normal", {"loc": [0.0, 0.0, 1.0], "scale": [1.0, 2.0, 0.7]}),
    ),
    "log_normal": (
        "LogNormal",
        {"loc": [0.5, -1.0], "scale": [1.0, 0.3]},
        [0.4, 2.0],
        ("LogNormal", {"loc": [0.1, 0.2], "scale": [0.5, 0.6]}),
    ),
    "half_normal": (
        "HalfNormal",
        {"scale": [1.0, 0.3]},
        [0.4, 0.2],
        ("HalfNormal", {"scale": [2.0, 0.5]}),
    ),
    "uniform": (
        "Uniform",
        {"low": [0.0, -1.0], "high": [1.0, 3.0]},
        [0.4, 2.0],
        ("Uniform", {"low": [-1.0, 0.0], "high": [2.0, 4.0]}),
    ),
    "uniform_normal": (
        "Uniform",
        {"low": [0.0, -1.0], "high": [1.0, 3.0]},
        [0.4, 2.0],
        ("Normal", {"loc": [-1.0, 0.0], "scale": [2.0, 4.0]}),
    ),
    "exponential": (
        "Exponential",
        {"rate": [0.5, 3.0]},
        [0.4, 2.0],
        ("Exponential", {"rate": [1.0, 0.1]}),
    ),
    "exponential_normal": (
        "Exponential",
        {"rate": [0.5, 3.0]},
        [0.4, 2.0],
        ("Normal", {"loc": [1.0, 0.1], "scale": [1.0, 2.0]}),
    ),
    "laplace": (
        "Laplace",
        {"loc": [0.5, -1.0], "scale": [1.0, 0.3]},
        [0.4, 2.0],
        ("Laplace", {"loc": [0.1, 0.2], "scale": [0.5, 0.6]}),
    ),
    "normal_laplace": (
        "Normal",
        {"loc": [0.5, -1.0], "scale": [1.0, 0.3]},
        [0.4, 2.0],
        ("Laplace", {"loc": [0.1, 0.2], "scale": [0.5, 0.6]}),
    ),
    "cauchy": ("Cauchy", {"loc": [0.5, -1.0], "scale": [1.0, 0.3]}, [0.4, 2.0], None),
    "gumbel": (
        "Gumbel",
        {"loc": [0.5, -1.0], "scale": [1.0, 0.3]},
        [0.4, 2.0],
        ("Gumbel", {"loc": [0.1, 0.2], "scale": [0.5, 0.6]}),
    ),
    "student": (
        "StudentT",
        {"df": [3.0, 1.5], "loc": [0.5, -1.0], "scale": [1.0, 0.3]},
        [0.4, 2.0],
        None,
    ),
    "gamma": (
        "Gamma",
        {"concentration": [0.5, 3.0, 40.0], "rate": [1.0, 0.3, 2.0]},
        [0.4, 2.0, 18.0],
        ("Gamma", {"concentration": [1.5, 2.0, 30.0], "rate": [0.7, 0.5, 1.0]}),
    ),
    "chi2": ("Chi2", {"df": [1.0, 5.0]}, [0.4, 2.0], ("Chi2", {"df": [2.0, 4.0]})),
    "beta": (
        "Beta",
        {"concentration1": [0.5, 3.0], "concentration0": [2.0, 1.5]},
        [0.4, 0.9],
        ("Beta", {"concentration1": [1.0, 2.0], "concentration0": [1.0, 2.5]}),
    ),
    "dirichlet": (
        "Dirichlet",
        {"concentration": [[0.5, 3.0, 1.0], [2.0, 1.5, 4.0]]},
        [[0.2, 0.5, 0.3], [0.1, 0.3, 0.6]],
        ("Dirichlet", {"concentration": [[1.0, 1.0, 1.0], [3.0, 2.0, 1.0]]}),
    ),
    "bernoulli": (
        "Bernoulli",
        {"probs": [0.2, 0.7]},
        [1.0, 0.0],
        ("Bernoulli", {"logits": [0.5, -2.0]}),
    ),
    "binomial": (
        "Binomial",
        {"total_count": 8, "probs": [0.2, 0.7]},
        [3.0, 8.0],
        ("Binomial", {"total_count": 8, "logits": [0.5, -2.0]}),
    ),
    "geometric": (
        "Geometric",
        {"probs": [0.2, 0.7]},
        [3.0, 0.0],
        ("Geometric", {"logits": [0.5, -2.0]}),
    ),
    "poisson": ("Poisson", {"rate": [0.5, 12.0]}, [0.0, 9.0], ("Poisson", {"rate": [1.0, 10.0]})),
    "categorical": (
        "Categorical",
        {"probs": [[0.2, 0.3, 0.5], [1.0, 1.0, 8.0]]},
        [1.0, 2.0],
        ("Categorical", {"logits": [[0.1, 0.2, 0.3], [0.0, -1.0, 2.0]]}),
    ),
    "one_hot": (
        "OneHotCategorical",
        {"logits": [[0.2, 0.3, 0.5], [1.0, 1.0, 8.0]]},
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        ("OneHotCategorical", {"probs": [[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]}),
    ),
    "multivariate": (
        "MultivariateNormal",
        {"loc": [0.5, -1.0], "covariance_matrix": [[2.0, 0.5], [0.5, 1.0]]},
        [0.4, 2.0],
        ("MultivariateNormal", {"loc": [0.0, 0.1], "scale_tril": [[1.0, 0.0], [0.3, 0.7]]}),
    ),
    "multivariate_precision": (
        "MultivariateNormal",
        {"loc": [0.5, -1.0], "precision_matrix": [[2.0, 0.5], [0.5, 1.0]]},
        [0.4, 2.0],
        None,
    ),
    "half_cauchy": ("HalfCauchy", {"scale": [1.0, 0.3]}, [0.4, 0.2], None),
    "pareto": ("Pareto", {"scale": [1.0, 0.3], "alpha": [3.0, 1.5]}, [1.4, 0.9], None),
    "weibull": ("Weibull", {"scale": [1.0, 0.3], "concentration": [2.0, 1.5]}, [0.4, 0.9], None),
    "inverse_gamma": (
        "InverseGamma",
        {"concentration": [3.0, 1.5], "rate": [1.0, 0.3]},
        [0.4, 0.9],
        None,
    ),
    "negative_binomial": (
        "NegativeBinomial",
        {"total_count": [5.0, 2.5], "probs": [0.3, 0.6]},
        [3.0, 0.0],
        None,
    ),
    "multinomial": (
        "Multinomial",
        {"total_count": 6, "probs": [[0.2, 0.3, 0.5], [0.6, 0.2, 0.2]]},
        [[1.0, 2.0, 3.0], [6.0, 0.0, 0.0]],
        None,
    ),
    "straight_through": (
        "OneHotCategoricalStraightThrough",
        {"probs": [[0.2, 0.3, 0.5], [0.6, 0.2, 0.2]]},
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        ("OneHotCategorical", {"probs": [[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]}),
    ),
    "relaxed_bernoulli": (
        "RelaxedBernoulli",
        {"temperature": [0.7], "probs": [0.3, 0.6]},
        [0.2, 0.9],
        None,
    ),
    "relaxed_one_hot": (
        "RelaxedOneHotCategorical",
        {"temperature": [0.7], "logits": [[0.2, 0.3, 0.5], [1.0, 1.0, 2.0]]},
        [[0.2, 0.5, 0.3], [0.1, 0.3, 0.6]],
        None,
    ),
}


def build(library, recipe):
    """Return the distribution of one library for a recipe (class, parameters)."""
    name, parameters = recipe
    made = {k: library.tensor(v) if isinstance(v, list) else v for k, v in parameters.items()}
    return getattr(library.distributions, name)(**made)


def facts(library, case):
    """Return what a case gives: a dictionary from property names to nested lists."""
    name, parameters, values, other = CASES[case]
    distribution = build(library, (name, parameters))
    value = library.tensor(values)
    result = {"log_prob": distribution.log_prob(value)}
    for method in ("entropy",):
        result[method] = getattr(distribution, method)
    for method in ("cdf", "icdf"):
        at = value if method == "cdf" else library.full(distribution.batch_shape, 0.3)
        result[method] = lambda m=method, at=at: getattr(distribution, m)(at)
    for attribute in ("mean", "variance", "stddev", "mode"):
        result[attribute] = lambda a=attribute: getattr(distribution, a)
    if other is not None:
        result["kl"] = lambda: library.distributions.kl_divergence(
            distribution, build(library, other)
        )
    result["repr"] = lambda: repr(distribution)
    found = {}
    for key, compute in result.items():
        try:
            got = compute() if callable(compute) else compute
        except NotImplementedError:
            continue
        found[key] = got if isinstance(got, str) else got.detach().tolist()
    library.manual_seed(12)
    found["sample"] = distribution.sample((2,)).tolist()
    return found


def gradients(library, case):
    """Return the gradients of a reparametrised draw's sum with respect to the parameters."""
    name, parameters, _, _ = CASES[case]
    made = {k: library.tensor(v, requires_grad=True) for k, v in parameters.items()}
    library.manual_seed(5)
    getattr(library.distributions, name)(**made).rsample((3,)).sum().backward()
    return {k: v.grad.tolist() for k, v in made.items()}
