"""Layer, group, batch, instance and root-mean-square normalisation.

The first derivatives are kernels. Where a derivative will itself be differentiated
(``create_graph=True``) the same formula is evaluated with public ops, so any order follows.
"""

from __future__ import annotations

from ..base import dtypes as dt
from ..base.shapes import meta
from ..trace.value import STATE
from .arguments import image_meta, need_tensor, not_implemented_for
from .record import export, pointwise, primitive


def _statistics_dtype(x, *parameters):
    """float32 where a half input comes with float32 parameters, else the input's own."""
    given = [p.dtype for p in parameters if p is not None]
    if not x.dtype.half and any(d is not x.dtype for d in given):
        raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")
    return dt.float32 if x.dtype.half and dt.float32 in given else x.dtype


def _need_float(kernel, x):
    if x.dtype.category < 2:
        raise not_implemented_for(kernel, x.dtype)


def _normal(x, dims, eps):
    """(x - mean) / sqrt(variance + eps) over `dims`, with public ops."""
    centred = x - x.mean(dims, True)
    variance = (centred * centred).mean(dims, True)
    return centred * (variance + eps).rsqrt()


def _normal_backward(g, x, dims, eps):
    """The gradient of `_normal` in x, with public ops."""
    centred = x - x.mean(dims, True)
    rstd = ((centred * centred).mean(dims, True) + eps).rsqrt()
    normal = centred * rstd
    return rstd * (g - g.mean(dims, True) - normal * (g * normal).mean(dims, True))


# Layer normalisation -------------------------------------------------------------------------


def _layer_norm_rule(x, weight, bias, dims, eps):
    _need_float("LayerNormKernelImpl", x)
    kept = meta(_statistics_dtype(x, weight, bias),
                (*x.shape[:len(x.shape) - dims], *(1,) * dims))
    return meta(x.dtype, x.shape), kept, kept


def _layer_norm_backward(g0, x, weight, out1, out2, dims, eps, needs):
    if STATE.own.grad:
        over = tuple(range(-dims, 0))
        lead = tuple(range(len(x.shape) - dims))
        scaled = g0 if weight is None else g0 * weight
        return (_normal_backward(scaled, x, over, eps) if needs[0] else None,
                _sum_lead(g0 * _normal(x, over, eps), lead) if needs[1] else None,
                _sum_lead(g0, lead) if needs[2] else None)
    return layer_norm_backward_op(g0, x, out1, out2, weight, dims=dims)


def _sum_lead(x, lead):
    return x.sum(lead) if lead else x


layer_norm_op = primitive(
    "native_layer_norm", "row", "x weight? bias?", _layer_norm_rule,
    "normalization_steps.layer_norm", {("x", "weight", "bias"): _layer_norm_backward},
    params=("dims", "eps"), multi=3, non_differentiable=(1, 2))

layer_norm_backward_op = primitive(
    "native_layer_norm_backward", "row", "g x mean rstd weight?",
    lambda g, x, mean, rstd, weight, dims: (
        meta(x.dtype, x.shape),
        *(meta((x if weight is None else weight).dtype, x.shape[len(x.shape) - dims:]),) * 2),
    "normalization_steps.layer_norm_backward", None, params=("dims",), multi=3)


def _check_layer_norm(x, shape, weight, bias, star="*, "):
    if not shape:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., "
                           "containing at least one element, but got normalized_shape = "
                           f"{list(shape)}")
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != shape:
            raise RuntimeError(f"Expected {name} to be of same shape as normalized_shape, but got "
                               f"{name} of shape {list(parameter.shape)} and normalized_shape = "
                               f"{list(shape)}")
    if tuple(x.shape[-len(shape):]) != shape or len(x.shape) < len(shape):
        text = ", ".join(map(str, shape))
        raise RuntimeError(f"Given normalized_shape={list(shape)}, expected input with shape "
                           f"[{star}{text}], but got input of size{list(x.shape)}")


def _normalized_shape(normalized_shape):
    if isinstance(normalized_shape, (tuple, list)):
        return tuple(int(n) for n in normalized_shape)
    return (int(normalized_shape),)


@export("torch")
def native_layer_norm(input, normalized_shape, weight, bias, eps):  # noqa: A002
    """(layer_norm, mean, 1 / standard deviation)."""
    need_tensor(input, "native_layer_norm", "input", 1)
    shape = _normalized_shape(normalized_shape)
    _check_layer_norm(input, shape, weight, bias)
    return layer_norm_op(input, weight, bias, dims=len(shape), eps=float(eps))


