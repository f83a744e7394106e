"""Quantiles, covariance and numerical gradients: compositions of sorting and arithmetic."""

from __future__ import annotations

import math

from ..base.shapes import wrap_dim
from .record import export

_WAYS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(input, q, dim, keepdim, interpolation, ignore_nan):  # noqa: A002
    import rushlight as r
    name = "nanquantile()" if ignore_nan else "quantile()"
    if input.dtype not in (r.float32, r.float64):
        raise RuntimeError(f"{name} input tensor must be either float or double dtype")
    if interpolation not in _WAYS:
        raise RuntimeError(f"{name} interpolation must be one of linear, lower, higher, midpoint "
                           f"or nearest, but got {interpolation}")
    if not hasattr(q, "_meta"):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name} q must be in the range [0, 1] but got {q:g}")
        q = r.tensor(q, dtype=input.dtype)
    if q.ndim > 1:
        raise RuntimeError(f"{name} q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name} q tensor must be same dtype as the input tensor")
    if not input.numel():
        raise RuntimeError(f"{name} input tensor must be non-empty")
    if q.ndim and ((q < 0) | (q > 1)).any().item():
        raise RuntimeError(f"{name} q values must be in the range [0, 1]")
    original = input.ndim
    if dim is None:
        flat, axis = input.reshape(-1), 0
    else:
        axis = wrap_dim(dim, original)
        flat = input if original else input.reshape(1)
    ordered = flat.movedim(axis, -1).sort(-1)[0]
    size = ordered.shape[-1]
    nans = ordered.isnan().sum(-1, keepdim=True)
    points = q.reshape(-1)
    if ignore_nan:
        rank = points * (size - nans - 1).clamp(min=0).to(input.dtype)
    else:
        rank = points * (size - 1)
        rank = rank.expand(*ordered.shape[:-1], points.numel())
        rank = r.where(nans > 0, float(size - 1), rank)
    rank = rank.detach() if not rank.requires_grad else rank
    if interpolation == "lower":
        rank = rank.floor()
    elif interpolation == "higher":
        rank = rank.ceil()
    elif interpolation == "nearest":
        rank = rank.round()
    low = rank.long()
    found = ordered.gather(-1, low)
    if interpolation in ("linear", "midpoint"):
        high = rank.ceil().long()
        weight = r.full_like(rank, 0.5) if interpolation == "midpoint" else rank - low
        found = found.lerp(ordered.gather(-1, high), weight)
    # (..., q) -> (q, ...)
    if dim is None:
        if keepdim:
            found = found.reshape(*(1,) * original, points.numel())
    elif original:
        found = found.unsqueeze(axis) if keepdim else found
        # unsqueeze put the kept axis before the last one
    else:
        found = found.reshape(points.numel())
    found = found.movedim(-1, 0)
    return found if q.ndim else found.squeeze(0)


@export("torch", "Tensor", out=True)
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):  # noqa: A002
    """The q-th quantile over everything or an axis; q a number or a vector (a leading axis)."""
    return _quantile(input, q, dim, keepdim, interpolation, False)


@export("torch", "Tensor", out=True)
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):  # noqa: A002
    """`quantile` over the elements that are not NaN."""
    return _quantile(input, q, dim, keepdim, interpolation, True)


@export("torch", "Tensor")
def cov(input, *, correction=1, fweights=None, aweights=None):  # noqa: A002
    """The covariance matrix of variables (rows) over observations (columns)."""
    import rushlight as r
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an "
                           f"input with {input.ndim} dimensions")
    if input.dtype is r.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    data = input.reshape(1, -1) if input.ndim < 2 else input
    if data.dtype.category < 2:
        data = data.to(r.get_default_dtype())
    count = data.shape[1]
    weights = None
    if fweights is not None:
        weights = fweights
    if aweights is not None:
        weights = aweights if weights is None else weights * aweights
    total = count if weights is None else weights.sum()
    if weights is None:
        mean = data.sum(1, keepdim=True) / count
    else:
        mean = (data * weights).sum(1, keepdim=True) / total
    if weights is None:
        norm = total - correction
    elif aweights is None or correction == 0:
        norm = total - correction
    else:
        norm = total - correction * (weights * aweights).sum() / total
    centred = data - mean
    other = centred if weights is None else centred * weights
    norm = norm.clamp(min=0) if hasattr(norm, "clamp") else max(norm, 0)
    if not hasattr(norm, "clamp") and norm == 0:
        norm = r.zeros((), dtype=data.dtype.to_real())
    found = other.matmul(centred.t().conj() if centred.is_complex() else centred.t()) / norm
    found = found.t() if centred.is_complex() and False else found
    return found.reshape(()) if input.ndim < 2 else found.squeeze() if found.numel() == 1 else found


