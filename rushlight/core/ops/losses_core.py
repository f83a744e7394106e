"""The losses with kernels of their own: negative log-likelihood, cross entropy, CTC.

The pointwise losses are compositions, in `rushlight.nn.functional`.
"""

from __future__ import annotations

from ..base.shapes import meta
from .arguments import need_tensor, not_implemented_for, scalar_name
from .record import export, primitive

_REDUCTIONS = ("none", "mean", "sum")


def resolve_reduction(reduction, size_average=None, reduce=None):
    """The reduction to use, with PyTorch's two older arguments."""
    if size_average is not None or reduce is not None:
        import warnings
        average = size_average is None or size_average
        wanted = "none" if reduce is not None and not reduce else "mean" if average else "sum"
        warnings.warn("size_average and reduce args will be deprecated, please use "
                      f"reduction='{wanted}' instead.", UserWarning, stacklevel=3)
        return wanted
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


# Negative log-likelihood ---------------------------------------------------------------------


def _check_index_dtype(target):
    if target.dtype.name not in ("int64", "uint8"):
        raise RuntimeError("expected target dtype to be Long or Byte, but got "
                           f"{scalar_name(target.dtype)}")


def _nll_rule(x, target, weight, reduction, ignored, shape):
    if x.dtype.category != 2:
        raise not_implemented_for("nll_loss_out_frame", x.dtype)
    _check_index_dtype(target)
    if weight is not None and weight.dtype is not x.dtype:
        raise RuntimeError(f"expected scalar type {scalar_name(x.dtype)} but found "
                           f"{scalar_name(weight.dtype)}")
    return meta(x.dtype, shape if reduction == "none" else ()), meta(x.dtype, ())


def _nll_backward(g0, x_meta, target, weight, out1, reduction, ignored):
    return nll_backward_op(g0, target, weight, out1, reduction=reduction, ignored=ignored,
                           x_shape=tuple(x_meta.shape))


def _nll_twice(g, y_meta, target, weight, total, reduction, ignored):
    made = nll_op(g, target, weight, reduction="none" if reduction == "none" else "sum",
                  ignored=ignored, shape=tuple(y_meta.shape) if reduction == "none" else None)[0]
    return made / total if reduction == "mean" else made


nll_op = primitive(
    "nll_loss", "gather", "x target weight?", _nll_rule, "losses.nll_loss", {"x": _nll_backward},
    params=("reduction", "ignored", "shape"), multi=2, non_differentiable=(1,), checks=True)
nll_backward_op = primitive(
    "nll_loss_backward", "scatter", "y target weight? total",
    lambda y, target, weight, total, reduction, ignored, x_shape: meta(y.dtype, x_shape),
    "losses.nll_loss_backward", {"y": _nll_twice}, params=("reduction", "ignored", "x_shape"),
    node_name="NllLossBackwardBackward0")


def _check_target(x, target, weight):
    shape, wanted = tuple(x.shape), tuple(target.shape)
    if not shape:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if len(shape) > 1 and wanted and shape[0] != wanted[0]:
        raise ValueError(f"Expected input batch_size ({shape[0]}) to match target batch_size "
                         f"({wanted[0]}).")
    if len(shape) <= 2:
        if len(wanted) > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if len(shape) == 2 and wanted != shape[:1]:
            raise RuntimeError(f"size mismatch (got input: {list(shape)}, target: {list(wanted)})")
        if len(shape) == 1 and wanted not in ((), (1,)):
            raise RuntimeError(f"size mismatch (got input: {list(shape)}, target: {list(wanted)})")
    elif wanted != (shape[0], *shape[2:]):
        raise RuntimeError(f"Expected target size {[shape[0], *shape[2:]]}, got {list(wanted)}")
    classes = shape[1] if len(shape) > 1 else shape[0]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(f"weight tensor should be defined either for all {classes} classes or "
                           "no classes but got weight tensor of shape: "
                           f"{list(weight.shape)}")


def _check_classes(target, classes, ignored):
    """Refuse a class that does not exist, at once where the targets are in memory already."""
    array = target._storage.value.array
    if array is None or array.size == 0 or target._storage.value.meta is not target._meta:
        return
    if array.size <= 64:        # a few Python numbers are faster than NumPy's reductions
        numbers = array.reshape(-1).tolist()
        low, high = min(numbers), max(numbers)
    else:
        low, high = array.min(), array.max()
    if high >= classes or low < 0:
        bad = array[((array < 0) | (array >= classes)) & (array != ignored)]
        if bad.size:
            raise IndexError(f"Target {bad.flat[0]} is out of bounds.")


