"""Random numbers as PyTorch's CPU generator draws them: words in, numbers out, bit for bit.

Every function takes a `GeneratorState` and returns (array, state afterwards); none keeps or
changes anything. Arrays are filled in memory order, which is what PyTorch does for a tensor of any
strides. `dtype` is a NumPy dtype (ml_dtypes.bfloat16 included).

How many words a number takes is part of the contract, since the next draw goes on from there:

    one word    uniform float32, float16, bfloat16; integers from a range below 2^28
    two words   uniform float64; wider integers; everything computed in float64: bernoulli with a
                number, exponential, cauchy, geometric; a log-normal pair takes four
    normal      16 numbers or more, contiguous: blocks of 16, and the last 16 numbers are drawn
                again when the count is no multiple of 16; otherwise float64 pairs, the second
                number of a pair kept in the state
"""

from __future__ import annotations

import math

import numpy as np

from ..base.fused_multiply_add import fused_multiply_add32, fused_multiply_add64
from ..base.mt19937 import draw_words
from .box_muller import box_muller_blocks32, box_muller_blocks64, box_muller_pairs64, each

_FLOAT32 = np.dtype(np.float32)
_FLOAT64 = np.dtype(np.float64)
_INT64 = np.dtype(np.int64)
_SHIFT32 = np.uint64(32)
_MANTISSA64 = np.uint64((1 << 53) - 1)
_HIGH_OF_53 = np.uint32((1 << 21) - 1)
_MANTISSA32 = np.uint32((1 << 24) - 1)

# (words, threshold of 53 bits) -> float32 of 1 and 0, or None where it does not want to; None:
# there is no such thing.
compiled_below: list = [None]
# words -> float64 log1p(-u) of the numbers u that pairs of them make, or None, as above.
compiled_log: list = [None]
_LONG = 4096            # numbers from which these are worth their calls

# Number of bits a floating dtype holds integers exactly with; also tells floating dtypes apart.
MANTISSA_BITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}

# At and above this range PyTorch takes 64 random bits, to keep the modulo's bias small.
_WIDE_RANGE = 1 << 28


def element_count(shape):
    """Number of elements of `shape` (an int or a tuple of ints)."""
    return int(shape) if isinstance(shape, int) else math.prod(shape)


def draw_double_words(state, count):
    """`count` random 64-bit words; the first of two 32-bit words is the high half."""
    words, state = draw_words(state, 2 * count)
    return _in_pairs(words), state


def _in_pairs(words):
    wide = words.astype(np.uint64)
    return (wide[0::2] << _SHIFT32) | wide[1::2]


def draw_unit32(state, count):
    """Uniform float32 in [0, 1): 24 bits of each word."""
    words, state = draw_words(state, count)
    return (words & _MANTISSA32).astype(np.float32) * np.float32(2.0**-24), state


def draw_unit64(state, count):
    """Uniform float64 in [0, 1): 53 bits of each pair of words."""
    words, state = draw_double_words(state, count)
    return _unit64(words), state


def _unit64(words):
    return (words & _MANTISSA64).astype(np.float64) * 2.0**-53


def round_to(values, dtype):
    """float64 or float32 values in `dtype`; to the 16-bit formats by way of float32, as in C++."""
    if values.dtype == dtype:
        return values
    if values.dtype == _FLOAT64 and dtype.itemsize == 2 and dtype.name in MANTISSA_BITS:
        values = values.astype(np.float32)
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def draw_uniform(state, shape, dtype, low=0.0, high=1.0):
    """Uniform numbers in [low, high):  u * (high - low) + low, rounded once."""
    dtype = np.dtype(dtype)
    count = element_count(shape)
    if dtype == _FLOAT64:
        values, state = draw_unit64(state, count)
        low, high = float(low), float(high)
        if low != 0.0 or high != 1.0:
            values = fused_multiply_add64(values, high - low, low)
    else:
        values, state = draw_unit32(state, count)
        low, high = np.float32(low), np.float32(high)
        if low != 0.0 or high != 1.0:
            values = fused_multiply_add32(values, high - low, low)
    values = round_to(values, dtype)
    # Rounding may reach the open end: PyTorch then gives the closed one.
    bounds = round_to(np.array([low, high]), dtype)
    if dtype.itemsize == 2 or low != 0.0 or high != 1.0:
        reached = values == bounds[1]
        if reached.any():
            values[reached] = bounds[0]
    return values.reshape(shape), state


