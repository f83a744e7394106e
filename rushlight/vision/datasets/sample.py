"""The real pictures that come with rushlight: a stratified subset of Fashion-MNIST.

Made by `tools/make_fashion_sample.py`; the licence (MIT, Zalando SE) lies beside the data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SAMPLE_FILE = Path(__file__).resolve().parents[2] / "data" / "fashion_mnist_sample.npz"

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load_fashion_mnist_sample() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return 10,000 training and 2,000 test pictures of clothes with their classes, in NumPy.

    Returns `(train_images, train_labels, test_images, test_labels)`: images uint8 of shapes
    [10000, 28, 28] and [2000, 28, 28] (0 black, 255 white), labels int64 in 0..9, every class
    equally often, already shuffled. Names are in `FASHION_MNIST_CLASSES`.

    Raises FileNotFoundError when the data file is missing from the installation.

    Example:
        >>> train_images, train_labels, test_images, test_labels = load_fashion_mnist_sample()
        >>> train_images.shape, test_labels.shape
        ((10000, 28, 28), (2000,))

    Source: https://github.com/zalandoresearch/fashion-mnist
    """
    with np.load(SAMPLE_FILE, allow_pickle=False) as arrays:
        return (
            arrays["train_images"],
            arrays["train_labels"].astype(np.int64),
            arrays["test_images"],
            arrays["test_labels"].astype(np.int64),
        )
