"""Native lowerings of convolution, its input gradient and its weight gradient."""

from __future__ import annotations

from math import gcd, prod
from typing import Any, NamedTuple

from ..base.shapes import meta
from . import conv_weight_images, conv_weight_tiles
from .body import input_name
from .conv_depthwise import choose_depthwise
from .conv_geometry import TASK_WORK, Correlation, Layout, ceil, choose
from .conv_images import choose_images
from .conv_outputs import choose_outputs, padded, tasks_of
from .conv_pack import WeightOrder, weight_pieces
from .conv_tiles import Region, choose_tiles, weight_words
from .conv_weight import STACK, WeightLayout, WeightProblem, choose_cut
from .library import has_tiles, target
from .lowering import Operand, lowers
from .tuning import chosen

DTYPES = ("float32", "float64", "float16", "bfloat16")
PACKED_AT_ONCE = 16384      # weights that a task packs
PADDED_AT_ONCE = 30000      # elements of padded planes that a task writes
MOVED = 100_000             # a depthwise task's work, where an element moved counts 8


class Geometry:
    """The sizes of a convolution as (depth, rows, columns).

    A signal's one dimension becomes columns, or rows when its stride is 1: tap rows cost no copy.
    """

    def __init__(self, x_shape, w_shape, y_shape, stride, padding, dilation, groups,
                 rows_only=True):
        self.rows_only = rows_only and len(stride) == 1 and stride[0] == 1
        self.source, self.kernel, self.size = (
            self.three(s[2:], 1) for s in (x_shape, w_shape, y_shape))
        self.stride, self.dilation = self.three(stride, 1), self.three(dilation, 1)
        self.padding = self.three(padding, 0)
        self.batch, self.groups = x_shape[0], groups

    def three(self, values, fill):
        """A value for each spatial dimension as one of three."""
        values = tuple(values)
        if self.rows_only:
            values += (fill,)
        return (fill,) * (3 - len(values)) + values

    def strides(self, of, size=None):
        """Strides (outer, channel, depth, rows, columns); where `size` is 1, as if dense."""
        found = [*of.strides[:2], *self.three(of.strides[2:], 0)]
        if size is not None:
            for axis in (4, 3, 2):
                if size[axis - 2] == 1:
                    found[axis] = 1 if axis == 4 else found[axis + 1] * size[axis - 1]
        return tuple(found)


def moved(operand, elements):
    """An operand that starts `elements` later."""
    have = operand.meta
    return operand if not elements else Operand(
        operand.slot, meta(have.dtype, have.shape, have.strides, have.offset + elements))


