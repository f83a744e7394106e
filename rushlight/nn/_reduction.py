"""How a loss is reduced, and the two older arguments that said so."""

import warnings

__all__ = []


def legacy_get_string(size_average, reduce, emit_warning=True):
    """Translate `size_average` and `reduce` to "mean", "sum" or "none", with a warning."""
    if reduce is not None and not reduce:
        reduction = "none"
    elif size_average is None or size_average:
        reduction = "mean"
    else:
        reduction = "sum"
    if emit_warning:
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            stacklevel=3,
        )
    return reduction


def resolve(reduction, size_average, reduce):
    """Return the reduction to use, which the older arguments override where given."""
    if size_average is None and reduce is None:
        return reduction
    return legacy_get_string(size_average, reduce)


def reduce_loss(values, reduction):
    """Apply "none", "mean" or "sum"; ValueError for anything else."""
    if reduction == "mean":
        return values.mean()
    if reduction == "sum":
        return values.sum()
    if reduction == "none":
        return values
    raise ValueError(f"{reduction} is not a valid value for reduction")


def check(reduction):
    """Raise ValueError unless `reduction` is one of the three."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
