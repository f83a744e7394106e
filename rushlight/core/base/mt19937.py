"""The Mersenne Twister behind `manual_seed`, as a value.

A generator's state is an immutable `GeneratorState`; `draw_words` returns random 32-bit words and
the state after them, and never changes its argument. So a random op can sit in a trace like any
other op, be replayed, and be undone by keeping the old state.

Recurrence (Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998), 624 words a block:

    y[i]   = high bit of x[i], low 31 bits of x[i+1]
    x[i]  <- x[i+397] ^ (y[i] >> 1) ^ (0x9908B0DF if y[i] is odd)

Each x[i] needs the word 227 places before it in the new block, so a block is made in three
vectorised strides of 227. Words are tempered (a fixed invertible bit mix) as they leave.
`to_bytes` and `from_bytes` use PyTorch's layout of `get_rng_state()`.
"""

from __future__ import annotations

import struct
import threading

import numpy as np

BLOCK = 624
STATE_BYTES = 5056

SHIFT = 397
_STRIDE = BLOCK - SHIFT
UPPER = np.uint32(0x80000000)
LOWER = np.uint32(0x7FFFFFFF)
TWIST = np.uint32(0x9908B0DF)
MASKS = np.uint32(0x9D2C5680), np.uint32(0xEFC60000)
_ONE = np.uint32(1)

# (block, words of it already used, count) -> (words, the block then), or None where it does not
# want to; None: there is no such thing.
compiled: list = [None]
# Draws of this many words or more are made by machine code, or else by NumPy's own Mersenne
# Twister: the same words at 4 ns each. Below it, setting that one up costs more than making the
# blocks here.
_LONG_DRAW = 6 * BLOCK
_long_draw_lock = threading.Lock()
_long_draw_engine = None


class GeneratorState:
    """Where a generator stands: its block of words, how many are used, and a spare normal number.

    `position` counts the words of `block` already handed out; 0 means freshly seeded (the seed
    words themselves are never handed out). `normal` is the second number of a Box-Muller pair that
    the scalar normal draw keeps for its next call, or None.
    """

    __slots__ = ("seed", "block", "position", "normal", "float_normal", "_tempered")

    def __init__(self, seed, block, position, normal=None, float_normal=None, tempered=None):
        self.seed = seed
        self.block = block
        self.position = position
        self.normal = normal
        self.float_normal = float_normal
        self._tempered = tempered

    def with_normal(self, normal):
        """The same place in the stream with another spare normal number (None for no spare)."""
        if normal is self.normal:
            return self
        return GeneratorState(
            self.seed, self.block, self.position, normal, self.float_normal, self._tempered
        )

    def __eq__(self, other):
        if not isinstance(other, GeneratorState):
            return NotImplemented
        return to_bytes(self).tobytes() == to_bytes(other).tobytes()

    def __hash__(self):
        return hash((self.seed, self.position, int(self.block[0]), self.normal))

    def __reduce__(self):
        return from_bytes, (to_bytes(self),)

    def __repr__(self):
        return f"GeneratorState(seed={self.seed}, position={self.position})"


def seed_state(seed):
    """The state that `manual_seed(seed)` starts from.

    The seed is kept with 64 bits (negative seeds wrap, as in PyTorch); the block is filled from
    its low 32 bits:  x[0] = seed,  x[i] = 1812433253 * (x[i-1] ^ (x[i-1] >> 30)) + i.
    """
    seed = int(seed) & 0xFFFFFFFFFFFFFFFF
    word = seed & 0xFFFFFFFF
    words = [word]
    for index in range(1, BLOCK):
        word = (1812433253 * (word ^ (word >> 30)) + index) & 0xFFFFFFFF
        words.append(word)
    return GeneratorState(seed, np.array(words, dtype=np.uint32), 0)


def _next_block(block):
    mixed = block[:-1] & UPPER
    mixed |= block[1:] & LOWER
    odd = mixed & _ONE
    odd *= TWIST
    mixed >>= _ONE
    mixed ^= odd
    fresh = np.empty_like(block)
    np.bitwise_xor(block[SHIFT:], mixed[:_STRIDE], out=fresh[:_STRIDE])
    np.bitwise_xor(fresh[:_STRIDE], mixed[_STRIDE : 2 * _STRIDE], out=fresh[_STRIDE : 2 * _STRIDE])
    rest = slice(2 * _STRIDE, BLOCK - 1)
    np.bitwise_xor(fresh[_STRIDE : SHIFT - 1], mixed[rest], out=fresh[rest])
    # The last word closes the ring: its low bits come from the new block.
    last = (int(block[-1]) & 0x80000000) | (int(fresh[0]) & 0x7FFFFFFF)
    fresh[-1] = int(fresh[SHIFT - 1]) ^ (last >> 1) ^ (0x9908B0DF if last & 1 else 0)
    return fresh