def _nll(x, target, weight, reduction, ignored):
    need_tensor(x, "nll_loss_nd", "input", 1)
    need_tensor(target, "nll_loss_nd", "target", 2)
    _check_target(x, target, weight)
    _check_index_dtype(target)
    shape = tuple(target.shape) if len(x.shape) > 1 else ()
    _check_classes(target, x.shape[1] if len(x.shape) > 1 else x.shape[0], ignored)
    return nll_op(x, target, weight, reduction=reduction, ignored=int(ignored), shape=shape)[0]


def _classes_exist(input, target, *args, ignore_index=-100, **kwargs):  # noqa: A002
    """What depends on the data of a call that is known otherwise."""
    if target._meta.dtype.category == 1:
        shape = input._meta.shape
        _check_classes(target, shape[1] if len(shape) > 1 else shape[0],
                       args[2] if len(args) > 2 else ignore_index)


@export("nn.functional", static=_classes_exist)
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100,  # noqa: A002
             reduce=None, reduction="mean"):
    """-weight[target] * input[target] of log-probabilities (N, C), (C,) or (N, C, d1, ...).

    reduction: "mean" (divided by the weights of the targets), "sum" or "none". Targets equal to
    ignore_index count nothing. IndexError for a class that does not exist.
    """
    reduction = resolve_reduction(reduction, size_average, reduce)
    return _nll(input, target, weight, reduction, ignore_index)


@export("torch", name="nll_loss")
def torch_nll_loss(input, target, weight=None, reduction=1, ignore_index=-100):  # noqa: A002
    """See `torch.nn.functional.nll_loss`; reduction by PyTorch's number."""
    return _nll(input, target, weight, _REDUCTIONS[reduction], ignore_index)


# Cross entropy -------------------------------------------------------------------------------


def _reduced(loss, reduction, count):
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / count


def _with_probabilities(x, target, weight, reduction, smoothing):
    axis = 0 if len(x.shape) == 1 else 1
    if not target.is_floating_point():
        raise RuntimeError("Expected floating point type for target with class probabilities, got "
                           f"{scalar_name(target.dtype)}")
    classes = x.shape[axis]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError("cross_entropy: weight tensor should be defined either for all "
                           f"{classes} classes or no classes but got weight tensor of shape: "
                           f"{list(weight.shape)}")
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    logs = x.log_softmax(axis)
    product = logs * target
    if weight is not None:
        each = [1] * len(x.shape)
        each[axis] = classes
        product = product * weight.reshape(each)
    if reduction == "none":
        return -product.sum(axis)
    count = 1
    for n in (x.shape[:axis] + x.shape[axis + 1:]):
        count *= n
    return _reduced(-product, reduction, count)


def _smoothed(x, target, weight, reduction, ignored, smoothing):
    axis = 0 if len(x.shape) == 1 else 1
    classes = x.shape[axis]
    logs = x.log_softmax(axis)
    nll = _nll(logs, target, weight, reduction, ignored)
    if weight is None:
        smooth = -logs.sum(axis)
    else:
        each = [1] * len(x.shape)
        each[axis] = classes
        smooth = -(logs * weight.reshape(each)).sum(axis)
    skipped = target == ignored
    smooth = smooth.masked_fill(skipped, 0.0)
    if reduction == "mean":
        if weight is None:
            count = skipped.logical_not().sum()
        else:
            safe = target.masked_fill(skipped, 0)
            picked = weight.index_select(0, safe.reshape(-1)).reshape(target.shape)
            count = picked.masked_fill(skipped, 0.0).sum()
        smooth = smooth.sum() / count
    elif reduction == "sum":
        smooth = smooth.sum()
    return (1 - smoothing) * nll + (smoothing / classes) * smooth


