"""The weight gradient with lanes over images, where result channels are too few to fill vectors.

Pictures of sixteen images are transposed as in `conv_depthwise`; a register tile is (result
channels) x (taps of one row), and its vectors are summed over their lanes at the end. Image blocks
give partial sums in the gradient's own order, which `conv_depthwise.add_parts` adds in order.
"""

from __future__ import annotations

from math import prod

from .conv_depthwise import LARGEST, DepthwiseBlocks, Pictures, padded_size
from .conv_geometry import Correlation, ceil, split
from .conv_pack import first_lanes
from .llvm_types import vector

BUFFERS = 640 << 10      # bytes of transposed pictures of one task


def suits(problem: Correlation, lanes: int, itemsize: int) -> bool:
    """Whether a weight gradient is better computed this way."""
    rows, columns = padded_size(problem)
    elements = problem.channels * rows * columns + problem.outs * prod(problem.size)
    return (problem.outs * 4 <= lanes * 3 and problem.batch * 2 > lanes and problem.size[0] == 1
            and problem.source[0] == 1 and problem.kernel[0] == 1 and problem.kernel[2] <= 8
            and min(problem.offset) >= 0 and rows * columns <= LARGEST
            and elements * lanes * itemsize <= BUFFERS)


def weight_by_images(module, target, problem: Correlation, g_strides: tuple):
    """Partial sums. Arguments: x, y's gradient, partial [image block][group][o][c][tap].

    A task: one (image block, group).
    """
    lanes = target.lanes(8 if problem.dtype == "float64" else 4)
    pictures = Pictures(module, problem, DepthwiseBlocks(1, 1), lanes)
    kind, padded, pixels = pictures.kind, pictures.padded, pictures.pixels
    pictures.packer("pack_x", problem.source, problem.x_strides, pictures.x_places, padded)
    pictures.packer("pack_g", problem.size, g_strides, range(pixels), pixels)
    _, kh, kw = problem.kernel
    most = max(1, min(28 if target.registers > 16 else 12, 28) // kw)
    size, full, short = split(problem.outs, most)
    names = {s: _product(module, problem, pictures, s) for s in {size, size - 1} if s}
    module.scheduled = True
    b = module.kernel()
    x, g, partial = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(3))
    x_work = b.stack(kind, (problem.channels * padded + lanes) * lanes)
    g_work = b.stack(kind, (problem.outs * pixels + lanes) * lanes)
    zero = b.constant(vector(kind, lanes), 0)
    with b.loop(0, problem.channels * padded, unroll=False) as i:
        b.store(zero, b.element(x_work, i * lanes, kind))
    weights = problem.outs * problem.channels * kh * kw
    with b.loop(b.args[1], b.args[2], unroll=False) as task:
        block, group = task // problem.groups, task % problem.groups
        image = block * lanes
        images = b.minimum(problem.batch - image, lanes)
        b.call("pack_x", "void", x, x_work, image, group * problem.channels,
               b.constant("i64", problem.channels))
        b.call("pack_g", "void", g, g_work, image, group * problem.outs,
               b.constant("i64", problem.outs))
        for s, first, count in ((size, 0, full), (size - 1, full * size, short)):
            if not count:
                continue
            with b.loop(0, count, unroll=False) as i, \
                    b.loop(0, problem.channels, unroll=False) as c, \
                    b.loop(0, kh, unroll=False) as y:
                o = i * s + first
                start = c * padded + y * (problem.dilation[1] * pictures.columns)
                place = task * weights + (o * problem.channels + c) * (kh * kw) + y * kw
                b.call(names[s], "void", b.element(x_work, start * lanes, kind),
                       b.element(g_work, o * (pixels * lanes), kind),
                       b.element(partial, place, kind), images)
    b.ret(0)


def tasks(problem: Correlation, lanes: int) -> int:
    """How many tasks `weight_by_images` has."""
    return ceil(problem.batch, lanes) * problem.groups


def _product(module, problem, pictures, size):
    """Sums for `size` result channels and the taps of one row."""
    lanes, kind = pictures.lanes, pictures.kind
    wide = vector(kind, lanes)
    _, height, width = problem.size
    _, sh, sw = problem.stride
    kh, kw = problem.kernel[1:]
    b = module.function(f"product{size}", "void", [("ptr", "x"), ("ptr", "g"), ("ptr", "partial"),
                                                   ("i64", "images")], True)
    x, g, partial, images = b.args
    totals = [[b.variable(b.constant(wide, 0)) for _ in range(kw)] for _ in range(size)]
    with b.loop(0, height, unroll=False) as row, b.loop(0, width, unroll=False) as column:
        near = b.element(x, (row * (sh * pictures.columns) + column * sw) * lanes, kind)
        pixel = b.element(g, (row * width + column) * lanes, kind)
        values = [b.load(wide, b.element(near, k * problem.dilation[2] * lanes, kind))
                  for k in range(kw)]
        for t in range(size):
            gradient = b.load(wide, b.element(pixel, t * pictures.pixels * lanes, kind))
            for value, total in zip(values, totals[t]):
                total.set(b.fma(gradient, value, total.get()))
    mask = first_lanes(b, images, lanes)       # the last images may be copies of one
    for t in range(size):
        for k, total in enumerate(totals[t]):
            found = b.select(mask, total.get(), b.constant(wide, 0))
            b.store(b.reduce(found, lambda p, q: p + q), b.element(
                partial, t * (problem.channels * kh * kw) + k, kind))
    b.ret()
    return b.name
