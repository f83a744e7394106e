"""The Mersenne Twister's words (`base/mt19937.py`) and what is made of them, in machine code."""

from __future__ import annotations

from ..base import mt19937
from ..base.mt19937 import BLOCK, LOWER, SHIFT

# Words are LLVM's i32: signed.
UPPER, TWIST, *MASKS = (int(word) - (1 << 32)
                        for word in (mt19937.UPPER, mt19937.TWIST, *mt19937.MASKS))
HIGH_BITS = (1 << 21) - 1           # of 53 random bits, those of the first word
TASK = 16384                        # numbers of a task
PADDING = 64                        # words behind the block that are read


def words(module, target):
    """Words in order. Arguments: block (rewritten), results, words of it already used, count."""
    module.scheduled = True
    b = module.kernel()
    lanes = target.lanes(4)
    kind = f"<{lanes} x i32>"
    block, result = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(2))
    used, count = (b.load("i64", b.element(b.args[0], n, "i64")) for n in (2, 3))
    further = b.maximum(count + used - BLOCK, 0)        # words of new blocks
    with b.loop(0, (further + (BLOCK - 1)) // BLOCK + 1, unroll=False) as number:
        with b.unless(number.equals(0)):
            _next_block(b, block, lanes)
        start = b.select(number.equals(0), used, b.constant("i64", 0))
        done = b.maximum(number * BLOCK - used, 0)
        left = b.minimum(BLOCK - start, count - done)
        into, source = b.element(result, done, "i32"), b.element(block, start, "i32")
        whole = left - left % lanes
        with b.loop(0, whole, lanes, unroll=False) as i:
            b.store(_tempered(b, b.load(kind, b.element(source, i, "i32"))),
                    b.element(into, i, "i32"))
        value = _tempered(b, b.load(kind, b.element(source, whole, "i32")))
        b.masked_store(value, b.element(into, whole, "i32"), b.first_lanes(lanes, left - whole))
    b.ret(0)


def _next_block(b, block, lanes) -> None:
    """Each word from itself, the next one, and the one `SHIFT` further round the ring."""
    def renew(i, far, wide, following=None):
        kind = f"<{wide} x i32>" if wide > 1 else "i32"
        place = b.element(block, i, "i32")
        after = b.element(place, 1, "i32") if following is None else following
        mixed = (b.load(kind, place) & UPPER) | (b.load(kind, after) & int(LOWER))
        odd = (b.constant(kind, 0) - (mixed & 1)) & TWIST
        b.store(b.load(kind, b.element(place, far, "i32")) ^ b.logical_shift_right(mixed, 1) ^ odd,
                place)

    for begin, end, far in ((0, BLOCK - SHIFT, SHIFT), (BLOCK - SHIFT, BLOCK - 1, SHIFT - BLOCK)):
        whole = end - (end - begin) % lanes
        with b.loop(begin, whole, lanes, unroll=False) as i:
            renew(i, far, lanes)
        with b.loop(whole, end, unroll=False) as i:
            renew(i, far, 1)
    renew(b.constant("i64", BLOCK - 1), SHIFT - BLOCK, 1, block)


def _tempered(b, x):
    x = x ^ b.logical_shift_right(x, 11)
    x = x ^ ((x << 7) & MASKS[0])
    x = x ^ ((x << 15) & MASKS[1])
    return x ^ b.logical_shift_right(x, 18)


def below(module, target):
    """1.0 where the 53 bits of a pair of words are below a threshold, else 0.0.

    Arguments: words, results (float32), the threshold's bits from 32 on, its low 32, count.
    """
    module.scheduled = True
    b = module.kernel()
    lanes = target.lanes(4)
    wide = f"<{2 * lanes} x i32>"
    source, result = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(2))
    high, low = (b.splat(b.cast(b.load("i64", b.element(b.args[0], n, "i64")), "i32"), lanes)
                 for n in (2, 3))
    count = b.load("i64", b.element(b.args[0], 4, "i64"))
    one, zero = (b.constant(f"<{lanes} x float>", n) for n in (1, 0))

    def compared(pairs):
        first, second = (b.shuffle(pairs, None, list(range(n, 2 * lanes, 2))) for n in range(2))
        first = first & HIGH_BITS
        decided = b.compare("lt", first, high, unsigned=True)
        narrow = b.compare("eq", first, high) & b.compare("lt", second, low, unsigned=True)
        return b.select(decided | narrow, one, zero)

    begin, end = b.args[1] * TASK, b.minimum(b.args[2] * TASK, count)
    whole = end - (end - begin) % lanes
    with b.loop(begin, whole, lanes, unroll=False) as i:
        b.store(compared(b.load(wide, b.element(source, i * 2, "i32"))),
                b.element(result, i, "float"))
    left = end - whole
    pairs = b.masked_load(wide, b.element(source, whole * 2, "i32"),
                          b.first_lanes(2 * lanes, left * 2))
    b.masked_store(compared(pairs), b.element(result, whole, "float"), b.first_lanes(lanes, left))
    b.ret(0)


def log_uniform(module, target):
    """log1p(-u) in float64, by the C library, of the u in [0, 1) that pairs of words make.

    Arguments: words, results, count.
    """
    module.scheduled = True
    b = module.kernel()
    source, result = (b.load("ptr", b.element(b.args[0], n, "i64")) for n in range(2))
    count = b.load("i64", b.element(b.args[0], 2, "i64"))
    with b.loop(b.args[1] * TASK, b.minimum(b.args[2] * TASK, count), unroll=False) as i:
        first, second = (b.cast(b.load("i32", b.element(source, i * 2 + n, "i32")), "i64",
                                unsigned=True) for n in range(2))
        bits = ((first << 32) | second) & ((1 << 53) - 1)
        uniform = b.cast(bits, "double") * 2.0 ** -53
        b.store(b.call("log1p", "double", -uniform), b.element(result, i, "double"))
    b.ret(0)
