"""The gradients of convolutions as functions of their own."""

import rushlight
from rushlight.nn import functional as F

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
]


def _gradient(convolution, input, weight, of, grad_output, settings):
    # A convolution is linear in both, so its derivative at any point is the gradient.
    of.requires_grad_(True)
    with rushlight.enable_grad():
        output = convolution(input, weight, None, *settings)
    return rushlight.autograd.grad(output, of, grad_output)[0]


def _by_input(convolution, input_size, weight, grad_output, *settings):
    if input_size is None:
        raise ValueError("grad.conv_input requires specifying an input_size")
    input = weight.new_zeros(tuple(input_size))
    return _gradient(convolution, input, weight.detach(), input, grad_output, settings)


def _by_weight(convolution, input, weight_size, grad_output, *settings):
    weight = input.new_zeros(tuple(weight_size))
    return _gradient(convolution, input.detach(), weight, weight, grad_output, settings)


def conv1d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """Return the gradient of `conv1d` with respect to its input."""
    return _by_input(F.conv1d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """Return the gradient of `conv1d` with respect to its weight."""
    return _by_weight(F.conv1d, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """Return the gradient of `conv2d` with respect to its input."""
    return _by_input(F.conv2d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """Return the gradient of `conv2d` with respect to its weight."""
    return _by_weight(F.conv2d, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """Return the gradient of `conv3d` with respect to its input."""
    return _by_input(F.conv3d, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """Return the gradient of `conv3d` with respect to its weight."""
    return _by_weight(F.conv3d, input, weight_size, grad_output, stride, padding, dilation, groups)
