"""Reading each axis at positions known from the shape: nearest resampling, mirrored padding.

Position t of the result reads the source at table[t] along each of the last axes (three at most);
the tables are constants of the kernel. A row that reads what the row before it read is a copy of
that. The adjoint adds in the order of the result's positions.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ..base.dtypes import DTYPES
from .body import MEMORY
from .emit import Builder
from .llvm_types import vector
from .lowering import lowers
from .rows import Sweep, compute_type, line
from .sharing import Result, arguments, dense, floating, items, lanes_for, share

NEAREST = ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
           "upsample_nearest-exact1d", "upsample_nearest-exact2d", "upsample_nearest-exact3d")
PADS = ("reflect_pad", "replicate_pad", "circular_pad")


def nearest_positions(mode, size, count, factor, dims, dtype) -> tuple:
    """The source position of each of `count` positions along an axis of `size`.

    Computed in the precision PyTorch uses: the floor of a rounded product decides.
    """
    if mode == "nearest" and count in (size, 2 * size) and dims == 2:
        return tuple(t // (count // size) for t in range(count))
    real = np.float64 if dtype.name == "float64" and dims != 2 else np.float32
    scale = real(1.0 / factor) if factor is not None and factor > 0 else real(size) / real(count)
    target = np.arange(count).astype(real) + real(0.5 if mode == "nearest-exact" else 0)
    position = np.floor((target * scale).astype(np.float32)).astype(np.int64)
    return tuple(np.minimum(position, size - 1).tolist())


def pad_positions(mode, size, before, after) -> tuple:
    """The source position of each position of a padded axis; negative widths cut."""
    if mode == "circular":      # what negative widths cut is not wrapped around either
        first, last = max(-before, 0), size - max(-after, 0)
        return tuple(t % (last - first) + first
                     for t in range(-max(before, 0), last - first + max(after, 0)))
    found = []
    for t in range(-before, size + after):
        if mode == "replicate":
            found.append(min(max(t, 0), size - 1))
            continue
        period = 2 * (size - 1)
        t = abs(t) % period if period else 0
        found.append(period - t if t >= size else t)
    return tuple(found)


def _resampled(low, x, spatial, tables, backward):
    """Append the kernel: x is (planes, *) of `spatial`, or the adjoint's of the tables' sizes."""
    dtype = x.meta.dtype
    if dtype.name not in MEMORY or (backward and not floating(x)) or len(tables) > 3:
        return False
    if low.result.numel == 0 or 0 in spatial:
        return False
    planes = prod(low.result.shape[:len(low.result.shape) - len(tables)])
    out = Result(low, low.outputs[0])
    count = prod(len(t) for t in tables)
    fill = 3 - len(tables)
    full = ((0,),) * fill + tuple(tables)
    sizes = (1,) * fill + tuple(spatial)
    if backward:
        sums = ("slot", low.temporary(4 * planes * prod(spatial))) if dtype.half else 0
        group, tasks = share(planes, 1.5 * count + 0.1 * prod(spatial))
        low.step("resampling.adjoint", (dtype.name, sizes, full),
                 [dense(low, x), out.word, sums, group, planes], tasks)
    else:
        group, tasks = share(planes, 0.7 * count)
        low.step("resampling.read", (dtype.itemsize, sizes, full),
                 [dense(low, x), out.word, group, planes], tasks)
    out.finish()
    return None


@lowers(*NEAREST, *(name + "_backward" for name in NEAREST))
def lower_nearest(low):
    """Reading at the nearest positions, or the adjoint."""
    x, = low.inputs
    mode, size, _, factors, _ = low.params
    backward = low.op.name.endswith("_backward")
    small = size if backward else x.meta.shape[2:]
    large = x.meta.shape[2:] if backward else size
    if 0 in small or 0 in large:
        return False
    tables = [nearest_positions(mode, n, count, factor, len(size), x.meta.dtype)
              for n, count, factor in zip(small, large, factors)]
    return _resampled(low, x, tuple(small), tables, backward)


@lowers(*PADS, *(name + "_backward" for name in PADS))
def lower_pads(low):
    """Reading at mirrored, clamped or wrapped positions, or the adjoint."""
    x, = low.inputs
    widths, = low.params
    mode, *rest = low.op.name.split("_")
    backward = rest[-1] == "backward"
    shape = low.result.shape if backward else x.meta.shape
    if 0 in shape or 0 in x.meta.shape:
        return False
    first = next((d for d, pair in enumerate(widths) if any(pair)), len(widths) - 1)
    tables = [pad_positions(mode, n, *pair) for n, pair in zip(shape[first:], widths[first:])]
    return _resampled(low, x, tuple(shape[first:]), tables, backward)


def _places(b: Builder, tables):
    """The addresses of the tables' constants."""
    return [b.global_address(b.module.table("i64", table)) for table in tables]


