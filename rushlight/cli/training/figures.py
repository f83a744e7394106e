"""The pictures of a run folder: curves, confusion matrix, sample predictions (PNG)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

TRAIN_COLOR, TEST_COLOR, RATE_COLOR = "#b45f06", "#1f5fa8", "#5b7f3a"
WRONG_COLOR, RIGHT_COLOR = "#b3261e", "#2e6b34"


def _figure(width: float, height: float) -> Any:
    # Figure, not pyplot: no display, no global state, and nothing to close.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def curves(history: list[dict[str, Any]]) -> bytes:
    """Return a PNG with loss, accuracy and learning rate over the epochs."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(12, 3.6)
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in history]
    style = {"marker": "o", "markersize": 4, "linewidth": 1.8}
    loss.plot(epochs, [r["train_loss"] for r in history], color=TRAIN_COLOR, label="train", **style)
    loss.plot(epochs, [r["test_loss"] for r in history], color=TEST_COLOR, label="test", **style)
    loss.set(title="Loss (cross entropy)", xlabel="epoch")
    loss.legend(frameon=False)
    percent = [100 * row["test_accuracy"] for row in history]
    accuracy.plot(epochs, percent, color=TEST_COLOR, **style)
    best = int(np.argmax(percent))
    accuracy.set(title=f"Test accuracy (best {percent[best]:.2f} %)", xlabel="epoch", ylabel="%")
    rate.plot(epochs, [row["lr"] for row in history], color=RATE_COLOR, **style)
    rate.set(title="Learning rate at the epoch's start", xlabel="epoch")
    rate.set_ylim(bottom=0)
    for axes in (loss, accuracy, rate):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _png(figure)


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts [true class, predicted class].

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def confusion_picture(matrix: np.ndarray, classes: tuple[str, ...]) -> bytes:
    """Return a PNG of the matrix: colours are shares of the true class, numbers are counts."""
    count = len(classes)
    side = min(20.0, 3.2 + 0.55 * count)
    figure = _figure(side + 0.8, side)
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    font = 8 if count <= 20 else 5
    if count <= 40:
        for row in range(count):
            for column in range(count):
                if matrix[row, column]:
                    color = "white" if share[row, column] > 0.55 else "#333333"
                    axes.text(column, row, str(matrix[row, column]), ha="center", va="center",
                              fontsize=font, color=color)  # fmt: skip
    axes.set_xticks(range(count), classes, rotation=45, ha="right", fontsize=font + 1)
    axes.set_yticks(range(count), classes, fontsize=font + 1)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix of the test pictures")
    return _png(figure)


def predictions_picture(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    seed: int = 0,
) -> bytes:
    """Return a PNG sheet: three rows drawn at random, two rows of the most confident mistakes."""
    columns = 8
    order = np.random.default_rng(seed).permutation(len(images))[: 3 * columns]
    predicted = probabilities.argmax(1)
    confidence = probabilities.max(1)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][: 2 * columns]
    random_rows, wrong_rows = -(-len(order) // columns), -(-len(wrong) // columns)
    figure = _figure(13, 2.1 * (random_rows + wrong_rows) + 0.8)
    parts = figure.subfigures(
        2 if wrong_rows else 1, 1, height_ratios=[random_rows] + [wrong_rows] * bool(wrong_rows)
    )
    parts = np.atleast_1d(parts)
    groups = [(parts[0], "Drawn at random", order, random_rows)]
    if wrong_rows:
        groups.append((parts[1], "The most confident mistakes", wrong, wrong_rows))
    for part, title, chosen, rows in groups:
        part.suptitle(title, fontsize=11)
        grid = part.subplots(rows, columns, squeeze=False).reshape(-1)
        for axes in grid:
            axes.axis("off")
        for axes, index in zip(grid, chosen):
            _show(axes, images[index])
            right = predicted[index] == labels[index]
            text = f"{classes[predicted[index]]} {confidence[index]:.0%}"
            if not right:
                text += f"\nis {classes[labels[index]]}"
            axes.set_title(text, fontsize=8, color=RIGHT_COLOR if right else WRONG_COLOR)
    return _png(figure)


def _show(axes: Any, image: np.ndarray) -> None:
    if image.shape[0] == 1:
        axes.imshow(image[0], cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(image.transpose(1, 2, 0))
