"""``torch.testing``: `assert_close` and `make_tensor`."""

from __future__ import annotations

_TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
               "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)}


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False,
                 check_device=True, check_dtype=True, check_layout=True, check_stride=False,
                 msg=None):
    """Raise AssertionError unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere.

    Numbers, tensors, and sequences and mappings of them. Tolerances default by dtype.
    """
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    problem = _problem(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride)
    if problem:
        raise AssertionError(msg(problem) if callable(msg) else msg or problem)


def _problem(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride):
    import rushlight
    if isinstance(expected, dict):
        if not isinstance(actual, dict) or actual.keys() != expected.keys():
            return "The keys of the mappings do not match."
        pairs = [(k, actual[k], expected[k]) for k in expected]
    elif isinstance(expected, (list, tuple)):
        if not isinstance(actual, (list, tuple)) or len(actual) != len(expected):
            return "The length of the sequences mismatch."
        pairs = [(i, a, e) for i, (a, e) in enumerate(zip(actual, expected))]
    else:
        return _one_problem(rushlight, actual, expected, rtol, atol, equal_nan, check_dtype,
                            check_stride)
    for key, a, e in pairs:
        found = _problem(a, e, rtol, atol, equal_nan, check_dtype, check_stride)
        if found:
            return f"{found}\n\nThe failure occurred for item [{key!r}]"
    return None


def _one_problem(rushlight, actual, expected, rtol, atol, equal_nan, check_dtype, check_stride):
    if expected is None or isinstance(expected, (str, bool)):
        return None if actual == expected else f"{actual!r} is not {expected!r}"
    scalars = not isinstance(actual, rushlight.Tensor)
    actual, expected = (x if isinstance(x, rushlight.Tensor) else rushlight.as_tensor(
        x, dtype=rushlight.float64 if isinstance(x, float) else None) for x in (actual, expected))
    if actual.shape != expected.shape:
        return (f"The values for attribute 'shape' do not match: {actual.shape} != "
                f"{expected.shape}.")
    if check_dtype and actual.dtype is not expected.dtype:
        return (f"The values for attribute 'dtype' do not match: {actual.dtype} != "
                f"{expected.dtype}.")
    if check_stride and actual.stride() != expected.stride():
        return (f"The values for attribute 'stride()' do not match: {actual.stride()} != "
                f"{expected.stride()}.")
    if rtol is None:
        chosen = [_TOLERANCES.get(x.dtype.name, (0.0, 0.0)) for x in (actual, expected)]
        rtol, atol = max(c[0] for c in chosen), max(c[1] for c in chosen)
    common = rushlight.promote_types(actual.dtype, expected.dtype)
    a, e = actual.detach().to(common), expected.detach().to(common)
    if common.category < 2:
        a, e = a.to(rushlight.float64), e.to(rushlight.float64)
    close = rushlight.isclose(a, e, rtol, atol, equal_nan)
    wrong = int(close.logical_not().sum().item())
    if not wrong:
        return None
    error = (a - e).abs()
    worst = error.max().item()
    relative = (error / e.abs()).max().item()
    title = "Scalars are not close!" if scalars else "Tensor-likes are not close!"
    if scalars:
        return (f"{title}\n\nExpected {expected.item()} but got {actual.item()}.\n"
                f"Absolute difference: {worst} (up to {atol} allowed)\n"
                f"Relative difference: {relative} (up to {rtol} allowed)")
    total = close.numel()
    return (f"{title}\n\nMismatched elements: {wrong} / {total} ({100 * wrong / total:.1f}%)\n"
            f"Greatest absolute difference: {worst} (up to {atol} allowed)\n"
            f"Greatest relative difference: {relative} (up to {rtol} allowed)")


def make_tensor(*shape, dtype, device="cpu", low=None, high=None, requires_grad=False,
                noncontiguous=False, exclude_zero=False, memory_format=None):
    """A tensor of random numbers in [low, high) (defaults: -9..9, 0..9 for unsigned types)."""
    import rushlight
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    size = (*shape[:-1], 2 * shape[-1]) if noncontiguous and shape else tuple(shape)
    if dtype is rushlight.bool:
        made = rushlight.randint(0, 2, size).bool()
    elif dtype.category == 1:
        low = (0 if not dtype.is_signed else -9) if low is None else low
        made = rushlight.randint(int(low), int(10 if high is None else high), size, dtype=dtype)
    elif dtype.is_complex:
        parts = rushlight.empty(*size, 2, dtype=dtype.to_real())
        made = rushlight.view_as_complex(parts.uniform_(-9 if low is None else low,
                                                        9 if high is None else high))
    else:
        made = rushlight.empty(size, dtype=dtype).uniform_(-9 if low is None else low,
                                                           9 if high is None else high)
    if noncontiguous and shape:
        made = made[..., ::2]
    if exclude_zero:
        made[made == 0] = 1
    return made.requires_grad_(requires_grad)