@export("torch", "Tensor")
def corrcoef(input):  # noqa: A002
    """The correlation coefficients of variables (rows)."""
    import rushlight as r
    if input.ndim > 2:
        raise RuntimeError(f"corrcoef(): expected input to have two or fewer dimensions but got an "
                           f"input with {input.ndim} dimensions")
    found = cov(input)
    if found.ndim == 0:
        return found / found
    scale = found.diagonal().real.sqrt() if found.is_complex() else found.diagonal().sqrt()
    found = found / scale.unsqueeze(1) / scale.unsqueeze(0)
    if found.is_complex():
        return r.complex(found.real.clamp(-1, 1), found.imag.clamp(-1, 1))
    return found.clamp(-1, 1)


@export("torch", "Tensor")
def gradient(input, *, spacing=None, dim=None, edge_order=1):  # noqa: A002
    """Numerical derivatives along axes by central differences (one-sided at the edges)."""
    import rushlight as r
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [wrap_dim(d, input.ndim) for d in dims]
    if spacing is None:
        spacing = [1] * len(dims)
    elif isinstance(spacing, (int, float, complex)):
        spacing = [spacing] * len(dims)
    if hasattr(spacing, "_meta"):
        spacing = [spacing]
    if len(spacing) != len(dims):
        raise RuntimeError("torch.gradient expected spacing to be unspecified, a scalar or a list "
                           f"of length {len(dims)}, but got a list of length {len(spacing)}")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    found = []
    for d, step in zip(dims, spacing):
        if input.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least "
                               "edge_order+1")
        found.append(_gradient_along(r, input, d, step, edge_order))
    return found


def _gradient_along(r, x, d, step, edge_order):
    n = x.shape[d]

    def part(start, length):
        return x.narrow(d, start, length)
    if hasattr(step, "_meta") and step.ndim:
        shape = [1] * x.ndim
        shape[d] = -1
        h = (step[1:] - step[:-1]).reshape(shape)
        before, after = h.narrow(d, 0, n - 2), h.narrow(d, 1, n - 2)
        middle = (before / after / (before + after)) * part(2, n - 2) \
            + ((after - before) / (before * after)) * part(1, n - 2) \
            - (after / before / (before + after)) * part(0, n - 2)
        first, last = h.narrow(d, 0, 1), h.narrow(d, n - 2, 1)
        if edge_order == 1:
            left = (part(1, 1) - part(0, 1)) / first
            right = (part(n - 1, 1) - part(n - 2, 1)) / last
        else:
            second, before_last = h.narrow(d, 1, 1), h.narrow(d, n - 3, 1)
            left = -(2 * first + second) / (first * (first + second)) * part(0, 1) \
                + (first + second) / (first * second) * part(1, 1) \
                - first / (second * (first + second)) * part(2, 1)
            right = last / (before_last * (before_last + last)) * part(n - 3, 1) \
                - (last + before_last) / (before_last * last) * part(n - 2, 1) \
                + (2 * last + before_last) / (last * (before_last + last)) * part(n - 1, 1)
        return r.cat([left, middle, right], d)
    middle = (part(2, n - 2) - part(0, n - 2)) / (2 * step)
    if edge_order == 1:
        left, right = (part(1, 1) - part(0, 1)) / step, (part(n - 1, 1) - part(n - 2, 1)) / step
    else:
        left = (-1.5 * part(0, 1) + 2 * part(1, 1) - 0.5 * part(2, 1)) / step
        right = (1.5 * part(n - 1, 1) - 2 * part(n - 2, 1) + 0.5 * part(n - 3, 1)) / step
    return r.cat([left, middle, right], d)


@export("torch")
def vander(x, N=None, increasing=False):  # noqa: N803
    """The Vandermonde matrix of a vector: its powers as columns."""
    import rushlight as r
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    columns = [x ** i if i else r.ones_like(x) for i in range(count)]
    if not increasing:
        columns.reverse()
    return r.stack(columns, 1) if columns else x.new_empty((x.shape[0], 0))


__all__ = ["math"]