@export("nn.functional")
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):  # noqa: A002
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last dimensions.

    normalized_shape: the sizes of those dimensions, which weight and bias have too. RuntimeError
    where they do not match the input.
    """
    return native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


@export("torch", name="layer_norm")
def torch_layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5,  # noqa: A002
                     cudnn_enable=True):
    """See `torch.nn.functional.layer_norm`."""
    return native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


def _rms_norm(input, normalized_shape, weight, eps):  # noqa: A002
    need_tensor(input, "rms_norm", "input", 1)
    shape = _normalized_shape(normalized_shape)
    _check_layer_norm(input, shape, weight, None, "*")
    over = tuple(range(-len(shape), 0))
    x = input.float() if input.dtype.half else input
    if eps is None:
        eps = dt.finfo(x.dtype.to_real()).eps
    y = x * (x.pow(2).mean(over, True) + eps).rsqrt()
    if weight is not None:
        y = y * weight
    return y.to(input.dtype) if y.dtype is not input.dtype else y


@export("nn.functional")
def rms_norm(input, normalized_shape, weight=None, eps=None):  # noqa: A002
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions; eps defaults to the dtype's."""
    return _rms_norm(input, normalized_shape, weight, eps)


@export("torch", name="rms_norm")
def torch_rms_norm(input, normalized_shape, weight=None, eps=None):  # noqa: A002
    """See `torch.nn.functional.rms_norm`."""
    return _rms_norm(input, normalized_shape, weight, eps)


# Group normalisation -------------------------------------------------------------------------


def _group_norm_rule(x, weight, bias, groups, eps):
    _need_float("GroupNormKernelImpl", x)
    kept = meta(_statistics_dtype(x, weight, bias), (x.shape[0], groups))
    return image_meta(x.dtype, x.shape, x), kept, kept


def _group_norm_backward(g0, g1, g2, x, weight, out1, out2, groups, eps, needs):
    # Unlike the other two, PyTorch's group norm sends gradients through mean and deviation too.
    if STATE.own.grad:
        each = (-1,) + (1,) * (len(x.shape) - 2)
        rows = (x.shape[0], groups, -1)
        others = (0, *range(2, len(x.shape)))
        scaled = g0 if weight is None else g0 * weight.reshape(each)
        flat = x.reshape(rows)
        normal = _normal(flat, -1, eps)
        rstd = ((flat - flat.mean(-1, True)).pow(2).mean(-1, True) + eps).rsqrt()
        through = (g1.unsqueeze(-1) - g2.unsqueeze(-1) * rstd * rstd * normal) / flat.shape[-1]
        normal = normal.reshape(x.shape)
        return ((_normal_backward(scaled.reshape(rows), flat, -1, eps) + through).reshape(x.shape)
                if needs[0] else None,
                (g0 * normal).sum(others) if needs[1] else None,
                g0.sum(others) if needs[2] else None)
    return group_norm_backward_op(g0, g1, g2, x, out1, out2, weight, groups=groups)


group_norm_op = primitive(
    "native_group_norm", "row", "x weight? bias?", _group_norm_rule,
    "normalization_steps.group_norm", {("x", "weight", "bias"): _group_norm_backward},
    params=("groups", "eps"), multi=3)

group_norm_backward_op = primitive(
    "native_group_norm_backward", "row", "g mean_g rstd_g x mean rstd weight?",
    lambda g, mean_g, rstd_g, x, mean, rstd, weight, groups: (
        meta(x.dtype, x.shape),
        *(meta((x if weight is None else weight).dtype, (x.shape[1],)),) * 2),
    "normalization_steps.group_norm_backward", None, params=("groups",), multi=3)


@export("torch")
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):  # noqa: A002, N803
    """(group_norm, mean (N, groups), 1 / standard deviation (N, groups))."""
    need_tensor(input, "native_group_norm", "input", 1)
    shape = tuple(input.shape)
    x = input if len(shape) >= 2 and shape[:2] == (N, C) else input.reshape(N, C, HxW)
    y, mean, rstd = group_norm_op(x, weight, bias, groups=int(group), eps=float(eps))
    return (y if tuple(y.shape) == shape else y.reshape(shape)), mean, rstd


