"""Training batches: pictures, targets and boxes of one input size, always of the same shapes.

What a batch holds follows from (seed, epoch, batch) alone, so a resumed run sees the batches the
uninterrupted one would have seen, with any number of worker processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import rushlight
from rushlight.darknet.training.augmentation import Augmentation, augmented
from rushlight.darknet.training.labels import LabelledPicture, open_picture
from rushlight.darknet.training.targets import HeadTargets, make_targets, pad_boxes

CACHE_BYTES = 1 << 30
MARGIN = 1.25  # pictures are kept at up to so many times the input's size
BATCHES_PER_SIZE = 10  # with multi-scale training

Grids = Callable[[tuple[int, int]], list[tuple[int, int]]]


@dataclass(frozen=True)
class GridSizes:
    """The (rows, columns) of a network's heads for any input, from those for one `size`.

    Example:
        >>> GridSizes((416, 416), ((13, 13), (26, 26)))((320, 608))
        [(10, 19), (20, 38)]
    """

    size: tuple[int, int]
    grids: tuple[tuple[int, int], ...]

    def __call__(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        height, width = self.size
        return [(size[0] * rows // height, size[1] * cols // width) for rows, cols in self.grids]


class PictureStore:
    """Pictures at about the network's scale, decoded once where they fit into memory.

    Example:
        >>> pixels, boxes, classes = PictureStore(data.train, (160, 160)).read(0)
    """

    def __init__(self, pictures: Sequence[LabelledPicture], size: tuple[int, int]):
        self.pictures, self.size = list(pictures), size
        needed = len(self.pictures) * size[0] * size[1] * 3 * MARGIN**2
        self._cache: dict[int, tuple] | None = {} if needed <= CACHE_BYTES else None

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (uint8 [H, W, 3], boxes in its pixels [N, 4], classes [N]) to learn from.

        Crowds and difficult objects are left out. Raises DataError naming a file that cannot be
        read.
        """
        if self._cache is not None and number in self._cache:
            return self._cache[number]
        picture = self.pictures[number]
        pixels = open_picture(picture)
        boxes = picture.pixel_boxes(pixels.shape[1], pixels.shape[0])
        learnt = ~(picture.crowd | picture.difficult)
        pixels, scale = shrunk(pixels, self.size)
        result = (pixels, boxes[learnt] * np.float32(scale), picture.classes[learnt])
        if self._cache is not None:
            self._cache[number] = result
        return result


def shrunk(pixels: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Scale a picture down, smoothly, when it is much larger than the input; (pixels, scale)."""
    high, wide = pixels.shape[:2]
    scale = MARGIN * max(size[1] / wide, size[0] / high)
    if scale >= 1:
        return pixels, 1.0
    from PIL import Image

    image = Image.fromarray(pixels)
    small = (max(1, round(wide * scale)), max(1, round(high * scale)))
    return np.asarray(image.resize(small, Image.Resampling.BILINEAR)), scale


class DetectionBatches:
    """A data set whose items are whole batches, asked for by (epoch, batch number).

    An item is `(inputs, boxes, targets)`: float32 [B, 3, H, W] from 0 to 1, float32 [B, T, 4]
    (centre and size as fractions, zeros for padding), and seven tensors for each head (see
    `HeadTargets`). The pictures left over from the last whole batch of an epoch are skipped; the
    next epoch's order is another.

    `grids` gives the heads' (rows, columns) for an input size. With `random` above 0, every ten
    batches have a size of their own: the input's times 1 / r to r (r = `random`, or 1.4 for 1),
    in steps of `step`. From epoch `mosaic_until` on there are no mosaics.
    """

    def __init__(
        self, store: PictureStore, heads: Sequence[Any], grids: Grids, batch_size: int,
        how: Augmentation, seed: int, most: int, random: float = 0.0, step: int = 32,
        mosaic_until: float = float("inf"),
    ):  # fmt: skip
        self.store, self.heads, self.grids = store, list(heads), grids
        self.batch_size, self.how, self.seed, self.most = batch_size, how, seed, most
        self.random, self.step = (1.4 if random == 1 else random), step
        self.mosaic_until = mosaic_until
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return max(1, len(self.store) // self.batch_size)

    def epoch(self, epoch: int) -> list[tuple[int, int]]:
        """Return the requests that make up one epoch, for use as a sampler."""
        return [(epoch, batch) for batch in range(len(self))]

    def size_of(self, epoch: int, batch: int) -> tuple[int, int]:
        """Return the (height, width) of a batch's inputs."""
        if self.random <= 1:
            return self.store.size
        turn = (epoch * len(self) + batch) // BATCHES_PER_SIZE
        rng = np.random.default_rng([self.seed, 7, turn])
        factor = rng.uniform(1, self.random)
        factor = factor if rng.random() < 0.5 else 1 / factor
        height, width = (max(1, round(s * factor / self.step)) for s in self.store.size)
        return height * self.step, width * self.step

    def __getitem__(self, request: tuple[int, int]):
        epoch, batch = request
        rng = np.random.default_rng([self.seed, epoch, batch])
        size = self.size_of(epoch, batch)
        how = self.how if epoch < self.mosaic_until else replace(self.how, mosaic=0.0)
        start = batch * self.batch_size
        rows = np.take(self._order_of(epoch), range(start, start + self.batch_size), mode="wrap")
        inputs = np.empty((self.batch_size, 3, *size), np.float32)
        boxes, labels = [], []
        sides = np.array([size[1], size[0]], np.float32)
        for place, number in enumerate(rows.tolist()):
            others = rng.integers(0, len(self.store), 3)
            inputs[place], corners, classes = augmented(
                self.store.read, number, others, size, how, rng
            )
            centres = (corners[:, :2] + corners[:, 2:]) / 2
            boxes.append(np.concatenate([centres, corners[:, 2:] - corners[:, :2]], 1))
            boxes[-1] /= np.tile(sides, 2)
            labels.append(classes)
        padded, numbers = pad_boxes(boxes, labels, self.most)
        targets = make_targets(self.heads, padded, numbers, size, self.grids(size))
        return (
            rushlight.from_numpy(inputs).clone(),
            rushlight.tensor(padded),
            [[rushlight.tensor(field) for field in target.fields()] for target in targets],
        )

    def _order_of(self, epoch: int) -> np.ndarray:
        if self._order is None or self._order[0] != epoch:
            rng = np.random.default_rng([self.seed, 3, epoch])
            self._order = (epoch, rng.permutation(len(self.store)))
        return self._order[1]


def head_targets(fields: Sequence[Sequence[Any]], device: Any = None) -> list[HeadTargets]:
    """Return the targets of a batch's third part, on `device`."""
    return [HeadTargets(*(one if device is None else one.to(device) for one in some))
            for some in fields]  # fmt: skip
