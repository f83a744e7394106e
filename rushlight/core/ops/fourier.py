"""Discrete Fourier transforms: all of `torch.fft`, over NumPy's FFT.

Three ops do the work: complex to complex, real to half-complex, half-complex to real, each over
several axes; the last of the axes is the halved one. Derivatives are transforms again.
"""

from __future__ import annotations

import math

import numpy as np

from ..base import dtypes as dt
from ..base.shapes import meta, wrap_dim
from .record import export, primitive

_NORMS = (None, "backward", "ortho", "forward")


def _scale(norm, forward, count):
    """What a transform of `count` points is multiplied by."""
    if norm == "ortho":
        return 1 / math.sqrt(count)
    return 1 / count if forward == (norm == "forward") else 1.0


def _points(shape, dim):
    return math.prod(shape[d] for d in dim)


def _c2c_kernel(x, dim, forward, scale):
    found = np.fft.fftn(x, axes=dim, norm="backward") if forward else \
        np.fft.ifftn(x, axes=dim, norm="forward")
    return found if scale == 1 else found * found.real.dtype.type(scale)


c2c_op = primitive(
    "fft_c2c", "host", "x", lambda x, dim, forward, scale: meta(x.dtype, x.shape), _c2c_kernel,
    {"x": lambda g, dim, forward, scale: c2c_op(g, dim=dim, forward=not forward, scale=scale)},
    params=("dim", "forward", "scale"))


def _r2c_rule(x, dim, scale):
    shape = list(x.shape)
    shape[dim[-1]] = shape[dim[-1]] // 2 + 1
    return meta(x.dtype.to_complex(), shape)


def _r2c_kernel(x, dim, scale):
    found = np.fft.rfftn(x, axes=dim)
    return found if scale == 1 else found * found.real.dtype.type(scale)


def _r2c_backward(g, x_meta, dim, scale):
    # The real part of the inverse transform of g, whose missing half is zero.
    last, n = dim[-1], x_meta.shape[dim[-1]]
    full = _resized(g, last, n)
    return c2c_op(full, dim=dim, forward=False, scale=scale).real


r2c_op = primitive("fft_r2c", "host", "x", _r2c_rule, _r2c_kernel, {"x": _r2c_backward},
                   params=("dim", "scale"))


def _c2r_rule(x, dim, size, scale):
    shape = list(x.shape)
    shape[dim[-1]] = size
    return meta(x.dtype.to_real(), shape)


def _c2r_kernel(x, dim, size, scale):
    sizes = [x.shape[d] for d in dim[:-1]] + [size]
    found = np.fft.irfftn(x, s=sizes, axes=dim, norm="forward")
    return found if scale == 1 else found * found.dtype.type(scale)


def _c2r_backward(g, x_meta, dim, size, scale):
    # Each frequency but the first (and the middle one) stands for two.
    import rushlight
    found = r2c_op(g, dim=dim, scale=scale)
    last = dim[-1]
    count = found.shape[last]
    double = [2.0] * count
    double[0] = 1.0
    if size % 2 == 0:
        double[-1] = 1.0
    shape = [1] * len(x_meta.shape)
    shape[last] = count
    return found * rushlight.tensor(double, dtype=g.dtype).reshape(shape)


c2r_op = primitive("fft_c2r", "host", "x", _c2r_rule, _c2r_kernel, {"x": _c2r_backward},
                   params=("dim", "size", "scale"))

# ---- arguments --------------------------------------------------------------------------------


def _resized(x, axis, n):
    """`x` cut or filled with zeros to `n` along an axis."""
    have = x.shape[axis]
    if have == n:
        return x
    if have > n:
        return x.narrow(axis, 0, n)
    import rushlight
    shape = list(x.shape)
    shape[axis] = n - have
    return rushlight.cat([x, rushlight.zeros(shape, dtype=x.dtype)], axis)


def _promoted(x, complex_):
    """Integers as the default float; complex where the transform wants it."""
    if x.dtype.half:
        raise RuntimeError(f"Unsupported dtype {scalar(x.dtype)}")
    if x.dtype.category < 2:
        x = x.to(dt.get_default_dtype())
    return x.to(x.dtype.to_complex()) if complex_ and not x.is_complex() else x


def scalar(dtype):
    """A dtype's name in PyTorch's messages."""
    from .arguments import scalar_name
    return scalar_name(dtype)


def _norm(norm):
    if norm not in _NORMS:
        raise RuntimeError(f"Invalid normalization mode: \"{norm}\"")
    return norm


def _axes(x, s, dim, name):
    """(axes, sizes): the sizes of the transform along each of its axes."""
    if x.ndim == 0 and (dim is not None or s is not None):
        first = dim if dim is None or isinstance(dim, int) else tuple(dim)[0]
        raise IndexError(f"Dimension specified as {first} but tensor has no dimensions")
    axes: tuple = ()
    if dim is not None:
        dim = (dim,) if isinstance(dim, int) else tuple(dim)
        axes = tuple(wrap_dim(d, x.ndim) for d in dim)
        if len(set(axes)) != len(axes):
            raise RuntimeError("FFT dims must be unique")
    if s is not None:
        s = (s,) if isinstance(s, int) else tuple(s)
        if dim is not None and len(dim) != len(s):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
        if len(s) > x.ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {x.ndim} "
                               "dimensions.")
        if dim is None:
            axes = tuple(range(x.ndim - len(s), x.ndim))
        sizes = [x.shape[d] if n == -1 else n for d, n in zip(axes, s)]
    else:
        if dim is None:
            axes = tuple(range(x.ndim))
        sizes = [x.shape[d] for d in axes]
    return axes, sizes


def _checked(sizes):
    for n in sizes:
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")


