"""Elementwise functions of two or three operands."""

from __future__ import annotations

import math

import numpy as np

from ..base import dtypes as dt
from ..base.promotion import result_dtype
from .arguments import cpp_name, not_implemented_for
from .arithmetic import _conj, mul_op
from .record import export, pointwise


def _two(name, body, derivative, numpy=None, promotion="same", inplace=True, aliases=(),
         targets=("torch", "Tensor"), **facts):
    """Define and publish ``name(input, other)``."""
    op = pointwise(name, body, derivative, inputs="x y", promotion=promotion, numpy=numpy, **facts)

    def function(input, other):  # noqa: A002
        return op.call(input, other)
    function.__name__ = name
    function.__doc__ = f"{name} of each pair of elements, with broadcasting, as torch.{name}."
    export(*targets, inplace=inplace, out=True, aliases=aliases)(function)
    return op


def _is_number(x):
    return isinstance(x, (bool, int, float, complex))


# ---- powers ---------------------------------------------------------------------------------

def _pow_types(x, y):
    common = result_dtype([x, y])
    return common, common


def _pow_check(x, y):
    if y is int and getattr(x, "dtype", dt.float32).category < 2:
        return


def _pow_kernel(x, y):
    kind = np.result_type(x, y).kind if not _is_number(y) else x.dtype.kind
    if kind in "iu":
        return _integer_power(x, y)
    if _is_number(y):
        if y == 2:
            return x * x
        if y == 0.5 and x.dtype.kind == "f":
            return np.sqrt(x)
        if y == 1:
            return x
        if y == 3:
            return x * x * x
        if y == -1:
            return 1 / x
        if y == -2:
            return 1 / (x * x)
        if y == -0.5 and x.dtype.kind == "f":
            return 1 / np.sqrt(x)
        if y == 0:
            return np.ones_like(x)
    return np.power(x, y)


def _integer_power(x, y):
    x, y = np.broadcast_arrays(np.asarray(x), np.asarray(y))
    result = np.power(x, np.maximum(y, 0))
    if (y < 0).any():
        sign = np.where(y % 2 == 0, 1, -1)
        tiny = np.where(x == 1, 1, np.where(x == -1, sign, 0))
        result = np.where(y < 0, tiny, result)
    return result.astype(x.dtype)


def _pow_backward_x(g, x, y):
    import rushlight
    if _is_number(y):
        if y == 0:
            return rushlight.zeros_like(g)
        return g * _conj(y * pow_op.call(x, y - 1))
    slope = pow_op.call(x, y - 1)
    return rushlight.where(y == 0, 0, g * _conj(y * slope))


def _pow_backward_y(g, x, y, out):
    import rushlight
    if _is_number(x):
        log = complex(x) if isinstance(x, complex) else x
        if x == 0:
            return rushlight.where(y >= 0 if not y.is_complex() else y.real >= 0, 0,
                                   g * _conj(out * -math.inf)) if not y.is_complex() else \
                rushlight.zeros_like(g)
        factor = np.log(complex(log)) if isinstance(x, complex) or x < 0 and y.is_complex() else \
            (math.log(x) if x > 0 else math.nan)
        return g * _conj(out * (complex(factor) if isinstance(factor, np.complexfloating)
                                else factor))
    positive = y.real >= 0 if y.is_complex() else y >= 0
    zero = rushlight.logical_and(x == 0, positive)
    return rushlight.where(zero, 0, g * _conj(out * rushlight.where(zero, 1, x).log()))


pow_op = pointwise("pow", lambda w, x, y: w.pow(x, y),
                   {"x": _pow_backward_x, "y": _pow_backward_y}, inputs="x y",
                   promotion=_pow_types, numpy=_pow_kernel, domain=(0, None),
                   refuses={"b": "pow"})


@export("torch", "Tensor", inplace=True, out=True)
def pow(input, exponent):  # noqa: A001, A002
    """``input ** exponent``. RuntimeError for a negative integer power of integers."""
    if type(exponent) is int and exponent < 0 and hasattr(input, "dtype") and \
            input.dtype.category < 2:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return pow_op.call(input, exponent)