def draw_normal(state, shape, dtype, mean=0.0, std=1.0, contiguous=True):
    """Normal numbers. A tensor that is not contiguous is drawn one by one whatever its size."""
    dtype = np.dtype(dtype)
    count = element_count(shape)
    if count < 16 or not contiguous:
        values, state = draw_normal64(state, count, mean, std)
    elif dtype == _FLOAT64:
        values, state = _normal_blocks(state, count, draw_unit64, box_muller_blocks64, mean, std)
    else:
        values, state = _normal_blocks(
            state, count, draw_unit32, box_muller_blocks32, mean, std, dtype.itemsize == 2
        )
    return round_to(values, dtype).reshape(shape), state


def _normal_blocks(state, count, draw_unit, transform, mean, std, skips_unfinished=False):
    whole = count - count % 16
    if whole == count:
        uniform, state = draw_unit(state, count)
        return transform(uniform, mean, std), state
    # The last 16 numbers are made from 16 more uniforms, over those of the last whole block. The
    # uniforms of the unfinished block are drawn all the same, but for the 16-bit formats.
    used, state = draw_unit(state, whole if skips_unfinished else count)
    last, state = draw_unit(state, 16)
    values = np.empty(count, used.dtype)
    values[:whole] = transform(used[:whole], mean, std)
    values[count - 16 :] = transform(last, mean, std)
    return values, state


def draw_normal64(state, count, mean=0.0, std=1.0):
    """Normal float64 numbers drawn one by one, in pairs; an odd one waits in the state."""
    standard = np.empty(count, np.float64)
    if not count:
        return standard, state
    taken = 0
    if state.normal is not None:
        standard[0], taken = state.normal, 1
        state = state.with_normal(None)
    pairs = (count - taken + 1) // 2
    if pairs:
        uniform, state = draw_unit64(state, 2 * pairs)
        drawn = box_muller_pairs64(uniform.reshape(-1, 2)).reshape(-1)
        standard[taken:] = drawn[: count - taken]
        if len(drawn) > count - taken:
            state = state.with_normal(float(drawn[-1]))
    if std == 1 and mean == 0:
        return standard + 0.0, state        # which makes zeros positive, as the sum does
    return fused_multiply_add64(standard, std, mean), state


def draw_log_normal(state, shape, dtype, mean=1.0, std=2.0):
    """exp of normal numbers with `mean` and `std`."""
    values, state = draw_normal64(state, element_count(shape), mean, std)
    return round_to(each(_exp, values), np.dtype(dtype)).reshape(shape), state


def _exp(value):
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def draw_exponential(state, shape, dtype, rate=1.0):
    """-log(1 - u) / rate."""
    count = element_count(shape)
    words, state = draw_words(state, 2 * count)
    logarithm = compiled_log[0](words) if compiled_log[0] and count >= _LONG else None
    if logarithm is None:
        logarithm = each(math.log1p, -_unit64(_in_pairs(words)))
    values = (-1.0 / float(rate)) * logarithm
    return round_to(values, np.dtype(dtype)).reshape(shape), state


def draw_cauchy(state, shape, dtype, median=0.0, sigma=1.0):
    """median + sigma * tan(pi * (u - 1/2))."""
    uniform, state = draw_unit64(state, element_count(shape))
    tangent = each(math.tan, math.pi * (uniform - 0.5))
    values = fused_multiply_add64(float(sigma), tangent, float(median))
    return round_to(values, np.dtype(dtype)).reshape(shape), state


