"""Convolutions in one to three dimensions, and their transposes."""

import math
import warnings

import rushlight
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.lazy import LazyModuleMixin
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.utils import _ntuple, _reverse_repeat_tuple
from rushlight.nn.parameter import Parameter, UninitializedParameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

_PADDING_MODES = {"zeros", "reflect", "replicate", "circular"}


class _ConvNd(Module):
    """What every convolution shares. `_dimensions` counts the spatial ones."""

    _dimensions = 0

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
        bias,
        padding_mode,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
                )
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {_PADDING_MODES}, but got "
                f"padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        # What F.pad is given for the other padding modes: last dimension first, left and right.
        self._reversed_padding_repeated_twice = self._padding_for_pad()
        factory = {"device": device, "dtype": dtype}
        self.weight = Parameter(rushlight.empty(self._weight_shape(), **factory))
        if bias:
            self.bias = Parameter(rushlight.empty(out_channels, **factory))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding_for_pad(self):
        if not isinstance(self.padding, str):
            return _reverse_repeat_tuple(self.padding, 2)
        widths = [0, 0] * len(self.kernel_size)
        if self.padding == "same":
            pairs = zip(reversed(self.kernel_size), reversed(self.dilation))
            for i, (kernel, dilation) in enumerate(pairs):
                total = dilation * (kernel - 1)
                widths[2 * i] = total // 2
                widths[2 * i + 1] = total - total // 2
        return widths

    def _weight_shape(self):
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    def reset_parameters(self):
        """Draw weight and bias uniformly in [-1/sqrt(fan_in), 1/sqrt(fan_in)]."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self):
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        ones = (1,) * len(self.dilation)
        if self.padding != (0,) * len(self.padding):
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * len(self.output_padding):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


class _Conv(_ConvNd):
    """A convolution that is not transposed; the subclass names its function."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        if isinstance(dilation, bool):
            warnings.warn(
                f"{type(self).__name__}: the sixth argument is dilation, and it is {dilation}; "
                f"write bias={dilation}",
                stacklevel=2,
            )
        tuple_of = _ntuple(self._dimensions)
        super().__init__(
            in_channels,
            out_channels,
            tuple_of(kernel_size),
            tuple_of(stride),
            padding if isinstance(padding, str) else tuple_of(padding),
            tuple_of(dilation),
            False,
            tuple_of(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input, weight, bias):
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._dimensions
        return self._function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Cross-correlation over the last dimension.

    out[n, o, i] = bias[o] + sum over c, k of weight[o, c, k] * in[n, c, i * stride + k * dilation]

    Shapes: (N, C_in, L) or (C_in, L) to (N, C_out, L_out) or (C_out, L_out), with
    L_out = floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1). `padding` may be
    "valid" (none) or "same" (L_out = L, stride 1 only); `padding_mode` is "zeros", "reflect",
    "replicate" or "circular"; with `groups` each group of channels is convolved on its own.
    """

    _dimensions = 1

    def _function(self, *args):
        return F.conv1d(*args)


class Conv2d(_Conv):
    """Cross-correlation over the last two dimensions; see `Conv1d` for the arguments.

    Shapes: (N, C_in, H, W) or (C_in, H, W) to (N, C_out, H_out, W_out) or (C_out, H_out, W_out).

    >>> nn.Conv2d(3, 6, 5)(torch.randn(1, 3, 32, 32)).shape
    torch.Size([1, 6, 28, 28])
    """

    _dimensions = 2

    def _function(self, *args):
        return F.conv2d(*args)


class Conv3d(_Conv):
    """Cross-correlation over the last three dimensions; see `Conv1d` for the arguments.

    Shapes: (N, C_in, D, H, W) or (C_in, D, H, W) to (N, C_out, D_out, H_out, W_out) or the same
    without N.
    """

    _dimensions = 3

    def _function(self, *args):
        return F.conv3d(*args)


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution; the subclass names its function."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        if padding_mode != "zeros":
            raise ValueError(
                f'Only "zeros" padding mode is supported for {type(self).__name__}'
            )
        tuple_of = _ntuple(self._dimensions)
        super().__init__(
            in_channels,
            out_channels,
            tuple_of(kernel_size),
            tuple_of(stride),
            tuple_of(padding),
            tuple_of(dilation),
            True,
            tuple_of(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(
        self, input, output_size, stride, padding, kernel_size, num_spatial_dims, dilation=None
    ):
        """Return the output padding that makes the result `output_size`; ValueError if none does.

        Several output sizes have the same input size under a stride; this chooses among them.
        """
        if output_size is None:
            return _ntuple(num_spatial_dims)(self.output_padding)
        spatial = num_spatial_dims
        has_batch = input.dim() == spatial + 2
        leading = 2 if has_batch else 1
        if len(output_size) == leading + spatial:
            output_size = output_size[leading:]
        if len(output_size) != spatial:
            raise ValueError(
                f"ConvTranspose{spatial}D: for {input.dim()}D input, output_size must have "
                f"{spatial} or {leading + spatial} elements (got {len(output_size)})"
            )
        dilation = (1,) * spatial if dilation is None else dilation
        smallest = [
            (input.size(d + leading) - 1) * stride[d]
            - 2 * padding[d]
            + dilation[d] * (kernel_size[d] - 1)
            + 1
            for d in range(spatial)
        ]
        largest = [smallest[d] + stride[d] - 1 for d in range(spatial)]
        if any(not low <= n <= high for low, n, high in zip(smallest, output_size, largest)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from "
                f"{smallest} to {largest} (for an input of {input.size()[2:]})"
            )
        return [n - low for n, low in zip(output_size, smallest)]

    def forward(self, input, output_size=None):
        if self.padding_mode != "zeros":
            raise ValueError(
                f"Only `zeros` padding mode is supported for {type(self).__name__}"
            )
        output_padding = self._output_padding(
            input,
            output_size,
            self.stride,
            self.padding,
            self.kernel_size,
            self._dimensions,
            self.dilation,
        )
        return self._function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose (adjoint) of `Conv1d`, not its inverse.

    Shapes: (N, C_in, L) or (C_in, L) to (N, C_out, L_out), with
    L_out = (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.
    `forward(input, output_size)` chooses among the sizes a stride leaves open.
    """

    _dimensions = 1

    def _function(self, *args):
        return F.conv_transpose1d(*args)


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose (adjoint) of `Conv2d`; see `ConvTranspose1d`."""

    _dimensions = 2

    def _function(self, *args):
        return F.conv_transpose2d(*args)


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose (adjoint) of `Conv3d`; see `ConvTranspose1d`."""

    _dimensions = 3

    def _function(self, *args):
        return F.conv_transpose3d(*args)


