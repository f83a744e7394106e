"""The rest of torch.special: polygamma, Bessel functions, the normal distribution, polynomials."""

from __future__ import annotations

import functools
import math

from .arguments import need_tensor
from .record import EXPORTS, export, pointwise


def _kernel(module, name, *arguments):
    """A kernel of `core.interpreter.kernels`, imported when it first runs."""
    @functools.cache
    def load():
        from importlib import import_module
        found = getattr(import_module("..interpreter.kernels." + module, __package__), name)
        return found(*arguments) if arguments else found
    return lambda *arrays: load()(*arrays)


def _body(w, *operands):
    raise NotImplementedError("this function has no body in scalar words, only a NumPy kernel")


def _refused(name):
    def derivative(g):
        raise RuntimeError(f"the derivative for '{name}' is not implemented.")
    return derivative


def _one(name, derivative, kernel, targets=("special",), inplace=False, aliases=(), prefix=True):
    """A function of one operand; integers become the default float."""
    op = pointwise(("special_" if prefix else "") + name, _body,
                   {"x": derivative or _refused("special_" + name)}, promotion="float",
                   numpy=kernel)

    def function(input):  # noqa: A002
        return op.call(input)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name} of each element, as torch.special.{name}."
    export(*targets, inplace=inplace, out=True, aliases=aliases)(function)
    return op


def _two(name, derivative, kernel, first="input", second="other"):
    op = pointwise("special_" + name, _body, derivative, inputs="x y", promotion="float",
                   numpy=kernel)

    def function(input, other):  # noqa: A002
        return op.call(input, other)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name} of each pair of elements, as torch.special.{name}."
    export("special", out=True)(function)
    return op


# ---- normal distribution, entropy -------------------------------------------------------------

ROOT_TAU = math.sqrt(2 * math.pi)
SPECIAL = "special_functions"
ndtr = _one("ndtr", lambda g, x: g * ((x * x * -0.5).exp() / ROOT_TAU), _kernel(SPECIAL, "ndtr"))
log_ndtr = _one("log_ndtr", lambda g, x: g / _mills(x) * 2 / ROOT_TAU,
                _kernel(SPECIAL, "log_ndtr"))
ndtri = _one("ndtri", lambda g, out: g * ((out * out / 2).exp() * ROOT_TAU),
             _kernel(SPECIAL, "ndtri"))
erfcx = _one("erfcx", lambda g, x, out: g * (2 * x * out - 2 / math.sqrt(math.pi)),
             _kernel(SPECIAL, "erfcx"))
entr = _one("entr", lambda g, x: g * (-x.log() - 1), _kernel(SPECIAL, "entr"))


def _mills(x):
    """2 exp(x^2 / 2) ndtr(x), without overflow for negative x."""
    return erfcx.call(x / -math.sqrt(2))


def _xlog1py_x(g, x, y):
    import rushlight
    log = math.log1p(y) if isinstance(y, (int, float)) else y.log1p()
    return g * rushlight.where((x == 0) & (y <= -1), 0, log) if hasattr(y, "shape") else g * log


xlog1py = _two("xlog1py", {"x": _xlog1py_x, "y": lambda g, x, y: g * (x / (y + 1))},
               _kernel(SPECIAL, "xlog1py"))

# ---- gamma and zeta ---------------------------------------------------------------------------

zeta = _two("zeta", {
    "x": lambda g: (_ for _ in ()).throw(RuntimeError(
        "the derivative for 'self' is not implemented.")),
    "y": lambda g, x, y: g * -x * zeta.call(x + 1, y)}, _kernel(SPECIAL, "zeta"))
polygamma_op = pointwise(
    "polygamma", _body, {"x": lambda g, x, n: g * polygamma(n + 1, x)}, inputs="x n",
    promotion="float", numpy=lambda x, n: _polygamma_kernel(x, n))
_polygamma_kernel = _kernel(SPECIAL, "polygamma")


def _polygamma(n, x):
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return x.digamma() if n == 0 else polygamma_op.call(x, int(n))


@export("torch", "special", out=True)
def polygamma(n, input):  # noqa: A002
    """The n-th derivative of digamma."""
    return _polygamma(n, input)


@export("Tensor", name="polygamma", inplace=True)
def polygamma_method(self, n):
    """See `torch.polygamma`."""
    return _polygamma(n, self)