def draw_geometric(state, shape, dtype, probability):
    """ceil(log(u) / log(1 - probability)): trials up to and with the first success."""
    uniform, state = draw_unit64(state, element_count(shape))
    values = np.ceil(each(_log, uniform) / math.log1p(-float(probability)))
    return round_to(values, np.dtype(dtype)).reshape(shape), state


def _log(value):
    return math.log(value) if value > 0 else -math.inf


def draw_bernoulli(state, shape, dtype, probability):
    """1 where u < probability, else 0. `probability`: a number, or an array of `shape`.

    A number or a float64 array is compared with a float64 u, other arrays with a float32 u.
    """
    count = element_count(shape)
    if not isinstance(probability, np.ndarray):
        successes, state = _compare_with_number(state, count, float(probability), dtype)
    elif probability.dtype == _FLOAT64:
        uniform, state = draw_unit64(state, count)
        successes = uniform < probability.reshape(-1)
    else:
        uniform, state = draw_unit32(state, count)
        successes = uniform < probability.reshape(-1).astype(np.float32)
    return successes.astype(dtype, copy=False).reshape(shape), state


def _compare_with_number(state, count, probability, dtype):
    """Whether each float64 uniform is below `probability`, by the words it would be made of.

    The 53 bits of u * 2^53 are 21 of the first word and all of the second; the first decides
    but for one number in two million. `dtype` is the one that is wanted in the end.
    """
    words, state = draw_words(state, 2 * count)
    threshold = math.ceil(probability * 2.0**53)
    if compiled_below[0] and count >= _LONG and dtype == _FLOAT32:
        successes = compiled_below[0](words, threshold)
        if successes is not None:
            return successes, state
    high, low = threshold >> 32, threshold & 0xFFFFFFFF
    first = words[0::2] & _HIGH_OF_53
    successes = first < np.uint32(high)
    undecided = first == np.uint32(high)
    if undecided.any():
        successes |= undecided & (words[1::2] < np.uint32(low))
    return successes, state


def draw_integers(state, shape, dtype, low, high):
    """Integers in [low, high):  word % (high - low) + low; 64-bit words from a range of 2^28."""
    count, width, dtype = element_count(shape), int(high) - int(low), np.dtype(dtype)
    if width >= _WIDE_RANGE:
        words, state = draw_double_words(state, count)
        values = words if width > 0xFFFFFFFFFFFFFFFF else words % np.uint64(width)
    else:
        words, state = draw_words(state, count)
        values = words % np.uint32(width)
        if dtype.kind in "iu":
            values = values.astype(dtype)
            if low:
                values += dtype.type(low)       # where this wraps, so did the conversion
            return values.reshape(shape), state
        values = values.astype(np.uint64)
    values = values + np.uint64(int(low) & 0xFFFFFFFFFFFFFFFF)  # wraps, as in two's complement
    return _integers_to(values.view(np.int64), dtype).reshape(shape), state


def draw_full_range(state, shape, dtype):
    """`random_()` without bounds: [0, max] for integers, [0, 2^mantissa] for floats, 0 or 1."""
    dtype = np.dtype(dtype)
    count = element_count(shape)
    if dtype == _FLOAT64 or dtype == _INT64:
        words, state = draw_double_words(state, count)
    else:
        words, state = draw_words(state, count)
    bits = MANTISSA_BITS.get(dtype.name)
    if bits is not None:
        values = words.astype(np.uint64) % np.uint64((1 << bits) + 1)
    elif dtype.kind == "b":
        values = words & np.uint32(1)
    else:
        values = words & words.dtype.type(np.iinfo(dtype).max)
    return _integers_to(values.astype(np.int64), dtype).reshape(shape), state


def _integers_to(values, dtype):
    if dtype.itemsize == 2 and dtype.name in MANTISSA_BITS:
        values = values.astype(np.float32)
    return values.astype(dtype)


