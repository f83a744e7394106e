"""`rushlight predict`: the classes of pictures, by a model that `rushlight train` made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import rushlight
from rushlight.cli.errors import CommandError
from rushlight.cli.training import networks
from rushlight.cli.training.checkpoint import BEST, LAST, load_checkpoint, read_run_configuration
from rushlight.cli.training.pictures import InputFormat, pad_to, read_picture


def predict(run: str, images: list[str], top: int = 3) -> Iterator[str]:
    """Yield one line per picture: its path and the `top` classes with their probabilities.

    Raises CommandError naming the file when the run or a picture cannot be read.

    Example:
        >>> next(predict("runs/clothes", ["boot.png"], top=2))
        'boot.png: Ankle boot 97.1 %, Sneaker 2.6 %'
    """
    folder = Path(run)
    config = read_run_configuration(folder)
    input_format, classes, model = _load_model(folder, config)
    for path in images:
        picture = read_picture(path, input_format.channels, input_format.content)
        batch = input_format.normalise(pad_to(picture[None], input_format.size))
        with rushlight.no_grad():
            probabilities = rushlight.softmax(model(rushlight.tensor(batch)), 1)[0].tolist()
        order = np.argsort(probabilities)[::-1][:top]
        yield f"{path}: " + ", ".join(
            f"{classes[i]} {100 * probabilities[i]:.1f} %" for i in order.tolist()
        )


def _load_model(folder: Path, config: dict) -> tuple[InputFormat, list[str], rushlight.nn.Module]:
    checkpoint = folder / (BEST if (folder / BEST).exists() else LAST)
    state = load_checkpoint(checkpoint)
    try:
        input_format = InputFormat(**config["input"])
        classes = [str(name) for name in config["classes"]]
        name = config["options"]["model"]
    except (KeyError, TypeError):
        raise CommandError(f"{folder}/config.json is incomplete") from None
    networks.check_model(name)
    model = networks.build_model(name, input_format.channels, len(classes))
    try:
        model.load_state_dict(state["model"])
    except RuntimeError as error:
        raise CommandError(f"{checkpoint} does not fit {name}: {error}") from None
    return input_format, classes, model.eval()