@export("torch", "Tensor", inplace=True, out=True)
def mvlgamma(input, p):  # noqa: A002
    """The logarithm of the multivariate gamma function of dimension p."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    import rushlight
    if input.dtype.category < 2:
        input = input.to(rushlight.get_default_dtype())  # noqa: A001
    steps = rushlight.arange(p, dtype=input.dtype) / -2
    total = (input.unsqueeze(-1) + steps).lgamma().sum(-1)
    return total + p * (p - 1) / 4 * math.log(math.pi)


@export("special", out=True)
def multigammaln(input, p):  # noqa: A002
    """See `torch.mvlgamma`."""
    return mvlgamma(input, p)


def _incomplete(name, sign, alias):
    def slope(g, x, y):
        return g * (sign * ((x - 1) * y.log() - y - x.lgamma()).exp())

    def refuse(g):
        raise RuntimeError(f"the derivative for '{name}: input' is not implemented.")
    op = pointwise(name, _body, {"x": refuse, "y": slope}, inputs="x y", promotion="float",
                   numpy=_kernel(SPECIAL, name))

    def function(input, other):  # noqa: A002
        need_tensor(input, name, "input", 1)
        need_tensor(other, name, "other", 2)
        return op.call(input, other)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The regularised incomplete gamma function torch.{name}."
    export("torch", "Tensor", inplace=True, out=True)(function)
    export("special", name=alias, out=True)(function)


_incomplete("igamma", 1, "gammainc")
_incomplete("igammac", -1, "gammaincc")

# ---- Bessel functions -------------------------------------------------------------------------

i1 = _one("i1", lambda g, x, out: g * _i1_slope(x, out), _kernel("bessel", "i1"))
i0 = _one("i0", lambda g, x: g * i1.call(x), _kernel("bessel", "i0"),
          ("torch", "Tensor", "special"), True, prefix=False)
i0e = _one("i0e", lambda g, x, out: g * (i1e.call(x) - x.sgn() * out), _kernel("bessel", "i0e"))
i1e = _one("i1e", lambda g, x, out: g * _i1e_slope(x, out), _kernel("bessel", "i1e"))


def _over(out, x, at_zero):
    import rushlight
    zero = x == 0
    return rushlight.where(zero, at_zero, out / rushlight.where(zero, 1, x))


def _i1_slope(x, out):
    return i0.call(x) - _over(out, x, 0.5)


def _i1e_slope(x, out):
    return i0e.call(x) - x.sgn() * out - _over(out, x, 0.5)


for _name, _source in (("bessel_j0", "j0"), ("bessel_j1", "j1"), ("bessel_y0", "y0"),
                       ("bessel_y1", "y1"), ("modified_bessel_i0", "i0"),
                       ("modified_bessel_i1", "i1"), ("modified_bessel_k0", "k0"),
                       ("modified_bessel_k1", "k1"), ("scaled_modified_bessel_k0", "k0e"),
                       ("scaled_modified_bessel_k1", "k1e"),
                       ("spherical_bessel_j0", "spherical_j0")):
    _one(_name, None, _kernel("bessel", _source))

# ---- orthogonal polynomials -------------------------------------------------------------------

for _name, _source, _shifted in (
        *((f"{_s}chebyshev_polynomial_{_k}", _k, bool(_s)) for _s in ("", "shifted_")
          for _k in "tuvw"),
        ("hermite_polynomial_h", "hermite_h", False),
        ("hermite_polynomial_he", "hermite_he", False),
        ("laguerre_polynomial_l", "laguerre", False),
        ("legendre_polynomial_p", "legendre", False)):
    _two(_name, {("x", "y"): _refused("special_" + _name)},
         _kernel(SPECIAL, "polynomial", _source, _shifted))

# ---- second names -----------------------------------------------------------------------------

SAME = {"digamma": "digamma psi", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv",
        "exp2": "exp2", "sigmoid": "expit", "expm1": "expm1", "lgamma": "gammaln",
        "log1p": "log1p", "round": "round", "sinc": "sinc"}
for _record in [e for e in EXPORTS if e.name in SAME and "torch" in e.targets]:
    for _name in SAME[_record.name].split():
        export("special", name=_name, out=True)(_record.function)


@export("special", name="airy_ai", out=True)
def airy_ai(input):  # noqa: A002
    """Not implemented: NotImplementedError."""
    raise NotImplementedError("torch.special.airy_ai is not implemented in rushlight")
