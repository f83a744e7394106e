"""Order among equals: sort, topk, kthvalue and mode as PyTorch's CPU algorithms leave them.

Which of several equal elements comes first is visible in the indices. PyTorch's CPU kernels
sort with the C++ standard library's introsort, choose with its introselect or heap selection,
and find the k-th value with Hoare's quickselect; none of them is stable, but all are
deterministic. The kernels here sort with NumPy, look whether equal elements make the answer
ambiguous, and only then walk the same algorithm over the lines concerned.

Note [partition]: the walk needs the swaps of a Hoare partition, not its scans. With the pivot's
key p, the left scan stops at keys >= p, the right scan at keys <= p, and the i-th stop from the
left is swapped with the i-th from the right until they cross: a whole partition is two
`flatnonzero` and one exchange. Below 17 elements introsort finishes with insertion sort, which
is stable: one stable NumPy sort of everything stands for all of them.
"""

from __future__ import annotations

import numpy as np

# Lines with equal elements are walked up to this many elements per call (about 0.4 s); beyond,
# equal elements keep their order.
MOST_WALKED = 1 << 18
# PyTorch sorts flat integer tensors of at least this length by radix, which is stable.
RADIX_LENGTH = 32768


class _Line:
    """Ranks of a line's elements and their positions, permuted together."""

    __slots__ = ("key", "at")

    def __init__(self, key):
        self.key = key.copy()
        self.at = np.arange(len(key))

    def swap(self, i, j):
        if i != j:
            for row in (self.key, self.at):
                row[i], row[j] = row[j], row[i]

    def exchange(self, left, right):
        for row in (self.key, self.at):
            row[left], row[right] = row[right], row[left]

    def reorder(self, first, last):
        """Sort a part in the stable way (what insertion sort does)."""
        if self.key.dtype.kind == "f":
            return self.store(first, _inserted(self.pairs(first, last)))
        order = np.argsort(self.key[first:last], kind="stable")
        self.key[first:last] = self.key[first:last][order]
        self.at[first:last] = self.at[first:last][order]

    def pairs(self, first, last):
        return list(zip(self.key[first:last].tolist(), self.at[first:last].tolist()))

    def store(self, first, pairs):
        last = first + len(pairs)
        self.key[first:last] = [key for key, _ in pairs]
        self.at[first:last] = [at for _, at in pairs]


def _crossing(key, first, last, pivot):
    """The stops of both scans over key[first:last] and how many pairs are swapped.

    Written with < alone, as the scans are: a key that is NaN stops both.
    """
    part = key[first:last]
    left = np.flatnonzero(~(part < pivot)) + first
    right = np.flatnonzero(~(pivot < part))[::-1] + first
    both = min(len(left), len(right))
    swaps = int(np.count_nonzero(left[:both] < right[:both]))
    return left, right, swaps


