"""Small data sets and ways to call the program, for the tests of `rushlight train`."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from rushlight.cli import main


def pictures(count, classes, channels, size, seed):
    """Return uint8 pictures of striped classes under noise, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    axis = np.arange(size)
    waves = np.sin(axis * (1 + np.arange(classes)[:, None]) / 3)
    noise = rng.standard_normal((count, channels, size, size))
    images = 127 + 80 * waves[labels][:, None, :, None] + 20 * noise
    return images.clip(0, 255).astype(np.uint8), labels


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    Path(path).write_bytes(header + array.astype(np.uint8).tobytes())


def idx_folder(folder, train=120, test=40, classes=4):
    """Write a data set in MNIST's format."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count, seed in (("train", train, 1), ("t10k", test, 2)):
        images, labels = pictures(count, classes, 1, 28, seed)
        write_idx(folder / f"{name}-images-idx3-ubyte", images[:, 0])
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels)
    return folder


def picture_folder(folder, train=48, test=24, size=32, split=True):
    """Write a folder of class folders of PNG pictures."""
    from PIL import Image

    parts = (("train", train, 1), ("test", test, 2)) if split else ((".", train, 1),)
    for part, count, seed in parts:
        images, labels = pictures(count, 3, 3, size, seed)
        for index, (image, label) in enumerate(zip(images, labels)):
            place = folder / part / ("ant", "bee", "cat")[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{index:03}.png")
    return folder


def command(*arguments):
    """Run the program in this process; return its exit code."""
    return main([str(argument) for argument in arguments])


def start(*arguments, **options):
    """Start the program as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "rushlight", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, **options,
    )  # fmt: skip
