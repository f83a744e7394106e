"""Window functions: the names of `torch.signal.windows`.

Each takes the number of points M and `sym`: symmetric windows serve as filters, periodic ones
(``sym=False``) are the first M points of the symmetric window of M + 1.
"""

import math

import rushlight

__all__ = ["bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine",
           "general_hamming", "hamming", "hann", "kaiser", "nuttall"]


def _kind(name, count, dtype, layout):
    """The window's dtype; ValueError for a negative length or another dtype."""
    if count < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={count}")
    if layout is not None and layout is not rushlight.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    kind = dtype or rushlight.get_default_dtype()
    if kind not in (rushlight.float32, rushlight.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
    return kind


def _line(low, high, count, kind, options):
    return rushlight.linspace(low, high, steps=count, dtype=kind,
                              device=options.get("device"))


def _made(window, options):
    return window.requires_grad_(bool(options.get("requires_grad", False)))


def _short(count, kind, options):
    """The windows of no and of one point, which every function shares."""
    return rushlight.ones((count,), dtype=kind, device=options.get("device"),
                          requires_grad=bool(options.get("requires_grad", False)))


def general_cosine(M, *, a, sym=True, dtype=None, layout=None, device=None,  # noqa: N803
                   requires_grad=False):
    """``sum over i of (-1)^i a[i] cos(2 pi i n / (M - 1))``."""
    kind = _kind("general_cosine", M, dtype, layout)
    options = {"device": device, "requires_grad": requires_grad}
    if M < 2:
        return _short(M, kind, options)
    if not isinstance(a, (list, tuple)):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    step = 2 * math.pi / (M if not sym else M - 1)
    k = _line(0, (M - 1) * step, M, kind, options)
    signed = rushlight.tensor([(-1) ** i * w for i, w in enumerate(a)], dtype=kind)
    i = rushlight.arange(len(a), dtype=kind)
    return _made((signed.unsqueeze(-1) * rushlight.cos(i.unsqueeze(-1) * k)).sum(0), options)


def general_hamming(M, *, alpha=0.54, sym=True, **options):  # noqa: N803
    """``alpha - (1 - alpha) cos(2 pi n / (M - 1))``."""
    return general_cosine(M, a=[alpha, 1.0 - alpha], sym=sym, **options)


def hamming(M, *, sym=True, **options):  # noqa: N803
    """`general_hamming` with alpha 0.54."""
    return general_hamming(M, sym=sym, **options)


def hann(M, *, sym=True, **options):  # noqa: N803
    """`general_hamming` with alpha 0.5."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M, *, sym=True, **options):  # noqa: N803
    """A cosine window of three terms: 0.42, 0.5, 0.08."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **options)


def nuttall(M, *, sym=True, **options):  # noqa: N803
    """A cosine window of four terms with small side lobes."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(M, *, sym=True, dtype=None, layout=None, **options):  # noqa: N803
    """A triangle with zeros at the ends."""
    kind = _kind("bartlett", M, dtype, layout)
    if M < 2:
        return _short(M, kind, options)
    step = 2 / (M if not sym else M - 1)
    return _made(1 - _line(-1, -1 + (M - 1) * step, M, kind, options).abs(), options)


def cosine(M, *, sym=True, dtype=None, layout=None, **options):  # noqa: N803
    """Half a period of the sine."""
    kind = _kind("cosine", M, dtype, layout)
    if M < 2:
        return _short(M, kind, options)
    step = math.pi / (M + 1 if not sym else M)
    return _made(_line(0.5 * step, (0.5 + M - 1) * step, M, kind, options).sin(), options)


def exponential(M, *, center=None, tau=1.0, sym=True, dtype=None, layout=None,  # noqa: N803
                **options):
    """``exp(-|n - center| / tau)``; the centre is the middle for symmetric windows."""
    kind = _kind("exponential", M, dtype, layout)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    if M < 2:
        return _short(M, kind, options)
    if center is None:
        center = (M if not sym else M - 1) / 2.0
    line = _line(-center / tau, (-center + M - 1) / tau, M, kind, options)
    return _made(rushlight.exp(-line.abs()), options)


def gaussian(M, *, std=1.0, sym=True, dtype=None, layout=None, **options):  # noqa: N803
    """``exp(-(n / std)^2 / 2)``, n counted from the middle."""
    kind = _kind("gaussian", M, dtype, layout)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    if M < 2:
        return _short(M, kind, options)
    start = -(M if not sym else M - 1) / 2.0
    step = 1 / (std * math.sqrt(2))
    line = _line(start * step, (start + M - 1) * step, M, kind, options)
    return _made(rushlight.exp(-line ** 2), options)


def kaiser(M, *, beta=12.0, sym=True, dtype=None, layout=None, **options):  # noqa: N803
    """``I0(beta sqrt(1 - x^2)) / I0(beta)`` for x from -1 to 1."""
    kind = _kind("kaiser", M, dtype, layout)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    if M < 2:
        return _short(M, kind, options)
    top = rushlight.tensor(beta, dtype=kind)
    start = -beta
    step = 2 * beta / (M if not sym else M - 1)
    line = _line(start, min(beta, start + (M - 1) * step), M, kind, options)
    inner = (beta * beta - line ** 2).clamp(min=0).sqrt()
    return _made(rushlight.i0(inner) / rushlight.i0(top), options)