def _split(line, first, last):
    """Introsort's partition: the median of three becomes the pivot; the start of the upper part."""
    key = line.key
    line.swap(first, _median_of_three(key, first + 1, first + (last - first) // 2, last - 1))
    left, right, swaps = _crossing(key, first + 1, last, key[first])
    line.exchange(left[:swaps], right[:swaps])
    # A left scan that passes its last stop is caught by the element it swapped to the right.
    stops = [int(left[swaps])] if swaps < len(left) else []
    if swaps:
        stops.append(int(right[swaps - 1]))
    return min(stops)


def _median_of_three(key, a, b, c):
    """Which of three places holds the median; among equals the order of comparing decides."""
    if key[a] < key[b]:
        if key[b] < key[c]:
            return b
        return c if key[a] < key[c] else a
    if key[a] < key[c]:
        return a
    return c if key[b] < key[c] else b


def _introsort(line, first, last):
    """std::sort of a part of a line: quicksort, heaps when it goes too deep, insertion sort."""
    waiting = [(first, last, 2 * ((last - first).bit_length() - 1))] if last > first else []
    while waiting:
        low, high, depth = waiting.pop()
        while high - low > 16:
            if depth == 0:
                line.store(low, _heap_ordered(line.pairs(low, high), high - low))
                break
            depth -= 1
            cut = _split(line, low, high)
            waiting.append((cut, high, depth))
            high = cut
    line.reorder(first, last)


def _introselect(line, nth):
    """std::nth_element: the element of rank `nth` in its place, smaller ones before it."""
    first, last = 0, len(line.key)
    depth = 2 * (last.bit_length() - 1)
    while last - first > 3:
        if depth == 0:
            head = _heap_select(line.pairs(first, last), nth + 1 - first)
            line.store(first, head)
            line.swap(first, nth)
            return
        depth -= 1
        cut = _split(line, first, last)
        if cut <= nth:
            first = cut
        else:
            last = cut
    line.reorder(first, last)


def _inserted(pairs):
    """Insertion sort, for keys among which NaN compares false with everything."""
    for i in range(1, len(pairs)):
        value, place = pairs.pop(i), i
        if i < 16 and value[0] < pairs[0][0]:
            place = 0
        while place > 0 and value[0] < pairs[place - 1][0]:
            place -= 1
        pairs.insert(place, value)
    return pairs


def _sink(heap, size, hole, value):
    """Put `value` into a heap whose place `hole` is free: the hole goes down, the value up."""
    top, child = hole, 2 * hole + 2
    while child < size:
        if heap[child][0] < heap[child - 1][0]:
            child -= 1
        heap[hole] = heap[child]
        hole, child = child, 2 * child + 2
    if child == size:
        heap[hole] = heap[child - 1]
        hole = child - 1
    while hole > top and heap[(hole - 1) // 2][0] < value[0]:
        heap[hole] = heap[(hole - 1) // 2]
        hole = (hole - 1) // 2
    heap[hole] = value


def _heap_select(pairs, size):
    """The `size` smallest pairs as a heap at the front, the largest of them first."""
    for hole in range(size // 2 - 1, -1, -1):
        _sink(pairs, size, hole, pairs[hole])
    for i in range(size, len(pairs)):
        if pairs[i][0] < pairs[0][0]:
            value, pairs[i] = pairs[i], pairs[0]
            _sink(pairs, size, 0, value)
    return pairs


def _heap_ordered(pairs, size):
    """std::partial_sort: the `size` smallest pairs in order at the front."""
    _heap_select(pairs, size)
    for end in range(size - 1, 0, -1):
        value, pairs[end] = pairs[end], pairs[0]
        _sink(pairs, end, 0, value)
    return pairs


def _quickselect(line, k):
    """Hoare's selection with the median of three at the left: the position of rank `k`."""
    key, first, last = line.key, 0, len(line.key) - 1
    while last > first:
        if last == first + 1:
            if key[first] > key[last]:
                line.swap(first, last)
            break
        line.swap(first + (last - first) // 2, first + 1)
        for i, j in ((first + 1, last), (first, last), (first + 1, first)):
            if key[i] > key[j]:
                line.swap(i, j)
        left, right, swaps = _crossing(key, first + 2, last, key[first])
        line.exchange(left[:swaps], right[:swaps])
        # Where both scans stop: at the next stop, or at what was swapped to the other side.
        ends = [int(left[swaps])] if swaps < len(left) else [last]
        starts = [int(right[swaps])] if swaps < len(right) else [first + 1]
        if swaps:
            ends.append(int(right[swaps - 1]))
            starts.append(int(left[swaps - 1]))
        upper, lower = min(ends), max(starts)
        if upper == lower:   # both stop at one element equal to the pivot: it is "swapped" alone
            upper, lower = upper + 1, lower - 1
            while upper < last and key[upper] < key[first]:
                upper += 1
            while key[lower] > key[first]:
                lower -= 1
        line.swap(first, lower)
        if lower <= k:
            first = upper
        if lower >= k:
            last = lower - 1
    return int(line.at[k])


# ---- lines ----------------------------------------------------------------------------------

def _ordered(x, descending):
    """Values and positions in stable order along the last axis; NaN is the largest."""
    if descending:
        order = x.shape[-1] - 1 - np.flip(
            np.argsort(np.flip(x, -1), axis=-1, kind="stable"), -1)
    else:
        order = np.argsort(x, axis=-1, kind="stable")
    return np.take_along_axis(x, order, -1), order


def _same(a, b):
    with np.errstate(invalid="ignore"):
        return (a == b) | ((a != a) & (b != b))


def _walk(values, order, choose, found, ranks=True):
    """Walk the chosen lines: found(line) -> positions, written over the head of `order`.

    `values` are the sorted values, of which the walk needs the ranks; with ``ranks=False`` they
    are the lines themselves, compared as they are.
    """
    lines = np.flatnonzero(choose.reshape(-1))
    length = order.shape[-1]
    if not len(lines) or len(lines) * length > MOST_WALKED:
        return order
    order = order.copy()
    flat, rows = order.reshape(-1, length), values.reshape(-1, length)
    rank = np.zeros(length, np.int64)
    for at in lines:
        if ranks:
            steps = ~_same(rows[at, 1:], rows[at, :-1])
            rank[flat[at]] = np.concatenate(([0], np.cumsum(steps)))
            key = rank
        else:
            key = rows[at].astype(np.float64)
        places = found(_Line(key))
        flat[at, :len(places)] = places
    return order


def _sorted_places(line):
    _introsort(line, 0, len(line.key))
    return line.at


def sort(x, dim, descending, stable):
    """(values, indices) in order along an axis."""
    if x.ndim == 0:
        return x, np.zeros((), np.int64)
    x = np.moveaxis(x, dim, -1)
    values, order = _ordered(x, descending)
    length = x.shape[-1]
    radix = x.ndim == 1 and length >= RADIX_LENGTH and x.dtype.kind in "iu" and not descending
    if not stable and length > 16 and not radix:
        ties = _same(values[..., 1:], values[..., :-1]).any(-1)
        order = _walk(values, order, ties, _sorted_places)
    return np.moveaxis(values, -1, dim), np.moveaxis(order, -1, dim)


def topk(x, k, dim, largest, sorted):  # noqa: A002 - PyTorch's name
    """The k largest or smallest along an axis, (values, indices)."""
    if x.ndim == 0:
        return x, np.zeros((), np.int64)
    x = np.moveaxis(x, dim, -1)
    values, order = _ordered(x, largest)
    length = x.shape[-1]
    by_heap = k * 64 <= length

    def places(line):
        if by_heap:
            return [at for _, at in _heap_ordered(line.pairs(0, length), k)[:k]]
        _introselect(line, k - 1)
        if sorted:
            _introsort(line, 0, k - 1)
        return line.at[:k]
    if 0 < k:
        if sorted or by_heap:
            until = min(k + 1, length)
            choose = _same(values[..., 1:until], values[..., :until - 1]).any(-1)
        else:
            choose = np.ones(x.shape[:-1], bool)
        order = _walk(values, order, choose, places)
    order = order[..., :k]
    values = np.take_along_axis(x, order, -1)
    return np.moveaxis(values, -1, dim), np.moveaxis(order, -1, dim)


def _pick(x, order, at, dim, keepdim):
    """The element at one place of the order, as (values, indices) without the axis."""
    index = np.take_along_axis(order, at, -1)
    found = np.take_along_axis(x, index, -1), index
    return tuple(np.moveaxis(f, -1, dim) if keepdim else f[..., 0] for f in found)


def _tied(values, at):
    """Whether the element at a place of the sorted lines has an equal neighbour."""
    length = values.shape[-1]
    here = np.take_along_axis(values, at, -1)
    before = np.take_along_axis(values, np.maximum(at - 1, 0), -1)
    after = np.take_along_axis(values, np.minimum(at + 1, length - 1), -1)
    return ((at > 0) & _same(here, before)) | ((at < length - 1) & _same(here, after))


def kthvalue(x, k, dim, keepdim):
    """The k-th smallest element along an axis, (values, indices)."""
    if x.ndim == 0:
        return x, np.zeros((), np.int64)
    x = np.moveaxis(x, dim, -1)
    values, order = _ordered(x, False)
    at = np.full((*x.shape[:-1], 1), k - 1)

    def places(line):
        chosen = _quickselect(line, k - 1)
        return np.full(k, chosen)
    return _pick(x, _walk(values, order, _tied(values, at), places), at, dim, keepdim)


def _median(x, dim, keepdim, ignore_nan):
    """The lower of the two middle elements along an axis; among equals, as in a stable sort."""
    if x.ndim == 0:
        return x, np.zeros((), np.int64)
    x = np.moveaxis(x, dim, -1)
    values, order = _ordered(x, False)
    length = x.shape[-1]
    nans = (values != values).sum(-1, keepdims=True)
    at = np.maximum((length - nans * ignore_nan - 1) // 2, 0)
    if not ignore_nan:
        # A line with NaN gives its first one, which is where the NaNs begin.
        at = np.where(nans > 0, length - nans, at)
    return _pick(x, order, at, dim, keepdim)


def median(x, dim, keepdim):
    """The median along an axis, (values, indices); NaN where a line has any."""
    return _median(x, dim, keepdim, False)


def nanmedian(x, dim, keepdim):
    """The median along an axis of what is not NaN, (values, indices)."""
    return _median(x, dim, keepdim, True)


def mode(x, dim, keepdim):
    """The most frequent element along an axis, the smallest of several, and its last place."""
    if x.ndim == 0:
        return x, np.zeros((), np.int64)
    x = np.moveaxis(x, dim, -1)
    values, order = _ordered(x, False)
    length = x.shape[-1]
    unordered = (x != x).any(-1)
    if unordered.any():
        # PyTorch compares with < alone here, so NaN splits runs of equal elements.
        order = _walk(x, order, unordered, _sorted_places, ranks=False)
        values = np.take_along_axis(x, order, -1)
    ends = np.ones(values.shape, bool)
    ends[..., :-1] = values[..., 1:] != values[..., :-1]
    place = np.arange(1, length + 1)
    until = np.maximum.accumulate(np.where(ends, place, 0), -1)
    before = np.concatenate((np.zeros_like(until[..., :1]), until[..., :-1]), -1)
    counts = np.where(ends, place - before, 0)
    at = np.argmax(counts, -1)[..., None]
    if length > 16:
        order = _walk(values, order, _tied(values, at) & ~unordered[..., None], _sorted_places)
    return _pick(x, order, at, dim, keepdim)