@export("torch", "Tensor", inplace=True, out=True)
def float_power(input, exponent):  # noqa: A002
    """``input ** exponent`` in float64 (complex128 for complex operands)."""
    complex_ = any(isinstance(o, complex) or (hasattr(o, "dtype") and o.is_complex())
                   for o in (input, exponent))
    wide = dt.complex128 if complex_ else dt.float64
    if hasattr(input, "to"):
        input = input.to(wide)  # noqa: A001
    if hasattr(exponent, "to"):
        exponent = exponent.to(wide)
    if _is_number(input):
        input = complex(input) if complex_ else float(input)  # noqa: A001
    return pow_op.call(input, exponent)


# ---- extrema --------------------------------------------------------------------------------

def _share_max(g, x, y):
    import rushlight
    return rushlight.where(x == y, g / 2, g)


def _extremum_gradient(choose):
    def gradient(g, x, y):
        import rushlight
        return rushlight.where(x == y, g / 2, rushlight.where(choose(x, y), 0, g))
    return gradient


def _not_for_complex(name):
    return {"c": (RuntimeError, f"{name} not implemented for complex tensors.")}


def _extremum(name, body, numpy, lower, aliases=()):
    op = _two(name, body,
              {"x": lambda g, x, y: _extremum_gradient(lower)(g, x, y),
               "y": lambda g, x, y: _extremum_gradient(lower)(g, y, x)}, numpy, aliases=aliases,
              inplace=False, refuses=_not_for_complex(name))
    return op


maximum = _extremum("maximum", lambda w, x, y: w.maximum(x, y), np.maximum, lambda x, y: x < y)
minimum = _extremum("minimum", lambda w, x, y: w.minimum(x, y), np.minimum, lambda x, y: x > y)


def _fmax_x(g, x, y):
    import rushlight
    keep = rushlight.logical_or(x >= y, y != y)
    return rushlight.where(keep, g, 0)


def _fmax_y(g, x, y):
    import rushlight
    keep = rushlight.logical_or(x >= y, y != y)
    return rushlight.where(keep, 0, g)


def _fmin_x(g, x, y):
    import rushlight
    keep = rushlight.logical_or(x <= y, y != y)
    return rushlight.where(keep, g, 0)


def _fmin_y(g, x, y):
    import rushlight
    keep = rushlight.logical_or(x <= y, y != y)
    return rushlight.where(keep, 0, g)


fmax = _two("fmax", lambda w, x, y: w.fmax(x, y), {"x": _fmax_x, "y": _fmax_y}, np.fmax,
            inplace=False, refuses=_not_for_complex("fmax"))
fmin = _two("fmin", lambda w, x, y: w.fmin(x, y), {"x": _fmin_x, "y": _fmin_y}, np.fmin,
            inplace=False, refuses=_not_for_complex("fmin"))


# ---- clamp ----------------------------------------------------------------------------------

def _clamp_backward(g, x, low, high):
    import rushlight
    inside = None
    if low is not None:
        inside = x >= low
    if high is not None:
        below = x <= high
        inside = below if inside is None else rushlight.logical_and(inside, below)
    return rushlight.where(inside, g, 0)


def _clamp_backward_low(g, x, low, high):
    import rushlight
    under = x < low
    if high is not None:
        under = rushlight.logical_and(under, low < high)
    return rushlight.where(under, g, 0)


def _clamp_backward_high(g, x, low, high):
    import rushlight
    over = x > high
    if low is not None:
        over = rushlight.logical_or(over, rushlight.logical_and(low > high, x == x))
    return rushlight.where(over, g, 0)


def _clamp_kernel(x, low, high):
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


clamp_op = pointwise(
    "clamp", lambda w, x, low, high: _clamp_body(w, x, low, high),
    {"x": _clamp_backward, "low": _clamp_backward_low, "high": _clamp_backward_high},
    inputs="x low? high?", numpy=_clamp_kernel, node_name="ClampBackward1",
    refuses={"c": (NotImplementedError, "clamp is not supported for complex types")})


