"""Whole batches, cut and augmented with array operations rather than picture by picture.

Which pictures a batch holds and how they are augmented follows from (seed, epoch, batch) alone:
not from what ran before, nor from the number of worker processes. A resumed run therefore sees
the very batches the uninterrupted one would have seen.
"""

from __future__ import annotations

import numpy as np

import rushlight
from rushlight.cli.training.pictures import InputFormat

SHIFT_PIXELS = 2


class ShuffledBatches:
    """A data set whose items are training batches, asked for by (epoch, batch number).

    Example:
        >>> batches = ShuffledBatches(images, labels, input_format, 64, "flip", seed=0)
        >>> inputs, targets = batches[(0, 5)]
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        input_format: InputFormat,
        batch_size: int,
        augment: str,
        seed: int,
    ):
        self.images, self.labels, self.input_format = images, labels, input_format
        self.batch_size, self.augment, self.seed = batch_size, augment, seed
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        """Return the number of batches in an epoch; the last one may be smaller."""
        return -(-len(self.images) // self.batch_size)

    def epoch(self, epoch: int) -> list[tuple[int, int]]:
        """Return the requests that make up one epoch, for use as a sampler."""
        return [(epoch, batch) for batch in range(len(self))]

    def __getitem__(self, request: tuple[int, int]):
        epoch, batch = request
        start = batch * self.batch_size
        rows = self._order_of(epoch)[start : start + self.batch_size]
        images = self.images[rows]
        if self.augment != "none":
            rng = np.random.default_rng([self.seed, epoch, batch])
            images = augmented(images, self.augment, rng)
        inputs = rushlight.tensor(self.input_format.normalise(images))
        return inputs, rushlight.tensor(self.labels[rows])

    def _order_of(self, epoch: int) -> np.ndarray:
        if self._order is None or self._order[0] != epoch:
            generator = rushlight.Generator()
            mixed = np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]
            generator.manual_seed(int(mixed))
            order = rushlight.randperm(len(self.images), generator=generator)
            self._order = (epoch, order.numpy())
        return self._order[1]


def augmented(images: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 [N, C, H, W] with half the pictures mirrored and/or each one shifted.

    `how` is `flip`, `shift` or `flip-shift`; a shift is up to two pixels in each direction with
    black moving in.
    """
    if "flip" in how:
        mirrored = rng.random(len(images)) < 0.5
        images = np.where(mirrored[:, None, None, None], images[..., ::-1], images)
    if "shift" in how:
        images = _shifted(images, rng)
    return images


def _shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count, _, height, width = images.shape
    reach = SHIFT_PIXELS
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    result = np.empty_like(images)
    offsets = rng.integers(0, 2 * reach + 1, (count, 2))
    # Twenty-five slices by offset are faster than one gather of single pixels.
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            these = np.flatnonzero((offsets[:, 0] == row) & (offsets[:, 1] == column))
            if len(these):
                window = (..., slice(row, row + height), slice(column, column + width))
                result[these] = padded[these][window]
    return result


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Return per-channel mean and standard deviation of uint8 images, on the scale 0 to 1.

    Computed exactly from the histogram of the values, so that they do not depend on summation
    order.
    """
    means, deviations = [], []
    values = np.arange(256) / 255
    for channel in range(images.shape[1]):
        counts = np.bincount(images[:, channel].reshape(-1), minlength=256)
        mean = float((counts * values).sum() / counts.sum())
        variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
        means.append(round(mean, 6))
        deviations.append(round(max(variance, 1e-6) ** 0.5, 6))
    return means, deviations