def _cross_entropy(x, target, weight, reduction, ignored, smoothing):
    need_tensor(x, "cross_entropy_loss", "input", 1)
    need_tensor(target, "cross_entropy_loss", "target", 2)
    if not 0.0 <= smoothing <= 1.0:
        raise RuntimeError("label_smoothing must be between 0.0 and 1.0. Got: "
                           f"{smoothing:g}")
    if x.shape == target.shape:
        if ignored >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        return _with_probabilities(x, target, weight, reduction, smoothing)
    if smoothing > 0:
        return _smoothed(x, target, weight, reduction, ignored, smoothing)
    return _nll(x.log_softmax(0 if len(x.shape) == 1 else 1), target, weight, reduction, ignored)


@export("nn.functional", static=_classes_exist)
def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100,  # noqa: A002
                  reduce=None, reduction="mean", label_smoothing=0.0):
    """-log softmax(input)[target] of scores (N, C), (C,) or (N, C, d1, ...).

    target: class numbers, or probabilities of the input's shape. label_smoothing mixes the target
    with the uniform distribution. Otherwise as `nll_loss`.
    """
    reduction = resolve_reduction(reduction, size_average, reduce)
    return _cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing)


@export("torch")
def cross_entropy_loss(input, target, weight=None, reduction=1, ignore_index=-100,  # noqa: A002
                       label_smoothing=0.0):
    """See `torch.nn.functional.cross_entropy`; reduction by PyTorch's number."""
    return _cross_entropy(input, target, weight, _REDUCTIONS[reduction], ignore_index,
                          label_smoothing)


# Connectionist temporal classification -------------------------------------------------------


def _ctc_rule(x, targets, input_lengths, target_lengths, blank, zero_infinity):
    if x.dtype.name not in ("float32", "float64"):
        raise not_implemented_for("ctc_loss_cpu", x.dtype)
    return meta(x.dtype, (x.shape[1],))


def _ctc_never(g):
    raise RuntimeError("derivative for aten::_ctc_loss_backward is not implemented")


ctc_op = primitive(
    "ctc_loss", "row", "x targets input_lengths target_lengths", _ctc_rule, "ctc.ctc_loss",
    {"x": lambda g, x, targets, input_lengths, target_lengths, blank, zero_infinity:
        ctc_backward_op(g, x, targets, input_lengths, target_lengths, blank=blank,
                        zero_infinity=zero_infinity)},
    params=("blank", "zero_infinity"), checks=True)
ctc_backward_op = primitive(
    "ctc_loss_backward", "row", "y x targets input_lengths target_lengths",
    lambda y, x, targets, input_lengths, target_lengths, blank, zero_infinity: meta(
        x.dtype, x.shape),
    "ctc.ctc_loss_backward", {"y": _ctc_never, "x": _ctc_never},
    params=("blank", "zero_infinity"), node_name="CtcLossBackwardBackward0")


def _lengths(value):
    import rushlight
    if hasattr(value, "_meta"):
        return value.to(rushlight.int64)
    return rushlight.tensor(list(value), dtype=rushlight.int64)


def _ctc(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity):
    need_tensor(log_probs, "ctc_loss", "log_probs", 1)
    single = len(log_probs.shape) == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    if len(x.shape) != 3:
        raise RuntimeError("log_probs must be 2- or 3-dimensional (T, C) or (T, N, C)")
    steps, batch, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    inputs, wanted = _lengths(input_lengths), _lengths(target_lengths)
    if single:
        inputs, wanted = inputs.reshape(-1), wanted.reshape(-1)
        targets = targets.reshape(1, -1)
    for name, given in (("input_lengths", inputs), ("target_lengths", wanted)):
        if given.numel() != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    loss = ctc_op(x, targets, inputs, wanted, blank=int(blank), zero_infinity=bool(zero_infinity))
    if reduction == "mean":
        return (loss / wanted.clamp(min=1).to(loss.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if single else loss


@export("nn.functional")
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
             zero_infinity=False):
    """-log of the probability of all alignments of targets with log_probs (T, N, C).

    targets: (N, S), or all targets in a row. reduction "mean" divides each loss by its target's
    length first. zero_infinity: losses (and gradients) of impossible alignments become zero.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _ctc(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)


@export("torch", name="ctc_loss")
def torch_ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=1,
                   zero_infinity=False):
    """See `torch.nn.functional.ctc_loss`; reduction by PyTorch's number."""
    return _ctc(log_probs, targets, input_lengths, target_lengths, blank, _REDUCTIONS[reduction],
                zero_infinity)
