"""torch.special: published values, identities, gradients by differences."""

import math

import pytest

import rushlight as torch
from rushlight.autograd import gradcheck

S = torch.special


def value(function, *arguments):
    """A function of float64 numbers as a number."""
    return function(*[torch.tensor(a, dtype=torch.float64) for a in arguments]).item()


# Abramowitz and Stegun, Handbook of Mathematical Functions, or closed forms.
PUBLISHED = [
    ("erf", (0.5,), 0.5204998778130465), ("erf", (2.0,), 0.9953222650189527),
    ("erfc", (3.0,), 2.209049699858544e-05), ("erfc", (10.0,), 2.088487583762545e-45),
    ("erfcx", (10.0,), 0.05614099274382259), ("erfcx", (1e9,), 1e-9 / math.sqrt(math.pi)),
    ("gammaln", (0.5,), 0.5723649429247001), ("gammaln", (100.0,), 359.1342053695754),
    ("gammaln", (-0.5,), 1.2655121234846454), ("gammaln", (1.0 + 1e-9,), -5.772156641009e-10),
    ("digamma", (1.0,), -0.5772156649015329),
    ("i0", (1.0,), 1.2660658777520084), ("i0", (10.0,), 2815.716628466254),
    ("i1", (1.0,), 0.5651591039924851), ("i1e", (-10.0,), -0.12126268138445558),
    ("bessel_j0", (2.404825557695773,), 0.0), ("bessel_j0", (10.0,), -0.2459357644513483),
    ("bessel_j1", (1.0,), 0.44005058574493355), ("bessel_y0", (1.0,), 0.08825696421567697),
    ("bessel_y1", (10.0,), 0.24901542420695383),
    ("modified_bessel_k0", (1.0,), 0.42102443824070834),
    ("modified_bessel_k1", (3.0,), 0.04015643112819419),
    ("ndtr", (1.0,), 0.8413447460685429), ("log_ndtr", (-30.0,), -454.3212439563432),
    ("ndtri", (0.975,), 1.959963984540054), ("ndtri", (1e-10,), -6.361340902404056),
    ("zeta", (2.0, 1.0), math.pi ** 2 / 6), ("zeta", (3.0, 1.0), 1.2020569031595942),
    ("gammainc", (1.0, 2.0), 1 - math.exp(-2)), ("gammaincc", (3.0, 10.0), 61 * math.exp(-10)),
    ("entr", (0.5,), 0.5 * math.log(2)), ("xlog1py", (2.0, 1.0), 2 * math.log(2)),
]


@pytest.mark.parametrize("name, arguments, expected", PUBLISHED)
def test_published_values(name, arguments, expected):
    assert value(getattr(S, name), *arguments) == pytest.approx(expected, rel=1e-11, abs=1e-14)


def test_polygamma_and_its_relatives():
    one = torch.tensor(1.0, dtype=torch.float64)
    assert torch.polygamma(1, one).item() == pytest.approx(math.pi ** 2 / 6, rel=1e-14)
    assert torch.polygamma(2, one).item() == pytest.approx(-2 * 1.2020569031595942, rel=1e-13)
    assert one.polygamma(0).item() == pytest.approx(-0.5772156649015329)
    x = torch.tensor([0.5, 3.5], dtype=torch.float64)
    expected = math.log(math.pi) / 2 + x.lgamma() + (x - 0.5).clamp(min=1).lgamma()
    assert torch.mvlgamma(x, 2)[1].item() == pytest.approx(expected[1].item())
    with pytest.raises(RuntimeError, match="polygamma.n, x. does not support negative n."):
        torch.polygamma(-1, one)


def test_ends_and_poles():
    inf = math.inf
    assert torch.erf(torch.tensor([-inf, 0.0, inf])).tolist() == [-1, 0, 1]
    assert torch.lgamma(torch.tensor([0.0, -1.0, inf])).tolist() == [inf] * 3
    assert S.ndtri(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-inf, 0, inf]
    assert S.entr(torch.tensor([0.0, -1.0])).tolist() == [0, -inf]
    assert torch.isnan(S.bessel_y0(torch.tensor(-1.0)))
    assert S.modified_bessel_k0(torch.tensor(0.0)).item() == inf


def test_orthogonal_polynomials():
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)
    n = torch.tensor(5)
    angle = x.acos()
    assert torch.allclose(S.chebyshev_polynomial_t(x, n), (5 * angle).cos())
    assert torch.allclose((S.chebyshev_polynomial_u(x, n) * angle.sin()), (6 * angle).sin())
    assert torch.allclose(S.legendre_polynomial_p(x, 2), (3 * x * x - 1) / 2)
    assert torch.allclose(S.hermite_polynomial_h(x, 3), 8 * x ** 3 - 12 * x)
    assert torch.allclose(S.hermite_polynomial_he(x, 3), x ** 3 - 3 * x)
    assert torch.allclose(S.laguerre_polynomial_l(x, 2), (x * x - 4 * x + 2) / 2)
    assert S.chebyshev_polynomial_t(x, -1).tolist() == [0] * 7


@pytest.mark.parametrize("name", ["erf", "erfc", "erfcx", "erfinv", "gammaln", "digamma", "ndtr",
                                  "log_ndtr", "ndtri", "entr", "i0", "i1", "i0e", "i1e"])
def test_gradients(name):
    x = torch.tensor([0.15, 0.4, 0.85], dtype=torch.float64, requires_grad=True)
    assert gradcheck(getattr(S, name), x)
    if name not in ("ndtri", "erfinv"):
        assert gradcheck(getattr(S, name), (x * 9).detach().requires_grad_())


def test_float32_erf_is_within_two_units_in_the_last_place():
    x = torch.linspace(-5, 5, 100_001)
    exact = torch.erf(x.double())
    error = (torch.erf(x).double() - exact).abs() / exact.abs().clamp(min=1e-30)
    assert error.max() < 2.5e-7
