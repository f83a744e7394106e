"""softmax, log-softmax and softmin along an axis."""

from __future__ import annotations

from ..base.shapes import meta, wrap_dim
from .arguments import need_tensor, not_implemented_for
from .record import export, primitive


def _same(x, *_):
    return meta(x.dtype, x.shape)


def _float_only(kernel):
    def rule(x, dim):
        if x.dtype.category != 2:
            raise not_implemented_for(kernel, x.dtype)
        return meta(x.dtype, x.shape)
    return rule


softmax_op = primitive(
    "softmax", "row", "x", _float_only("softmax_kernel_impl"), "softmax.softmax",
    {"x": lambda g, out, dim: softmax_backward_op(g, out, dim=dim)}, params=("dim",))

# y * (g - sum(g * y)): its matrix diag(y) - y y' is symmetric, so it is its own adjoint in g
softmax_backward_op = primitive(
    "softmax_backward", "row", "x y", _same, "softmax.softmax_backward",
    {"x": lambda g, y, dim: softmax_backward_op(g, y, dim=dim),
     "y": lambda g, x, y, dim: (g * (x - (x * y).sum(dim, True)) - x * (g * y).sum(dim, True))},
    params=("dim",), node_name="SoftmaxBackwardDataBackward0")

log_softmax_op = primitive(
    "log_softmax", "row", "x", _float_only("log_softmax_lastdim_kernel_impl"),
    "softmax.log_softmax",
    {"x": lambda g, out, dim: log_softmax_backward_op(g, out, dim=dim)}, params=("dim",))

# g - exp(y) * sum(g)
log_softmax_backward_op = primitive(
    "log_softmax_backward", "row", "x y", _same, "softmax.log_softmax_backward",
    {"x": lambda g, y, dim: g - (g * y.exp()).sum(dim, True),
     "y": lambda g, x, y, dim: -(g * y.exp() * x.sum(dim, True))},
    params=("dim",), node_name="LogSoftmaxBackwardDataBackward0")


def _along(op, name, input, dim, dtype):  # noqa: A002
    need_tensor(input, name, "input", 1)
    if dtype is not None and input.dtype is not dtype:
        input = input.to(dtype)  # noqa: A001
    return op(input, dim=wrap_dim(dim, len(input.shape)))


def _default_dim(name, ndim):
    import warnings
    warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to "
                  "include dim=X as an argument.", UserWarning, stacklevel=4)
    return 0 if ndim in (0, 1, 3) else 1


@export("torch", "Tensor", out=True, static=True)
def softmax(input, dim, dtype=None):  # noqa: A002
    """exp(x) / sum(exp(x)) along `dim`, computed from x - max(x); `dtype` casts first."""
    return _along(softmax_op, "softmax", input, dim, dtype)


@export("torch", "Tensor", out=True, static=True)
def log_softmax(input, dim, dtype=None):  # noqa: A002
    """x - log(sum(exp(x))) along `dim`; `dtype` casts first."""
    return _along(log_softmax_op, "log_softmax", input, dim, dtype)


@export("special", name="softmax")
def special_softmax(input, dim, *, dtype=None):  # noqa: A002
    """See `torch.softmax`."""
    return _along(softmax_op, "softmax", input, dim, dtype)


@export("special", name="log_softmax")
def special_log_softmax(input, dim, *, dtype=None):  # noqa: A002
    """See `torch.log_softmax`."""
    return _along(log_softmax_op, "log_softmax", input, dim, dtype)


@export("nn.functional", name="softmax")
def functional_softmax(input, dim=None, _stacklevel=3, dtype=None):  # noqa: A002
    """exp(x) / sum(exp(x)) along `dim`; without a dim PyTorch's old guess, with a warning."""
    dim = _default_dim("softmax", len(input.shape)) if dim is None else dim
    return _along(softmax_op, "softmax", input, dim, dtype)


@export("nn.functional", name="log_softmax")
def functional_log_softmax(input, dim=None, _stacklevel=3, dtype=None):  # noqa: A002
    """x - log(sum(exp(x))) along `dim`; without a dim PyTorch's old guess, with a warning."""
    dim = _default_dim("log_softmax", len(input.shape)) if dim is None else dim
    return _along(log_softmax_op, "log_softmax", input, dim, dtype)


@export("torch", name="_softmax")
def softmax_to(input, dim, half_to_float):  # noqa: A002
    """`softmax`, in float32 for half inputs where half_to_float says so."""
    made = input.float() if half_to_float and input.dtype.half else input
    return softmax_op(made, dim=wrap_dim(dim, len(input.shape)))


@export("torch", name="_log_softmax")
def log_softmax_to(input, dim, half_to_float):  # noqa: A002
    """`log_softmax`, in float32 for half inputs where half_to_float says so."""
    made = input.float() if half_to_float and input.dtype.half else input
    return log_softmax_op(made, dim=wrap_dim(dim, len(input.shape)))


@export("torch", name="_softmax_backward_data")
def softmax_backward_data(grad_output, output, dim, input_dtype):
    """The gradient of softmax from that of its result."""
    made = softmax_backward_op(grad_output, output, dim=wrap_dim(dim, len(output.shape)))
    return made if made.dtype is input_dtype else made.to(input_dtype)


@export("torch", name="_log_softmax_backward_data")
def log_softmax_backward_data(grad_output, output, dim, input_dtype):
    """The gradient of log_softmax from that of its result."""
    made = log_softmax_backward_op(grad_output, output, dim=wrap_dim(dim, len(output.shape)))
    return made if made.dtype is input_dtype else made.to(input_dtype)
