"""Losses as compositions of pointwise ops and a reduction.

Each takes `reduction`: "mean" (the default), "sum" or "none", and the older `size_average` and
`reduce`, which warn. Losses over class indices (cross_entropy, nll_loss, ctc_loss) are ops.
"""

import math
import warnings

import rushlight
from rushlight.core.tensor.install import NAMESPACES
from rushlight.nn._reduction import check, reduce_loss, resolve
from rushlight.nn.functional._distance import pairwise_distance

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

# Those that are one node: values and reduction together.
_ops = NAMESPACES["losses"]


def _matched(input, target):
    """Broadcast target and input against each other, warning where they differ."""
    if target.size() == input.size():
        return input, target
    warnings.warn(
        f"Using a target size ({target.size()}) that is different to the input size "
        f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
        "Please ensure they have the same size.",
        stacklevel=3,
    )
    return rushlight.broadcast_tensors(input, target)


def _weighted(values, weight, reduction):
    """Reduce `values` times `weight`; the mean is the weighted one."""
    if weight.size() != values.size():
        raise ValueError("Weights and input must have the same size.")
    values = values * weight
    if reduction == "mean":
        return values.sum() / weight.sum()
    return reduce_loss(values, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|x - y|, the mean absolute error. A `weight` makes the mean a weighted one."""
    reduction = resolve(reduction, size_average, reduce)
    input, target = _matched(input, target)
    values = (input - target).abs()
    if weight is not None:
        return _weighted(values, weight, reduction)
    return reduce_loss(values, reduction)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(x - y)^2, the mean squared error. A `weight` makes the mean a weighted one."""
    reduction = resolve(reduction, size_average, reduce)
    input, target = _matched(input, target)
    if weight is not None:
        return _weighted((input - target).square(), weight, reduction)
    check(reduction)
    return _ops["mse_loss"](input, target, reduction)


def smooth_l1_loss(
    input, target, size_average=None, reduce=None, reduction="mean", beta=1.0
):
    """d^2 / (2 beta) where d = |x - y| < beta, else d - beta / 2."""
    reduction = resolve(reduction, size_average, reduce)
    input, target = _matched(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    check(reduction)
    return _ops["smooth_l1_loss"](input, target, reduction, beta)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """d^2 / 2 where d = |x - y| <= delta, else delta (d - delta / 2)."""
    input, target = _matched(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is None:
        check(reduction)
        return _ops["huber_loss"](input, target, reduction, delta)
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    return reduce_loss(_ops["huber_loss"](input, target, "none", delta) * weight, reduction)


def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-(y log x + (1 - y) log(1 - x)), for probabilities x; each logarithm is at least -100."""
    reduction = resolve(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size."
        )
    check(reduction)
    if weight is not None:
        weight = weight.expand(input.size())
    return _ops["binary_cross_entropy"](input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input,
    target,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
    pos_weight=None,
):
    """`binary_cross_entropy` of sigmoid(x), computed stably from x.

    (1 - y) x + (1 + (pos_weight - 1) y) log(1 + exp(-x)).
    """
    reduction = resolve(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(
            f"Target size ({target.size()}) must be the same as input size ({input.size()})"
        )
    check(reduction)
    return _ops["binary_cross_entropy_with_logits"](input, target, weight, pos_weight, reduction)


def kl_div(
    input, target, size_average=None, reduce=None, reduction="mean", log_target=False
):
    """y (log y - x), for log-probabilities x; y itself is a logarithm with `log_target`.

    reduction="batchmean" divides the sum by the batch size, which is the divergence as defined.
    """
    reduction = resolve(reduction, size_average, reduce)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next "
            "major release.",
            stacklevel=2,
        )
    if log_target:
        values = target.exp() * (target - input)
    else:
        values = rushlight.xlogy(target, target) - target * input
    if reduction == "batchmean":
        total = values.sum()
        return total / input.size(0) if input.dim() != 0 else total
    return reduce_loss(values, reduction)


def poisson_nll_loss(
    input,
    target,
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
):
    """exp(x) - y x, for the logarithm x of the rate; x - y log(x + eps) for the rate itself.

    With `full`, Stirling's y log y - y + log(2 pi y) / 2 is added where y > 1.
    """
    reduction = resolve(reduction, size_average, reduce)
    check(reduction)
    if log_input:
        values = input.exp() - target * input
    else:
        values = input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        values = values + stirling.masked_fill(target <= 1, 0)
    return reduce_loss(values, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log max(v, eps) + (x - y)^2 / max(v, eps)) / 2, plus log(2 pi) / 2 with `full`.

    `var` has the input's shape, or lacks its last dimension or has it 1, or is a number. The
    clamping at eps does not affect gradients.
    """
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * rushlight.ones_like(input)
    elif rushlight.any(var < 0):
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif not (input.size()[:-1] == var.size()[:-1] and var.size(-1) == 1):
            if input.ndim != var.ndim or any(
                v not in (n, 1) for n, v in zip(input.size(), var.size())
            ):
                raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    var = var.clone()
    with rushlight.no_grad():
        var.clamp_(min=eps)
    values = 0.5 * (var.log() + (input - target).square() / var)
    if full:
        values = values + 0.5 * math.log(2 * math.pi)
    return reduce_loss(values, reduction)


def hinge_embedding_loss(
    input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"
):
    """x where y = 1, max(0, margin - x) where y = -1, their sum where y is neither."""
    reduction = resolve(reduction, size_average, reduce)
    check(reduction)
    apart = rushlight.where(target != 1, (margin - input).clamp(min=0), 0)
    together = rushlight.where(target != -1, input, 0)
    return reduce_loss(apart + together, reduction)


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-y x)), for y of 1 or -1."""
    reduction = resolve(reduction, size_average, reduce)
    check(reduction)
    return _ops["soft_margin_loss"](input, target, reduction)


def margin_ranking_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """max(0, -y (x1 - x2) + margin), for y of 1 or -1."""
    reduction = resolve(reduction, size_average, reduce)
    check(reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return reduce_loss((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def cosine_embedding_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1."""
    reduction = resolve(reduction, size_average, reduce)
    check(reduction)
    if target.dim() == 1 and not (input1.dim() == 2 and input2.dim() == 2):
        raise RuntimeError(
            "1D target tensor expects 2D input tensors, but found inputs with sizes "
            f"{list(input1.size())} and {list(input2.size())}."
        )
    if target.dim() == 0 and not (input1.dim() == 1 and input2.dim() == 1):
        raise RuntimeError(
            "0D target tensor expects 1D input tensors, but found inputs with sizes "
            f"{list(input1.size())} and {list(input2.size())}."
        )
    if target.dim() > 1:
        raise RuntimeError(
            "0D or 1D target tensor expected, multi-target not supported"
        )
    epsilon = 1e-12
    dim = target.dim()
    product = (input1 * input2).sum(dim)
    squares = (input1.square().sum(dim) + epsilon) * (input2.square().sum(dim) + epsilon)
    cosine = product / squares.sqrt()
    together = rushlight.where(target == 1, 1 - cosine, 0)
    apart = rushlight.where(target == -1, (cosine - margin).clamp(min=0), 0)
    return reduce_loss(together + apart, reduction)


def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-(y log sigmoid(x) + (1 - y) log sigmoid(-x)), averaged over the classes."""
    reduction = resolve(reduction, size_average, reduce)
    from rushlight.nn.functional import logsigmoid

    values = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        values = values * weight
    values = values.sum(dim=-1) / input.size(-1)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return reduce_loss(values, reduction)


def _scalar_name(tensor):
    """The dtype as PyTorch's messages name it: Long, Float."""
    return tensor.type().split(".")[-1].replace("Tensor", "")


def _check_samples(input):
    """Raise unless input is (N, C), (C) or a single number, and C is not 0."""
    if input.dim() > 2 or input.dim() > 0 and input.size(-1) == 0:
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.size())}"
        )


