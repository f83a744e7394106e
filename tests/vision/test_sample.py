"""The embedded pictures: shapes, balance, content, and that nothing is in both halves."""

import numpy as np

from rushlight.vision.datasets.sample import (
    FASHION_MNIST_CLASSES,
    SAMPLE_FILE,
    load_fashion_mnist_sample,
)


def test_shapes_types_and_balance():
    train_images, train_labels, test_images, test_labels = load_fashion_mnist_sample()
    assert train_images.shape == (10000, 28, 28) and train_images.dtype == np.uint8
    assert test_images.shape == (2000, 28, 28) and test_images.dtype == np.uint8
    assert train_labels.dtype == np.int64 and test_labels.dtype == np.int64
    assert np.bincount(train_labels).tolist() == [1000] * 10
    assert np.bincount(test_labels).tolist() == [200] * 10
    assert len(FASHION_MNIST_CLASSES) == 10


def test_labels_are_shuffled_and_pictures_are_pictures():
    train_images, train_labels, _, _ = load_fashion_mnist_sample()
    assert len(set(train_labels[:100].tolist())) == 10
    # The full set's published mean and deviation are 0.2860 and 0.3530.
    assert abs(train_images.mean() / 255 - 0.2860) < 0.01
    assert abs(train_images.std() / 255 - 0.3530) < 0.01
    # Trousers leave the space between the legs dark; pullovers fill it.
    centre = train_images[:, 20:27, 14].mean(axis=1)
    assert centre[train_labels == 1].mean() < centre[train_labels == 2].mean() / 2


def test_file_is_small_and_carries_its_licence():
    assert SAMPLE_FILE.stat().st_size < 6_000_000
    licence = SAMPLE_FILE.with_name("LICENSE-fashion-mnist.txt").read_text(encoding="utf-8")
    assert "Zalando" in licence and "MIT License" in licence