def _group_norm(input, num_groups, weight, bias, eps):  # noqa: A002
    need_tensor(input, "group_norm", "input", 1)
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise RuntimeError("Expected at least 2 dimensions for input tensor but received "
                           f"{len(shape)}")
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if shape[1] % num_groups:
        raise RuntimeError("Expected number of channels in input to be divisible by num_groups, "
                           f"but got input of shape {list(shape)} and num_groups={num_groups}")
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != (shape[1],):
            raise RuntimeError(f"Expected {name} to be a vector of size equal to the number of "
                               f"channels in input, but got {name} of shape "
                               f"{list(parameter.shape)} and input of shape {list(shape)}")
    return group_norm_op(input, weight, bias, groups=int(num_groups), eps=float(eps))[0]


@export("nn.functional")
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):  # noqa: A002
    """Normalisation of (N, C, ...) over each of num_groups groups of channels."""
    if len(input.shape) >= 2 and num_groups > 0:
        rows = [input.shape[0] * input.shape[1] // num_groups, num_groups, *input.shape[2:]]
        _check_count(rows)
    return _group_norm(input, num_groups, weight, bias, eps)


@export("torch", name="group_norm")
def torch_group_norm(input, num_groups, weight=None, bias=None, eps=1e-5,  # noqa: A002
                     cudnn_enabled=True):
    """See `torch.nn.functional.group_norm`."""
    return _group_norm(input, num_groups, weight, bias, eps)


# Batch normalisation -------------------------------------------------------------------------


def _batch_norm_rule(x, weight, bias, running_mean, running_var, training, eps):
    _need_float("batch_norm", x)
    channels = x.shape[1] if len(x.shape) > 1 else x.shape[0]
    stats = meta(_statistics_dtype(x, weight, bias, running_mean, running_var), (channels,))
    return image_meta(x.dtype, x.shape, x), stats, stats, stats


def _batch_norm_backward(g0, x, weight, out1, out2, training, eps, needs):
    if STATE.own.grad:
        each = (-1,) + (1,) * (len(x.shape) - 2)
        others = (0, *range(2, len(x.shape)))
        scaled = g0 if weight is None else g0 * weight.reshape(each)
        if training:
            x_grad = _normal_backward(scaled, x, others, eps) if needs[0] else None
            normal = _normal(x, others, eps)
        else:
            rstd = out2.detach().reshape(each)
            x_grad = scaled * rstd
            normal = (x - out1.detach().reshape(each)) * rstd
        return (x_grad, (g0 * normal).sum(others) if needs[1] else None,
                g0.sum(others) if needs[2] else None, None, None)
    return (*batch_norm_backward_op(g0, x, out1, out2, weight, training=training), None, None)


batch_norm_op = primitive(
    "native_batch_norm", "row", "x weight? bias? running_mean? running_var?", _batch_norm_rule,
    "normalization_steps.batch_norm",
    {("x", "weight", "bias", "running_mean", "running_var"): _batch_norm_backward},
    params=("training", "eps"), multi=4, non_differentiable=(1, 2, 3))

batch_norm_backward_op = primitive(
    "native_batch_norm_backward", "row", "g x mean rstd weight?",
    lambda g, x, mean, rstd, weight, training: (
        meta(x.dtype, x.shape),
        *(meta((x if weight is None else weight).dtype, mean.shape),) * 2),
    "normalization_steps.batch_norm_backward", None, params=("training",), multi=3)

# momentum * observed + (1 - momentum) * running
moving_average_op = pointwise(
    "moving_average",
    lambda w, running, observed, momentum: w.fma(
        momentum, observed, w.mul(w.sub(1, momentum), running)),
    None, inputs="running observed momentum", promotion=lambda running, observed, momentum: (
        running.dtype, running.dtype))


def _check_batch_norm(x, weight, bias, running_mean, running_var, training):
    channels = x.shape[1] if len(x.shape) > 1 else None
    for name, stat in (("running_mean", running_mean), ("running_var", running_var)):
        if stat is None and not training:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    for name, vector in (("running_mean", running_mean), ("running_var", running_var),
                         ("weight", weight), ("bias", bias)):
        if vector is not None and channels is not None and vector.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {vector.numel()}")


def _batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps):
    need_tensor(x, "batch_norm", "input", 1)
    _check_batch_norm(x, weight, bias, running_mean, running_var, training)
    if len(x.shape) < 2:
        if x.numel() == 0:
            return x.clone(), None, None
        raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")
    training = bool(training)
    stats = (None, None) if training else (running_mean, running_var)
    made = batch_norm_op(x, weight, bias, *stats, training=training, eps=float(eps))
    if training and x.numel():
        momentum = float(momentum)
        if running_mean is not None:
            running_mean.copy_(moving_average_op(running_mean.detach(), made[1], momentum))
        if running_var is not None:
            running_var.copy_(moving_average_op(running_var.detach(), made[3], momentum))
    return made[0], made[1], made[2]