def _complex(x, s, dim, norm, forward, name):
    x = _promoted(x, True)
    axes, sizes = _axes(x, s, dim, name)
    _checked(sizes)
    for d, n in zip(axes, sizes):
        x = _resized(x, d, n)
    if not axes:
        return x.clone()
    return c2c_op(x, dim=axes, forward=forward,
                  scale=_scale(_norm(norm), forward, _points(x.shape, axes)))


def _real(x, s, dim, norm, name, inverse=False):
    if x.is_complex():
        raise RuntimeError(f"{name} expects a real input tensor, but got {scalar(x.dtype)}")
    x = _promoted(x, False)
    axes, sizes = _axes(x, s, dim, name)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    _checked(sizes)
    for d, n in zip(axes, sizes):
        x = _resized(x, d, n)
    found = r2c_op(x, dim=axes, scale=_scale(_norm(norm), not inverse, _points(x.shape, axes)))
    return found.conj() if inverse else found


def _to_real(x, s, dim, norm, name, forward=False):
    x = _promoted(x, True)
    axes, sizes = _axes(x, s, dim, name)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    if s is None or (not isinstance(s, int) and s[-1] == -1):
        sizes[-1] = 2 * (x.shape[axes[-1]] - 1)
    _checked(sizes)
    for d, n in zip(axes[:-1], sizes[:-1]):
        x = _resized(x, d, n)
    x = _resized(x, axes[-1], sizes[-1] // 2 + 1)
    if forward:
        x = x.conj()
    return c2r_op(x, dim=axes, size=sizes[-1],
                  scale=_scale(_norm(norm), forward, math.prod(sizes)))


# ---- the public functions ---------------------------------------------------------------------

def _one_axis(name, transform, text, *extra):
    def function(input, n=None, dim=-1, norm=None):  # noqa: A002
        return transform(input, n, dim, norm, *extra, name)
    _publish(function, name, text + " along one axis, cut or filled to `n`.")


def _many_axes(name, transform, text, *extra):
    def function(input, s=None, dim=None, norm=None):  # noqa: A002
        return transform(input, s, dim, norm, *extra, name)
    _publish(function, name, text + " over `dim` (default: all axes, or the last len(s)).")


def _two_axes(name, transform, text, *extra):
    def function(input, s=None, dim=(-2, -1), norm=None):  # noqa: A002
        return transform(input, s, dim, norm, *extra, name)
    _publish(function, name, text + " over two axes.")


def _publish(function, name, text):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    export("fft", out=True)(function)


def _hermitian(x, s, dim, norm, name):
    return _to_real(x, s, dim, norm, name, forward=True)


def _inverse_hermitian(x, s, dim, norm, name):
    return _real(x, s, dim, norm, name, inverse=True)


def _hermitian_many(x, s, dim, norm, name):
    x = _promoted(x, True)
    axes, sizes = _axes(x, s, dim, name)
    if s is None or (not isinstance(s, int) and s[-1] == -1):
        sizes[-1] = 2 * (x.shape[axes[-1]] - 1)
    if len(axes) > 1:
        x = _complex(x, sizes[:-1], axes[:-1], norm, True, name)
    return _to_real(x, sizes[-1:], axes[-1:], norm, name, forward=True)


def _inverse_hermitian_many(x, s, dim, norm, name):
    axes, sizes = _axes(x, s, dim, name)
    found = _real(x, sizes[-1:], axes[-1:], norm, name, inverse=True)
    return _complex(found, sizes[:-1], axes[:-1], norm, False, name) if len(axes) > 1 else found


for _make, _suffix in ((_one_axis, ""), (_two_axes, "2"), (_many_axes, "n")):
    _several = bool(_suffix)
    _make("fft" + _suffix, _complex, "The discrete Fourier transform", True)
    _make("ifft" + _suffix, _complex, "The inverse transform", False)
    _make("rfft" + _suffix, _real, "The transform of real numbers: half of the frequencies")
    _make("irfft" + _suffix, _to_real, "The real inverse of half of the frequencies")
    _make("hfft" + _suffix, _hermitian_many if _several else _hermitian,
          "The real transform of half of a Hermitian signal")
    _make("ihfft" + _suffix, _inverse_hermitian_many if _several else _inverse_hermitian,
          "The inverse of the Hermitian transform")


def _shift_axes(x, dim):
    if dim is None:
        return list(range(x.ndim))
    return [wrap_dim(d, x.ndim) for d in ((dim,) if isinstance(dim, int) else dim)]


@export("fft")
def fftshift(input, dim=None):  # noqa: A002
    """The zero frequency moved to the middle."""
    axes = _shift_axes(input, dim)
    return input.roll([input.shape[d] // 2 for d in axes], axes) if axes else input


@export("fft")
def ifftshift(input, dim=None):  # noqa: A002
    """The inverse of `fftshift`."""
    axes = _shift_axes(input, dim)
    return input.roll([(input.shape[d] + 1) // 2 for d in axes], axes) if axes else input


@export("fft", out=True)
def fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequencies of a transform of `n` points `d` apart, in its order."""
    import rushlight
    kind = dtype or dt.get_default_dtype()
    found = rushlight.arange(n, dtype=kind)
    half = n // 2 + n % 2
    found = rushlight.cat([found[:half], found[:n // 2] - n // 2]) * (1.0 / (n * d))
    return found.requires_grad_(requires_grad)


@export("fft", out=True)
def rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequencies of a real transform of `n` points `d` apart."""
    import rushlight
    found = rushlight.arange(n // 2 + 1, dtype=dtype or dt.get_default_dtype()) * (1.0 / (n * d))
    return found.requires_grad_(requires_grad)
