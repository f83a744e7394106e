"""Which public call each recorded op name stands for, and what part of a result is determined.

Most names are public functions. The rest were recorded through a small wrapper (another argument
order, a method, a property, a private operator); `callable_for` gives the same call on any module
with PyTorch's interface. Decompositions are unique up to signs and phases only: `DETERMINED` maps
their results to the part that is.
"""

from __future__ import annotations

from typing import Any

PROPERTIES = ("T", "H", "mT", "mH")

METHODS = (
    "contiguous sum_to_size expand expand_as reshape_as view view_as to item unfold repeat "
    "to_sparse bfloat16 bool byte char double float half int long short chalf cfloat cdouble "
    "new_zeros new_ones new_empty new_empty_strided new_full"
).split()

# Recorded by calling the in-place method on the (fresh, so not modified elsewhere) first argument.
IN_PLACE = {
    "cauchy": "cauchy_",
    "exponential": "exponential_",
    "geometric": "geometric_",
    "log_normal": "log_normal_",
    "uniform": "uniform_",
    "normal.in_place": "normal_",
}

# Operators below PyTorch's public interface, or that need a GPU: not counted at all.
NOT_PUBLIC = {
    "_softmax_backward_data",
    "_batch_norm_with_update",
    "_upsample_bilinear2d_aa",
    "max_pool2d_with_indices_backward",
    "native_dropout_backward",
    "slice",
    "jiterator_unary",
    "jiterator_binary",
    "jiterator_4inputs_with_extra_args",
    "jiterator_binary_return_by_ref",
    "jiterator_2inputs_2outputs",
}


def dotted(module: Any, path: str) -> Any:
    """Return the attribute of `module` at a dotted path; AttributeError where it is missing."""
    found = module
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _property(name):
    return lambda x: getattr(x, name)


def _method(name):
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def callable_for(module: Any, record: dict[str, Any]) -> Any:
    """Return the call that `record` describes, made on `module`.

    Raises AttributeError when the module lacks the name, LookupError for a name that has no public
    call (see `NOT_PUBLIC`).
    """
    name, variant = record["name"], record["variant"]
    full = f"{name}.{variant}" if variant else name
    if full in NOT_PUBLIC:
        raise LookupError(name)
    if name in PROPERTIES:
        getattr(module.Tensor, name)
        return _property(name)
    if full in IN_PLACE or name in METHODS:
        method = IN_PLACE.get(full, name)
        getattr(module.Tensor, method)
        return _method(method)
    wrapped = _wrapped(module, full)
    if wrapped is None:
        wrapped = _wrapped(module, name)
    if wrapped is not None:
        return wrapped
    if record["path"] is None:
        raise LookupError(name)
    return dotted(module, record["path"].removeprefix("torch."))


def _wrapped(module: Any, name: str) -> Any:
    """Return the wrapper that was recorded under `name`, or None."""
    if name == "einsum":
        call = module.einsum
        return lambda operands, equation: call(equation, operands)
    if name == "where":
        call = module.where
        return lambda x, condition, other, **kwargs: call(condition, x, other, **kwargs)
    if name in ("polygamma", "special.polygamma"):
        call = dotted(module, name)
        return lambda x, order, **kwargs: call(order, x, **kwargs)
    if name in ("nn.functional.embedding", "nn.functional.embedding_bag"):
        call = dotted(module, name)
        return lambda weight, index, *args, **kwargs: call(index, weight, *args, **kwargs)
    if name == "rand_like":
        # The recording of this name draws normal numbers.
        return module.randn_like
    if name == "normal.number_mean":
        call = module.normal
        return lambda std, mean, *args, **kwargs: call(mean, std, *args, **kwargs)
    if name == "resize_":
        getattr(module.Tensor, name)
        return lambda x, *args, **kwargs: x.clone().resize_(*args, **kwargs)
    if name in ("resize_as_", "zero_"):
        call = getattr(module, name)
        return lambda x, *args, **kwargs: call(x.clone(), *args, **kwargs)
    if name in ("svd_lowrank", "pca_lowrank"):
        call = getattr(module, name)
        return lambda a, b, **kwargs: call(a @ b.mT, **kwargs)
    if name == "linalg.lstsq.grad_oriented":
        call = module.linalg.lstsq
        return lambda a, b, driver: call(a, b, driver=driver)[:2]
    if name == "linalg.pinv.singular":
        call = module.linalg.pinv
        return lambda a, b: call(a @ b.mT)
    return None


def _thin(name, factors):
    """Cut U and V of a singular value decomposition to the columns that S determines."""
    u, s, v = factors
    vh = v if name == "linalg.svd" else v.mH
    rank = s.shape[-1]
    return u[..., :rank], s, vh[..., :rank, :]


def _svd_product(name, out):
    u, s, vh = _thin(name, out)
    return u @ vh, s


def _svd_right(name, out):
    _, s, vh = _thin(name, out)
    return s, vh.abs()


def _eigen(name, out):
    return (out[0], abs(out[1])) if isinstance(out, tuple) else out


# A fragment of the recorded projection's text, and the same projection: (op name, result) -> part.
DETERMINED = (
    ("def fn_UVh", _svd_product),
    ("def fn_U(", lambda name, out: _thin(name, out)[0].abs()),
    ("def fn_S", lambda name, out: _thin(name, out)[1]),
    ("def fn_Vh", _svd_right),
    ("U @ V.mH", lambda name, out: (out[0] @ out[2].mH, out[1])),
    ("abs(output[1])", _eigen),
    (
        'op_info.name == "linalg.lu"',
        lambda name, out: (out[1], out[2]) if name == "linalg.lu" else out,
    ),
    ("return output[1], output[2]", lambda name, out: (out[1], out[2])),
)


def determined_part(name: str, source: str, out: Any) -> Any:
    """Return the part of `out` that is unique, as the recording's projection `source` took it."""
    for fragment, project in DETERMINED:
        if fragment in source:
            return project(name, out)
    raise KeyError(f"no projection is known for {name}: {source}")