def read(module, target, itemsize, spatial, tables):
    """Generator: x, result, group, planes."""
    b = module.kernel()
    x, out, group, planes = arguments(b, "ptr", "ptr", "i64", "i64")
    element = f"i{8 * itemsize}"
    counts = [len(t) for t in tables]
    width = counts[2]
    lanes = lanes_for(width, 64 // itemsize)
    addresses = _places(b, tables)
    with items(b, group, planes) as plane, b.loop(0, counts[0], unroll=False) as i, \
            b.loop(0, counts[1], unroll=False) as j:
        at = [b.load("i64", b.element(a, n, "i64")) for a, n in zip(addresses, (i, j))]
        source = b.element(x, ((plane * spatial[0] + at[0]) * spatial[1] + at[1]) * spatial[2],
                           element)
        goal = b.element(out, ((plane * counts[0] + i) * counts[1] + j) * width, element)
        previous = b.maximum(j - 1, 0)
        same = (j > 0) & b.load("i64", b.element(addresses[1], previous, "i64")).equals(at[1])
        with b.when(same):
            above = b.element(goal, -width, element)

            def copy(k):
                b.store(b.load(vector(element, lanes), b.element(above, k, element)),
                        b.element(goal, k, element))
            with b.loop(0, width - (lanes - 1), lanes, unroll=False) as k:
                copy(k)
            if width % lanes:
                copy(b.constant("i64", width - lanes))
        with b.unless(same), b.loop(0, width) as k:
            place = b.load("i64", b.element(addresses[2], k, "i64"))
            b.store(b.load(element, b.element(source, place, element)),
                    b.element(goal, k, element))
    b.ret(0)


def adjoint(module, target, dtype, spatial, tables):
    """Generator: g, result, float32 sums (16-bit dtypes), group, planes."""
    b = module.kernel()
    g, out, sums, group, planes = arguments(b, "ptr", "ptr", "ptr", "i64", "i64")
    counts = [len(t) for t in tables]
    kind = compute_type(dtype)
    half = DTYPES[dtype].half
    own = "float32" if half else dtype
    size = prod(spatial)
    lanes = lanes_for(size, target.lanes(8 if kind == "double" else 4))
    sweep = Sweep(b, lanes, b.constant("i64", size), 0, size % lanes > 0)
    addresses = _places(b, tables)
    with items(b, group, planes) as plane:
        cells = line(b, own, lanes, sums if half else out, plane * size)
        sweep.write(cells, lambda i: b.constant(vector(kind, lanes), 0.0))
        with b.loop(0, counts[0], unroll=False) as i, b.loop(0, counts[1], unroll=False) as j:
            at = [b.load("i64", b.element(a, n, "i64")) for a, n in zip(addresses, (i, j))]
            goal = line(b, own, 1, cells.pointer, (at[0] * spatial[1] + at[1]) * spatial[2])
            source = line(b, dtype, 1, g, (
                (plane * counts[0] + i) * counts[1] + j) * counts[2])
            with b.loop(0, counts[2], unroll=False) as k:
                place = b.load("i64", b.element(addresses[2], k, "i64"))
                goal.store(goal.load(place) + source.load(k), place)
        if half:
            sweep.write(line(b, dtype, lanes, out, plane * size), cells.load)
    b.ret(0)