def _clamp_body(w, x, low, high):
    if low is not None:
        x = w.maximum(x, low)
    return x if high is None else w.minimum(x, high)


@export("torch", "Tensor", inplace=True, out=True, aliases=("clip",))
def clamp(input, min=None, max=None):  # noqa: A002
    """Elements below `min` raised to it and above `max` lowered to it (numbers or tensors)."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if any(isinstance(b, float) and b != b for b in (min, max)):
        import rushlight
        return rushlight.full_like(input, math.nan)
    return clamp_op(input, min, max)


@export("torch", "Tensor", inplace=True, out=True)
def clamp_min(input, min):  # noqa: A002
    """Elements below `min` raised to it."""
    return clamp_op(input, min, None)


@export("torch", "Tensor", inplace=True, out=True)
def clamp_max(input, max):  # noqa: A002
    """Elements above `max` lowered to it."""
    return clamp_op(input, None, max)


# ---- remainders -----------------------------------------------------------------------------

def _divide_floor(x, y):
    import rushlight
    return rushlight.div(x, y, rounding_mode="floor")


def _divide_trunc(x, y):
    import rushlight
    return rushlight.div(x, y, rounding_mode="trunc")


def _remainder_kernel(x, y):
    if np.result_type(x, y).kind in "iub":
        if np.any(np.asarray(y) == 0):
            raise RuntimeError("ZeroDivisionError")
        return np.remainder(x, y)
    found = np.fmod(x, y)
    return np.where((found != 0) & ((y < 0) != (found < 0)), found + y, found)


def _fmod_kernel(x, y):
    if np.result_type(x, y).kind in "iub" and np.any(np.asarray(y) == 0):
        raise RuntimeError("ZeroDivisionError")
    return np.fmod(x, y)


remainder = _two("remainder", lambda w, x, y: w.mod(x, y),
                 {"x": lambda g: g, "y": lambda g, x, y: -g * _divide_floor(x, y)},
                 _remainder_kernel, refuses=dict.fromkeys("bc", "remainder_cpu"))
fmod = _two("fmod", lambda w, x, y: w.fmod(x, y),
            {"x": lambda g: g, "y": lambda g, x, y: -g * _divide_trunc(x, y)}, _fmod_kernel,
            refuses=dict.fromkeys("bc", "fmod_cpu"))

# ---- trigonometry and logarithms ------------------------------------------------------------

atan2 = _two("atan2", lambda w, x, y: w.atan2(x, y),
             {"x": lambda g, x, y: g * (y / (x * x + y * y)).masked_fill((x == 0) & (y == 0), 0),
              "y": lambda g, x, y: g * (-x / (x * x + y * y)).masked_fill((x == 0) & (y == 0), 0)},
             np.arctan2, "float", aliases=("arctan2",), refuses={"c": "atan2_cpu"})
hypot = _two("hypot", lambda w, x, y: w.hypot(x, y),
             {"x": lambda g, x, out: g * (x / out), "y": lambda g, y, out: g * (y / out)},
             np.hypot, refuses=dict.fromkeys("bic", "hypot_cpu"))


def _copysign_x(g, x, out):
    import rushlight
    ratio = rushlight.where(x == 0, 0, out / x)
    return g * ratio


copysign = _two("copysign", lambda w, x, y: w.copysign(x, y),
                {"x": _copysign_x, "y": lambda g: g * 0}, np.copysign, "float",
                refuses={"c": "copysign_cpu"})
nextafter = _two("nextafter", lambda w, x, y: w.nextafter(x, y),
                 {"x": lambda g, x, y: g * (x != y), "y": lambda g: g * 0}, np.nextafter,
                 refuses=dict.fromkeys("bic", "nextafter_cpu"))


def _logaddexp_kernel(x, y):
    if np.result_type(x, y).kind == "c":
        low = np.where(x.real >= y.real, y, x)
        high = np.where(x.real >= y.real, x, y)
        return high + np.log1p(np.exp(low - high))
    return np.logaddexp(x, y)


def _logaddexp_body(w, x, y):
    first = w.ge(w.real(x), w.real(y))
    top, low = w.select(first, x, y), w.select(first, y, x)
    return w.select(w.eq(x, y), w.add(x, math.log(2)),
                    w.add(top, w.log1p(w.exp(w.sub(low, top)))))


logaddexp = _two("logaddexp", _logaddexp_body,
    {"x": lambda g, x, out: g * _conj((x - out).exp()),
     "y": lambda g, y, out: g * _conj((y - out).exp())}, _logaddexp_kernel, "float",
    inplace=False, refuses=dict.fromkeys("bi", "logaddexp_cpu"))


def _logaddexp2_body(w, x, y):
    more = w.log1p(w.exp2(w.neg(w.abs(w.sub(x, y)))))
    return w.select(w.eq(x, y), w.add(x, 1.0),
                    w.add(w.maximum(x, y), w.mul(more, 1 / math.log(2))))


logaddexp2 = _two("logaddexp2", _logaddexp2_body,
    {"x": lambda g, x, out: g * (x - out).exp2(), "y": lambda g, y, out: g * (y - out).exp2()},
    np.logaddexp2, "float", inplace=False, refuses=dict.fromkeys("bic", "logaddexp2_cpu"))


def _xlogy_kernel(x, y):
    return np.where(np.isnan(y), np.nan, np.where(x == 0, 0, x * np.log(y)))


def _safe_log(x, y):
    import rushlight
    return rushlight.where((x == 0) & (y <= 0), 0, y.log()) if not _is_number(y) else \
        rushlight.where((x == 0), 0, rushlight.log(rushlight.tensor(float(y)))) if y <= 0 else \
        math.log(y)


xlogy = _two("xlogy", lambda w, x, y: w.select(w.isnan(y), math.nan, w.select(
    w.eq(x, 0), 0, w.mul(x, w.log(y)))),
    {"x": lambda g, x, y: g * _safe_log(x, y), "y": lambda g, x, y: g * (x / y)},
    _xlogy_kernel, "float", targets=("torch", "Tensor", "special"), refuses={"c": "xlogy_cpu"})


def _heaviside_types(x, y):
    common = result_dtype([x, y])
    if getattr(x, "dtype", None) is not getattr(y, "dtype", None):
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return common, common


heaviside = _two("heaviside", lambda w, x, y: w.select(
    w.eq(x, 0), y, w.select(w.gt(x, 0), 1, 0)), None,
                 lambda x, y: np.where(x == 0, y, (x > 0).astype(y.dtype)), _heaviside_types,
                 refuses={"c": (RuntimeError,
                                "heaviside is not yet implemented for complex tensors.")})


def _ldexp_function(input, other):  # noqa: A002
    """``input * 2 ** other``."""
    import rushlight
    return mul_op.call(input, rushlight.pow(2.0, other))


_ldexp_function.__name__ = "ldexp"
export("torch", "Tensor", inplace=True, out=True)(_ldexp_function)

# ---- logic and bits -------------------------------------------------------------------------


def _logic(name, body, numpy):
    def kernel(x, y):
        return numpy(x != 0 if not _is_number(x) else bool(x),
                     y != 0 if not _is_number(y) else bool(y))
    return _two(name, body, None, kernel, "compare")


logical_and = _logic("logical_and", lambda w, x, y: w.logical_and(x, y), np.logical_and)
logical_or = _logic("logical_or", lambda w, x, y: w.logical_or(x, y), np.logical_or)
logical_xor = _logic("logical_xor", lambda w, x, y: w.logical_xor(x, y), np.logical_xor)


def _bits(name, body, numpy, kernel=None, refused="fc"):
    return _two(name, body, None, numpy,
                refuses=dict.fromkeys(refused, kernel or name + "_cpu"))


bitwise_and = _bits("bitwise_and", lambda w, x, y: w.bit_and(x, y), np.bitwise_and)
bitwise_or = _bits("bitwise_or", lambda w, x, y: w.bit_or(x, y), np.bitwise_or)
bitwise_xor = _bits("bitwise_xor", lambda w, x, y: w.bit_xor(x, y), np.bitwise_xor)


def _shift_left_kernel(x, y):
    bits = np.result_type(x, y).itemsize * 8 if not _is_number(x) and not _is_number(y) else \
        (x if not _is_number(x) else y).dtype.itemsize * 8
    bad = (np.asarray(y) < 0) | (np.asarray(y) >= bits)
    return np.where(bad, 0, np.left_shift(x, np.where(bad, 0, y)))


def _shift_right_kernel(x, y):
    array = x if not _is_number(x) else y
    bits = array.dtype.itemsize * 8
    top = bits - 1 if array.dtype.kind == "i" else bits - 1
    bad = (np.asarray(y) < 0) | (np.asarray(y) >= bits)
    if array.dtype.kind == "u":
        return np.where(bad, 0, np.right_shift(x, np.where(bad, 0, y)))
    return np.right_shift(x, np.where(bad, top, y))


bitwise_left_shift = _bits("bitwise_left_shift", lambda w, x, y: w.shift_left(x, y),
                           _shift_left_kernel, "lshift_cpu", "bfc")
bitwise_right_shift = _bits("bitwise_right_shift", lambda w, x, y: w.shift_right(x, y),
                            _shift_right_kernel, "rshift_cpu", "bfc")
# Euclid's algorithm is a loop, which the words cannot say: NumPy's form alone.
gcd = _bits("gcd", None, np.gcd, refused="bfc")
lcm = _bits("lcm", None, np.lcm, refused="bfc")

# ---- complex --------------------------------------------------------------------------------


def _complex_types(x, y):
    if x.dtype is not y.dtype:
        short = {"float32": "Float", "float64": "Double", "float16": "Half"}
        raise RuntimeError(f"Expected object of scalar type {short.get(x.dtype.name, x.dtype.name)}"
                           f" but got scalar type {short.get(y.dtype.name, y.dtype.name)} for "
                           "second argument")
    if not x.dtype.is_floating_point or x.dtype is dt.bfloat16:
        raise RuntimeError("Expected both inputs to be Half, Float or Double tensors but got "
                           f"{x.dtype.name} and {y.dtype.name}")
    return x.dtype, x.dtype.to_complex()


complex_op = pointwise("complex", lambda w, x, y: w.complex(x, y),
                       {"x": lambda g: g.real, "y": lambda g: g.imag}, inputs="x y",
                       promotion=_complex_types)


@export("torch", out=True, name="complex")
def complex_(real, imag):
    """A complex tensor from its real and imaginary parts."""
    return complex_op.call(real, imag)


def _polar_types(x, y):
    if x.dtype is y.dtype is dt.float16:
        raise not_implemented_for("polar_cpu", x.dtype)
    return _complex_types(x, y)


polar_op = pointwise(
    "polar", lambda w, x, y: w.complex(w.mul(x, w.cos(y)), w.mul(x, w.sin(y))),
    {"x": lambda g, y: (g * complex_(y.cos(), -y.sin())).real,
     "y": lambda g, x, y: (g * complex_(-x * y.sin(), -x * y.cos())).real},
    inputs="x y", promotion=_polar_types)


@export("torch", out=True)
def polar(abs, angle):  # noqa: A002
    """A complex tensor from its absolute value and angle."""
    return polar_op.call(abs, angle)


# ---- three operands -------------------------------------------------------------------------

addcmul_op = pointwise(
    "addcmul", lambda w, x, y, z, value: w.add(x, w.mul(value, w.mul(y, z))),
    {"x": lambda g: g, "y": lambda g, z, value: g * _conj(z * value),
     "z": lambda g, y, value: g * _conj(y * value)}, inputs="x y z value",
    numpy=lambda x, y, z, value: x + value * (y * z), refuses={"b": "addcmul_cpu_out"})
addcdiv_op = pointwise(
    "addcdiv", lambda w, x, y, z, value: w.add(x, w.mul(value, w.div(y, z))),
    {"x": lambda g: g, "y": lambda g, z, value: g * _conj(value / z),
     "z": lambda g, y, z, value: -g * _conj(value * y / (z * z))}, inputs="x y z value",
    numpy=lambda x, y, z, value: x + value * (y / z))


@export("torch", "Tensor", inplace=True, out=True)
def addcmul(input, tensor1, tensor2, *, value=1):  # noqa: A002
    """``input + value * tensor1 * tensor2``."""
    return addcmul_op(input, tensor1, tensor2, value)


@export("torch", "Tensor", inplace=True, out=True)
def addcdiv(input, tensor1, tensor2, *, value=1):  # noqa: A002
    """``input + value * tensor1 / tensor2``. RuntimeError for integer operands."""
    if tensor1.dtype.category < 2 and tensor2.dtype.category < 2:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release "
            "addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv "
            "behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2)).to("
            "input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for float "
            "inputs. The future addcdiv behavior is just the latter implementation: (input + value "
            "* tensor1 / tensor2), for all dtypes.")
    return addcdiv_op(input, tensor1, tensor2, value)


def _lerp_kernel(x, y, weight):
    # Two forms, as PyTorch computes it, so that weight 1 gives exactly `end`.
    near = x + weight * (y - x)
    far = y - (y - x) * (1 - weight)
    return np.where(np.abs(weight) < 0.5, near, far)


lerp_op = pointwise(
    "lerp", lambda w, x, y, weight: w.select(w.lt(w.abs(weight), 0.5), w.fma(weight, w.sub(y, x),
                                                                             x),
                                             w.sub(y, w.mul(w.sub(y, x), w.sub(1, weight)))),
    {"x": lambda g, weight: g * _conj(1 - weight), "y": lambda g, weight: g * _conj(weight),
     "weight": lambda g, x, y: g * _conj(y - x)}, inputs="x y weight", numpy=_lerp_kernel,
    refuses=dict.fromkeys("bi", "lerp_kernel_tensor"))


@export("torch", "Tensor", inplace=True, out=True)
def lerp(input, end, weight):  # noqa: A002
    """``input + weight * (end - input)``."""
    if input.dtype is not end.dtype:
        raise RuntimeError(f"expected dtype {input.dtype.name} for `end` but got dtype "
                           f"{end.dtype.name}")
    if hasattr(weight, "dtype") and weight.dtype is not input.dtype:
        raise RuntimeError(f"expected dtype {input.dtype.name} for `weight` but got dtype "
                           f"{weight.dtype.name}")
    if input.dtype.category < 2 and not hasattr(weight, "dtype"):
        raise not_implemented_for("lerp_kernel_scalar", input.dtype)
    return lerp_op(input, end, weight)


def _masked_fill_types(x, mask, value):
    return x.dtype, x.dtype


def _fill_gradient(g, mask):
    from .comparison import where_op
    return where_op(mask, g, 0).sum()


masked_fill_op = pointwise(
    "masked_fill", lambda w, x, mask, value: w.select(mask, value, x),
    {"x": lambda g, mask: g.masked_fill(mask, 0), "value": _fill_gradient},
    inputs="x mask value", promotion=_masked_fill_types,
    numpy=lambda x, mask, value: np.where(mask.astype(bool), value, x))


@export("torch", "Tensor", inplace=True)
def masked_fill(input, mask, value):  # noqa: A002
    """`value` where the bool `mask` holds, else `input`; the dtype stays `input`'s."""
    if mask.dtype is not dt.bool_:
        raise RuntimeError("masked_fill_ only supports boolean masks, but got mask with dtype "
                           f"{cpp_name(mask.dtype)}")
    if hasattr(value, "ndim"):
        if value.ndim:
            raise RuntimeError("masked_fill_ only supports a 0-dimensional value tensor, but got "
                               f"tensor with {value.ndim} dimension(s).")
        value = value.to(input.dtype)
    elif isinstance(value, complex) and not input.is_complex():
        raise RuntimeError(f"value cannot be converted to type {input.dtype.name} without overflow")
    elif isinstance(value, float) and input.dtype.category < 2:
        value = bool(value) if input.dtype is dt.bool_ else int(value)
    elif input.dtype is dt.bool_:
        value = bool(value)
    found = masked_fill_op(input, mask, value)
    return found if found.is_contiguous() else found.clone(memory_format="contiguous_format")