def _temper(words):
    words = words ^ (words >> np.uint32(11))
    words ^= (words << np.uint32(7)) & MASKS[0]
    words ^= (words << np.uint32(15)) & MASKS[1]
    words ^= words >> np.uint32(18)
    return words


def draw_words(state, count):
    """`count` random 32-bit words (uint32, read-only) and the state after them."""
    position = state.position
    if position and count <= BLOCK - position:
        tempered = state._tempered
        if tempered is None:
            tempered = state._tempered = _temper(state.block)
            tempered.flags.writeable = False
        end = position + count
        after = GeneratorState(
            state.seed, state.block, end, state.normal, state.float_normal, tempered
        )
        return tempered[position:end], after
    if count <= 0:
        return np.empty(0, dtype=np.uint32), state
    if count >= _LONG_DRAW:
        return _draw_long(state, count)
    return _draw_blocks(state, count)


def _draw_blocks(state, count):
    """Words that reach beyond the current block, made block by block."""
    start = state.position or BLOCK
    pieces = [state.block[start:]]
    block, needed = state.block, count - (BLOCK - start)
    while True:
        block = _next_block(block)
        pieces.append(block)
        if needed <= BLOCK:
            break
        needed -= BLOCK
    tempered = _temper(np.concatenate(pieces))
    tempered.flags.writeable = False
    after = GeneratorState(
        state.seed, block, needed, state.normal, state.float_normal, tempered[-BLOCK:]
    )
    return tempered[:count], after


def _draw_long(state, count):
    """The same words from machine code, or NumPy's generator: the same recurrence in C."""
    global _long_draw_engine
    position = state.position or BLOCK
    made = compiled[0] and compiled[0](state.block, position, count)
    if made:
        words, block = made
        words.flags.writeable = False
        return words, GeneratorState(
            state.seed, block, (position + count - 1) % BLOCK + 1, state.normal, state.float_normal
        )
    with _long_draw_lock:
        if _long_draw_engine is None:
            # Imported here: `import numpy` alone does not load numpy.random.
            from numpy.random import MT19937, Generator

            _long_draw_engine = Generator(MT19937(0))
        engine = _long_draw_engine.bit_generator
        engine.state = {
            "bit_generator": "MT19937",
            "state": {"key": state.block, "pos": position},
        }
        words = _long_draw_engine.integers(0, 1 << 32, count, dtype=np.uint32)
        after = engine.state["state"]
    words.flags.writeable = False
    block = np.array(after["key"], dtype=np.uint32)
    return words, GeneratorState(
        state.seed, block, int(after["pos"]), state.normal, state.float_normal
    )


# PyTorch's layout, little endian: seed, words left + 1, seeded flag, words used, the block as
# 64-bit words, three doubles (unused, spare normal, unused), spare flag; then float spare + flag.
_HEADER = struct.Struct("<QiiQ")
_SPARE = struct.Struct("<dddi4x")
_FLOAT_SPARE = struct.Struct("<f?3x")


def to_bytes(state):
    """`state` as PyTorch's `get_rng_state()` gives it: a uint8 array of 5056 bytes."""
    position = state.position
    left = BLOCK + 1 - position if position else 1
    normal, float_normal = state.normal, state.float_normal
    return np.frombuffer(
        bytearray(
            _HEADER.pack(state.seed, left, 1, position)
            + state.block.astype("<u8").tobytes()
            + _SPARE.pack(0.0, normal or 0.0, 0.0, normal is not None)
            + _FLOAT_SPARE.pack(float_normal or 0.0, float_normal is not None)
        ),
        dtype=np.uint8,
    )


def from_bytes(data):
    """The state that `data` (a uint8 array or bytes, 5056 of them) describes.

    Raises RuntimeError for another size or for bytes that cannot be a Mersenne Twister's state.
    """
    raw = data if isinstance(data, bytes) else np.asarray(data, dtype=np.uint8).tobytes()
    if len(raw) != STATE_BYTES:
        raise RuntimeError(
            f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG "
            f"state size to be {len(raw)}"
        )
    seed, left, seeded, used = _HEADER.unpack_from(raw)
    words = np.frombuffer(raw, dtype="<u8", count=BLOCK, offset=_HEADER.size)
    fresh = left == 1 and used == 0
    if not seeded or used > BLOCK or not (fresh or left == BLOCK + 1 - used):
        raise RuntimeError("Invalid mt19937 state")
    _, normal, _, has_normal = _SPARE.unpack_from(raw, _HEADER.size + 8 * BLOCK)
    float_spare = _HEADER.size + 8 * BLOCK + _SPARE.size
    float_normal, has_float_normal = _FLOAT_SPARE.unpack_from(raw, float_spare)
    return GeneratorState(
        seed,
        words.astype(np.uint32),
        used,
        normal if has_normal else None,
        float_normal if has_float_normal else None,
    )