class _LazyConvXdMixin(LazyModuleMixin):
    """Takes `in_channels` from the first input."""

    def _make_uninitialized(self, out_channels, bias, device, dtype):
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        """Draw weight and bias anew, once their shapes are known."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def _get_in_channels(self, input):
        batched = self._dimensions + 2
        if input.dim() not in (batched - 1, batched):
            raise RuntimeError(
                f"Expected {batched - 1}D (unbatched) or {batched}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[1] if input.dim() == batched else input.shape[0]

    def initialize_parameters(self, input, *args, **kwargs):
        if self.has_uninitialized_params():
            self.in_channels = self._get_in_channels(input)
            if self.in_channels % self.groups != 0:
                raise ValueError("in_channels must be divisible by groups")
            self.weight.materialize(self._weight_shape())
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()
        if self.in_channels == 0:
            # The weight was loaded, and the channels with it.
            axis = 0 if self.transposed else 1
            scale = 1 if self.transposed else self.groups
            self.in_channels = self.weight.shape[axis] * scale


class _LazyConv(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            False,  # or a bias would be drawn from the generator
            padding_mode,
            device,
            dtype,
        )
        self._make_uninitialized(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self._make_uninitialized(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A Conv1d whose `in_channels` is that of its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A Conv2d whose `in_channels` is that of its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A Conv3d whose `in_channels` is that of its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A ConvTranspose1d whose `in_channels` is that of its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A ConvTranspose2d whose `in_channels` is that of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A ConvTranspose3d whose `in_channels` is that of its first input."""

    cls_to_become = ConvTranspose3d