def phases(size, kernel, stride, padding, dilation):
    """The input gradient of one dimension by position modulo the stride, a correlation each.

    (first position, count, (first tap, step between taps, how many), dilation, offset): position
    i receives w[k] g[(i + padding - k dilation) / stride] from the taps where that is whole.
    """
    found = []
    every = stride // gcd(stride, dilation)
    for position in range(min(stride, size)):
        taps = [k for k in range(kernel) if (position + padding - k * dilation) % stride == 0]
        count = len(range(position, size, stride))
        if not taps:
            found.append((position, count, (0, 0, 0), 1, 0))
            continue
        lowest = (position + padding - taps[-1] * dilation) // stride
        found.append((position, count, (taps[-1], -every, len(taps)),
                      every * dilation // stride, -lowest))
    return found


def _forward(g: Geometry, x, w, result):
    """The correlation of a convolution, as (Correlation, phase positions, w offset)."""
    ws = g.strides(w.meta)
    outs = w.meta.shape[0] // g.groups
    return [(Correlation(
        x.meta.dtype.name, g.batch, g.groups, w.meta.shape[1], outs, g.size, g.source, g.kernel,
        g.stride, g.dilation, g.padding, g.strides(x.meta, g.source), (outs * ws[0], *ws)),
        (0, 0, 0), 0)]


def _backward(g: Geometry, y, w, result):
    """The correlations of an input gradient, one a phase of the stride."""
    ws = g.strides(w.meta)
    channels, outs = w.meta.shape[0] // g.groups, w.meta.shape[1]
    axes = [phases(*sizes) for sizes in zip(g.source, g.kernel, g.stride, g.padding, g.dilation)]
    found = []
    for phase in ((d, h, c) for d in axes[0] for h in axes[1] for c in axes[2]):
        positions, size, taps, dilation, offset = zip(*phase)
        kernel = tuple(t[2] for t in taps)
        w_strides = (channels * ws[0], ws[1], ws[0],
                     *(t[1] * s for t, s in zip(taps, ws[2:])))
        start = sum(t[0] * s for t, s in zip(taps, ws[2:]))
        if 0 in kernel:      # nothing but the bias
            kernel, channels_here = (1, 1, 1), 0
        else:
            channels_here = channels
        found.append((Correlation(
            y.meta.dtype.name, g.batch, g.groups, channels_here, outs, size, g.size, kernel,
            (1, 1, 1), dilation, offset, g.strides(y.meta, g.size), w_strides), positions, start))
    return found


def _extra_strides(low):
    """How the body's further inputs are addressed: (n, o, pixels); None if some cannot be."""
    found = []
    for extra in low.extras:
        if not isinstance(extra, Operand):
            found.append(None)
            continue
        strides = extra.meta.strides
        spatial = [(s, n) for s, n in zip(strides[2:], low.result.shape[2:]) if n != 1]
        step, dense = 1, True
        for s, n in reversed(spatial):
            dense, step = dense and s == step, step * n
        if not dense and any(s for s, _ in spatial):
            return None
        found.append((*strides[:2], int(dense)))
    return tuple(found)


class Way(NamedTuple):
    """A kernel that could serve a correlation, and how it cuts it."""

    kernel: str
    blocks: Any
    order: WeightOrder | None    # of the packed weights
    tasks: int
    partial: bool         # sums go through a temporary


def _ways(problem, lanes, registers, itemsize, kept) -> list[Way]:
    """The kernels for a correlation, the cheapest by estimate first.

    kept: packed weights are kept from run to run.
    """
    found = []
    cycles, blocks = choose(problem, lanes, registers, itemsize, kept)
    layout = Layout(problem, blocks, lanes)
    if blocks.source == "own" and layout.elements * itemsize > STACK:     # very long rows
        blocks = blocks._replace(source="shared")
    order = WeightOrder(blocks.channels, blocks.outs, blocks.tile, layout.unfold,
                        not layout.by_rows)
    found.append((cycles, Way("conv_correlate.correlate", blocks, order, layout.tasks,
                              layout.channel_blocks > 1)))
    images = choose_images(problem, lanes, registers, itemsize)
    if images is not None:
        cycles, blocks = images
        tasks = ceil(problem.batch, lanes) * problem.groups * ceil(problem.outs, blocks.outs)
        order = WeightOrder(*blocks[:3], False, False)
        found.append((cycles, Way("conv_images.correlate_images", blocks, order, tasks, False)))
    if has_tiles():
        tiles = choose_tiles(problem, kept)
        if tiles is not None:
            cycles, blocks = tiles
            found.append((cycles, Way("conv_tiles.correlate_tiles", blocks, None,
                                      Region(problem, blocks).tasks, False)))
    outputs = choose_outputs(problem, lanes, registers, itemsize)
    if outputs is not None:
        cycles, blocks = outputs
        order = WeightOrder(problem.channels, blocks.outs, blocks.wide, True, True)
        found.append((cycles, Way("conv_outputs.correlate_outputs", blocks, order,
                                  tasks_of(problem, blocks), False)))
    return [way for _, way in sorted(found, key=lambda pair: pair[0])]


def _lower(low, x, w, bias, g: Geometry, transposed: bool):
    """Steps of a convolution or an input gradient."""
    dtype = x.meta.dtype
    if dtype.name not in DTYPES or w.meta.dtype is not dtype or \
            0 in low.result.shape or 0 in x.meta.shape or 0 in w.meta.shape:
        return False
    if bias is not None and bias.meta.strides[0] != 1 and bias.meta.shape[0] != 1:
        return False
    body, extras = low.epilogue, ()
    if body is not None:
        extras = _extra_strides(low)
        if extras is None or [input_name(e) for e in low.extras] != list(body.inputs[1:]):
            return False
        if transposed and max(g.stride) > 1 and any(e and e[2] for e in extras):
            return False
    this = target()
    itemsize = 8 if dtype.name == "float64" else 4
    lanes = this.lanes(itemsize)
    size = g.source if transposed else g.size
    if _depthwise(low, x, w, bias, g, transposed, body, extras, lanes):
        return None
    for problem, positions, w_start in (_backward if transposed else _forward)(g, x, w,
                                                                               low.result):
        outputs, operands = [], []
        for out in low.outputs:
            strides = g.strides(out.meta, size)
            operands.append(moved(out, sum(p * s for p, s in zip(positions, strides[2:]))))
            if transposed:
                strides = strides[:2] + tuple(s * k for s, k in zip(strides[2:], g.stride))
                strides = _as_dense(strides, problem.size)
            outputs.append((out.meta.dtype.name, strides))
        results = (bias is not None, body, extras, tuple(outputs))
        kept = w.slot in low.steady
        ways = _ways(problem, lanes, this.registers, itemsize, kept)

        def emit(low, way, problem=problem, w_start=w_start, results=results, operands=operands):
            _emit(low, way, problem, x, moved(w, w_start), bias, results, operands, lanes,
                  itemsize)
        emit(low, chosen(low, (problem, results, kept), ways, emit))
    return None


def _emit(low, way, problem, x, weights, bias, results, operands, lanes, itemsize):
    """The steps of one way to compute a correlation."""
    kernel, blocks, order, tasks, _ = way
    elements = problem.groups * problem.outs * problem.channels * prod(problem.kernel)
    source, partial = x, 0
    if kernel == "conv_tiles.correlate_tiles":
        partial = weights           # for numbers that have no parts
        same = problem._replace(x_strides=(), batch=0, source=())
        weights = low.keep("conv_tiles.pack_weights", (same, blocks.maxima), weights,
                           (weight_words(problem) + lanes * blocks.maxima) * 4, blocks.maxima)
    elif blocks[-1] != "direct" and elements:       # see Blocks.weights
        pieces = weight_pieces(problem, order)
        per_task = max(1, pieces * PACKED_AT_ONCE // elements)
        same = problem._replace(x_strides=(), batch=0, source=())
        # Kernels may read a vector beyond the last weight.
        weights = low.keep("conv_pack.pack_weights", (same, order, per_task), weights,
                           (elements + lanes) * itemsize, -(-pieces // per_task))
    size = problem.batch * problem.groups * problem.outs * prod(problem.size)
    if way.partial:
        partial = ("slot", low.temporary(size * itemsize))
    if kernel == "conv_correlate.correlate" and blocks.source == "shared":
        layout = Layout(problem, blocks, lanes)
        count = layout.regions * layout.channel_blocks
        source = ("slot", low.temporary(count * layout.elements * itemsize))
        low.step("conv_correlate.shared_planes", (problem, blocks), [x, source], tasks=count)
    if kernel == "conv_outputs.correlate_outputs" and blocks.padded:
        planes, plane = problem.batch * problem.groups * problem.channels, padded(problem).plane
        source = ("slot", low.temporary((planes * plane + lanes) * itemsize))
        per_task = max(1, PADDED_AT_ONCE // plane)
        low.step("conv_outputs.pad", (problem._replace(w_strides=(), outs=0), per_task),
                 [x, source], tasks=-(-planes // per_task))
    per_task = min(tasks, max(1, TASK_WORK * tasks // (problem.work + 8 * size)))
    low.step(kernel, (problem, blocks, per_task, *results),
             [source, weights, bias if bias is not None else 0, partial, *operands,
              *low.extras], tasks=-(-tasks // per_task))


def _depthwise(low, x, w, bias, g, transposed, body, extras, lanes):
    """Steps of a depthwise convolution where lanes run over images; False for another kernel."""
    strided = max(g.stride) > 1
    if transposed and not strided:
        (problem, _, start), = _backward(g, x, w, low.result)
    else:
        (problem, _, start), = _forward(g, x, w, low.result)
        if transposed:
            problem = problem._replace(x_strides=g.strides(x.meta, g.size))
    blocks = choose_depthwise(problem, lanes, strided)
    if blocks is None or w.meta.shape[1] != 1:
        return False
    size = g.source if transposed else g.size
    outputs = tuple((out.meta.dtype.name, g.strides(out.meta, size)) for out in low.outputs)
    tasks = ceil(g.batch, lanes) * ceil(problem.groups, blocks.channels)
    per_task = min(tasks, max(1, MOVED * tasks // (8 * x.meta.numel)))
    low.step("conv_depthwise.depthwise",
             (problem, blocks, per_task, transposed and strided, bias is not None, body, extras,
              outputs), [x, moved(w, start), bias if bias is not None else 0, 0, *low.outputs,
                         *low.extras], tasks=-(-tasks // per_task))
    return True


def _as_dense(strides, size):
    found = list(strides)
    for axis in (4, 3, 2):
        if size[axis - 2] == 1:
            found[axis] = 1 if axis == 4 else found[axis + 1] * size[axis - 1]
    return tuple(found)


@lowers("convolution", epilogue=True)
def convolution(low):
    """The forward convolution."""
    x, w, bias = low.inputs
    stride, padding, dilation, groups, _ = low.params
    g = Geometry(x.meta.shape, w.meta.shape, low.result.shape, stride, padding, dilation, groups)
    return _lower(low, x, w, bias, g, False)


@lowers("convolution_transpose", epilogue=True)
def convolution_transpose(low):
    """The input gradient, which is also transposed convolution."""
    y, w, bias = low.inputs
    stride, padding, dilation, groups, _ = low.params
    g = Geometry(low.result.shape, w.meta.shape, y.meta.shape, stride, padding, dilation, groups)
    return _lower(low, y, w, bias, g, True)


@lowers("convolution_weight")
def convolution_weight(low):
    """The weight gradient."""
    x, y = low.inputs
    kernel, stride, padding, dilation, groups = low.params
    dtype = x.meta.dtype
    if dtype.name not in DTYPES or y.meta.dtype is not dtype or \
            0 in low.result.shape or 0 in x.meta.shape or 0 in y.meta.shape or \
            not low.result.contiguous:
        return False
    g = Geometry(x.meta.shape, low.result.shape, y.meta.shape, stride, padding, dilation, groups,
                 rows_only=False)
    problem = WeightProblem(dtype.name, g.batch, groups, x.meta.shape[1] // groups,
                            y.meta.shape[1] // groups, g.size, g.source, g.kernel, g.stride,
                            g.dilation, g.padding, g.strides(x.meta, g.source),
                            g.strides(y.meta, g.size))
    this = target()
    itemsize = 8 if dtype.name == "float64" else 4
    lanes = this.lanes(itemsize)
    same = Correlation(dtype.name, g.batch, groups, problem.channels, problem.outs, g.size,
                       g.source, g.kernel, g.stride, g.dilation, g.padding, problem.x_strides, ())
    blocks = choose_depthwise(same, lanes, True)
    if blocks is not None:
        parts = ceil(g.batch, lanes)
        count = low.result.numel
        partial = ("slot", low.temporary(parts * count * itemsize))
        tasks = parts * ceil(groups, blocks.channels)
        per_task = min(tasks, max(1, MOVED * tasks // (8 * x.meta.numel)))
        low.step("conv_depthwise.depthwise_weight", (same, problem.g_strides, blocks, per_task),
                 [x, y, partial], tasks=-(-tasks // per_task))
        low.step("conv_depthwise.add_parts", (dtype.name, parts, count), [partial, *low.outputs])
        return None
    if conv_weight_images.suits(same, lanes, itemsize):
        parts, count = ceil(g.batch, lanes), low.result.numel
        partial = ("slot", low.temporary(parts * count * itemsize))
        low.step("conv_weight_images.weight_by_images", (same, problem.g_strides),
                 [x, y, partial], tasks=conv_weight_images.tasks(same, lanes))
        low.step("conv_depthwise.add_parts", (dtype.name, parts, count), [partial, *low.outputs])
        return None
    tiles = conv_weight_tiles.choose_weight_tiles(problem) if has_tiles() else None
    if tiles is not None:
        partial = ("slot", low.temporary(conv_weight_tiles.partial_bytes(problem, tiles)))
        low.step("conv_weight_tiles.weight_tiles", (problem, tiles), [x, y, partial],
                 tasks=conv_weight_tiles.tasks_of(problem, tiles))
        rows = problem.groups * problem.outs
        per_task = min(rows, max(1, rows * 32768 // (low.result.numel * tiles.parts)))
        low.step("conv_weight_tiles.combine", (problem, tiles, per_task), [partial, *low.outputs],
                 tasks=-(-rows // per_task))
        return None
    cut = choose_cut(problem, lanes, this.registers)
    layout = WeightLayout(problem, cut, lanes)
    if (layout.x_elements + layout.g_elements) * itemsize > STACK:
        return False
    partial = ("slot", low.temporary(cut.parts * layout.part * itemsize))
    per_task = min(layout.tasks, max(1, TASK_WORK * layout.tasks // problem.work))
    low.step("conv_weight.weight_gradient", (problem, cut, per_task), [x, y, partial],
             tasks=-(-layout.tasks // per_task))
    blocks = groups * -(-problem.channels * layout.taps // lanes)
    size = low.result.numel * cut.parts
    per_task = min(blocks, max(1, blocks * 32768 // size))
    low.step("conv_weight.combine", (problem, cut, per_task), [partial, *low.outputs],
             tasks=-(-blocks // per_task))
    return None