def _native(input, weight, bias, running_mean, running_var, training, momentum, eps):  # noqa: A002
    made = _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    if training:
        return made
    return made[0], made[1].new_empty((0,)), made[2].new_empty((0,))


@export("torch")
def native_batch_norm(input, weight, bias, running_mean, running_var, training,  # noqa: A002
                      momentum, eps):
    """(batch_norm, mean, 1 / standard deviation); the last two are empty in evaluation."""
    return _native(input, weight, bias, running_mean, running_var, training, momentum, eps)


@export("torch", name="_native_batch_norm_legit")
def native_batch_norm_legit(input, weight, bias, *rest):  # noqa: A002
    """`native_batch_norm`, with or without running statistics among the arguments."""
    if len(rest) == 3:  # training, momentum, eps
        rest = (None, None, *rest)
    return _native(input, weight, bias, *rest)


@export("torch", name="batch_norm")
def torch_batch_norm(input, weight, bias, running_mean, running_var, training,  # noqa: A002
                     momentum, eps, cudnn_enabled):
    """See `torch.nn.functional.batch_norm`."""
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def _check_count(size):
    """PyTorch's refusal to normalise single values."""
    count = size[0]
    for n in size[2:]:
        count *= n
    if count == 1:
        raise ValueError("Expected more than 1 value per channel when training, got input size "
                         f"torch.Size({list(size)})")


@export("nn.functional")
def batch_norm(input, running_mean, running_var, weight=None, bias=None,  # noqa: A002
               training=False, momentum=0.1, eps=1e-5):
    """(x - mean) / sqrt(variance + eps) * weight + bias per channel of (N, C, ...).

    In training the batch's own statistics are used, and the running ones become
    momentum * observed + (1 - momentum) * running (the variance unbiased); else the running ones.
    """
    if training:
        _check_count(list(input.shape))
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


# Instance normalisation ----------------------------------------------------------------------


def _instance_norm(x, weight, bias, running_mean, running_var, use_input_stats, momentum, eps):
    need_tensor(x, "instance_norm", "input", 1)
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when "
                           "use_input_stats is false")
    batch, channels = x.shape[:2]

    def repeated(vector):
        if vector is None:
            return None
        return vector.unsqueeze(0).expand(batch, channels).reshape(batch * channels)
    mean, var = repeated(running_mean), repeated(running_var)
    folded = x.contiguous().reshape(1, batch * channels, *x.shape[2:])
    y = _batch_norm(folded, repeated(weight), repeated(bias), mean, var, use_input_stats, momentum,
                    eps)[0]
    if use_input_stats:
        for running, seen in ((running_mean, mean), (running_var, var)):
            if running is not None:
                running.copy_(seen.reshape(batch, channels).mean(0))
    return y.reshape(x.shape)


@export("nn.functional")
def instance_norm(input, running_mean=None, running_var=None, weight=None,  # noqa: A002
                  bias=None, use_input_stats=True, momentum=0.1, eps=1e-5):
    """Batch normalisation of each sample of (N, C, ...) by itself."""
    if use_input_stats:
        size_prods = 1
        for n in input.shape[2:]:
            size_prods *= n
        if size_prods == 1:
            raise ValueError("Expected more than 1 spatial element when training, got input size "
                             f"{input.shape}")
    return _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats,
                          momentum, eps)


@export("torch", name="instance_norm")
def torch_instance_norm(input, weight, bias, running_mean, running_var,  # noqa: A002
                        use_input_stats, momentum, eps, cudnn_enabled):
    """See `torch.nn.functional.instance_norm`."""
    return _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats,
                          momentum, eps)
