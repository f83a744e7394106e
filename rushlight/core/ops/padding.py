"""Padding: by a constant (negative widths cut), reflection, replication, wrapping.

Widths come in PyTorch's order: (before, after) of the last dimension first.
"""

from __future__ import annotations

from ..base.shapes import meta
from .arguments import need_tensor
from .record import export, primitive


def _widths(pad, ndim):
    """PyTorch's flat list as one (before, after) pair per dimension, first dimension first."""
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return ((0, 0),) * (ndim - len(pairs)) + tuple(reversed(pairs))


def _padded_shape(x, widths):
    return tuple(size + a + b for size, (a, b) in zip(x.shape, widths))


def _constant_rule(x, value, widths):
    shape = _padded_shape(x, widths)
    if any(size < 0 for size in shape):
        axis = next(i for i, size in enumerate(shape) if size < 0)
        a, b = widths[axis]
        raise RuntimeError(f"The input size {x.shape[axis]}, plus negative padding {a} and {b} "
                           "resulted in a negative output size, which is invalid. Check dimension "
                           f"{axis} of your input.")
    return meta(x.dtype, shape)


pad_constant_op = primitive(
    "constant_pad_nd", "gather", "x value", _constant_rule, "padding.pad_constant_value",
    {"x": lambda g, widths: pad_constant_op(
        g, 0, widths=tuple((-a, -b) for a, b in widths))},
    params=("widths",), node_name="ConstantPadNdBackward0")


@export("torch")
def constant_pad_nd(input, pad, value=0):  # noqa: A002
    """`input` surrounded by `value`; negative widths remove entries."""
    pad = [int(p) for p in pad]
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(input.shape) * 2 < len(pad):
        raise RuntimeError("Length of pad should be no more than twice the number of dimensions "
                           f"of the input. Pad length is {len(pad)} while the input has "
                           f"{len(input.shape)} dimensions.")
    return pad_constant_op(input, 0 if value is None else value,
                           widths=_widths(pad, len(input.shape)))


def _gather_record(mode, node_name):
    forward = primitive(
        f"{mode}_pad", "gather", "x",
        lambda x, widths: meta(x.dtype, _padded_shape(x, widths)), f"padding.{mode}_pad",
        {"x": lambda g, widths: backward(g, widths=widths)},
        params=("widths",), node_name=node_name)
    backward = primitive(
        f"{mode}_pad_backward", "gather", "x",
        lambda x, widths: meta(x.dtype, [n - a - b for n, (a, b) in zip(x.shape, widths)]),
        f"padding.{mode}_pad_backward", {"x": lambda g, widths: forward(g, widths=widths)},
        params=("widths",), node_name=node_name.replace("Backward0", "BackwardBackward0"))
    return forward


_RECORDS = {"reflect": _gather_record("reflect", "ReflectionPadBackward0"),
            "replicate": _gather_record("replicate", "ReplicationPadBackward0"),
            "circular": _gather_record("circular", "CircularPadBackward0")}


def _check_modes(x, pad, mode):
    shape, dims = tuple(x.shape), len(pad) // 2
    batched = len(shape) == dims + 2
    for axis in range(len(shape) - dims, len(shape)):
        size = shape[axis]
        number = len(shape) - 1 - axis
        before, after = pad[2 * number], pad[2 * number + 1]
        if mode == "reflect" and (before >= size or after >= size):
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({before}, {after}) at dimension {axis} of input "
                f"{list(shape)}")
        if mode == "circular":
            if before > size or after > size:
                raise RuntimeError("Padding value causes wrapping around more than once.")
            if size + before + after < 0:
                raise RuntimeError("Negative padding value is resulting in an empty dimension")
        elif size + before + after < 1:
            kind = "W" if number == 0 else "H" if number == 1 else "D"
            raise RuntimeError(f"input ({kind}: {size}) is too small. Calculated output {kind}: "
                               f"{size + before + after}")
    if any(n == 0 for n in shape[1 if batched else 0:]):
        raise RuntimeError(f"{dims + 1}D or {dims + 2}D (batch mode) tensor expected for input "
                           f"with possibly 0 batch size and other non-zero dimensions, but got: "
                           f"{list(shape)}")


@export("nn.functional")
def pad(input, pad, mode="constant", value=None):  # noqa: A002
    """`input` with more entries around it.

    pad: (before, after) of the last dimension, then of the one before, ...; negative widths cut.
    mode: "constant" (with `value`, any dimensions), "reflect", "replicate" or "circular" (the
    last one to three dimensions of a batched or unbatched input).
    """
    need_tensor(input, "pad", "input", 1)
    pad = [int(p) for p in pad]
    if len(pad) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2 but got {len(pad)}")
    ndim = len(input.shape)
    if len(pad) > 2 * ndim:
        raise RuntimeError("Padding length should be less than or equal to two times the input "
                           f"dimension but got padding length {len(pad)} and input of dimension "
                           f"{ndim}")
    if mode == "constant":
        return constant_pad_nd(input, pad, 0.0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _RECORDS:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if (len(pad), ndim) not in ((2, 2), (2, 3), (4, 3), (4, 4), (6, 4), (6, 5)):
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are "
                                  "supported for now")
    _check_modes(input, pad, mode)
    return _RECORDS[mode](input, widths=_widths(pad, ndim))