def draw_permutation(state, count, dtype=np.int64):
    """0 .. count-1 shuffled (Fisher and Yates): place i takes place i + word % (count - i)."""
    places = np.arange(count)
    if count < 2:
        return places.astype(dtype), state
    left = np.arange(count, 1, -1)
    if count < 0xFFFFFFFF // 20:
        words, state = draw_words(state, count - 1)
        targets = words % left.astype(np.uint32)
    else:
        words, state = draw_double_words(state, count - 1)
        targets = words % left.astype(np.uint64)
    targets = np.append(targets.astype(np.int64) + places[:-1], count - 1)
    return _apply_swaps(targets).astype(dtype), state


def _apply_swaps(targets):
    """The order after swapping places i and targets[i] (>= i), for i = 0, 1, ..., at once.

    Place i is final after its swap. What it gets is what place targets[i] held: what the latest
    earlier swap with that target put there, else its own number. What swap j puts there is what
    place j held, again by the latest earlier swap with target j: a chain, followed for all places
    together by doubling.
    """
    count = len(targets)
    if count < 500:
        order = list(range(count))
        for i, target in enumerate(targets.tolist()):
            order[i], order[target] = order[target], order[i]
        return np.array(order)
    places = np.arange(count)
    by_target = np.argsort(targets * count + places)
    sorted_targets = targets[by_target]
    same = sorted_targets[1:] == sorted_targets[:-1]
    previous = np.full(count, -1)
    previous[by_target[1:][same]] = by_target[:-1][same]

    latest = np.full(count, -1)
    latest[targets] = places
    itself = latest == places  # only possible for targets[i] == i: then the one before it
    latest[itself] = previous[itself]
    # held[i]: what place i holds just before its swap, as the place where its chain starts.
    held = np.where(latest < 0, places, latest)
    while True:
        further = held[held]
        if np.array_equal(further, held):
            break
        held = further
    result = np.where(previous < 0, targets, held[previous])
    stays = targets == places
    result[stays] = held[stays]
    return result


def draw_rrelu_noise(state, values, low, high):
    """Slopes of a randomised leaky ReLU: uniform in [low, high) where values <= 0, 1 elsewhere.

    Only the elements that get a slope take words.
    """
    low, high = round_to(np.array([low, high], np.float64), values.dtype).astype(np.float64)
    negative = values <= 0
    noise = np.ones(values.shape, values.dtype)
    uniform, state = draw_unit64(state, int(np.count_nonzero(negative)))
    noise[negative] = round_to(uniform * (high - low) + low, values.dtype)
    return noise, state


def draw_multinomial(state, weights, count, replacement=False, dtype=None):
    """`count` category numbers (int64) for each row of `weights` (n,) or (rows, n).

    Without replacement (or for one sample) each category gets weight / exponential, and the
    largest win; with replacement, a float64 uniform is looked up in the cumulative weights.
    Equal scores (float16 and bfloat16 only, in practice) come lowest category first here, in no
    stated order in PyTorch.
    """
    rows = weights.reshape(-1, weights.shape[-1])
    if replacement and count > 1:
        result, state = _multinomial_with_replacement(state, rows, count)
    else:
        noise, state = draw_exponential(state, rows.shape, rows.dtype)
        scores = (rows / noise).astype(np.float64)
        if count == 1:
            result = scores.argmax(axis=-1)[:, None]
        else:
            result = np.argsort(-scores, axis=-1, kind="stable")[:, :count]
    return result.astype(np.int64).reshape(weights.shape[:-1] + (count,)), state


def _multinomial_with_replacement(state, rows, count):
    work = np.float64 if rows.dtype == _FLOAT64 else np.float32
    cumulative = np.cumsum(rows.astype(work), axis=-1, dtype=work)
    cumulative /= cumulative[:, -1:].copy()
    cumulative[:, -1] = 1
    uniform, state = draw_unit64(state, len(rows) * count)
    uniform = uniform.reshape(len(rows), count)
    cumulative = cumulative.astype(np.float64)
    result = [np.searchsorted(row, u, side="left") for row, u in zip(cumulative, uniform)]
    return np.stack(result), state