def multi_margin_loss(
    input,
    target,
    p=1,
    margin=1.0,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """The mean over classes i != y of max(0, margin - x[y] + x[i])^p, times weight[y].

    Shapes: (N, C) and class indices (N), or (C) and a single index.
    """
    reduction = resolve(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    check(reduction)
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    _check_samples(input)
    rows = input.reshape(1, -1) if input.dim() < 2 else input
    samples, classes = rows.shape
    if target.dim() > 1 or target.numel() != samples:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of "
            f"input samples (batch size). Expected target size [{samples}], but got "
            f"{list(target.size())}. Input has shape {list(input.size())}."
        )
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(
            f"inconsistent weight size, expected {classes} but got {list(weight.size())}"
        )
    if target.dtype != rushlight.int64:
        raise RuntimeError(f"expected scalar type Long but found {_scalar_name(target)}")
    wanted = target.reshape(-1, 1)
    if samples and bool(((wanted < 0) | (wanted >= classes)).any()):
        raise RuntimeError("target out of range")
    values = (margin - rows.gather(1, wanted) + rows).clamp(min=0)
    if p == 2:
        values = values.square()
    if weight is not None:
        values = values * weight[wanted]
    others = rushlight.arange(classes) != wanted
    values = rushlight.where(others, values, 0).sum(1) / classes
    if target.dim() == 0:
        values = values.reshape(())
    return reduce_loss(values, reduction)


def multilabel_margin_loss(
    input, target, size_average=None, reduce=None, reduction="mean"
):
    """The mean over target classes j and all others i of max(0, 1 - x[y[j]] + x[i]).

    A row of `target` lists the sample's classes, up to the first -1. Shapes: (N, C) or (C).
    """
    reduction = resolve(reduction, size_average, reduce)
    check(reduction)
    _check_samples(input)
    if target.size() != input.size():
        raise RuntimeError(
            f"inconsistent target size: {list(target.size())} for input of size: "
            f"{list(input.size())}"
        )
    if target.dtype != rushlight.int64:
        raise RuntimeError(f"expected scalar type Long but found {_scalar_name(target)}")
    rows = input.reshape(1, -1) if input.dim() < 2 else input
    labels = target.reshape(rows.shape)
    classes = rows.size(1)
    if labels.numel() and bool(((labels < -1) | (labels >= classes)).any()):
        raise RuntimeError("argument #2 'target' is out of range")
    # (N, C): which entries of the label list count, and which classes they name
    listed = (labels < 0).cumsum(1) == 0
    safe = rushlight.where(listed, labels, 0)
    named = rushlight.zeros_like(rows).scatter_add(1, safe, listed.to(rows.dtype)) > 0
    # (N, J, I): listed label j against every class i that is not named
    margins = (1 - rows.gather(1, safe).unsqueeze(2) + rows.unsqueeze(1)).clamp(min=0)
    counted = listed.unsqueeze(2) & ~named.unsqueeze(1)
    values = rushlight.where(counted, margins, 0).sum((1, 2)) / classes
    if input.dim() < 2:
        values = values.reshape(())
    return reduce_loss(values, reduction)


def _check_triplet(anchor, positive, negative, margin):
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.dim()}D, positive {positive.dim()}D, and "
            f"negative {negative.dim()}D inputs"
        )


def _triplet(distance, anchor, positive, negative, margin, swap, reduction):
    near = distance(anchor, positive)
    far = distance(anchor, negative)
    if swap:
        far = rushlight.minimum(far, distance(positive, negative))
    return reduce_loss((margin + near - far).clamp(min=0), reduction)


def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """max(0, d(a, p) - d(a, n) + margin), d the distance `pairwise_distance` of degree p.

    With `swap`, d(a, n) is the smaller of d(a, n) and d(p, n).
    """
    reduction = resolve(reduction, size_average, reduce)
    check(reduction)
    _check_triplet(anchor, positive, negative, margin)

    def distance(x, y):
        return pairwise_distance(x, y, p, eps)

    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor,
    positive,
    negative,
    *,
    distance_function=None,
    margin=1.0,
    swap=False,
    reduction="mean",
):
    """`triplet_margin_loss` with any distance; `pairwise_distance` by default."""
    check(reduction)
    _check_triplet(anchor, positive, negative, margin)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)


