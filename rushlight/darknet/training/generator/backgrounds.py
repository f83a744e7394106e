"""Backgrounds of generated pictures: textures, and scenes that look photographed from afar."""

from __future__ import annotations

import functools

import numpy as np

POOL = 24  # noise fields made once; each use turns and shifts one


@functools.cache
def _noise_pool(size: int) -> np.ndarray:
    """Fields [POOL, size, size] with a 1/f^a spectrum, as natural pictures have, from 0 to 1."""
    rng = np.random.default_rng(20)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = 1
    fields = []
    for place in range(POOL):
        exponent = 0.7 + 1.3 * place / POOL
        white = np.fft.rfft2(rng.standard_normal((size, size)))
        field = np.fft.irfft2(white / frequency**exponent, s=(size, size))
        low, high = np.percentile(field, (2, 98))
        fields.append(np.clip((field - low) / (high - low), 0, 1))
    return np.array(fields, np.float32)


def noise(size: int, rng: np.random.Generator, rough: float | None = None) -> np.ndarray:
    """Return a noise field [size, size] from 0 to 1; `rough` (0 smooth, 1 rough) picks its kind."""
    pool = _noise_pool(size)
    place = rng.integers(POOL) if rough is None else round((1 - rough) * (POOL - 1))
    field = np.roll(pool[place], rng.integers(0, size, 2), (0, 1))  # a field of the FFT is periodic
    if rng.random() < 0.5:
        field = field.T
    return field[::-1] if rng.random() < 0.5 else field


def color(rng: np.random.Generator, least: float = 0.0, most: float = 1.0) -> np.ndarray:
    """Return a colour [3] whose channels lie between `least` and `most`."""
    return rng.uniform(least, most, 3).astype(np.float32)


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    return first + (second - first) * share[..., None]


def _plain_gradient(size: int, rng: np.random.Generator) -> np.ndarray:
    axis = np.linspace(0, 1, size, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
    along = (along - along.min()) / np.ptp(along)
    return _mix(color(rng), color(rng), along)


def _stripes(size: int, rng: np.random.Generator) -> np.ndarray:
    axis = np.arange(size, dtype=np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 40)
    bent = noise(size, rng, 0.0) * rng.uniform(0, 25)
    phase = (np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None] + bent) / period
    wave = np.sin(2 * np.pi * phase)
    if rng.random() < 0.5:
        wave = np.clip(wave * 4, -1, 1)
    first = color(rng)
    return _mix(first, np.clip(first + rng.uniform(-0.4, 0.4, 3), 0, 1), 0.5 + 0.5 * wave)


def _checks(size: int, rng: np.random.Generator) -> np.ndarray:
    cell = int(rng.integers(6, 40))
    rows = (np.arange(size) + rng.integers(cell)) // cell
    board = ((rows[:, None] + rows[None, :]) % 2).astype(np.float32)
    first = color(rng)
    return _mix(first, np.clip(first + rng.uniform(-0.35, 0.35, 3), 0, 1), board)


def _cloudy(size: int, rng: np.random.Generator) -> np.ndarray:
    picture = _mix(color(rng), color(rng), noise(size, rng))
    return _mix(picture, color(rng), 0.6 * noise(size, rng))


def _grain(size: int, rng: np.random.Generator) -> np.ndarray:
    """Wood or cloth: noise drawn out in one direction."""
    field = noise(size, rng, rng.uniform(0.5, 1))
    width = int(rng.integers(8, 24))
    total = np.cumsum(np.concatenate([field, field[:, :width]], 1), 1)
    drawn = (total[:, width:] - total[:, :-width]) / width
    drawn = drawn - drawn.min()
    drawn = drawn / max(drawn.max(), 1e-6)
    drawn = drawn.T if rng.random() < 0.5 else drawn
    first = color(rng, 0.1, 0.9)
    return _mix(first, np.clip(first * rng.uniform(0.3, 0.8), 0, 1), drawn)


def _landscape(size: int, rng: np.random.Generator) -> np.ndarray:
    """A sky and a few ridges, each nearer, darker and rougher than the one behind."""
    down = np.linspace(0, 1, size, dtype=np.float32)
    sky = _mix(color(rng, 0.2, 0.9), color(rng, 0.5, 1.0), down)[:, None].repeat(size, 1)
    picture = _mix(sky, np.ones(3, np.float32), 0.5 * np.clip(noise(size, rng) * 2 - 1, 0, 1))
    ground = color(rng, 0.1, 0.8)
    height = rng.uniform(0.25, 0.6)
    for _ in range(rng.integers(2, 5)):
        profile = noise(size, rng, rng.uniform(0, 0.4))[int(rng.integers(size))]
        edge = (height + 0.25 * (profile - 0.5)) * size
        below = np.clip(np.arange(size)[:, None] - edge[None, :], 0, 1).astype(np.float32)
        texture = ground * (0.6 + 0.8 * noise(size, rng)[..., None])
        picture = _mix(picture, np.clip(texture, 0, 1), below)
        ground, height = ground * rng.uniform(0.6, 0.95), height + rng.uniform(0.1, 0.25)
    return picture


def _lights(size: int, rng: np.random.Generator) -> np.ndarray:
    """A dark room out of focus: soft spots of light."""
    picture = _mix(color(rng, 0, 0.4), color(rng, 0, 0.5), noise(size, rng, 0.1))
    axis = np.arange(size, dtype=np.float32)
    for _ in range(rng.integers(4, 12)):
        x, y, radius = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(0.04, 0.2) * size
        square = ((axis - x) ** 2)[None, :] + ((axis - y) ** 2)[:, None]
        picture = _mix(picture, color(rng, 0.3, 1), 0.7 * np.exp(-square / radius**2))
    return picture


TEXTURES = (_plain_gradient, _stripes, _checks, _cloudy, _grain)
PHOTOGRAPHS = (_landscape, _lights)


def background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a background: float32 [size, size, 3] from 0 to 1, lit from one side.

    Three in five are textures, the others look like photographs.
    """
    kinds = PHOTOGRAPHS if rng.random() < 0.4 else TEXTURES
    picture = kinds[rng.integers(len(kinds))](size, rng)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    slope = rng.uniform(-0.2, 0.2, 2)
    light = 1 + slope[0] * axis[None, :] + slope[1] * axis[:, None]
    grain = 0.85 + 0.3 * noise(size, rng, 1.0)
    return np.clip(picture * (light * grain)[..., None], 0, 1).astype(np.float32)
