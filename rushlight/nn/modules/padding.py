"""Padding layers. The widths are given last dimension first: (left, right, top, bottom, ...)."""

from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Pads the last `_dimensions` dimensions in the way `_mode` names."""

    _dimensions = 0
    _mode = ""

    def __init__(self, padding):
        super().__init__()
        self.padding = _ntuple(2 * self._dimensions)(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self):
        return f"{self.padding}"


class _CircularPadNd(_Pad):
    _mode = "circular"

    def forward(self, input):
        allowed = (self._dimensions + 1, self._dimensions + 2)
        if input.dim() not in allowed:
            raise ValueError(
                f"expected {allowed[0]}D or {allowed[1]}D input (got {input.dim()}D input)"
            )
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Continues the last dimension periodically on both sides."""

    _dimensions = 1


class CircularPad2d(_CircularPadNd):
    """Continues the last two dimensions periodically on both sides."""

    _dimensions = 2


class CircularPad3d(_CircularPadNd):
    """Continues the last three dimensions periodically on both sides."""

    _dimensions = 3


class _ConstantPadNd(_Pad):
    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Adds `value` on both sides of the last dimension."""

    _dimensions = 1


class ConstantPad2d(_ConstantPadNd):
    """Adds `value` around the last two dimensions."""

    _dimensions = 2


class ConstantPad3d(_ConstantPadNd):
    """Adds `value` around the last three dimensions."""

    _dimensions = 3


class _ReflectionPadNd(_Pad):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Mirrors the last dimension at its ends, without repeating the end itself.

    >>> nn.ReflectionPad1d(2)(torch.tensor([[0., 1., 2., 3.]]))
    tensor([[2., 1., 0., 1., 2., 3., 2., 1.]])
    """

    _dimensions = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Mirrors the last two dimensions at their ends."""

    _dimensions = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Mirrors the last three dimensions at their ends."""

    _dimensions = 3


class _ReplicationPadNd(_Pad):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the end values of the last dimension."""

    _dimensions = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the end values of the last two dimensions."""

    _dimensions = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the end values of the last three dimensions."""

    _dimensions = 3


class ZeroPad1d(ConstantPad1d):
    """Adds zeros on both sides of the last dimension."""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Adds zeros around the last two dimensions."""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Adds zeros around the last three dimensions."""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"
