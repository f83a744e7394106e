"""softmax and log-softmax along one axis, and their adjoints.

Rows are taken in blocks that fit the cache, so that the passes over a block (maximum, subtract,
exponential, sum, divide) read memory once.
"""

import numpy as np

_BLOCK_BYTES = 1 << 18


def softmax(x, axis):
    """Return exp(x - max) / sum(exp(x - max)) along axis."""

    def block(part, out, along):
        np.subtract(part, part.max(along, keepdims=True), out=out)
        np.exp(out, out=out)
        np.divide(out, out.sum(along, keepdims=True), out=out)

    return _by_blocks(block, axis, x)


def log_softmax(x, axis):
    """Return (x - max) - log(sum(exp(x - max))) along axis."""

    def block(part, out, along):
        np.subtract(part, part.max(along, keepdims=True), out=out)
        np.subtract(out, np.log(np.exp(out).sum(along, keepdims=True)), out=out)

    return _by_blocks(block, axis, x)


def softmax_backward(g, y, axis):
    """Return y * (g - sum(g * y)): the adjoint of softmax, given its result y."""

    def block(grad, value, out, along):
        np.multiply(grad, value, out=out)
        total = out.sum(along, keepdims=True)
        np.subtract(grad, total, out=out)
        np.multiply(out, value, out=out)

    return _by_blocks(block, axis, g, y)


def log_softmax_backward(g, y, axis):
    """Return g - exp(y) * sum(g): the adjoint of log_softmax, given its result y."""

    def block(grad, value, out, along):
        np.exp(value, out=out)
        np.multiply(out, grad.sum(along, keepdims=True), out=out)
        np.subtract(grad, out, out=out)

    return _by_blocks(block, axis, g, y)


def _by_blocks(function, axis, *arrays):
    first = arrays[0]
    result = np.empty(first.shape, np.result_type(*arrays))
    if first.size == 0:
        return result
    if first.ndim == 0:
        function(*(a.reshape(1) for a in arrays), result.reshape(1), 0)
        return result
    axis %= first.ndim
    if first.nbytes <= 2 * _BLOCK_BYTES:
        function(*arrays, result, axis)
        return result
    outer = int(np.prod(first.shape[:axis]))
    shape = (outer,) + first.shape[axis:]
    arrays = [a.reshape(shape) for a in arrays]
    flat = result.reshape(shape)
    rows = max(1, _BLOCK_BYTES // max(first.nbytes // outer, 1))
    for start in range(0, outer, rows):
        piece = slice(start, start + rows)
        function(*(a[piece] for a in arrays), flat[piece], 1)
    return result
